"""db_sqlite: SQLite files for other modules (OpenSIPS: db_sqlite), `sqlite:///path`.

The file must be there (`pysips db create --url sqlite:///path`). Several processes write it, one at a time: it is put
into WAL mode, in which readers wait for nobody.
"""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import TableClause
from sqlalchemy.dialects.sqlite import insert

from pysips.core.exports import Module, modparam, param
from pysips.core.sqldb import TIME_LIMIT, Engine, SqlServer, SqlUrl
from pysips.core.sqldialect import DOWN, WRONG, Dialect, on_conflict
from pysips.core.sqlengine import SqlEngine

AWAY: Final = frozenset(
    (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    )
)  # fmt: skip
STATEMENTS: Final = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")


class Sqlite(Dialect):
    """busy: seconds to wait for another writer; statements, extensions: for each new connection."""

    driver = "sqlite+pysqlite"
    begin = "BEGIN IMMEDIATE"

    def __init__(self, url: SqlUrl, limit: float, busy: float = 0.0) -> None:
        super().__init__(url, limit)
        self.busy = min(busy or limit, limit)
        self.statements = list(STATEMENTS)
        self.extensions: list[tuple[str, str]] = []

    def connect(self) -> Any:
        place = f"file:{quote(str(Path(self.url.database).absolute()))}?mode=rw"
        connection = sqlite3.connect(place, self.busy, uri=True, check_same_thread=False, isolation_level=None)
        try:
            for path, entry in self.extensions:
                load(connection, path, entry)
            for statement in self.statements:
                connection.execute(statement).close()
        except BaseException:
            connection.close()
            raise
        return connection

    def judge(self, problem: BaseException) -> int:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        return DOWN if code in AWAY else WRONG

    def value(self, value: Any) -> Any:
        """SQLite has no type for dates: they are kept as text, as SQLite's own functions write them."""
        return value.isoformat(" ", "seconds") if isinstance(value, datetime) else value

    def upsert(self, table: TableClause, keys: list[str], values: list[str]) -> Any:
        return on_conflict(insert(table), keys, values)

    def interrupt(self, connection: Any) -> None:
        connection.interrupt()


def load(connection: sqlite3.Connection, path: str, entry: str) -> None:
    """Load an extension; `entry` is its first function, "" for SQLite's own choice."""
    connection.enable_load_extension(True)
    if entry:
        connection.execute("SELECT load_extension(?, ?)", (path, entry)).close()
    else:
        connection.load_extension(path)
    connection.enable_load_extension(False)


class DbSqlite(Module, SqlServer):
    busy_timeout: int = param(0, low=0, help="Milliseconds to wait for another writer; 0: as long as the time limit.")

    def __init__(self) -> None:
        self.pragmas: list[str] = []
        self.extensions: list[tuple[str, str]] = []

    @modparam("exec_pragma", help="A PRAGMA for each new connection, journal_mode=DELETE; may be given many times.")
    def add_pragma(self, value: str) -> None:
        if ";" in value or not value.strip():
            raise ValueError("one pragma each: journal_mode=WAL")
        self.pragmas.append(value.strip())

    @modparam("load_extension", help="A library to load, with its entry point behind a semicolon; many times.")
    def add_extension(self, value: str) -> None:
        path, _, entry = value.partition(";")
        if not path.strip():
            raise ValueError("path or path;entry_point")
        self.extensions.append((path.strip(), entry.strip()))

    def limit(self) -> float:
        return TIME_LIMIT

    def engine(self, url: SqlUrl, limit: float, width: int) -> Engine:
        dialect = Sqlite(url, limit, self.busy_timeout / 1000)
        dialect.statements += [f"PRAGMA {pragma}" for pragma in self.pragmas]
        dialect.extensions += self.extensions
        return SqlEngine(dialect, width)

    async def stop(self) -> None:
        await self.program.databases.close("sqlite")
