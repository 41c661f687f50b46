"""{s.…}: cutting, searching, padding and counting texts. Lengths and positions are bytes.

A text of ASCII alone, the common case, is worked on as it is; any other one as its bytes.
"""

import re
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Apply, Ctx, Read, TransformSpec
from pysips.script.values import Shown, Value, number_of, text_of, wrapped

from .transform_arguments import (
    MOST_TEXT,
    Argument,
    Scanner,
    a_character,
    a_number,
    cooked,
    needed_text,
    parsed,
    raw,
    transform,
)

BLANKS: Final = " \t\r\n"
DIGITS: Final = re.compile(r"[+-]?[0-9]*")
LOWER: Final = {upper: upper + 32 for upper in range(65, 91)}
UPPER: Final = {lower: lower - 32 for lower in range(97, 123)}


def length(text: str) -> int:
    """The number of bytes in a text."""
    return len(text) if text.isascii() else len(raw(text))


def cut(text: str, start: int, end: int) -> str:
    """The bytes from `start` up to `end`."""
    return text[start:end] if text.isascii() else cooked(raw(text)[start:end])


def leading_number(text: str) -> int:
    """The number that a text begins with, 0 without one; wraps at 32 bits."""
    found = DIGITS.match(text)
    digits = found[0].lstrip("+-") if found else ""
    if not digits:
        return 0
    number = int(digits[-32:])  # 2**32 divides 10**32: digits before these change nothing
    return wrapped(-number if text[0] == "-" else number)


def substring(text: str, offset: int, count: int) -> str:
    """Bytes from an offset (negative: from the end); count 0 or less: so many from the end are left out."""
    size = length(text)
    if offset < 0:
        offset += size
    if not 0 <= offset < size:
        raise ValueError("the offset lies outside")
    end = offset + count if count > 0 else size + count
    if end < offset:
        raise ValueError("it ends before it begins")
    return cut(text, offset, min(end, size))


def select(text: str, index: int, separator: str) -> str | None:
    """A field between separators (negative: from the end)."""
    fields = text.split(separator)
    return fields[index] if -len(fields) <= index < len(fields) else None


def start_of(size: int, start: int) -> int:
    """A start counted from the end, as often round as it takes."""
    return start if start >= 0 else (start % size if size else 0)


def index_of(text: str, wanted: str, start: int | None) -> int | None:
    """The first position of a text, from `start` on."""
    if not text.isascii():
        data = raw(text)
        found = data.find(raw(wanted), start_of(len(data), start or 0))
        return found if found >= 0 else None
    found = text.find(wanted, start_of(len(text), start or 0))
    return found if found >= 0 else None


def rindex_of(text: str, wanted: str, start: int | None) -> int | None:
    """The last position of a text, from `start` backwards."""
    data, sought = raw(text), raw(wanted)
    size = len(data)
    begin = size - 1 if start is None else min(start_of(size, start), size - 1)
    found = data.rfind(sought, 0, max(begin, 0) + len(sought))
    return found if found >= 0 else None


def fill_left(text: str, pad: str, width: int) -> str:
    """Pad on the left; what is padded with ends whole before the text."""
    missing = wanted_bytes(width) - length(text)
    if missing <= 0:
        return text
    filling = raw(pad)
    size = len(filling)
    return (
        cooked((filling * (missing // size + 1))[size - missing % size :]) + text
        if missing % size
        else (pad * (missing // size) + text)
    )


def fill_right(text: str, pad: str, width: int) -> str:
    """Pad on the right; what is padded with is cut at its end."""
    missing = wanted_bytes(width) - length(text)
    if missing <= 0:
        return text
    return text + cut(pad * (missing // length(pad) + 1), 0, missing)


def width(text: str, wanted: int) -> str:
    """Exactly so many bytes: blanks on the right, or cut."""
    if wanted <= 0:
        raise ValueError("the width must be 1 at least")
    size = length(text)
    return cut(text, 0, wanted) if wanted <= size else text + " " * (wanted_bytes(wanted) - size)


def wanted_bytes(width: int) -> int:
    if width > MOST_TEXT:
        raise ValueError(f"more than {MOST_TEXT} bytes")
    return width


def padding(scan: Scanner) -> Argument:
    """What {s.fill.…} pads with: text up to the comma, perhaps in quotes; no variable."""
    scan.skip_blanks()
    if scan.text[scan.at : scan.at + 1] == "$":
        raise BadName("it takes no variables")
    pad = scan.up_to_comma(blanks=True)
    if len(pad) > 1:
        pad = pad.rstrip(BLANKS) or pad[0]
    if len(pad) > 1 and pad[0] == pad[-1] and pad[0] in "'\"":
        pad = pad[1:-1]
    if not pad:
        raise BadName("there is nothing to pad with; perhaps it needs quotes")
    return pad


def constant_number(scan: Scanner) -> Argument:
    """A number, no variable."""
    scan.skip_blanks()
    if scan.text[scan.at : scan.at + 1] == "$":
        raise BadName("it takes no variables")
    return a_number(scan)


def width_number(scan: Scanner) -> Argument:
    """The number of {s.width}: not negative where it is a constant, and nothing behind it."""
    found = a_number(scan)
    scan.skip_blanks()
    if (isinstance(found, int) and found < 0) or scan.at < len(scan.text):
        raise BadName("one positive number is needed")
    return found


def bind_int(arguments: str | None, read: Read) -> Apply:
    """{s.int}: the leading number. Only the number changes, a text goes on being printed as it is."""
    parsed("s.int", arguments, read, (), 0)

    def apply(ctx: Ctx, value: Value) -> Value:
        if value is None or type(value) is int or type(value) is Shown:
            return value
        text = text_of(value) or ""
        number = number_of(value)
        return Shown(leading_number(text) if number is None else number, text)

    return apply


def reverse(text: str) -> str:
    """The bytes backwards."""
    return text[::-1] if text.isascii() else cooked(raw(text)[::-1])


STRINGS: Final[list[TransformSpec]] = [
    transform("s", "len", length),
    TransformSpec("s", "int", "core", bind_int, "The number that a text begins with."),
    transform("s", "substr", substring, (a_number, a_number)),
    transform("s", "select", select, (a_number, a_character)),
    transform("s", "tolower", lambda text: text.translate(LOWER), help="ASCII letters made small."),
    transform("s", "toupper", lambda text: text.translate(UPPER), help="ASCII letters made capital."),
    transform("s", "reverse", reverse),
    transform("s", "index", index_of, (needed_text, a_number), needed=1),
    transform("s", "rindex", rindex_of, (needed_text, a_number), needed=1),
    transform("s", "fill.left", fill_left, (padding, constant_number)),
    transform("s", "fill.right", fill_right, (padding, constant_number)),
    transform("s", "width", width, (width_number,)),
    transform("s", "trim", lambda text: text.strip(BLANKS), help="Blanks and line ends taken off both ends."),
    transform("s", "triml", lambda text: text.lstrip(BLANKS), help="Blanks and line ends taken off the left."),
    transform("s", "trimr", lambda text: text.rstrip(BLANKS), help="Blanks and line ends taken off the right."),
]
