"""The three database modules against their real servers: what one does, all do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from pysips.core.sqldb import Database, Delete, Insert, Operation, SqlError, Update, Upsert, Value
from pysips.core.sqltables import CACHEDB, LOCATION, VERSION, statements
from pysips.runtime.offload import arrival
from tests.servers.process import Process, done, running

pytestmark = pytest.mark.scenario
PATIENT = "?timeout=30"  # a machine with much to do
SERVERS = [
    pytest.param("sqlite"),
    pytest.param("mysql", marks=pytest.mark.xdist_group("mariadb")),
    pytest.param("postgres", marks=pytest.mark.xdist_group("postgres")),
]


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        (tmp_path / "a.db").touch()
        return f"sqlite://{tmp_path}/a.db{PATIENT}"
    return str(request.getfixturevalue(f"{request.param}_url")) + PATIENT


def script(url: str) -> str:
    return f"""
    loadmodule "proto_udp.so"
    loadmodule "db_{url.partition(":")[0]}.so"
    socket=udp:127.0.0.1:5060
    route {{ exit; }}
    """


@pytest.fixture
async def process(url: str) -> AsyncIterator[Process]:
    async with running(script(url)) as process:
        yield process


@pytest.fixture
async def database(url: str, process: Process) -> Database:
    """With the tables location, cachedb and version."""
    database = process.program.databases.open(url)
    for layout in (VERSION, LOCATION, CACHEDB):
        for statement in statements(layout, database.url.scheme):
            await done(database.query(statement))
    return database


async def test_a_row_comes_back_as_it_was_written(database: Database) -> None:
    when = datetime(2026, 2, 3, 4, 5, 6)
    row: dict[str, Value] = {
        "contact_id": 2**60, "username": "alice", "contact": "sip:a@b;x=\"%s?:y'\\", "expires": 4_000_000_000, "q": 0.5,
        "callid": "c", "cseq": 7, "last_modified": when, "user_agent": "Ü 😀", "path": None,
    }  # fmt: skip
    await done(database.insert("location", row))
    (found,) = await done(database.select("location", list(row), [("username", "=", "alice")]))
    expected = list(row.values())
    if database.url.scheme == "sqlite":
        expected[7] = "2026-02-03 04:05:06"
    assert list(found) == expected


async def test_conditions_order_and_limit(database: Database) -> None:
    rows = [Insert("cachedb", {"keyname": f"k{n}", "value": "v", "counter": n}) for n in range(5)]
    await done(database.batch(rows))

    async def keys(*where: tuple[str, str, object], order: str = "counter", most: int = 0) -> str:
        return " ".join(str(row[0]) for row in await done(database.select("cachedb", ["keyname"], where, order, most)))

    assert await keys() == "k0 k1 k2 k3 k4"
    assert await keys(("counter", ">", 1), ("counter", "<=", 3)) == "k2 k3"
    assert await keys(("counter", "!=", 1), ("counter", "<", 3)) == "k0 k2"
    assert await keys(("counter", ">=", 2), order="counter desc", most=2) == "k4 k3"
    assert await keys(("keyname", "in", ["k1", "k4", "nobody"])) == "k1 k4"
    assert await keys(("keyname", "in", [])) == ""
    with pytest.raises(SqlError, match="no operator"):
        await keys(("counter", "like", 1))


async def test_null_is_found_by_none(database: Database) -> None:
    for name, path in (("a", None), ("b", "<sip:p>")):
        await done(database.insert("location", {"username": name, "contact": "sip:x", "expires": 0, "path": path}))
    assert await done(database.select("location", ["username"], [("path", "=", None)])) == [("a",)]
    assert await done(database.select("location", ["username"], [("path", "!=", None)])) == [("b",)]


async def test_update_and_delete_tell_how_many(database: Database) -> None:
    await done(database.batch([Insert("cachedb", {"keyname": f"k{n}", "value": "v"}) for n in range(3)]))
    assert await done(database.update("cachedb", [("keyname", "!=", "k0")], {"value": "w", "counter": 9})) == 2
    assert await done(database.update("cachedb", [("keyname", "=", "k1")], {"value": "w", "counter": 9})) == 1, "as is"
    assert await done(database.update("cachedb", [("keyname", "=", "no")], {"value": "w"})) == 0
    assert await done(database.delete("cachedb", [("counter", "=", 9)])) == 2
    assert await done(database.delete("cachedb", ())) == 1


async def test_upsert_inserts_then_updates(database: Database) -> None:
    for value in ("v", "w", "w"):
        await done(database.upsert("cachedb", {"keyname": "k"}, {"value": value, "expires": 3}))
    assert await done(database.select("cachedb", ["keyname", "value", "expires"])) == [("k", "w", 3)]


async def test_a_batch_happens_whole_or_not_at_all(database: Database) -> None:
    await done(database.insert("cachedb", {"keyname": "old", "value": "v"}))
    operations: list[Operation] = [
        Upsert("cachedb", {"keyname": "a"}, {"value": "1"}),
        Upsert("cachedb", {"keyname": "b"}, {"value": "2"}),
        Upsert("cachedb", {"keyname": "a"}, {"value": "3"}),
        Update("cachedb", [("keyname", "=", "b")], {"value": "4"}),
        Delete("cachedb", [("keyname", "in", ["old", "x"])]),
        Delete("cachedb", [("keyname", "in", ["y"])]),
    ]
    await done(database.batch(operations))
    rows = await done(database.select("cachedb", ["keyname", "value"], order="keyname"))
    assert rows == [("a", "3"), ("b", "4")]
    with pytest.raises(SqlError) as problem:
        await done(database.batch([Delete("cachedb"), Insert("nowhere", {"a": 1})]))
    assert not problem.value.is_down
    assert await done(database.select("cachedb", ["keyname", "value"], order="keyname")) == rows
    assert database.is_up


async def test_a_mistake_is_no_reason_to_take_the_server_for_down(database: Database) -> None:
    await done(database.insert("cachedb", {"keyname": "k", "value": "v"}))
    for work in (
        database.insert("cachedb", {"keyname": "k", "value": "v"}),
        database.select("cachedb", ["colour"]),
        database.query("SELEC 1"),
        database.insert("cachedb", {"keyname": "x\ud800", "value": "v"}),
    ):
        with pytest.raises(SqlError) as problem:
            await done(work)
        assert not problem.value.is_down
    assert database.is_up


async def test_raw_queries_take_values_by_question_marks(database: Database) -> None:
    await done(database.query("INSERT INTO cachedb (keyname, value) VALUES (?, '?%s')", ["k%"]))
    assert await done(database.query("SELECT keyname, value FROM cachedb WHERE keyname LIKE 'k%' AND value=?", ["?%s"]))
    assert await done(database.query("SELECT count(*) FROM cachedb WHERE keyname LIKE 'k%'")) == [(1,)]


async def test_versions_of_tables(database: Database) -> None:
    await done(database.insert("version", {"table_name": "location", "table_version": 1013}))
    assert await done(database.version("location")) == 1013
    assert await done(database.version("cachedb")) is None


async def test_many_at_once_share_the_connections(database: Database, process: Process) -> None:
    promises = [database.call(Insert("cachedb", {"keyname": f"k{n}", "value": "v"})) for n in range(300)]
    for promise in promises:
        await arrival(promise, asyncio.get_running_loop())
        assert promise.failure is None
    assert await done(database.query("SELECT count(*) FROM cachedb")) == [(300,)]
    assert database.is_up and database.busy == 0
