"""$var $avp $param $return $rc $argv $err.… $log_level $route $C(xy): what the script itself keeps and is told."""

import re
from collections.abc import Callable
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Ctx, Getter, Index, Inner, Setter, VariableSpec
from pysips.script.values import Value, number_of, text_of

from .log import log
from .variable_binding import (
    MODULE,
    joined,
    number_at,
    refused,
    simple,
    stored,
    text_name,
)

NUMBER: Final = re.compile(r"[0-9]{1,4}")
OLD_AVP_NAME: Final = re.compile(r"[is]:")
FOREGROUNDS: Final = {"x": "39", "s": "30", "r": "31", "g": "32", "y": "33", "b": "34", "p": "35", "c": "36", "w": "37"}


# ------------------------------------------------------------------------------------------------------- $var


def read_var(inner: Inner, index: Index) -> Getter:
    name = text_name("var", inner)
    return lambda ctx: ctx.vars.get(name)


def write_var(inner: Inner, index: Index) -> Setter:
    name = text_name("var", inner)

    def put(ctx: Ctx, value: Value, op: str) -> int:
        ctx.vars[name] = value if type(value) is str or type(value) is int else stored(value)
        return 1

    return put


# ------------------------------------------------------------------------------------------------------- $avp


def avp_key(inner: Inner) -> Callable[[Ctx], str]:
    """The name of an AVP, constant or of a variable."""
    if isinstance(inner, str):
        name = inner.strip()
        if OLD_AVP_NAME.match(name):
            log.warn("core:pv", f"$avp({name}): the name is taken as it stands; plain names are the ones to use")
        return lambda ctx: name
    getter = inner
    return lambda ctx: (text_of(getter(ctx)) if getter is not None else None) or ""


def read_avp(inner: Inner, index: Index) -> Getter:
    """Values are kept oldest first, and counted newest first."""
    if isinstance(inner, str) and index is None:
        name = inner.strip()
        avp_key(inner)

        def newest(ctx: Ctx) -> Value:
            values = ctx.avps.get(name)
            return values[-1] if values else None

        return newest
    key = avp_key(inner)
    if index is None:
        index = 0
    if index == "*":
        return lambda ctx: joined([text_of(value) or "" for value in reversed(ctx.avps.get(key(ctx), ()))])
    if is_append(index):
        return lambda ctx: None
    place = number_at(index)

    def at_place(ctx: Ctx) -> Value:
        values = ctx.avps.get(key(ctx), ())
        at = place(ctx)
        return values[-1 - at] if at is not None and -len(values) <= at < len(values) else None

    return at_place


def is_append(index: Index) -> bool:
    return isinstance(index, str) and index.lower() == "append"


def write_avp(inner: Inner, index: Index) -> Setter:
    """`=` pushes, `:=` and `[*]` replace all, `[k]` replaces or deletes one, `[append]` adds as the oldest."""
    key = avp_key(inner)
    if index == "*":
        return lambda ctx, value, op: replace_all(ctx, key(ctx), value)
    if is_append(index):
        return lambda ctx, value, op: put_last(ctx, key(ctx), value, op)
    if index is not None:
        place = number_at(index)
        return lambda ctx, value, op: put_at(ctx, key(ctx), place(ctx), value, op)

    def push(ctx: Ctx, value: Value, op: str) -> int:
        name = key(ctx)
        if op == ":=":
            return replace_all(ctx, name, value)
        if value is None:
            return delete_at(ctx, name, 0)
        values = ctx.avps.get(name)
        if values is None:
            ctx.avps[name] = [stored(value)]
        else:
            values.append(stored(value))
        return 1

    return push


def replace_all(ctx: Ctx, name: str, value: Value) -> int:
    if value is None:
        ctx.avps.pop(name, None)
    else:
        ctx.avps[name] = [stored(value)]
    return 1


def put_last(ctx: Ctx, name: str, value: Value, op: str) -> int:
    """Add as the oldest value."""
    if op == ":=" or value is None:
        return replace_all(ctx, name, value) if op == ":=" else delete_at(ctx, name, 0)
    ctx.avps.setdefault(name, []).insert(0, stored(value))
    return 1


def put_at(ctx: Ctx, name: str, place: int | None, value: Value, op: str) -> int:
    """Replace or delete the value at a place; -1 where there is none to replace."""
    if op == ":=":
        return replace_all(ctx, name, value)
    if place is None:
        return refused(f"avp({name})", value, "the index is no number")
    if value is None:
        return delete_at(ctx, name, place)
    values = ctx.avps.get(name, [])
    if not -len(values) <= place < len(values):
        return refused(f"avp({name})[{place}]", value, "there is no such value")
    values[-1 - place] = stored(value)
    return 1


def delete_at(ctx: Ctx, name: str, place: int) -> int:
    """Delete the value at a place, if there is one."""
    values = ctx.avps.get(name, [])
    if -len(values) <= place < len(values):
        del values[-1 - place]
        if not values:
            ctx.avps.pop(name, None)
    return 1


# ------------------------------------------------------------------------------------------ what a route is given


def read_param(inner: Inner, index: Index) -> Getter:
    """$param(1) counts from 1; event routes have names, too."""
    if isinstance(inner, str):
        text = inner.strip()
        if NUMBER.fullmatch(text):
            at = int(text) - 1
            return lambda ctx: param_at(ctx, at)
        return lambda ctx: ctx.params.get(text) if isinstance(ctx.params, dict) else None
    getter = inner

    def get(ctx: Ctx) -> Value:
        value = getter(ctx) if getter is not None else None
        at = number_of(value)
        if at is not None:
            return param_at(ctx, at - 1)
        name = text_of(value)
        return ctx.params.get(name) if isinstance(ctx.params, dict) else None

    return get


def param_at(ctx: Ctx, at: int) -> Value:
    """The parameter at a place counted from 0; NULL beyond."""
    params = ctx.params
    if isinstance(params, dict):
        params = tuple(params.values())
    return params[at] if 0 <= at < len(params) else None


def read_return(inner: Inner, index: Index) -> Getter:
    """$return(0): a value of the route that returned last."""
    if callable(inner):
        getter = inner
        return lambda ctx: returned_at(ctx, number_of(getter(ctx)))
    text = text_name("return", inner).strip()
    if not NUMBER.fullmatch(text):
        raise BadName(f"$return({text}): a number is needed")
    at = int(text)
    return lambda ctx: returned_at(ctx, at)


def returned_at(ctx: Ctx, at: int | None) -> Value:
    return ctx.returned[at] if at is not None and 0 <= at < len(ctx.returned) else None


def return_code(ctx: Ctx) -> Value:
    """$rc"""
    return int(ctx.rc)


def read_argv(inner: Inner, index: Index) -> Getter:
    """$argv(name): the value of `-o name=value`"""
    name = text_name("argv", inner)
    return lambda ctx: ctx.program.options.values.get(name) or None


# -------------------------------------------------------------------------------------------------- errors, log


def error_number(field: str) -> Getter:
    return lambda ctx: 0 if ctx.err is None else int(getattr(ctx.err, field))


def error_text(field: str) -> Getter:
    return lambda ctx: "" if ctx.err is None else str(getattr(ctx.err, field))


def set_log_level(ctx: Ctx, value: Value) -> int:
    """$log_level=3, of this process; NULL restores what the script's globals say"""
    if isinstance(value, str):
        return refused("log_level", value, "a number is needed")
    log.set_level(number_of(value))
    return 1


def set_xlog_level(ctx: Ctx, value: Value) -> int:
    if isinstance(value, str):
        return refused("xlog_level", value, "a number is needed")
    log.set_script_level(number_of(value))
    return 1


def read_colour(inner: Inner, index: Index) -> Getter:
    """$C(rx): a terminal's colours, foreground (capital: bold) and background; empty without xlog_force_color"""
    name = text_name("C", inner)
    if len(name) != 2 or name[0].lower() not in FOREGROUNDS or name[1] not in FOREGROUNDS or name[0] == "X":
        raise BadName(f"$C({name}): two letters of x s r g y b p c w are needed, the first one capital for bold")
    weight = "1" if name[0].isupper() else "0"
    code = f"\x1b[{weight};{FOREGROUNDS[name[0].lower()]};4{FOREGROUNDS[name[1]][1]}m"
    return lambda ctx: code if ctx.program.config.globals["xlog_force_color"] else ""


def known_when_compiled(name: str) -> VariableSpec:
    """$cfg_line and $cfg_file: script/formats.py puts their values in where they stand; there is nothing to read."""
    return simple(name, lambda ctx: None, None, "Where the statement stands; known when the script is compiled.")


def script_variables() -> list[VariableSpec]:
    return [
        VariableSpec("var", MODULE, read_var, write_var, "required", help="A variable of the process."),
        VariableSpec(
            "avp", MODULE, read_avp, write_avp, "required", dynamic=True, index=True,
            help="Values that travel with the message and its transaction.",
        ),
        VariableSpec("param", MODULE, read_param, None, "required", dynamic=True, help="A parameter of the route."),
        VariableSpec("return", MODULE, read_return, None, "required", dynamic=True, help="A value that a route gave."),
        *(simple(name, return_code, None, "The code of the last statement.") for name in ("rc", "retcode")),
        VariableSpec("argv", MODULE, read_argv, None, "required", help="A value of the command line's -o."),
        simple("err.class", error_number("kind"), None, "The class of the error: 1 parser, 4 assertion."),
        simple("err.level", error_number("level"), None, "How bad it is."),
        simple("err.info", error_text("info"), None, "What it was."),
        simple("err.rcode", error_number("code"), None, "The status to answer."),
        simple("err.rreason", error_text("reason"), None, "The reason phrase to answer."),
        simple("log_level", lambda ctx: log.level, set_log_level, "The log level of this process."),
        simple("xlog_level", lambda ctx: log.script_level, set_xlog_level, "The same for xlog."),
        VariableSpec("C", MODULE, read_colour, None, "required", help="Colours of a terminal."),
        known_when_compiled("cfg_line"),
        known_when_compiled("cfg_file"),
    ]  # fmt: skip
