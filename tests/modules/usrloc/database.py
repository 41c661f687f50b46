"""A database in memory: rows are dicts, in the order of their ids; `away` makes it fail as one that is down."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pysips.core.sqldb import Database, Delete, Insert, Operation, Row, SqlError, SqlUrl, Upsert, Value, Where

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "!=": lambda a, b: a != b,
    "in": lambda a, b: a in b,
}


class FakeDatabase(Database):
    """tables: rows by table; batches: how many transactions there were; refused: ids of rows that it does not take."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {"location": []}
        self.versions = {"location": 1013}
        self.url = SqlUrl("mysql", host="db.home")
        self.version_table = "version"
        self.batches = 0
        self.statements = 0
        self.away = False
        self.refused: set[int] = set()

    @property
    def is_up(self) -> bool:
        return not self.away

    def check(self) -> None:
        if self.away:
            raise SqlError("it is away", is_down=True)

    def rows(self, table: str, where: Where = ()) -> list[dict[str, Any]]:
        return [
            row for row in self.tables[table] if all(OPERATORS[how](row[column], value) for column, how, value in where)
        ]

    async def select(
        self, table: str, columns: Sequence[str], where: Where = (), order: str = "", most: int = 0
    ) -> list[Row]:
        self.check()
        found = self.rows(table, where)
        if order:
            found.sort(key=lambda row: row[order])
        return [tuple(row[column] for column in columns) for row in (found[:most] if most else found)]

    async def delete(self, table: str, where: Where) -> int:
        self.check()
        gone = self.rows(table, where)
        self.tables[table] = [row for row in self.tables[table] if row not in gone]
        return len(gone)

    async def insert(self, table: str, row: Mapping[str, Value]) -> None:
        self.check()
        self.tables[table].append(dict(row))

    async def upsert(self, table: str, keys: Mapping[str, Value], values: Mapping[str, Value]) -> None:
        self.check()
        if keys.get("contact_id") in self.refused:
            raise SqlError("the row is too long")
        await self.delete(table, [(column, "=", value) for column, value in keys.items()])
        await self.insert(table, {**keys, **values})

    async def batch(self, operations: Sequence[Operation]) -> None:
        self.check()
        self.batches += 1
        before = {name: list(rows) for name, rows in self.tables.items()}
        try:
            for one in operations:
                self.statements += 1
                if isinstance(one, Delete):
                    await self.delete(one.table, one.where)
                elif isinstance(one, Upsert):
                    await self.upsert(one.table, one.keys, one.values)
                else:
                    assert isinstance(one, Insert)
                    await self.insert(one.table, one.row)
        except SqlError:
            self.tables = before
            raise

    async def version(self, table: str) -> int | None:
        self.check()
        return self.versions.get(table)
