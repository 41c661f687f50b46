"""Addresses that are plainly right, found letter by letter: what grammar.py's PLAIN_… match, for the compiled build.

There a letter costs a nanosecond, a third of what an expression takes, and touches little memory; in plain Python the
expressions themselves are asked. Twin tests hold both equal. Places are in the text; -1 says that it is not plain.
"""

from typing import Final

from mypy_extensions import i64

from .grammar import ALPHANUM, GEN_VALUE, PLAIN_NAME_ADDR
from .scan import COMPILED


def letters(text: str) -> bytes:
    """A class of letters: for each of ASCII whether it is one of these."""
    return bytes([chr(n) in text for n in range(128)])


WORD: Final = letters(ALPHANUM + "-.!*_+`'~")  # a token without `%`
USER: Final = letters(ALPHANUM + "-_.!~*'()&=+$,;/")  # of a URI, without escapes
HOST: Final = letters(ALPHANUM + "-.")
DIGITS: Final = letters("0123456789")
DISPLAY: Final = letters(ALPHANUM + "-.!*_+`'~ ")  # a display name without quotes
QUOTED: Final = letters("".join([chr(_n) for _n in range(32, 127) if chr(_n) not in '"\\']))
BLANK: Final = letters(" \t")
VALUE: Final = letters("".join([chr(_n) for _n in range(33, 127) if chr(_n) not in '",;<>\\']))


def run_end(text: str, at: i64, end: i64, wanted: bytes) -> i64:
    """Where the letters of a class that begin at `at` end."""
    while at < end:
        letter: i64 = ord(text[at])
        if letter > 127 or not wanted[letter]:
            return at
        at += 1
    return at


def uri_end(text: str, at: i64, end: i64) -> i64:
    """Where the URI at `at` ends (PLAIN_URI), which something must follow before `end`."""
    if text.find("sip:", at, at + 4) == at:
        at += 4
    elif text.find("sips:", at, at + 5) == at:
        at += 5
    else:
        return -1
    stop = run_end(text, at, end, USER)
    if at < stop < end and ord(text[stop]) == ord("@"):
        at = stop + 1
    if at >= end or ord(text[at]) == ord("-") or ord(text[at]) == ord("."):
        return -1
    stop = run_end(text, at, end, HOST)
    if stop == at or stop >= end:
        return -1
    if ord(text[stop]) == ord(":"):
        at = stop + 1
        stop = run_end(text, at, end, DIGITS)
        if stop == at or stop >= end or ord(text[at]) == ord("0") or stop - at > (5 if ord(text[at]) < ord("6") else 4):
            return -1
    while ord(text[stop]) == ord(";"):
        at = stop + 1
        stop = run_end(text, at, end, WORD)
        if stop < end and stop > at and ord(text[stop]) == ord("="):
            at = stop + 1
            stop = run_end(text, at, end, WORD)
        if stop == at or stop >= end:
            return -1
    return stop


def name_addr(text: str, at: i64, end: i64) -> tuple[i64, i64]:
    """Of the address at `at` (PLAIN_NAME_ADDR): where its URI begins, and where it ends, its ">" included."""
    return by_letters(text, at, end) if COMPILED else by_expression(text, at, end)


def by_expression(text: str, at: i64, end: i64) -> tuple[i64, i64]:
    """See name_addr."""
    match = PLAIN_NAME_ADDR.match(text, at, end)
    if match is None:
        return -1, -1
    return text.rfind("<", at, match.end()) + 1, match.end()


def by_letters(text: str, at: i64, end: i64) -> tuple[i64, i64]:
    """See name_addr."""
    at = run_end(text, at, end, BLANK)
    if at < end and ord(text[at]) == ord('"'):
        at = run_end(text, at + 1, end, QUOTED)
        if at >= end or ord(text[at]) != ord('"'):
            return -1, -1
        at = run_end(text, at + 1, end, BLANK)
    elif at < end and ord(text[at]) != ord(" "):
        at = run_end(text, at, end, DISPLAY)
    if at >= end or ord(text[at]) != ord("<"):
        return -1, -1
    stop = uri_end(text, at + 1, end)
    if stop < 0 or ord(text[stop]) != ord(">"):
        return -1, -1
    return at + 1, stop + 1


def expires_end(text: str, at: i64, end: i64) -> i64:
    """Where a parameter `;expires=` that begins at `at` ends, a number its value."""
    if text.find(";expires=", at, end) != at:
        return -1
    stop = run_end(text, at + 9, end, DIGITS)
    return stop if stop > at + 9 else -1


def is_value(text: str) -> bool:
    """Whether `text` is the value of a parameter (GEN_VALUE)."""
    if COMPILED and text and run_end(text, 0, len(text), VALUE) == len(text):
        return True
    return GEN_VALUE.fullmatch(text) is not None
