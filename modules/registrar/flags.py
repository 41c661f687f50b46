"""The flags of save() and lookup(): OpenSIPS 3.x names with commas between, or the letters of 2.4 (its manuals).

A text is read as names if it begins with one, else as letters. Whatever is neither is refused.
"""

import re
from collections.abc import Callable
from typing import Final

from pysips.core.exports import Regex, compile_ere

from ..usrloc.api import BY_CONTACT, BY_CONTACT_AND_CALLID, BY_PARAM
from . import rules
from .rules import LookupFlags, SaveFlags

MOST: Final = 2**31 - 1

SAVE_NAMES: Final = {
    "memory-only": rules.MEMORY_ONLY, "no-reply": rules.NO_REPLY, "socket-header": rules.SOCKET_HEADER,
    "path-strict": rules.PATH_STRICT, "path-lazy": rules.PATH_LAZY, "path-off": rules.PATH_OFF,
    "path-received": rules.PATH_RECEIVED, "force-registration": rules.FORCE,
    "only-request-contacts": rules.ONLY_REQUEST,
}  # fmt: skip
SAVE_VALUES: Final = ("max-contacts", "min-expires", "max-expires", "matching-mode")
SAVE_LETTERS: Final = {
    "m": rules.MEMORY_ONLY, "r": rules.NO_REPLY, "s": rules.SOCKET_HEADER, "v": rules.PATH_RECEIVED, "f": rules.FORCE,
}  # fmt: skip
SAVE_NUMBERS: Final = {"c": "max_contacts", "e": "min_expires", "E": "max_expires"}
PATH_MODES: Final = {"0": rules.PATH_OFF, "1": rules.PATH_LAZY, "2": rules.PATH_STRICT}

LOOKUP_NAMES: Final = {
    "method-filtering": rules.METHOD_FILTER, "no-branches": rules.NO_BRANCHES, "global": rules.GLOBAL,
    "sort-by-latency": rules.SORT_BY_LATENCY, "branch": rules.BRANCH, "to-branches-only": rules.TO_BRANCHES_ONLY,
    "case-insensitive": 0, "extended-regexp": 0,
}  # fmt: skip
LOOKUP_VALUES: Final = ("ua-filtering", "max-ping-latency")
LOOKUP_LETTERS: Final = {
    "m": rules.METHOD_FILTER, "b": rules.NO_BRANCHES, "g": rules.GLOBAL, "r": rules.BRANCH, "Y": rules.SORT_BY_LATENCY,
}  # fmt: skip
LETTER: Final = re.compile(r"([a-zA-Z])(?:/((?:[^/\\]|\\.)*)/|(\d*))\s*")


def number(text: str, what: str) -> int:
    """A number of a flag; raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MOST:
        raise ValueError(f'{what} wants a number, not "{text}"')
    return int(text)


def words_of(text: str) -> list[str]:
    """A list with commas, but for those inside of slashes."""
    return [word.strip() for word in re.findall(r"(?:/(?:[^/\\]|\\.)*/|[^,/])+", text) if word.strip()]


def is_named(text: str, names: object) -> bool:
    """Whether a text begins with one of the 3.x names."""
    first = re.match(r"\s*([a-z-]+)\s*(?:=|,|$)", text)
    return first is not None and first[1] in names  # type: ignore[operator]


def parse_save(text: str) -> SaveFlags:
    """The flags of save(); raises ValueError with what is wrong."""
    flags = SaveFlags()
    if is_named(text, (*SAVE_NAMES, *SAVE_VALUES)):
        for word in words_of(text):
            save_word(flags, word)
    else:
        each_letter(text, lambda letter, _, digits: save_letter(flags, letter, digits))
    return flags


def save_word(flags: SaveFlags, word: str) -> None:
    """One name, perhaps with its value."""
    name, equal, value = word.partition("=")
    if name == "matching-mode" and equal:
        matching(flags, value.strip())
    elif name in SAVE_VALUES and equal:
        setattr(flags, name.replace("-", "_"), number(value.strip(), name))
    elif name in SAVE_NAMES and not equal:
        flags.bits |= SAVE_NAMES[name]
    else:
        raise ValueError(f'save() has no flag "{word}"')


def matching(flags: SaveFlags, value: str) -> None:
    """matching-mode=0, 1 or <param>."""
    param = re.fullmatch(r"<([^<>;=\s]+)>", value)
    if value in ("0", "1"):
        flags.matching_mode = BY_CONTACT if value == "0" else BY_CONTACT_AND_CALLID
    elif param:
        flags.matching_mode, flags.matching_param = BY_PARAM, param[1].lower()
    else:
        raise ValueError(f"invalid value for 'matching-mode': {value}: use 0, 1 or <param>")


def save_letter(flags: SaveFlags, letter: str, digits: str) -> None:
    """One letter, perhaps with its number."""
    if letter in SAVE_NUMBERS:
        setattr(flags, SAVE_NUMBERS[letter], number(digits, f'flag "{letter}" of save()'))
    elif letter == "p" and digits in PATH_MODES:
        flags.bits |= PATH_MODES[digits]
    elif letter in SAVE_LETTERS and not digits:
        flags.bits |= SAVE_LETTERS[letter]
    else:
        raise ValueError(f'save() has no flag "{letter}{digits}"')


def each_letter(text: str, take: Callable[[str, str | None, str], None]) -> None:
    """Hand over each letter with the text between slashes (or None) and the digits behind it; raises ValueError."""
    at, text = 0, text.strip()
    while at < len(text):
        found = LETTER.match(text, at)
        if found is None:
            raise ValueError(f'no flag begins with "{text[at:]}"')
        try:
            take(found[1], found[2], found[3] or "")
        except ValueError as problem:
            raise ValueError(f'{problem}, in "{text}"' if len(text) > 1 else str(problem)) from None
        at = found.end()


def parse_lookup(text: str) -> LookupFlags:
    """The flags of lookup(); raises ValueError with what is wrong."""
    flags = LookupFlags()
    pattern: list[str] = []
    options: set[str] = set()
    if is_named(text, (*LOOKUP_NAMES, *LOOKUP_VALUES)):
        for word in words_of(text):
            lookup_word(flags, word, pattern, options)
    else:
        each_letter(text, lambda letter, inner, digits: lookup_letter(flags, letter, inner, digits, pattern, options))
    if pattern:
        flags.user_agent = user_agent_pattern(pattern[-1], options)
    return flags


def lookup_word(flags: LookupFlags, word: str, pattern: list[str], options: set[str]) -> None:
    """One name, perhaps with its value."""
    name, equal, value = word.partition("=")
    value = value.strip()
    if name == "ua-filtering" and equal:
        inner = re.fullmatch(r"/(.+)/([ie]*)", value)
        if inner is None:
            raise ValueError(f"ua-filtering wants a regular expression between slashes, not {value}")
        pattern.append(inner[1])
        options.update(inner[2])
    elif name == "max-ping-latency" and equal:
        flags.max_latency = number(value, name)
    elif name in LOOKUP_NAMES and not equal:
        flags.bits |= LOOKUP_NAMES[name]
        options.update({"case-insensitive": "i", "extended-regexp": "e"}.get(name, ""))
    else:
        raise ValueError(f'lookup() has no flag "{word}"')


def lookup_letter(
    flags: LookupFlags, letter: str, inner: str | None, digits: str, pattern: list[str], options: set[str]
) -> None:
    """One letter, perhaps with what follows it."""
    if letter == "u" and inner:
        pattern.append(inner)
    elif letter == "y":
        flags.max_latency = number(digits, 'flag "y" of lookup()')
    elif letter in "ie" and not digits and inner is None:
        options.add(letter)
    elif letter in LOOKUP_LETTERS and not digits and inner is None:
        flags.bits |= LOOKUP_LETTERS[letter]
    else:
        raise ValueError(f'lookup() has no flag "{letter}{digits}"')


def user_agent_pattern(text: str, options: set[str]) -> Regex:
    """A POSIX regular expression, basic or extended ("e"); raises ValueError."""
    return compile_ere(text if "e" in options else extended(text), "i" in options)


def extended(basic: str) -> str:
    """A basic regular expression as an extended one: without a backslash `( ) { } | + ?` are themselves."""
    out: list[str] = []
    for part in re.findall(r"\[\^?\]?[^\]]*\]|\\.|.", basic, re.DOTALL):
        if part in "(){}|+?":
            out.append("\\" + part)
        elif len(part) == 2 and part[0] == "\\" and part[1] in "(){}|+?":
            out.append(part[1])
        else:
            out.append(part)
    return "".join(out)
