"""Links: who is up, who is down, and how long that takes."""

import random

import pytest

from pysips.modules.clusterer.links import Due, Link, State, Timing
from tests.modules.clusterer.fabric import Fabric


def test_two_nodes_that_start_together_see_each_other_within_a_second() -> None:
    fabric = Fabric(1, 2)
    fabric.run(1.1)
    assert fabric.up(1) == {2} and fabric.up(2) == {1}
    assert fabric.changes(1) == [(2, True)]


@pytest.mark.parametrize("seed", range(40))
def test_whenever_they_start_they_see_each_other(seed: int) -> None:
    dice = random.Random(seed)
    fabric = Fabric(1, 2, 3, start=False)
    for node_id in dice.sample([1, 2, 3], 3):
        fabric.start(node_id)
        fabric.next_tick[node_id] += dice.random()
        fabric.run(dice.choice([0.0, 0.05, 0.3, 1.0, 4.0]))
    fabric.run(3)
    assert [fabric.up(one) for one in (1, 2, 3)] == [{2, 3}, {1, 3}, {1, 2}]


def test_a_ping_is_noted_before_it_is_out_so_no_pong_is_too_fast() -> None:
    link = Link(Timing(), 3)
    assert link.due(10.0) is Due.PING_LIST
    link.pong(10.0)  # at the very same time
    assert link.is_up
    assert link.due(13.9) is Due.NOTHING
    assert link.due(14.0) is Due.PING


def test_a_killed_node_is_down_after_its_retries() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    fabric.kill(2)
    fabric.run(2.2)
    assert fabric.up(1) == set()
    assert fabric.node(1, 2).link.shown == "Probe"
    fabric.run(3)
    assert fabric.node(1, 2).link.shown == "Down"
    assert fabric.changes(1) == [(2, True), (2, False)]


def test_a_node_that_comes_back_is_up_at_once_though_its_peer_leaves_it_alone() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    fabric.kill(2)
    fabric.run(20)
    fabric.start(2)
    fabric.run(1.1)
    assert fabric.up(1) == {2} and fabric.up(2) == {1}


def test_a_frozen_node_is_down_within_nine_seconds_and_up_a_second_after_it_goes_on() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    fabric.frozen.add(2)
    fabric.run(9.1)
    assert fabric.node(1, 2).link.shown == "Down"
    fabric.frozen.clear()
    fabric.run(1.1)
    assert fabric.up(1) == {2} and fabric.up(2) == {1}


def test_a_pulled_cable_is_seen_at_both_ends_and_forgotten_soon_after_it_is_back() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    fabric.cut(1, 2)
    fabric.run(10)
    assert [fabric.node(1, 2).link.state, fabric.node(2, 1).link.state] == [State.DOWN, State.DOWN]
    fabric.mend(1, 2)
    fabric.run(61)
    assert fabric.up(1) == {2} and fabric.up(2) == {1}


def test_no_retries_means_down_at_the_first_silence() -> None:
    link = Link(Timing(), 0)
    assert link.due(0.0) is Due.PING_LIST
    assert link.due(0.9) is Due.NOTHING
    assert link.due(1.0) is Due.NOTHING
    assert link.state is State.DOWN
    assert link.due(59.9) is Due.NOTHING
    assert link.due(60.0) is Due.PING_LIST


def test_other_packets_keep_a_link_up_that_lost_its_pong() -> None:
    link = Link(Timing(), 3)
    link.due(0.0)
    link.pong(0.1)
    assert link.due(4.0) is Due.PING
    link.heard(4.9)
    assert link.due(5.0) is Due.NOTHING
    assert link.is_up
    assert link.due(6.0) is Due.PING_LIST
    assert link.state is State.RETRYING


def test_a_ping_is_answered_by_a_ping_while_the_link_is_not_up() -> None:
    link = Link(Timing(), 3)
    link.due(0.0)
    assert link.pinged(0.5) is Due.NOTHING  # ours is on its way
    link.failed(0.6)
    assert link.pinged(0.7) is Due.PING_LIST
    link.pong(0.8)
    assert link.pinged(0.9) is Due.NOTHING
