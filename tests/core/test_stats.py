"""core/stats.py: counters by name, and the rows that they count in."""

import pytest

from pysips.core import stats
from pysips.core.stats import Cells, Statistics
from pysips.errors import ModuleError


class Shared(Cells):
    """Two processes' rows, as runtime gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.other = stats.fresh_row()

    def total(self, index: int) -> int:
        return self.row[index] + self.other[index]

    def clear(self, index: int) -> None:
        self.row[index] = self.other[index] = 0


def test_counter_goes_up_and_down() -> None:
    counter = Statistics().counter("tm", "inuse_transactions", no_reset=True)
    counter.inc()
    counter.inc()
    counter.dec()
    counter.add(5)
    assert counter.get() == 6


def test_same_name_is_the_same_counter() -> None:
    known = Statistics()
    assert known.counter("core", "rcv_requests") is known.counter("core", "rcv_requests")
    assert known.counter("core", "x").index != known.counter("tm", "x").index


def test_value_is_the_sum_over_processes() -> None:
    known = Statistics()
    counter = known.counter("core", "rcv_requests")
    cells = Shared()
    known.attach(cells)
    counter.inc()
    cells.other[counter.index] = 41
    assert counter.get() == 42
    assert known.select("rcv_requests")[0].value() == 42


def test_function_is_asked_each_time() -> None:
    known = Statistics()
    numbers = iter((1, 2))
    known.function("shmem", "used_size", lambda: next(numbers))
    (found,) = known.select("shmem:used_size")
    assert (found.value(), found.value()) == (1, 2)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("all", ["a", "b", "a"]),
        ("core:", ["a", "b"]),
        ("tm:a", ["a"]),
        ("b", ["b"]),
        ("c", []),
        ("none:", []),
    ],
)
def test_selection_by_word(word: str, names: list[str]) -> None:
    known = Statistics()
    for group, name in (("core", "a"), ("core", "b"), ("tm", "a")):
        known.counter(group, name)
    assert [one.name for one in known.select(word)] == names


def test_reset_leaves_what_counts_live_things() -> None:
    known = Statistics()
    plain, live = known.counter("tm", "received"), known.counter("tm", "inuse", no_reset=True)
    plain.inc()
    live.inc()
    assert known.reset("tm:")
    assert (plain.get(), live.get()) == (0, 1)
    assert not known.reset("nothing")
    assert known.live_indexes() == [live.index]


def test_names_clash_only_where_they_must() -> None:
    known = Statistics()
    known.function("core", "x", lambda: 0)
    with pytest.raises(ModuleError):
        known.function("core", "x", lambda: 0)
    with pytest.raises(ModuleError):
        known.counter("core", "x")


def test_too_many_counters_are_refused() -> None:
    known = Statistics()
    known.used = stats.MOST - 1
    known.counter("core", "a")
    with pytest.raises(ModuleError):
        known.counter("core", "b")
