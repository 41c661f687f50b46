"""A database for tests of modules: SQLite in memory with OpenSIPS' tables, that can go down and come back.

sql = FakeSql("location", "clusterer")
sql.serve(story.program)                # every database that the script's modules have opened
sql.rows("location", "username", "expires")
sql.is_down = True                      # from now on each operation fails; `clock.advance(1)` probes
"""

import sqlite3
from typing import Any

from sqlalchemy import TableClause
from sqlalchemy.dialects.sqlite import insert

from pysips.core.program import Program
from pysips.core.sqldialect import WRONG, Dialect, on_conflict
from pysips.core.sqlengine import SqlEngine
from pysips.core.sqltables import VERSION, layouts_of, statements
from pysips.core.sqlurl import SqlUrl
from pysips.core.sqlwork import Attempt, Insert, Ping, Query, Row, Select, SqlError, Work


class Memory(Dialect):
    """One SQLite database in memory, for as long as its connection lives."""

    driver = "sqlite+pysqlite"

    def connect(self) -> Any:
        return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)

    def judge(self, problem: BaseException) -> int:
        return WRONG

    def value(self, value: Any) -> Any:
        return value.isoformat(" ", "seconds") if hasattr(value, "isoformat") else value

    def upsert(self, table: TableClause, keys: list[str], values: list[str]) -> Any:
        return on_conflict(insert(table), keys, values)


class FakeSql(SqlEngine):
    """asked: every operation that came, probes left out, also those that failed; is_down: they all do."""

    def __init__(self, *tables: str) -> None:
        super().__init__(Memory(SqlUrl("sqlite", database=":memory:"), 1.0), 0)
        self.is_down = False
        for table in (VERSION.table, *tables):
            layout = layouts_of(table)[0]
            for statement in statements(layout, "sqlite"):
                super().perform(Query(statement), Attempt())
            super().perform(Insert(VERSION.table, {"table_name": table, "table_version": layout.version}), Attempt())
        self.asked: list[Work] = []

    def serve(self, program: Program) -> "FakeSql":
        """Take the place of every database that the program's modules have opened."""
        for database in program.databases.opened.values():
            database.engine = self
        return self

    def attempt(self) -> Attempt:
        return Attempt()

    def perform(self, work: Work, attempt: Attempt) -> Any:
        if not isinstance(work, Ping):
            self.asked.append(work)
        if self.is_down:
            raise SqlError("connection refused", is_down=True)
        return super().perform(work, attempt)

    def close(self) -> None:
        """The rows stay, for the test to look at."""

    def add(self, table: str, **row: Any) -> None:
        """Put a row into a table, past the module under test."""
        super().perform(Insert(table, row), Attempt())

    def rows(self, table: str, *columns: str) -> list[Row]:
        """What a table holds, ordered by its first column, past the module under test."""
        found: list[Row] = super().perform(Select(table, columns, order=columns[0]), Attempt())
        return found
