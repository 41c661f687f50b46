"""TCP: connections are found again, limited, and nobody waits for a peer that is slow or gone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from pysips.core.events import Events
from pysips.core.services import (
    EXISTING,
    FAILED,
    PENDING,
    SENT,
    Clock,
    Peer,
    Receiver,
    Socket,
    Tables,
    Timer,
    Timers,
    Watcher,
)
from pysips.core.stats import Statistics
from pysips.net.connection import OPEN
from pysips.net.endpoint import open_one
from pysips.net.tcp import SLOTS, Tcp, place_key
from pysips.net.tcp_settings import TcpCounters, TcpSettings

OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bK1%s\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 5\r\n\r\nhello"
)
MESSAGE = OPTIONS % b""


class Time(Clock):
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


class Plan(Timers):
    """Timers that fire when the test says so."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.due: dict[Timer, float] = {}

    def add(self, timer: Timer, seconds: float) -> None:
        timer.due = 1
        self.due[timer] = self.time.at + seconds

    def pass_by(self, seconds: float) -> None:
        self.time.at += seconds
        for timer, due in list(self.due.items()):
            if due <= self.time.at:
                del self.due[timer]
                if timer.due:
                    timer.fire()


class Shelf(Tables):
    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        return self.held.get(kind + key)

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        self.held[kind + key] = value

    def delete(self, kind: bytes, key: bytes) -> bool:
        return self.held.pop(kind + key, None) is not None

    def scan(self, kind: bytes, after: bytes = b"", most: int = 500) -> list[tuple[bytes, bytes]]:
        return sorted((key[1:], value) for key, value in self.held.items() if key[:1] == kind and key[1:] > after)


class Lines:
    """The other workers."""

    def __init__(self) -> None:
        self.said: list[tuple[object, ...]] = []
        self.watchers: list[Watcher | None] = []

    def send(self, seat: int, connection: int, data: bytes, watcher: Watcher | None) -> int:
        self.watchers.append(watcher)
        self.said.append(("send", seat, connection, data))
        return PENDING

    def close_at(self, seat: int, connection: int) -> None:
        self.said.append(("close", seat, connection))

    def keep_at(self, seat: int, connection: int, seconds: int) -> None:
        self.said.append(("keep", seat, connection, seconds))

    def alias_at(self, seat: int, connection: int, port: int) -> None:
        self.said.append(("alias", seat, connection, port))

    def gone(self, proto: str, host: str, port: int) -> None:
        self.said.append(("gone", proto, host, port))


class Heard(Receiver):
    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Peer]] = []
        self.gone: list[tuple[str, str, int]] = []
        self.fails = False

    def unreachable(self, proto: str, host: str, port: int) -> None:
        self.gone.append((proto, host, port))

    def receive(self, data: bytes, peer: Peer) -> None:
        self.messages.append((data, peer))
        if self.fails:
            raise RuntimeError("a fault of ours")


class Worried(Watcher):
    def __init__(self) -> None:
        self.failures = 0

    def send_failed(self) -> None:
        self.failures += 1


class World:
    """A worker's TCP with one listening socket."""

    def __init__(self, host: str) -> None:
        self.settings = TcpSettings()
        self.time = Time()
        self.timers = Plan(self.time)
        self.tables = Shelf()
        self.lines = Lines()
        self.heard = Heard()
        named = Statistics()
        self.counters = TcpCounters(*[named.counter("tcp", name) for name in ("open", "refused", "failed")])
        self.tcp = Tcp(
            asyncio.get_running_loop(), 1, 2, self.settings, self.heard, self.timers, self.time, self.tables,
            self.lines, self.counters, 1_700_000_000,
        )  # fmt: skip
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.bind((host, 0))
            self.where = Socket(0, "tcp", host, trial.getsockname()[1])
        self.listener = open_one(self.where, False, 50)
        self.tcp.listening.listen(self.listener, self.where)
        self.writers: list[asyncio.StreamWriter] = []

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        before = len(self.tcp.connections) + self.counters.refused.get()
        reader, writer = await asyncio.open_connection(self.where.host, self.where.port)
        self.writers.append(writer)
        await until(lambda: len(self.tcp.connections) + self.counters.refused.get() > before)
        return reader, writer

    async def heard_messages(self, count: int) -> list[bytes]:
        await until(lambda: len(self.heard.messages) >= count)
        return [data for data, _ in self.heard.messages]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


@pytest.fixture(params=["127.0.0.1", "::1"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made = World(request.param)
    yield made
    made.tcp.close_all()
    made.listener.close()
    for writer in made.writers:
        writer.close()


@pytest.fixture
async def one_world() -> AsyncIterator[World]:
    made = World("127.0.0.1")
    yield made
    made.tcp.close_all()
    made.listener.close()
    for writer in made.writers:
        writer.close()


async def test_messages_come_in_whole_however_they_are_cut(world: World) -> None:
    _, writer = await world.dial()
    world.settings.pieces = 1000
    for at in range(0, len(MESSAGE), 50):
        writer.write(MESSAGE[at : at + 50])
        await asyncio.sleep(0)
    writer.write(MESSAGE + MESSAGE)
    assert await world.heard_messages(3) == [MESSAGE] * 3
    peer = world.heard.messages[0][1]
    assert (peer.proto, peer.host, peer.port) == ("tcp", world.where.host, writer.get_extra_info("sockname")[1])
    assert peer.connection % SLOTS == 1


async def test_an_answer_goes_back_on_its_connection(world: World) -> None:
    reader, writer = await world.dial()
    writer.write(MESSAGE)
    await world.heard_messages(1)
    peer = world.heard.messages[0][1]
    assert world.tcp.send(b"200 OK", peer, None) == SENT
    assert await reader.readexactly(6) == b"200 OK"
    assert world.tcp.send(b"by address", Peer("tcp", peer.host, peer.port, world.where), None) == SENT
    assert await reader.readexactly(10) == b"by address"


async def test_a_keep_alive_is_answered_with_one_line_end(one_world: World) -> None:
    reader, writer = await one_world.dial()
    writer.write(b"\r\n\r\n")
    assert await reader.readexactly(2) == b"\r\n"
    one_world.settings.answer_pings = False
    writer.write(b"\r\n\r\n" + MESSAGE)
    await one_world.heard_messages(1)
    one_world.tcp.send(b"next", one_world.heard.messages[0][1], None)
    assert await reader.readexactly(4) == b"next"


async def test_we_connect_and_what_waits_goes_out(world: World) -> None:
    got: list[bytes] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(6))
        writer.write(MESSAGE)
        writer.close()

    server = await asyncio.start_server(peer, world.where.host, 0)
    port = server.sockets[0].getsockname()[1]
    there = Peer("tcp", world.where.host, port, world.where)
    assert world.tcp.send(b"one", there, None) == PENDING
    assert world.tcp.send(b"two", there, None) == PENDING
    await world.heard_messages(1)
    assert got == [b"onetwo"]
    key = b"t" + place_key("tcp", world.where.host, port)
    await until(lambda: not world.tcp.connections)
    assert key not in world.tables.held
    assert world.counters.open.get() == 0
    server.close()


async def test_a_refused_connect_is_told_to_all_who_wait(world: World) -> None:
    with socket.socket(world.listener.family) as trial:
        trial.bind((world.where.host, 0))
        closed = trial.getsockname()[1]
    worried = [Worried(), Worried()]
    for watcher in worried:
        assert world.tcp.send(b"x", Peer("tcp", world.where.host, closed, world.where), watcher) in (PENDING, FAILED)
    await until(lambda: not world.tcp.connections)
    assert [watcher.failures for watcher in worried] == [1, 1]
    assert world.tcp.places == {}


async def test_a_connect_without_an_answer_fails_in_its_time(one_world: World) -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    worried = Worried()
    there = Peer("tcp", "127.0.0.1", full.getsockname()[1], one_world.where)
    assert one_world.tcp.send(b"x", there, worried) == PENDING
    await asyncio.sleep(0.01)
    assert worried.failures == 0
    one_world.timers.pass_by(0.11)
    assert worried.failures == 1
    for one in [full, *fillers]:
        one.close()


async def test_a_connection_of_a_sibling_is_used_through_it(one_world: World) -> None:
    tables, tcp = one_world.tables, one_world.tcp
    theirs = 77 * SLOTS + 0
    assert tcp.send(b"a", Peer("tcp", "192.0.2.1", 5060, one_world.where, theirs), None) == PENDING
    tables.put(b"t", place_key("tcp", "192.0.2.1", 5060), theirs.to_bytes(8, "little"))
    assert tcp.send(b"b", Peer("tcp", "192.0.2.1", 5060, one_world.where), None) == PENDING
    tcp.keep(theirs, 60)
    tcp.close(theirs)
    assert one_world.lines.said == [
        ("send", 0, theirs, b"a"), ("send", 0, theirs, b"b"), ("keep", 0, theirs, 60), ("close", 0, theirs),
    ]  # fmt: skip


async def test_a_sibling_may_send_on_ours(one_world: World) -> None:
    reader, _ = await one_world.dial()
    one = next(iter(one_world.tcp.connections.values()))
    assert one_world.tcp.send_on(one.id, b"from a sibling")
    assert await reader.readexactly(14) == b"from a sibling"
    assert one_world.tcp.close(one.id)
    assert await reader.read() == b""
    assert not one_world.tcp.send_on(one.id, b"too late")
    assert not one_world.tcp.close(one.id)


async def test_connections_that_died_with_a_worker_lead_nobody_astray(one_world: World) -> None:
    tables = one_world.tables
    tables.put(b"t", b"tcp 192.0.2.1 5060", (5 * SLOTS + 1).to_bytes(8, "little"))
    tables.put(b"t", b"tcp 192.0.2.2 5060", (5 * SLOTS + 0).to_bytes(8, "little"))
    one_world.tcp.clear_places()
    assert list(tables.held) == [b"ttcp 192.0.2.2 5060"]
    assert one_world.lines.said == [("gone", "tcp", "192.0.2.1", 5060)]


@pytest.mark.parametrize(
    "policy, via, learnt", [(0, b";alias", False), (1, b";alias", True), (1, b"", False), (2, b"", True)]
)
async def test_an_alias_is_learnt_as_the_script_wants_it(
    one_world: World, policy: int, via: bytes, learnt: bool
) -> None:
    one_world.settings.aliases = policy
    _, writer = await one_world.dial()
    writer.write(OPTIONS % via)
    await one_world.heard_messages(1)
    assert (("tcp", "127.0.0.1", 5099) in one_world.tcp.places) is learnt
    assert (b"t" + place_key("tcp", "127.0.0.1", 5099) in one_world.tables.held) is learnt


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
        one_world.timers.pass_by(0.9)
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
    one_world.timers.pass_by(121)
    assert await idle.read() == b""
    assert list(one_world.tcp.connections) == [kept]
    one_world.timers.pass_by(480)
    assert await kept_reader.read() == b""


async def test_a_connection_is_found_by_another_port_of_its_peer(one_world: World) -> None:
    await one_world.dial()
    (one,) = one_world.tcp.connections.values()
    assert one_world.tcp.connection_to("tcp", one.host, 5099) == 0
    assert one_world.tcp.alias(one.id, 5099)
    assert one_world.tcp.connection_to("tcp", one.host, 5099) == one.id
    assert not one_world.tcp.alias(one.id + (1 << 12), 5099)
    assert one_world.tcp.alias(one.id + 1, 5098), "a sibling's is asked for there"
    assert one_world.lines.said[-1] == ("alias", one.id % 1024 + 1, one.id + 1, 5098)


async def test_traffic_keeps_a_connection(one_world: World) -> None:
    _, writer = await one_world.dial()
    for count in range(1, 4):
        one_world.timers.pass_by(100)
        writer.write(MESSAGE)
        await one_world.heard_messages(count)
    assert len(one_world.tcp.connections) == 1


async def test_a_peer_that_never_reads_is_dropped_and_others_are_served(one_world: World) -> None:
    await one_world.dial()
    reader, _ = await one_world.dial()
    deaf, well = one_world.tcp.connections.values()
    worried = Worried()
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


async def test_a_fault_of_ours_ends_no_connection(one_world: World) -> None:
    one_world.heard.fails = True
    reader, writer = await one_world.dial()
    writer.write(MESSAGE + MESSAGE + b"\r\n\r\n")
    assert await reader.readexactly(2) == b"\r\n"
    assert len(one_world.heard.messages) == 2


async def test_a_reset_ends_the_connection_and_frees_everything(one_world: World) -> None:
    _, writer = await one_world.dial()
    raw = writer.get_extra_info("socket")
    port = raw.getsockname()[1]
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.close()
    await until(lambda: not one_world.tcp.connections)
    assert (one_world.tcp.places, one_world.tcp.sources, one_world.tables.held) == ({}, {}, {})
    assert one_world.heard.gone == [("tcp", "127.0.0.1", port)]
    assert one_world.lines.said == [("gone", "tcp", "127.0.0.1", port)]


async def test_a_connection_that_ends_in_order_frightens_nobody(one_world: World) -> None:
    _, writer = await one_world.dial()
    writer.close()
    await until(lambda: not one_world.tcp.connections)
    assert one_world.heard.gone == []


async def test_where_none_may_be_opened_only_connections_that_are_there_are_used(one_world: World) -> None:
    world = one_world
    tcp = world.tcp
    assert tcp.send(MESSAGE, Peer("tcp", "127.0.0.1", 9, world.where, EXISTING), None) == FAILED
    assert not tcp.connections
    reader, _ = await world.dial()
    one = next(iter(tcp.connections.values()))
    for connection in (EXISTING, -one.id):
        assert tcp.send(MESSAGE, Peer("tcp", one.host, one.port, world.where, connection), None) == SENT
        assert await reader.readexactly(len(MESSAGE)) == MESSAGE
    one.end("the test wants it")
    assert tcp.send(MESSAGE, Peer("tcp", one.host, one.port, world.where, -one.id), None) == FAILED
    assert tcp.send(MESSAGE, Peer("tcp", "127.0.0.1", 9, world.where, -(7 * SLOTS)), None) == PENDING
    assert world.lines.said[-1] == ("send", 0, 7 * SLOTS, MESSAGE)


async def test_what_a_siblings_connection_does_not_take_goes_to_the_peers_address(one_world: World) -> None:
    world = one_world
    listener = await asyncio.start_server(lambda reader, writer: world.writers.append(writer), "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    worried = Worried()
    for connection in (7 * SLOTS, -(7 * SLOTS)):
        peer = Peer("tcp", "127.0.0.1", port, world.where, connection)
        assert world.tcp.send(MESSAGE, peer, worried) == PENDING
    opens, opens_none = world.lines.watchers
    assert opens is not None
    assert opens_none is not None
    opens_none.send_failed()
    assert (worried.failures, world.tcp.connections) == (1, {}), "the script wants no connection for it"
    opens.send_failed()
    assert worried.failures == 1
    await until(lambda: bool(world.writers))
    assert [one.port for one in world.tcp.connections.values()] == [port]
    listener.close()


async def test_more_messages_do_not_give_a_connect_more_time(one_world: World) -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    worried = Worried()
    there = Peer("tcp", "127.0.0.1", full.getsockname()[1], one_world.where)
    for _ in range(3):
        assert one_world.tcp.send(b"x", there, worried) == PENDING
        one_world.timers.pass_by(0.04)
    assert worried.failures == 3
    assert not one_world.tcp.connections
    for one in [full, *fillers]:
        one.close()


async def test_a_peer_that_talks_but_never_reads_is_dropped_in_time(one_world: World) -> None:
    _, writer = await one_world.dial()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    deaf = next(iter(one_world.tcp.connections.values()))
    worried = Worried()
    while deaf.send(b"x" * 60_000, worried) == SENT:
        pass
    for count in range(1, 5):
        one_world.timers.pass_by(7)
        writer.write(MESSAGE)
        await one_world.heard_messages(count)
    assert one_world.tcp.connections and one_world.tcp.queued > 0
    one_world.timers.pass_by(5)
    assert not one_world.tcp.connections
    assert (worried.failures, one_world.tcp.queued) == (1, 0)


async def test_a_slow_reader_that_goes_on_reading_is_kept(one_world: World) -> None:
    reader, _ = await one_world.dial()
    slow = next(iter(one_world.tcp.connections.values()))
    while slow.send(b"x" * 100_000, None) == SENT:
        pass
    slow.enqueue(b"x" * 2_000_000, None)
    for _ in range(4):
        one_world.timers.pass_by(20)
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


async def test_nobody_takes_over_what_goes_to_another_connection(one_world: World) -> None:
    tcp = one_world.tcp
    for _ in range(2):
        await one_world.dial()
    first, second = tcp.connections.values()
    assert tcp.alias(first.id, 5099) and not tcp.alias(second.id, 5099)
    assert tcp.connection_to("tcp", first.host, 5099) == first.id
    assert not tcp.alias(second.id, first.port)
    first.end("the test wants it")
    assert tcp.alias(second.id, 5099)
    one_world.tables.put(b"t", place_key("tcp", second.host, 5098), (9 * SLOTS).to_bytes(8, "little"))
    assert not tcp.alias(second.id, 5098), "a sibling has that"


async def test_the_end_of_a_connection_is_an_event(one_world: World) -> None:
    events = Events()
    told: list[dict[str, object]] = []
    events.listen("E_CORE_TCP_DISCONNECT", lambda name, values: told.append(dict(values)))
    one_world.tcp.disconnected = events.define(
        "E_CORE_TCP_DISCONNECT", ("src_ip", "src_port", "dst_ip", "dst_port", "proto")
    )
    _, writer = await one_world.dial()
    port = writer.get_extra_info("sockname")[1]
    writer.close()
    await until(lambda: not one_world.tcp.connections)
    own = one_world.where
    assert told == [
        {"src_ip": own.host, "src_port": port, "dst_ip": own.host, "dst_port": own.port, "proto": "tcp"}
    ]  # fmt: skip


async def test_a_peer_that_says_nothing_at_all_is_let_go(one_world: World) -> None:
    reader, _ = await one_world.dial()
    one_world.timers.pass_by(121)
    assert not one_world.tcp.connections and not one_world.tcp.sources and not one_world.tcp.places
    assert await reader.read() == b""
