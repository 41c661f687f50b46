"""A node of ours among real ones: recorded sessions are answered as a real node answered them."""

from dataclasses import replace
from random import Random

import pytest

from pysips.core.bin_interface import Packet, Trailer
from pysips.modules.clusterer.packets import (
    EXTRA,
    INTERNAL,
    V3_3,
    Capabilities,
    FullTopology,
    Internal,
    LinkState,
    NodeDescription,
    Ping,
    Pong,
    Sync,
    SyncEnd,
    SyncRequest,
    decode_extra,
    decode_internal,
    encode_extra,
    encode_internal,
)
from pysips.modules.usrloc.packets import CAPABILITY

from .replay import Records, Replay, from_peer, of_kind
from .samples import Sample, samples, session

HANDSHAKE = "full-sharing-handshake"  # the one session that was recorded without a gap
SAMPLES = samples()


def sample(id: str) -> Sample:
    return next(one for one in SAMPLES if one.id == id)


# -- a whole session


@pytest.mark.parametrize("role, seed_after", [(1, 4.1), (2, 5.0)])
def test_a_whole_session_is_played_as_the_real_node_played_it(role: int, seed_after: float) -> None:
    """From the first ping over the seed's fallback and the sync to the first registration."""
    replay = Replay(session(HANDSHAKE), role, seed=role == 1, seed_after=seed_after)
    replay.run()
    assert replay.substance() == replay.recorded()
    assert len(replay.recorded()) == {1: 7, 2: 5}[role]


@pytest.mark.parametrize("role", [1, 2])
def test_each_ping_of_the_session_is_answered_by_the_same_pong(role: int) -> None:
    recording = session(HANDSHAKE)
    replay = Replay(recording, role, seed=role == 1)
    for one in recording:
        if one.to_node == role:
            replay.turn(one.t)
            said = replay.hear(one.packet, one.from_node, one.t)
            pongs = [answer.packet for answer in of_kind(said, Pong)]
            if one.decoded["name"] == "PING":
                following = next(two for two in recording if two.seq > one.seq and two.decoded["name"] == "PONG")
                assert pongs == [following.packet]
            else:
                assert not pongs


def test_the_registration_of_the_session_reaches_our_module() -> None:
    replay = Replay(session(HANDSHAKE), 2, seed=False)
    replay.run()
    told = [one for one in session(HANDSHAKE) if one.packet.capability == CAPABILITY]
    assert replay.records.heard == [(1, one.packet.type, one.packet.split()[0]) for one in told]
    assert len(told) == 2


# -- what goes on from node to node


def forwarded() -> list[Sample]:
    """All updates that a real node passed on."""
    return [
        one for one in SAMPLES
        if one.packet.capability == INTERNAL and len(one.decoded["fields"].get("path", ())) > 1
    ]  # fmt: skip


def before(sample: Sample) -> tuple[Internal, int]:
    """The update as it came to who passed it on, and from whom."""
    message = decode_internal(sample.packet)[0]
    assert isinstance(message, LinkState | FullTopology | NodeDescription | Capabilities)
    came = replace(message, path=message.path[:-1])
    if isinstance(came, Capabilities):
        came = replace(came, wants_reply=True)  # what is passed on never wants one
    return came, came.path[-1]


@pytest.mark.parametrize("one", forwarded(), ids=lambda one: f"{one.id}-{one.decoded['name']}")
def test_an_update_is_passed_on_as_a_real_node_passed_it_on_byte_for_byte(one: Sample) -> None:
    message, source = before(one)
    replay = Replay([one], one.from_node, ids=(1, 2, 3))
    replay.link(source)
    replay.link(one.to_node)
    said = replay.hear(encode_internal(message, V3_3), source, 0.5)
    assert one.packet in [answer.packet for answer in said if answer.to == one.to_node]
    again = replay.hear(encode_internal(message, V3_3), source, 0.6)
    assert not of_kind(again, type(message)), "an update that is known is passed on no more"


def test_most_of_the_kinds_that_are_flooded_were_recorded_on_their_way() -> None:
    assert {one.decoded["name"] for one in forwarded()} == {"LS_UPDATE", "FULL_TOP_UPDATE", "CAP_UPDATE"}
    assert len(forwarded()) > 15


def test_what_is_for_another_node_goes_on_to_it_as_it_came() -> None:
    """Node 3 told node 2 of its sharing tag by way of node 1."""
    one = next(
        one for one in session("federation-hot-backup")
        if one.decoded["name"] == "SHTAG_ACTIVE" and one.decoded["trailer"]["dst_node"] != one.to_node
    )  # fmt: skip
    replay = Replay([one], one.to_node, ids=(1, 2, 3))
    replay.link(2)
    replay.link(3)
    [said] = replay.hear(one.packet, one.from_node, 0.5)
    assert (said.to, said.packet) == (2, one.packet)


# -- what a node answers at once


def test_a_node_that_we_do_not_know_is_told_so_and_says_who_it_is() -> None:
    unknown = next(one for one in SAMPLES if one.decoded["name"] == "UNKNOWN_ID")
    description = next(one for one in SAMPLES if one.decoded["name"] == "NODE_DESCRIPTION")
    asked = Replay([unknown], 2, ids=(1, 2))
    [said] = asked.hear(from_peer(Ping(1, 3, True)), 3, 0.1)
    assert (said.to, said.packet) == (0, unknown.packet)

    stranger = Replay([description], 3, ids=(2, 3))
    [said] = stranger.hear(unknown.packet, 2, 0.1)
    assert (said.to, said.packet) == (2, description.packet)

    asked.hear(description.packet, 3, 0.2)
    assert asked.machine.members[1].cluster.nodes[3].info.sip_addr == "127.0.0.3:16103"


def synced() -> list[Sample]:
    """All synchronisations that fitted into one packet, by their SYNC packets."""
    ends = [one for one in SAMPLES if one.decoded["name"] == "SYNC_END"]
    found = []
    for one in SAMPLES:
        if one.decoded["name"] == "SYNC" and one.decoded["fields"]["capability"] == CAPABILITY:
            same = [end for end in ends if (end.scenario, end.from_node) == (one.scenario, one.from_node)]
            whole = [end for end in same if end.seq == one.seq + 1]
            if not same or whole:
                found.append(one)
    return [one for one in found if len(one.decoded["fields"]["chunks"]) == 2]


@pytest.mark.parametrize("one", synced(), ids=lambda one: f"{one.id}-{one.release}")
def test_a_donor_sends_what_a_real_donor_sent_byte_for_byte(one: Sample) -> None:
    message, trailer = decode_extra(one.packet, one.dialect)
    assert isinstance(message, Sync)
    records = Records(message.chunks, message.data_version)
    replay = Replay([one], one.from_node, ids=(one.from_node, one.to_node), records=records, seed_after=0.0)
    replay.link(one.to_node)
    heard = Capabilities(1, one.to_node, 0, 1_795_384_200, (), False, (one.to_node,))
    replay.hear(encode_internal(heard, one.dialect), one.to_node, 0.1)
    back = Trailer(1, one.to_node, one.from_node)
    said = replay.hear(encode_extra(SyncRequest(CAPABILITY), back, one.dialect), one.to_node, 0.2)
    chunks = len(message.chunks) if one.dialect is V3_3 else 0
    end = encode_extra(SyncEnd(CAPABILITY, chunks), trailer, one.dialect)
    assert [answer.packet for answer in said if answer.packet.capability == EXTRA] == [one.packet, end]


@pytest.mark.parametrize("one", synced(), ids=lambda one: f"{one.id}-{one.release}")
def test_what_a_real_donor_sent_is_taken_in_and_then_we_say_that_we_have_it(one: Sample) -> None:
    message, trailer = decode_extra(one.packet, one.dialect)
    assert isinstance(message, Sync)
    records = Records(version=message.data_version)
    role, donor = one.to_node, one.from_node
    replay = Replay([one], role, ids=(role, donor), records=records, seed=False)
    replay.link(donor)
    able = decode_internal(next(
        two for two in SAMPLES
        if two.decoded["name"] == "CAP_UPDATE" and two.family == one.family
        and [CAPABILITY, 1] in two.decoded["fields"]["nodes"][0]["caps"]
    ).packet)[0]  # fmt: skip
    assert isinstance(able, Capabilities)
    nodes = (replace(able.nodes[0], node_id=donor),)
    able = replace(able, source=donor, nodes=nodes, wants_reply=False, path=(donor,))
    asked = replay.hear(encode_internal(able, one.dialect), donor, 0.1)
    request = encode_extra(SyncRequest(CAPABILITY), Trailer(1, role, donor), one.dialect)
    assert request in [said.packet for said in asked]

    replay.hear(one.packet, donor, 0.2)
    chunks = len(message.chunks) if one.dialect is V3_3 else 0
    said = replay.hear(encode_extra(SyncEnd(CAPABILITY, chunks), trailer, one.dialect), donor, 0.3)
    assert records.got == list(message.chunks)
    [update] = of_kind(said, Capabilities)
    told = decode_internal(update.packet)[0]
    assert isinstance(told, Capabilities)
    assert told.nodes[0].capabilities == ((CAPABILITY, True),)
    assert update.packet.type == {"2.4": 8, "3.2+": 9}[one.family]


def test_synchronisations_of_every_release_are_among_them() -> None:
    assert {one.release for one in synced()} == {"2.4.11", "3.4.18", "3.6.8", "4.0.1"}


# -- hostile peers


def test_a_session_from_a_wrong_address_is_not_answered() -> None:
    replay = Replay(session(HANDSHAKE), 2, seed=False)
    for one in session(HANDSHAKE):
        if one.to_node == 2:
            replay.machine.received(one.packet, "127.0.0.9", "from elsewhere", 1000.0 + one.t)
    assert replay.take(10.0) == []
    assert replay.records.heard == []


def test_no_recorded_packet_whatever_its_order_breaks_a_node() -> None:
    for role in (1, 2, 3):
        replay = Replay(SAMPLES, role, ids=(1, 2, 3, 7))
        for one in reversed(SAMPLES):
            if one.from_node != role:
                replay.hear(one.packet, one.from_node, 1.0)
                body = one.packet.body[:-3]
                replay.hear(Packet(one.packet.version, one.packet.capability, one.packet.type, body), one.from_node, 1)
        replay.turn(30.0)
        assert replay.machine.members[1].cluster.own_id == role


@pytest.mark.parametrize("learns", [True, False], ids=["learns", "knows"])
def test_no_damaged_packet_breaks_a_node_or_makes_it_grow(learns: bool) -> None:
    chance = Random(5)
    for role in (1, 2, 3):
        replay = Replay(SAMPLES, role, ids=(1, 2, 3, 7), learns=learns)
        for number in (1, 2, 3, 7):
            if number != role:
                replay.link(number)
        for step in range(600):
            one = chance.choice(SAMPLES).packet
            replay.turn(1.0 + step / 10)
            damaged = Packet(one.version, one.capability, one.type, damage(one.body, chance))
            replay.hear(damaged, chance.choice((1, 2, 3, 7, 9)), 1.0 + step / 10)
        assert len(replay.machine.members[1].cluster.nodes) < 128
        assert replay.machine.view().clusters[0].own.node_id == role


def damage(body: bytes, chance: Random) -> bytes:
    """Bytes changed, taken out or put in, none or a few."""
    data = bytearray(body)
    for _ in range(chance.choice((0, 1, 2, 5))):
        at = chance.randrange(len(data)) if data else 0
        data[at : at + chance.choice((0, 1, 2, 4))] = chance.randbytes(chance.choice((0, 1, 2, 4)))
    return bytes(data)
