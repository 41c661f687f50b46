"""Packets of the BIN protocol: layout, limits, and bytes that nobody meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.bin_interface import (
    LARGEST,
    BadPacket,
    BadStream,
    Framer,
    Packet,
    Reader,
    Trailer,
    Writer,
    packet_of,
)

PING = bytes.fromhex(
    "50 34 43 4b 2e 00 00 00 01 00 12 00 63 6c 75 73 74 65 72 65 72 2d 69 6e 74 65 72 6e 61 6c"
    "00 00 00 00 01 00 00 00 01 00 00 00 01 00 00 00"
)
INT = st.integers(-(2**31), 2**31 - 1)
NAMES = st.binary(min_size=1, max_size=300).map(lambda data: data.decode("utf-8", "surrogateescape"))
PACKETS = st.builds(Packet, st.integers(-32768, 32767), NAMES, INT, st.binary(max_size=200))


def test_a_packet_is_a_marker_its_length_version_capability_type_and_body() -> None:
    packet = packet_of(PING)
    assert packet == Packet(1, "clusterer-internal", 0, PING[34:])
    assert packet.encode() == PING


@given(PACKETS)
def test_any_packet_comes_back(packet: Packet) -> None:
    assert packet_of(packet.encode()) == packet


@given(st.lists(PACKETS, max_size=6), st.data())
def test_a_stream_is_cut_into_its_packets_however_it_arrives(packets: list[Packet], data: st.DataObject) -> None:
    stream = b"".join(one.encode() for one in packets)
    framer, found, at = Framer(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 200))
        found += framer.feed(stream[at : at + size])
        at += size
    assert found == packets
    assert framer.waiting == 0


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_hostile_streams_give_packets_or_end_and_are_not_kept(pieces: list[bytes]) -> None:
    framer = Framer()
    for piece in pieces:
        try:
            framer.feed(piece)
        except BadStream:
            assert framer.waiting == 0
        assert framer.waiting < LARGEST + 80


@given(st.binary(max_size=60), st.integers(0, len(PING) - 1), st.integers(0, 255))
def test_a_packet_with_one_byte_changed_or_a_tail_never_breaks_the_framer(tail: bytes, at: int, byte: int) -> None:
    changed = PING[:at] + bytes((byte,)) + PING[at + 1 :] + tail
    try:
        Framer().feed(changed)
    except BadStream:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"X",
        b"P4CX",
        b"P4CK\x10\x00\x00\x00\x01\x00\x01\x00a\x00\x00\x00\x00",  # 16 bytes: too short for any name
        b"P4CK\x00\x00\x01\x00\x01\x00\x01\x00a",  # 65,536 bytes: too long
        b"P4CK\xff\xff\xff\xff\x01\x00\x01\x00a",
        b"P4CK\x11\x00\x00\x00\x01\x00\x00\x00a\x00\x00\x00\x00",  # a capability without a name
        b"P4CK\x11\x00\x00\x00\x01\x00\x02\x00a\x00\x00\x00\x00",  # a name that leaves no room for the type
    ],
)
def test_where_no_packet_can_begin_the_stream_is_over_at_once(data: bytes) -> None:
    framer = Framer()
    with pytest.raises(BadStream) as refused:
        framer.feed(PING + data)
    assert refused.value.packets == [packet_of(PING)]


def test_what_is_waited_for_is_never_more_than_one_packet() -> None:
    framer = Framer()
    whole = Packet(1, "a", 0, bytes(LARGEST - 17)).encode()
    assert len(whole) == LARGEST
    for at in range(0, LARGEST - 1, 5000):
        assert framer.feed(whole[at : min(at + 5000, LARGEST - 1)]) == []
    assert framer.waiting == LARGEST - 1
    assert len(framer.feed(whole[-1:])) == 1


def test_what_does_not_fit_is_refused_before_it_is_sent() -> None:
    for packet in (
        Packet(1, "a", 0, bytes(LARGEST - 16)),
        Packet(1, "", 0, b"1234"),
        Packet(40_000, "a", 0, b""),
        Packet(1, "a", 2**31, b""),
        Packet(1, "\ud800", 0, b""),
    ):
        with pytest.raises(BadPacket):
            packet.encode()


def test_fields_are_little_endian_and_texts_have_their_length_before_them() -> None:
    to = Writer()
    to.number(-1)
    to.unsigned(4_294_967_295)
    to.text("c1@x")
    to.long(1_795_384_510)
    to.unsigned_long(213_146_926_114_146_652)
    to.short(700)
    to.numbers((1, 2))
    to.flag(True)
    assert to.written().hex(" ") == (
        "ff ff ff ff ff ff ff ff 04 00 63 31 40 78 08 00 be 64 03 6b 00 00 00 00 08 00 5c 09 00 00 00 40 f5 02 "
        "04 00 bc 02 00 00 02 00 00 00 01 00 00 00 02 00 00 00 01 00 00 00"
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda to: to.number(2**31),
        lambda to: to.unsigned(-1),
        lambda to: to.text("x" * 65_536),
        lambda to: to.long(2**63),
        lambda to: to.unsigned_long(-1),
        lambda to: to.short(2**31),
        lambda to: to.text("\ud800"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(write: object) -> None:
    with pytest.raises(BadPacket):
        write(Writer())  # type: ignore[operator]


@pytest.mark.parametrize(
    "data, read",
    [
        (b"\x01\x00\x00", Reader.number),
        (b"\x05\x00abcd", Reader.text),
        (b"\x05", Reader.text),
        (b"\x04\x00abcd", Reader.long),
        (b"\x08\x00abcdefgh", Reader.short),
        (b"\x00\x00", Reader.unsigned_long),
        (b"\xff\xff\xff\xff", lambda of: of.numbers(128)),
        (b"\xff\xff\xff\x7f", lambda of: of.numbers(2**31)),
        (b"\x81\x00\x00\x00" + bytes(4 * 129), lambda of: of.numbers(128)),
        (b"x", Reader.end),
    ],
)
def test_bytes_that_do_not_go_so_far_are_refused(data: bytes, read: object) -> None:
    with pytest.raises(BadPacket):
        read(Reader(data))  # type: ignore[operator]


def test_the_trailer_is_read_from_the_end_and_changed_in_place() -> None:
    packet = Packet(5, "usrloc-contact-repl", 2, b"fields" + Trailer(1, 2, 3).encode())
    assert packet.split() == (b"fields", Trailer(1, 2, 3))
    assert packet.addressed(Trailer(1, 2, 9)).split() == (b"fields", Trailer(1, 2, 9))
    with pytest.raises(BadPacket):
        Packet(5, "usrloc-contact-repl", 2, b"too short").split()
    with pytest.raises(BadPacket):
        Trailer(1, 2, 2**31).encode()


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_texts_of_any_bytes_come_out_as_they_came_in(values: list[bytes]) -> None:
    to = Writer()
    for value in values:
        to.blob(value)
    of, again = Reader(to.written()), Writer()
    for _ in values:
        again.text(of.text())
    of.end()
    assert again.written() == to.written()
