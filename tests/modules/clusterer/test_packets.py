"""The cluster's packets in every dialect: what is written is read, and hostile bytes are refused in one way only."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pysips.modules.clusterer.packets import (
    DIALECTS,
    EXTRA,
    INTERNAL,
    V2_4,
    V3_1,
    V3_3,
    BadPacket,
    Capabilities,
    Description,
    Dialect,
    Extra,
    FullTopology,
    GenericMessage,
    Internal,
    LinkState,
    MiCommand,
    NodeCapabilities,
    NodeDescription,
    Packet,
    Ping,
    Pong,
    RemoveNode,
    Sync,
    SyncEnd,
    SyncRequest,
    TagActive,
    TopologyNode,
    Trailer,
    UnknownId,
    decode_extra,
    decode_internal,
    encode_extra,
    encode_internal,
    packed_chunks,
    spoken,
)

INT = st.integers(-(2**31), 2**31 - 1)
TIME = st.integers(0, 2**32 - 1)
TEXT = st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))
PATH = st.lists(INT, max_size=6).map(tuple)
FLAG = st.booleans()
DESCRIPTION = st.builds(Description, TEXT, TEXT, INT, INT)


def lists(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=4).map(tuple)


NODE = st.builds(TopologyNode, INT, st.none() | DESCRIPTION, INT, TIME, PATH)
ABLE = st.builds(NodeCapabilities, INT, lists(st.tuples(TEXT, FLAG)))
INTERNALS = st.one_of(
    st.builds(Ping, INT, INT, FLAG),
    st.builds(Pong, INT, INT, PATH),
    st.builds(LinkState, INT, INT, INT, TIME, INT, FLAG, PATH),
    st.builds(FullTopology, INT, INT, INT, TIME, lists(NODE), PATH),
    st.builds(UnknownId, INT, INT),
    st.builds(NodeDescription, INT, INT, DESCRIPTION, PATH),
    st.builds(Capabilities, INT, INT, INT, TIME, lists(ABLE), FLAG, PATH),
)
EXTRAS = st.one_of(
    st.builds(RemoveNode, INT),
    st.builds(GenericMessage, FLAG, TEXT, TEXT),
    st.builds(MiCommand, TEXT, lists(TEXT)),
    st.builds(SyncRequest, TEXT),
    st.builds(Sync, TEXT, INT, lists(st.binary(max_size=30))),
    st.builds(SyncEnd, TEXT, INT),
    st.builds(TagActive, TEXT),
)
TRAILERS = st.builds(Trailer, INT, INT, INT)


@given(INTERNALS)
def test_what_is_written_for_today_is_read_as_it_was(message: Internal) -> None:
    packet = encode_internal(message, V3_3)
    assert (packet.capability, packet.version) == (INTERNAL, 1)
    assert decode_internal(packet)[0] == message


@given(EXTRAS, TRAILERS, st.sampled_from(DIALECTS))
def test_extra_packets_are_read_as_they_were_in_every_dialect(
    message: Extra, trailer: Trailer, dialect: Dialect
) -> None:
    if isinstance(message, RemoveNode) and not dialect.shift:
        with pytest.raises(BadPacket):
            encode_extra(message, trailer, dialect)
        return
    if isinstance(message, SyncEnd) and dialect.sync < 3:
        message = SyncEnd(message.capability)
    packet = encode_extra(message, trailer, dialect)
    assert packet.capability == EXTRA
    assert decode_extra(packet, dialect) == (message, trailer)


LIST = (NodeCapabilities(1, (("usrloc-contact-repl", False),)),)


def test_a_list_of_capabilities_tells_which_dialect_it_is_in() -> None:
    message = Capabilities(1, 1, 5, 1_795_384_201, LIST, True, (1,))
    assert decode_internal(encode_internal(message, V3_3)) == (message, V3_3)
    assert decode_internal(encode_internal(message, V3_1)) == (message, V3_1)
    assert decode_internal(encode_internal(message, V2_4)) == (Capabilities(1, 1, 0, 0, LIST, True, (1,)), V2_4)


@given(st.integers(0, 2**31 - 1), st.integers(1_500_000_000, 2**32 - 1), lists(ABLE), FLAG, PATH)
@example(1, 1_500_000_000, (), False, ())
@example(1, 2**32 - 1, (), True, ())
def test_a_numbered_list_is_never_taken_for_one_of_2_4(
    seq: int, timestamp: int, nodes: tuple[NodeCapabilities, ...], wants_reply: bool, path: tuple[int, ...]
) -> None:
    message = Capabilities(1, 1, seq, timestamp, nodes, wants_reply, path)
    assert spoken(encode_internal(message, V3_1)) == V3_1


def test_the_types_from_6_on_have_another_number_since_3_2() -> None:
    trailer = Trailer(1, 1, 2)
    messages: list[Extra] = [
        GenericMessage(True, "t", "m"), MiCommand("ps"), SyncRequest("c"), Sync("c", 5, ()), SyncEnd("c"),
        TagActive("vip"),
    ]  # fmt: skip
    assert [encode_extra(one, trailer, V2_4).type for one in messages] == [6, 7, 9, 10, 11, 12]
    assert [encode_extra(one, trailer, V3_3).type for one in messages] == [7, 8, 10, 11, 12, 13]
    assert [encode_extra(one, trailer, V3_3).version for one in messages] == [1, 1, 3, 3, 3, 1]


@given(st.integers(-2, 16), st.binary(max_size=120), st.sampled_from(DIALECTS), st.integers(0, 4))
def test_hostile_bodies_are_read_or_refused(kind: int, body: bytes, dialect: Dialect, version: int) -> None:
    for capability, decode in (
        (INTERNAL, lambda packet: decode_internal(packet)),
        (EXTRA, lambda packet: decode_extra(packet, dialect)),
    ):
        packet = Packet(version, capability, kind, body)
        spoken(packet)
        try:
            decode(packet)
        except BadPacket:
            pass


@given(INTERNALS, st.data())
def test_a_packet_that_was_cut_is_refused(message: Internal, data: st.DataObject) -> None:
    packet = encode_internal(message, V3_3)
    short = packet.body[: data.draw(st.integers(0, len(packet.body) - 1))]
    with pytest.raises(BadPacket):
        decode_internal(Packet(packet.version, packet.capability, packet.type, short))


@given(INTERNALS, st.data())
def test_a_packet_with_one_byte_changed_is_read_or_refused(message: Internal, data: st.DataObject) -> None:
    packet = encode_internal(message, V3_3)
    at, byte = data.draw(st.integers(0, len(packet.body) - 1)), data.draw(st.integers(0, 255))
    body = packet.body[:at] + bytes((byte,)) + packet.body[at + 1 :]
    try:
        decode_internal(Packet(packet.version, packet.capability, packet.type, body))
    except BadPacket:
        pass


@pytest.mark.parametrize(
    "message",
    [
        Pong(1, 1, tuple(range(129))),
        LinkState(1, 1, 0, 0, 2, True, tuple(range(129))),
        FullTopology(1, 1, 0, 0, tuple([TopologyNode(n, None, -1, 0, ()) for n in range(129)]), (1,)),
        Capabilities(1, 1, 0, 0, tuple([NodeCapabilities(n, ()) for n in range(129)]), False, (1,)),
        Capabilities(1, 1, 0, 0, (NodeCapabilities(1, (("c", True),) * 65),), False, (1,)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_more_nodes_than_a_cluster_can_have_are_refused(message: Internal) -> None:
    with pytest.raises(BadPacket, match="entries"):
        decode_internal(encode_internal(message, V3_3))


def test_chunks_fill_packets_of_about_the_size_that_is_wanted_and_none_is_split() -> None:
    chunks = [bytes(100)] * 10
    packets = list(packed_chunks("c", 5, chunks, 330))
    assert [len(one.chunks) for one in packets] == [3, 3, 3, 1]
    assert [len(one.chunks) for one in packed_chunks("c", 5, [bytes(500)] * 2, 330)] == [1, 1]
    assert list(packed_chunks("c", 5, [], 330)) == []
    for one in packed_chunks("c", 5, [bytes(1000)] * 100):
        assert len(encode_extra(one, Trailer(1, 1, 2), V3_3).encode()) < 33_000


def test_a_chunk_without_its_marker_or_beyond_the_packet_is_refused() -> None:
    good = encode_extra(Sync("c", 5, (b"1234",)), Trailer(1, 1, 2), V3_3)
    for old, new in ((b"\xb5\x4a", b"\xb5\x4b"), (b"\x04\x00\x00\x00\xb5", b"\x05\x00\x00\x00\xb5"),
                     (b"\x04\x00\x00\x00\xb5", b"\xff\xff\xff\xff\xb5")):  # fmt: skip
        assert old in good.body
        with pytest.raises(BadPacket):
            decode_extra(Packet(3, EXTRA, good.type, good.body.replace(old, new)), V3_3)
