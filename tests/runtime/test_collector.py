"""Cycles are collected in small pieces, and all objects only when there are many more."""

import gc
from collections.abc import Iterator

import pytest

from pysips.runtime.collector import GROWTH, SECONDS, Collector


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that has begun at second 100."""
    made = Collector()
    made.begin(100.0)
    yield made
    gc.unfreeze()
    gc.enable()
    gc.collect()


def knots() -> int:
    return sum(isinstance(one, Knot) for one in gc.get_objects())


def test_young_cycles_go_at_the_next_turn(collector: Collector) -> None:
    Knot()
    assert knots() == 1
    collector.turn()
    assert knots() == 0


def test_python_itself_never_begins(collector: Collector) -> None:
    Knot()
    kept = [[] for _ in range(100_000)]  # type: ignore[var-annotated]
    assert knots() == 1
    assert len(kept) == 100_000


def test_a_cycle_that_was_old_waits_until_there_is_much_more(collector: Collector) -> None:
    knot = Knot()
    collector.turn()
    del knot
    collector.turn()
    assert not collector.look(100.0 + SECONDS)
    assert knots() == 1
    more = [[] for _ in range(int(GROWTH * collector.blocks))]  # type: ignore[var-annotated]
    assert not collector.look(99.0 + SECONDS), "not so soon"
    assert collector.look(100.0 + SECONDS)
    assert knots() == 0
    assert not collector.look(100.0 + 2 * SECONDS), "that is the new measure"
    assert more
