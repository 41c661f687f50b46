"""What waits in our sockets, as the kernel tells it."""

import socket
from pathlib import Path

import pytest

from pysips.core.services import Socket
from pysips.net.endpoint import open_one
from pysips.net.waiting import host_of, waiting


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_nobody_has_read_is_counted(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.bind((host, 0))
        port = trial.getsockname()[1]
    where = Socket(0, "udp", host, port)
    with open_one(where, False, 5) as ours, socket.socket(family, socket.SOCK_DGRAM) as peer:
        assert waiting([where], "udp") == 0
        peer.sendto(b"x" * 1000, (host, port))
        assert waiting([where], "udp") >= 1000
        assert waiting([where], "tcp") == waiting([], "udp") == 0
        ours.recv(2000)
        assert waiting([where], "udp") == 0


def test_connections_count_and_those_that_wait_to_be_taken_do_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = Socket(0, "tcp", "127.0.0.1", listener.getsockname()[1])
        with socket.create_connection(listener.getsockname()) as peer:
            assert waiting([where], "tcp") == 0
            made, _ = listener.accept()
            with made:
                peer.sendall(b"hello")
                made.recv(5, socket.MSG_PEEK)
                assert waiting([where], "tcp") == 5


def test_a_kernel_that_tells_nothing_is_no_failure(tmp_path: Path) -> None:
    assert waiting([Socket(0, "udp", "127.0.0.1", 5060)], "udp", tmp_path) == 0


def test_addresses_as_the_kernel_writes_them() -> None:
    assert host_of("0100007F") == "127.0.0.1"
    assert host_of("B80D0120000000000000000001000000") == "2001:db8::1"
