"""Whoever is silent has a sibling who takes his datagrams, one only, and until he is back."""

import socket
from collections.abc import Iterator

import pytest

from pysips.core.services import Clock
from pysips.runtime.counters import BEAT, GONE, RUNNING, STATE, Board
from pysips.runtime.loop import Selector
from pysips.runtime.standing_in import PATIENCE, StandIn
from pysips.runtime.wheel import Wheel

SLOTS = 3
BEAT_SECONDS = 0.2


class Wall(Clock):
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


class Datagrams:
    """A datagram socket of one slot; got: what was read of it."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.got: list[bytes] = []

    def fileno(self) -> int:
        return self.ours.fileno()

    def take(self) -> None:
        self.got.append(self.ours.recv(100))

    def errors(self) -> None:
        """It has none."""


class Workers:
    """Three workers that run; `pass_time` lets the hearts of those who are well beat, and everybody look."""

    def __init__(self) -> None:
        self.board, self.clock = Board(SLOTS), Wall()
        self.sockets = [Datagrams() for _ in range(SLOTS)]
        self.selectors = [Selector(Wheel()) for _ in range(SLOTS)]
        for slot in range(SLOTS):
            self.board.take_seat(slot, 0)
            self.board.own(slot)[STATE] = RUNNING
        self.workers = [
            StandIn(self.board, selector, self.clock, slot, [[one] for one in self.sockets])
            for slot, selector in enumerate(self.selectors)
        ]
        self.stopped: set[int] = set()

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / BEAT_SECONDS)):
            self.clock.at += BEAT_SECONDS
            well = [slot for slot in range(SLOTS) if slot not in self.stopped]
            for slot in well:
                self.board.own(slot)[BEAT] += 1
            for slot in well:
                self.workers[slot].look()

    def serve(self, slot: int) -> list[int]:
        """Who reads the sockets of a slot, beside itself."""
        wanted = self.sockets[slot].fileno()
        return [other for other, selector in enumerate(self.selectors) if wanted in selector.served]

    def close(self) -> None:
        for selector in self.selectors:
            selector.close()
        for one in self.sockets:
            one.ours.close()
            one.theirs.close()


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.close()


def test_nobody_stands_in_for_whoever_is_well(workers: Workers) -> None:
    workers.pass_time(10)
    assert [workers.serve(slot) for slot in range(SLOTS)] == [[], [], []]


def test_the_next_slot_takes_what_a_silent_worker_does_not(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {2}
    workers.pass_time(PATIENCE - BEAT_SECONDS)
    assert workers.serve(2) == [], "it may only be slow"
    workers.pass_time(2 * BEAT_SECONDS)
    assert workers.serve(2) == [0]
    workers.sockets[2].theirs.send(b"INVITE")
    workers.selectors[0].select(0)
    assert workers.sockets[2].got == [b"INVITE"]


def test_of_two_silent_ones_the_third_serves_both(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {0, 1}
    workers.pass_time(2)
    assert (workers.serve(0), workers.serve(1)) == ([2], [2])


def test_who_stands_in_may_fall_silent_too(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {0}
    workers.pass_time(2)
    assert workers.serve(0) == [1]
    workers.stopped = {0, 1}
    workers.pass_time(2)
    assert 2 in workers.serve(0)
    workers.stopped = {0}
    workers.pass_time(1)
    assert workers.serve(0) == [1], "it is awake again, and so the other need not"


def test_whoever_goes_on_has_his_sockets_for_himself(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {1}
    workers.pass_time(2)
    workers.stopped = set()
    workers.pass_time(2 * BEAT_SECONDS)
    assert workers.serve(1) == []


def test_a_replacement_is_stood_in_for_until_it_runs(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {1}
    workers.pass_time(2)
    workers.board.own(1)[STATE] = GONE
    workers.pass_time(BEAT_SECONDS)
    workers.board.take_seat(1, 0)
    workers.pass_time(5)
    assert workers.serve(1) == [2]
    workers.board.own(1)[STATE] = RUNNING
    workers.stopped = set()
    workers.pass_time(2 * BEAT_SECONDS)
    assert workers.serve(1) == []


def test_a_worker_that_was_stopped_itself_thinks_nobody_silent(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {0}
    workers.pass_time(5)
    for _ in range(25):
        workers.workers[0].look()  # its timers catch up, all at once
    assert 0 not in workers.serve(1) + workers.serve(2)


def test_one_that_stops_takes_no_more(workers: Workers) -> None:
    workers.pass_time(1)
    workers.stopped = {1}
    workers.pass_time(2)
    workers.workers[2].end()
    assert workers.serve(1) == []


def test_a_single_worker_has_nobody_to_look_after() -> None:
    clock, selector = Wall(), Selector(Wheel())
    alone = StandIn(Board(1), selector, clock, 0, [[]])
    clock.at += 10
    alone.look()
    assert not selector.served
    selector.close()
