"""What stores behind a network share: time limit, circuit, probes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pysips.core.cachedb import CacheError
from pysips.core.cachedb_remote import RemoteCache
from pysips.core.cachedb_url import read_url
from pysips.core.loading import load_source
from pysips.core.options import Options
from pysips.runtime.offload import LoopOffload
from pysips.script import source
from pysips.testing.fakes import FakeClock, fill
from tests.servers.process import done

Work = Callable[[], Coroutine[Any, Any, str]]


class Store(RemoteCache):
    """Its server is a fake: `away` is what it raises."""

    away: Exception | None = None

    async def ping(self) -> None:
        if self.away is not None:
            raise self.away


@pytest.fixture
async def clock_and_store() -> tuple[FakeClock, Store]:
    program = load_source(
        source.of_text('loadmodule "proto_udp.so"\nsocket=udp:127.0.0.1:5060\nroute { exit; }', "a.cfg"),
        Options("a.cfg"),
    )
    _, clock, _ = fill(program.services)
    program.services.offload = LoopOffload(asyncio.get_running_loop())
    url = read_url("x:g://op:s3cret@10.0.0.1/db")
    return clock, Store(url, program.services, program.caches, timeout=0.05)


async def works() -> str:
    return "answer"


async def hangs() -> str:
    await asyncio.sleep(60)
    return "late"


async def refuses() -> str:
    raise ConnectionRefusedError


async def errs() -> str:
    raise ValueError("no such table")


async def told(store: Store, work: Work) -> CacheError:
    with pytest.raises(CacheError) as problem:
        await done(store.ask(work))
    assert "s3cret" not in str(problem.value)
    return problem.value


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_works_is_answered(clock_and_store: tuple[FakeClock, Store]) -> None:
    _, store = clock_and_store
    assert await done(store.ask(works)) == "answer"
    assert store.is_up


async def test_the_servers_own_errors_open_no_circuit(clock_and_store: tuple[FakeClock, Store]) -> None:
    _, store = clock_and_store
    problem = await told(store, errs)
    assert str(problem) == "x:g://10.0.0.1/db: no such table" and not problem.is_down
    assert store.is_up


@pytest.mark.parametrize("work", [hangs, refuses])
async def test_a_server_that_is_away_is_asked_no_more_until_a_probe_is_answered(
    clock_and_store: tuple[FakeClock, Store], work: Work
) -> None:
    clock, store = clock_and_store
    back: list[str] = []
    store.when_back(lambda: back.append("back"))
    store.away = ConnectionRefusedError()
    assert (await told(store, work)).is_down
    assert not store.is_up
    assert str(await told(store, works)) == "x:g://10.0.0.1/db does not answer", "nobody is asked"
    for _ in range(3):
        clock.advance(1.0)
        await settled()
    assert not store.is_up and not back
    store.away = None
    clock.advance(1.5)
    await settled()
    assert back == ["back"]
    assert await done(store.ask(works)) == "answer"


async def test_one_slow_answer_among_quick_ones_is_a_busy_server(clock_and_store: tuple[FakeClock, Store]) -> None:
    clock, store = clock_and_store
    slow = asyncio.ensure_future(told(store, hangs))
    await settled()
    clock.advance(0.01)
    assert await done(store.ask(works)) == "answer"
    assert (await slow).is_down
    assert store.is_up


async def test_a_store_that_stopped_probes_no_more(clock_and_store: tuple[FakeClock, Store]) -> None:
    clock, store = clock_and_store
    await told(store, refuses)
    await store.stop()
    clock.advance(10)
    await settled()
    assert not store.is_up


async def test_connecting_before_anybody_asks_tells_what_it_finds(clock_and_store: tuple[FakeClock, Store]) -> None:
    _, store = clock_and_store
    store.begin()
    await settled()
    assert store.is_up
    store.away = ConnectionRefusedError()
    store.begin()
    await settled()
    assert not store.is_up
