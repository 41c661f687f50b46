"""Script text and where each line of it came from: files, included files, a preprocessor; comments blanked out.

Facts (script-language reference, section 1):
- a line that starts with `include_file "path"` or `import_file "path"` is replaced by that file, inside a block too;
  a relative path is tried from the working directory, then from the including file's; nesting ends at 20;
- `/* */` nests; neither kind of comment works inside a string or a variable's brackets;
- with a preprocessor (`-p CMD`) the joined text goes through CMD with marker lines that tell file and line.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final, final

from pysips.errors import Complaint, ConfigError, Place

MAX_INCLUDES: Final = 20
INCLUDE: Final = re.compile(r"""[ \t]*(include_file|import_file)[ \t]*(?:"([^"\n]*)"|'([^'\n]*)')""")
LINE_MARK: Final = "__OSSPP_LINE__"
BEGIN_MARK: Final = "__OSSPP_FILEBEGIN__"
END_MARK: Final = "__OSSPP_FILEEND__"
MARK: Final = re.compile(rf'{LINE_MARK} (\d+)|{BEGIN_MARK} "(.*)"|({END_MARK})')
SYNC_LINE: Final = re.compile(r'#line \d+(?: "[^"]*")?$')  # m4 -s: our marks know better

# What a comment must not be looked for in: strings, and a variable up to its opening bracket.
LANDMARK: Final = re.compile(r""""(?:[^"\\]|\\[\s\S])*"|'[^']*'|\#[^\n]*|/\*|\$[^\s()\[\];:,=!<>~+\-*/%&|^]*\(?|["']""")
STATEMENT_END: Final = re.compile(r"\A[^\n]*\)\s*;?[ \t]*\n")
COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
BRACKET: Final = re.compile(r"[()]")
VISIBLE: Final = re.compile(r"[^\n]")


@final
class Source:
    """One text made of one or more files. `text` has blanks for comments; `lines` are as they were written.

    origin: file and line of each line; included: where each included file was put in.
    """

    def __init__(
        self, file: str, lines: list[str], origin: list[tuple[str, int]], included: dict[str, tuple[str, int]]
    ) -> None:
        self.file = file
        self.included = included
        self.lines = lines
        self.origin = origin
        self.complaints: list[Complaint] = []
        self.text = self.without_comments("\n".join(lines) + "\n")

    def place(self, line: int, column: int = 1, end_line: int = 0, end_column: int = 0) -> Place:
        """The place in the file that a line (from 1) and column of `text` came from."""
        file, number = self.origin_of(line)
        return Place(file, number, column, self.origin_of(end_line)[1] if end_line else number, end_column)

    def origin_of(self, line: int) -> tuple[str, int]:
        """File and line of a line of `text`; the end of the text belongs to the last line."""
        if not self.origin:
            return self.file, 1
        return self.origin[min(line, len(self.origin)) - 1]

    def complaint(self, message: str, cure: str, line: int, column: int, width: int = 1) -> Complaint:
        """A complaint about a piece of `text`, with the source line as it was written."""
        shown = self.lines[line - 1] if line <= len(self.lines) else ""
        return Complaint(self.place(line, column, line, column + max(width, 1)), message, cure, shown)

    def complaint_at(self, message: str, cure: str, offset: int, width: int = 1) -> Complaint:
        """The same for an offset into `text`."""
        line = self.text.count("\n", 0, offset) + 1
        return self.complaint(message, cure, line, offset - self.text.rfind("\n", 0, offset), width)

    def without_comments(self, text: str) -> str:
        """The text with every comment as blanks, so that all positions stay."""
        pieces = []
        done = at = 0
        suspect = -1
        self.text = text
        while (found := LANDMARK.search(text, at)) is not None:
            start, at = found.span()
            first = text[start]
            if first == "$":
                if text[at - 1] == "(":
                    at = closing_bracket(text, at)
                continue
            if first in "\"'":
                if at - start == 1:
                    self.unclosed(start, suspect)
                    break
                if suspect < 0 and "\n" in found.group() and STATEMENT_END.search(found.group()) is not None:
                    suspect = start
                continue
            if first == "/":
                at = self.end_of_comment(text, start)
            pieces += [text[done:start], VISIBLE.sub(" ", text[start:at])]
            done = at
        pieces.append(text[done:])
        return "".join(pieces)

    def unclosed(self, start: int, suspect: int) -> None:
        """Quotes do not pair up: the last one is left over, but a string over several lines is likelier to blame."""
        if suspect < 0:
            self.complaints.append(self.complaint_at("this string never ends", "add the missing quote", start))
            return
        cure = "it runs on into the next lines, and one quote is left over at the end: add the missing quote"
        self.complaints.append(self.complaint_at("this string seems to have no end", cure, suspect))

    def end_of_comment(self, text: str, start: int) -> int:
        """Where the (nesting) comment that starts here ends."""
        depth = 0
        for edge in COMMENT_EDGE.finditer(text, start):
            depth += 1 if edge.group() == "/*" else -1
            if depth == 0:
                return edge.end()
        self.complaints.append(self.complaint_at("this comment never ends", "add the missing */", start, 2))
        return len(text)


def closing_bracket(text: str, at: int) -> int:
    """The offset after the bracket that closes one opened just before `at`; `at` itself if none does."""
    depth = 1
    for bracket in BRACKET.finditer(text, at):
        depth += 1 if bracket.group() == "(" else -1
        if depth == 0:
            return bracket.end()
    return at


def of_text(text: str, file: str, preprocessor: str = "", folder: str = "") -> Source:
    """A source from text that is at hand; `file` names it and is where relative includes are looked for.

    folder: from where all relative paths begin, "" for the working folder.
    Raises ConfigError for an included file that cannot be read, or a preprocessor that fails.
    """
    joined: list[str] = []
    origin: list[tuple[str, int]] = []
    included: dict[str, tuple[str, int]] = {}
    _join(text, file, folder, joined, origin, included, 0)
    if preprocessor:
        joined, origin = _preprocessed(file, joined, origin, preprocessor, folder)
    return Source(file, joined, origin, included)


def of_file(path: str, preprocessor: str = "", folder: str = "") -> Source:
    """A source from a file, or from standard input for "-"; see of_text. Raises ConfigError."""
    if path == "-":
        data = sys.stdin.buffer.read()
        return of_text(decoded(data), "<stdin>", preprocessor)
    try:
        data = Path(folder, path).read_bytes()
    except OSError as problem:
        raise ConfigError([Complaint(Place(path, 1), f"cannot read it: {problem.strerror}")]) from None
    return of_text(decoded(data), path, preprocessor, folder)


def decoded(data: bytes) -> str:
    """Script bytes as text: UTF-8, anything else kept by surrogates; one kind of line end."""
    text = str(data, "utf-8-sig", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _join(
    text: str,
    file: str,
    folder: str,
    joined: list[str],
    origin: list[tuple[str, int]],
    included: dict[str, tuple[str, int]],
    depth: int,
) -> None:
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        found = INCLUDE.match(line)
        if found is None:
            joined.append(line)
            origin.append((file, number))
            continue
        place = Place(file, number, 1, number, len(line) + 1)
        if depth >= MAX_INCLUDES:
            message = f"files include each other more than {MAX_INCLUDES} deep"
            raise ConfigError([Complaint(place, message, "does a file include itself?", line)])
        path = found.group(2) if found.group(2) is not None else found.group(3)
        inner, content = _included(path, file, folder, place, line)
        included.setdefault(inner, (file, number))
        _join(content, inner, folder, joined, origin, included, depth + 1)


def _included(path: str, file: str, folder: str, place: Place, line: str) -> tuple[str, str]:
    """Name and text of an included file."""
    candidates = [Path(path)] if Path(path).is_absolute() else [Path(path), Path(file).parent / path]
    problem = ""
    for candidate in candidates:
        try:
            return str(candidate), decoded(Path(folder, candidate).read_bytes())
        except OSError as failure:
            problem = problem or str(failure.strerror)
    tried = " and ".join(str(candidate) for candidate in dict.fromkeys(candidates))
    raise ConfigError([Complaint(place, f'cannot include "{path}": {problem}', f"tried {tried}", line)])


def _preprocessed(
    file: str, lines: list[str], origin: list[tuple[str, int]], command: str, folder: str
) -> tuple[list[str], list[tuple[str, int]]]:
    """The lines after `command` had them, and where each came from by the marker lines that it passed on."""
    marked = []
    current = ""
    for line, (name, number) in zip(lines, origin, strict=True):
        if name != current:
            marked.append(f'{BEGIN_MARK} "{name}"')
            current = name
        marked += [f"{LINE_MARK} {number}", line]
    marked.append(END_MARK)
    result = _run(file, command, "\n".join(marked) + "\n", folder)
    kept: list[str] = []
    places: list[tuple[str, int]] = []
    name, number = file, 1
    for line in result.removesuffix("\n").split("\n"):
        if SYNC_LINE.match(line):
            continue
        done = 0
        for mark in MARK.finditer(line):  # one whose line end a macro has swallowed stands behind other text
            if line[done : mark.start()].strip():
                kept.append(line[done : mark.start()])
                places.append((name, number))
            done = mark.end()
            if mark.group(1):
                number = int(mark.group(1))
            elif mark.group(2):
                name, number = mark.group(2), 1
        if done == 0 or line[done:].strip():
            kept.append(line[done:])
            places.append((name, number))
            number += 1
    return kept, places


def _run(file: str, command: str, text: str, folder: str) -> str:
    try:
        done = subprocess.run(
            command.split(), input=text.encode("utf-8", "surrogateescape"), stdout=subprocess.PIPE, check=False,
            cwd=folder or None,
        )  # fmt: skip
    except OSError as problem:
        message = f'cannot run the preprocessor "{command}": {problem.strerror}'
        raise ConfigError([Complaint(Place(file, 1), message)]) from None
    if done.returncode != 0:
        message = f'the preprocessor "{command}" failed with exit code {done.returncode}'
        raise ConfigError([Complaint(Place(file, 1), message)])
    return decoded(done.stdout)
