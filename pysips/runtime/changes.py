"""The change log as it is read: in the attendant, one cursor for each follower (house rule 9.5, `core/changes.py`).

Facts:
- a cursor stands in the shared tables beside the log, so a new attendant goes on where the old one was;
- lines that all followers have passed are taken out at once;
- a follower that cannot now is stuck: it is asked again after a pause, and whoever waits for it is told at once. That
  stands in the tables, too, so workers need not ask;
- a worker that waits asks the attendant by the hidden command `_core:reached`.
"""

from collections.abc import Callable
from typing import Final

from pysips.core.changes import CURSORS, LINES, PLACES, ChangeFollower, NotNow, Reading, change_of
from pysips.core.log import log
from pysips.core.services import Promise, Tables, TablesFull, Timer, Timers

from .offload import driven

PAUSE: Final = 0.5  # seconds until a stuck follower is asked again
WAIT_SECONDS: Final = 1.2  # for a follower: a little more than the time limit of its database
SPACE: Final = 200  # lines taken out in one transaction

FREE: Final = b"\0"
STUCK: Final = b"\1"


def cursor_of(tables: Tables, name: str) -> tuple[bool, bytes]:
    """Whether a follower is stuck, and the place that it has passed."""
    data = tables.get(CURSORS, name.encode())
    return (False, b"") if data is None else (data[:1] == STUCK, data[1:])


class Reader(Timer):
    """Leads one follower through the log."""

    def __init__(self, tables: Tables, timers: Timers, follower: ChangeFollower, trim: Callable[[], None]) -> None:
        super().__init__()
        self.tables = tables
        self.timers = timers
        self.follower = follower
        self.trim = trim
        self.is_stuck, self.cursor = cursor_of(tables, follower.name)
        self.busy = False
        self.told = False  # somebody wants us to look before the pace says so
        self.last = b""
        self.waiting: list[tuple[bytes, Promise]] = []
        timers.add(self, min(follower.pace, PAUSE))

    def fire(self) -> None:
        self.timers.add(self, self.follower.pace)
        self.wake()

    def wake(self) -> None:
        """Look now; if one is at it, once more afterwards."""
        if self.busy:
            self.told = True
            return
        self.told = False
        found = self.tables.scan(LINES, self.cursor, self.follower.most)
        if not found:
            self.settle()
            return
        self.busy = True
        self.last = found[-1][0]
        promise = driven(self.follower.apply([change_of(place, line) for place, line in found]))
        promise.when_done(lambda: self.ended(promise.failure))

    def ended(self, problem: BaseException | None) -> None:
        """A page is done, or could not be."""
        self.busy = False
        if problem is not None:
            if not isinstance(problem, NotNow) and log.limited(f"changes:{self.follower.name}", 10.0):
                log.error("changes", f"{self.follower.name} failed: {problem!r}")
            self.stick()
            return
        try:
            self.write(self.last, False)
            self.trim()
        except TablesFull:  # the page comes again: nothing is lost
            self.stick()
            return
        self.answer()
        self.wake()

    def stick(self) -> None:
        """Nothing goes on for now."""
        try:
            self.write(self.cursor, True)
        except TablesFull:
            self.is_stuck = True
        self.release(False)
        self.timers.add(self, min(PAUSE, self.follower.pace))

    def settle(self) -> None:
        """All is done: whoever waits has what it waits for."""
        try:
            self.write(self.cursor, False)
        except TablesFull:
            return  # it is tried again at the next look
        self.release(True)

    def write(self, cursor: bytes, is_stuck: bool) -> None:
        """Put down how far we are."""
        if cursor != self.cursor or is_stuck != self.is_stuck:
            self.tables.put(CURSORS, self.follower.name.encode(), (STUCK if is_stuck else FREE) + cursor)
            self.cursor, self.is_stuck = cursor, is_stuck

    # -- whoever waits

    def reached(self, place: bytes) -> Promise:
        """See `Changes.reached`."""
        promise = Promise()
        if self.cursor >= place:
            promise.complete(True)
        elif self.is_stuck:
            promise.complete(False)
        else:
            self.waiting.append((place, promise))
            self.timers.add(Late(promise), WAIT_SECONDS)
            self.wake()
        return promise

    def answer(self) -> None:
        """Tell those whose place is passed."""
        passed = [promise for place, promise in self.waiting if place <= self.cursor]
        self.waiting = [(place, promise) for place, promise in self.waiting if place > self.cursor]
        for promise in passed:
            promise.complete(True)

    def release(self, well: bool) -> None:
        waiting, self.waiting = self.waiting, []
        for _, promise in waiting:
            promise.complete(well)

    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return not self.busy and not self.tables.scan(LINES, self.cursor, 1)


class Late(Timer):
    """Ends the wait for a follower."""

    def __init__(self, promise: Promise) -> None:
        super().__init__()
        self.promise = promise

    def fire(self) -> None:
        self.promise.complete(False)


class AttendantReading(Reading):
    """The log in the attendant."""

    def __init__(self, followers: list[ChangeFollower], tables: Tables, timers: Timers) -> None:
        self.followers = followers
        self.tables = tables
        self.timers = timers
        self.readers: dict[str, Reader] = {}

    def begin(self) -> None:
        """Follow; once everything that followers need has started."""
        self.readers = {one.name: Reader(self.tables, self.timers, one, self.trim) for one in self.followers}

    def reached(self, follower: str, place: bytes) -> Promise:
        reader = self.readers.get(follower)
        if reader is not None:
            return reader.reached(place)
        promise = Promise()
        promise.complete(False)
        return promise

    def wake(self, follower: str) -> None:
        if follower in self.readers:
            self.readers[follower].wake()

    def is_stuck(self, follower: str) -> bool:
        return cursor_of(self.tables, follower)[0]

    def trim(self) -> None:
        """Take out the lines that everybody has passed."""
        passed = min(reader.cursor for reader in self.readers.values())
        while True:
            found = self.tables.scan(LINES, b"", SPACE)
            gone = [(place, line) for place, line in found if place <= passed]
            if not gone:
                return
            transaction = self.tables.begin()
            try:
                for place, line in gone:
                    key = change_of(place, line).key
                    transaction.delete(LINES, place)
                    if transaction.get(PLACES, key) == place:
                        transaction.delete(PLACES, key)
                transaction.commit()
            except BaseException:
                transaction.abort()
                raise
            if len(gone) < SPACE:
                return

    def finish(self) -> None:
        """The server ends: who was stuck gets one more try, and then `flush` until it is done."""
        for one in self.readers.values():
            one.is_stuck = False

    def flush(self) -> bool:
        """Let everybody look; True once nothing more can be done."""
        left = [one for one in self.readers.values() if not one.is_done() and not (one.is_stuck and not one.busy)]
        for one in left:
            one.wake()
        return not left

    def owed(self) -> list[str]:
        """The followers that have something left to do."""
        return [one.follower.name for one in self.readers.values() if not one.is_done()]


class WorkerReading(Reading):
    """The log in a worker. ask: puts a question to the attendant: the command's name and values, the time limit."""

    def __init__(self, tables: Tables, ask: Callable[[str, dict[str, str], float], Promise]) -> None:
        self.tables = tables
        self.ask = ask

    def reached(self, follower: str, place: bytes) -> Promise:
        promise = Promise()
        is_stuck, cursor = cursor_of(self.tables, follower)
        if is_stuck or cursor >= place:
            promise.complete(not is_stuck)
            return promise
        asked = self.ask("_core:reached", {"follower": follower, "place": place.hex()}, WAIT_SECONDS + 0.1)
        asked.when_done(lambda: promise.complete(asked.failure is None and asked.value is True))
        return promise

    def wake(self, follower: str) -> None:
        self.ask("_core:wake", {"follower": follower}, WAIT_SECONDS)

    def is_stuck(self, follower: str) -> bool:
        return cursor_of(self.tables, follower)[0]
