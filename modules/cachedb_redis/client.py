"""Commands to one Redis server or to a cluster, in bytes both ways: what redis-py would make of replies is left out.

Facts:
- a client speaks RESP2 (cachedb_redis has always told scripts what RESP2 replies), and never repeats a command by
  itself: a counter that was added to twice is worse than one that failed;
- in a cluster, a command goes to the node of its key; MOVED and ASK are followed here, so that they can be counted.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from redis.asyncio import BlockingConnectionPool, Connection, Redis, RedisCluster, UnixDomainSocketConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, ResponseError

from pysips.core.stats import Counter

CONNECTIONS: Final = 16  # of a process to a server
REDIRECTIONS: Final = 5
PAGE: Final = b"500"  # keys that SCAN looks at in one go

Word = str | bytes | int
Reply = Any  # bytes, int, None, or a list of these and lists


@dataclass(frozen=True, slots=True)
class Settings:
    """What a URL and the module's parameters say. Times in seconds; keepalive: 0 for none."""

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None
    database: int
    socket: str
    connect_timeout: float
    timeout: float
    keepalive: int


@dataclass(frozen=True, slots=True)
class Counters:
    """The module's statistics."""

    queries: Counter
    failed: Counter
    moved: Counter
    refreshes: Counter


def packed(words: Sequence[Word]) -> list[bytes]:
    """Words as they go out; the bytes of a message's text that are no UTF-8 go out as they came."""
    return [one if isinstance(one, bytes) else str(one).encode("utf-8", "surrogateescape") for one in words]


class Client:
    """One server or one cluster. Its methods run in a task, and raise what redis-py raises."""

    mode = "single"

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self.settings = settings
        self.counters = counters

    async def run(self, *words: Word) -> Reply:
        """One command; its key, if it has one, is the second word."""
        packet = packed(words)
        return await self.send(packet[1] if len(packet) > 1 else None, packet)

    async def send(self, key: bytes | None, words: list[bytes]) -> Reply:
        """One command, to where this key lives."""
        self.counters.queries.inc()
        try:
            return await self.sent(key, words)
        except Exception:
            self.counters.failed.inc()
            raise

    async def sent(self, key: bytes | None, words: list[bytes]) -> Reply:
        raise NotImplementedError

    async def together(self, *commands: Sequence[Word]) -> list[Reply]:
        """Several commands: as one transaction where all keys are on one server, else one after the other."""
        raise NotImplementedError

    async def each(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Several commands that have nothing to do with one another; None for one that is refused."""
        raise NotImplementedError

    def walk(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """All keys that fit a shell pattern, in pages; one may come twice."""
        raise NotImplementedError

    def nodes(self) -> list[tuple[str, int]]:
        """Host and port of each server that keys live on."""
        raise NotImplementedError

    async def ping(self, node: tuple[str, int]) -> None:
        """Ask one of them for nothing."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class Single(Client):
    """One server."""

    def __init__(self, settings: Settings, counters: Counters, host: str, port: int) -> None:
        super().__init__(settings, counters)
        self.place = (settings.socket, 0) if settings.socket else (host, port)
        where: dict[str, Any] = {"host": host, "port": port, **keepalive(settings)}
        if settings.socket:
            where = {"path": settings.socket}
        self.pool = BlockingConnectionPool(
            max_connections=CONNECTIONS, timeout=settings.timeout, db=settings.database, **where,
            connection_class=UnixDomainSocketConnection if settings.socket else Connection, **common(settings),
        )  # fmt: skip
        self.redis = Redis(connection_pool=self.pool)
        self.redis.response_callbacks.clear()

    async def sent(self, key: bytes | None, words: list[bytes]) -> Reply:
        return await self.redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def together(self, *commands: Sequence[Word]) -> list[Reply]:
        self.counters.queries.add(len(commands))
        try:
            async with self.redis.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*packed(command))
                replies: list[Reply] = await pipeline.execute()
                return replies
        except Exception:
            self.counters.failed.inc()
            raise

    async def each(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        self.counters.queries.add(len(commands))
        async with self.redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*packed(command))
            replies = await pipeline.execute(raise_on_error=False)
        return [None if isinstance(reply, ResponseError) else reply for reply in replies]

    async def walk(self, pattern: str) -> AsyncIterator[list[bytes]]:
        cursor = b"0"
        while True:
            cursor, page = await self.run("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE)
            yield page
            if cursor == b"0":
                return

    def nodes(self) -> list[tuple[str, int]]:
        return [self.place]

    async def ping(self, node: tuple[str, int]) -> None:
        await self.run("PING")

    async def close(self) -> None:
        await self.redis.aclose()
        await self.pool.disconnect()


class Cluster(Client):
    """A cluster, known by any of its nodes.

    redis-py keeps the map of slots and the connections; its own way to send is left aside, and with it the list of
    all commands that it would fetch and read for long at each start.
    """

    mode = "cluster"

    def __init__(self, settings: Settings, counters: Counters) -> None:
        super().__init__(settings, counters)
        self.room = asyncio.Semaphore(CONNECTIONS)  # a node without a free connection would refuse
        self.redis = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in settings.hosts], max_connections=CONNECTIONS,
            **keepalive(settings), **common(settings),
        )  # fmt: skip

    @classmethod
    async def open(cls, settings: Settings, counters: Counters) -> Self:
        """Learn which node has what; raises ClusterDownError if some of it has no node."""
        made = cls(settings, counters)
        try:
            await made.refresh()
            for node in made.nodes():
                await made.ping(node)
            state = await made.run("CLUSTER", "INFO")
            if b"cluster_state:ok" not in state:
                raise ClusterDownError("the cluster's state is not ok")
        except BaseException:
            await made.close()
            raise
        return made

    async def sent(self, key: bytes | None, words: list[bytes]) -> Reply:
        async with self.room:
            return await self.followed(key, words)

    async def followed(self, key: bytes | None, words: list[bytes]) -> Reply:
        """One command, and where it is sent on to."""
        known = self.redis.get_node_from_key(key) if key is not None else None  # type: ignore[arg-type]
        node = known or self.redis.get_primaries()[0]
        asking = False
        for _ in range(REDIRECTIONS):
            try:
                return await (asked(node, words) if asking else node.execute_command(*words))
            except MovedError as elsewhere:  # an AskError, too, as redis-py sees it
                self.counters.moved.inc()
                await self.refresh()
                node, asking = self.node_at(elsewhere.host, elsewhere.port), False
            except AskError as elsewhere:
                node, asking = self.node_at(elsewhere.host, elsewhere.port), True
        raise RedisClusterException(f"more than {REDIRECTIONS} redirections")

    def node_at(self, host: str, port: int) -> ClusterNode:
        """Raises RedisClusterException for a node that is none of the cluster's."""
        found = self.redis.get_node(host=host, port=port)
        if found is None:
            raise RedisClusterException(f"sent to {host}:{port}, which is no node of the cluster")
        return found

    async def refresh(self) -> None:
        """Learn anew which node has what."""
        await self.redis.nodes_manager.initialize()
        self.counters.refreshes.inc()

    async def together(self, *commands: Sequence[Word]) -> list[Reply]:
        return [await self.run(*command) for command in commands]

    async def each(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        async def one(command: Sequence[Word]) -> Reply:
            try:
                return await self.run(*command)
            except ResponseError:
                return None

        return await asyncio.gather(*(one(command) for command in commands))

    async def walk(self, pattern: str) -> AsyncIterator[list[bytes]]:
        for node in self.redis.get_primaries():
            cursor = b"0"
            while True:
                words = packed(("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE))
                cursor, page = await node.execute_command(*words)
                yield page
                if cursor == b"0":
                    break

    def nodes(self) -> list[tuple[str, int]]:
        return [(node.host, int(node.port)) for node in self.redis.get_primaries()]

    def slots(self) -> int:
        """How many of the 16384 slots have a node."""
        return len(self.redis.nodes_manager.slots_cache)

    async def ping(self, node: tuple[str, int]) -> None:
        await self.node_at(*node).execute_command(b"PING")

    async def close(self) -> None:
        for nodes in ("nodes_cache", "startup_nodes"):
            await self.redis.nodes_manager.aclose(nodes)


async def asked(node: ClusterNode, words: list[bytes]) -> Reply:
    """A command for a key that is on its way to this node: ASKING, and the command on the same connection."""
    connection = node.acquire_connection()
    try:
        for one in ([b"ASKING"], words):
            await connection.send_packed_command(connection.pack_command(*one))
            reply = await node.parse_response(connection, one[0])  # type: ignore[arg-type]
        return reply
    finally:
        node.release(connection)


async def open_client(settings: Settings, counters: Counters, host: str, port: int) -> Client:
    """Connect to one host; it says itself whether it is a cluster's. Raises what redis-py and the system raise."""
    single = Single(settings, counters, host, port)
    try:
        if settings.socket:
            await single.run("PING")
            return single
        try:
            information = await single.run("CLUSTER", "INFO")
        except ResponseError:  # "cluster support disabled", or a command that is not there
            await single.run("PING")
            return single
    except BaseException:
        await single.close()
        raise
    if b"cluster_state:" not in information:
        return single
    await single.close()
    return await Cluster.open(settings, counters)


def common(settings: Settings) -> dict[str, Any]:
    """What connections of every kind are made with."""
    return {
        "username": settings.user, "password": settings.password, "protocol": 2, "retry": Retry(NoBackoff(), 0),
        "socket_timeout": settings.timeout, "socket_connect_timeout": settings.connect_timeout,
    }  # fmt: skip


def keepalive(settings: Settings) -> dict[str, Any]:
    """TCP's own look whether the other end is there (`redis_keepalive`): idle time, then three probes."""
    if not settings.keepalive:
        return {"socket_keepalive": False}
    from socket import TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL

    options = {TCP_KEEPIDLE: settings.keepalive, TCP_KEEPINTVL: settings.keepalive, TCP_KEEPCNT: 3}
    return {"socket_keepalive": True, "socket_keepalive_options": options}
