"""How the core's variables are declared and bound: simple ones, ones with an index, texts out of values.

A variable's `read(inner, index)` runs once, when the script is compiled, and gives a plain function of the run's
context; `write` likewise. What can be decided then is decided then.
"""

from collections.abc import Callable
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Ctx, Getter, Index, Inner, Setter, VariableSpec
from pysips.script.values import Both, Shown, Value, number_of, text_of

from .log import log

MODULE: Final = "core"
SEPARATOR: Final = ", "
MOST_JOINED: Final = 511  # bytes that an index [*] may give
TRUE: Final = Shown(1, "true")
FALSE: Final = Shown(0, "false")

Write = Callable[[Ctx, Value], int]


def unreadable(ctx: Ctx, header: str) -> Value:
    """NULL: a header of the message cannot be read. It is said, and error_route will run."""
    ctx.unreadable(f"error parsing {header} header", "bad header")
    log.error("core:pv", f"{header} cannot be read")
    return None


def simple(name: str, get: Getter, put: Write | None = None, help: str = "") -> VariableSpec:
    """A variable without inner name and index; `put(ctx, value)` answers 1, or -1 for a value it does not take."""
    setter: Setter | None = None
    if put is not None:
        writes = put
        setter = lambda ctx, value, op: writes(ctx, value)  # noqa: E731
    return VariableSpec(
        name, MODULE, lambda inner, index: get, None if setter is None else lambda inner, index: setter, help=help
    )


def listed(name: str, values: Callable[[Ctx], list[str]], help: str = "") -> VariableSpec:
    """A variable of several texts: the first one without an index, one of them, or all joined by `[*]`."""
    return VariableSpec(name, MODULE, lambda inner, index: at_index(index, values), None, index=True, help=help)


def fields(
    name: str, bind: Callable[[str], Getter | None], words: tuple[str, ...], help: str = "", whole: Getter | None = None
) -> VariableSpec:
    """A variable `$name(field)` of a few fixed fields; `whole` is `$name` alone, if that may be."""

    def read(inner: Inner, index: Index) -> Getter:
        if inner is None and whole is not None:
            return whole
        return bind_field(name, inner, words, bind)

    return VariableSpec(name, MODULE, read, None, "required" if whole is None else "optional", help=help)


def bind_field(name: str, inner: Inner, words: tuple[str, ...], bind: Callable[[str], Getter | None]) -> Getter:
    """The getter of a field; raises BadName for one that there is not."""
    found = bind(inner) if isinstance(inner, str) and inner in words else None
    if found is None:
        raise BadName(f"${name} has no field {inner}: it has {', '.join(words)}")
    return found


def text_name(name: str, inner: Inner) -> str:
    """An inner name that is a text; raises BadName for a variable."""
    if not isinstance(inner, str):
        raise BadName(f"${name} takes no variable as its name")
    return inner


def at_index(index: Index, values: Callable[[Ctx], list[str]]) -> Getter:
    """One of several texts, or all of them: None is the first, "*" all, negative counts from the end."""
    if index is None or index == 0:

        def first(ctx: Ctx) -> Value:
            found = values(ctx)
            return found[0] if found else None

        return first
    if index == "*":
        return lambda ctx: joined(values(ctx))
    place = number_at(index)
    return lambda ctx: one_of(values(ctx), place(ctx))


def number_at(index: Index) -> Callable[[Ctx], int | None]:
    """An index as a function; None for a variable without a number. Raises BadName for a word."""
    if isinstance(index, int):
        constant = index
        return lambda ctx: constant
    if callable(index):
        getter = index
        return lambda ctx: number_of(getter(ctx))
    raise BadName(f"[{index}] is no index")


def one_of(found: list[str], index: int | None) -> Value:
    """An element, negative from the end; NULL beyond."""
    return found[index] if index is not None and -len(found) <= index < len(found) else None


def joined(found: list[str]) -> Value:
    """All texts with commas between them; NULL for none, and where that is too long."""
    if not found:
        return None
    made = SEPARATOR.join(found)
    if len(made) > MOST_JOINED and len(made.encode("utf-8", "surrogateescape")) > MOST_JOINED:
        log.error("core:pv", f"the index [*] gives more than {MOST_JOINED} bytes")
        return None
    return made


def stored(value: Value) -> Value:
    """A value as variables keep it: a number, or a text without the number that came with it."""
    if type(value) is Both:
        return str.__str__(value)
    if type(value) is Shown:
        return int(value)
    return value


def refused(name: str, value: Value, why: str) -> int:
    """Say that a variable does not take a value; -1."""
    log.error("core:pv", f"${name} cannot be set to {text_of(value) if value is not None else 'NULL'}: {why}")
    return -1
