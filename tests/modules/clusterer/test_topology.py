"""Ways through a cluster: chains, partitions, nodes that learn of each other."""

from pysips.modules.clusterer.api import DOWN, SENT
from pysips.modules.clusterer.node import Settings
from pysips.modules.clusterer.topology import Seen, Topology, further
from tests.modules.clusterer.fabric import STORE, Fabric, info, record


def test_a_chain_reaches_its_end_through_the_middle() -> None:
    fabric = Fabric(1, 2, 3)
    fabric.cut(1, 3)
    fabric.run(3)
    assert fabric.up(1) == {2} and fabric.reachable(1) == {2, 3}
    assert fabric.node(1, 3).next_hop == 2
    assert fabric.put(1, "a", "1") == SENT
    fabric.run(0.1)
    assert fabric.stores[3].records == {"a": "1"}


def test_a_longer_chain_syncs_from_end_to_end() -> None:
    fabric = Fabric(1, 2, 3, 4, seeds=(1,), start=False)
    for pair in ((1, 3), (1, 4), (2, 4)):
        fabric.cut(*pair)
    fabric.start(1)
    fabric.run(7)
    fabric.stores[1].records["a"] = "1"
    for one in (2, 3, 4):
        fabric.start(one)
    fabric.run(8)
    assert fabric.reachable(4) == {1, 2, 3}
    assert [fabric.stores[one].records for one in (2, 3, 4)] == [{"a": "1"}] * 3
    assert [fabric.synced(one) for one in (2, 3, 4)] == [True] * 3


def test_when_the_middle_dies_the_ends_cannot_be_reached() -> None:
    fabric = Fabric(1, 2, 3)
    fabric.cut(1, 3)
    fabric.run(3)
    fabric.kill(2)
    fabric.run(10)
    assert fabric.reachable(1) == set()
    assert fabric.put(1, "a", "1") == DOWN


def test_a_cable_between_two_of_three_costs_no_reachability() -> None:
    fabric = Fabric(1, 2, 3)
    fabric.run(3)
    fabric.changes(1)
    fabric.cut(1, 3)
    fabric.run(12)
    assert fabric.reachable(1) == {2, 3} and fabric.node(1, 3).next_hop == 2
    fabric.mend(1, 3)
    fabric.run(65)
    assert fabric.node(1, 3).next_hop == 3


def test_a_packet_that_fails_on_its_way_takes_another() -> None:
    fabric = Fabric(1, 2, 3)
    fabric.run(3)
    machine = fabric.machines[1]
    machine.send(1, 3, STORE, 1, lambda version: record("a", "1"), fabric.now)
    lost = machine.out.pop()
    fabric.cut(1, 3)
    machine.failed(lost, fabric.now)
    fabric.run(0.1)
    assert fabric.stores[3].records == {"a": "1"}


def test_a_partition_heals_on_both_sides() -> None:
    fabric = Fabric(1, 2, 3, 4)
    fabric.run(3)
    pairs = ((1, 3), (1, 4), (2, 3), (2, 4))
    for pair in pairs:
        fabric.cut(*pair)
    fabric.run(12)
    assert fabric.reachable(1) == {2} and fabric.reachable(4) == {3}
    for pair in pairs:
        fabric.mend(*pair)
    fabric.run(65)
    assert [fabric.reachable(one) for one in fabric.ids] == [{2, 3, 4}, {1, 3, 4}, {1, 2, 4}, {1, 2, 3}]


def test_without_a_table_a_chain_becomes_a_full_mesh() -> None:
    fabric = Fabric(1, 2, 3, settings=Settings(learns=True), knows={1: [2], 2: [3], 3: []})
    fabric.run(5)
    assert [fabric.up(one) for one in (1, 2, 3)] == [{2, 3}, {1, 3}, {1, 2}]
    assert fabric.node(3, 1).info.sip_addr == "10.1.0.1"


def test_with_a_table_a_stranger_is_not_let_in() -> None:
    fabric = Fabric(1, 2, 3, knows={1: [2], 2: [1], 3: [1, 2]})
    fabric.run(5)
    assert fabric.up(1) == {2} and fabric.up(3) == set()
    assert list(fabric.machines[1].members[1].cluster.nodes) == [2]


def test_an_address_of_nobody_says_nothing() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    ping = next(packet for source, _, packet in fabric.wire if source == 2)
    fabric.machines[1].received(ping, "10.9.9.9", None, fabric.now)
    assert fabric.machines[1].out == []


def test_a_new_table_takes_in_and_puts_out() -> None:
    fabric = Fabric(1, 2, 3, knows={1: [2], 2: [1], 3: [1]})
    fabric.run(3)
    fabric.machines[1].load({1: [info(1), info(3)]}, fabric.now)
    fabric.run(2)
    assert fabric.up(1) == {3}
    assert fabric.changes(1) == [(2, True), (2, False), (3, True)]


def test_a_disabled_node_hears_and_says_nothing() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    fabric.machines[1].members[1].cluster.allow_self(False, fabric.now)
    fabric.run(10)
    assert fabric.up(2) == set() and fabric.node(1, 2).link.shown == "Down"
    fabric.machines[1].members[1].cluster.allow_self(True, fabric.now)
    fabric.run(2)
    assert fabric.up(2) == {1} and fabric.up(1) == {2}


def test_of_equal_ways_the_lower_priority_then_the_lower_id_is_taken() -> None:
    topology = Topology(1)
    for one, other in ((1, 2), (1, 3), (2, 4), (3, 4)):
        topology.connect(one, other)
        topology.connect(other, one)
    priority = {1: 50, 2: 50, 3: 50, 4: 50}
    assert topology.next_hop(4, lambda _: True, lambda one: (priority[one], one)) == 2
    priority[3] = 10
    assert topology.next_hop(4, lambda _: True, lambda one: (priority[one], one)) == 3
    assert topology.next_hop(4, lambda one: one != 4, lambda one: (priority[one], one)) is None


def test_an_edge_that_one_end_alone_lists_is_no_way() -> None:
    topology = Topology(1)
    topology.connect(1, 2)
    topology.connect(2, 3)
    assert topology.next_hop(3, lambda _: True, lambda one: (0, one)) is None


def test_an_update_is_new_once_and_a_restarted_node_begins_anew() -> None:
    seen = Seen()
    assert seen.take(0, 100) and not seen.take(0, 100)
    assert seen.take(1, 100) and not seen.take(1, 100) and not seen.take(0, 100)
    assert seen.take(0, 150)
    assert not seen.take(0, 120)


def test_flooding_stops_at_long_paths_and_at_ourselves() -> None:
    assert further([1, 2], 3, [1, 2, 4]) == [4]
    assert further([1, 3], 3, [4]) == []
    assert further(list(range(10, 36)), 3, [4]) == []
