"""cachedb_cassandra: Apache Cassandra as a store for scripts and for the federation's records.

URLs are `cassandra[:group]://[user:password@]host[:port][,host2]/Keyspace.Table[.CountersTable]`; their options
`connect_timeout` and `query_timeout` (or `timeout`), in milliseconds, go before the parameters of the module.
"""

from typing import Final

from cassandra import ConsistencyLevel

from pysips.core.cachedb import CacheDb, CacheModule
from pysips.core.cachedb_url import CacheUrl
from pysips.core.exports import param
from pysips.errors import ModuleError

from .driver import Access
from .store import CassandraStore, Manners, Place

LEVELS: Final = {
    name: ConsistencyLevel.name_to_value[name.upper()]
    for name in (
        "any", "one", "two", "three", "quorum", "all", "local_quorum", "each_quorum", "serial", "local_serial",
        "local_one",
    )
}  # fmt: skip
OPTIONS: Final = {"connect_timeout", "query_timeout", "timeout"}


def level(name: str, word: str, refused: tuple[str, ...]) -> int:
    """A consistency level in the driver's number; raises ModuleError."""
    found: int | None = LEVELS.get(word.lower())
    if found is None or word.lower() in refused:
        known = ", ".join(one for one in LEVELS if one not in refused)
        raise ModuleError(f'cachedb_cassandra: {name} "{word}" is none of {known}')
    return found


class CachedbCassandra(CacheModule):
    connect_timeout: int = param(1000, low=1, high=600_000, help="Milliseconds to connect to a server.")
    query_timeout: int = param(1000, low=1, high=600_000, help="Milliseconds for an operation, repetitions included.")
    query_retries: int = param(2, low=0, high=10, help="Repetitions within query_timeout; counters are never repeated.")
    exec_threshold: int = param(0, low=0, help="Microseconds; a slower operation is counted and logged. 0: none is.")
    rd_consistency_level: str = param("one", help="For reading: any of Cassandra's levels, in small letters.")
    wr_consistency_level: str = param("one", help="For writing: any of Cassandra's levels, in small letters.")

    def connect(self, url: CacheUrl) -> CacheDb:
        try:
            place = Place.of(url.database)
        except ValueError as problem:
            raise ModuleError(f"{url.shown}: {problem}") from None
        if not url.hosts:
            raise ModuleError(f"{url.shown} names no host")
        unknown = set(url.options) - OPTIONS
        if unknown:
            raise ModuleError(f"{url.shown}: unknown option {min(unknown)}; known are {', '.join(sorted(OPTIONS))}")
        connecting = url.seconds(self.connect_timeout / 1000, "connect_timeout", "timeout")
        asking = url.seconds(self.query_timeout / 1000, "query_timeout", "timeout")
        manners = Manners(
            level("rd_consistency_level", self.rd_consistency_level, ("any",)),
            level("wr_consistency_level", self.wr_consistency_level, ("serial", "local_serial")),
            self.query_retries,
        )
        access = Access(url.hosts, url.user, url.password, connecting, asking)
        return CassandraStore(
            place, access, manners, url, self.services, self.program.caches, asking, self.exec_threshold
        )
