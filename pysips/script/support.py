"""What compiled code calls at run time: truth, comparison, arithmetic, assignment, calls of routes.

Codes of comparisons here: 1 true, -1 false, None for an error (which no `!` inverts); see conditions.py for why.
A value that could not be computed is FAILED; operations hand it on, an assignment of it fails.
Facts (script-language reference, section 3): a literal or computed number has no text, a variable's number has one;
NULL equals only NULL; text is compared without regard to ASCII case.
"""

import inspect
import ipaddress
import logging
import operator
import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, final

from .catalogue import Ctx, Getter, Setter
from .regex import BadRegex, compile_ere
from .values import Value, number_of, text_of, wrapped

MAX_DEPTH: Final = 99  # calls inside the top route: 100 levels with it
TRACE: Final = "core.trace"  # where script_trace() notes (level, format, info) in the context
ONCE: Final = (0,)  # a loop of one pass, for a switch: `break` leaves it
ASCII_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
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


def found(value: Value, pattern: re.Pattern[str]) -> bool:
    """`=~` with a literal expression."""
    text = value if type(value) is str else text_of(value)
    return text is not None and pattern.search(text) is not None


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


@final
class Operations:
    """What can fail at run time, and then tells where in the script. `tell` takes OpenSIPS' levels."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    # -- comparisons

    def error(self, text: str, where: str) -> Code:
        """A condition could not be evaluated; the answer is None."""
        self.tell(1, f"error in expression at {where}: {text}")
        return None

    def with_number(self, value: Value, sign: str, number: int, where: str) -> Code:
        """A variable and a literal number; a text without a number is an error."""
        known = value if type(value) is int else number_of(value)
        if known is None:
            if value is None:
                return 1 if sign == "!=" else -1
            return self.error(f"{shown(value)} is no number", where)
        return 1 if ORDERS[sign](known, number) else -1

    def variables(self, left: Value, sign: str, right: Value, where: str) -> Code:
        """Two variables: as numbers if both have one, else as texts."""
        if left is None or right is None:
            if left is right:
                return 1 if sign == "==" else -1
            return 1 if sign == "!=" else -1
        first, second = number_of(left), number_of(right)
        if first is not None and second is not None:
            return 1 if ORDERS[sign](first, second) else -1
        return 1 if ORDERS[sign](folded(text_of(left) or ""), folded(text_of(right) or "")) else -1

    def match(self, value: Value, expression: Value, negated: bool, where: str) -> Code:
        """`=~` and `!~` with an expression out of a variable."""
        if value is None or expression is None:
            equal = value is expression
            return 1 if (equal and not negated) or (not equal and negated) else -1
        try:
            pattern = compile_ere(text_of(expression) or "")
        except BadRegex as problem:
            return self.error(str(problem), where)
        return 1 if (pattern.search(text_of(value) or "") is not None) is not negated else -1

    def in_network(self, value: Value, network: Network, negated: bool, where: str) -> Code:
        """A variable and a bare address or network."""
        if value is None:
            return 1 if negated else -1
        address = address_of(text_of(value) or "")
        if address is None:
            return self.error(f"{shown(value)} is no IP address", where)
        return 1 if (address in network) is not negated else -1

    def truth(self, value: Result, where: str) -> Code:
        """`[value]`."""
        if isinstance(value, Failed):
            return self.error("no value", where)
        return 1 if value else -1

    # -- arithmetic

    def fail(self, text: str, where: str) -> Failed:
        self.tell(1, f"{text} at {where}")
        return FAILED

    def plus(self, left: Result, right: Result, right_has_text: bool, where: str) -> Result:
        """Addition, or concatenation where the left side is no number."""
        if isinstance(left, Failed) or isinstance(right, Failed):
            return FAILED
        if isinstance(left, int):
            return self.arithmetic(left, "+", right, where)
        text = "" if right is None else text_of(right)
        if text is None or (isinstance(right, int) and not right_has_text):
            return self.fail(f"invalid operands for +: {shown(left)} and {shown(right)}", where)
        return (text_of(left) or "") + text

    def arithmetic(self, left: Result, sign: str, right: Result, where: str) -> Result:
        """Two numbers; NULL on the right counts as 0. Bit operations work on texts of one length, too."""
        if isinstance(left, Failed) or isinstance(right, Failed):
            return FAILED
        if isinstance(left, int):
            number = 0 if right is None else number_of(right)
            if number is None:
                return self.fail(f"invalid numeric operands: {left} {sign} {shown(right)}", where)
            return self.computed(int(left), sign, number, where)
        if sign in "&|^" and isinstance(left, str) and isinstance(right, str):
            return self.bits_of_texts(str.__str__(left), sign, str.__str__(right), where)
        return self.fail(f"invalid operands for {sign}: {shown(left)} and {shown(right)}", where)

    def computed(self, left: int, sign: str, right: int, where: str) -> int:
        """32-bit arithmetic with C's truncation."""
        if sign in "/%":
            if right == 0:
                self.tell(-1, f"division by 0 at {where}")
                return 0
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            return wrapped(quotient if sign == "/" else left - quotient * right)
        if sign == "<<":
            return wrapped(left << (right & 31))
        if sign == ">>":
            return left >> (right & 31)
        return wrapped(ARITHMETIC[sign](left, right))

    def bits_of_texts(self, left: str, sign: str, right: str, where: str) -> Result:
        """Byte by byte."""
        first, second = left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
        if len(first) != len(second):
            return self.fail(f"texts of different length for {sign}", where)
        mixed = bytes(ARITHMETIC[sign](a, b) for a, b in zip(first, second, strict=True))
        return mixed.decode("utf-8", "surrogateescape")

    def complement(self, value: Result, where: str) -> Result:
        """`~ value`."""
        if isinstance(value, Failed):
            return FAILED
        number = number_of(value)
        return self.fail(f"invalid operand for ~: {shown(value)}", where) if number is None else ~number

    def compound(self, current: Value, sign: str, value: Result, where: str) -> Result:
        """What `op=` makes of the old value: numbers, or `+=` of two texts."""
        if isinstance(value, Failed):
            return FAILED
        first, second = number_of(current), number_of(value)
        if first is not None and second is not None:
            return self.computed(first, sign, second, where)
        if sign == "+" and first is None and second is None and current is not None and value is not None:
            return (text_of(current) or "") + (text_of(value) or "")
        return self.fail(f"invalid operands for {sign}=: {shown(current)} and {shown(value)}", where)

    # -- assignment

    def keep(self, ctx: Ctx, name: str, value: Result, where: str) -> int:
        """Assign to `$var(name)`."""
        if isinstance(value, Failed):
            self.tell(1, f"no value in right expression at {where}")
            return -1
        ctx.vars[name] = value
        return 1

    def put(self, ctx: Ctx, setter: Setter, value: Result, sign: str, where: str) -> int:
        """Assign to any variable; sign is "=" or ":="."""
        if isinstance(value, Failed):
            self.tell(1, f"no value in right expression at {where}")
            return -1
        return 1 if setter(ctx, value, sign) > 0 else -1

    # -- the rest

    def pattern_of(self, value: Value, where: str) -> re.Pattern[str] | None:
        """An expression out of a variable; None, and a line in the log, if it cannot be."""
        text = text_of(value)
        if text is None:
            return None
        try:
            return compile_ere(text, lines=True)
        except BadRegex as problem:
            self.tell(-1, f"{problem} at {where}")
            return None

    def converted(self, convert: Callable[[Any], Any], value: Value, where: str) -> Any:
        """A run-time argument in the form that the function wants; FAILED, and a line in the log, if it cannot be."""
        if value is None:
            return FAILED
        try:
            return convert(value)
        except ValueError as problem:
            self.tell(-1, f"{problem} at {where}")
            return FAILED

    def too_deep(self, where: str) -> int:
        """A call beyond the limit."""
        self.tell(-2, f"route recursion limit reached at {where}, ignoring the route")
        return -1

    def no_route(self, ctx: Ctx, name: Value, where: str) -> int:
        """A name at run time that no route has; `$rc` stays."""
        self.tell(-3, f"there is no route[{shown(name)}], called at {where}")
        return int(ctx.rc) or 1

    def endless(self, limit: int, where: str) -> None:
        """A while loop reached its limit."""
        self.tell(-1, f"max while loops reached ({limit}) at {where}, increase the 'max_while_loops' global")

    def not_iterable(self, where: str) -> int:
        """A `for` over something without `[*]`."""
        self.tell(-1, f"for without [*] at {where}")
        return -10


ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "&": operator.and_, "|": operator.or_, "^": operator.xor,
}  # fmt: skip


@lru_cache(maxsize=1024)
def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address as text, brackets allowed; None for anything else."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def network_of(text: str) -> Network:
    """A bare address or network of the script. Raises ValueError."""
    address, slash, mask = text.partition("/")
    return ipaddress.ip_network(f"{address.strip('[]')}{slash}{mask}", strict=False)


def shown(value: object) -> str:
    """A value for a message: text in quotes and not too long."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        text = str.__str__(value)
        return repr(text if len(text) <= 40 else text[:40] + "…")
    return str(value)
