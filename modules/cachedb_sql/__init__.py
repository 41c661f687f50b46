"""cachedb_sql: an SQL database as a store for scripts and for the federation's records.

URLs are `sql:[group-]mysql://user:password@host/database`: what stands before the first "-" is the group, the rest a
database URL of a db_* module, whose script line must be there, too. `pysips db create` makes both tables.
"""

import re
from typing import Final

from pysips.core.cachedb import CacheDb, CacheError, CacheModule
from pysips.core.cachedb_url import CacheUrl
from pysips.core.exports import param, timer
from pysips.core.log import log
from pysips.core.sqlurl import parse_url
from pysips.core.sqlversions import require
from pysips.errors import ModuleError

from .store import SqlStore, Tables

VERSION: Final = 2
ROWS_VERSION: Final = 1
ATTENDANT: Final = -1
COMPLAINTS: Final = 60.0  # seconds between two lines about the same failure
URL: Final = re.compile(r"sql:(?:([A-Za-z0-9_.]*)-)?([A-Za-z][A-Za-z0-9_]*://.*)", re.DOTALL)


class CachedbSql(CacheModule):
    db_table: str = param("cachedb", help="The table of keys.")
    key_column: str = param("keyname", help="Its unique column.")
    value_column: str = param("value", help="What cache_store keeps.")
    counter_column: str = param("counter", help="What cache_add and cache_sub keep.")
    expires_column: str = param("expires", help="Unix seconds, 0 for ever.")
    rows_table: str = param("userlocation", help="The table of a federation's rows: id, aor, home_ip.")
    cache_clean_period: int = param(60, low=0, help="Seconds between two sweeps of what expired; 0: none.")
    exec_threshold: int = param(0, low=0, help="Microseconds; a slower operation is counted and logged. 0: none is.")

    def read_url(self, text: str) -> CacheUrl:
        found = URL.fullmatch(text.strip())
        if found is None:
            raise ModuleError("a cachedb_url of SQL is sql:group-mysql://user:password@host/database")
        place = parse_url(found[2])
        hosts = ((place.host, place.port),) if place.host else ()
        return CacheUrl(found[2], "sql", found[1] or "", place.user, place.password, hosts, place.database)

    def connect(self, url: CacheUrl) -> CacheDb:
        names = Tables(
            self.db_table, self.key_column, self.value_column, self.counter_column, self.expires_column, self.rows_table
        )
        try:
            names.checked()
        except ValueError as problem:
            raise ModuleError(f"cachedb_sql: {problem}") from None
        database = self.program.databases.open(url.text)
        return SqlStore(url, database, names, self.program.caches, lambda: self.services.clock, self.exec_threshold)

    async def start(self) -> None:
        """Refuse a table of another layout; a database that is down never keeps us from starting."""
        await super().start()
        if self.services.slot != ATTENDANT:
            return
        with_keys = self.stores()
        for store in self.made:
            if store in with_keys:
                await require(store.database, self.db_table, VERSION)
            elif isinstance(store, SqlStore):
                await require(store.database, self.rows_table, ROWS_VERSION)

    def stores(self) -> list[SqlStore]:
        """Those that the script names; others are a federation's, which keeps rows only."""
        return [store for store in self.program.caches.names.values() if isinstance(store, SqlStore)]

    @timer("cache_clean_period")
    async def clean(self) -> None:
        """Remove what has expired: once in the whole server."""
        for store in self.stores():
            try:
                await store.sweep()
            except CacheError as problem:
                if log.limited(f"cachedb_sql:clean {store.url.name}", COMPLAINTS):
                    log.error("cachedb_sql", f"what has expired could not be removed: {problem}")
