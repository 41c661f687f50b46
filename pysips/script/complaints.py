"""What is wrong, as people read it: rendered complaints, the verdict, and cures for unknown names."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pysips.errors import BadName, Complaint

from .catalogue import Catalogue


class Wrong(BadName):
    """A name or argument that cannot be, with what may help."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.cure = cure


def render(complaint: Complaint) -> str:
    """`FILE:LINE:COL: message; cure`, the source line and a caret under the place."""
    place = complaint.place
    text = f"{place.file}:{place.line}:{place.column}: {complaint.message}"
    if complaint.cure:
        text += f"; {complaint.cure}"
    if not complaint.source:
        return text
    line = complaint.source.rstrip().replace("\t", " ")
    width = place.end_column - place.column if place.end_line == place.line and place.end_column else 1
    width = max(1, min(width, len(line) - place.column + 1))
    return f"{text}\n    {line}\n    {' ' * (place.column - 1)}^{'~' * (width - 1)}"


def remark(note: Complaint) -> str:
    """`FILE:LINE: note: message; cure`: what is accepted and yet worth a word."""
    cure = f"; {note.cure}" if note.cure else ""
    return f"{note.place.file}:{note.place.line}: note: {note.message}{cure}"


def verdict(complaints: Sequence[Complaint]) -> str:
    """The last line of a check."""
    if not complaints:
        return "config file ok, exiting..."
    return f"bad config file ({len(complaints)} error{'s' if len(complaints) != 1 else ''})"


def report(complaints: Sequence[Complaint]) -> str:
    """All complaints, file by file and line by line, and the verdict."""
    files = list(dict.fromkeys(one.place.file for one in complaints))
    ordered = sorted(complaints, key=lambda one: (files.index(one.place.file), one.place.line, one.place.column))
    return "\n".join([*(render(one) for one in ordered), verdict(complaints)])


def did_you_mean(name: str, candidates: Iterable[str], form: str = "{}") -> str:
    """`did you mean x?` for the nearest of the candidates, or nothing."""
    by_lower = {one.lower(): one for one in candidates}
    wanted = name.lower()
    swapped = [one for one in by_lower if len(one) > 2 and sorted(one) == sorted(wanted)]
    near = swapped or get_close_matches(wanted, by_lower, 1, 0.7)
    return f"did you mean {form.format(by_lower[near[0]])}?" if near else ""


def cure_for(what: str, name: str, catalogue: Catalogue, candidates: Iterable[str], form: str = "{}") -> str:
    """What may help with an unknown function or variable: load its module, wait for it, or mend the spelling.

    Close names among those that are loaded go before a module that is not, unless the name is known exactly.
    """
    home = catalogue.home_of(what, name)
    if home is not None and home.here and home.module not in catalogue.modules():
        return f'load module {home.module} first: loadmodule "{home.module}.so"'
    if home is not None and home.versions:
        source = f"module {home.module}" if home.module != "core" else "the core"
        return f"known to OpenSIPS {' '.join(home.versions)} ({source}), not in PySIPS yet"
    return did_you_mean(name, candidates, form)
