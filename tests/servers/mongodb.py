"""A server of MongoDB's protocol: mongo-java-server with its H2 file, which is written about once a second."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import until

from .jars import jars
from .program import Program

Document = dict[str, Any]


class MongoDb(Program):
    """`.client` looks at it beside whatever is tested."""

    def __init__(self) -> None:
        super().__init__()
        self.jars = jars("mongodb")
        import pymongo  # here and not above: it takes a while to load, and few tests want it

        self.client: pymongo.MongoClient[Document] = pymongo.MongoClient(
            self.host, self.port, serverSelectionTimeoutMS=5000, connect=False
        )

    def command(self) -> list[str]:
        quickly = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        one_by_one = "-Dio.netty.eventLoopThreads=1"  # a write beside createIndexes may fail: "Unknown error: null"
        where = [self.host, str(self.port), str(self.folder / "data")]
        return ["java", *quickly, one_by_one, "-cp", f"{self.jars}:{self.jars}/*", "Mongo", *where]

    def run(self) -> None:
        """Start, and let the client notice that connections of an earlier life are gone."""
        super().run()
        until(self.client_is_back, self.patience, "an answer of MongoDB")

    def client_is_back(self) -> bool:
        from pymongo.errors import AutoReconnect

        with contextlib.suppress(AutoReconnect):
            return bool(self.client.admin.command("ping")["ok"])
        return False

    def url(self, place: str, options: str = "", group: str = "") -> str:
        """`place` is database.collection."""
        name = f"mongodb:{group}" if group else "mongodb"
        return f"{name}://{self.host}:{self.port}/{place}{options}"

    def close(self) -> None:
        self.client.close()
        super().close()


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongoDb]:
    """One for all tests: mark them `pytest.mark.xdist_group("mongodb")`. Leave it running and thawed."""
    with MongoDb.start() as server:
        yield server


@pytest.fixture
def database(mongodb: MongoDb) -> str:
    """The name of a database of this test's own."""
    return f"test_{uuid.uuid4().hex[:12]}"
