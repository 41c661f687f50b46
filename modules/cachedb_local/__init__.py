"""cachedb_local: keys and values in shared memory (OpenSIPS manual: cachedb_local).

Every worker sees every change at once; nothing is asked over a network, and no run waits.
"""

from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from pysips.core.cachedb import CacheDb, CacheModule, Meter
from pysips.core.cachedb_url import CacheUrl
from pysips.core.context import Context
from pysips.core.exports import Json, MiError, counter, function, mi, modparam, param, timer
from pysips.core.log import log
from pysips.core.services import TablesFull
from pysips.core.stats import Counter
from pysips.errors import ModuleError

from . import snapshot, walks
from .collections import DEFAULT, read_collections
from .store import LocalCache

ATTENDANT: Final = -1
SAVE_SECONDS: Final = 5
COMPLAINTS: Final = 60.0  # seconds between two lines about the same failure
INVALID: Final = -32602
LATER: Final = "collections cannot be replicated in a cluster yet"


class CachedbLocal(CacheModule):
    cache_clean_period: int = param(600, low=1, high=86400 * 365, help="Seconds between two sweeps of what expired.")
    exec_threshold: int = param(0, low=0, help="Microseconds; a slower operation is counted and logged. 0: none.")
    cluster_id: int = param(0, low=0, help="0: collections are this server's alone.")
    cluster_persistency: str = param("sync-from-cluster", help="sync-from-cluster or none.")
    enable_restart_persistency: int = param(0, low=0, high=1, help="Keep collections in a file for the next start.")
    changes: Counter = counter("changes")

    def __init__(self) -> None:
        super().__init__()
        self.collections: dict[str, bool] = {DEFAULT: False}
        self.saved = 0
        self.path = Path()

    @modparam("cache_collections", help="name[/r][=size];…: collections beside `default`.")
    def add_collections(self, value: str) -> None:
        self.collections.update(read_collections(value))

    def configure(self) -> None:
        if self.cluster_persistency not in ("sync-from-cluster", "none"):
            raise ModuleError(f'cluster_persistency is sync-from-cluster or none, not "{self.cluster_persistency}"')
        if self.cluster_id:
            raise ModuleError(f"cluster_id: {LATER}")
        for name in (name for name, replicated in self.collections.items() if replicated):
            log.warn("cachedb_local", f"collection {name} has /r, but there is no cluster_id: it is not replicated")
        super().configure()
        self.program.caches.name("local://")
        file = self.program.config.globals["restart_persistency_cache_file"]
        self.path = Path(f"{file}.cachedb_local").absolute()

    def connect(self, url: CacheUrl) -> CacheDb:
        """The collection that the URL names as its database."""
        if url.hosts:
            raise ModuleError(f"{url.shown}: a local: URL names no host; local:group:///collection")
        collection = url.database or DEFAULT
        if collection not in self.collections:
            raise ModuleError(f'{url.shown}: there is no collection "{collection}": cache_collections names them')
        meter = Meter(self.program.caches, url, self.exec_threshold)
        return LocalCache(url, self.services, collection, meter, self.changes.inc)

    async def start(self) -> None:
        """Raises ModuleError if the file is not read in time."""
        if self.enable_restart_persistency:
            if self.services.slot != ATTENDANT:
                await snapshot.loaded(self.services)
                return
            count = await snapshot.load(self.path, self.services, set(self.collections))
            log.info("cachedb_local", f"{count} records from {self.path}")
            self.saved = self.changes.get()

    async def stop(self) -> None:
        await super().stop()
        if self.enable_restart_persistency and self.services.slot == ATTENDANT:
            await self.written(snapshot.save(self.path, self.services))

    @timer("cache_clean_period")
    async def clean(self) -> None:
        """Remove what has expired."""
        try:
            await walks.sweep(self.services)
        except TablesFull:
            log.error("cachedb_local", "what has expired could not be removed: the tables are full")

    @timer(SAVE_SECONDS)
    async def save(self) -> None:
        """Write the file if anything has changed."""
        now = self.changes.get()
        if self.enable_restart_persistency and now != self.saved:
            writing = snapshot.save(self.path, self.services)
            if await self.written(self.services.offload.spawn(writing)):
                self.saved = now

    async def written(self, writing: Awaitable[None]) -> bool:
        """Whether it could be done; if not, a line says so."""
        try:
            await writing
        except OSError as problem:
            if log.limited("cachedb_local:save", COMPLAINTS):
                log.error("cachedb_local", f"{self.path} cannot be written: {problem}")
            return False
        return True

    # -- chunks

    @function("cache_remove_chunk", minimum=1)
    async def remove_chunk(self, ctx: Context, collection: str = "", glob: str = "") -> int:
        """Forget all keys of a collection that fit a shell pattern; with one argument: of the default one."""
        name, wanted = (collection, glob) if glob else (DEFAULT, collection)
        try:
            await walks.remove_matching(self.services, self.known(name or DEFAULT), wanted)
        except (MiError, ValueError, TablesFull) as problem:
            log.error("cachedb_local:cache_remove_chunk", str(problem))
            return -1
        self.changes.inc()
        return 1

    @mi("cache_fetch_chunk", full="cachedb_local:fetch_chunk")
    async def fetch_chunk(self, glob: str, collection: str = DEFAULT) -> Json:
        """Keys and values of a collection whose keys fit a shell pattern."""
        try:
            found = await walks.matching(self.services, self.known(collection), glob)
        except ValueError as problem:
            raise MiError(INVALID, "Invalid params", str(problem)) from None
        return {"keys": [{"name": shown(entry.key), "value": shown(entry.value)} for _, entry in found]}

    @mi("cache_remove_chunk", full="cachedb_local:remove_chunk")
    async def remove_chunk_mi(self, glob: str, collection: str = DEFAULT) -> Json:
        """Forget all keys of a collection that fit a shell pattern."""
        try:
            await walks.remove_matching(self.services, self.known(collection), glob)
        except ValueError as problem:
            raise MiError(INVALID, "Invalid params", str(problem)) from None
        self.changes.inc()
        return "OK"

    def known(self, collection: str) -> str:
        """Its name; raises MiError if there is no such collection."""
        if collection not in self.collections:
            raise MiError(INVALID, "Invalid params", f"there is no collection {collection}")
        return collection


def shown(octets: bytes) -> str:
    """As text for people; what is no UTF-8 is replaced."""
    return octets.decode("utf-8", "replace")
