"""A new script into a running server: `reload_routes` (OpenSIPS: cfg_reload.c; house rule 9.7).

Facts:
- the attendant reads the files once and writes the text into the run-time folder, so that all prepare the same one;
- every process prepares (parse, check, compile; in a thread), the supervisor last. If one cannot, all forget;
- the supervisor takes it first: from then on a replacement begins with it, and what it has taken is what is in force;
- then the workers take it, and the attendant. Who lags behind what is in force, since it or the attendant was replaced
  meanwhile, is brought up within a second, or killed;
- an edition is a number that only grows; transactions and runs keep the program that they began with.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pysips.core import loading
from pysips.core.exports import Json, MiError
from pysips.core.log import log
from pysips.core.program import Program
from pysips.errors import ConfigError, PysipsError
from pysips.script import source
from pysips.script.complaints import report

from .counters import DECIDED, EDITION, IN_FORCE, PID, READY, WANTED
from .mi import Mi
from .notify import Notifier
from .server import Server

FILE: Final = "script"
PREPARE_SECONDS: Final = 20.0  # for each process, as OpenSIPS waits
LOOK_SECONDS: Final = 0.01
MOST_TRIES: Final = 3
FAILED: Final = 500


class Editions:
    """One process's part: it prepares an edition, and takes it or forgets it.

    number: of the edition that it runs; taken: is told of each new one.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = server.edition
        self.prepared: tuple[int, Program] | None = None
        self.flags: loading.FlagsKept | None = None
        self.taken: Callable[[Program], None] = _nothing

    def prepare(self, number: int) -> None:
        """Read, check and compile edition `number`, which takes its time. Raises ConfigError, OSError, ValueError."""
        self.forget()
        program = self.server.program
        self.flags = loading.FlagsKept(program.services)
        try:
            made = loading.load_again(read(self.server.folder), program)
        except BaseException:
            self.forget()
            raise
        self.prepared = (number, made)

    def forget(self) -> None:
        """Whatever was prepared is not taken."""
        self.prepared = None
        if self.flags is not None:
            self.flags.restore()
            self.flags = None

    def take(self, number: int) -> bool:
        """Run edition `number` from now on; False if that is not prepared."""
        if self.number == number:
            return True
        if self.prepared is None or self.prepared[0] != number:
            return False
        program = self.prepared[1]
        self.number, self.prepared, self.flags = number, None, None
        self.server.edition = number
        self.server.program.latest.program = program
        self.taken(program)
        return True


class SupervisorsPart:
    """What the supervisor does for a reload; it is told by cells, and looks when a signal or its tick says so."""

    def __init__(self, server: Server, notifier: Notifier) -> None:
        self.editions = Editions(server)
        self.notifier = notifier
        self.cells = server.board.settings()
        self.looked = 0

    def look(self) -> None:
        wanted = int(self.cells[WANTED])
        if wanted != self.looked:
            self.looked = wanted
            self.editions.forget()
            if wanted > 0:
                self.notifier.reloading()
                self.cells[READY] = wanted if self.prepares(wanted) else -wanted
            else:
                self.notifier.ready("a reload failed: the old routes stay")
        decided = int(self.cells[DECIDED])
        if decided == self.looked and decided > self.cells[IN_FORCE] and self.editions.take(decided):
            self.cells[IN_FORCE] = decided
            self.notifier.ready(f"reloaded {self.editions.server.program.config.file}")

    def prepares(self, number: int) -> bool:
        try:
            self.editions.prepare(number)
        except Exception as problem:
            log.error("supervisor", f"the new script cannot be prepared: {said(problem)}")
            return False
        return True


class Conductor:
    """The attendant's part: it leads all others through a reload."""

    def __init__(self, server: Server, row: int, editions: Editions, management: Mi, offload: Any) -> None:
        self.server = server
        self.row = row
        self.editions = editions
        self.management = management
        self.offload = offload
        self.cells = server.board.settings()
        self.busy = False
        self.tries: dict[int, int] = {}  # of those who lag, by row

    async def reload(self) -> Json:
        """`reload_routes`: "OK", or MiError with all that is wrong with the script; then nothing has changed."""
        if self.busy:
            raise MiError(FAILED, "a reload is going on")
        self.busy = True
        number = abs(int(self.cells[WANTED])) + 1
        try:
            await self.prepare_all(number)
            await self.decide(number)
        except MiError as problem:
            await self.forget_all(number)
            log.error("reload", f"{problem}: the old routes stay{': ' + str(problem.data) if problem.data else ''}")
            raise
        finally:
            self.busy = False
        await self.settle()
        log.notice("reload", f"the routes of {self.server.program.config.file} were loaded anew (edition {number})")
        return "OK"

    async def prepare_all(self, number: int) -> None:
        """Here, in the workers, and in the supervisor. Raises MiError if one of them cannot."""
        try:
            await self.offload.run(write, self.server)
            await self.offload.run(self.editions.prepare, number)
        except ConfigError as problem:
            raise MiError(FAILED, "reload failed", report(problem.complaints)) from None
        except (OSError, ValueError) as problem:
            raise MiError(FAILED, f"reload failed: {problem}") from None
        others = range(self.server.workers)
        answers = await self.management.ask_all(others, "_core:prepare", {"edition": number}, PREPARE_SECONDS)
        for slot, answer in enumerate(answers):
            if answer.failure is not None:
                raise MiError(FAILED, f"reload failed in worker {slot}: {answer.failure}")
        self.cells[WANTED] = number
        if await self.supervisor_says(READY, number) != number:
            raise MiError(FAILED, "reload failed: the supervisor cannot prepare the script")

    async def decide(self, number: int) -> None:
        """From here on the new script is in force. Raises MiError if the supervisor did not take it."""
        self.cells[DECIDED] = number
        if await self.supervisor_says(IN_FORCE, number) != number:
            self.cells[DECIDED] = 0
            raise MiError(FAILED, "reload failed: the supervisor does not answer")

    async def supervisor_says(self, cell: int, number: int) -> int:
        """What a cell of the supervisor holds once it has dealt with edition `number`, or time is over."""
        os.kill(self.server.supervisor, signal.SIGUSR1)
        for _ in range(int(PREPARE_SECONDS / LOOK_SECONDS)):
            if abs(self.cells[cell]) == number:
                break
            await self.offload.spawn(asyncio.sleep(LOOK_SECONDS))
        return int(self.cells[cell])

    async def forget_all(self, number: int) -> None:
        self.cells[WANTED] = -number
        self.editions.forget()
        await self.management.ask_all(range(self.server.workers), "_core:forget", {})

    # -- who lags behind

    async def settle(self) -> None:
        """Bring everybody to what is in force; once a second, too."""
        number = int(self.cells[IN_FORCE])
        if self.busy or number == 0:
            return
        self.busy = True
        try:
            lagging = [slot for slot in range(self.server.workers) if self.edition_of(slot) != number]
            if lagging:
                await self.management.ask_all(lagging, "_core:take", {"edition": number})
            for slot in lagging:
                await self.bring_up(slot, number)
            if self.editions.number != number and not self.editions.take(number):
                await self.offload.run(self.editions.prepare, number)
                self.editions.take(number)
        except (PysipsError, OSError, ValueError) as problem:
            log.error("reload", f"the attendant cannot take the script in force: {said(problem)}")
        finally:
            self.busy = False

    def edition_of(self, slot: int) -> int:
        return int(self.server.board.own(slot)[EDITION])

    async def bring_up(self, slot: int, number: int) -> None:
        """Another try for a worker that still lags: it may be a replacement that was forked with the old script."""
        if self.edition_of(slot) == number:
            self.tries.pop(slot, None)
            return
        tries = self.tries[slot] = self.tries.get(slot, 0) + 1
        values = {"edition": number}
        await self.management.ask_all([slot], "_core:prepare", values, PREPARE_SECONDS)
        await self.management.ask_all([slot], "_core:take", values)
        own = self.server.board.own(slot)
        if own[EDITION] == number:
            self.tries.pop(slot, None)
        elif tries >= MOST_TRIES and own[PID]:
            log.crit("reload", f"worker {slot} does not take the script in force: it is replaced")
            self.tries.pop(slot, None)
            os.kill(own[PID], signal.SIGKILL)


# -- the script's text in the run-time folder


def write(server: Server) -> None:
    """Read the script anew and keep it for all processes. Raises ConfigError, OSError, ValueError."""
    options = server.program.options
    if options.file == "-":
        raise ValueError("the script came from standard input")
    folder = server.program.start_folder
    if server.root:
        folder = "/" + os.path.relpath(folder, server.root)
    text = source.of_file(options.file, options.preprocessor, folder)
    fields = {"file": text.file, "lines": text.lines, "origin": text.origin, "included": text.included}
    path = server.folder / FILE
    fresh = path.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(fields, file)
    fresh.replace(path)


def read(folder: Path) -> source.Source:
    """What `write` kept. Raises OSError, ValueError."""
    fields = json.loads((folder / FILE).read_text())
    origin = [(str(file), int(line)) for file, line in fields["origin"]]
    included = {name: (str(file), int(line)) for name, (file, line) in fields["included"].items()}
    return source.Source(fields["file"], fields["lines"], origin, included)


def said(problem: BaseException) -> str:
    return report(problem.complaints) if isinstance(problem, ConfigError) else repr(problem)


def _nothing(program: Program) -> None:
    """Nobody wants to know."""
