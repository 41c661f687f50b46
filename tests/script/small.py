"""A small catalogue and a context, enough to run scripts without a core."""

import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from pysips.errors import BadName, Complaint
from pysips.script import check, compile, config, known, parse, source
from pysips.script.catalogue import (
    Apply,
    Format,
    FunctionSpec,
    Getter,
    Home,
    Index,
    Inner,
    Parameter,
    Read,
    Route,
    Setter,
    TransformSpec,
    Var,
    VariableSpec,
)
from pysips.script.compile import Compiled
from pysips.script.regex import Regex
from pysips.script.support import TRACE
from pysips.script.values import Both, Shown, Value, text_of

TRAVELLING = Route.REQUEST | Route.FAILURE | Route.BRANCH
HERE = {"core", "tm", "sl", "textops", "registrar"}  # modules that the small PySIPS has
LOADED = ["core", "tm"]


class Run:
    """A context that a script runs in: keeps what was logged and told."""

    def __init__(self) -> None:
        self.vars: dict[str, Value] = {}
        self.avps: dict[str, list[Value]] = {}
        self.values: dict[str, Value] = {
            "ru": "sip:bob@example.com", "rU": "bob", "rd": "example.com", "rm": Both("INVITE", 1), "rs": None,
            "rp": 5060, "cs": "17", "empty": "", "si": "192.0.2.7", "hdr": "x",
        }  # fmt: skip
        self.rc = 1
        self.err: str | None = None
        self.params: tuple[Value, ...] = ()
        self.returned: tuple[Value, ...] = ()
        self.depth = 0
        self.frames: list[str] = []
        self.kind = 1
        self.dropped = False
        self.log: list[str] = []
        self.flags: set[str] = set()
        self.notes: dict[str, Any] = {}
        self.begun: list[tuple[str, Callable[[], Any], Any, Any]] = []

    def noted(self, key: str) -> Any:
        return self.notes.get(key)

    def assertion_failed(self, text: str) -> None:
        self.log.append(f"assertion failed: {text}")

    def run_error_route(self) -> int:
        self.log.append(f"error route for {self.err}")
        stops, self.err = self.err == "stop", None
        return 0 if stops else 1

    def run_async(self, call: Callable[[], Any], resume: Any, timeout: int) -> None:
        self.begun.append(("async", call, resume, timeout))

    def launch(self, call: Callable[[], Any], resume: Any, text: Value) -> int:
        self.begun.append(("launch", call, resume, text))
        return 1


def xlog(ctx: Run, level: Format, text: Format | None = None) -> int:
    ctx.log.append((text or level)(ctx).removesuffix("\n"))
    return 1


def say(word: str) -> Callable[..., int]:
    """A function that logs its call."""

    def called(ctx: Run, *given: object) -> int:
        ctx.log.append(f"{word}({', '.join(repr(one) for one in given if one is not None)})")
        return 1

    return called


def answer(ctx: Run, code: int) -> int:
    return code


async def later(ctx: Run, code: int) -> int:
    return code


def upper(flag: str) -> str:
    if not flag.isalnum():
        raise ValueError(f"{flag!r} is no flag")
    return flag.upper()


def matches(ctx: Run, pattern: Regex) -> int:
    return 1 if pattern.matches("486") else -1


def is_method(ctx: Run, name: str) -> int:
    return 1 if name == "INVITE" else -1


def trip(ctx: Run, over: str) -> int:
    """Meet an error."""
    ctx.err = over
    return 1


def set_flag(ctx: Run, flag: str) -> int:
    ctx.flags.add(flag)
    return 1


def broken(ctx: Run) -> int:
    raise ZeroDivisionError


def script_trace(ctx: Run, level: int | None, text: Format | None, info: str | None) -> int:
    ctx.notes[TRACE] = None if level is None else (level, text, info)
    return 1


def printf(ctx: Run, variable: Var, text: str) -> int:
    return variable.set(ctx, text)


def text(name: str, **more: Any) -> Parameter:
    return Parameter(name, "str", **more)


def spec(name: str, call: Callable[..., int | Awaitable[int]], *parameters: Parameter, **more: Any) -> FunctionSpec:
    return FunctionSpec(name, more.pop("module", "core"), call, parameters, **more)


CODE = Parameter("code", "int")
INFO = text("info", optional=True, static=True)
FUNCTIONS = [
    spec("xlog", xlog, Parameter("level", "format"), Parameter("text", "format", optional=True)),
    spec("log", say("log"), Parameter("level", "value", expand=False), text("text", optional=True, expand=False)),
    spec("answer", answer, CODE),
    spec("later", later, CODE, waits=True),
    spec("is_method", is_method, text("name")),
    spec("is_myself", say("is_myself"), text("host"), Parameter("port", "int", optional=True)),
    spec("send_reply", say("send_reply"), CODE, text("reason"), routes=Route.REQUEST | Route.FAILURE),
    spec("setflag", set_flag, text("flag", static=True, convert=upper)),
    spec("raiseflag", set_flag, text("flag", convert=upper)),
    spec("force_rport", say("force_rport")),
    spec("t_relay", later, Parameter("code", "int", True, 1), routes=TRAVELLING, waits=True),
    spec("t_on_failure", say("t_on_failure"), text("name"), route_argument=(0, "failure_route")),
    spec("t_check_status", matches, Parameter("expression", "regex"), routes=Route.FAILURE | Route.REPLY),
    spec("matches", matches, Parameter("expression", "regex")),
    spec("pv_printf", printf, Parameter("variable", "var"), text("text")),
    spec("three", say("three"), *(text(one, optional=True) for one in "abc")),
    spec("broken", broken),
    spec("trip", trip, text("over")),
    spec("setbflag", say("setbflag"), text("flag"), Parameter("branch", "int", optional=True)),
    spec("script_trace", script_trace, Parameter("level", "int", True), Parameter("text", "format", True), INFO),
]


def read_avp(inner: Inner, index: Index) -> Getter:
    def get(ctx: Run) -> Value:
        values = list(reversed(ctx.avps.get(str(inner), [])))
        place = index(ctx) if callable(index) else index
        if place == "*":
            return ", ".join(text_of(one) or "" for one in values)
        number = place if isinstance(place, int) else 0
        return values[number] if -len(values) <= number < len(values) else None

    return get


def write_avp(inner: Inner, index: Index) -> Setter:
    def put(ctx: Run, value: Value, sign: str) -> int:
        values = ctx.avps.setdefault(str(inner), [])
        if sign == ":=":
            values.clear()
        if value is not None:
            values.append(value)
        elif values:
            values.pop()
        return 1

    return put


def read_param(inner: Inner, index: Index) -> Getter:
    def get(ctx: Run) -> Value:
        value = inner(ctx) if callable(inner) else inner
        number = int(text_of(value) or 0)
        return ctx.params[number - 1] if 0 < number <= len(ctx.params) else None

    return get


def plain(name: str, writable: bool = False, inner: str = "no") -> VariableSpec:
    def put(ctx: Run, value: Value, sign: str) -> int:
        if value is None:
            return -1
        ctx.values[name] = value
        return 1

    def read(inner: Inner, index: Index) -> Getter:
        return lambda ctx: ctx.values.get(name)

    return VariableSpec(name, "core", read, (lambda inner, index: put) if writable else None, inner)


def read_var(inner: Inner, index: Index) -> Getter:
    return lambda ctx: ctx.vars.get(inner)


def write_var(inner: Inner, index: Index) -> Setter:
    def put(ctx: Run, value: Value, sign: str) -> int:
        ctx.vars[str(inner)] = value
        return 1

    return put


def read_return(inner: Inner, index: Index) -> Getter:
    return lambda ctx: dict(enumerate(ctx.returned)).get(int(str(inner)))


def read_route(inner: Inner, index: Index) -> Getter:
    return lambda ctx: " > ".join(ctx.frames) if index == "*" else ctx.frames[-1]


VARIABLES = [
    VariableSpec("var", "core", read_var, write_var, "required"),
    VariableSpec("avp", "core", read_avp, write_avp, "required", dynamic=True, index=True),
    VariableSpec("param", "core", read_param, None, "required", dynamic=True),
    VariableSpec("return", "core", read_return, None, "required"),
    VariableSpec("route", "core", read_route, None, index=True),
    *(plain(name, writable=True) for name in ("ru", "rU", "rd")),
    *(plain(name) for name in ("rm", "rs", "rp", "cs", "empty", "si", "rc", "retcode")),
    plain("hdr", inner="required"),
]


def number(value: Value) -> Value:
    written = text_of(value) or ""
    found = re.match(r"[+-]?\d+", written)
    return Shown(int(found.group()) if found else 0, written)


def simple(group: str, name: str, change: Callable[[Value], Value]) -> TransformSpec:
    def bind(arguments: str | None, read: Read) -> Apply:
        if arguments is not None:
            raise BadName(f"{{{group}.{name}}} takes no parameters")
        return lambda ctx, value: change(value)

    return TransformSpec(group, name, "core", bind)


TRANSFORMS = [
    simple("s", "len", lambda value: len(text_of(value) or "")),
    simple("s", "int", number),
    simple("s", "toupper", lambda value: (text_of(value) or "").upper()),
]


class Small:
    """The catalogue."""

    def __init__(self) -> None:
        self.functions = {spec.name: spec for spec in FUNCTIONS}
        self.variables = {spec.name: spec for spec in VARIABLES}
        self.transforms = {(spec.group, spec.name): spec for spec in TRANSFORMS}

    def function(self, name: str) -> FunctionSpec | None:
        return self.functions.get(name)

    def variable(self, name: str) -> VariableSpec | None:
        return self.variables.get(name)

    def transform(self, group: str, name: str) -> TransformSpec | None:
        return self.transforms.get((group, name))

    def message_context(self, name: str) -> Callable[[Any], Any] | None:
        return (lambda ctx: None) if name == "reply" else None

    def function_names(self) -> Sequence[str]:
        return list(self.functions)

    def variable_names(self) -> Sequence[str]:
        return list(self.variables)

    def modules(self) -> Sequence[str]:
        return LOADED

    def home_of(self, what: str, name: str) -> Home | None:
        home = known.home_of(what, name)
        return None if home is None else Home(home.module, home.module in HERE, home.versions)


def complaints_of(path: Path) -> list[Complaint]:
    """Everything that is wrong with a file, named by its last part."""
    text = source.of_text(path.read_text("utf-8"), path.name)
    script, complaints = parse.parse_source(text)
    config.read(script, complaints)
    check.check(script, Small(), complaints)
    return complaints


def compiled(text: str, told: list[str] | None = None, file: str = "test.cfg") -> Compiled:
    """A script ready to run; it must be without fault."""
    script = parse.parse(text, file)
    complaints: list[Complaint] = []
    check.check(script, Small(), complaints)
    assert complaints == []
    lines = told if told is not None else []
    return compile.compile_script(script, Small(), lambda level, line: lines.append(line))


def finish(code: int | Awaitable[int]) -> int:
    """The code of a route, whether it is a coroutine or not; nothing in these tests really waits."""
    if isinstance(code, int):
        return code
    try:
        code.__await__().send(None)
    except StopIteration as end:
        return int(end.value)
    raise AssertionError("the route waits")


def logged(text: str, run: Run | None = None) -> list[str]:
    """What the main route of a script logs."""
    ctx = run or Run()
    finish(compiled(text).routes["route", ""](ctx))
    return ctx.log
