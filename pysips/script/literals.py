"""Numbers and strings as the script writes them."""

import re
from typing import Final

from .values import wrapped

TRUE_WORDS: Final = frozenset({"yes", "true", "on", "enable"})
FALSE_WORDS: Final = frozenset({"no", "false", "off", "disable"})
NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,40}|[0-9]{1,40}")
ESCAPE: Final = re.compile(r"\\(?:([nrta\"\\])|x([0-9a-fA-F]{1,2})|([0-7]{2,3})|(\n))")
LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", '"': '"', "\\": "\\"}


def number(text: str) -> int | None:
    """`10`, `0x1F`, `017` or a boolean word as 32 signed bits, a sign allowed; None for anything else."""
    sign = -1 if text.startswith("-") else 1
    digits = text[1:] if text[:1] in ("-", "+") else text
    if NUMBER.fullmatch(digits) is not None:
        if digits[:2] in ("0x", "0X"):
            return wrapped(sign * int(digits, 16))
        octal = digits.startswith("0") and not digits.strip("01234567")
        return wrapped(sign * int(digits, 8 if octal else 10))
    if digits in TRUE_WORDS:
        return sign
    return 0 if digits in FALSE_WORDS else None


def string(text: str) -> str:
    """The content of a quoted string; only `"…"` knows escapes. An unknown one keeps its backslash (`\\d`, `\\1`)."""
    inner = text[1:-1]
    if text[0] == "'" or "\\" not in inner:
        return inner
    return ESCAPE.sub(_decoded, inner)


def _decoded(found: re.Match[str]) -> str:
    letter, hexadecimal, octal, _ = found.groups()
    if letter:
        return LETTERS[letter]
    if hexadecimal or octal:
        code = int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 255
        # Bytes that are no ASCII are kept the way undecodable bytes are kept everywhere.
        return chr(code) if code < 128 else chr(0xDC00 + code)
    return ""  # a backslash before a line's end joins the lines
