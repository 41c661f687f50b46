"""The inside of every process that has an event loop: its services, its timers, its life from fork to end."""

import asyncio
import inspect
import os
import signal
from collections.abc import Callable
from typing import Any, Final

from pysips.core.exports import TimerSpec, Where, mi_specs
from pysips.core.log import log
from pysips.core.log_events import LogEvents
from pysips.core.program import Program
from pysips.core.services import Timer
from pysips.core.status_reports import INITIALIZING
from pysips.errors import PysipsError

from .clock import SystemClock
from .collector import LOOK_SECONDS, Collector
from .counters import (
    BEAT,
    CORE_STATUS,
    EDITION,
    LEVEL_OFFSET,
    LIVES,
    LOG_LEVEL,
    OWING,
    PID,
    RUNNING,
    SCRIPT_LEVEL,
    STATE,
    STOPPING,
    SharedCells,
)  # fmt: skip
from .events import ToFirst
from .handover import Handover
from .loop import Loop
from .mi import Mi
from .mi_core import CoreCommands
from .mi_status import StatusCommands
from .offload import LoopOffload, Mixed, driven
from .reload import Editions
from .server import Seat, Server
from .supervisor import CANNOT_START, SIGNALS, rename
from .tables import LmdbTables
from .wheel import TICK, Wheel

BEAT_SECONDS: Final = 0.2
TIDY_SECONDS: Final = 5.0
LAST_ROUNDS: Final = 3  # of the loop, so that what was handed over at the end goes out


class Repeated(Timer):
    """Work that comes again. `call` may be a coroutine: it is not begun again before it has ended."""

    def __init__(self, wheel: Wheel, seconds: float, call: Callable[[], Any], what: str) -> None:
        super().__init__()
        self.wheel = wheel
        self.seconds = seconds
        self.call = call
        self.what = what
        self.busy = False
        wheel.add(self, seconds)

    def fire(self) -> None:
        self.wheel.add(self, self.seconds)
        if self.busy:
            return
        try:
            result = self.call()
        except Exception:
            log.failure("timers", f"{self.what} failed")
            return
        if inspect.iscoroutine(result):
            self.busy = True
            promise = driven(result)
            promise.when_done(lambda: self.ended(promise.failure))

    def end(self) -> None:
        """It does not come again."""
        self.due = 0
        self.call = _nothing

    def ended(self, failure: BaseException | None) -> None:
        self.busy = False
        if failure is not None:
            log.error("timers", f"{self.what} failed: {failure!r}")


class Process:
    """One process of a server. Subclasses say what it does: `begin`, `owing`, `finish`."""

    places: tuple[Where, ...] = ()  # which of the modules' timers run here

    def __init__(self, server: Server, seat: Seat) -> None:
        self.server = server
        self.seat = seat
        self.program = server.program
        self.services = server.program.services
        self.own = server.board.own(seat.row)
        self.own[PID] = os.getpid()
        self.clock = SystemClock()
        self.wheel = Wheel(self.clock.now())
        self.loop = Loop(self.wheel)
        self.offload = LoopOffload(self.loop)
        self.ended = asyncio.Event()
        self.hurry = False
        self.editions = Editions(server)
        self.editions.taken = self.take_edition
        self.own[EDITION] = self.editions.number
        self.fill_services()

    def fill_services(self) -> None:
        """What the core and the modules need from outside."""
        server, services, statistics = self.server, self.services, self.program.statistics
        statistics.attach(SharedCells(server.board, self.seat.row))
        services.clock = self.clock
        services.timers = self.wheel
        services.offload = self.offload
        services.owners = server.owners
        services.slot = self.seat.slot
        services.slots = server.workers
        services.lives = self.own[LIVES]
        services.status_reports.core_status = lambda: server.board.settings()[CORE_STATUS] or INITIALIZING
        self.tables = LmdbTables(server.folder, statistics.counter("net", "tables_refused"), server.workers + 1)
        services.tables = self.tables
        dropped = statistics.counter("net", "handover_dropped")
        self.line = Handover(server.boxes, self.seat.row, services.sockets, self.wheel, dropped)
        self.events = ToFirst(self.program, server.board, self.line, self.loop)
        self.program.events.carrier = self.events
        commands = self.commands = CoreCommands(server, self.seat, self.editions)
        self.mi = Mi(
            [*mi_specs(commands), *mi_specs(StatusCommands(services.status_reports)),
             *self.program.registry.mi_commands()],
            self.seat.slot, server.workers, self.line, services.call_slot,
        )  # fmt: skip
        commands.management = self.mi
        services.management = self.mi
        self.take_levels()
        prefix = str(self.program.config.globals["log_prefix"] or "")
        log.listen(LogEvents(self.program.events, prefix, self.loop.call_soon_threadsafe).heard)

    def take_edition(self, program: Program) -> None:
        """Begin what begins now with other routes; see reload.py."""
        before = self.program.events.carrier.routed
        for name in program.compiled.events:
            self.program.events.route(name)
        before.intersection_update(program.compiled.events)
        self.own[EDITION] = self.editions.number

    def take_levels(self) -> None:
        """The log levels that management chose while somebody else sat here."""
        settings = self.server.board.settings()
        if settings[LOG_LEVEL]:
            log.set_level(settings[LOG_LEVEL] - LEVEL_OFFSET)
        if settings[SCRIPT_LEVEL]:
            log.set_script_level(settings[SCRIPT_LEVEL] - LEVEL_OFFSET)

    # -- life

    def run(self) -> int:
        """From fork to end; answers the exit code."""
        rename(f"pysips-{self.seat.title.split()[0].lower()}")
        asyncio.set_event_loop(self.loop)
        try:
            return self.loop.run_until_complete(self.live())
        finally:
            log.listen(None)
            self.offload.close()
            self.loop.close()
            self.tables.close()

    async def live(self) -> int:
        self.heed_signals()
        self.loop.served.flush = self.line.flush
        self.loop.served.serve(self.line)
        try:
            self.tables.tidy()
            await Mixed(self.program.registry.start())
            await self.begin()
        except (PysipsError, OSError) as problem:
            log.error(self.seat.title, f"cannot start: {problem}")
            return CANNOT_START
        except Exception:
            log.failure(self.seat.title, "cannot start")
            return CANNOT_START
        self.start_timers()
        self.start_collecting()
        self.own[STATE] = RUNNING
        await self.ended.wait()
        await self.end()
        return 0

    async def end(self) -> None:
        """No new work; what is owed is waited for, `shutdown_time` at most; then the modules stop."""
        self.own[OWING] = 1
        self.own[STATE] = STOPPING
        self.refuse_new()
        last = self.clock.now() + float(self.program.config.globals["shutdown_time"] or 0)
        while self.owing() and not self.hurry and self.clock.now() < last:
            await asyncio.sleep(TICK)
        await self.part()
        try:
            await Mixed(self.program.registry.stop())
        except Exception:
            log.failure(self.seat.title, "a module failed to stop")
        self.finish()
        for _ in range(LAST_ROUNDS):
            await asyncio.sleep(0)

    async def begin(self) -> None:
        """The process's own work begins. Raises PysipsError, OSError."""

    def refuse_new(self) -> None:
        """Take no new work from now on."""

    def owing(self) -> bool:
        """Whether somebody still waits for us."""
        return False

    async def part(self) -> None:
        """Nothing is owed any more, or it was waited for long enough."""

    def finish(self) -> None:
        """Let go of everything."""

    # -- signals

    def heed_signals(self) -> None:
        """SIGTERM ends us, the terminal's Ctrl-C is the supervisor's; its death is ours."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.loop.add_signal_handler(signal.SIGTERM, self.told_to_end)
        self.loop.add_signal_handler(signal.SIGHUP, log.hang_up)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        reader, writer = self.server.lifeline
        os.close(writer)
        self.loop.add_reader(reader, self.orphaned)

    def told_to_end(self) -> None:
        self.hurry = self.ended.is_set()
        self.ended.set()

    def orphaned(self) -> None:
        """The supervisor is gone: nobody would replace or stop us, and our sockets stand in a new server's way."""
        log.crit(self.seat.title, "the supervisor is gone: this process ends, too")
        log.close()
        os._exit(1)

    # -- time

    def start_timers(self) -> None:
        own = self.own

        def beat() -> None:
            own[BEAT] += 1

        beat()
        Repeated(self.wheel, BEAT_SECONDS, beat, "the heartbeat")
        for spec in self.program.registry.timers():
            if runs_here(spec, self.places):
                Repeated(self.wheel, spec.every, spec.call, f"a timer of {spec.module}")

    def start_collecting(self) -> None:
        """From now on cycles are collected when it suits us; see collector.py."""
        collector = Collector()
        collector.begin(self.clock.now())
        self.loop.served.turned = collector.turn
        Repeated(self.wheel, LOOK_SECONDS, lambda: collector.look(self.clock.now()), "collecting all objects")


def _nothing() -> None:
    """What ended work does."""


def runs_here(spec: TimerSpec, places: tuple[Where, ...]) -> bool:
    return spec.where in places
