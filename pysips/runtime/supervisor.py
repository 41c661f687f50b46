"""The supervisor: it forks, watches, replaces and stops the others, and does nothing else.

Facts:
- no event loop, no thread, no LMDB: whatever it held would be copied into each replacement;
- signals are blocked and waited for, so that nothing happens between two lines of this file;
- a process that dies is replaced at once, and if it dies again within a second, at the next tick; one that says that it
  cannot start stops the server instead;
- a process is alive while its heartbeat moves. One that was silent for 5 ticks is killed: ticks of this
  process, not wall time, or a machine that was suspended would kill everybody; meanwhile a sibling stands in
  (standing_in.py);
- one that was stopped inside a write transaction silences all other writers: of several silent ones the stopped one is
  killed, else the longest silent, and the others start counting anew;
- a restart (restart.py) is an end of all others, after which this process becomes the next server.
"""

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pysips.core import status_reports
from pysips.core.log import log

from . import tables
from .counters import BEAT, CORE_STATUS, OWING, RESTARTING, RUNNING, STATE
from .notify import Notifier
from .reload import SupervisorsPart
from .restart import Successor
from .server import Seat, Server

TICK: Final = 0.7  # seconds: whoever is silent is replaced within 4.2 s, early in a caller's patience of 32 s
SILENT: Final = 5
SILENT_STARTING: Final = 60  # a process that starts has no heartbeat yet
CANNOT_START: Final = 3
STARTUP_SECONDS: Final = 60.0
LAST_SECONDS: Final = 1.0  # beyond shutdown_time, before SIGKILL
PARTING_SECONDS: Final = 3.0  # the same for a restart, in which workers wait for each other
LONGEST_SECONDS: Final = 62.0  # for the attendant, while it says that it owes something
SIGNALS: Final = frozenset(
    (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
)
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

Enter = Callable[[Server, Seat], int]  # what a child does; answers its exit code


class Watched:
    """A seat as the supervisor sees it."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.pid = 0
        self.forked_at = 0.0
        self.beat = 0
        self.silent = 0
        self.hurried = False  # it was replaced at once already, and died again


class Supervisor:
    """Runs one server until it is told to stop."""

    def __init__(self, server: Server, enter: Enter, shutdown_seconds: float, notifier: Notifier | None = None) -> None:
        self.server = server
        self.enter = enter
        self.shutdown_seconds = shutdown_seconds
        self.watched = [Watched(seat) for seat in server.seats]
        self.exit_code = 0
        self.stopping = False
        self.notifier = notifier or Notifier({})
        self.reload = SupervisorsPart(server, self.notifier)
        self.leaving = False  # for a restart
        self.successor = Successor(server, self.notifier, self.child)

    # -- life

    def run(self, started: Callable[[], None]) -> int:
        """Start everybody, say `started`, watch until a signal or a failure ends it. Answers the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        rename("pysips")
        gc.collect()
        gc.freeze()
        if not self.server.keeps and not self.make_tables():
            return 255
        for one in self.watched:
            self.fork(one)
        if self.wait_until_started():
            self.server.board.settings()[CORE_STATUS] = status_reports.RUNNING
            started()
            self.watch()
            while not self.stopping:
                self.restart()
                self.watch()
        self.stop()
        return self.exit_code

    def make_tables(self) -> bool:
        """By a child: this process shall never have opened them."""
        folder = self.server.folder
        pid = self.child(lambda: made(folder))
        return os.waitpid(pid, 0)[1] == 0

    def wait_until_started(self) -> bool:
        """True once all run; False when one cannot, or a signal came first."""
        end = time.monotonic() + STARTUP_SECONDS
        while not self.stopping and time.monotonic() < end:
            if all(self.server.board.own(one.seat.row)[STATE] == RUNNING for one in self.watched):
                return True
            self.heed(0.01)
        if not self.stopping:
            log.error("supervisor", "not all processes started in time")
            self.exit_code = 255
        return False

    def watch(self) -> None:
        due = time.monotonic() + TICK
        while not self.stopping and not self.successor.agreed:
            self.heed(due - time.monotonic())
            if time.monotonic() >= due:
                due = time.monotonic() + TICK
                self.tick()

    def heed(self, seconds: float) -> None:
        """Wait for a signal, so long at most, and act on it."""
        info = signal.sigtimedwait(SIGNALS, max(seconds, 0.0))
        if info is None:
            return
        if info.si_signo == signal.SIGCHLD:
            self.reap()
        elif info.si_signo in STOPPING:
            self.stopping = True
        elif info.si_signo == signal.SIGHUP:
            log.hang_up()
            log.notice("supervisor", "SIGHUP: log outputs are opened anew")
            self.tell(signal.SIGHUP)
        elif info.si_signo == signal.SIGUSR1:
            self.reload.look()
        elif info.si_signo == signal.SIGUSR2:
            self.successor.wish()

    # -- children

    def child(self, work: Callable[[], int]) -> int:
        """Fork; the child does its work and ends with what that answers."""
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            self.notifier.close()
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            log.close()
            os._exit(code)

    def fork(self, one: Watched) -> None:
        """Put a fresh process into a seat."""
        server = self.server
        server.board.take_seat(one.seat.row, int(time.time()))
        one.pid = self.child(lambda: self.enter(server, one.seat))
        one.forked_at = time.monotonic()
        one.silent = 0

    def reap(self) -> None:
        """Some child has ended: find out who, and replace it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.successor.pid:
                self.successor.ended(status)
            for one in self.watched:
                if one.pid == pid:
                    self.ended(one, status)

    def ended(self, one: Watched, status: int) -> None:
        one.pid = 0
        server = self.server
        server.board.forget(one.seat.row, server.program.statistics.live_indexes())
        if self.stopping or self.leaving:
            return
        code = os.waitstatus_to_exitcode(status)
        if code == CANNOT_START:
            self.stopping = True
            self.exit_code = 255
            return
        how = f"ended with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        log.crit("supervisor", f"{one.seat.title} {how}: it is replaced")
        if time.monotonic() - one.forked_at < 1.0 and one.hurried:
            return  # the next tick does it
        one.hurried = time.monotonic() - one.forked_at < 1.0
        self.fork(one)

    def tell(self, number: signal.Signals, workers_only: bool = False) -> None:
        """A signal to all who live."""
        for one in self.watched:
            if one.pid and (one.seat.slot >= 0 or not workers_only):
                os.kill(one.pid, number)

    # -- the watchdog

    def tick(self) -> None:
        """Fork whoever is missing, and look for who is silent."""
        self.reload.look()
        self.successor.look()
        self.notifier.alive()
        for one in self.watched:
            if not one.pid:
                self.fork(one)
        silent = []
        for one in self.watched:
            own = self.server.board.own(one.seat.row)
            if own[BEAT] != one.beat:
                one.beat, one.silent = own[BEAT], 0
                continue
            one.silent += 1
            if one.silent >= (SILENT if own[STATE] != 0 else SILENT_STARTING):
                silent.append(one)
        if silent:
            self.end_silent(silent)

    def end_silent(self, silent: list[Watched]) -> None:
        stopped = [one for one in silent if is_stopped(one.pid)]
        worst = max(stopped or silent, key=lambda one: one.silent)
        for one in self.watched:
            one.silent = 0
        log.crit("supervisor", f"{worst.seat.title} (process {worst.pid}) does not answer: it is killed")
        os.kill(worst.pid, signal.SIGKILL)

    # -- the end

    def restart(self) -> None:
        """Have all others end and become the next server; where that fails, or somebody stops us, come back."""
        self.leaving = True
        settings = self.server.board.settings()
        settings[RESTARTING] = 1
        self.end(self.shutdown_seconds + PARTING_SECONDS, workers_only=True)
        self.end(LAST_SECONDS, workers_only=False)
        if self.stopping:
            return
        try:
            self.successor.become()
        except OSError as problem:
            log.crit("supervisor", f"no restart: {problem}; all goes on with the script as it was")
            self.notifier.ready("a restart failed: all goes on as it was")
        self.leaving, self.successor.agreed, settings[RESTARTING] = False, False, 0
        for one in self.watched:
            self.fork(one)

    def end(self, seconds: float, workers_only: bool) -> None:
        """Have them end for a restart: as long as that takes, if they owe something to others."""
        if self.is_told_to_stop():
            return
        self.tell(signal.SIGTERM, workers_only)
        ended = self.await_end(seconds, workers_only)
        if not ended and not self.is_told_to_stop() and any(one.pid and self.owes(one) for one in self.watched):
            ended = self.await_end(LONGEST_SECONDS, workers_only)
        if not ended and not self.is_told_to_stop():
            self.tell(signal.SIGKILL, workers_only)
            self.await_end(LAST_SECONDS, workers_only)

    def is_told_to_stop(self) -> bool:
        return self.stopping

    def stop(self) -> None:
        """SIGTERM to the workers, then to the rest; a second signal ends it at once (house rule 9.3)."""
        self.stopping = True
        self.server.board.settings()[CORE_STATUS] = status_reports.TERMINATING
        self.successor.give_up()
        self.notifier.stopping()
        self.tell(signal.SIGTERM, workers_only=True)
        if self.await_end(self.shutdown_seconds + LAST_SECONDS, workers_only=True):
            self.tell(signal.SIGTERM)
            self.await_end(LAST_SECONDS, workers_only=False)
            if any(one.pid and self.owes(one) for one in self.watched):
                self.await_end(LONGEST_SECONDS, workers_only=False)  # databases get what they are owed
        self.tell(signal.SIGKILL)
        self.await_end(LAST_SECONDS, workers_only=False)
        tables.remove(self.server.folder)

    def owes(self, one: Watched) -> bool:
        """Whether a process is not yet at its own end, since it has to finish something for others."""
        own = self.server.board.own(one.seat.row)
        return own[OWING] != 0 and own[STATE] == RUNNING

    def await_end(self, seconds: float, workers_only: bool) -> bool:
        """Wait until they are gone; False when time is over or a second signal came."""
        end = time.monotonic() + seconds
        while any(one.pid for one in self.watched if one.seat.slot >= 0 or not workers_only):
            left = end - time.monotonic()
            if left <= 0:
                return False
            info = signal.sigtimedwait(SIGNALS, min(left, TICK))
            self.notifier.alive()
            self.reap()
            if info is not None and info.si_signo in STOPPING:
                self.stopping = True
                return False
        return True


def made(folder: Path) -> int:
    """Make the shared tables; an exit code."""
    try:
        tables.make(folder)
    except (tables.NoTables, OSError) as problem:
        log.error("supervisor", str(problem))
        return 1
    return 0


def is_stopped(pid: int) -> bool:
    """Whether a process is in state T (stopped by a signal or a debugger)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] in ("T", "t")


def rename(name: str) -> None:
    """What `ps` and `top` show; 15 letters at most."""
    try:
        Path("/proc/self/comm").write_text(name[:15])
    except OSError:
        return
