"""How avpops' functions take their arguments: texts like `$avp(a)/g` and `gt/$avp(b)/g` (OpenSIPS manual: avpops)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pysips.core.avps import avp_name
from pysips.core.exports import Value

Get = Callable[[Any], Value]
Bind = Callable[[str], Any]  # "$ru" → Var; raises BadName

NUMBER: Final = re.compile(r"[+-]?(?:0x[0-9a-fA-F]{1,16}|[0-9]{1,10})")
CHECKS: Final = ("eq", "ne", "lt", "le", "gt", "ge", "re", "fm", "and", "or", "xor")
SUMS: Final = ("add", "sub", "mul", "div", "mod", "and", "or", "xor", "not")


@dataclass(frozen=True)
class Named:
    """An AVP, with flags in small letters."""

    name: str
    flags: str


@dataclass(frozen=True)
class Two:
    """Two AVPs, with flags."""

    source: str
    target: str
    flags: str


@dataclass(frozen=True)
class Deed:
    """An operator, its value and flags."""

    operator: str
    value: Get
    flags: str


def pieces(text: str) -> list[str]:
    """A text split at the slashes outside of parentheses."""
    found, depth, start = [], 0, 0
    for place, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "/" and depth == 0:
            found.append(text[start:place])
            start = place + 1
    return [*found, text[start:]]


def flags_of(text: str, known: str) -> str:
    """Flags in small letters; raises ValueError for unknown ones."""
    low = text.strip().lower()
    if low.strip(known):
        raise ValueError(f'unknown flags "{text}": of {", ".join(known)}')
    return low


def an_avp(text: str) -> str:
    """The name of an AVP; raises ValueError for anything else."""
    name = avp_name(text)
    if name is None:
        raise ValueError(f'"{text}" is no AVP: $avp(name)')
    return name


def named(text: str, known: str) -> Named:
    """`$avp(a)/flags`."""
    first, *rest = pieces(text)
    if len(rest) > 1:
        raise ValueError(f'"{text}" has too many slashes')
    return Named(an_avp(first), flags_of(rest[0], known) if rest else "")


def two(text: str, known: str) -> Two:
    """`$avp(a)/$avp(b)/flags`; the second is the first where it is missing."""
    first, *rest = pieces(text)
    if len(rest) > 2:
        raise ValueError(f'"{text}" has too many slashes')
    source = an_avp(first)
    target = an_avp(rest[0]) if rest and rest[0].strip() else source
    return Two(source, target, flags_of(rest[1], known) if len(rest) > 1 else "")


def deed(text: str, bind: Bind, operators: tuple[str, ...], known: str) -> Deed:
    """`operator/value/flags`; the value is a variable, `i:5`, `s:text` or a text, in which slashes may stand."""
    first, *rest = pieces(text)
    operator = first.strip().lower()
    if operator not in operators:
        raise ValueError(f'unknown operator "{first}": one of {", ".join(operators)}')
    flags = ""
    if len(rest) > 1 and not rest[-1].strip().lower().strip(known):
        flags = rest.pop().strip().lower()
    if not rest and operator != "not":
        raise ValueError(f'"{text}" has no value: operator/value')
    return Deed(operator, value_of("/".join(rest), bind), flags)


def value_of(text: str, bind: Bind) -> Get:
    """What a value means. Raises ValueError and BadName."""
    if text.startswith("$"):
        get: Get = bind(text).get
        return get
    constant: Value = text
    if text[:2] == "i:":
        constant = number_in(text[2:])
        if constant is None:
            raise ValueError(f'"{text}" is no number')
    elif text[:2] == "s:":
        constant = text[2:]
    return lambda ctx: constant


def number_in(text: str) -> int | None:
    """A number as these functions write it, decimal or 0x…; None for anything else."""
    return int(text, 0 if "x" in text else 10) if NUMBER.fullmatch(text) else None


__all__ = ["CHECKS", "SUMS", "Deed", "Named", "Two", "deed", "named", "number_in", "pieces", "two"]
