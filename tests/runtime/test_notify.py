"""What the service manager hears: readiness, reloads, signs of life, the end."""

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pysips.runtime.notify import Notifier

from .conftest import Running


class Manager:
    """A socket as systemd has one. said: what came, variable by variable."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.socket.settimeout(10)

    def heard(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def heard_until(self, name: str) -> dict[str, str]:
        while name not in (said := self.heard()):
            continue
        return said


@pytest.fixture
def manager(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Manager]:
    made = Manager(getattr(request, "param", str(tmp_path / "notify")))
    yield made
    made.socket.close()


@pytest.mark.parametrize("manager", ["@pysips-test-of-notify"], indirect=True)
def test_an_abstract_socket_is_one_too(manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": "@pysips-test-of-notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
    notifier = Notifier(environment)
    assert environment == {}, "what we start does not speak in our name"
    notifier.alive()
    notifier.stopping()
    assert manager.heard() == {"STOPPING": "1"}, "a watchdog that is meant for another process is not fed"
    notifier.close()
    notifier.stopping()


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/socket"])
def test_without_a_service_manager_nothing_is_said(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    notifier.ready("x")
    notifier.alive()
    assert notifier.socket is None


@pytest.mark.scenario
def test_a_server_tells_of_its_life(
    server: Callable[..., Running], manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "5000000")
    running = server()
    said = manager.heard()
    assert said["READY"] == "1" and int(said["MAINPID"]) == running.supervisor()
    assert manager.heard() == {"WATCHDOG": "1"}
    running.process.send_signal(signal.SIGUSR2)
    assert "MONOTONIC_USEC" in manager.heard_until("RELOADING")
    again = manager.heard_until("READY")
    assert again["MAINPID"] == said["MAINPID"] and "workers run" in again["STATUS"], "restarted, as the same process"
    assert manager.heard_until("WATCHDOG") == {"WATCHDOG": "1"}
    running.process.send_signal(signal.SIGTERM)
    assert manager.heard_until("STOPPING") == {"STOPPING": "1"}
    assert running.process.wait(10) == 0
