"""A database server that is stopped, frozen, killed or slow: nothing waits beyond its limit, and all comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from pysips.core.services import Promise
from pysips.core.sqldb import Database, SqlError
from pysips.core.sqlwork import Query, Select
from pysips.runtime.offload import arrival
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.process import Process, done, eventually, running

pytestmark = pytest.mark.scenario
Server = MariaDb | Postgres
LIMIT = 1.0  # seconds
SLACK = 1.0  # for a machine with much to do
SERVERS = [
    pytest.param(MariaDb, marks=pytest.mark.xdist_group("mariadb")),
    pytest.param(Postgres, marks=pytest.mark.xdist_group("postgres")),
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One of our own: it is maltreated."""
    made: Callable[[], Server] = request.param.start
    with made() as server:
        server.query("CREATE DATABASE sip")
        server.query("CREATE TABLE t (a integer)", "sip")
        yield server


@pytest.fixture
async def process(server: Server) -> AsyncIterator[Process]:
    module = "db_mysql" if isinstance(server, MariaDb) else "db_postgres"
    if server.process is None:
        await asyncio.to_thread(server.run)
    async with running(
        f'loadmodule "proto_udp.so"\nloadmodule "{module}.so"\nsocket=udp:127.0.0.1:5060\nroute {{ exit; }}'
    ) as process:
        yield process
        assert process.lag < LIMIT, "the loop was held up"
        assert not [line for line in process.lines if "opensipsrw" in line or "mistaken" in line]


@pytest.fixture
def database(server: Server, process: Process) -> Database:
    return process.program.databases.open(server.url("sip", f"?timeout={LIMIT}"))


async def told(promise: Promise) -> SqlError | None:
    await arrival(promise, asyncio.get_running_loop())
    assert promise.failure is None or isinstance(promise.failure, SqlError)
    return promise.failure


def asked(database: Database) -> Promise:
    return database.call(Select("t", ["a"]))


async def back(database: Database) -> None:
    """Wait until a probe has found the server."""
    event = asyncio.Event()
    database.when_back(event.set)
    await eventually(15, event)
    assert database.is_up


async def test_a_server_that_is_away_at_the_first_use_is_found_when_it_comes(
    server: Server, process: Process, database: Database
) -> None:
    await asyncio.to_thread(server.stop)
    failure = await told(asked(database))
    assert failure is not None and failure.is_down and not database.is_up
    assert "opensipsrw" not in str(failure)
    await asyncio.to_thread(server.run)
    await back(database)
    assert await told(asked(database)) is None
    assert any("is down" in line for line in process.lines) and any("answers again" in line for line in process.lines)


async def test_a_restart_between_two_operations_is_not_even_noticed(server: Server, database: Database) -> None:
    assert await told(asked(database)) is None
    await asyncio.to_thread(server.restart)
    assert await told(asked(database)) is None


async def test_a_frozen_server_costs_the_first_its_time_limit_and_the_others_nothing(
    server: Server, process: Process, database: Database
) -> None:
    assert await told(asked(database)) is None
    server.freeze()
    try:
        began = time.monotonic()
        failures = await asyncio.gather(*(told(asked(database)) for _ in range(30)))
        assert LIMIT * 0.9 < time.monotonic() - began < LIMIT + SLACK
        assert all(failure is not None and failure.is_down for failure in failures)
        began = time.monotonic()
        failures = await asyncio.gather(*(told(asked(database)) for _ in range(1000)))
        assert time.monotonic() - began < SLACK
        assert all(failure is not None and failure.is_down for failure in failures)
        await asyncio.sleep(3.5)  # for some probes to fail, too
        assert not database.is_up and database.busy <= 1, "threads that wait for a frozen server are let go"
    finally:
        server.thaw()
    await back(database)
    assert await told(asked(database)) is None


async def test_a_killed_server_fails_at_once_what_is_on_its_way(server: Server, database: Database) -> None:
    sleep = "SELECT SLEEP(0.9)" if isinstance(server, MariaDb) else "SELECT pg_sleep(0.9)"
    assert await told(asked(database)) is None
    waiting = database.call(Query(sleep))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(server.kill)
    failure = await told(waiting)
    assert failure is not None and failure.is_down
    failure = await told(asked(database))
    assert failure is not None and failure.is_down
    await asyncio.to_thread(server.run)
    await back(database)
    assert await told(asked(database)) is None


async def test_one_slow_operation_among_quick_ones_fails_alone(server: Server, database: Database) -> None:
    sleep = "SELECT SLEEP(5)" if isinstance(server, MariaDb) else "SELECT pg_sleep(5)"
    slow = database.call(Query(sleep))
    quick = []
    for _ in range(10):
        quick.append(await told(asked(database)))
        await asyncio.sleep(LIMIT / 10)
    failure = await told(slow)
    assert failure is not None and failure.is_down
    assert quick == [None] * 10 and await told(asked(database)) is None


async def test_a_wrong_password_is_told_without_it(server: Server, process: Process) -> None:
    url = server.url("sip").replace("opensipsrw", "mistaken")
    with pytest.raises(SqlError, match=r"Access denied|authentication failed") as problem:
        await done(process.program.databases.open(url).select("t", ["a"]))
    assert problem.value.is_down and "mistaken" not in str(problem.value)
