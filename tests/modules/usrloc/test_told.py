"""The federation without a store: what nodes tell each other."""

from pysips.modules.clusterer.api import Event
from pysips.modules.usrloc.modes import Mode
from pysips.modules.usrloc.told import KIND

from .in_memory import Node, Platform

ALICE = "alice@home.example"
MODE = Mode("federation", "sync-from-cluster", location_cluster=1)
A, B, C = "10.0.0.150", "10.0.0.180", "10.0.0.190"


def platform(*homes: str) -> Platform:
    return Platform(*homes, mode=MODE)


def ask_all(node: Node, other: Node) -> None:
    """What the cluster does when a node comes."""
    told = node.part.told
    told.chunks(1, other.links.own_id, 1, tuple(other.part.told.donate(1, node.links.own_id, 1)))
    told.happened(Event.SYNC_DONE, 1, other.links.own_id)


def test_what_a_node_has_all_others_know() -> None:
    here = platform(A, B, C)
    one, two, three = here.nodes.values()
    one.register(ALICE)
    here.run()
    assert two.part.homes.told(ALICE) == three.part.homes.told(ALICE) == [A]
    assert one.part.homes.told(ALICE) == []
    three.register(ALICE)
    here.run()
    assert sorted(two.part.homes.told(ALICE)) == [A, C]
    one.register(ALICE, expires=0, cseq=2)
    here.run()
    assert two.part.homes.told(ALICE) == [C]
    assert two.part.homes.told("alice@home.exampl") == []


def test_of_a_pair_each_speaks_for_itself() -> None:
    here = platform(A, A, B)
    one, two, far = here.nodes.values()
    one.register(ALICE)
    here.run()
    assert two.has(ALICE) and far.part.homes.told(ALICE) == [A]
    del here.nodes[1]
    two.register(ALICE, cseq=2)
    here.run()
    assert far.part.homes.told(ALICE) == [A]


def test_a_node_that_comes_tells_all_and_what_it_does_not_name_is_forgotten() -> None:
    here = platform(A, B)
    one, two = here.nodes.values()
    for user in range(450):
        one.register(f"{user}@home.example")
    here.run()
    here.cut(1, 2)
    one.register("7@home.example", expires=0, cseq=2)
    one.register(ALICE)
    here.run()
    assert two.part.homes.told("7@home.example") == [A]
    here.mend(1, 2)
    ask_all(two, one)
    assert two.part.homes.told("7@home.example") == []
    assert two.part.homes.told(ALICE) == two.part.homes.told("449@home.example") == [A]
    assert two.services.tables.count(KIND) == 450


def test_who_is_away_for_long_is_forgotten() -> None:
    here = platform(A, B)
    one, two = here.nodes.values()
    one.register(ALICE, expires=9000)
    here.run()
    here.cut(1, 2)
    here.run(3000)
    assert two.part.homes.told(ALICE) == [A]
    here.run(700)
    assert two.part.homes.told(ALICE) == []


def test_contacts_from_a_database_that_was_late_are_told() -> None:
    here = platform(A, B)
    one, two = here.nodes.values()
    one.register(ALICE, why=8)
    here.cut(1, 2)
    here.run()
    here.mend(1, 2)
    one.part.loaded()
    assert two.part.homes.told(ALICE) == [A]
