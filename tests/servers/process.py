"""A script's modules as a process of ours sees them: a real loop, clock, timers and threads; no fork, no SIP socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pysips.core.cachedb import CacheDb
from pysips.core.cachedb_remote import RemoteCache
from pysips.core.loading import load_source
from pysips.core.log import Entry, log
from pysips.core.options import Options
from pysips.core.services import Clock, Timer, Timers
from pysips.errors import ConfigError
from pysips.runtime.offload import LoopOffload, Mixed
from pysips.script import source
from pysips.testing.tables import MemoryTable

Answer = TypeVar("Answer")


class LoopClock(Clock):
    def now(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()


class LoopTimers(Timers):
    """Timers of the running loop."""

    def __init__(self) -> None:
        self.number = 0

    def add(self, timer: Timer, seconds: float) -> None:
        self.number += 1
        timer.due = number = self.number

        def fire() -> None:
            if timer.due == number:
                timer.due = 0
                timer.fire()

        asyncio.get_running_loop().call_later(seconds, fire)


class Process:
    """lines: what was logged; lag: the longest time, in seconds, for which the loop was not free."""

    def __init__(self, script: str, slot: int = 0) -> None:
        self.program = load_source(source.of_text(script, "process.cfg"), Options("process.cfg"))
        self.lines: list[str] = []
        self.lag = 0.0
        services = self.program.services
        services.slot = slot
        services.clock, services.timers, services.tables = LoopClock(), LoopTimers(), MemoryTable()
        services.offload = self.offload = LoopOffload(asyncio.get_running_loop())
        log.listener = self.listen

    def listen(self, entry: Entry, pid: int) -> None:
        self.lines.append(entry.text)

    def store(self, name: str) -> CacheDb:
        found = self.program.caches.named(name)
        assert found is not None
        return found

    def patient(self, name: str) -> RemoteCache:
        """The same with the time that many operations at once need on a busy machine."""
        found = self.store(name)
        assert isinstance(found, RemoteCache)
        found.timeout = 30.0
        return found

    async def watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.lag = max(self.lag, time.monotonic() - before - 0.01)


async def done(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What a coroutine that awaits promises brings."""
    answer: Answer = await Mixed(work)
    return answer


async def eventually(seconds: float, event: asyncio.Event) -> None:
    """Wait for something; fails if it does not come within so many seconds."""
    async with asyncio.timeout(seconds):
        await event.wait()


@asynccontextmanager
async def running(script: str, slot: int = 0) -> AsyncIterator[Process]:
    """The modules of a script, started; stopped at the end. slot: which worker this is, -1 for the attendant."""
    process = Process(script, slot)
    watcher = asyncio.ensure_future(process.watch())
    try:
        await Mixed(process.program.registry.start())
        yield process
    finally:
        watcher.cancel()
        await Mixed(process.program.registry.stop())
        process.offload.close()
        log.listener = None


def complaints(script: str) -> str:
    """What is said of a script that does not load, a line each; nothing if it does."""
    try:
        load_source(source.of_text(script, "process.cfg"), Options("process.cfg"))
    except ConfigError as problem:
        return "\n".join(one.message for one in problem.complaints)
    return ""
