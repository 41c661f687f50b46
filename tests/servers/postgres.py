"""PostgreSQL: a server of our own, user opensips, password opensipsrw; a database for each test."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.bench.accounting import family
from tests.packages import PACKAGES, missing

from .program import Program

USER: Final = "opensips"
PASSWORD: Final = "opensipsrw"


def binaries() -> Path:
    """Debian keeps the server's programs out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        missing(f"postgres is missing: apt-get install {PACKAGES['pg_ctlcluster']}")
    return found[-1].parent


class Postgres(Program):
    """`.query()` runs a statement beside whatever is tested, `.url(database)` is what a script names."""

    def __init__(self) -> None:
        self.binaries = binaries()
        super().__init__()

    @property
    def other_user(self) -> list[str]:
        """The server refuses to be root."""
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []

    def prepare(self) -> None:
        self.folder.chmod(0o755)
        password = self.folder / "password"
        password.write_text(PASSWORD, "utf-8")
        if os.getuid() == 0:
            self.give_to("postgres")
        self.do(
            *self.other_user, str(self.binaries / "initdb"), "-D", f"{self.folder}/data", "-U", USER,
            "-A", "scram-sha-256", f"--pwfile={password}", "-N", "--locale=C.UTF-8",
        )  # fmt: skip

    def command(self) -> list[str]:
        return [
            *self.other_user, str(self.binaries / "postgres"), "-D", f"{self.folder}/data", "-k", str(self.folder),
            "-p", str(self.port), "-h", "127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            self.query("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """At once and in order: SIGTERM would wait for clients."""
        self.end(signal.SIGINT)

    def end(self, how: signal.Signals) -> None:
        """With the processes that serve a client each: they outlive the first one's kill for a moment."""
        if self.process is not None and how == signal.SIGKILL:
            self.signal(signal.SIGKILL)
        super().end(how)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, what: signal.Signals) -> None:
        """To all its processes: each client has one of its own."""
        assert self.process is not None
        for pid in family(self.process.pid):
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass  # a client has just gone

    def query(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str, options: str = "") -> str:
        return f"postgres://{USER}:{PASSWORD}@{self.host}:{self.port}/{database}{options}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One for all tests: mark them `pytest.mark.xdist_group("postgres")`. Leave it running and thawed."""
    with Postgres.start() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.query(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.query(f"DROP DATABASE {name} WITH (FORCE)")
