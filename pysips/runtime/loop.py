"""asyncio's loop with a selector that serves the datagram sockets and the timers itself.

Facts (hot-path.md section 6 has the measurements behind them):
- a round of asyncio costs about 1 µs; so `select()` polls, serves what is ours, and goes back to asyncio only for
  other descriptors, when its time is over, or when something was scheduled meanwhile;
- the loop notes `call_soon` and `call_at` for that: without it a run that waits would go on late;
- before each wait `flush` is called: what was collected for siblings goes out in one piece;
- nobody is woken for a timer before one is due: a wake-up of a process that sleeps costs more than most messages.
"""

import asyncio
import selectors
from asyncio import Handle, TimerHandle
from collections.abc import Callable
from contextvars import Context
from math import inf
from select import EPOLLERR, EPOLLIN, EPOLLOUT
from time import monotonic
from typing import Final, Protocol, TypeVarTuple

from pysips.core.log import log

from .wheel import Wheel

AT_ONCE: Final = 64  # events a poll

Ts = TypeVarTuple("Ts")


class Served(Protocol):
    """A socket that `select()` serves itself."""

    def fileno(self) -> int: ...

    def take(self) -> None:
        """Read what is there."""

    def errors(self) -> None:
        """The kernel has something to say (EPOLLERR)."""


def nothing() -> None:
    """There is nothing to do then."""


class Selector(selectors.EpollSelector):
    """served: descriptor to socket; scheduled: somebody asked asyncio for something since the poll began.

    flush, turned: called before each wait, and when time went on by a tick of the wheel at least.
    """

    def __init__(self, wheel: Wheel) -> None:
        super().__init__()
        self.wheel = wheel
        self.served: dict[int, Served] = {}
        self.scheduled = False
        self.flush: Callable[[], None] = nothing
        self.turned: Callable[[], None] = nothing

    def serve(self, socket: Served) -> None:
        """From now on `select()` serves it."""
        fd = socket.fileno()
        self.register(fd, selectors.EVENT_READ)
        self.served[fd] = socket

    def leave(self, socket: Served) -> None:
        """No longer."""
        fd = socket.fileno()
        if self.served.pop(fd, None) is not None:
            self.unregister(fd)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready for asyncio; see selectors.BaseSelector.select."""
        poll = self._selector.poll  # type: ignore[attr-defined]
        served = self.served
        self.scheduled = False
        now = monotonic()
        end = inf if timeout is None else now + timeout
        while True:
            self.flush()  # what asyncio's callbacks, timers and messages left
            left = 0.0 if self.scheduled or now >= end else min(self.wheel.left(now), end - now)
            found = poll(left, AT_ONCE)
            now = monotonic()
            if self.wheel.turn(now):
                self.turned()
            rest: list[tuple[selectors.SelectorKey, int]] = []
            for fd, events in found:
                socket = served.get(fd)
                if socket is not None:
                    attend(socket, events)
                elif (key := self.get_map().get(fd)) is not None:  # no timer or message closed it
                    rest.append((key, asyncios(events) & key.events))
            now = monotonic()
            if rest or self.scheduled or now >= end:
                return rest


def asyncios(events: int) -> int:
    """Events as asyncio names them; an error or a hang-up is told to readers and writers alike."""
    read = selectors.EVENT_READ if events & ~EPOLLOUT else 0
    write = selectors.EVENT_WRITE if events & ~EPOLLIN else 0
    return read | write


def attend(socket: Served, events: int) -> None:
    """Serve one socket. No message may end the loop: a failure here is a fault of ours, logged and survived."""
    try:
        if events & EPOLLERR:
            socket.errors()
        if events & EPOLLIN:
            socket.take()
    except Exception:
        if log.limited("loop:attend", 1.0):
            log.failure("loop", "a message was not handled")


class Loop(asyncio.SelectorEventLoop):
    """An event loop that leaves `select()` when something is scheduled out of a served datagram."""

    def __init__(self, wheel: Wheel) -> None:
        self.served = Selector(wheel)
        super().__init__(self.served)

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Handle:
        self.served.scheduled = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        self.served.scheduled = True
        return super().call_at(when, callback, *args, context=context)

    def stop(self) -> None:
        self.served.scheduled = True
        super().stop()
