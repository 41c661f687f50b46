"""Apache Cassandra 5.0: one node, user cassandra, password cassandra. A keyspace for each test."""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.live import until

from .jars import jars
from .program import Program, free_port

HERE: Final = Path(__file__).parent
OPENED: Final = ("jdk.internal.ref", "sun.nio.ch", "java.io")  # what Java 17 has to let Cassandra see
QUICKLY: Final = {"ring_delay_ms": 1000, "skip_wait_for_gossip_to_settle": 0, "superuser_setup_delay_ms": 0}


class Cassandra(Program):
    """`.query()` runs a statement beside whatever is tested."""

    user, password = "cassandra", "cassandra"
    patience = 90.0  # 6 s of CPU, and others may want theirs

    def __init__(self) -> None:
        super().__init__()
        self.storage_port = free_port()
        self.jars = jars("cassandra")
        self.cluster: Any = None
        self.session: Any = None

    def prepare(self) -> None:
        settings = (HERE / "cassandra.yaml").read_text("utf-8")
        settings = settings.format(folder=self.folder, host=self.host, port=self.port, storage_port=self.storage_port)
        (self.folder / "cassandra.yaml").write_text(settings, "utf-8")
        shutil.copy(HERE / "logback.xml", self.folder)

    def command(self) -> list[str]:
        return [
            "java",
            *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED),
            *("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"-Dcassandra.{name}={value}" for name, value in QUICKLY.items()),
            f"-Dcassandra.config=file://{self.folder}/cassandra.yaml",
            f"-Dcassandra.storagedir={self.folder}",
            *("-Dcassandra-foreground=yes", "-Dcassandra.shutdown_announce_in_ms=0"),
            *("-cp", f"{self.folder}:{self.jars}/*", "org.apache.cassandra.service.CassandraDaemon"),
        ]

    def answers(self) -> bool:
        return "Created default superuser role" in self.log() and super().answers()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement; its placeholders are %s. After a restart it waits until the driver is back, too."""
        from cassandra.cluster import NoHostAvailable

        if self.session is None:
            self.connect()
        rows: list[tuple[Any, ...]] = []

        def worked() -> bool:
            with contextlib.suppress(NoHostAvailable):
                rows[:] = [tuple(row) for row in self.session.execute(statement, values)]
                return True
            return False

        until(worked, self.patience, f"an answer of Cassandra to {statement}")
        return rows

    def connect(self) -> None:
        # Here and not above: the driver takes a while to load, and few tests want it.
        from cassandra.auth import PlainTextAuthProvider
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import ConstantReconnectionPolicy, RoundRobinPolicy

        profile = ExecutionProfile(RoundRobinPolicy(), request_timeout=20)
        self.cluster = Cluster(
            [self.host], self.port, auth_provider=PlainTextAuthProvider(self.user, self.password),
            protocol_version=5, execution_profiles={EXEC_PROFILE_DEFAULT: profile}, idle_heartbeat_interval=1,
            reconnection_policy=ConstantReconnectionPolicy(0.2, max_attempts=None), connect_timeout=5,
        )  # fmt: skip
        self.session = self.cluster.connect()

    def url(self, place: str, options: str = "", group: str = "") -> str:
        """`place` is keyspace.table."""
        name = f"cassandra:{group}" if group else "cassandra"
        return f"{name}://{self.user}:{self.password}@{self.host}:{self.port}/{place}{options}"

    def close(self) -> None:
        if self.cluster is not None:
            self.cluster.shutdown()
        super().close()


@pytest.fixture(scope="session")
def cassandra() -> Iterator[Cassandra]:
    """One for all tests: mark them `pytest.mark.xdist_group("cassandra")`. Leave it running and thawed."""
    with Cassandra.start() as server:
        yield server


@pytest.fixture
def keyspace(cassandra: Cassandra) -> str:
    """A keyspace of this test's own with the tables kv, counters, and the tutorial's userlocation.

    Nobody drops it: that takes longer than most tests.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    cassandra.query(f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
    cassandra.query(f"CREATE TABLE {name}.kv (opensipskey text PRIMARY KEY, opensipsval text)")
    cassandra.query(f"CREATE TABLE {name}.counters (opensipskey text PRIMARY KEY, opensipsval counter)")
    cassandra.query(f"CREATE TABLE {name}.userlocation (id text, aor text, home_ip text, PRIMARY KEY (id))")
    return name
