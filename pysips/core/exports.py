"""What a module declares: parameters, functions, variables, commands, counters, timers, needs.

A module is a class with these declarations and a few life steps; see modules/maxfwd.py for a whole one.
The registry reads them once at load: after that a parameter is a plain attribute and a function a bound method.
(OpenSIPS keeps the same facts in `struct module_exports`.)
"""

import inspect
import sys
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pysips.errors import ModuleError, PysipsError
from pysips.script.catalogue import (
    Catalogue,
    Format,
    FunctionSpec,
    Getter,
    Index,
    Inner,
    Parameter,
    Route,
    Setter,
    TransformSpec,
    Var,
    VariableSpec,
)  # fmt: skip
from pysips.script.formats import bind_format, bind_variable
from pysips.script.regex import BadRegex, Found, Regex, compile_ere
from pysips.script.values import Both, Value, number_of, text_of

if TYPE_CHECKING:
    from .program import Program
    from .services import Services
    from .stats import Counter
    from .status_reports import Group

__all__ = [
    "BadRegex", "Both", "By", "Format", "Found", "Getter", "Index", "Inner", "Json", "MiError", "MiSpec", "Module",
    "NoExpand", "Regex", "Route", "Setter", "Static", "Value", "Var", "VariableSpec", "Where", "compile_ere", "counter",
    "event", "function", "mi", "modparam", "needs", "number_of", "param", "text_of", "timer", "variable", "wants",
]  # fmt: skip

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
Method = TypeVar("Method", bound=Callable[..., Any])


class Mark:
    """What an annotation adds: `Annotated[str, Static]`."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __repr__(self) -> str:
        return self.word


class By:
    """`Annotated[Mask, By("mask")]`: the argument is converted by that method of the module; see Parameter.convert."""

    def __init__(self, method: str) -> None:
        self.method = method


Static: Final = Mark("Static")  # only a literal without variables
NoExpand: Final = Mark("NoExpand")  # a literal is not a format


class Where(Enum):
    """In which process something happens."""

    ONCE = "attendant"  # once in the system, in the attendant
    FIRST = "slot 0"  # once in the system, in the first worker
    EACH = "each worker"  # in each worker; answers are merged
    ANY = "any"  # whoever is asked


class MiError(PysipsError):
    """A management command's own failure; code as OpenSIPS' modules give it (400, 404, 500)."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


@dataclass
class Param:
    """A modparam's declaration."""

    default: Any
    low: int | None = None
    high: int | None = None
    help: str = ""
    name: str = ""
    kind: type = str
    setter: str = ""  # the method that takes each value
    repeats: bool = False


@dataclass(frozen=True)
class MiSpec:
    """A management command: `call(**parameters)` answers Json, may be async, raises MiError."""

    name: str
    full: str  # 4.0's module:command
    module: str
    call: Callable[..., Any]
    where: Where
    recipes: tuple[tuple[str, ...], ...]
    kinds: dict[str, type]
    help: str = ""
    call_id: Callable[..., str] | None = None  # of the call whose worker does it, by the same parameters
    seconds: float = 0.0  # how long an answer may take, 0: as usual


@dataclass(frozen=True)
class TimerSpec:
    """Work that comes again: `call()` every so many seconds (a number, or the name of the parameter that has it)."""

    module: str
    call: Callable[[], Any]
    every: float
    where: Where


@dataclass
class CounterMark:
    """A statistic's declaration."""

    name: str
    no_reset: bool = False


@dataclass
class EventMark:
    """An event's declaration."""

    name: str
    parameters: tuple[str, ...] = ()


@dataclass
class Need:
    """Another module's api."""

    module: str
    optional: bool


@dataclass
class Declarations:
    """All that a module class declares, read once."""

    params: dict[str, Param] = field(default_factory=dict)
    counters: dict[str, CounterMark] = field(default_factory=dict)
    events: dict[str, EventMark] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)


def param(default: Any, *, low: int | None = None, high: int | None = None, help: str = "", name: str = "") -> Any:
    """A modparam with its default; its type is the annotation (int, str, or `str | None`)."""
    return Param(default, low, high, help, name)


def counter(name: str, *, no_reset: bool = False) -> "Counter":
    """A statistic of this module's group."""
    return typing.cast("Counter", CounterMark(name, no_reset))


def event(name: str, *parameters: str) -> Any:
    """An event that this module raises: `self.gone("sip:a@b", …)`, one value for each parameter."""
    return EventMark(name, parameters)


def needs(module: str) -> Any:
    """The api of a module that must be loaded."""
    return Need(module, optional=False)


def wants(module: str) -> Any:
    """The api of a module, or None where it is not loaded."""
    return Need(module, optional=True)


def _mark(what: str, **facts: Any) -> Callable[[Method], Method]:
    def decorate(method: Method) -> Method:
        marks: list[tuple[str, dict[str, Any]]] = method.__dict__.setdefault("exports", [])
        marks.append((what, facts))
        return method

    return decorate


def function(
    name: str, *, routes: Route = Route.ANY, route_argument: tuple[int, str] | None = None,
    minimum: int | None = None, waiting: str = "",
) -> Callable[[Method], Method]:  # fmt: skip
    """A script function. The method's annotations give the parameters; several decorators give several names.

    waiting: the `async` method that takes its place where `Module.waits(name)` says so, by the script's parameters:
    routes that call a function that waits are coroutines, which others need not pay for.
    """
    return _mark("function", name=name, routes=routes, route_argument=route_argument, minimum=minimum, waiting=waiting)


def variable(name: str, *, inner: str = "no", write: str = "") -> Callable[[Method], Method]:
    """A read-only variable `$name`: the method is `(self, ctx)`, or `(self, ctx, inner)` where an inner name is taken.

    write: the name of the method `(self, ctx, value) -> 1 or -1` that assigns.
    Variables with indexes override `Module.variables`.
    """
    return _mark("variable", name=name, inner=inner, write=write)


def mi(
    name: str, *, full: str = "", where: Where = Where.ANY, also: Iterable[tuple[str, ...]] = (),
    recipes: Iterable[tuple[str, ...]] = (), call_id: str = "", seconds: float = 0.0,
) -> Callable[[Method], Method]:  # fmt: skip
    """A management command. full: 4.0's name, default "module:name"; also: more recipes than the signature gives.

    recipes: all of them, where an optional parameter stands before a required one.
    call_id: the method that takes the same parameters and gives the Call-ID of the call whose worker is to do it, ""
    for none in particular (with Where.FIRST); seconds: how long its answer may take.
    """
    return _mark(
        "mi", name=name, full=full, where=where, also=tuple(also), recipes=tuple(recipes), call_id=call_id,
        seconds=seconds,
    )  # fmt: skip


def modparam(name: str, kind: type = str, *, help: str = "") -> Callable[[Method], Method]:
    """A modparam that may be given many times: the method takes each value."""
    return _mark("modparam", name=name, kind=kind, help=help)


def timer(every: float | str, where: Where = Where.ONCE) -> Callable[[Method], Method]:
    """Work that comes again every so many seconds; every: seconds, or the attribute that holds them (0: never)."""
    return _mark("timer", every=every, where=where)


class Module:
    """The base of all modules. `api` is what others get by `needs`; the module itself unless it says otherwise.

    Life: `__init__` → parameters → `configure` (before the fork: check, hook in; raise ModuleError) →
    `start` (in each process) → `stop` (must work after a half-done start).
    """

    name: str = ""
    is_door: bool = False  # requests come in by it: it is started after all others, who then can answer
    status_group: str = ""  # its group of status reports, if it has one: `status` then
    status: "Group"
    services: "Services"
    program: "Program"
    catalogue: Catalogue  # every name that the loaded modules give

    @property
    def api(self) -> Any:
        return self

    def bound(self, text: str) -> Var:
        """A variable by its text, `$avp(x)`, `$(hdr(To){uri.user})`; raises BadName. Once all modules are loaded."""
        return bind_variable(text, self.catalogue)

    def formatted(self, text: str) -> Callable[[Any], str]:
        """A function that prints a format for a context; raises BadName. Once all modules are loaded."""
        return bind_format(text, self.catalogue)

    def implied(self) -> list[str]:
        """The modules that this one needs by its parameters, and that the script need not load itself.

        Asked once the script's own modules and parameters are there.
        """
        return []

    def waits(self, function: str) -> bool:
        """Whether a script function that has a `waiting` method waits. Asked once all modules are tied together."""
        return False

    def configure(self) -> None:
        """Before the fork: all modules and parameters are there."""

    def approve(self, edition: "Program") -> None:
        """Look at other routes that are about to take the place of the program's own; raise ModuleError to forbid it.

        Until a moment later the process goes on with the old ones: change nothing.
        """

    async def start(self) -> None:
        """In each process, after the fork."""

    async def stop(self) -> None:
        """In each process, before its end."""

    def variables(self) -> list[VariableSpec]:
        """Variables beyond the decorated ones."""
        return []

    def transforms(self) -> list[TransformSpec]:
        return []

    def contexts(self) -> dict[str, Callable[[Any], Any]]:
        """Message contexts, `$(<name>…)`: from a run's context to that message's, or None if there is none now."""
        return {}


def declarations(cls: type[Module]) -> Declarations:
    """Read a class's declarations; raises ModuleError for one that makes no sense."""
    found = Declarations()
    for attribute in dir(cls):
        value = inspect.getattr_static(cls, attribute)
        if isinstance(value, Param):
            kind = _plain(annotation_of(cls, attribute))
            declared = Param(**{**value.__dict__, "name": value.name or attribute, "kind": kind})
            declared.setter = attribute
            found.params[declared.name] = declared
        elif isinstance(value, CounterMark):
            found.counters[attribute] = value
        elif isinstance(value, EventMark):
            found.events[attribute] = value
        elif isinstance(value, Need):
            found.needs[attribute] = value
        for kind, facts in getattr(value, "exports", ()):
            if kind == "modparam":
                found.params[facts["name"]] = Param(
                    None, help=facts["help"], name=facts["name"], kind=facts["kind"], setter=attribute, repeats=True
                )
    return found


def annotation_of(cls: type, attribute: str) -> Any:
    """What an attribute is annotated with in the class or its bases; raises ModuleError for nothing."""
    for owner in cls.__mro__:
        hint = inspect.get_annotations(owner).get(attribute)
        if hint is not None:
            return eval(hint, vars(sys.modules[owner.__module__])) if isinstance(hint, str) else hint
    raise ModuleError(f"{cls.__qualname__}: parameter {attribute} has no annotation")


def _plain(hint: Any) -> type:
    """int, or str for everything else that a modparam may be."""
    options = typing.get_args(hint) or (hint,)
    return int if int in options or bool in options else str


def function_specs(module: Module, waiting: bool = False) -> list[FunctionSpec]:
    """The script functions of a module instance; `waiting`: those that wait by the module's parameters."""
    made = []
    for method, facts in _marked(module, "function"):
        if waiting:
            if not facts["waiting"] or not module.waits(facts["name"]):
                continue
            method = getattr(module, facts["waiting"])
        parameters = parameters_of(method)
        minimum = facts["minimum"]
        if minimum is None:
            minimum = sum(not one.optional for one in parameters)
        made.append(
            FunctionSpec(
                facts["name"], module.name, method, parameters, facts["routes"],
                inspect.iscoroutinefunction(method), inspect.getdoc(method) or "", facts["route_argument"], minimum,
            )
        )  # fmt: skip
    return made


def variable_specs(module: Module) -> list[VariableSpec]:
    """The decorated variables of a module instance, and those that it makes itself."""
    made = module.variables()
    for method, facts in _marked(module, "variable"):
        write = getattr(module, facts["write"]) if facts["write"] else None
        made.append(_simple_variable(module.name, facts["name"], facts["inner"], method, write))
    return made


def _simple_variable(module: str, name: str, inner: str, method: Any, write: Any) -> VariableSpec:
    def read(key: Any, index: Any) -> Any:
        if inner == "no":
            return method
        return lambda ctx: method(ctx, key)

    def bind_write(key: Any, index: Any) -> Any:
        if inner == "no":
            return lambda ctx, value, op: write(ctx, value)
        return lambda ctx, value, op: write(ctx, key, value)

    help = inspect.getdoc(method) or ""
    return VariableSpec(name, module, read, bind_write if write is not None else None, inner, help=help)


def mi_specs(module: Module) -> list[MiSpec]:
    """The management commands of a module instance."""
    made = []
    for method, facts in _marked(module, "mi"):
        required: list[str] = []
        optional: list[str] = []
        kinds: dict[str, type] = {}
        for one in inspect.signature(method).parameters.values():
            (required if one.default is inspect.Parameter.empty else optional).append(one.name)
            kinds[one.name] = _mi_kind(one.annotation)
        recipes = facts["recipes"] or [tuple(required + optional[:count]) for count in range(len(optional) + 1)]
        made.append(
            MiSpec(
                facts["name"], facts["full"] or f"{module.name}:{facts['name']}", module.name, method,
                facts["where"], tuple(recipes) + facts["also"], kinds, inspect.getdoc(method) or "",
                getattr(module, facts["call_id"]) if facts["call_id"] else None, facts["seconds"],
            )
        )  # fmt: skip
    return made


def _mi_kind(hint: Any) -> type:
    """int, bool, list or str: `int | None` is int, `list[str]` is list."""
    options = [one for one in typing.get_args(hint) if one is not type(None)]
    only = options[0] if type(None) in typing.get_args(hint) else hint
    only = typing.get_origin(only) or only
    return only if isinstance(only, type) else str


def timer_specs(module: Module) -> list[TimerSpec]:
    """The recurring work of a module instance, with its parameters set."""
    made = []
    for method, facts in _marked(module, "timer"):
        every = facts["every"]
        seconds = getattr(module, every) if isinstance(every, str) else every
        if seconds > 0:
            made.append(TimerSpec(module.name, method, float(seconds), facts["where"]))
    return made


def _marked(module: Module, wanted: str) -> list[tuple[Any, dict[str, Any]]]:
    found = []
    for attribute in sorted(dir(type(module))):
        for kind, facts in getattr(inspect.getattr_static(type(module), attribute), "exports", ()):
            if kind == wanted:
                found.append((getattr(module, attribute), facts))
    return found


def parameters_of(method: Callable[..., Any]) -> tuple[Parameter, ...]:
    """A method's script parameters, by its annotations; the first one is the context."""
    hints = typing.get_type_hints(method, include_extras=True)
    made = []
    for one in list(inspect.signature(method).parameters.values())[1:]:
        if one.name not in hints:
            raise ModuleError(f"{method.__qualname__}: parameter {one.name} has no annotation")
        made.append(_parameter(method, one, hints[one.name]))
    return tuple(made)


def _parameter(method: Callable[..., Any], one: inspect.Parameter, hint: Any) -> Parameter:
    optional = one.default is not inspect.Parameter.empty
    marks: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *rest = typing.get_args(hint)
        marks = tuple(rest)
    convert = next((mark for mark in marks if callable(mark)), None)
    for mark in marks:
        if isinstance(mark, By):
            convert = getattr(getattr(method, "__self__", None), mark.method)
    return Parameter(
        one.name, _kind(method.__qualname__, one.name, hint, convert), optional, one.default if optional else None,
        Static in marks, NoExpand not in marks, convert,
    )  # fmt: skip


def _kind(where: str, name: str, hint: Any, convert: Any) -> str:
    """How the script sees a parameter: int, str, var, regex, value (a number or a text, as it comes) or format."""
    if Format in (hint, *typing.get_args(hint)):
        return "format"
    options = set(typing.get_args(hint)) - {type(None)}
    options = options or {hint}
    if options == {int, str}:
        return "value"
    only = next(iter(options)) if len(options) == 1 else None
    if only is int:
        return "int"
    if only is str or convert is not None:
        return "str"
    if only is Var:
        return "var"
    if only is Regex:
        return "regex"
    raise ModuleError(f"{where}: parameter {name} is neither int, str, Var nor Regex")
