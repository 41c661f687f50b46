"""Accounts in a table like `subscriber`: a user's secret, and what else the script wants to know of him."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pysips.core.avps import SPELLED
from pysips.core.sqldb import Database, Row, SqlError, Value, Where, is_storable
from pysips.sip.digest import Algorithm, Credentials

OLD_VERSION: Final = 7  # of the table: OpenSIPS 2.4 to 3.1, which kept ha1b for names with a domain


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns are called. hashes: by hash function; with_domain: MD5 of names with a domain, "" for none."""

    user: str
    domain: str
    hashes: dict[str, str]
    with_domain: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column whose value goes into an AVP once the user is let in."""

    column: str
    avp: str


def wanted_of(text: str) -> tuple[Wanted, ...]:
    """`$avp(name)=column;column`; raises ValueError."""
    found = []
    for part in text.split(";"):
        avp, equal, column = part.strip().rpartition("=")
        column = column.strip()
        spelled = SPELLED.fullmatch(avp.strip()) if equal else None
        if not part.strip():
            continue
        if not column or (equal and spelled is None):
            raise ValueError(f'"{part.strip()}" is no "$avp(name)=column" and no column')
        found.append(Wanted(column, (spelled["plain"] or spelled["wrapped"]) if spelled else column))
    return tuple(found)


class Accounts:
    """The accounts of a database. plain: the password itself is kept instead of hashes of it."""

    def __init__(
        self, database: Database, columns: Columns, plain: bool, use_domain: bool, wanted: Sequence[Wanted]
    ) -> None:
        self.database = database
        self.columns = columns
        self.plain = plain
        self.use_domain = use_domain
        self.wanted = wanted
        self.versions: dict[str, int | None] = {}

    async def find(self, table: str, credentials: Credentials, algorithm: Algorithm, realm: str) -> Row | None:
        """The row of who these credentials name: the secret, then what is wanted; None for nobody. Raises SqlError."""
        domain = credentials.domain or realm
        where: list[tuple[str, str, Value]] = [(self.columns.user, "=", credentials.user)]
        if self.use_domain:
            where.append((self.columns.domain, "=", domain))
        if not is_storable(credentials.user + domain):
            return None
        column = await self.secret_column(table, credentials, algorithm)
        rows = await self.database.select(table, [column, *(one.column for one in self.wanted)], where, most=1)
        return rows[0] if rows else None

    async def secret_column(self, table: str, credentials: Credentials, algorithm: Algorithm) -> str:
        """Where the secret for an algorithm stands. Raises SqlError."""
        if algorithm.hash == "md5" and credentials.domain and not self.plain:
            with_domain = self.columns.with_domain or ("ha1b" if await self.is_old(table) else "")
            if with_domain:
                return with_domain
        return self.columns.hashes["md5" if self.plain else algorithm.hash]

    async def warm(self, tables: Sequence[str]) -> None:
        """Have a connection, and learn the tables' versions; one that cannot be read now is read when it is needed."""
        with contextlib.suppress(SqlError):
            for table in tables:
                self.versions[table] = await self.database.version(table)

    async def is_old(self, table: str) -> bool:
        """Whether a table has the layout of 2.4. Raises SqlError."""
        if table not in self.versions:
            self.versions[table] = await self.database.version(table)
        return self.versions[table] == OLD_VERSION

    async def has(self, table: str, user: str, domain: str) -> bool:
        """Whether there is such a user. Raises SqlError."""
        if not is_storable(user + domain):
            return False
        where: list[tuple[str, str, Value]] = [(self.columns.user, "=", user)]
        if self.use_domain:
            where.append((self.columns.domain, "=", domain))
        return bool(await self.database.select(table, [self.columns.user], where, most=1))


def where_of(*conditions: tuple[str, str]) -> Where:
    """Rows in which each of these columns has that value."""
    return [(column, "=", value) for column, value in conditions]
