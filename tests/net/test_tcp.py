"""TCP: connections are found again, used by siblings, and their end is told."""

import asyncio
import socket

import pytest

from pysips.core.events import Events
from pysips.core.services import (
    EXISTING,
    FAILED,
    PENDING,
    SENT,
    Peer,
)
from pysips.net.tcp import SLOTS, place_key
from pysips.testing.fakes import FakeWatcher
from tests.net.tcp_world import MESSAGE, OPTIONS, World, until


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
    worried = [FakeWatcher(), FakeWatcher()]
    for watcher in worried:
        assert world.tcp.send(b"x", Peer("tcp", world.where.host, closed, world.where), watcher) in (PENDING, FAILED)
    await until(lambda: not world.tcp.connections)
    assert [watcher.failures for watcher in worried] == [1, 1]
    assert world.tcp.places == {}


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
        one_world.time.advance(100)
        writer.write(MESSAGE)
        await one_world.heard_messages(count)
    assert len(one_world.tcp.connections) == 1


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
    worried = FakeWatcher()
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
