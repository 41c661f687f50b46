"""{sdp.…}: lines and streams of a session description (RFC 4566)."""

import re
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Ctx, Getter, TransformSpec
from pysips.script.values import number_of, text_of

from .transform_arguments import Argument, Scanner, a_number, a_text, transform

STREAM: Final = re.compile(r"^m=", re.MULTILINE)
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
MOST_STREAMS: Final = 256


def line(text: str, kind: str, index: int | None) -> str | None:
    """The line of a kind (`a`, `c` …) at a position, without its end."""
    wanted = index or 0
    if not text or wanted < 0:
        raise ValueError("no text, or a negative position")
    start = kind[0] + "="
    for each in text.replace("\r", "\n").split("\n"):
        if each.startswith(start):
            if wanted == 0:
                return each
            wanted -= 1
    return None


def blocks(text: str) -> list[tuple[int, int]]:
    """Where the streams stand, from each `m=` to the next; raises ValueError for what is no session description."""
    if not text.startswith("v="):
        raise ValueError("no session description")
    starts = [found.start() for found in STREAM.finditer(text)]
    if len(starts) > MOST_STREAMS:
        raise ValueError("too many streams")
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def media(text: str, start: int) -> str:
    """`audio`, `video` … of the stream that begins at `start`."""
    end = start + 2
    while end < len(text) and text[end] not in " \r\n":
        end += 1
    return text[start + 2 : end]


def chosen(text: str, which: int | str) -> list[tuple[int, int]]:
    """The streams at a position (negative: from the end) or of a type."""
    found = blocks(text)
    if isinstance(which, int):
        return [found[which]] if -len(found) <= which < len(found) else []
    return [(a, b) for a, b in found if media(text, a).lower() == which.lower()]


def stream(text: str, which: int | str) -> str | None:
    """One stream, from its `m=` line to the next one."""
    found = chosen(text, which)
    return text[found[0][0] : found[0][1]] if found else None


def without_stream(text: str, which: int | str) -> str | None:
    """The description without a stream, or without all of a type."""
    found = chosen(text, which)
    if not found:
        return None
    for a, b in reversed(found):
        text = text[:a] + text[b:]
    return text


def a_letter(scan: Scanner) -> Argument:
    """The letter of a line; of a longer text the first one counts."""
    found = a_text(scan)
    if found == "":
        raise BadName("the letter of a line is needed")
    return found


def a_position(scan: Scanner) -> Argument:
    """A position that is not negative where it is a constant."""
    found = a_number(scan)
    if isinstance(found, int) and found < 0:
        raise BadName("a position cannot be negative here")
    return found


def a_stream(scan: Scanner) -> Argument:
    """A position or a type of stream; a variable's text counts as a position if it is a number."""
    scan.skip_blanks()
    getter = scan.variable()
    if getter is not None:
        return which_stream(getter)
    found = scan.up_to_comma(blanks=False)
    if not found:
        raise BadName("a position or a type of stream is needed")
    return int(found) if NUMBER.fullmatch(found) else found


def which_stream(getter: Getter) -> Getter:
    def which(ctx: Ctx) -> int | str:
        value = getter(ctx)
        number = number_of(value)
        if number is not None:
            return number
        text = text_of(value)
        if not text:
            raise ValueError("the variable in the arguments is empty")
        return int(text) if NUMBER.fullmatch(text) else text

    return which


DESCRIPTIONS: Final[list[TransformSpec]] = [
    transform("sdp", "line", line, (a_letter, a_position), needed=1),
    transform("sdp", "stream", stream, (a_stream,)),
    transform("sdp", "stream-delete", without_stream, (a_stream,)),
]
