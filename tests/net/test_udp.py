"""Datagrams in and out, and what the network says of those that did not arrive."""

import socket
from collections.abc import Iterator

import pytest

from pysips.core.services import FAILED, SENT, Peer, Receiver, Socket
from pysips.core.stats import Statistics
from pysips.net.endpoint import open_slots
from pysips.net.udp import LONGEST, MOST, MOST_KNOWN, Udp, UdpCounters
from pysips.testing.fakes import FakeClock


class Heard(Receiver):
    """Keeps what came."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Peer]] = []
        self.gone: list[tuple[str, int]] = []
        self.fails = False

    def receive(self, data: bytes, peer: Peer) -> None:
        if self.fails:
            raise RuntimeError("a fault of ours")
        self.messages.append((data, peer))

    def unreachable(self, proto: str, host: str, port: int) -> None:
        self.gone.append((host, port))


class Ends:
    """A socket of ours and a peer, over IPv4 or IPv6."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.peer = socket.socket(family, socket.SOCK_DGRAM)
        self.peer.bind((host, 0))
        self.peer.settimeout(5)
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((host, 0))
            port = trial.getsockname()[1]
        where = Socket(0, "udp", host, port)
        self.ours = open_slots(where, 1)[0]
        self.heard = Heard()
        named = Statistics()
        counters = [named.counter("udp", name) for name in ("dropped", "failed", "unreachable")]
        self.clock = FakeClock()
        self.udp = Udp(self.ours, where, self.heard, self.clock, UdpCounters(*counters))
        self.host, self.port = host, int(self.peer.getsockname()[1])

    def said(self, *data: bytes) -> None:
        for one in data:
            self.peer.sendto(one, self.ours.getsockname())

    def closed_port(self) -> int:
        with socket.socket(self.ours.family, socket.SOCK_DGRAM) as trial:
            trial.bind((self.host, 0))
            return int(trial.getsockname()[1])


@pytest.fixture(params=["127.0.0.1", "::1"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = Ends(request.param)
    yield made
    made.peer.close()
    made.ours.close()


def test_a_datagram_comes_in_with_its_peer(ends: Ends) -> None:
    ends.said(b"OPTIONS", b"")
    ends.udp.take()
    ends.udp.take()
    assert [data for data, _ in ends.heard.messages] == [b"OPTIONS", b""]
    peer = ends.heard.messages[0][1]
    assert (peer.proto, peer.host, peer.port, peer.connection) == ("udp", ends.host, ends.port, 0)
    assert peer.socket is ends.udp.where


def test_a_datagram_of_the_largest_size_is_whole(ends: Ends) -> None:
    data = b"x" * 65_507
    ends.said(data)
    ends.udp.take()
    assert ends.heard.messages[0][0] == data


def test_all_that_is_there_is_taken_up_to_a_limit(ends: Ends) -> None:
    ends.said(*[b"x"] * (MOST + 5))
    ends.udp.take()
    assert len(ends.heard.messages) == MOST
    ends.udp.take()
    assert len(ends.heard.messages) == MOST + 5


class Answering(Heard):
    """Answers each message with itself, and keeps what `send` said."""

    def __init__(self, ends: Ends) -> None:
        super().__init__()
        self.ends = ends
        self.sent: list[int] = []
        self.waiting: list[int] = []  # answers that waited after each message
        ends.udp.receiver = self

    def receive(self, data: bytes, peer: Peer) -> None:
        super().receive(data, peer)
        self.sent.append(self.ends.udp.send(data, peer.host, peer.port))
        self.waiting.append(len(self.ends.udp.out))


def test_an_answer_does_not_wait_for_a_slow_script(ends: Ends) -> None:
    class Slow(Answering):
        def receive(self, data: bytes, peer: Peer) -> None:
            super().receive(data, peer)
            ends.clock.advance(LONGEST * 2 / 3)

    answering = Slow(ends)
    ends.said(b"a", b"b", b"c", b"d", b"e")
    ends.udp.take()
    assert answering.waiting == [0, 1, 1, 2, 1]
    assert [ends.peer.recv(100) for _ in range(5)] == [b"a", b"b", b"c", b"d", b"e"]


def test_answers_to_a_known_peer_go_out_when_all_is_served(ends: Ends) -> None:
    answering = Answering(ends)
    ends.said(b"a", b"b", b"c")
    ends.udp.take()
    assert answering.waiting == [0, 1, 2], "the first went out at once: nobody knew this peer"
    assert [ends.peer.recv(100) for _ in range(3)] == [b"a", b"b", b"c"]
    ends.said(b"d")
    ends.udp.take()
    assert ends.peer.recv(100) == b"d"
    assert answering.sent == [SENT] * 4 and not ends.udp.out


def test_known_peers_are_so_many_at_most(ends: Ends) -> None:
    Answering(ends)
    ends.udp.known = {("192.0.2.1", number) for number in range(MOST_KNOWN)}
    ends.said(b"a")
    ends.udp.take()
    assert ends.udp.known == {(ends.host, ends.port)}


def test_what_is_refused_later_is_told_as_if_the_network_had_said_it(ends: Ends) -> None:
    answering = Answering(ends)
    nowhere = ("2001:db8::1" if ends.host == "127.0.0.1" else "192.0.2.1", 5060)  # of the other family
    ends.udp.known.add(nowhere)
    ends.udp.taking = True
    assert ends.udp.send(b"x", *nowhere) == SENT
    ends.said(b"a")
    ends.udp.take()
    assert answering.gone == [nowhere]
    assert nowhere not in ends.udp.known and ends.udp.counters.failed.get() == 1
    assert ends.peer.recv(100) == b"a", "the others go out"


def test_a_message_that_we_fail_on_does_not_stop_the_next(ends: Ends) -> None:
    ends.heard.fails = True
    ends.said(b"bad")
    ends.udp.take()
    ends.heard.fails = False
    ends.said(b"good")
    ends.udp.take()
    assert [data for data, _ in ends.heard.messages] == [b"good"]


def test_sending(ends: Ends) -> None:
    assert ends.udp.send(b"hello", ends.host, ends.port) == SENT
    assert ends.peer.recv(100) == b"hello"


def test_a_closed_port_is_told_and_does_not_harm_the_next_send(ends: Ends) -> None:
    closed = ends.closed_port()
    assert ends.udp.send(b"anybody?", ends.host, closed) == SENT
    assert ends.udp.send(b"hello", ends.host, ends.port) == SENT
    assert ends.peer.recv(100) == b"hello"
    ends.udp.errors()
    assert ends.heard.gone == [(ends.host, closed)]
    assert ends.udp.counters.unreachable.get() == 1


def test_siblings_hear_of_a_closed_port_since_the_error_may_belong_to_them(ends: Ends) -> None:
    told: list[tuple[str, str, int]] = []
    ends.udp.siblings = lambda proto, host, port: told.append((proto, host, port))
    closed = ends.closed_port()
    assert ends.udp.send(b"anybody?", ends.host, closed) == SENT
    ends.udp.errors()
    assert told == [("udp", ends.host, closed)]


def test_a_closed_port_is_told_when_receiving_too(ends: Ends) -> None:
    closed = ends.closed_port()
    ends.udp.send(b"anybody?", ends.host, closed)
    ends.said(b"hello")
    ends.udp.take()
    ends.udp.take()
    assert ends.heard.gone == [(ends.host, closed)]
    assert [data for data, _ in ends.heard.messages] == [b"hello"]


@pytest.mark.parametrize("host, port", [("127.0.0.1", 70_000), ("2001:db8::1", 5060), ("127.0.0.1", 0)])
def test_what_the_system_refuses_is_failed_and_counted(host: str, port: int) -> None:
    ends = Ends("127.0.0.1")
    assert ends.udp.send(b"x", host, port) == FAILED
    assert ends.udp.counters.failed.get() == 1
    ends.peer.close()
    ends.ours.close()


def test_a_message_too_large_for_a_datagram_is_failed(ends: Ends) -> None:
    assert ends.udp.send(b"x" * 70_000, ends.host, ends.port) == FAILED


def test_who_answers_an_error_by_sending_is_not_called_again_inside(ends: Ends) -> None:
    depth = deepest = 0

    class Answers(Heard):
        def unreachable(self, proto: str, host: str, port: int) -> None:
            nonlocal depth, deepest
            depth += 1
            deepest = max(deepest, depth)
            super().unreachable(proto, host, port)
            if len(self.gone) < 50:
                ends.udp.send(b"next", ends.host, ports[len(self.gone) % len(ports)])
            depth -= 1

    ports = [ends.closed_port() for _ in range(8)]
    ends.udp.receiver = heard = Answers()
    for port in ports:
        ends.udp.send(b"first", ends.host, port)
    for _ in range(3):
        ends.udp.take()
    assert len(heard.gone) >= 50
    assert deepest == 1
