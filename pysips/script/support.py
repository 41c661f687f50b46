"""What compiled code calls at run time and cannot fail: plain comparisons, forms of values, calls of routes.

A value that could not be computed is FAILED; operations hand it on, an assignment of it fails (operations.py).
Text is compared without regard to ASCII case.
"""

import inspect
import logging
import os
from collections.abc import Callable
from typing import Any, Final, final

from .catalogue import Ctx, Getter
from .regex import Regex
from .values import Value, number_of, text_of

MAX_DEPTH: Final = 99  # calls inside the top route: 100 levels with it
TRACE: Final = "core.trace"  # where script_trace() notes (level, format, info) in the context
ONCE: Final = (0,)  # a loop of one pass, for a switch: `break` leaves it
ASCII_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
Tell = Callable[[int, str], None]  # (OpenSIPS level, text)
Code = int | None
STANDARD_LEVELS: Final = {-3: 50, -2: 50, -1: 40, 1: 30, 2: 25, 3: 20, 4: 10}


@final
class Failed:
    """The one value FAILED."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


FAILED: Final = Failed()
Result = Value | Failed


def tell_standard(level: int, text: str) -> None:
    """To Python's own logging, where nobody gave a better place."""
    logging.getLogger("pysips.script").log(STANDARD_LEVELS.get(level, 30), "%s", text)


def folded(text: str) -> str:
    """ASCII letters in lower case, nothing else changed."""
    return text.lower() if text.isascii() else text.translate(ASCII_FOLD)


# -- comparisons that cannot fail


def same(value: Value, low: str) -> bool:
    """Equal to a literal text; `low` is the literal, folded. NULL is equal to no text."""
    if type(value) is not str:
        text = text_of(value)
        return text is not None and folded(text) == low
    return len(value) == len(low) and folded(value) == low


def ordered(value: Value, sign: Callable[[str, str], bool], low: str) -> bool:
    """`<`, `>` and their kin against a literal text, folded."""
    text = text_of(value)
    return text is not None and sign(folded(text), low)


def found(value: Value, pattern: Regex) -> bool:
    """`=~` with a literal expression."""
    text = value if type(value) is str else text_of(value)
    return text is not None and bool(pattern.matches(text))


# -- values


def settled(value: Value) -> Value:
    """What an assignment stores of a value: the number of a number, the text of a text, nothing beside it."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    return str.__str__(value) if isinstance(value, str) else int(value)


def returned(value: Value) -> int:
    """`return($v)`: the number; 1 for a text, -1 for NULL."""
    number = number_of(value)
    if number is not None:
        return number
    return -1 if value is None else 1


def code_of(code: int, *calls: int) -> int:
    """The code of an assignment whose value called functions: 0, which stops the script, if one of them said so."""
    return 0 if 0 in calls else code


def unless_stopped(code: Code, *calls: int) -> Code:
    """The same for a condition's code."""
    return 0 if 0 in calls else code


def as_value(code: Code) -> Result:
    """A comparison as a value: 1 or 0."""
    return FAILED if code is None else int(code > 0)


def drop(ctx: Ctx) -> int:
    """`drop` as a condition."""
    ctx.dropped = True
    return 0


def noted(ctx: Ctx, code: int) -> int:
    """Keep a code as `$rc`, for scripts that look at it."""
    ctx.rc = code
    return code


def chosen(value: Value, texts: dict[str, int], numbers: dict[int, int], otherwise: int) -> int:
    """Which case of a switch fits: texts by their text, numbers by their number, the first of both."""
    text, number = text_of(value), number_of(value)
    by_text = texts.get(folded(text), otherwise) if text is not None else otherwise
    by_number = numbers.get(number, otherwise) if number is not None else otherwise
    return min(by_text, by_number)


def nested(ctx: Ctx, route: Callable[[Ctx], int], params: tuple[Value, ...]) -> int:
    """Call a route where the script needs to know about depth, parameters or returned values."""
    saved = ctx.params
    ctx.params, ctx.returned = params, ()
    ctx.depth += 1
    code = route(ctx)
    ctx.depth -= 1
    ctx.params = saved
    return code


async def nested_waiting(ctx: Ctx, route: Callable[[Ctx], Any], params: tuple[Value, ...]) -> int:
    """The same for a route that waits."""
    saved = ctx.params
    ctx.params, ctx.returned = params, ()
    ctx.depth += 1
    result = route(ctx)
    code: int = await result if inspect.isawaitable(result) else result
    ctx.depth -= 1
    ctx.params = saved
    return code


def ended(result: object) -> int:
    """The end of a script that goes on elsewhere."""
    return 0


async def finished(result: object) -> int:
    """The end of a script that went on elsewhere: whatever async() handed back is waited for."""
    if inspect.isawaitable(result):
        await result
    return 0


def traced(ctx: Ctx, tell: Tell, what: str, where: str) -> None:
    """A statement is about to run in a script that uses script_trace(): tell it, while that is on."""
    wanted = ctx.noted(TRACE)
    if wanted is not None:
        level, text, info = wanted
        shown = f"[{info}]" if info else ""
        tell(level, f"[Script Trace][{where}]{shown}[{what}] -> ({text(ctx)})")


def assertion_failed(ctx: Ctx, text: str, abort: bool) -> int:
    """A false assert(): told, error_route runs, and the script ends; with abort_on_assert the process does."""
    ctx.assertion_failed(text)
    if abort:
        os.abort()
    return 0


@final
class Items:
    """What a `for` goes over: a variable by index. `bind` makes the reader of one index; each is made once."""

    def __init__(self, bind: Callable[[int], Getter]) -> None:
        self.bind = bind
        self.readers: list[Getter] = []

    def at(self, ctx: Ctx, index: int) -> Value:
        """The item of an index, NULL after the last one."""
        while index >= len(self.readers):
            self.readers.append(self.bind(len(self.readers)))
        return self.readers[index](ctx)
