"""A Cassandra table as key/value store, and as the rows of a federation (OpenSIPS manual: cachedb_cassandra).

    CREATE TABLE ks.kv          (opensipskey text PRIMARY KEY, opensipsval text)
    CREATE TABLE ks.counters    (opensipskey text PRIMARY KEY, opensipsval counter)
    CREATE TABLE ks.userlocation (id text, aor text, home_ip text, PRIMARY KEY (id))

The statements are OpenSIPS' own. Rows are found with ALLOW FILTERING, which uses an index where there is one:
`CREATE INDEX ON ks.userlocation (aor)` is worth its while for big tables.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final

import cassandra
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage

from pysips.core.cachedb import CacheError
from pysips.core.cachedb_remote import RemoteCache
from pysips.core.log import log

from .driver import Access, Link, Row, in_thread

KEY: Final = "opensipskey"
VALUE: Final = "opensipsval"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
PING: Final = "SELECT key FROM system.local"
NOBODY: Final = "pysips"  # a key for looks; it need not be there
AS_READING: Final = {
    cassandra.ConsistencyLevel.ANY: cassandra.ConsistencyLevel.ONE,
    cassandra.ConsistencyLevel.EACH_QUORUM: cassandra.ConsistencyLevel.QUORUM,
}
"""Levels that are for writing alone, and the nearest one for reading."""
STALE: Final = 30.0  # seconds without an answer after which names are asked again for the servers' addresses
LONGEST: Final = 300  # characters of the driver's words in our log

AWAY: Final = (
    NoHostAvailable, ConnectionException, OSError, cassandra.OperationTimedOut, cassandra.Timeout,
    cassandra.Unavailable, cassandra.AuthenticationFailed, cassandra.UnresolvableContactPoints,
    OverloadedErrorMessage, IsBootstrappingErrorMessage,
)  # fmt: skip
"""The servers cannot be reached, or are too few or too busy to answer."""

AGAIN: Final = (cassandra.Timeout, cassandra.Unavailable, ConnectionException, OverloadedErrorMessage)
"""Another try may reach another server."""


@dataclass(frozen=True, slots=True)
class Place:
    """`Keyspace.Table[.CountersTable]`, quoted as CQL wants it."""

    table: str
    counters: str

    @classmethod
    def of(cls, text: str) -> "Place":
        """Raises ValueError."""
        names = text.split(".")
        if len(names) not in (2, 3) or not all(NAME.fullmatch(name) for name in names):
            raise ValueError(f'"{text}" is no Keyspace.Table[.CountersTable]')
        quoted = [f'"{name}"' for name in names]
        return cls(".".join(quoted[:2]), f"{quoted[0]}.{quoted[2]}" if len(names) == 3 else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A table as one sort of operation uses it. look: a statement that touches as many servers as any other."""

    table: str
    key: str

    @property
    def look(self) -> str:
        return f'SELECT "{self.key}" FROM {self.table} WHERE "{self.key}"=?'


@dataclass(frozen=True, slots=True)
class Manners:
    """How statements are sent: consistency levels in the driver's numbers, tries after the first."""

    reading: int
    writing: int
    retries: int


def quoted(name: str) -> str:
    """A column; raises CacheError for what cannot be one."""
    if not NAME.fullmatch(name):
        raise CacheError(f'cassandra: "{name}" is no column')
    return f'"{name}"'


def close(opening: "asyncio.Future[Link]") -> "asyncio.Future[None] | None":
    """Close a link that was opened, if it was."""
    if opening.cancelled() or opening.exception() is not None:
        return None
    return in_thread(opening.result().close)


class CassandraStore(RemoteCache):
    """One table, with its counters' table if the URL names one."""

    has_rows = True

    def __init__(self, place: Place, access: Access, manners: Manners, *more: Any) -> None:
        super().__init__(*more)
        self.place = place
        self.access = access
        self.manners = manners
        self.opening: asyncio.Future[Link] | None = None
        self.opened = 0.0
        self.told_expiry = False
        self.keys = Target(place.table, KEY)
        self.counts = Target(place.counters, KEY)
        self.records = Target(place.table, "id")
        self.used: Target | None = None  # the one of the last operation

    # -- the link

    async def start(self) -> None:
        """Begin to connect; nobody waits for it, and a server that is away is asked again."""
        self.begin()

    async def link(self) -> Link:
        """The connected cluster; all who ask while it connects wait for the same try."""
        opening = self.opening
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            opening = self.opening = in_thread(Link.open, self.access)
            self.opened = self.services.clock.now()
        return await asyncio.shield(opening)

    async def ping(self) -> None:
        """Whether a server answers, and has as many others beside it as the consistency levels want."""
        now = self.services.clock.now()
        if self.circuit.is_open and min(now - self.circuit.since, now - self.opened) > STALE:
            self.drop()
        link = await self.link()
        await link.run(PING, (), self.timeout)
        if self.used is None:
            return
        for level in {self.manners.reading, AS_READING.get(self.manners.writing, self.manners.writing)}:
            try:
                await link.run(await link.statement(self.used.look, level), (NOBODY,), self.timeout)
            except cassandra.RequestValidationException as problem:
                log.debug("cachedb", f"{self.url.shown} answers: {problem}")

    def drop(self) -> "asyncio.Future[None] | None":
        """Let go of the connections, in the background; the next who asks connects anew."""
        opening, self.opening = self.opening, None
        if opening is None:
            return None
        if not opening.done():
            opening.add_done_callback(close)
            return None
        return close(opening)

    async def stop(self) -> None:
        await super().stop()
        closing = self.drop()
        if closing is not None:
            await asyncio.wait((closing,), timeout=self.timeout)

    def explained(self, problem: Exception) -> CacheError:
        said = (str(problem) or type(problem).__name__)[:LONGEST]
        return CacheError(f"{self.url.shown}: {said}", isinstance(problem, AWAY))

    async def read(self, target: Target, text: str, *values: object, patience: float = 1.0) -> list[Row]:
        return await self.send(target, text, values, self.manners.reading, self.manners.retries, patience)

    async def write(self, target: Target, text: str, *values: object) -> None:
        await self.send(target, text, values, self.manners.writing, self.manners.retries)

    async def send(
        self, target: Target, text: str, values: tuple[object, ...], level: int, retries: int, patience: float = 1.0
    ) -> list[Row]:
        """Run a statement within the time limit, its repetitions included. patience: that many times the limit."""
        self.used = target

        async def work() -> list[Row]:
            link = await self.link()
            statement = await link.statement(text, level)
            for _ in range(retries):
                try:
                    return await link.run(statement, values, self.timeout * patience)
                except AGAIN:
                    continue
            return await link.run(statement, values, self.timeout * patience)

        return await self.ask(work, patience)

    # -- keys

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        text = f'INSERT INTO {self.place.table} ("{KEY}", "{VALUE}") VALUES (?, ?) USING TTL ?'
        await self.write(self.keys, text, key, value, expires)

    async def fetch(self, key: str) -> str | None:
        rows = await self.read(self.keys, f'SELECT "{VALUE}" FROM {self.place.table} WHERE "{KEY}" = ?', key)
        return (rows[0][VALUE] or "") if rows else None

    async def counter(self, key: str) -> int | None:
        text = f'SELECT "{VALUE}" FROM {self.counters()} WHERE "{KEY}" = ?'
        rows = await self.read(self.counts, text, key)
        return rows[0][VALUE] if rows else None

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        """Add, then read: Cassandra tells no new value, so the answer may count what others added meanwhile.

        It is tried once, since a try without an answer may have counted. Counters of Cassandra do not expire.
        """
        if expires and not self.told_expiry:
            self.told_expiry = True
            log.notice("cachedb", f"{self.url.shown}: counters do not expire in Cassandra")
        text = f'UPDATE {self.counters()} SET "{VALUE}" = "{VALUE}" + ? WHERE "{KEY}" = ?'
        await self.send(self.counts, text, (number, key), self.manners.writing, 0)
        return await self.counter(key) or 0

    async def remove(self, key: str) -> None:
        await self.write(self.keys, f'DELETE FROM {self.place.table} WHERE "{KEY}" = ?', key)

    def counters(self) -> str:
        if not self.place.counters:
            raise CacheError(f"{self.url.shown}: no counters table; a URL ends with Keyspace.Table.CountersTable")
        return self.place.counters

    # -- rows

    async def put_row(self, id: str, row: dict[str, str]) -> None:
        columns = ",".join(f"{quoted(name)}=?" for name in row)
        text = f'UPDATE {self.place.table} USING TTL 0 SET {columns} WHERE "id"=?'
        await self.write(self.records, text, *row.values(), id)

    async def remove_row(self, id: str) -> None:
        await self.write(self.records, f'DELETE FROM {self.place.table} WHERE "id"=?', id)

    async def find_rows(self, field: str, value: str) -> list[dict[str, str]]:
        return await self.rows(field, value, 1)

    async def all_rows(self, field: str, value: str) -> list[dict[str, str]]:
        return await self.rows(field, value, 10)

    async def rows(self, field: str, value: str, patience: float) -> list[dict[str, str]]:
        text = f"SELECT * FROM {self.place.table} WHERE {quoted(field)}=? ALLOW FILTERING"
        found = await self.read(self.records, text, value, patience=patience)
        return [{name: str(one) for name, one in row.items() if one is not None} for row in found]
