"""cachedb_cassandra and a real Cassandra: what it writes, and what happens when the server is away."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

import pytest

from pysips.core.cachedb import CacheError
from pysips.modules.cachedb_cassandra import store as store_file
from pysips.modules.cachedb_cassandra.store import CassandraStore
from tests.servers.cassandra import Cassandra
from tests.servers.process import Process, done, eventually, running

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("cassandra")]

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "cachedb_cassandra.so"
{parameters}
route {{ exit; }}
"""
SLACK = 0.9  # seconds, for a machine with much to do
HELD_UP = 0.8  # seconds; whoever waited for the server on the loop would have held it up for longer
ALICE = "alice@example.com10.0.0.150"
PATIENT = "?timeout=10000"  # where time is not what is tested
ROW = {"aor": "alice@example.com", "home_ip": "10.0.0.150"}


def script(*urls: str, more: str = "") -> str:
    lines = [f'modparam("cachedb_cassandra", "cachedb_url", "{url}")' for url in urls]
    return SCRIPT.format(parameters="\n".join([*lines, more]))


def keys(server: Cassandra, keyspace: str, options: str = PATIENT) -> AbstractAsyncContextManager[Process]:
    return running(script(server.url(f"{keyspace}.kv.counters", options)))


def rows(server: Cassandra, keyspace: str, options: str = PATIENT) -> AbstractAsyncContextManager[Process]:
    return running(script(server.url(f"{keyspace}.userlocation", options)))


async def test_keys_are_records_as_opensips_writes_them(cassandra: Cassandra, keyspace: str) -> None:
    async with keys(cassandra, keyspace) as process:
        store = process.store("cassandra")
        await done(store.store("a", "one"))
        await done(store.store("b", "zwei ä", 100))
        assert await done(store.fetch("a")) == "one"
        assert await done(store.fetch("b")) == "zwei ä"
        assert await done(store.fetch("c")) is None
        left = dict(cassandra.query(f"SELECT opensipskey, TTL(opensipsval) FROM {keyspace}.kv"))
        assert left["a"] is None and 90 <= left["b"] <= 100
        await done(store.remove("a"))
        await done(store.remove("a"))
        assert cassandra.query(f"SELECT * FROM {keyspace}.kv") == [("b", "zwei ä")]


async def test_counters_have_a_table_of_their_own(cassandra: Cassandra, keyspace: str) -> None:
    async with keys(cassandra, keyspace) as process:
        store = process.store("cassandra")
        assert await done(store.counter("n")) is None
        assert await done(store.add("n", 5)) == 5
        assert await done(store.add("n", -7, 60)) == -2
        assert await done(store.counter("n")) == -2
        assert cassandra.query(f"SELECT * FROM {keyspace}.counters") == [("n", -2)]
        assert sum("counters do not expire" in line for line in process.lines) == 1


async def test_without_a_counters_table_there_are_no_counters(cassandra: Cassandra, keyspace: str) -> None:
    async with running(script(cassandra.url(f"{keyspace}.kv", PATIENT))) as process:
        with pytest.raises(CacheError, match="no counters table"):
            await done(process.store("cassandra").add("n", 5))


@pytest.mark.parametrize("indexed", [False, True])
async def test_rows_are_the_tutorials(cassandra: Cassandra, keyspace: str, indexed: bool) -> None:
    if indexed:
        cassandra.query(f"CREATE INDEX ON {keyspace}.userlocation (aor)")
    async with rows(cassandra, keyspace) as process:
        store = process.store("cassandra")
        assert store.has_rows
        await done(store.put_row(ALICE, {**ROW, "home_ip": "old"}))
        await done(store.put_row(ALICE, ROW))
        await done(store.put_row("alice@example.com10.0.0.151", {**ROW, "home_ip": "10.0.0.151"}))
        await done(store.put_row("bob@example.com10.0.0.151", {"aor": "bob@example.com", "home_ip": "10.0.0.151"}))
        found = await done(store.find_rows("aor", "alice@example.com"))
        assert sorted(row["home_ip"] for row in found) == ["10.0.0.150", "10.0.0.151"]
        assert {"id": ALICE, **ROW} in found
        assert len(await done(store.all_rows("home_ip", "10.0.0.151"))) == 2
        assert await done(store.find_rows("aor", "carol@example.com")) == []
        await done(store.remove_row("bob@example.com10.0.0.151"))
        await done(store.remove_row("alice@example.com10.0.0.151"))
        await done(store.remove_row("alice@example.com10.0.0.151"))
        assert cassandra.query(f"SELECT id, aor, home_ip FROM {keyspace}.userlocation") == [(ALICE, *ROW.values())]


async def test_a_sweep_takes_all_pages(cassandra: Cassandra, keyspace: str) -> None:
    async with rows(cassandra, keyspace) as process:
        store = process.store("cassandra")
        puts = (store.put_row(f"u{n}@x1", {"aor": f"u{n}@x", "home_ip": "1"}) for n in range(250))
        await asyncio.gather(*(done(put) for put in puts))
        assert isinstance(store, CassandraStore)
        (await store.link()).session.default_fetch_size = 100
        assert len(await done(store.all_rows("home_ip", "1"))) == 250


async def test_what_the_server_refuses_is_an_error_and_no_outage(cassandra: Cassandra, keyspace: str) -> None:
    async with running(script(cassandra.url(f"{keyspace}.nothing", PATIENT))) as process:
        store = process.store("cassandra")
        with pytest.raises(CacheError, match="nothing") as problem:
            await done(store.fetch("a"))
        assert not problem.value.is_down and store.is_up
        with pytest.raises(CacheError, match="is no column"):
            await done(store.find_rows('aor" = ', "a"))
        cassandra.query(f"CREATE TABLE {keyspace}.nothing (opensipskey text PRIMARY KEY, opensipsval text)")
        await done(store.store("a", "the table is there now"))
        with pytest.raises(CacheError):
            await done(store.store("a", "no text: \udc80"))
        with pytest.raises(CacheError):
            await done(store.store("a", "too long", 1_000_000_000))
        assert await done(store.fetch("a")) == "the table is there now"


async def test_a_table_that_was_dropped_and_made_anew_is_used_again(cassandra: Cassandra, keyspace: str) -> None:
    async with rows(cassandra, keyspace) as process:
        store = process.store("cassandra")
        await done(store.put_row(ALICE, ROW))
        cassandra.query(f"DROP TABLE {keyspace}.userlocation")
        with pytest.raises(CacheError) as problem:
            await done(store.put_row(ALICE, ROW))
        assert not problem.value.is_down and store.is_up
        cassandra.query(f"CREATE TABLE {keyspace}.userlocation (id text, aor text, home_ip text, PRIMARY KEY (id))")
        assert await done(store.find_rows("aor", "alice@example.com")) == []
        await done(store.remove_row(ALICE))
        await done(store.put_row(ALICE, ROW))
        assert await done(store.find_rows("aor", "alice@example.com")) == [{"id": ALICE, **ROW}]


async def test_a_lack_of_replicas_lasts_until_there_are_enough(cassandra: Cassandra, keyspace: str) -> None:
    several = "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': %d}"
    cassandra.query(f"ALTER KEYSPACE {keyspace} {several % 3}")
    more = 'modparam("cachedb_cassandra", "wr_consistency_level", "quorum")'
    async with running(script(cassandra.url(f"{keyspace}.userlocation", PATIENT), more=more)) as process:
        store = process.store("cassandra")
        back = asyncio.Event()
        store.when_back(back.set)
        with pytest.raises(CacheError) as problem:
            await done(store.put_row(ALICE, ROW))
        assert problem.value.is_down
        with pytest.raises(TimeoutError):
            await eventually(2.5, back)
        assert sum("fail at once" in line for line in process.lines) == 1, "it is said once"
        cassandra.query(f"ALTER KEYSPACE {keyspace} {several % 1}")
        await eventually(15, back)
        await done(store.put_row(ALICE, ROW))


async def test_a_wrong_password_is_said_and_never_shown(cassandra: Cassandra, keyspace: str) -> None:
    url = cassandra.url(f"{keyspace}.kv", PATIENT).replace(":cassandra@", ":s3cret@")
    async with running(script(url)) as process:
        with pytest.raises(CacheError) as problem:
            await done(process.store("cassandra").fetch("a"))
        assert problem.value.is_down
        assert any("password" in line for line in process.lines)
        assert not any("s3cret" in line for line in [*process.lines, str(problem.value)])


async def test_a_frozen_server_costs_one_time_limit(cassandra: Cassandra, keyspace: str) -> None:
    async with rows(cassandra, keyspace, "") as process:
        store = process.store("cassandra")
        back = asyncio.Event()
        store.when_back(back.set)
        await done(store.put_row(ALICE, ROW))
        cassandra.freeze()
        try:
            began = time.monotonic()
            several = (store.find_rows("aor", "alice@example.com") for _ in range(50))
            outcomes = await asyncio.gather(*(done(one) for one in several), return_exceptions=True)
            assert 0.8 <= time.monotonic() - began < 1 + SLACK
            assert all(isinstance(one, CacheError) and one.is_down for one in outcomes)
            assert not store.is_up
            began = time.monotonic()
            with pytest.raises(CacheError):
                await done(store.put_row(ALICE, ROW))
            assert time.monotonic() - began < SLACK / 2
            await asyncio.sleep(3)  # the driver's own heartbeat gives the connection up
        finally:
            cassandra.thaw()
        await eventually(15, back)
        assert await done(store.find_rows("aor", "alice@example.com")) == [{"id": ALICE, **ROW}]
        assert process.lag < HELD_UP


async def test_a_server_that_was_away_at_the_start_or_goes_away_is_found_back(
    cassandra: Cassandra, keyspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "STALE", 1.0)  # the server may have moved: after so long its name is looked up anew
    async with rows(cassandra, keyspace, "") as connected:
        await done(connected.store("cassandra").put_row(ALICE, ROW))
        cassandra.kill()
        began = time.monotonic()
        async with rows(cassandra, keyspace, "") as late:
            assert time.monotonic() - began < SLACK
            backs = []
            for process in (connected, late):
                with pytest.raises(CacheError) as problem:
                    await done(process.store("cassandra").find_rows("aor", "alice@example.com"))
                assert problem.value.is_down
                backs.append(asyncio.Event())
                process.store("cassandra").when_back(backs[-1].set)
            await asyncio.to_thread(cassandra.run)
            for back, process in zip(backs, (connected, late), strict=True):
                await eventually(15, back)
                found = await done(process.store("cassandra").find_rows("aor", "alice@example.com"))
                assert found == [{"id": ALICE, **ROW}]
                assert process.lag < HELD_UP
