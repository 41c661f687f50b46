"""Sockets for other nodes in a real server: the attendant's, whoever that is, also on an address that is elsewhere."""

import os
import re
import signal
import socket
from collections.abc import Callable

import pytest

from pysips.core.bin_interface import Packet

from .conftest import Running

pytestmark = pytest.mark.scenario
MORE = """
loadmodule "proto_bin.so"
socket=bin:127.0.0.1:{port}
socket=bin:192.0.2.7:{port}
"""
PING = Packet(1, "clusterer-internal", 0, bytes(12)).encode()


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def answers_garbage(port: int) -> bool:
    """Whether somebody reads there: a packet leaves the connection open, what is none ends it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(PING)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        connection.sendall(b"no packet")
        try:
            return connection.recv(1) == b""
        except (TimeoutError, ConnectionResetError):
            return False


def holders(port: int, pids: list[int]) -> list[int]:
    """Which processes hold the listening socket of a port."""
    found = []
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    inodes = {row[9] for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == "0A"}
    for pid in pids:
        links = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
        if any(match and match[1] in inodes for match in (re.fullmatch(r"socket:\[(\d+)]", link) for link in links)):
            found.append(pid)
    return found


def test_the_attendant_reads_what_nodes_send_and_so_does_its_successor(server: Callable[..., Running]) -> None:
    port = free_port()
    running = server(MORE.format(port=port))
    *workers, attendant = running.children()
    assert holders(port, [*workers, attendant]) == [attendant]
    assert answers_garbage(port)
    assert f"listening on bin:127.0.0.1:{port}" in running.said()
    assert f"bin:192.0.2.7:{port}: this machine does not have the address now" in running.said()

    os.kill(attendant, signal.SIGKILL)
    running.until(lambda: len(running.children()) == 3 and attendant not in running.children())
    assert answers_garbage(port)
    assert running.ask()
    assert running.stop() == 0


def test_an_address_in_use_is_said_and_nothing_starts(server: Callable[..., Running]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        running = server(MORE.format(port=port), wait=False)
        assert running.process.wait(10) != 0
        assert f"cannot listen on bin:127.0.0.1:{port}: Address already in use" in running.said()
