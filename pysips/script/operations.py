"""What compiled code does with values, and what can fail at run time: comparison, arithmetic, assignment.

Facts (script-language reference, section 3): a literal or computed number has no text, a variable's number has one;
NULL equals only NULL; numbers have 32 bits and wrap; a failure is told with its place, and the script goes on.
Codes of comparisons are 1 true, -1 false, None for an error (which no `!` inverts); see expressions.py for why.
"""

import ipaddress
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, final

from .catalogue import Ctx, Setter
from .regex import BadRegex, Regex, compile_ere
from .support import FAILED, Code, Failed, Result, Tell, folded
from .values import Value, number_of, text_of, wrapped

ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "&": operator.and_, "|": operator.or_, "^": operator.xor,
}  # fmt: skip
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
        return 1 if bool(pattern.matches(text_of(value) or "")) is not negated else -1

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

    def pattern_of(self, value: Value, where: str) -> Regex | None:
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
