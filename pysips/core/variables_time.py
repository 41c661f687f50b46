"""$Ts $Tsm $TS $Tf $time(…) $pp: time and process."""

import time
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Ctx, Getter, Index, Inner, VariableSpec
from pysips.script.values import Both, Value, wrapped

from .log import log
from .variable_binding import MODULE, simple, text_name

LONGEST_TIME: Final = 126


def seconds(ctx: Ctx) -> Value:
    """$Ts"""
    return wrapped(int(ctx.services.clock.time()))


def microseconds(ctx: Ctx) -> Value:
    """$Tsm"""
    return int(ctx.services.clock.time() % 1 * 1_000_000)


def local_time(ctx: Ctx) -> Value:
    """$Tf: `Sun Nov 22 21:57:08 2026`, and the seconds as its number"""
    now = int(ctx.services.clock.time())
    return Both(time.asctime(time.localtime(now)), wrapped(now))


def read_time(inner: Inner, index: Index) -> Getter:
    """$time(%Y-%m-%d): local time in strftime's format; NULL where that gives nothing"""
    form = text_name("time", inner)
    if "\0" in form:
        raise BadName("$time: no format holds a NUL")

    def get(ctx: Ctx) -> Value:
        made = time.strftime(form, time.localtime(ctx.services.clock.time()))
        return made if made and len(made) <= LONGEST_TIME else None

    return get


def time_variables() -> list[VariableSpec]:
    return [
        simple("Ts", seconds, None, "The time, in seconds since 1970."),
        simple("Tsm", microseconds, None, "The microseconds within this second."),
        simple(
            "TS", lambda ctx: wrapped(int(ctx.program.started)), None, "When the server started, in seconds since 1970."
        ),
        simple("Tf", local_time, None, "The local time for people."),
        VariableSpec("time", MODULE, read_time, None, "required", help="The local time in a format of strftime."),
        simple("pp", lambda ctx: log.pid, None, "The process id."),
    ]
