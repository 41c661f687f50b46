"""What avpops does with values: forget, copy, compare, reckon, replace."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from pysips.core.avps import avp_name, newest_first, push
from pysips.core.context import Context
from pysips.core.exports import BadRegex, Value, compile_ere, number_of, text_of
from pysips.core.log import log
from pysips.core.transform_formats import Substitution

from . import spelling
from .spelling import Deed, Two

ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
}
BITS: Final[dict[str, Callable[[int, int], int]]] = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}


@dataclass(frozen=True)
class Doomed:
    """What avp_delete means: one AVP, or ("") every one; kind: "", "s" texts, "i" numbers; every: all values."""

    name: str
    kind: str
    every: bool


@dataclass(frozen=True)
class Source:
    """Where values come from: an AVP, or ("") another variable; every: all values of an AVP."""

    name: str
    get: Callable[[Any], Value]
    every: bool

    def values(self, ctx: Context, every: bool) -> list[Value]:
        """The newest value, or all; none of a NULL."""
        if self.name:
            found = newest_first(ctx, self.name)
            return found if every or self.every else found[:1]
        value = self.get(ctx)
        return [] if value is None else [value]


def doomed(text: str) -> Doomed:
    """`$avp(a)/g`, `a`, `s/g`; raises ValueError."""
    if text.strip().startswith("$"):
        named = spelling.named(text, "g")
        return Doomed(named.name, "", "g" in named.flags)
    kind, *rest = spelling.pieces(text.strip().lower())
    if kind not in ("a", "s", "i", "*") or len(rest) > 1 or (rest and rest[0] not in ("", "g")):
        raise ValueError(f'"{text}" names no AVP: $avp(name), or a, s, i, each with /g for all')
    return Doomed("", "" if kind in "a*" else kind, bool(rest and rest[0]))


def source(text: str, bind: spelling.Bind) -> Source:
    """A variable with the flag g; raises BadName and ValueError."""
    first, *rest = spelling.pieces(text.strip())
    if len(rest) > 1:
        raise ValueError(f'"{text}" has too many slashes')
    flags = spelling.flags_of(rest[0], "g") if rest else ""
    variable = bind(first.strip())
    return Source(avp_name(first) or "", variable.get, bool(flags))


def delete(ctx: Context, what: Doomed) -> int:
    """Forget values: 1, or -1 if there are none."""
    deleted = False
    for name in [what.name] if what.name else list(ctx.avps):
        found = newest_first(ctx, name)
        meant = [place for place, value in enumerate(found) if is_of_kind(value, what.kind)]
        gone = set(meant if what.every else meant[:1])
        if gone:
            deleted = True
            keep(ctx, name, [value for place, value in enumerate(found) if place not in gone])
    return 1 if deleted else -1


def is_of_kind(value: Value, kind: str) -> bool:
    """Whether a value is a number ("i"), a text ("s"), or anything ("")."""
    return not kind or (number_of(value) is not None) == (kind == "i")


def keep(ctx: Context, name: str, values: list[Value]) -> None:
    """Leave these values, newest first, in an AVP."""
    if values:
        ctx.avps[name] = values[::-1]
    else:
        ctx.avps.pop(name, None)


def copy(ctx: Context, old: str, new: str, flags: str) -> int:
    """See avp_copy."""
    found = newest_first(ctx, old)
    taken = found if "g" in flags else found[:1]
    if not taken:
        return -1
    if "d" in flags:
        keep(ctx, old, found[len(taken) :])
    for value in reversed(taken):
        push(ctx, new, converted(value, flags))
    return 1


def converted(value: Value, flags: str) -> Value:
    """A value as a number (n, 0 for what is none) or as a text (s)."""
    if "n" in flags and number_of(value) is None:
        return spelling.number_in(text_of(value) or "") or 0
    if "s" in flags:
        return text_of(value)
    return value


def fits(ctx: Context, value: Value, wanted: Deed) -> bool:
    """Whether one value fits an operator and its value; what cannot be compared does not."""
    other = wanted.value(ctx)
    if value is None or other is None:
        return False
    operator = wanted.operator
    number, other_number = number_of(value), number_or_digits(other, value)
    if operator in BITS:
        return number is not None and other_number is not None and BITS[operator](number, other_number) != 0
    text, other_text = text_of(value) or "", text_of(other) or ""
    if operator == "re":
        return matches(text, other_text, "i" in wanted.flags)
    if "i" in wanted.flags:
        text, other_text = text.lower(), other_text.lower()
    if operator == "fm":
        return fnmatchcase(text, other_text)
    if number is not None and other_number is not None:
        return ORDER[operator](number, other_number)
    return ORDER[operator](text, other_text)


def number_or_digits(value: Value, beside: Value) -> int | None:
    """The number of a value; a text of digits counts beside a number ("lt/345")."""
    number = number_of(value)
    if number is None and number_of(beside) is not None:
        number = spelling.number_in(text_of(value) or "")
    return number


def matches(text: str, expression: str, ignore_case: bool) -> bool:
    """Whether a text matches an expression; False, with a line in the log, for one that is none."""
    try:
        return bool(compile_ere(expression, ignore_case=ignore_case, lines=True).matches(text))
    except BadRegex as problem:
        log.error("avpops:avp_check", f"{expression}: {problem}")
        return False


def calculate(ctx: Context, avps: Two, work: Deed) -> int:
    """See avp_op: 1, or -1 without a number to reckon with."""
    found = newest_first(ctx, avps.source)
    numbers = [(place, number) for place, value in enumerate(found) if (number := number_of(value)) is not None]
    if "g" not in work.flags:
        numbers = numbers[:1]
    results = []
    for _, number in numbers:
        result = reckoned(number, work.operator, number_of(work.value(ctx)), text_of(work.value(ctx)))
        if result is None:
            return -1
        results.append(result)
    if not results:
        return -1
    if avps.target == avps.source:
        for (place, _), result in zip(numbers, results, strict=True):
            found[place] = result
        keep(ctx, avps.source, found)
        return 1
    if "d" in work.flags or "d" in avps.flags:
        gone = {place for place, _ in numbers}
        keep(ctx, avps.source, [value for place, value in enumerate(found) if place not in gone])
    for result in reversed(results):
        push(ctx, avps.target, result)
    return 1


def reckoned(number: int, operator: str, other: int | None, text: str | None) -> int | None:
    """The result, kept to 32 bits; None where there is none."""
    if operator == "not":
        return ~number
    if other is None:
        other = spelling.number_in(text or "")
    if other is None or (operator in ("div", "mod") and other == 0):
        log.error("avpops:avp_op", f"{number} {operator} {text}: no number comes of it")
        return None
    if operator in BITS:
        return wrapped(BITS[operator](number, other))
    if operator == "add":
        return wrapped(number + other)
    if operator == "sub":
        return wrapped(number - other)
    if operator == "mul":
        return wrapped(number * other)
    quotient = abs(number) // abs(other) * (1 if (number < 0) == (other < 0) else -1)
    return wrapped(quotient if operator == "div" else number - quotient * other)


def wrapped(number: int) -> int:
    """A number as the script keeps it: 32 bits, signed."""
    return ((number + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def substitute(ctx: Context, avps: Two, expression: Substitution) -> int:
    """See avp_subst."""
    found = newest_first(ctx, avps.source)
    changed: dict[int, str] = {}
    for place, value in enumerate(found):
        text = text_of(value)
        if text is None or number_of(value) is not None or not expression.expression.matches(text):
            continue
        try:
            changed[place] = expression.applied(ctx, text)
        except ValueError:
            continue
        if "g" not in avps.flags:
            break
    if not changed:
        return -1
    if avps.target == avps.source:
        keep(ctx, avps.source, [changed.get(place, value) for place, value in enumerate(found)])
        return 1
    if "d" in avps.flags:
        keep(ctx, avps.source, [value for place, value in enumerate(found) if place not in changed])
    for text in reversed(changed.values()):
        push(ctx, avps.target, text)
    return 1
