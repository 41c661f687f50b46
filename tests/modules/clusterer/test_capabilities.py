"""Synchronisation: donors, seeds, what is repeated and what is not, and how a pair finds together again."""

from pysips.modules.clusterer.api import DOWN, Event, Receiver, Registration, any_node, same_sip_addr
from pysips.modules.clusterer.machine import Machine
from pysips.modules.clusterer.node import Settings
from pysips.modules.clusterer.packets import (
    EXTRA,
    V2_4,
    Capabilities,
    NodeCapabilities,
    Packet,
    Ping,
    Pong,
    encode_internal,
)
from tests.modules.clusterer.fabric import EPOCH, STORE, Fabric, info

SYNC_REQ = 10


def requests(fabric: Fabric, source: int) -> int:
    """How often a node asked for all that another has."""
    wire = [(one, packet) for one, _, packet in fabric.wire]
    return sum(one == source and packet.capability == EXTRA and packet.type == SYNC_REQ for one, packet in wire)


def pair(seeds: tuple[int, ...] = (1,), **more: object) -> Fabric:
    fabric = Fabric(1, 2, seeds=seeds, **more)  # type: ignore[arg-type]
    fabric.run(7)
    return fabric


def test_a_seed_alone_is_synced_after_its_interval_and_no_other_ever() -> None:
    fabric = Fabric(1, seeds=(1,))
    fabric.run(4.5)
    assert not fabric.synced(1)
    fabric.run(2)
    assert fabric.synced(1)
    other = Fabric(1)
    other.run(100)
    assert not other.synced(1)


def test_an_interval_of_zero_makes_a_seed_synced_from_the_start() -> None:
    fabric = Fabric(1, seeds=(1,), settings=Settings(seed_fallback=0))
    assert fabric.synced(1)


def test_the_second_node_gets_all_that_the_seed_has_once() -> None:
    fabric = Fabric(1, 2, seeds=(1,), start=False)
    fabric.start(1)
    fabric.run(6)
    fabric.stores[1].records = {str(number): "x" * 100 for number in range(2000)}
    fabric.start(2)
    fabric.run(3)
    assert fabric.stores[2].records == fabric.stores[1].records
    assert fabric.synced(2) and fabric.stores[2].times(Event.SYNC_DONE) == 1
    fabric.run(30)
    assert (requests(fabric, 2), requests(fabric, 1)) == (1, 1)  # the seed was alone: node 2 may have kept more


def test_both_seeds_started_alone_have_what_either_had() -> None:
    fabric = Fabric(1, 2, seeds=(1, 2), start=False)
    fabric.cut(1, 2)
    fabric.start(1)
    fabric.start(2)
    fabric.run(8)
    fabric.stores[1].records["a"], fabric.stores[2].records["b"] = "1", "2"
    fabric.mend(1, 2)
    fabric.run(65)
    assert fabric.stores[1].records == fabric.stores[2].records == {"a": "1", "b": "2"}


def test_in_a_federation_only_the_pair_of_a_virtual_address_is_a_donor() -> None:
    shared = {1: ",sip_addr=10.2.0.1", 2: ",sip_addr=10.2.0.1", 3: ",sip_addr=10.2.0.3"}
    fabric = Fabric(1, 2, 3, seeds=(1, 3), more=shared, start=False)
    fabric.condition = same_sip_addr
    for one in (1, 3):
        fabric.start(one)
    fabric.run(7)
    fabric.stores[1].records["a"] = "1"
    fabric.stores[3].records["c"] = "3"
    fabric.start(2)
    fabric.run(3)
    assert fabric.stores[2].records == {"a": "1"}
    assert fabric.put(2, "b", "2") == 1
    fabric.run(0.1)
    assert fabric.stores[1].records == {"a": "1", "b": "2"} and fabric.stores[3].records == {"c": "3"}


def test_a_pair_that_lost_its_cable_has_everything_again_on_both_sides() -> None:
    fabric = pair()
    fabric.cut(1, 2)
    fabric.run(12)
    assert fabric.put(1, "a", "1") == DOWN and fabric.put(2, "b", "2") == DOWN
    fabric.mend(1, 2)
    fabric.run(62)
    assert fabric.stores[1].records == fabric.stores[2].records == {"a": "1", "b": "2"}
    assert fabric.synced(1) and fabric.synced(2)
    before = requests(fabric, 1), requests(fabric, 2)
    fabric.run(60)
    assert (requests(fabric, 1), requests(fabric, 2)) == before


def test_a_node_that_was_frozen_gets_what_it_missed() -> None:
    fabric = pair()
    fabric.frozen.add(2)
    fabric.run(9.5)
    fabric.put(1, "a", "1")
    fabric.inboxes[2].clear()
    fabric.frozen.clear()
    fabric.run(5)
    assert fabric.stores[2].records == {"a": "1"}


def test_a_request_without_an_answer_is_repeated() -> None:
    fabric = Fabric(1, 2, seeds=(1,), start=False)
    fabric.start(1)
    fabric.run(6)
    fabric.stores[1].records["a"] = "1"
    fabric.loses = lambda packet: packet.capability == EXTRA and packet.type == SYNC_REQ
    fabric.start(2)
    fabric.run(10)
    assert requests(fabric, 2) == 1 and not fabric.synced(2)
    fabric.loses = lambda packet: False
    fabric.run(10)
    assert fabric.synced(2) and fabric.stores[2].records == {"a": "1"}


def test_a_donor_that_dies_half_way_is_replaced_by_another() -> None:
    fabric = Fabric(1, 2, 3, seeds=(1,), start=False)
    fabric.start(1)
    fabric.run(6)
    fabric.start(3)
    fabric.run(3)
    fabric.stores[1].records = {str(number): "x" * 1000 for number in range(2000)}
    fabric.stores[3].records = dict(fabric.stores[1].records)
    donor = fabric.machines[1]
    donor.has_room = lambda node: False
    donor.members[1].capabilities.donor.has_room = lambda node: False
    fabric.start(2)
    fabric.run(2)
    assert not fabric.synced(2)
    fabric.kill(1)
    fabric.run(5)
    assert fabric.synced(2) and fabric.stores[2].records == fabric.stores[3].records


def test_packets_that_come_during_a_sync_are_dealt_with_after_it() -> None:
    fabric = Fabric(1, 2, seeds=(1,), start=False)
    fabric.start(1)
    fabric.run(6)
    fabric.stores[1].records = {str(number): "old" for number in range(10_000)}
    fabric.start(2)
    fabric.machines[1].members[1].capabilities.donor.has_room = lambda node: len(fabric.stores[2].records) < 500
    fabric.run(2)
    fabric.put(1, "1", "new")
    fabric.run(0.2)
    assert fabric.stores[2].records["1"] == "old" and not fabric.synced(2)
    fabric.machines[1].members[1].capabilities.donor.has_room = lambda node: True
    fabric.run(2)
    assert fabric.stores[2].records["1"] == "new" and fabric.synced(2)


def test_a_new_attendant_goes_on_and_no_sync_is_repeated() -> None:
    fabric = pair()
    before = requests(fabric, 1), requests(fabric, 2)
    view, store = fabric.machines[2].view(), fabric.stores[2]
    fabric.kill(2)
    fabric.run(0.8)
    fabric.start(2, before=view, store=store)
    fabric.run(30)
    assert fabric.synced(2) and fabric.up(1) == {2} and fabric.up(2) == {1}
    assert (requests(fabric, 1), requests(fabric, 2)) == before


def test_what_was_on_its_way_to_a_dying_attendant_is_made_up_for() -> None:
    fabric = pair()
    view, store = fabric.machines[2].view(), fabric.stores[2]
    machine = fabric.machines[1]
    fabric.put(1, "a", "1")
    machine.out.clear()  # taken by the kernel of a process that died
    fabric.kill(2)
    fabric.start(2, before=view, store=store)
    fabric.run(5)
    assert fabric.stores[2].records == {"a": "1"}


def test_a_new_attendant_finishes_the_repair_that_the_old_one_had_begun() -> None:
    fabric = pair()
    fabric.cut(1, 2)
    fabric.run(12)
    fabric.stores[1].records["a"] = "1"
    view, store = fabric.machines[2].view(), fabric.stores[2]
    fabric.start(2, before=view, store=store)
    fabric.mend(1, 2)
    fabric.run(62)
    assert fabric.stores[2].records == {"a": "1"}


def test_nodes_of_our_kind_speak_the_newest_version_and_others_the_common_one() -> None:
    fabric = pair()
    fabric.put(1, "a", "1")
    fabric.run(0.1)
    assert fabric.stores[2].heard_versions == [5]
    fabric.node(1, 2).versions.clear()
    fabric.put(1, "b", "1")
    fabric.node(1, 2).dialect = V2_4
    fabric.put(1, "c", "1")
    fabric.run(0.1)
    assert fabric.stores[2].heard_versions == [5, 3, 2]


def test_a_peer_of_2_4_is_spoken_to_in_its_dialect() -> None:
    machine = Machine(1, Settings(), EPOCH, [Registration(1, STORE, Receiver(), True, any_node)])
    machine.load({1: [info(1), info(2)]}, 0.0)
    machine.tick(0.0)
    machine.received(encode_internal(Ping(1, 2, True), V2_4), "10.0.0.2", None, 0.1)
    machine.received(pong(), "10.0.0.2", None, 0.1)
    machine.out.clear()
    machine.received(old_capabilities(), "10.0.0.2", None, 0.2)
    said = [(one.packet.capability, one.packet.version, one.packet.type) for one in machine.out]
    assert ("clusterer-internal", 1, 8) in said  # CAP_UPDATE
    assert ("clusterer-extra", 2, 9) in said  # SYNC_REQ


def pong() -> Packet:
    return encode_internal(Pong(1, 2, ()), V2_4)


def old_capabilities() -> Packet:
    said = Capabilities(1, 2, 0, 0, (NodeCapabilities(2, ((STORE, True),)),), True, (2,))
    return encode_internal(said, V2_4)


def test_a_disabled_capability_neither_sends_nor_takes_and_syncs_when_it_is_back() -> None:
    fabric = pair()
    fabric.machines[2].members[1].capabilities.allow(STORE, False, fabric.now)
    fabric.put(1, "a", "1")
    fabric.run(1)
    assert fabric.stores[2].records == {} and not fabric.synced(2)
    fabric.machines[2].members[1].capabilities.allow(STORE, True, fabric.now)
    fabric.run(1)
    assert fabric.stores[2].records == {"a": "1"} and fabric.synced(2)
