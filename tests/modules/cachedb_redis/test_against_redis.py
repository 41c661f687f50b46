"""cachedb_redis and a real Redis: what it writes, and what happens when the server is away."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

import pytest

from pysips.core.cachedb import CacheError
from pysips.errors import ModuleError
from tests.servers.process import Process, done, eventually, running
from tests.servers.redis import Redis

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("redis")]

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "cachedb_redis.so"
modparam("cachedb_redis", "cachedb_url", "{url}")
route {{ exit; }}
"""
ALICE = "alice@example.com10.0.0.150"
ROW = {"aor": "alice@example.com", "home_ip": "10.0.0.150"}
ELSEWHERE = {"aor": "alice@example.com", "home_ip": "10.0.0.250:5062"}


def opened(url: str) -> AbstractAsyncContextManager[Process]:
    return running(SCRIPT.format(url=url))


async def test_keys_are_plain_and_expire(redis: Redis) -> None:
    async with opened(redis.url("g")) as process:
        store = process.store("redis:g")
        await done(store.store("a", "one"))
        await done(store.store("b", "zwei ä \udcff", 100))
        assert redis.do("GET", "a") == "one"
        assert redis.do("TTL", "a") == -1
        assert 98 <= redis.do("TTL", "b") <= 100
        assert await done(store.fetch("b")) == "zwei ä \udcff"
        assert await done(store.fetch("c")) is None
        await done(store.store("b", "drei"))
        assert redis.do("TTL", "b") == -1
        await done(store.remove("a"))
        await done(store.remove("a"))
        assert redis.do("EXISTS", "a") == 0


async def test_a_database_of_its_own(redis: Redis) -> None:
    async with opened(redis.url(database="7")) as process:
        await done(process.store("redis").store("a", "seven"))
    assert redis.do("GET", "a") is None


async def test_counters_lose_nothing(redis: Redis) -> None:
    async with opened(redis.url()) as process:
        store = process.patient("redis")
        assert await done(store.counter("n")) is None
        assert await done(store.add("n", 5)) == 5
        assert await done(store.add("n", -7, 50)) == -2
        assert 48 <= redis.do("TTL", "n") <= 50
        await asyncio.gather(*(done(store.add("n", 1)) for _ in range(200)))
        assert await done(store.counter("n")) == 198
        await done(store.store("text", "x"))
        for wrong in (store.add("text", 1), store.counter("text")):
            with pytest.raises(CacheError, match="integer") as refused:
                await done(wrong)
            assert not refused.value.is_down
        assert store.is_up


async def test_raw_queries_fill_rows(redis: Redis) -> None:
    async with opened(redis.url()) as process:
        query = process.store("redis").raw_query
        assert await done(query("SET k OK", 1)) == []
        assert await done(query("GET k", 1)) == [["OK"]]
        assert await done(query('HSET h f1 "two words" f2 2', 1)) == [[2]]
        assert await done(query("HGETALL h", 2)) == [["f1", "two words"], ["f2", "2"]]
        assert await done(query("HGETALL h", 1)) == [["f1"], ["two words"], ["f2"], ["2"]]
        assert await done(query("MGET k none k", 2)) == [["OK", None], ["OK"]]
        assert await done(query("HGETALL h", 0)) == []
        assert await done(query("GET none", 1)) is None
        assert await done(query("SMEMBERS none", 1)) == []
        for wrong in ("GET", "FROB x", "SUBSCRIBE x", 'GET "k', "LPUSH k 1"):
            with pytest.raises(CacheError):
                await done(query(wrong, 1))
        assert process.store("redis").is_up


async def test_rows_in_plain_redis_are_hashes_with_a_set_for_each_aor(redis: Redis) -> None:
    async with opened(redis.url()) as process:
        store = process.store("redis")
        await done(store.put_row(ALICE, ROW))
        await done(store.put_row(ALICE, ROW))
        await done(store.put_row("alice@example.com10.0.0.250:5062", ELSEWHERE))
        await done(store.put_row("b", {"aor": "bob@example.com", "home_ip": "10.0.0.150"}))
        assert redis.do("HGETALL", f"usrloc:{ALICE}") == ROW
        assert redis.do("SCARD", "idx:usrloc:aor:alice@example.com") == 2
        found = await done(store.find_rows("aor", "alice@example.com"))
        assert sorted(found, key=lambda row: row["home_ip"]) == [
            {**ROW, "id": ALICE}, {**ELSEWHERE, "id": "alice@example.com10.0.0.250:5062"}
        ]  # fmt: skip
        assert {row["aor"] for row in await done(store.all_rows("home_ip", "10.0.0.150"))} == {
            "alice@example.com", "bob@example.com"
        }  # fmt: skip
        await done(store.remove_row(ALICE))
        await done(store.remove_row(ALICE))
        assert [row["home_ip"] for row in await done(store.find_rows("aor", "alice@example.com"))] == [
            "10.0.0.250:5062"
        ]
        await done(store.remove_row("alice@example.com10.0.0.250:5062"))
        assert redis.do("KEYS", "*alice*") == []


async def test_a_sweep_passes_over_keys_that_are_no_rows(redis: Redis) -> None:
    redis.do("SET", "usrloc:odd", "text")
    redis.do("SADD", "idx:usrloc:aor:alice@example.com", "gone")
    async with opened(redis.url()) as process:
        store = process.store("redis")
        for number in range(1200):
            redis.do("HSET", f"usrloc:{number}", "aor", f"{number}@x", "home_ip", "old" if number % 100 == 0 else "new")
        assert len(await done(store.all_rows("home_ip", "old"))) == 12
        assert await done(store.find_rows("aor", "alice@example.com")) == []


async def test_a_frozen_server_costs_its_limit_once_and_is_found_back() -> None:
    with Redis.start() as redis:
        async with opened(redis.url(options="?query_timeout=300")) as process:
            store = process.store("redis")
            await done(store.store("a", "1"))
            back = asyncio.Event()
            store.when_back(back.set)
            redis.freeze()
            began = time.monotonic()
            with pytest.raises(CacheError, match="no answer within 300 ms") as slow:
                await done(store.fetch("a"))
            assert slow.value.is_down
            assert 0.25 < time.monotonic() - began < 0.6
            began = time.monotonic()
            for _ in range(100):
                with pytest.raises(CacheError) as at_once:
                    await done(store.fetch("a"))
                assert at_once.value.is_down
            assert time.monotonic() - began < 0.1
            assert not store.is_up
            redis.thaw()
            await eventually(5, back)
            assert store.is_up
            assert await done(store.fetch("a")) == "1"
            assert process.lag < 0.25
            assert sum("fail at once until it answers again" in line for line in process.lines) == 1
            assert sum("answers again" in line and "until" not in line for line in process.lines) == 1


async def test_a_dead_server_fails_at_once_and_a_restarted_one_has_what_it_had() -> None:
    with Redis.start() as redis:
        async with opened(redis.url()) as process:
            store = process.store("redis")
            await done(store.put_row(ALICE, ROW))
            back = asyncio.Event()
            store.when_back(back.set)
            redis.kill()
            began = time.monotonic()
            with pytest.raises(CacheError) as refused:
                await done(store.put_row(ALICE, ROW))
            assert refused.value.is_down
            assert time.monotonic() - began < 0.3
            redis.run()
            await eventually(5, back)
            assert await done(store.find_rows("aor", "alice@example.com")) == [{**ROW, "id": ALICE}]


async def test_a_connection_that_a_restart_broke_is_not_noticed(redis: Redis) -> None:
    async with opened(redis.url()) as process:
        store = process.store("redis")
        await done(store.store("a", "1"))
        redis.restart()
        assert await done(store.fetch("a")) == "1"


async def test_a_server_that_is_away_at_the_start_is_found_when_it_comes() -> None:
    with Redis.start() as redis:
        redis.stop()
        async with opened(redis.url()) as process:
            store = process.store("redis")
            back = asyncio.Event()
            store.when_back(back.set)
            async with asyncio.timeout(5):
                while store.is_up:
                    await asyncio.sleep(0.01)
            redis.run()
            await eventually(5, back)
            await done(store.store("a", "1"))


async def test_shutdown_on_error_wants_the_server_at_the_start() -> None:
    with Redis.start() as redis:
        redis.stop()
        script = SCRIPT.format(url=redis.url()) + 'modparam("cachedb_redis", "shutdown_on_error", 1)\n'
        with pytest.raises(ModuleError, match="redis"):
            async with running(script):
                raise AssertionError("it started")


async def test_the_next_host_of_the_list_steps_in() -> None:
    with Redis.start() as first, Redis.start() as second:
        url = f"redis://{first.host}:{first.port},{second.host}:{second.port}/?query_timeout=400&connect_timeout=200"
        async with opened(url) as process:
            store = process.store("redis")
            await done(store.store("a", "1"))
            assert first.do("GET", "a") == "1"
            back = asyncio.Event()
            store.when_back(back.set)
            first.freeze()
            with pytest.raises(CacheError):
                await done(store.store("a", "2"))
            await eventually(5, back)
            await done(store.store("a", "3"))
            assert second.do("GET", "a") == "3"


async def test_a_replica_is_no_place_to_write_to() -> None:
    with Redis.start() as master, Redis.start() as replica:
        replica.do("REPLICAOF", master.host, master.port)
        url = f"redis://{replica.host}:{replica.port},{master.host}:{master.port}/"
        async with opened(url) as process:
            store = process.store("redis")
            back = asyncio.Event()
            store.when_back(back.set)
            with pytest.raises(CacheError) as refused:
                await done(store.store("a", "1"))
            assert refused.value.is_down
            await eventually(5, back)
            await done(store.store("a", "1"))
            assert master.do("GET", "a") == "1"


async def test_a_password_is_needed_and_never_logged() -> None:
    with Redis.start() as redis:
        redis.do("CONFIG", "SET", "requirepass", "s3cret")
        place = f"{redis.host}:{redis.port}/"
        async with opened(f"redis:good://:s3cret@{place}") as process:
            await done(process.store("redis:good").store("a", "1"))
        async with opened(f"redis:bad://:wr0ng@{place}") as process:
            with pytest.raises(CacheError) as refused:
                await done(process.store("redis:bad").store("a", "1"))
            assert "wr0ng" not in str(refused.value)
            assert process.lines
            assert not any("wr0ng" in line for line in process.lines)
