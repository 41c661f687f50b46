"""The timer wheel: what fires when, and what is let go."""

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.services import Timer
from pysips.runtime.wheel import BUCKETS, TICKS_A_SECOND, Wheel


class Bell(Timer):
    """Writes down the tick at which it rang."""

    def __init__(self, wheel: Wheel) -> None:
        super().__init__()
        self.wheel = wheel
        self.rang: list[int] = []

    def fire(self) -> None:
        self.rang.append(self.wheel.now)


class Broken(Timer):
    def fire(self) -> None:
        raise RuntimeError("no")


def ticks(seconds: float) -> int:
    return round(seconds * TICKS_A_SECOND)


def test_a_timer_fires_once_not_early_and_at_most_one_tick_late() -> None:
    wheel = Wheel()
    bell = Bell(wheel)
    wheel.add(bell, 0.5)
    wheel.advance(1 + ticks(0.5))
    assert bell.rang == []
    wheel.advance(500)
    assert bell.rang == [2 + ticks(0.5)]
    assert bell.due == 0


def test_zero_and_negative_seconds_fire_at_the_next_tick() -> None:
    wheel = Wheel()
    bells = [Bell(wheel), Bell(wheel)]
    wheel.add(bells[0], 0)
    wheel.add(bells[1], -3)
    wheel.advance(2)
    assert [bell.rang for bell in bells] == [[2], [2]]


def test_it_says_how_long_nothing_is_due() -> None:
    wheel = Wheel(born=100.0)
    assert wheel.left(100.0) == pytest.approx(1.0), "it looks no further"
    wheel.add(Bell(wheel), 0.3)
    assert wheel.left(100.0) == pytest.approx(0.35)
    assert wheel.left(100.2) == pytest.approx(0.15)
    assert wheel.left(103.0) == 0


def test_it_turns_as_time_goes_on() -> None:
    wheel = Wheel(born=100.0)
    bell = Bell(wheel)
    wheel.add(bell, 0.3)
    assert not wheel.turn(100.04)
    assert wheel.turn(100.34) and bell.rang == []
    assert wheel.turn(100.36) and bell.rang == [8]
    assert not wheel.turn(100.36)


def test_a_cancelled_timer_does_not_fire() -> None:
    wheel = Wheel()
    bell = Bell(wheel)
    wheel.add(bell, 1)
    bell.due = 0
    wheel.advance(100)
    assert bell.rang == []


def test_adding_again_moves_a_timer_both_ways() -> None:
    wheel = Wheel()
    later, sooner = Bell(wheel), Bell(wheel)
    wheel.add(later, 1)
    wheel.add(later, 2)
    wheel.add(sooner, 40)
    wheel.add(sooner, 1)
    wheel.advance(2000)
    assert later.rang == [2 + ticks(2)]
    assert sooner.rang == [2 + ticks(1)]


def test_a_timer_may_add_itself_again_when_it_fires() -> None:
    wheel = Wheel()

    class Again(Bell):
        def fire(self) -> None:
            super().fire()
            wheel.add(self, 1)

    bell = Again(wheel)
    wheel.add(bell, 1)
    wheel.advance(1 + 3 * (ticks(1) + 1))
    assert bell.rang == [22, 43, 64]


def test_a_timer_moved_many_times_within_a_far_bucket_stands_there_once() -> None:
    wheel = Wheel()
    bell = Bell(wheel)
    for _ in range(100):
        wheel.add(bell, 60)
    wheel.advance(1 + BUCKETS)
    assert sum(len(bucket) for bucket in wheel.buckets) == 1
    wheel.advance(3000)
    assert bell.rang == [2 + ticks(60)]


def test_a_cancelled_far_timer_is_let_go_within_one_turn_of_the_wheel() -> None:
    wheel = Wheel()
    bell = Bell(wheel)
    gone = weakref.ref(bell)
    wheel.add(bell, 3600)
    bell.due = 0
    del bell
    wheel.advance(1 + BUCKETS)
    gc.collect()
    assert gone() is None


def test_a_timer_that_fails_stops_no_other() -> None:
    wheel = Wheel()
    bell = Bell(wheel)
    wheel.add(Broken(), 1)
    wheel.add(bell, 1)
    wheel.advance(100)
    assert bell.rang == [22]


def test_an_endless_wait_is_no_overflow() -> None:
    wheel = Wheel()
    bell = Bell(wheel)
    wheel.add(bell, float("inf"))
    wheel.advance(1000)
    assert bell.rang == []


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(1, 50)), max_size=40))
def test_whatever_is_added_fires_in_its_time(plan: list[tuple[float, int]]) -> None:
    wheel = Wheel()
    bells = []
    for seconds, step in plan:
        bell = Bell(wheel)
        wheel.add(bell, seconds)
        bells.append((bell, wheel.now, seconds))
        wheel.advance(wheel.now + step)
    wheel.advance(wheel.now + ticks(400) + 2)
    for bell, added, seconds in bells:
        assert len(bell.rang) == 1
        assert seconds - 1e-6 <= (bell.rang[0] - added - 1) / TICKS_A_SECOND + 0.05
        assert (bell.rang[0] - added) / TICKS_A_SECOND <= seconds + 0.1 + 1e-6
