"""Tables of an SQL database as key/value store, and as the rows of a federation (OpenSIPS manual: cachedb_sql).

Keys are in OpenSIPS' table `cachedb` (version 2); rows are in a table of ours with the columns id, aor and home_ip.
Time limit, circuit and probes are those of core/sqldb.py.

Facts:
- a key that has expired is not there, whether it was swept away or not;
- a number is added to in one statement, so nothing is lost. MySQL itself (not MariaDB) knows no RETURNING: there the
  new value is read afterwards, and may count what others added meanwhile.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from pysips.core.cachedb import CacheDb, CacheError, Caches, Meter
from pysips.core.cachedb_url import CacheUrl
from pysips.core.services import Clock
from pysips.core.sqldb import Database, SqlError, Value

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
ROW: Final = ("id", "aor", "home_ip")
LARGEST: Final = 2**32 - 1  # of the column `expires`, unix seconds

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Tables:
    """Names; `checked` has made sure that they can stand in SQL."""

    keys: str
    key: str
    value: str
    counter: str
    expires: str
    rows: str

    def checked(self) -> "Tables":
        """Raises ValueError."""
        for name in (self.keys, self.key, self.value, self.counter, self.expires, self.rows):
            if not NAME.fullmatch(name):
                raise ValueError(f'"{name}" is no name of a table or column')
        return self


def adding(scheme: str, names: Tables) -> str:
    """INSERT, or add to what is there and has not expired. Values: key, number, expires; now."""
    table, counter, expires = names.keys, names.counter, names.expires
    insert = f"INSERT INTO {table} ({names.key}, {names.value}, {counter}, {expires}) VALUES (?, '', ?, ?) "
    if scheme == "mysql":
        added, new = f"VALUES({counter})", f"VALUES({expires})"
        insert += "ON DUPLICATE KEY UPDATE"
    else:
        added, new = f"excluded.{counter}", f"excluded.{expires}"
        insert += f"ON CONFLICT ({names.key}) DO UPDATE SET"
    old = f"CASE WHEN {table}.{expires} > 0 AND {table}.{expires} <= ? THEN 0 ELSE {table}.{counter} END"
    return f"{insert} {counter} = {old} + {added}, {expires} = {new}"


class SqlStore(CacheDb):
    """One database."""

    has_rows = True

    def __init__(
        self, url: CacheUrl, database: Database, names: Tables, caches: Caches, clock: Callable[[], Clock], slow: int
    ) -> None:
        super().__init__(url)
        self.database = database
        self.names = names
        self.clock = clock
        self.meter = Meter(caches, url, slow)
        self.adding = adding(database.url.scheme, names)
        self.returns = True

    @property
    def is_up(self) -> bool:
        return self.database.is_up

    def when_back(self, callback: Callable[[], object]) -> None:
        self.database.when_back(callback)

    async def ask(self, work: Awaitable[Answer]) -> Answer:
        """Await an operation of the database; raises CacheError."""
        began = self.meter.began()
        try:
            return await work
        except SqlError as problem:
            raise CacheError(str(problem), problem.is_down) from problem
        finally:
            self.meter.ended(began)

    # -- keys

    def now(self) -> int:
        return int(self.clock().time())

    def end(self, expires: int) -> int:
        """The column's value for so many seconds from now."""
        return min(self.now() + expires, LARGEST) if expires > 0 else 0

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        names = self.names
        values: dict[str, Value] = {names.value: value, names.expires: self.end(expires)}
        await self.ask(self.database.upsert(names.keys, {names.key: key}, values))

    async def fetch(self, key: str) -> str | None:
        value = await self.field(key, self.names.value)
        if value is None:
            return None
        return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)

    async def counter(self, key: str) -> int | None:
        value = await self.field(key, self.names.counter)
        return value if isinstance(value, int) else None

    async def field(self, key: str, column: str) -> object:
        """A column of a key's row; None where it is not there or has expired."""
        names = self.names
        rows = await self.ask(self.database.select(names.keys, [column, names.expires], [(names.key, "=", key)]))
        for value, expires in rows:
            if not expires or (isinstance(expires, int) and expires > self.now()):
                return value
        return None

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        values = (key, number, self.end(expires), self.now())
        if self.returns:
            try:
                rows = await self.ask(self.database.query(f"{self.adding} RETURNING {self.names.counter}", values))
            except CacheError as problem:
                if problem.is_down or self.database.url.scheme != "mysql":
                    raise
            else:
                return int(str(rows[0][0]))
        await self.ask(self.database.query(self.adding, values))
        self.returns = False
        return await self.counter(key) or 0

    async def remove(self, key: str) -> None:
        await self.ask(self.database.delete(self.names.keys, [(self.names.key, "=", key)]))

    async def sweep(self) -> int:
        """Remove what has expired; how many keys that were."""
        expires = self.names.expires
        where = [(expires, ">", 0), (expires, "<=", self.now())]
        return await self.ask(self.database.delete(self.names.keys, where))

    # -- rows

    async def put_row(self, id: str, row: dict[str, str]) -> None:
        self.fits(row)
        await self.ask(self.database.upsert(self.names.rows, {"id": id}, row))

    async def remove_row(self, id: str) -> None:
        await self.ask(self.database.delete(self.names.rows, [("id", "=", id)]))

    async def find_rows(self, field: str, value: str) -> list[dict[str, str]]:
        """By index. A database that takes capital and small letters for the same is not believed."""
        self.fits({field: value})
        rows = await self.ask(self.database.select(self.names.rows, ROW, [(field, "=", value)]))
        found = [dict(zip(ROW, map(str, row), strict=True)) for row in rows]
        return [row for row in found if row[field] == value]

    async def all_rows(self, field: str, value: str) -> list[dict[str, str]]:
        return await self.find_rows(field, value)

    def fits(self, row: dict[str, str]) -> None:
        unknown = set(row) - set(ROW)
        if unknown:
            raise CacheError(f"{self.url.shown}: rows have no {min(unknown)}")
