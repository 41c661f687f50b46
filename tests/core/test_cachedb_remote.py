"""What stores behind a network have in common: limits, the circuit, probes, counting."""

import asyncio
import time
from typing import Any

import pytest

from pysips.core.cachedb import CacheError
from pysips.core.cachedb_remote import RemoteCache
from pysips.core.cachedb_url import read_url
from tests.servers.process import Process, done, eventually, running

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
route { exit; }
"""


class Server:
    """How the server behaves: seconds until it answers, whether it can be reached, whether it minds being cancelled."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.reachable = True
        self.stubborn = False
        self.asked = 0

    async def work(self) -> str:
        self.asked += 1
        if not self.reachable:
            raise ConnectionRefusedError("refused")
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            if not self.stubborn:
                raise
            await asyncio.sleep(0.5)
        return "answer"


class Store(RemoteCache):
    def __init__(self, process: Process, server: Server, threshold: int = 0) -> None:
        program = process.program
        super().__init__(read_url("some:g://u:secret@h/"), program.services, program.caches, 0.1, threshold)
        self.server = server

    async def ping(self) -> None:
        await self.server.work()

    async def fetch(self, key: str) -> str | None:
        return await self.ask(self.server.work)


async def failing(work: Any) -> CacheError:
    with pytest.raises(CacheError) as failed:
        await done(work)
    assert "secret" not in str(failed.value)
    return failed.value


async def test_too_slow_is_down_even_if_the_driver_goes_on() -> None:
    async with running(SCRIPT) as process:
        server = Server()
        store = Store(process, server)
        server.seconds, server.stubborn = 10, True
        began = time.monotonic()
        assert (await failing(store.fetch("k"))).is_down
        assert time.monotonic() - began < 0.3
        assert not store.is_up
        assert (await failing(store.fetch("k"))).is_down
        assert server.asked == 1
        await store.stop()
        await asyncio.sleep(0.6)


async def test_one_slow_answer_among_quick_ones_is_a_busy_server() -> None:
    async with running(SCRIPT) as process:
        server = Server()
        store = Store(process, server)
        server.seconds = 10
        slow = asyncio.ensure_future(failing(store.fetch("k")))
        await asyncio.sleep(0.01)
        server.seconds = 0
        assert await done(store.fetch("k")) == "answer"
        assert (await slow).is_down
        assert store.is_up


async def test_connecting_before_anybody_asks_tells_what_it_finds() -> None:
    async with running(SCRIPT) as process:
        server = Server()
        server.reachable = False
        store = Store(process, server)
        back = asyncio.Event()
        store.when_back(back.set)
        store.begin()
        async with asyncio.timeout(3):
            while store.is_up:
                await asyncio.sleep(0.01)
        server.reachable = True
        await eventually(3, back)


async def test_it_is_found_back_and_everybody_is_told_each_time() -> None:
    async with running(SCRIPT) as process:
        server = Server()
        store = Store(process, server)
        for _ in range(2):
            told = [asyncio.Event(), asyncio.Event()]
            store.callbacks = [one.set for one in told]
            server.reachable = False
            assert (await failing(store.fetch("k"))).is_down
            server.reachable = True
            for one in told:
                await eventually(3, one)
            assert store.is_up
            assert await done(store.fetch("k")) == "answer"


async def test_a_complaint_of_the_server_is_not_its_absence() -> None:
    async with running(SCRIPT) as process:
        store = Store(process, Server())

        async def refuse() -> str:
            raise ValueError("no such command")

        assert not (await failing(store.ask(refuse))).is_down
        assert store.is_up


async def test_slow_operations_are_counted_and_said() -> None:
    async with running(SCRIPT) as process:
        server = Server()
        store = Store(process, server, threshold=20_000)
        await done(store.fetch("k"))
        server.seconds = 0.05
        await done(store.fetch("k"))
        await done(store.fetch("k"))
        assert process.program.caches.queries.get() == 3
        assert process.program.caches.slow.get() == 2
        assert sum("more than 20000" in line for line in process.lines) == 1
