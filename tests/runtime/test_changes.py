"""The change log: written in the order of commits, one line a key, read by followers that may fail and come back."""

from pathlib import Path

import pytest

from pysips.core.changes import CURSORS, LINES, PLACES, Change, ChangeFollower, Changes, NotNow
from pysips.core.services import Promise, Tables
from pysips.core.stats import Cells, Statistics
from pysips.runtime import tables
from pysips.runtime.changes import PAUSE, AttendantReading, WorkerReading
from pysips.testing.fakes import FakeClock
from pysips.testing.tables import MemoryTable


class Noting(ChangeFollower):
    """Writes down what it is told; fails while `away`; waits while `slow`."""

    def __init__(self, name: str = "noting", pace: float = 1.0, most: int = 200) -> None:
        super().__init__(name, pace, most)
        self.told: list[tuple[bytes, bytes]] = []
        self.pages = 0
        self.away = False
        self.slow: Promise | None = None

    async def apply(self, changes: list[Change]) -> None:
        if self.away:
            raise NotNow
        self.pages += 1
        self.told += [(one.key, one.value) for one in changes]
        if self.slow is not None:
            await self.slow


class Rig:
    def __init__(self, *followers: Noting, tables: Tables | None = None) -> None:
        self.tables = tables or MemoryTable()
        self.clock = FakeClock()
        self.log = Changes()
        for one in followers:
            self.log.follow(one)
        self.read = self.attendant()

    def attendant(self) -> AttendantReading:
        made = AttendantReading(self.log.followers, self.tables, self.clock.timers)
        made.begin()
        return made

    def note(self, key: bytes, value: bytes) -> bytes:
        transaction = self.tables.begin()
        place = self.log.note(transaction, key, (self.log.pending(transaction, key) or b"") + value)
        transaction.commit()
        return place


def test_changes_come_in_the_order_of_commits() -> None:
    follower = Noting()
    rig = Rig(follower)
    for key in (b"z", b"a", b"m"):
        rig.note(key, b"1")
    rig.clock.advance(1)
    assert follower.told == [(b"z", b"1"), (b"a", b"1"), (b"m", b"1")]


def test_a_key_has_one_line_at_the_end_with_all_that_was_said() -> None:
    follower = Noting()
    rig = Rig(follower)
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3")):
        rig.note(key, value)
    assert rig.tables.count(LINES) == 2
    rig.clock.advance(1)
    assert follower.told == [(b"b", b"2"), (b"a", b"13")]


def test_what_everybody_has_passed_is_taken_out() -> None:
    quick, late = Noting("quick"), Noting("late")
    rig = Rig(quick, late)
    late.away = True
    rig.note(b"a", b"1")
    rig.clock.advance(1)
    assert (rig.tables.count(LINES), quick.told) == (1, [(b"a", b"1")])
    late.away = False
    rig.clock.advance(1)
    assert (rig.tables.count(LINES), rig.tables.count(PLACES), late.told) == (0, 0, [(b"a", b"1")])


def test_a_thousand_changes_in_an_absence_are_one_line_for_each_key() -> None:
    follower = Noting()
    follower.away = True
    rig = Rig(follower)
    for n in range(1000):
        rig.note(b"%d" % (n % 7), b"")
    assert rig.tables.count(LINES) == 7


def test_a_new_attendant_goes_on_where_the_old_one_was() -> None:
    follower = Noting(most=1)
    rig = Rig(follower)
    rig.note(b"a", b"1")
    rig.clock.advance(1)
    follower.slow = Promise()
    rig.note(b"b", b"2")
    rig.clock.advance(1)  # told, but not done: the attendant dies now
    follower.slow = None
    rig.attendant()
    rig.clock.advance(1)
    assert follower.told == [(b"a", b"1"), (b"b", b"2"), (b"b", b"2")]


def test_nothing_of_a_key_is_begun_while_something_of_it_is_under_way() -> None:
    follower = Noting()
    rig = Rig(follower)
    waiting = follower.slow = Promise()
    rig.note(b"a", b"1")
    rig.clock.advance(1)
    rig.note(b"a", b"2")
    rig.clock.advance(10)
    assert follower.pages == 1
    follower.slow = None
    waiting.complete()
    assert follower.told == [(b"a", b"1"), (b"a", b"12")]


def test_who_waits_is_told_when_his_line_is_passed() -> None:
    follower = Noting(pace=60)
    rig = Rig(follower)
    place = rig.note(b"a", b"1")
    promise = rig.read.reached("noting", place)
    assert (promise.value, follower.told) == (True, [(b"a", b"1")])


def test_who_waits_for_a_line_that_another_replaced_is_told_with_that() -> None:
    follower = Noting(pace=60)
    rig = Rig(follower)
    waiting = follower.slow = Promise()
    rig.read.reached("noting", rig.note(b"x", b""))
    place = rig.note(b"a", b"1")
    promise = rig.read.reached("noting", place)
    rig.note(b"a", b"2")
    follower.slow = None
    waiting.complete()
    assert (promise.value, follower.told[-1]) == (True, (b"a", b"12"))


def test_who_waits_for_a_stuck_follower_is_told_at_once() -> None:
    follower = Noting()
    follower.away = True
    rig = Rig(follower)
    place = rig.note(b"a", b"1")
    assert rig.read.reached("noting", place).value is False
    assert rig.read.is_stuck("noting")
    worker = WorkerReading(rig.tables, lambda *_: pytest.fail("a worker need not ask"))
    assert worker.reached("noting", place).value is False
    follower.away = False
    rig.clock.advance(PAUSE)
    assert worker.reached("noting", place).value is True


def test_a_follower_that_never_ends_does_not_hold_up_who_waits() -> None:
    follower = Noting()
    follower.slow = Promise()
    rig = Rig(follower)
    promise = rig.read.reached("noting", rig.note(b"a", b"1"))
    assert not promise.done
    rig.clock.advance(2)
    assert promise.value is False


def test_at_the_end_all_is_done_or_known_to_be_owed() -> None:
    follower = Noting(pace=60)
    rig = Rig(follower)
    rig.note(b"a", b"1")
    rig.read.flush()
    assert (rig.read.flush(), rig.read.owed()) == (True, [])
    follower.away = True
    rig.note(b"a", b"1")
    rig.read.flush()
    assert (rig.read.flush(), rig.read.owed()) == (True, ["noting"])
    follower.away = False
    rig.read.finish()
    rig.read.flush()
    assert (rig.read.flush(), rig.read.owed()) == (True, [])


def test_a_full_table_loses_nothing() -> None:
    follower = Noting()
    rig = Rig(follower)
    rig.note(b"a", b"1")
    assert isinstance(rig.tables, MemoryTable)
    rig.tables.is_full = True
    rig.clock.advance(1)
    rig.tables.is_full = False
    rig.clock.advance(2)
    assert (rig.tables.count(LINES), follower.told[-1]) == (0, (b"a", b"1"))


def test_long_keys_and_real_tables(tmp_path: Path) -> None:
    tables.make(tmp_path)
    shared = tables.LmdbTables(tmp_path, Statistics(Cells()).counter("net", "tables_refused"))
    follower = Noting()
    rig = Rig(follower, tables=shared)
    keys = [b"location\0" + b"a" * 495 + b"%d" % n for n in range(3)]
    for key in reversed(keys):
        rig.note(key, b"1")
    rig.note(keys[2], b"2")
    rig.clock.advance(1)
    assert follower.told == [(keys[1], b"1"), (keys[0], b"1"), (keys[2], b"12")]
    assert (shared.count(LINES), shared.count(PLACES), shared.count(CURSORS)) == (0, 0, 1)
    shared.close()
