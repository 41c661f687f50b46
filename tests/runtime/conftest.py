"""A real server on loopback sockets, for the tests that need processes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = """
log_level=3
socket=udp:127.0.0.1:{port}
socket=tcp:127.0.0.1:{port}
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
{more}
route {{
    {main}
    sl_send_reply(200, "OK");
    exit;
}}
"""
READY = "processes: supervisor"
MESSAGE = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{call}\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Running:
    """One server: its processes, its log, and somebody who asks."""

    def __init__(self, folder: Path, more: str, arguments: list[str], main: str = "") -> None:
        with socket.socket(socket.AF_INET) as trial:
            trial.bind(("127.0.0.1", 0))
            self.port = int(trial.getsockname()[1])
        self.script = folder / "opensips.cfg"
        self.script.write_text(SCRIPT.format(port=self.port, more=more, main=main))
        self.log = folder / "log"
        self.arguments = arguments
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        self.asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asker.bind(("127.0.0.1", 0))
        self.asker.settimeout(0.5)
        self.calls = 0
        self.process: subprocess.Popen[bytes]

    def start(self, wait: bool = True) -> None:
        before = self.said().count(READY)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pysips", "-f", str(self.script), "-o", "pysips_workers=2", *self.arguments],
                stderr=log, stdout=log, env=self.environment, start_new_session=True,
            )  # fmt: skip
        if wait:
            self.until(lambda: self.said().count(READY) > before or self.process.poll() is not None)
            assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.said()
            time.sleep(0.01)

    def children(self) -> list[int]:
        """Workers by slot, then the attendant, as they are now."""
        text = Path(f"/proc/{self.supervisor()}/task/{self.supervisor()}/children").read_text()
        return [int(word) for word in text.split()]

    def supervisor(self) -> int:
        found = re.findall(r"supervisor (\d+),", self.said())
        return int(found[-1])

    def workers(self) -> list[int]:
        found = re.findall(r"workers (\d+) (\d+),", self.said())
        return [int(pid) for pid in found[-1]]

    def ask(self) -> bool:
        """One OPTIONS over UDP: whether its 200 came."""
        self.calls += 1
        text = MESSAGE.format(transport="UDP", port=self.asker.getsockname()[1], call=f"u{self.calls}")
        self.asker.sendto(text.encode(), ("127.0.0.1", self.port))
        try:
            return self.asker.recv(4096).startswith(b"SIP/2.0 200")
        except TimeoutError:
            return False

    def ask_over(self, connection: socket.socket) -> bool:
        """The same over a TCP connection."""
        self.calls += 1
        text = MESSAGE.format(transport="TCP", port=connection.getsockname()[1], call=f"t{self.calls}")
        connection.sendall(text.encode())
        return connection.recv(4096).startswith(b"SIP/2.0 200")

    def dial(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(5)
        return connection

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def end(self) -> None:
        """As an operator would, so that its run-time folder goes; then the whole session, as a stopped worker stays."""
        self.asker.close()
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """`server(more, arguments)` starts one; it is ended after the test."""
    made: list[Running] = []

    def start(more: str = "", *arguments: str, wait: bool = True, main: str = "") -> Running:
        one = Running(tmp_path, more, list(arguments), main)
        made.append(one)
        one.start(wait)
        return one

    yield start
    for one in made:
        one.end()
