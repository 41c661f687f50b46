"""Blocking work in threads, and asyncio's libraries in tasks; both end in a promise that a run may await.

Facts:
- threads are made when the first work comes, after the fork, and wait for the next: at most 32 in a process;
- a promise is always completed in the loop's own thread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pysips.core.driven import driven as driven
from pysips.core.services import Offload, Promise

THREADS: Final = 32


class LoopOffload(Offload):
    """See `core.services.Offload`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int = THREADS) -> None:
        self.loop = loop
        self.threads = threads
        self.pool: ThreadPoolExecutor | None = None
        self.tasks: set[asyncio.Future[Any]] = set()

    def run(self, work: Callable[..., Any], *arguments: Any) -> Promise:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(self.threads, "offload")
        return self.follow(self.loop.run_in_executor(self.pool, work, *arguments))

    def spawn(self, work: Awaitable[Any]) -> Promise:
        return self.follow(asyncio.ensure_future(work, loop=self.loop))

    def follow(self, future: "asyncio.Future[Any]") -> Promise:
        promise = Promise()
        self.tasks.add(future)

        def done(ended: "asyncio.Future[Any]") -> None:
            self.tasks.discard(ended)
            if ended.cancelled():
                promise.fail(asyncio.CancelledError())
            elif (failure := ended.exception()) is not None:
                promise.fail(failure)
            else:
                promise.complete(ended.result())

        future.add_done_callback(done)
        return promise

    def close(self) -> None:
        """The process ends: what still runs is cancelled, or left to end by itself."""
        for task in list(self.tasks):
            task.cancel()
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)


class Mixed:
    """Await a coroutine that awaits promises as well as asyncio's futures, in a task."""

    def __init__(self, work: Coroutine[Any, None, Any]) -> None:
        self.work = work

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        problem: BaseException | None = None
        while True:
            try:
                waited = self.work.send(None) if problem is None else self.work.throw(problem)
            except StopIteration as end:
                return end.value
            problem = None
            try:
                if isinstance(waited, Promise):
                    yield from arrival(waited, loop)
                else:
                    yield waited
            except BaseException as cancelled:
                problem = cancelled


def arrival(promise: Promise, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
    """A future that is done when a promise is."""
    future: asyncio.Future[None] = loop.create_future()
    promise.when_done(lambda: None if future.done() else future.set_result(None))
    return future
