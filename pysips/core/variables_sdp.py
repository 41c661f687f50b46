"""$sdp $sdp.line(…) $sdp.stream(…) $sdp.session(…): the session description as a text that can be changed.

Facts (OpenSIPS: sdp_ops; since 3.6):
- a path reads `line[i]/token[i]`, for streams `stream[i]/line[i]/token[i]`; each step is the beginning of what is
  looked for, without regard to case, and counts from 0; `\\/` is a slash within a step;
- a stream is looked for by what follows `m=`; without a line step it is its m= line;
- NULL takes a line out; the indexes `insert` and `insertAfter` put a new one before or behind it;
- reads see what was written before. Lines that were not touched stay as they came, save that each ends alike.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from pysips.errors import BadName, SipError
from pysips.script.catalogue import Ctx, Getter, Index, Inner, Setter, VariableSpec
from pysips.script.formats import bind_variable
from pysips.script.values import Value, number_of, text_of
from pysips.sip.parts import SDP, parts_of

from .head_edits import body_now, content_type, set_body, set_content_type
from .variable_binding import MODULE, refused, text_name

MOST_LINES: Final = 500
STEP: Final = re.compile(r"((?:\\.|[^/\[\\])*)(?:\[\s*(-?[0-9]{1,4}|\$.*?)\s*\]\s*)?(/|$)", re.DOTALL)
INSERTS: Final = {"insert": 0, "insertafter": 1}


class Step(NamedTuple):
    """One step of a path: how it begins, and which of them."""

    prefix: str
    which: Callable[[Ctx], int]


class Path(NamedTuple):
    """Where something stands in a description: which stream, line and word, as far as the path says."""

    stream: Step | None
    line: Step
    token: Step | None


FIRST: Final = Step("", lambda ctx: 0)


def parse_path(name: str, inner: Inner, streams: bool) -> Path:
    """The path in the brackets. Raises BadName."""
    text = text_name(name, inner)
    if text.lstrip()[:1] in ("$", "@", ""):
        raise BadName(f"${name}({text}): a path is needed: line[index]/word[index]")
    steps: list[Step] = []
    at = 0
    while True:
        found = STEP.match(text, at)
        if found is None or len(steps) == 2 + streams:
            raise BadName(f"${name}({text}): the path cannot be read at {text[at:]}")
        steps.append(Step(re.sub(r"\\([\\/])", r"\1", found[1].lstrip()).lower(), step_index(found[2])))
        at = found.end()
        if not found[3]:
            break
    stream = steps.pop(0) if streams else None
    return Path(stream, steps[0] if steps else FIRST, steps[1] if len(steps) > 1 else None)


def step_index(text: str | None) -> Callable[[Ctx], int]:
    """The index of a step: a number, or a variable that is bound when it is first needed."""
    if text is None:
        return FIRST.which
    if text[0] != "$":
        constant = int(text)
        return lambda ctx: constant
    bound: list[Getter] = []

    def index(ctx: Ctx) -> int:
        if not bound:
            bound.append(bind_variable(text, ctx.program.registry).get)
        number = number_of(bound[0](ctx))
        return -1 if number is None else number

    return index


class Description:
    """The lines of a message's description as it will go out, and where they stand in its body."""

    def __init__(self, body: str, a: int, b: int) -> None:
        self.body = body
        self.a = a
        self.b = b
        text = body[a:b]
        self.end = "\r\n" if "\r\n" in text else "\n" if "\n" in text else "\r\n"
        self.lines = text.removesuffix(self.end).split(self.end) if text else []

    def text(self) -> str:
        return self.body[self.a : self.b]

    def write(self, ctx: Ctx) -> None:
        """Make the lines the description."""
        made = "".join(line + self.end for line in self.lines)
        set_body(ctx, self.body[: self.a] + made + self.body[self.b :])

    def section(self, ctx: Ctx, path: Path, session: bool) -> tuple[int, int]:
        """The lines that a path's stream has, or the session, or all; (0, -1) if there is no such stream."""
        starts = [place for place, line in enumerate(self.lines) if line[:2].lower() == "m="]
        if path.stream is None:
            return 0, (starts[0] if session and starts else len(self.lines))
        left = path.stream.which(ctx)
        for number, start in enumerate(starts):
            if self.lines[start][2:].lower().startswith(path.stream.prefix):
                if left <= 0:
                    return start, starts[number + 1] if number + 1 < len(starts) else len(self.lines)
                left -= 1
        return 0, -1

    def find(self, ctx: Ctx, path: Path, session: bool) -> int:
        """The number of the line that a path means, also that of the place behind the last one; -1 for none."""
        start, stop = self.section(ctx, path, session)
        left = path.line.which(ctx)
        if left < 0 or stop < 0:
            return -1
        if not path.line.prefix:
            return start + left if start + left <= stop else -1
        for place in range(start, stop):
            if self.lines[place].lower().startswith(path.line.prefix):
                if left == 0:
                    return place
                left -= 1
        return -1


def described(ctx: Ctx) -> Description | None:
    """The description of a message, in its body or in a part of that; None without one."""
    body = body_now(ctx)
    try:
        found = [part for part in parts_of(content_type(ctx), body) if part.mime == SDP]
    except SipError:
        return None
    return Description(body, found[0].a, found[0].b) if found else None


def word_span(line: str, step: Step, ctx: Ctx) -> tuple[int, int] | None:
    """Where the word stands that a step means; None if there is none."""
    left = step.which(ctx)
    for found in re.finditer(r"\S+", line):
        if found[0].lower().startswith(step.prefix):
            if left <= 0:
                return found.span()
            left -= 1
    return None


def reading(name: str, streams: bool, session: bool) -> Callable[[Inner, Index], Getter]:
    """How a line or a word is read."""

    def read(inner: Inner, index: Index) -> Getter:
        path = parse_path(name, inner, streams)
        check_index(name, index)

        def get(ctx: Ctx) -> Value:
            found = described(ctx)
            place = -1 if found is None else found.find(ctx, path, session)
            if found is None or not 0 <= place < found.section(ctx, path, session)[1]:
                return None
            line = found.lines[place]
            if path.token is None:
                return line
            span = word_span(line, path.token, ctx)
            return None if span is None else line[span[0] : span[1]]

        return get

    return read


def check_index(name: str, index: Index) -> int | None:
    """0 for `insert`, 1 for `insertAfter`, None without an index; raises BadName for another one."""
    if index is None:
        return None
    if not isinstance(index, str) or index.lower() not in INSERTS:
        raise BadName(f"${name} has the indexes [insert] and [insertAfter]")
    return INSERTS[index.lower()]


def writing(name: str, streams: bool, session: bool) -> Callable[[Inner, Index], Setter]:
    """How a line or a word is set, put in or taken out."""

    def write(inner: Inner, index: Index) -> Setter:
        path = parse_path(name, inner, streams)
        insert = check_index(name, index)

        def put(ctx: Ctx, value: Value, op: str) -> int:
            found = described(ctx)
            place = -1 if found is None else found.find(ctx, path, session)
            text = None if value is None else (text_of(value) or "").rstrip("\r\n")
            if found is None or place < 0 or not change(ctx, found, path, place, text, insert):
                return refused(f"{name}({inner})", value, "there is no such line, or too many lines")
            found.write(ctx)
            return 1

        return put

    return write


def change(ctx: Ctx, found: Description, path: Path, place: int, text: str | None, insert: int | None) -> bool:
    """Change a line, or a word of it; False if there is no such thing, or no room."""
    lines = found.lines
    if path.token is not None:
        return place < len(lines) and change_word(ctx, lines, path.token, place, text, insert)
    if text is None:
        if place >= len(lines):
            return False
        del lines[place]
    elif insert is not None:
        at = min(place + insert, len(lines))
        if len(lines) >= MOST_LINES:
            return False
        lines.insert(at, text)
    elif place < len(lines):
        lines[place] = text
    else:
        return False
    return True


def change_word(ctx: Ctx, lines: list[str], step: Step, place: int, text: str | None, insert: int | None) -> bool:
    """Change, put in or take out a word of a line."""
    span = word_span(lines[place], step, ctx)
    if span is None:
        return False
    line, (a, b) = lines[place], span
    if text is None:
        lines[place] = (line[:a].rstrip(" ") + line[b:]) if b == len(line) else line[:a] + line[b:].lstrip(" ")
    elif insert is None:
        lines[place] = line[:a] + text + line[b:]
    elif insert == 0:
        lines[place] = line[:a] + text + " " + line[a:]
    else:
        lines[place] = line[:b] + " " + text + line[b:]
    return True


def whole(ctx: Ctx) -> Value:
    """$sdp"""
    found = described(ctx)
    return None if found is None else found.text()


def set_whole(ctx: Ctx, value: Value) -> int:
    """$sdp="v=0…": another description; NULL takes the body out"""
    if value is None:
        set_body(ctx, "")
        return 1
    text = text_of(value) or ""
    if not text.startswith("v=") or text.count("\n") > MOST_LINES:
        return refused("sdp", value, "no session description")
    found = described(ctx)
    if found is None:
        set_body(ctx, text)
        set_content_type(ctx, SDP)
    else:
        set_body(ctx, found.body[: found.a] + text + found.body[found.b :])
    return 1


def read_line_number(inner: Inner, index: Index) -> Getter:
    """$sdp.stream.idx(…): the number of the line in the description"""
    path = parse_path("sdp.stream.idx", inner, True)

    def get(ctx: Ctx) -> Value:
        found = described(ctx)
        place = -1 if found is None else found.find(ctx, path, False)
        return place if found is not None and 0 <= place < len(found.lines) else None

    return get


def set_description(inner: Inner, index: Index) -> Setter:
    return lambda ctx, value, op: set_whole(ctx, value)


def lines(name: str, streams: bool, session: bool) -> VariableSpec:
    """$sdp.line and its kin."""
    return VariableSpec(
        name, MODULE, reading(name, streams, session), writing(name, streams, session), "required", index=True,
        help="A line, or a word, of the session description.",
    )  # fmt: skip


def sdp_variables() -> list[VariableSpec]:
    return [
        VariableSpec("sdp", MODULE, lambda inner, index: whole, set_description, help="The session description."),
        VariableSpec("sdp.stream.idx", MODULE, read_line_number, None, "required", help="The number of a line."),
        lines("sdp.line", streams=False, session=False),
        lines("sdp.stream", streams=True, session=False),
        lines("sdp.session", streams=False, session=True),
    ]
