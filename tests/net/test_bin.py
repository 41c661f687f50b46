"""Connections between nodes: opened by who has something to say, limited, and nobody waits for one that is gone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from functools import partial

import pytest

from pysips.core.bin_interface import Packet
from pysips.core.bin_transport import BinTransport
from pysips.core.services import Socket
from pysips.core.stats import Statistics
from pysips.net.bin import Bin, BinCounters, BinSettings
from pysips.net.endpoint import open_one
from pysips.testing.fakes import FakeClock
from tests.net.tcp_world import free_port, until

PACKET = Packet(1, "clusterer-internal", 0, b"hello")
LARGE = Packet(1, "clusterer-extra", 11, bytes(60_000))


class NodeAt:
    """A node's connections, with one listening socket; heard: what came, with the peer's host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.settings = BinSettings()
        self.time = FakeClock()
        self.transport = BinTransport()
        named = Statistics()
        self.counters = BinCounters(*[named.counter("bin", name) for name in ("open", "refused", "failed")])
        self.bin = Bin(
            asyncio.get_running_loop(), self.transport, self.settings, self.time.timers, self.time, self.counters
        )
        self.transport.carrier = self.bin
        self.transport.receiver = self.hear
        self.where = Socket(0, "bin", host, free_port(host))
        self.listener = open_one(self.where, False, 50)
        self.bin.listening.listen(self.listener, self.where)
        self.heard: list[tuple[str, Packet]] = []
        self.connections: list[object] = []
        self.failures = 0

    @property
    def port(self) -> int:
        return self.where.port

    def hear(self, host: str, connection: object, packet: Packet) -> None:
        self.heard.append((host, packet))
        self.connections.append(connection)

    def fail(self) -> None:
        self.failures += 1

    def send(self, other: "NodeAt", packet: Packet = PACKET) -> None:
        self.transport.send(self.host, other.host, other.port, packet.encode(), self.fail)

    async def received(self, count: int) -> list[Packet]:
        await until(lambda: len(self.heard) >= count)
        return [packet for _, packet in self.heard]

    def close(self) -> None:
        self.bin.close_all()
        self.listener.close()


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[NodeAt, NodeAt]]:
    """Two nodes with addresses of their own."""
    made = NodeAt("127.0.0.1"), NodeAt("127.0.0.2")
    yield made
    for one in made:
        one.close()


@pytest.fixture
async def node() -> AsyncIterator[NodeAt]:
    made = NodeAt("127.0.0.1")
    yield made
    made.close()


async def dial(node: NodeAt) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of somebody else."""
    before = len(node.bin.accepted) + node.counters.refused.get()
    reader, writer = await asyncio.open_connection(node.host, node.port)
    await until(lambda: len(node.bin.accepted) + node.counters.refused.get() > before)
    return reader, writer


async def silent_peer(host: str) -> tuple[socket.socket, int]:
    """Somebody who listens, and never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((host, 0))
    sock.listen(5)
    return sock, sock.getsockname()[1]


async def test_a_node_sends_from_its_own_address_on_one_connection_and_in_order(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    packets = [Packet(1, "c", number, b"") for number in range(50)]
    for packet in packets:
        one.send(two, packet)
    assert await two.received(50) == packets
    assert {host for host, _ in two.heard} == {"127.0.0.1"}
    assert len(one.bin.opened) == len(two.bin.accepted) == 1
    assert one.failures == 0


async def test_each_node_opens_a_connection_of_its_own(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    one.send(two)
    await two.received(1)
    two.send(one)
    await one.received(1)
    assert [len(node.bin.opened) for node in nodes] == [1, 1]
    assert [len(node.bin.accepted) for node in nodes] == [1, 1]
    assert one.counters.open.get() == 2


async def test_ipv6_and_ipv4_alike() -> None:
    one, two = NodeAt("::1"), NodeAt("::1")
    one.send(two)
    assert await two.received(1) == [PACKET]
    assert two.heard[0][0] == "::1"
    one.close()
    two.close()


async def test_an_answer_goes_back_on_the_connection_that_the_packet_came_on(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    one.send(two)
    await two.received(1)
    answer = Packet(1, "clusterer-internal", 4, b"unknown")
    assert two.transport.reply(two.connections[0], answer.encode())
    assert await one.received(1) == [answer]
    assert not two.bin.opened
    one.close()
    await until(lambda: not two.bin.accepted)
    assert not two.transport.reply(two.connections[0], answer.encode())


async def test_large_packets_arrive_whole_and_in_order(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    two.settings.pieces = 10_000
    packets = [Packet(1, "c", number, bytes(60_000)) for number in range(100)]
    for packet in packets:
        one.send(two, packet)
    assert one.transport.waiting(one.host, two.host, two.port) > 0
    assert await two.received(100) == packets
    assert one.transport.waiting(one.host, two.host, two.port) == 0
    assert one.failures == 0


async def test_where_nobody_listens_every_sender_hears_of_it_but_not_while_it_sends(node: NodeAt) -> None:
    port = free_port("127.0.0.3")
    for _ in range(3):
        node.transport.send(node.host, "127.0.0.3", port, PACKET.encode(), node.fail)
        assert node.failures == 0
    await until(lambda: node.failures == 3)
    assert not node.bin.opened
    assert node.counters.failed.get() >= 1
    assert node.counters.open.get() == 0


async def test_an_address_that_is_not_ours_fails_at_once(node: NodeAt) -> None:
    node.transport.send("192.0.2.1", node.host, node.port, PACKET.encode(), node.fail)
    await until(lambda: node.failures == 1)
    node.transport.send("no address", node.host, node.port, PACKET.encode(), node.fail)
    await until(lambda: node.failures == 2)


async def test_failures_are_told_in_the_order_of_sending(node: NodeAt) -> None:
    port = free_port("127.0.0.3")
    told: list[int] = []
    for number in range(5):
        node.transport.send(node.host, "127.0.0.3", port, PACKET.encode(), partial(told.append, number))
    await until(lambda: len(told) == 5)
    assert told == [0, 1, 2, 3, 4]


async def test_a_peer_that_came_back_is_connected_to_anew(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    one.send(two)
    await two.received(1)
    for link in list(two.bin.accepted):
        link.end("it was killed")
    await until(lambda: not one.bin.opened)
    assert one.failures == 0
    one.send(two)
    assert len(await two.received(2)) == 2


async def test_a_connect_without_an_answer_ends_in_time_and_what_waited_fails(
    node: NodeAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = socket.socketpair()
    pair[0].setblocking(False)
    monkeypatch.setattr("pysips.net.bin.begin_connect", lambda source, host, port: pair[0])
    monkeypatch.setattr(asyncio.get_running_loop(), "add_writer", lambda *arguments: None)  # it never is connected
    node.transport.send(node.host, "192.0.2.1", 5555, PACKET.encode(), node.fail)
    node.time.advance(2.9)
    await asyncio.sleep(0)
    assert (node.failures, len(node.bin.opened)) == (0, 1)
    node.time.advance(0.2)
    await until(lambda: node.failures == 1)
    assert not node.bin.opened
    pair[1].close()


async def test_a_peer_that_never_reads_is_given_up_in_time_and_others_are_served_meanwhile(
    nodes: tuple[NodeAt, NodeAt],
) -> None:
    one, two = nodes
    sock, port = await silent_peer("127.0.0.4")
    for _ in range(200):
        one.transport.send(one.host, "127.0.0.4", port, LARGE.encode(), one.fail)
    await until(lambda: bool(one.bin.opened[one.host, "127.0.0.4", port].writing))
    one.send(two)
    await two.received(1)
    one.time.advance(9.9)
    assert len(one.bin.opened) == 2
    one.time.advance(0.2)
    assert len(one.bin.opened) == 1
    await until(lambda: one.failures > 100)
    sock.close()


async def test_no_more_waits_than_is_allowed(node: NodeAt) -> None:
    sock, port = await silent_peer("127.0.0.4")
    node.settings.packets = 10
    for _ in range(200):
        node.transport.send(node.host, "127.0.0.4", port, LARGE.encode(), node.fail)
        assert node.transport.waiting(node.host, "127.0.0.4", port) <= 10 * 61_000
    await until(lambda: node.failures > 10)
    node.settings.packets, node.settings.largest_queue = 1024, 500_000
    for _ in range(200):
        node.transport.send(node.host, "127.0.0.4", port, LARGE.encode(), node.fail)
        assert node.transport.waiting(node.host, "127.0.0.4", port) <= 500_000
    sock.close()


async def test_a_connection_can_be_dropped_and_what_waits_fails(node: NodeAt) -> None:
    sock, port = await silent_peer("127.0.0.4")
    for _ in range(100):
        node.transport.send(node.host, "127.0.0.4", port, LARGE.encode(), node.fail)
    node.transport.drop(node.host, "127.0.0.4", port)
    node.transport.drop(node.host, "127.0.0.4", port)
    await until(lambda: node.failures > 50)
    assert node.transport.waiting(node.host, "127.0.0.4", port) == 0
    sock.close()


async def test_where_no_packet_begins_the_connection_ends_after_what_came_before(node: NodeAt) -> None:
    reader, writer = await dial(node)
    writer.write(PACKET.encode() + b"OPTIONS sip:a@b SIP/2.0\r\n")
    assert await reader.read() == b""
    assert [packet for _, packet in node.heard] == [PACKET]
    assert not node.bin.accepted
    writer.close()


async def test_a_packet_has_so_much_time_and_so_many_pieces(node: NodeAt) -> None:
    data = LARGE.encode()
    reader, writer = await dial(node)
    writer.write(data[:100])
    link = next(iter(node.bin.accepted))
    await until(lambda: link.framer.waiting == 100)
    node.time.advance(3.0)
    writer.write(data[100:200])
    await until(lambda: link.framer.waiting == 200)
    node.time.advance(1.1)
    assert await reader.read() == b""
    writer.close()

    reader, writer = await dial(node)
    link = next(iter(node.bin.accepted))
    for at in range(31):
        writer.write(data[at * 10 : at * 10 + 10])
        await until(lambda count=at + 1: link.pieces == count)  # type: ignore[misc]
    writer.write(data[310:320])
    assert await reader.read() == b""
    writer.close()


async def test_a_connection_without_traffic_ends_and_one_with_pings_does_not(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    for count in range(1, 41):
        one.send(two)
        await two.received(count)
        one.time.advance(4.0)
        two.time.advance(4.0)
    assert len(one.bin.opened) == len(two.bin.accepted) == 1
    two.time.advance(121.0)
    await until(lambda: not one.bin.opened)
    assert not two.bin.accepted


async def test_connections_of_one_address_and_of_all_have_a_limit(node: NodeAt) -> None:
    node.settings.each_source = 2
    writers = [(await dial(node))[1] for _ in range(3)]
    assert (len(node.bin.accepted), node.counters.refused.get()) == (2, 1)
    node.settings.each_source, node.settings.most = 10, 3
    writers += [(await dial(node))[1] for _ in range(2)]
    assert (len(node.bin.accepted), node.counters.refused.get()) == (3, 2)
    for writer in writers:
        writer.close()
    await until(lambda: not node.bin.accepted)
    assert node.bin.sources == {}
    assert node.counters.open.get() == 0


async def test_who_is_no_node_is_not_let_in(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    two.transport.admits = lambda host: host == "127.0.0.9"
    reader, writer = await dial(two)
    assert await reader.read() == b""
    writer.close()
    assert (len(two.bin.accepted), two.counters.refused.get()) == (0, 1)
    two.transport.admits = lambda host: host == "127.0.0.1"
    one.send(two)
    assert await two.received(1) == [PACKET]


async def test_a_fault_of_ours_with_one_packet_does_not_end_the_connection(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes

    def stumble(host: str, connection: object, packet: Packet) -> None:
        two.hear(host, connection, packet)
        raise RuntimeError("a fault of ours")

    two.transport.receiver = stumble
    one.send(two)
    one.send(two)
    assert len(await two.received(2)) == 2
    assert len(two.bin.accepted) == 1


async def test_management_sees_the_connections(nodes: tuple[NodeAt, NodeAt]) -> None:
    one, two = nodes
    one.send(two)
    await two.received(1)
    [row] = one.bin.described()
    assert row["Type"] == "bin"
    assert row["Remote"] == f"127.0.0.2:{two.port}"
    assert str(row["Local"]).startswith("127.0.0.1:")
    assert [one["Type"] for one in two.bin.described()] == ["bin"]


def test_outside_the_attendant_nothing_goes_out_and_the_sender_hears_so() -> None:
    transport, failures = BinTransport(), []
    transport.sockets.append(Socket(0, "bin", "127.0.0.1", 5555))
    transport.send("127.0.0.1", "127.0.0.2", 5555, b"", lambda: failures.append(1))
    assert failures == [1]
    assert not transport.reply(object(), b"")
    assert transport.waiting("127.0.0.1", "127.0.0.2", 5555) == 0
    assert transport.socket_of("127.0.0.1", 5555) is transport.sockets[0]
    assert transport.socket_of("127.0.0.1", 5556) is None
