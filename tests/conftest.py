"""What every test may ask for: a running server, and Debian's programs by name."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import Server

PACKAGES = dict(
    line.split()[1::-1]
    for line in (Path(__file__).parent / "debian-packages").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program): skipped where Debian's program is not installed, never in CI")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        program = mark.args[0]
        if shutil.which(program) is None:
            reason = f"{program} is missing: apt-get install {PACKAGES[program]}"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`serve(script, *options)` starts a server; all of them end with the test, and none may have left a traceback."""
    servers: list[Server] = []

    def start(script: str, *options: str, port: int = 5060) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        servers.append(Server(script, folder, *options, port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        assert "Traceback" not in server.log(), server.log()[-6000:]
