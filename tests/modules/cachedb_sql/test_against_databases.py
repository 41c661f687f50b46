"""cachedb_sql over each kind of database: what it writes, what expires, and what happens when the server is away."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from pysips.core.cachedb import CacheError
from pysips.core.sqldb import Row, Value
from pysips.core.sqltables import CACHEDB, USERLOCATION, VERSION, statements
from pysips.errors import ModuleError
from pysips.modules.cachedb_sql import CachedbSql
from pysips.modules.cachedb_sql.store import SqlStore
from tests.servers.mariadb import MariaDb
from tests.servers.process import Process, done, eventually, running

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("mariadb")]

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "db_{scheme}.so"
loadmodule "cachedb_sql.so"
modparam("cachedb_sql", "cachedb_url", "sql:g-{url}")
route {{ exit; }}
"""
SLACK = 0.9  # seconds, for a machine with much to do
HELD_UP = 0.8  # seconds; whoever waited for the server on the loop would have held it up for longer
ALICE = "alice@example.com10.0.0.150"
ROW = {"aor": "alice@example.com", "home_ip": "10.0.0.150"}


def opened(url: str, slot: int = 0, options: str = "?timeout=10") -> AbstractAsyncContextManager[Process]:
    """options: generous where time is not what is tested."""
    return running(SCRIPT.format(scheme=url.partition(":")[0], url=url + options), slot)


async def prepared(url: str) -> None:
    """Make the tables, as `pysips db create` does."""
    scheme = url.partition(":")[0]
    async with opened(url) as process:
        database = process.program.databases.open(url + "?timeout=10")
        for layout in (VERSION, CACHEDB, USERLOCATION):
            for statement in statements(layout, scheme):
                await done(database.query(statement))
        await done(database.insert("version", {"table_name": "cachedb", "table_version": 2}))


@pytest.fixture(params=["mysql", "postgres", "sqlite"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the tables."""
    if request.param == "sqlite":
        sqlite3.connect(tmp_path / "db").close()
        found = f"sqlite://{tmp_path}/db"
    else:
        found = request.getfixturevalue(f"{request.param}_url")
    await prepared(found)
    return found


def store_of(process: Process) -> SqlStore:
    found = process.store("sql:g")
    assert isinstance(found, SqlStore)
    return found


async def test_keys_are_rows_as_opensips_writes_them(url: str) -> None:
    async with opened(url) as process:
        store = store_of(process)
        await done(store.store("a", "one"))
        await done(store.store("b", "zwei ä"))
        await done(store.store("b", "drei ö", 100))
        assert await done(store.fetch("a")) == "one"
        assert await done(store.fetch("b")) == "drei ö"
        assert await done(store.fetch("c")) is None
        await done(store.remove("a"))
        await done(store.remove("a"))
        rows = await done(store.database.select("cachedb", ["keyname", "value", "counter", "expires"]))
        assert [row[:3] for row in rows] == [("b", "drei ö", 0)]
        assert abs(int(str(rows[0][3])) - time.time() - 100) < 3


async def test_what_has_expired_is_not_there_and_swept_away(url: str) -> None:
    async with opened(url) as process:
        store = store_of(process)
        await done(store.store("for ever", "a"))
        await done(store.store("long", "b", 1000))
        await done(store.store("gone", "c", 1000))
        assert await done(store.add("counted", 5, 1000)) == 5
        past = int(time.time()) - 1
        for key in ("gone", "counted"):
            await done(store.database.update("cachedb", [("keyname", "=", key)], {"expires": past}))
        assert await done(store.fetch("gone")) is None
        assert await done(store.counter("counted")) is None
        assert await done(store.add("counted", 3, 1000)) == 3, "an expired number begins anew"
        module = process.program.registry.loaded["cachedb_sql"]
        assert isinstance(module, CachedbSql)
        await done(module.clean())
        rows = await done(store.database.select("cachedb", ["keyname"], order="keyname"))
        assert rows == [("counted",), ("for ever",), ("long",)]


async def test_counters_lose_nothing(url: str) -> None:
    async with opened(url) as process:
        store = store_of(process)
        assert await done(store.counter("n")) is None
        values = await asyncio.gather(*(done(store.add("n", 2)) for _ in range(50)))
        assert sorted(values) == list(range(2, 101, 2)), "each got a number of its own"
        assert await done(store.counter("n")) == 100
        assert await done(store.add("n", -101)) == -1


async def test_a_mysql_that_knows_no_returning_counts_as_well(mysql_url: str) -> None:
    await prepared(mysql_url)
    async with opened(mysql_url) as process:
        store = store_of(process)
        query = store.database.query

        async def as_mysql(text: str, values: Sequence[Value] = ()) -> list[Row]:
            return await query(text.replace("RETURNING", "RETURNS"), values)

        store.database.query = as_mysql  # type: ignore[method-assign]
        values = await asyncio.gather(*(done(store.add("n", 2)) for _ in range(50)))
        assert max(values) == await done(store.counter("n")) == 100
        assert not store.returns, "it is not asked for again"


async def test_rows_are_a_table_of_their_own(url: str) -> None:
    async with opened(url) as process:
        store = store_of(process)
        assert store.has_rows
        await done(store.put_row(ALICE, {**ROW, "home_ip": "old"}))
        await done(store.put_row(ALICE, ROW))
        await done(store.put_row("Alice@example.com10.0.0.150", {**ROW, "aor": "Alice@example.com"}))
        await done(store.put_row("alice@example.com10.0.0.151", {**ROW, "home_ip": "10.0.0.151"}))
        await done(store.put_row("bob@example.com10.0.0.151", {"aor": "bob@example.com", "home_ip": "10.0.0.151"}))
        found = await done(store.find_rows("aor", "alice@example.com"))
        assert sorted(row["home_ip"] for row in found) == ["10.0.0.150", "10.0.0.151"]
        assert {"id": ALICE, **ROW} in found
        assert len(await done(store.all_rows("home_ip", "10.0.0.151"))) == 2
        assert await done(store.find_rows("aor", "carol@example.com")) == []
        for id in ("bob@example.com10.0.0.151", "alice@example.com10.0.0.151", "Alice@example.com10.0.0.150"):
            await done(store.remove_row(id))
            await done(store.remove_row(id))
        assert await done(store.database.select("userlocation", ["id", "aor", "home_ip"])) == [(ALICE, *ROW.values())]
        with pytest.raises(CacheError, match="rows have no colour"):
            await done(store.put_row("a", {"colour": "red"}))


async def test_what_the_database_refuses_is_an_error_and_no_outage(url: str) -> None:
    async with opened(url) as process:
        store = store_of(process)
        await done(store.database.query("DROP TABLE cachedb"))
        for work in (store.store("a", "b"), store.fetch("a"), store.add("a", 1), store.remove("a")):
            with pytest.raises(CacheError) as problem:
                await done(work)
            assert not problem.value.is_down
        assert store.is_up
        with pytest.raises(CacheError, match="not supported"):
            await done(store.raw_query("SELECT 1", 1))


async def test_a_table_of_another_version_is_refused_by_the_attendant(mysql_url: str) -> None:
    await prepared(mysql_url)
    async with opened(mysql_url, slot=-1) as process:
        where = [("table_name", "=", "cachedb")]
        await done(process.program.databases.open(mysql_url).update("version", where, {"table_version": 1}))
    with pytest.raises(ModuleError, match='table "cachedb" has version 1, wanted is 2: pysips db migrate'):
        async with opened(mysql_url, slot=-1):
            pass


async def test_a_frozen_server_costs_one_time_limit(mariadb: MariaDb, mysql_url: str) -> None:
    await prepared(mysql_url)
    async with opened(mysql_url, options="") as process:
        store = store_of(process)
        back = asyncio.Event()
        store.when_back(back.set)
        await done(store.put_row(ALICE, ROW))
        mariadb.freeze()
        try:
            began = time.monotonic()
            outcomes = await asyncio.gather(
                *(done(store.find_rows("aor", "alice@example.com")) for _ in range(20)), return_exceptions=True
            )
            assert 0.8 <= time.monotonic() - began < 1 + SLACK
            assert all(isinstance(one, CacheError) and one.is_down for one in outcomes)
            assert not store.is_up
            async with opened(mysql_url, -1, "") as attendant:
                assert not store_of(attendant).is_up, "it starts all the same"
        finally:
            mariadb.thaw()
        await eventually(15, back)
        assert store.is_up
        assert await done(store.find_rows("aor", "alice@example.com")) == [{"id": ALICE, **ROW}]
        assert process.lag < HELD_UP
        assert not [line for line in process.lines if "opensipsrw" in line]
