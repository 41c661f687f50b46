"""MariaDB: a server of our own, user opensips, password opensipsrw; a database for each test."""

import os
import shutil
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pymysql
import pytest

from tests.packages import need

from .program import Program

USER: Final = "opensips"
PASSWORD: Final = "opensipsrw"


class MariaDb(Program):
    """`.query()` runs a statement beside whatever is tested, `.url(database)` is what a script names."""

    def __init__(self) -> None:
        self.program = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin") or "mariadbd"
        need(self.program)
        super().__init__()

    @property
    def owner(self) -> list[str]:
        """As root the server wants to be another user."""
        return ["--user=mysql"] if os.getuid() == 0 else []

    def prepare(self) -> None:
        self.folder.chmod(0o755)
        if os.getuid() == 0:
            self.give_to("mysql")
        self.do(
            "mariadb-install-db", "--no-defaults", *self.owner, f"--datadir={self.folder}/data",
            "--auth-root-authentication-method=normal", "--skip-test-db", f"--tmpdir={self.folder}",
        )  # fmt: skip
        if os.getuid() == 0:
            self.give_to("mysql")
        (self.folder / "users.sql").write_text(
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"CREATE USER {USER}@localhost IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO {USER}@'127.0.0.1';\nGRANT ALL ON *.* TO {USER}@localhost;\n",
            "utf-8",
        )

    def command(self) -> list[str]:
        # Only the first start has users to make; afterwards the file is gone.
        users = self.folder / "users.sql"
        return [
            self.program, "--no-defaults", *self.owner, f"--datadir={self.folder}/data", f"--socket={self.socket}",
            f"--tmpdir={self.folder}",
            f"--port={self.port}", f"--bind-address={self.host}", f"--pid-file={self.folder}/pid",
            "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--skip-log-bin", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2", "--performance-schema=OFF",
            *([f"--init-file={users}"] if users.exists() else []),
        ]  # fmt: skip

    @property
    def socket(self) -> str:
        return str(self.folder / "s.sock")

    def answers(self) -> bool:
        try:
            self.query("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        (self.folder / "users.sql").unlink(missing_ok=True)
        return True

    def query(self, statement: str, database: str = "") -> list[tuple[Any, ...]]:
        connection = pymysql.connect(
            host=self.host, port=self.port, user=USER, password=PASSWORD, database=database or None, autocommit=True,
            connect_timeout=5, read_timeout=5,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def url(self, database: str, options: str = "") -> str:
        return f"mysql://{USER}:{PASSWORD}@{self.host}:{self.port}/{database}{options}"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """One for all tests: mark them `pytest.mark.xdist_group("mariadb")`. Leave it running and thawed."""
    with MariaDb.start() as server:
        yield server


@pytest.fixture
def mysql_url(mariadb: MariaDb) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    mariadb.query(f"CREATE DATABASE {name}")
    yield mariadb.url(name)
    mariadb.query(f"DROP DATABASE {name}")
