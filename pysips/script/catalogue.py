"""What a script may name: functions, variables, transformations, routes.

The script floor knows modules only through these records; `core/exports.py` makes them from a module's
declarations, and `core/registry.py` is the `Catalogue` that looks them up.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Protocol, final

from .values import Value

Ctx = Any  # core.context.Context; the script floor never looks inside beyond what compile.py's docstring lists
Getter = Callable[[Ctx], Value]
Setter = Callable[[Ctx, Value, str], int]  # (ctx, value, "=" or ":=") -> 1, or -1 when it cannot be set
Format = Callable[[Ctx], str]  # a text with variables in it, printed when it is wanted
Inner = str | Getter | None  # $hdr(From), $hdr($var(x)), $ru
Index = int | str | Getter | None  # [0], [-1], "*", "append", [$var(i)]


class Route(IntFlag):
    """Kinds of routes; a function declares the ones in which it may stand."""

    REQUEST = 1
    FAILURE = 2
    REPLY = 4
    BRANCH = 8
    ERROR = 16
    LOCAL = 32
    STARTUP = 64
    TIMER = 128
    EVENT = 256
    ANY = 511


ROUTE_WORDS = {
    "route": Route.REQUEST,
    "failure_route": Route.FAILURE,
    "onreply_route": Route.REPLY,
    "branch_route": Route.BRANCH,
    "error_route": Route.ERROR,
    "local_route": Route.LOCAL,
    "startup_route": Route.STARTUP,
    "timer_route": Route.TIMER,
    "event_route": Route.EVENT,
}


@final
class Var:
    """A variable handed to a function, to read or to set."""

    __slots__ = ("get", "name", "setter")

    def __init__(self, name: str, get: Getter, setter: Setter | None) -> None:
        self.name = name
        self.get = get
        self.setter = setter

    def set(self, ctx: Ctx, value: Value) -> int:
        """Assign; 1, or -1 when the variable is read-only or refuses the value."""
        return self.setter(ctx, value, "=") if self.setter is not None else -1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a script function.

    kind: "int", "str", "var", "regex", "value" (a number or a text, as it comes), "format" (a text handed over as a
    function of the context, for who may not need it: xlog of a level that is not written).
    static: only a literal; expand: a literal is a format.
    convert: applied to a literal once, when the script is compiled, and to other values at each call; it
    raises ValueError (message for people) or BadName.
    """

    name: str
    kind: str
    optional: bool = False
    default: object = None
    static: bool = False
    expand: bool = True
    convert: Callable[[Any], object] | None = None


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function that a script may call: `call(ctx, *arguments)` answers > 0 well, < 0 not, 0 to stop the script.

    waits: `call` is `async def`. Omitted optional arguments arrive as their default.
    route_argument: the position of an argument that names a route of that kind (`t_on_failure` → "failure_route").
    """

    name: str
    module: str
    call: Callable[..., int | Awaitable[int]]
    parameters: tuple[Parameter, ...] = ()
    routes: Route = Route.ANY
    waits: bool = False
    help: str = ""
    route_argument: tuple[int, str] | None = None
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """A pseudo-variable. `read(inner, index)` and `write(inner, index)` bind a place where it is used, once, at load.

    They raise BadName for an inner name or index that the variable does not take.
    inner: "no", "optional", "required"; dynamic: the inner name may itself be a variable.
    """

    name: str
    module: str
    read: Callable[[Inner, Index], Getter]
    write: Callable[[Inner, Index], Setter] | None = None
    inner: str = "no"
    dynamic: bool = False
    index: bool = False
    help: str = ""


Apply = Callable[[Ctx, Value], Value]
Read = Callable[[str], Getter]  # "$var(x)" as it stands in a parameter, bound


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """A transformation, `{group.name,arguments}`.

    `bind(arguments, read)`: arguments is the raw text after the first comma (None without one), up to the closing
    brace; `read` binds a variable that stands in it. Raises BadName for wrong arguments.
    """

    group: str
    name: str
    module: str
    bind: Callable[[str | None, Read], Apply]
    help: str = ""


class Catalogue(Protocol):
    """What is there to be named. Look-ups answer None for an unknown name."""

    def function(self, name: str) -> FunctionSpec | None: ...
    def variable(self, name: str) -> VariableSpec | None: ...
    def transform(self, group: str, name: str) -> TransformSpec | None: ...
    def message_context(self, name: str) -> Callable[[Ctx], Ctx | None] | None:
        """`$(<reply>rs)`: from a run's context to the one of that message, or None if there is none now."""

    def function_names(self) -> Sequence[str]: ...
    def variable_names(self) -> Sequence[str]: ...
    def modules(self) -> Sequence[str]:
        """Names of the loaded modules."""

    def home_of(self, what: str, name: str) -> "Home | None":
        """Where a name that is not loaded lives; what: "function", "variable", "module", "global"."""


@dataclass(frozen=True, slots=True)
class Home:
    """A name that is known, but not loaded: its module, whether PySIPS has it, in which OpenSIPS versions it is."""

    module: str
    here: bool
    versions: tuple[str, ...] = field(default=())
