"""What every test may ask for: a running server, and Debian's programs by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.live import ACCOUNTS, Server, make_accounts
from tests.own_network import leave_the_network
from tests.packages import need

pytest_plugins = [
    "tests.servers.cassandra",
    "tests.servers.mariadb",
    "tests.servers.mongodb",
    "tests.servers.postgres",
    "tests.servers.redis",
]

# A busy machine is no defect: what takes too long is for tests of time. With CI=true hypothesis also stays at one seed.
hypothesis.settings.register_profile("patient", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--own-network", action="store_true", help="root: each of xdist's processes has a loopback of its own"
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program): skipped where Debian's program is not installed, never in CI")
    if config.getoption("--own-network") and hasattr(config, "workerinput"):
        leave_the_network()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        need(mark.args[0])


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`serve(script, *options)` starts a server; all of them end with the test, and none may have left a traceback.

    opensips.cfg.example names a pipe in /tmp and a file of accounts: both are in the test's folder, as other servers
    may run meanwhile. Every account's password is `tests.live.PASSWORD`.
    """
    servers: list[Server] = []

    def start(script: str, *options: str, port: int = 5060) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        script = script.replace("/tmp/opensips_fifo", "{folder}/opensips_fifo")
        if ACCOUNTS in script:
            script = script.replace(ACCOUNTS, f"sqlite://{make_accounts(folder)}")
        servers.append(Server(script, folder, *options, port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        assert "Traceback" not in server.log(), server.log()[-6000:]
