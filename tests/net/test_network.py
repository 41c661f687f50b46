"""The way out picks the transport, and the sibling."""

import socket

from pysips.core.services import FAILED, SENT, Clock, Peer, Receiver, Socket, Watcher
from pysips.core.stats import Statistics
from pysips.net.endpoint import open_one
from pysips.net.network import WorkerNetwork, udp_of
from pysips.net.udp import UdpCounters


class Lines:
    def __init__(self) -> None:
        self.said: list[tuple[int, bytes, Peer]] = []

    def message(self, seat: int, data: bytes, peer: Peer) -> None:
        self.said.append((seat, data, peer))


class Streams:
    """Stands for tcp.py."""

    def __init__(self) -> None:
        self.said: list[tuple[object, ...]] = []

    def send(self, data: bytes, peer: Peer, watcher: Watcher | None) -> int:
        self.said.append(("send", data))
        return SENT

    def close(self, connection: int) -> bool:
        self.said.append(("close", connection))
        return True

    def keep(self, connection: int, seconds: int) -> None:
        self.said.append(("keep", connection, seconds))


def made(streams: Streams | None) -> tuple[WorkerNetwork, list[Socket], list[socket.socket], Lines]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    wheres = [Socket(0, "tcp", "127.0.0.1", port), Socket(1, "udp", "127.0.0.1", port)]
    socks = [open_one(where, False, 5) for where in wheres]
    named = Statistics()
    counters = UdpCounters(*[named.counter("net", name) for name in ("dropped", "failed", "unreachable")])
    lines = Lines()
    network = WorkerNetwork(udp_of(wheres, socks, Receiver(), Clock(), counters), streams, lines, Clock())  # type: ignore[arg-type]
    return network, wheres, socks, lines


def test_each_transport_has_its_own_way() -> None:
    streams = Streams()
    network, wheres, socks, _ = made(streams)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        assert network.send(b"udp", Peer("udp", "127.0.0.1", peer.getsockname()[1], wheres[1])) == SENT
        data, source = peer.recvfrom(100)
    assert (data, source[1]) == (b"udp", wheres[1].port)
    assert network.send(b"tcp", Peer("tcp", "127.0.0.1", 9, wheres[0])) == SENT
    assert network.close(5)
    network.keep(5, 60)
    assert streams.said == [("send", b"tcp"), ("close", 5), ("keep", 5, 60)]
    for sock in socks:
        sock.close()


def test_without_a_socket_of_that_transport_nothing_is_sent() -> None:
    network, wheres, socks, _ = made(None)
    assert network.send(b"x", Peer("udp", "127.0.0.1", 9, wheres[0])) == FAILED
    assert network.send(b"x", Peer("tcp", "127.0.0.1", 9, wheres[0])) == FAILED
    assert not network.close(5)
    network.keep(5, 60)
    for sock in socks:
        sock.close()


def test_what_is_a_siblings_is_handed_over() -> None:
    network, wheres, socks, lines = made(None)
    peer = Peer("udp", "127.0.0.1", 9, wheres[1])
    network.pass_on(3, b"INVITE", peer)
    assert lines.said == [(3, b"INVITE", peer)]
    for sock in socks:
        sock.close()
