"""Cycles are collected in small pieces, and all objects only when there are many more."""

import gc
from collections.abc import Iterator

import pytest

from pysips.runtime.collector import QUIET, SECONDS, Collector


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


def old_knot(collector: Collector) -> None:
    """A cycle that is left alone only after a turn has seen it."""
    knot = Knot()
    collector.turn()
    del knot
    collector.turn()
    assert knots() == 1


def test_a_cycle_that_was_old_goes_when_it_is_quiet(collector: Collector) -> None:
    old_knot(collector)
    assert not collector.look(99.0 + SECONDS), "not so soon"
    assert collector.look(100.0 + SECONDS)
    assert knots() == 0
    assert not collector.look(99.0 + 2 * SECONDS)


def test_under_load_nobody_looks_at_all_objects(collector: Collector) -> None:
    old_knot(collector)
    more = [[] for _ in range(int(QUIET * collector.blocks))]  # type: ignore[var-annotated]
    assert not collector.look(100.0 + SECONDS)
    assert knots() == 1
    more.clear()
    assert collector.look(110.0 + SECONDS)


def test_too_many_are_looked_at_even_under_load(collector: Collector) -> None:
    old_knot(collector)
    collector.too_many = 2 * collector.blocks
    more = [[] for _ in range(2 * collector.blocks)]  # type: ignore[var-annotated]
    assert collector.look(100.0 + SECONDS)
    assert knots() == 0
    assert not collector.look(100.0 + 2 * SECONDS), "not before they have doubled"
    assert more
