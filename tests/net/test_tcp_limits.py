"""TCP: nobody waits for a peer that is slow, silent or hostile, and all that it may cost has a limit."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from pysips.core.services import FAILED, PENDING, SENT, Peer
from pysips.net.connection import OPEN
from pysips.testing.fakes import FakeWatcher
from tests.net.tcp_world import MESSAGE, World, until


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Of a listener whose queue is full: the kernel answers no connect to it."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    yield full.getsockname()[1]
    for one in [full, *fillers]:
        one.close()


async def test_a_connect_without_an_answer_fails_in_its_time(one_world: World, deaf_port: int) -> None:
    worried = FakeWatcher()
    there = Peer("tcp", "127.0.0.1", deaf_port, one_world.where)
    assert one_world.tcp.send(b"x", there, worried) == PENDING
    await asyncio.sleep(0.01)
    assert worried.failures == 0
    one_world.time.advance(0.11)
    assert worried.failures == 1


async def test_no_more_connections_than_allowed(one_world: World) -> None:
    one_world.settings.most = 2
    await one_world.dial()
    await one_world.dial()
    reader, _ = await one_world.dial()
    assert await reader.read() == b""
    assert one_world.counters.refused.get() == 1
    assert one_world.tcp.send(b"x", Peer("tcp", "127.0.0.1", 9, one_world.where), None) == FAILED


async def test_no_more_connections_from_one_source_than_allowed(one_world: World) -> None:
    one_world.tcp.each_source = 1
    first, writer = await one_world.dial()
    second, _ = await one_world.dial()
    assert await second.read() == b""
    writer.close()
    await until(lambda: not one_world.tcp.connections)
    assert one_world.tcp.sources == {}
    await one_world.dial()
    assert len(one_world.tcp.connections) == 1
    assert not first.at_eof() or await first.read() == b""


async def test_a_message_that_drips_is_cut_off_though_bytes_keep_coming(one_world: World) -> None:
    one_world.settings.pieces = 1000
    reader, writer = await one_world.dial()
    for at in range(5):
        writer.write(MESSAGE[at : at + 1])
        one = next(iter(one_world.tcp.connections.values()))
        await until(lambda at=at, one=one: one.pieces == at + 1)  # type: ignore[misc]
        one_world.time.advance(0.9)
    assert await reader.read() == b""


async def test_a_message_in_too_many_pieces_is_cut_off(one_world: World) -> None:
    reader, writer = await one_world.dial()
    one = next(iter(one_world.tcp.connections.values()))
    for at in range(4):
        writer.write(MESSAGE[at : at + 1])
        await until(lambda at=at: one.pieces == at + 1)  # type: ignore[misc]
    assert await reader.read() == b""


async def test_an_idle_connection_ends_and_one_that_somebody_keeps_does_not(one_world: World) -> None:
    idle, _ = await one_world.dial()
    kept_reader, _ = await one_world.dial()
    kept = list(one_world.tcp.connections)[1]
    one_world.tcp.keep(kept, 600)
    one_world.time.advance(121)
    assert await idle.read() == b""
    assert list(one_world.tcp.connections) == [kept]
    one_world.time.advance(480)
    assert await kept_reader.read() == b""


async def test_a_peer_that_never_reads_is_dropped_and_others_are_served(one_world: World) -> None:
    await one_world.dial()
    reader, _ = await one_world.dial()
    deaf, well = one_world.tcp.connections.values()
    worried = FakeWatcher()
    results = []
    for _ in range(400):
        results.append(deaf.send(b"x" * 60_000, worried))
        if results[-1] == FAILED:
            break
    assert results[0] == SENT
    assert results[-1] == FAILED
    assert worried.failures == results.count(PENDING) == one_world.settings.chunks
    assert well.send(b"hello", None) == SENT
    assert await reader.readexactly(5) == b"hello"


async def test_what_waits_is_written_when_the_peer_reads_again(one_world: World) -> None:
    reader, _ = await one_world.dial()
    slow = next(iter(one_world.tcp.connections.values()))
    sent = 0
    while slow.send(b"%08d" % sent + b"x" * 100_000, None) == SENT:
        sent += 1
    for number in range(sent + 1):
        assert (await reader.readexactly(100_008))[:8] == b"%08d" % number
    await until(lambda: not slow.writing)
    assert slow.queued == 0


@pytest.mark.parametrize(
    "broken, status",
    [
        (MESSAGE.replace(b"Content-Length: 5\r\n", b""), b"400"),
        (MESSAGE.replace(b"Content-Length: 5", b"Content-Length: 99999999999999999999"), b"400"),
        (MESSAGE.replace(b"Content-Length: 5", b"Content-Length: 5\r\nl: 4"), b"400"),
        (MESSAGE.replace(b"Content-Length: 5", b"Content-Length: 70000"), b"513"),
    ],
)
async def test_a_message_without_a_knowable_end_is_refused_and_the_connection_closed(
    one_world: World, broken: bytes, status: bytes
) -> None:
    reader, writer = await one_world.dial()
    writer.write(MESSAGE + broken + MESSAGE)
    answer = await reader.read()
    assert answer.startswith(b"SIP/2.0 " + status)
    assert one_world.heard.messages[0][0] == MESSAGE
    assert len(one_world.heard.messages) == 1


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 100, b"\r\n" * 3 + b"\xff"])
async def test_what_is_not_sip_is_closed_without_an_answer(one_world: World, data: bytes) -> None:
    reader, writer = await one_world.dial()
    writer.write(data)
    assert (await reader.read()).replace(b"\r\n", b"") == b""
    assert one_world.heard.messages == []


async def test_more_messages_do_not_give_a_connect_more_time(one_world: World, deaf_port: int) -> None:
    worried = FakeWatcher()
    there = Peer("tcp", "127.0.0.1", deaf_port, one_world.where)
    for _ in range(3):
        assert one_world.tcp.send(b"x", there, worried) == PENDING
        one_world.time.advance(0.04)
    assert worried.failures == 3
    assert not one_world.tcp.connections


async def test_a_peer_that_talks_but_never_reads_is_dropped_in_time(one_world: World) -> None:
    _, writer = await one_world.dial()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    deaf = next(iter(one_world.tcp.connections.values()))
    worried = FakeWatcher()
    while deaf.send(b"x" * 60_000, worried) == SENT:
        pass
    for count in range(1, 5):
        one_world.time.advance(7)
        writer.write(MESSAGE)
        await one_world.heard_messages(count)
    assert one_world.tcp.connections and one_world.tcp.queued > 0
    one_world.time.advance(5)
    assert not one_world.tcp.connections
    assert (worried.failures, one_world.tcp.queued) == (1, 0)


async def test_a_slow_reader_that_goes_on_reading_is_kept(one_world: World) -> None:
    reader, _ = await one_world.dial()
    slow = next(iter(one_world.tcp.connections.values()))
    while slow.send(b"x" * 100_000, None) == SENT:
        pass
    slow.enqueue(b"x" * 2_000_000, None)
    for _ in range(4):
        one_world.time.advance(20)
        moved = slow.moved
        while slow.moved == moved and slow.queue:
            await reader.read(50_000)
    assert one_world.tcp.connections
    assert slow.queued == one_world.tcp.queued


async def test_what_waits_for_all_connections_together_has_an_end(one_world: World) -> None:
    for _ in range(2):
        _, writer = await one_world.dial()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    first, second = one_world.tcp.connections.values()
    for one in (first, second):
        while one.send(b"x" * 60_000, None) == SENT:
            pass
    one_world.settings.most_queued = one_world.tcp.queued + 100_000
    assert first.enqueue(b"x" * 90_000, None) == PENDING
    assert second.send(b"x" * 60_000, None) == FAILED
    assert first.state == OPEN
    first.end("the test wants it")
    assert one_world.tcp.queued == 0


@pytest.mark.parametrize(
    ("keepalive", "patience"), [((1, 0, 0, 0), 32_000), ((1, 3, 10, 5), 25_000), ((0, 3, 9, 5), 32_000)]
)
async def test_the_kernel_gives_a_peer_up_that_acknowledges_nothing(
    one_world: World, keepalive: tuple[int, int, int, int], patience: int
) -> None:
    one_world.settings.keepalive = keepalive
    await one_world.dial()
    one = next(iter(one_world.tcp.connections.values()))
    assert one.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == patience


async def test_a_peer_that_says_nothing_at_all_is_let_go(one_world: World) -> None:
    reader, _ = await one_world.dial()
    one_world.time.advance(121)
    assert not one_world.tcp.connections and not one_world.tcp.sources and not one_world.tcp.places
    assert await reader.read() == b""
