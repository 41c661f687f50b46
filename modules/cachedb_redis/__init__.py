"""cachedb_redis: keys and values, raw queries, and rows of the federated user location in Redis or a cluster of it.

(OpenSIPS manual: cachedb_redis.) A URL with several hosts tries them in turn; whether it is a cluster's, the first
that answers says. Time limits are 1 s where OpenSIPS has 5 s; a URL's own options `connect_timeout` and
`query_timeout` (milliseconds) count before the parameters.
"""

from typing import Any, Final

from pysips.core.cachedb import CacheDb, CacheError, CacheModule
from pysips.core.cachedb_url import CacheUrl
from pysips.core.exports import Json, counter, mi, param
from pysips.core.stats import Counter
from pysips.errors import ModuleError

from .client import Client, Cluster, Counters, Settings
from .link import Link
from .store import RedisCache

PORT: Final = 6379
NO_TLS: Final = "TLS to Redis comes with tls_mgm, which is not in PySIPS yet"


class CachedbRedis(CacheModule):
    connect_timeout: int = param(1000, low=1, high=600_000, help="Milliseconds to connect to one host.")
    query_timeout: int = param(1000, low=1, high=600_000, help="Milliseconds for an operation, connecting included.")
    shutdown_on_error: int = param(0, low=0, high=1, help="Do not start without the server.")
    lazy_connect: int = param(0, low=0, high=1, help="Connect when it is needed, not at the start.")
    use_tls: int = param(0, low=0, high=1, help=NO_TLS)
    redis_keepalive: int = param(10, low=0, high=32767, help="Seconds between TCP's own looks at an idle connection.")
    exec_threshold: int = param(0, low=0, help="Microseconds; a slower operation is counted and logged. 0: none.")
    ftsearch_index_name: str = param("idx:usrloc", help="The index of rows.")
    ftsearch_json_prefix: str = param("usrloc:", help="What the keys of rows begin with.")
    ftsearch_max_results: int = param(10000, low=1, high=10000, help="How many rows a query brings at most.")
    queries: Counter = counter("redis_queries")
    queries_failed: Counter = counter("redis_queries_failed")
    moved: Counter = counter("redis_moved")
    refreshes: Counter = counter("redis_topology_refreshes")

    def configure(self) -> None:
        if self.use_tls:
            raise ModuleError(f"use_tls: {NO_TLS}")
        super().configure()

    def connect(self, url: CacheUrl) -> CacheDb:
        counters = Counters(self.queries, self.queries_failed, self.moved, self.refreshes)
        names = (self.ftsearch_json_prefix, self.ftsearch_index_name, self.ftsearch_max_results)
        link = Link(self.settings(url), counters)
        return RedisCache(url, self.services, self.program.caches, link, names, self.exec_threshold)

    def settings(self, url: CacheUrl) -> Settings:
        """Raises ModuleError."""
        if not url.hosts:
            raise ModuleError(f"{url.shown}: a redis: URL names its server: redis:group://host:6379/")
        if not (url.database or "0").isascii() or not (url.database or "0").isdecimal() or len(url.database) > 6:
            raise ModuleError(f"{url.shown}: a database of Redis is a number")
        if "tls_domain" in url.options:
            raise ModuleError(f"{url.shown}: tls_domain: {NO_TLS}")
        socket = url.options.get("socket", "")
        if socket and len(url.hosts) > 1:
            raise ModuleError(f"{url.shown}: a socket and several hosts exclude each other")
        return Settings(
            tuple((host, port or PORT) for host, port in url.hosts), url.user or None, url.password or None,
            int(url.database or 0), socket, url.seconds(self.connect_timeout / 1000, "connect_timeout"),
            url.seconds(self.query_timeout / 1000, "query_timeout", "timeout"), self.redis_keepalive,
        )  # fmt: skip

    async def start(self) -> None:
        """Connect, each process for itself. Raises ModuleError for a store that is away, with shutdown_on_error."""
        await super().start()
        for store in self.stores():
            if self.shutdown_on_error:
                try:
                    await store.limited(store.ping)
                except CacheError as problem:
                    raise ModuleError(str(problem)) from None
            elif not self.lazy_connect:
                store.begin()

    def stores(self, group: str = "") -> list[RedisCache]:
        """Those of a group, or all."""
        return [one for one in self.made if isinstance(one, RedisCache) and group in ("", one.url.group)]

    # -- management

    @mi("redis_cluster_info")
    async def cluster_info(self, group: str = "") -> Json:
        """What each store is connected to."""
        return [self.described(store) for store in self.stores(group)] or "No redis connections"

    def described(self, store: RedisCache) -> dict[str, Any]:
        client, settings = store.link.current, store.link.settings
        facts: dict[str, Any] = {"group": store.url.group, "url": store.url.shown}
        facts["mode"] = client.mode if client is not None else "not connected"
        facts["transport"] = "unix" if settings.socket else "tcp"
        if settings.socket:
            facts["socket_path"] = settings.socket
        facts["nodes"] = [{"ip": host, "port": port, "status": "connected"} for host, port in nodes_of(client)]
        if isinstance(client, Cluster):
            facts["total_slots_mapped"] = client.slots()
        return facts

    @mi("redis_cluster_refresh")
    async def cluster_refresh(self, group: str = "") -> Json:
        """Learn anew which node of a cluster has what; of this process's connections."""
        found: list[dict[str, Any]] = []
        for store in self.stores(group):
            client = store.link.current
            status = "skipped (not cluster mode)"
            if isinstance(client, Cluster):
                status = await self.refreshed(store, client)
            found.append({"group": store.url.group, "status": status})
        return found or "No redis connections"

    async def refreshed(self, store: RedisCache, client: Cluster) -> str:
        try:
            await store.ask(client.refresh)
        except CacheError:
            return "error"
        return "ok"

    @mi("redis_ping_nodes")
    async def ping_nodes(self, group: str = "") -> Json:
        """Ask each node for nothing, and tell how long it took."""
        found: list[dict[str, Any]] = []
        for store in self.stores(group):
            nodes = [await self.pinged(store, node) for node in nodes_of(store.link.current)]
            found.append({"group": store.url.group, "nodes": nodes})
        return found or "No redis connections"

    async def pinged(self, store: RedisCache, node: tuple[str, int]) -> dict[str, Any]:
        began = self.services.clock.now()
        facts: dict[str, Any] = {"ip": node[0], "port": node[1]}
        try:
            await store.asked(lambda client: client.ping(node))
        except CacheError:
            return {**facts, "status": "unreachable", "latency_us": -1}
        return {**facts, "status": "reachable", "latency_us": round((self.services.clock.now() - began) * 1_000_000)}


def nodes_of(client: Client | None) -> list[tuple[str, int]]:
    return [] if client is None else client.nodes()
