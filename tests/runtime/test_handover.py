"""What one process hands to another arrives whole, in order, or is told to have failed."""

from collections.abc import Callable, Iterator

import pytest

from pysips.core.services import PENDING, Peer, Receiver, Socket
from pysips.core.stats import Statistics
from pysips.runtime.handover import AT_ONCE_BYTES, HEAD, LARGEST, MOST_MESSAGES, PACKET, Handover, Mailboxes
from pysips.runtime.wheel import Wheel
from pysips.testing.fakes import FakeWatcher

SOCKETS = [Socket(0, "udp", "127.0.0.1", 5060), Socket(1, "tcp", "2001:db8::1", 5061)]


class Heard(Receiver):
    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Peer]] = []

    def handed(self, data: bytes, peer: Peer) -> None:
        if data == b"trouble":
            raise RuntimeError("a fault of ours")
        self.messages.append((data, peer))

    def unreachable(self, proto: str, host: str, port: int) -> None:
        self.gone = (proto, host, port)


class Lines:
    """Connections of one process."""

    def __init__(self) -> None:
        self.there = {7}
        self.sent: list[tuple[int, bytes]] = []

    def send_on(self, connection: int, data: bytes) -> bool:
        self.sent.append((connection, data))
        return connection in self.there

    def close(self, connection: int) -> bool:
        self.there.discard(connection)
        return True

    def keep(self, connection: int, seconds: int) -> None:
        self.kept = (connection, seconds)

    def alias(self, connection: int, port: int) -> bool:
        self.aliased = (connection, port)
        return True


class Process:
    def __init__(self, boxes: Mailboxes, seat: int) -> None:
        self.wheel = Wheel()
        self.dropped = Statistics().counter("handover", "dropped")
        self.line = Handover(boxes, seat, SOCKETS, self.wheel, self.dropped)
        self.line.receiver = self.heard = Heard()
        self.line.connections = self.connections = Lines()

    def read_all(self) -> None:
        """As many rounds as there is something to read."""
        before = -1
        while before < len(self.heard.messages):
            before = len(self.heard.messages)
            self.line.take()


@pytest.fixture
def boxes() -> Iterator[Mailboxes]:
    made = Mailboxes(2)
    yield made
    for one in made.readers + made.writers:
        one.close()


@pytest.fixture
def pair(boxes: Mailboxes) -> tuple[Process, Process]:
    return Process(boxes, 0), Process(boxes, 1)


def test_a_message_arrives_with_its_peer(pair: tuple[Process, Process]) -> None:
    one, other = pair
    one.line.message(1, b"INVITE \xff\x00", Peer("tcp", "2001:db8::7", 65535, SOCKETS[1], (1 << 62) + 3))
    one.line.message(1, b"", Peer("udp", "10.0.0.1", 1, SOCKETS[0]))
    assert other.heard.messages == []
    one.line.flush()
    other.line.take()
    (data, peer), (empty, plain) = other.heard.messages
    assert (data, peer.proto, peer.host, peer.port) == (b"INVITE \xff\x00", "tcp", "2001:db8::7", 65535)
    assert (peer.socket, peer.connection) == (SOCKETS[1], (1 << 62) + 3)
    assert (empty, repr(plain), plain.connection) == (b"", "udp:10.0.0.1:1", 0)


def test_many_messages_arrive_in_order(pair: tuple[Process, Process]) -> None:
    one, other = pair
    peer = Peer("udp", "10.0.0.1", 5060, SOCKETS[0])
    sent = [b"%d" % number * (number % 700) for number in range(2000)]
    for data in sent:
        one.line.message(1, data, peer)
    while one.line.waiting:
        one.line.flush()
        other.line.take()
    other.read_all()
    assert [data for data, _ in other.heard.messages] == sent
    assert one.dropped.get() == 0


def test_the_largest_datagram_arrives(pair: tuple[Process, Process]) -> None:
    one, other = pair
    data = b"x" * 65_507
    one.line.message(1, data, Peer("udp", "10.0.0.1", 5060, SOCKETS[0]))
    one.line.message(1, b"next", Peer("udp", "10.0.0.1", 5060, SOCKETS[0]))
    one.line.flush()
    other.line.take()
    assert [len(got) for got, _ in other.heard.messages] == [65_507, 4]


def test_a_message_that_we_fail_on_does_not_take_others_along(pair: tuple[Process, Process]) -> None:
    one, other = pair
    peer = Peer("udp", "10.0.0.1", 5060, SOCKETS[0])
    for data in (b"trouble", b"fine"):
        one.line.message(1, data, peer)
    one.line.flush()
    other.line.take()
    assert [data for data, _ in other.heard.messages] == [b"fine"]


def test_what_is_queued_waits_for_whoever_comes_to_the_seat(boxes: Mailboxes, pair: tuple[Process, Process]) -> None:
    one, _ = pair
    for number in range(100):
        one.line.message(1, b"%d" % number, Peer("udp", "10.0.0.1", 5060, SOCKETS[0]))
        one.line.flush()
    replacement = Process(boxes, 1)
    for _ in range(10):
        replacement.line.take()
    assert len(replacement.heard.messages) == 100


def test_a_sibling_that_does_not_keep_up_loses_messages_and_not_memory(pair: tuple[Process, Process]) -> None:
    one, other = pair
    data = b"x" * 50_000
    for _ in range(500):
        one.line.message(1, data, Peer("udp", "10.0.0.1", 5060, SOCKETS[0]))
        one.line.flush()
    assert one.dropped.get() > 0
    assert one.line.outboxes[1].held <= MOST_MESSAGES + PACKET
    while one.line.waiting:
        other.line.take()
        one.line.flush()
    other.read_all()
    assert len(other.heard.messages) == 500 - one.dropped.get()


def test_a_backlog_is_read_in_pieces_so_that_sockets_and_timers_have_their_turns(
    pair: tuple[Process, Process],
) -> None:
    one, other = pair
    for number in range(1000):
        one.line.message(1, b"%d" % number + b"x" * 1000, Peer("udp", "10.0.0.1", 5060, SOCKETS[0]))
    one.line.flush()
    other.line.take()
    assert 0 < len(other.heard.messages) <= (AT_ONCE_BYTES + PACKET) // 1000
    other.read_all()
    assert len(other.heard.messages) == 1000


def test_bytes_for_a_siblings_connection_are_sent_or_said_to_have_failed(pair: tuple[Process, Process]) -> None:
    one, other = pair
    well, ill = FakeWatcher(), FakeWatcher()
    assert one.line.send(1, 7, b"200 OK", well) == PENDING
    assert one.line.send(1, 8, b"200 OK", ill) == PENDING
    assert one.line.send(1, 9, b"nobody asks", None) == PENDING
    one.line.flush()
    other.line.take()
    other.line.flush()
    one.line.take()
    assert other.connections.sent == [(7, b"200 OK"), (8, b"200 OK"), (9, b"nobody asks")]
    assert (well.failures, ill.failures) == (0, 1)
    one.wheel.advance(100)
    assert (well.failures, ill.failures, one.line.asked) == (0, 1, {})


def test_a_sibling_that_is_silent_has_failed_within_a_second_and_no_earlier(pair: tuple[Process, Process]) -> None:
    one, other = pair
    worried = FakeWatcher()
    one.line.send(1, 7, b"200 OK", worried)
    one.line.flush()
    one.wheel.advance(20)
    assert worried.failures == 0
    one.wheel.advance(23)
    assert worried.failures == 1
    other.line.take()
    other.line.flush()
    one.line.take()
    assert worried.failures == 1


def test_a_siblings_connection_can_be_closed(pair: tuple[Process, Process]) -> None:
    one, other = pair
    one.line.close_at(1, 7)
    one.line.flush()
    other.line.take()
    assert other.connections.there == set()


def test_a_broken_connection_is_told_to_siblings(pair: tuple[Process, Process]) -> None:
    one, other = pair
    one.line.gone("tcp", "2001:db8::1", 5061)
    one.line.flush()
    other.line.take()
    assert other.heard.gone == ("tcp", "2001:db8::1", 5061)
    assert not hasattr(one.heard, "gone")


def test_a_siblings_connection_can_be_kept(pair: tuple[Process, Process]) -> None:
    one, other = pair
    one.line.keep_at(1, 7, 3600)
    one.line.flush()
    other.line.take()
    assert other.connections.kept == (7, 3600)


def test_a_siblings_connection_gets_another_port(pair: tuple[Process, Process]) -> None:
    one, other = pair
    one.line.alias_at(1, 7, 5099)
    one.line.flush()
    other.line.take()
    assert other.connections.aliased == (7, 5099)


@pytest.mark.parametrize("size", [0, 1, PACKET, PACKET + 1, 1_000_000])
def test_a_command_of_any_size_is_answered(pair: tuple[Process, Process], size: int) -> None:
    one, other = pair
    text = "ä" * (size // 2)

    def echo(command: str, answer: Callable[[str], None]) -> None:
        answer(command + "!")

    other.line.commands = echo
    promise = one.line.ask(1, text, 2.0)
    for _ in range(20):
        one.line.flush()
        other.line.take()
        other.line.flush()
        one.line.take()
    assert promise.done
    assert promise.value == text + "!"
    assert one.line.asked == {}


def test_a_command_that_nobody_answers_in_time_brings_nothing(pair: tuple[Process, Process]) -> None:
    one, _ = pair
    promise = one.line.ask(1, "ps", 2.0)
    one.wheel.advance(41)
    assert not promise.done
    one.wheel.advance(43)
    assert promise.done
    assert promise.value is None


def test_a_frame_larger_than_a_packet_is_refused(pair: tuple[Process, Process]) -> None:
    one, _ = pair
    one.line.message(1, b"x" * (LARGEST - HEAD.size), Peer("udp", "10.0.0.1", 5060, SOCKETS[0]))
    assert one.dropped.get() == 1
