"""A script's problems, said for people: place, message, the line with a caret, the cure."""

from pathlib import Path

import click

from pysips.errors import Complaint, ConfigError


def tell(problem: ConfigError) -> None:
    """Say every complaint on standard error, in the order of the script, and the verdict."""
    for complaint in problem.complaints:
        click.echo(text_of(complaint), err=True)
    number = len(problem.complaints)
    click.echo(f"bad config file ({number} error{'s' if number > 1 else ''})", err=True)


def text_of(complaint: Complaint) -> str:
    """One complaint as lines: `file:line:column: message`, the source line, a caret under it, the cure."""
    place = complaint.place
    lines = [f"{place.file}:{place.line}:{place.column}: {complaint.message}"]
    source = complaint.source or source_line(place.file, place.line)
    if source:
        margin = f"{place.line:6} | "
        before = "".join("\t" if letter == "\t" else " " for letter in source[: place.column - 1])
        length = place.end_column - place.column if place.end_line == place.line else len(source) - place.column + 1
        lines += [margin + source, " " * 6 + " | " + before + "^" * max(1, min(length, len(source) - len(before)))]
    if complaint.cure:
        lines.append(" " * 9 + complaint.cure)
    return "\n".join(lines)


def source_line(file: str, number: int) -> str:
    """A line of a file, "" if it cannot be read."""
    try:
        return Path(file).read_text("utf-8", "replace").splitlines()[number - 1]
    except (OSError, IndexError):
        return ""
