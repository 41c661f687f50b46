"""What the stores behind a network have in common: a time limit, a circuit, a probe that finds them back.

Facts:
- an operation ends when its limit is over, whatever the driver makes of being cancelled;
- after one that could not reach the server, or was too slow, all others fail at once until a probe is answered; where
  others were answered meanwhile the server is busy, and not away;
- probes come by themselves, one at a time, and with the first answer `when_back` is told.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .cachedb import CacheDb, CacheError, Meter
from .cachedb_url import CacheUrl
from .circuit import Circuit
from .log import log
from .services import Promise, Services, Timer

if TYPE_CHECKING:
    from .cachedb import Caches

TIMEOUT: Final = 1.0  # seconds for one operation
PROBES: Final = 0.5  # seconds between two looks whether a probe is due

Answer = TypeVar("Answer")


class Probe(Timer):
    """Asks again and again until a store answers."""

    def __init__(self, store: "RemoteCache") -> None:
        super().__init__()
        self.store = store

    def fire(self) -> None:
        self.store.look()


class RemoteCache(CacheDb):
    """A store behind a network. Engines say `ping`, `explained`, and call `ask` in each operation.

    timeout: seconds for an operation; threshold: microseconds, a slower one is counted as slow and logged (0: none).
    """

    def __init__(
        self, url: CacheUrl, services: Services, caches: "Caches", timeout: float = TIMEOUT, threshold: int = 0
    ) -> None:
        super().__init__(url)
        self.services = services
        self.timeout = timeout
        self.meter = Meter(caches, url, threshold)
        self.circuit = Circuit(0.0)
        self.probe = Probe(self)
        self.probing = False
        self.stopped = False
        self.answered = 0.0  # when it last answered

    @property
    def is_up(self) -> bool:
        return not self.circuit.is_open

    # -- what an engine says

    async def ping(self) -> None:
        """Ask the server for anything, in a task; raises what the driver raises."""
        raise NotImplementedError

    def explained(self, problem: Exception) -> CacheError:
        """What a driver's failure means."""
        return CacheError(f"{self.url.shown}: {str(problem) or type(problem).__name__}", isinstance(problem, OSError))

    # -- asking

    def begin(self) -> None:
        """Connect before anybody asks; that it fails is told, and probed for, as of any operation."""
        answered = self.services.offload.spawn(self.limited(self.ping))

        def ended() -> None:
            problem = answered.failure
            if isinstance(problem, CacheError) and problem.is_down and not self.stopped:
                self.failed(problem)

        answered.when_done(ended)

    async def ask(self, work: Callable[[], Coroutine[Any, Any, Answer]], patience: float = 1.0) -> Answer:
        """Do the work in a task, within the time limit; raises CacheError. For a run: it awaits a promise.

        patience: how many times the limit, for sweeps that nobody waits for.
        """
        if self.circuit.is_open:
            raise CacheError(f"{self.url.shown} does not answer", is_down=True)
        began = self.meter.began()
        try:
            answer: Answer = await self.services.offload.spawn(self.limited(work, patience))
        except CacheError as problem:
            if problem.is_down and self.answered <= began:
                self.failed(problem)
            raise
        finally:
            self.meter.ended(began)
        self.answered = self.services.clock.now()
        return answer

    async def limited(self, work: Callable[[], Coroutine[Any, Any, Answer]], patience: float = 1.0) -> Answer:
        """The same for who runs in a task, without circuit and counting. Raises CacheError."""
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait((task,), timeout=self.timeout * patience)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.add_done_callback(forgotten)
            task.cancel()
            raise CacheError(
                f"{self.url.shown}: no answer within {round(self.timeout * patience * 1000)} ms", is_down=True
            )
        try:
            return task.result()
        except CacheError:
            raise
        except asyncio.CancelledError:
            raise CacheError(f"{self.url.shown}: the connection was given up", is_down=True) from None
        except Exception as problem:
            raise self.explained(problem) from problem

    # -- down and back

    def failed(self, problem: CacheError) -> None:
        """The server is away: ask nothing more of it until a probe is answered."""
        if self.circuit.failed(self.services.clock.now()):
            log.error("cachedb", f"{problem}; its operations fail at once until it answers again")
            self.went_down()
            self.services.timers.add(self.probe, PROBES)

    def went_down(self) -> None:
        """For an engine that drops its connections then."""

    def look(self) -> None:
        """Probe if it is time, and come back as long as the server is away."""
        if self.stopped or not self.circuit.is_open:
            return
        self.services.timers.add(self.probe, PROBES)
        if not self.probing and self.circuit.allows(self.services.clock.now()):
            self.probing = True
            answered = self.services.offload.spawn(self.limited(self.ping))
            answered.when_done(lambda: self.probed(answered))

    def probed(self, answered: Promise) -> None:
        self.probing = False
        now = self.services.clock.now()
        if answered.failure is not None:
            self.circuit.failed(now)
        elif not self.stopped and self.circuit.worked(now):
            log.notice("cachedb", f"{self.url.shown} answers again")
            for callback in self.callbacks:
                callback()

    async def stop(self) -> None:
        self.stopped = True
        self.probe.due = 0


def forgotten(task: "asyncio.Task[Any]") -> None:
    """A task that nobody waits for any more: take its failure, so that nobody complains of it."""
    if not task.cancelled():
        task.exception()
