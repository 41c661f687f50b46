"""db_sqlite: a file that is locked, missing, or comes later; pragmas and extensions."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pysips.core.sqldb import SqlError
from pysips.errors import ConfigError
from tests.servers.process import Process, done, eventually, running


def script(parameters: str = "") -> str:
    return (
        f'loadmodule "proto_udp.so"\nloadmodule "db_sqlite.so"\n{parameters}\nsocket=udp:127.0.0.1:5060\n'
        "route { exit; }"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a integer)")
        connection.commit()
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


async def back(process: Process, url: str) -> None:
    event = asyncio.Event()
    process.program.databases.open(url).when_back(event.set)
    await eventually(15, event)


async def test_readers_do_not_wait_for_a_writer_and_writers_wait_no_longer_than_the_limit(file: Path) -> None:
    url = f"sqlite://{file}?timeout=0.3"
    async with running(script()) as process:
        database = process.program.databases.open(url)
        await done(database.insert("t", {"a": 1}))
        with locked(file):
            assert await done(database.select("t", ["a"])) == [(1,)]
            began = time.monotonic()
            with pytest.raises(SqlError) as problem:
                await done(database.insert("t", {"a": 2}))
            assert problem.value.is_down and time.monotonic() - began < 2
        if not database.is_up:
            await back(process, url)
        await done(database.insert("t", {"a": 3}))
        assert await done(database.select("t", ["a"], order="a desc", most=1)) == [(3,)]


async def test_a_file_that_is_not_there_is_down_until_it_comes(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/later.db"
    async with running(script()) as process:
        database = process.program.databases.open(url)
        with pytest.raises(SqlError, match="unable to open database file") as problem:
            await done(database.query("SELECT 1"))
        assert problem.value.is_down and not list(tmp_path.iterdir()), "it is not made in passing"
        (tmp_path / "later.db").touch()
        await back(process, url)
        assert await done(database.query("SELECT 1")) == [(1,)]


async def test_pragmas_are_for_each_connection(file: Path) -> None:
    parameters = 'modparam("db_sqlite", "exec_pragma", "cache_size=77")\nmodparam("db_sqlite", "busy_timeout", 250)'
    async with running(script(parameters)) as process:
        database = process.program.databases.open(f"sqlite://{file}")
        assert await done(database.query("PRAGMA cache_size")) == [(77,)]
        assert await done(database.query("PRAGMA busy_timeout")) == [(250,)]
        assert await done(database.query("PRAGMA journal_mode")) == [("wal",)]


async def test_an_extension_that_cannot_be_loaded_is_told(file: Path) -> None:
    loading = script('modparam("db_sqlite", "load_extension", "/no/such.so;init")')
    if not hasattr(sqlite3.Connection, "enable_load_extension"):  # as some builds of Python have it
        with pytest.raises(ConfigError) as refused:
            Process(loading)
        assert "built without extensions" in refused.value.complaints[0].message
        return
    async with running(loading) as process:
        with pytest.raises(SqlError, match=r"/no/such\.so"):
            await done(process.program.databases.open(f"sqlite://{file}").select("t", ["a"]))


@pytest.mark.parametrize("parameter", ['"exec_pragma", "a=1;b=2"', '"load_extension", ";x"', '"busy_timeout", -1'])
async def test_bad_parameters_are_refused_at_load(parameter: str) -> None:
    with pytest.raises(ConfigError):
        async with running(script(f'modparam("db_sqlite", {parameter})')):
            pass
