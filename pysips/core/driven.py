"""Coroutines that await promises, driven without a task; several of them at once where that is quicker."""

from collections.abc import Coroutine, Iterable, Iterator
from typing import Any

from .services import Promise


def driven(work: Coroutine[Promise, None, Any]) -> Promise:
    """Run a coroutine that awaits promises, without a task; the promise brings its result or failure."""
    promise = Promise()

    def step() -> None:
        try:
            waited = work.send(None)
        except StopIteration as end:
            promise.complete(end.value)
        except Exception as problem:
            promise.fail(problem)
        else:
            if isinstance(waited, Promise):
                waited.when_done(step)
            else:
                work.close()
                promise.fail(TypeError(f"{work!r} awaits no promise: services.offload.spawn() makes one of a task"))

    step()
    return promise


async def side_by_side(works: Iterable[Coroutine[Promise, None, None]], most: int) -> None:
    """Drive them all, so many at a time; the first failure is raised once none is under way, and no other is begun."""
    left = iter(works)
    failures: list[BaseException] = []
    lanes = [driven(lane(left, failures)) for _ in range(most)]
    for one in lanes:
        await one
    if failures:
        raise failures[0]


async def lane(left: Iterator[Coroutine[Promise, None, None]], failures: list[BaseException]) -> None:
    """One after the other."""
    while not failures:
        work = next(left, None)
        if work is None:
            return
        try:
            await work
        except Exception as problem:
            failures.append(problem)
