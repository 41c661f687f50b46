"""cachedb_redis and a cluster of six, and a server with RedisJSON and RediSearch."""

import asyncio
import json
import time

import pytest

from pysips.core.cachedb import CacheError
from tests.live import until
from tests.servers.process import done, eventually, running
from tests.servers.redis import RedisCluster, Valkey

from .test_against_redis import ALICE, ELSEWHERE, ROW, SCRIPT, opened

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("redis")]

OTHER = "alice@example.com10.0.0.250:5062"


async def test_a_cluster_is_found_out_and_keys_go_where_they_belong(redis_cluster: RedisCluster) -> None:
    async with opened(redis_cluster.url("c")) as process:
        store = process.patient("redis:c")
        for number in range(30):
            await done(store.store(f"key{number}", str(number), 100))
        assert [await done(store.fetch(f"key{number}")) for number in range(30)] == [str(n) for n in range(30)]
        held = [node.do("DBSIZE") for node in redis_cluster.nodes[:3]]
        assert sum(held) >= 30
        assert all(held)
        assert await done(store.add("n", 5, 60)) == 5
        assert await done(store.raw_query("HSET h f v", 1)) == [[1]]
        assert await done(store.raw_query("EVAL \"return redis.call('INCR', KEYS[1])\" 1 n", 1)) == [[6]]
        await asyncio.gather(*(done(store.add("many", 1)) for _ in range(200)))
        assert await done(store.counter("many")) == 200
        await done(store.remove("key1"))
        assert await done(store.fetch("key1")) is None
        assert await done(store.raw_query("GET nothing", 1)) is None


async def test_rows_in_a_cluster(redis_cluster: RedisCluster) -> None:
    async with opened(redis_cluster.url()) as process:
        store = process.store("redis")
        for number in range(40):
            aor = f"user{number}@example.com"
            await done(store.put_row(aor + "10.0.0.150", {"aor": aor, "home_ip": "10.0.0.150"}))
        await done(store.put_row(ALICE, ROW))
        await done(store.put_row(OTHER, ELSEWHERE))
        assert len(await done(store.find_rows("aor", "alice@example.com"))) == 2
        assert len(await done(store.all_rows("home_ip", "10.0.0.150"))) == 41
        await done(store.remove_row(ALICE))
        assert await done(store.find_rows("aor", "alice@example.com")) == [{**ELSEWHERE, "id": OTHER}]


async def test_a_key_that_moved_is_followed(redis_cluster: RedisCluster) -> None:
    async with opened(redis_cluster.url()) as process:
        store = process.store("redis")
        await done(store.store("moving", "1"))
        first = redis_cluster.nodes[0]
        slot = first.do("CLUSTER", "KEYSLOT", "moving")
        masters = [node for node in redis_cluster.nodes if redis_cluster.is_master(node)]
        names = {node.port: node.do("CLUSTER", "MYID") for node in masters}
        source = next(node for node in masters if node.do("CLUSTER", "COUNTKEYSINSLOT", slot))
        target = next(node for node in masters if node is not source)
        target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source.port])
        source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target.port])
        keys = source.do("CLUSTER", "GETKEYSINSLOT", slot, 100)
        source.do("MIGRATE", target.host, target.port, "", 0, 1000, "KEYS", *keys)
        assert await done(store.fetch("moving")) == "1"  # ASK
        for node in (target, source, *masters):
            node.do("CLUSTER", "SETSLOT", slot, "NODE", names[target.port])
        assert await done(store.fetch("moving")) == "1"  # MOVED
        assert await done(store.fetch("moving")) == "1"
        counted = {one.name: one.value() for one in process.program.statistics.select("cachedb_redis:")}
        assert counted["redis_moved"] == 1
        assert counted["redis_topology_refreshes"] == 2
        assert counted["redis_queries_failed"] == 0


async def test_a_replica_takes_over_from_a_dead_master() -> None:
    with RedisCluster.start() as cluster:
        async with opened(cluster.url()) as process:
            store = process.store("redis")
            for number in range(20):
                await done(store.store(f"key{number}", "1"))
            cluster.wait_for_replicas()
            back = asyncio.Event()
            store.when_back(back.set)
            cluster.nodes[0].kill()
            began = time.monotonic()
            failures = 0
            for number in range(20):
                try:
                    await done(store.fetch(f"key{number}"))
                except CacheError as problem:
                    assert problem.is_down
                    failures += 1
            assert failures
            assert time.monotonic() - began < 1.5
            await eventually(20, back)
            assert [await done(store.fetch(f"key{number}")) for number in range(20)] == ["1"] * 20


async def test_documents_are_as_opensips_keeps_them(valkey_stack: Valkey) -> None:
    valkey_stack.do(
        "FT.CREATE", "idx:usrloc", "ON", "JSON", "PREFIX", 1, "usrloc:", "SCHEMA", "$.aor", "AS", "aor", "TEXT"
    )
    await rows_are_documents(valkey_stack)


async def test_the_index_is_made_where_nobody_made_it(valkey_stack: Valkey) -> None:
    await rows_are_documents(valkey_stack)


async def rows_are_documents(server: Valkey) -> None:
    """Ours are as OpenSIPS writes them, and its are found as ours."""
    async with opened(server.url()) as process:
        store = process.store("redis")
        await done(store.put_row(ALICE, ROW))
        stored = json.loads(server.do("JSON.GET", f"usrloc:{ALICE}"))
        assert stored == {"home_ip": "10\\.0\\.0\\.150", "aor": "alice\\@example\\.com"}
        theirs = r'{"home_ip":"10\\.0\\.0\\.250\\:5062","aor":"alice\\@example\\.com"}'
        server.do("JSON.SET", f"usrloc:{OTHER}", ".", theirs)
        server.do("JSON.SET", "usrloc:shouting", ".", r'{"home_ip":"x","aor":"ALICE\\@example\\.com"}')
        server.do("JSON.SET", "usrloc:contacts", ".", r'{"aor":"alice\\@example\\.com","contacts":{"a":1}}')
        found = {row["id"]: row for row in await done(store.find_rows("aor", "alice@example.com"))}
        assert found[ALICE] == {**ROW, "id": ALICE}
        assert found[OTHER] == {**ELSEWHERE, "id": OTHER}
        assert "shouting" not in found
        assert [row["id"] for row in await done(store.all_rows("home_ip", "10.0.0.150"))] == [ALICE]
        assert server.do("FT.SEARCH", "idx:usrloc", r"@aor:alice\@example\.com", "LIMIT", 0, 10000)[0] == 4
        await done(store.remove_row(ALICE))
        assert server.do("EXISTS", f"usrloc:{ALICE}") == 0


@pytest.mark.parametrize("user", ["a+b", "x_y-z", "alice*", "{tag}", "a|b", '"q"', "ä", "it's", "a\\b", "(p)", "%40"])
async def test_an_aor_of_any_letters_is_found_and_nothing_else(valkey_stack: Valkey, user: str) -> None:
    async with opened(valkey_stack.url()) as process:
        store = process.store("redis")
        aor = f"{user}@example.com"
        await done(store.put_row("other", {"aor": "other@example.com", "home_ip": "10.0.0.1"}))
        await done(store.put_row("mine", {"aor": aor, "home_ip": "10.0.0.1"}))
        assert await done(store.find_rows("aor", aor)) == [{"aor": aor, "home_ip": "10.0.0.1", "id": "mine"}]


async def test_a_frozen_stack_does_not_hold_up_a_lookup() -> None:
    with Valkey.start() as server:
        async with running(SCRIPT.format(url=server.url(options="?timeout=300"))) as process:
            store = process.store("redis")
            await done(store.put_row(ALICE, ROW))
            server.freeze()
            began = time.monotonic()
            with pytest.raises(CacheError):
                await done(store.find_rows("aor", "alice@example.com"))
            assert time.monotonic() - began < 0.6
            server.thaw()
            until(server.answers, 5, "an answer")
