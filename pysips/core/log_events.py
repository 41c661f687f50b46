"""E_CORE_LOG: an event for each line of the log (`log_event_enabled`; OpenSIPS manual: Core Events).

Facts:
- what is logged while the event is raised, or while its route runs and its subscribers are told, raises none: a line
  about a line would never end. A route that waits keeps its whole process from raising meanwhile;
- module and function are missing for the script's own lines, prefix is without `log_prefix`;
- lines of other threads are raised in the loop's own; the supervisor, which has no loop, raises none.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, final

from .context import Context
from .events import Event, Events, Values
from .log import log
from .log_outputs import NAMES, Entry, stamp

if TYPE_CHECKING:
    from .program import Program

LOG_EVENT: Final = "E_CORE_LOG"
PARAMETERS: Final = ("time", "pid", "level", "module", "function", "prefix", "message")


@final
class LogEvents:
    """What listens to the log of a process. soon: brings a call from another thread into the loop's."""

    __slots__ = ("event", "prefix", "soon", "thread")

    def __init__(self, events: Events, prefix: str, soon: Callable[..., Any]) -> None:
        self.event: Event = events.define(LOG_EVENT, PARAMETERS)
        self.prefix = prefix
        self.soon = soon
        self.thread = threading.get_ident()

    def heard(self, entry: Entry, pid: int) -> None:
        """A line was logged."""
        if not self.event.wanted():
            return
        if threading.get_ident() == self.thread:
            self.tell(entry, pid)
            return
        try:
            self.soon(self.tell, entry, pid)
        except RuntimeError:
            return  # the loop has ended, and the process with it

    def tell(self, entry: Entry, pid: int) -> None:
        """Raise the event of a line."""
        log.quiet += 1
        try:
            self.event.tell(values_of(entry, pid, self.prefix))
        except Exception:
            if log.limited("log:event", 60.0):
                log.failure("log", f"{LOG_EVENT} was not raised")
        finally:
            log.quiet -= 1


def values_of(entry: Entry, pid: int, prefix: str) -> Values:
    """The event's parameters."""
    module, _, function = entry.module.partition(":")
    values: Values = {"time": stamp(entry.when), "pid": pid, "level": NAMES[entry.level]}
    if module:
        values["module"] = module
        values["function"] = function
    if prefix:
        values["prefix"] = prefix
    values["message"] = entry.text.removesuffix("\n")
    return values


def deliver(program: "Program", values: Values) -> None:
    """Run the event's route and tell its subscribers, in silence."""
    log.quiet += 1
    try:
        if program.latest.program.route("event_route", LOG_EVENT) is not None:
            log.quiet += 1
            program.run_alone("event_route", LOG_EVENT, values, over)
        program.subscriptions.tell(LOG_EVENT, values)
    finally:
        log.quiet -= 1


def over(ctx: Context, code: int) -> None:
    """The route has ended."""
    log.quiet -= 1
