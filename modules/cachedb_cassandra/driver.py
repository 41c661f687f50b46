"""cassandra-driver behind asyncio: its connections have a loop and threads of their own, its answers come to ours.

Facts:
- whatever of the driver waits (connect, prepare, shut down) runs in a thread made for it, which nobody waits for when
  the process ends;
- connecting is tried once: who wants it again asks again. Once connected, the driver itself finds servers back.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final, TypeVar

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.io.asyncioreactor import AsyncioConnection
from cassandra.policies import ConstantReconnectionPolicy, FallthroughRetryPolicy
from cassandra.query import dict_factory

PORT: Final = 9042
PROTOCOL: Final = 4  # Cassandra 2.2 and newer speak it
RECONNECT: Final = 0.5  # seconds between two tries of the driver to reach a server that went away
HEARTBEAT: Final = 1.0  # seconds; a server that is silent for twice as long is taken for down

logging.getLogger("cassandra").setLevel(logging.CRITICAL + 1)  # each of its tries is a warning; our log has the outcome

Answer = TypeVar("Answer")
Row = dict[str, Any]


class Reactor(AsyncioConnection):  # type: ignore[misc]
    """The driver's asyncio connection; its loop and thread are this process's, not those of the one that forked it."""

    @classmethod
    def initialize_reactor(cls) -> None:
        with cls._lock:
            if cls._pid != os.getpid():
                cls._loop = cls._loop_thread = None
                cls._pid = os.getpid()
        super().initialize_reactor()


@dataclass(frozen=True, slots=True)
class Access:
    """Where and how to connect. timeouts: seconds."""

    hosts: tuple[tuple[str, int], ...]
    user: str
    password: str
    connect_timeout: float
    query_timeout: float


def in_thread(work: Callable[..., Answer], *arguments: Any) -> "asyncio.Future[Answer]":
    """Call it in a thread of its own; the future belongs to the running loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def run() -> None:
        try:
            answer = work(*arguments)
        except Exception as problem:
            settle(loop, future, problem)
        else:
            settle(loop, future, answer)

    Thread(target=run, name="cassandra", daemon=True).start()
    return future


def settle(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", outcome: object) -> None:
    """Complete a future from another thread; nothing happens to one that nobody waits for, or whose loop is closed."""

    def complete() -> None:
        if future.done():
            return
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(complete)


class Link:
    """A connected cluster with its prepared statements. What it raises is the driver's."""

    def __init__(self, cluster: Any, session: Any) -> None:
        self.cluster = cluster
        self.session = session
        self.prepared: dict[tuple[str, int], asyncio.Future[Any]] = {}

    @classmethod
    def open(cls, access: Access) -> "Link":
        """Connect; blocks for some times the connect timeout at most."""
        profile = ExecutionProfile(
            request_timeout=access.query_timeout, retry_policy=FallthroughRetryPolicy(), row_factory=dict_factory
        )
        cluster = Cluster(
            contact_points=[(host, port or PORT) for host, port in access.hosts], port=access.hosts[0][1] or PORT,
            auth_provider=PlainTextAuthProvider(access.user, access.password) if access.user else None,
            connection_class=Reactor, protocol_version=PROTOCOL, compression=False,
            connect_timeout=access.connect_timeout, control_connection_timeout=access.connect_timeout,
            idle_heartbeat_interval=HEARTBEAT, idle_heartbeat_timeout=HEARTBEAT,
            # The driver's own policy ends after 64 tries.
            reconnection_policy=ConstantReconnectionPolicy(RECONNECT, max_attempts=None),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile}, schema_metadata_enabled=False,
            monitor_reporting_enabled=False,
        )  # fmt: skip
        try:
            session = cluster.connect()
        except BaseException:
            cluster.shutdown()
            raise
        # Two nodes write the same rows: the order counts in which the servers see it, not what our clocks say.
        session.use_client_timestamp = False
        return cls(cluster, session)

    def prepare(self, text: str, consistency: int) -> Any:
        """Let the servers prepare a statement; blocks for the query timeout at most."""
        statement = self.session.prepare(text)
        statement.consistency_level = consistency
        return statement

    async def statement(self, text: str, consistency: int) -> Any:
        """A prepared statement; prepared once, however many ask for it at the same time."""
        found = self.prepared.get((text, consistency))
        if found is None:
            found = self.prepared[text, consistency] = in_thread(self.prepare, text, consistency)
            found.add_done_callback(lambda done: self.prepared.pop((text, consistency)) if done.exception() else None)
        return await asyncio.shield(found)

    async def run(self, statement: object, values: Sequence[object], seconds: float) -> list[Row]:
        """Execute a statement; all pages of its rows."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Row]] = loop.create_future()
        rows: list[Row] = []
        response = self.session.execute_async(statement, values, timeout=seconds)

        def answered(page: Sequence[Row] | None) -> None:
            rows.extend(page or ())
            if response.has_more_pages and not future.done():
                response.start_fetching_next_page()
            else:
                settle(loop, future, rows)

        response.add_callbacks(answered, lambda problem: settle(loop, future, problem))
        return await future

    def close(self) -> None:
        """Let go of all connections; blocks while the driver ends what it is at."""
        self.cluster.shutdown()
