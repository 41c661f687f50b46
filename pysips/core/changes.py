"""The ordered log of changes in the shared tables (house rule 9.5): who writes a line, and who follows.

A change and its line are one transaction: `note` is called between `begin` and `commit` of the change itself.
`runtime/changes.py` reads the log in the attendant.

Facts:
- lines are in the order of commits: a line's place begins with the number of its transaction;
- a key has one line at most. A new line takes the place of the key's older one at the end of the log, and whoever
  writes it puts into it what the older one said (`pending`). So the log has no more lines than there are keys, however
  long a follower stays away, and a page of lines never has a key twice;
- hence a follower may be told a thing again that it has done already: to do it again must change nothing;
- without followers nobody writes (`followed`).
"""

from hashlib import blake2b
from typing import Final, final

from mypy_extensions import mypyc_attr

from .services import NotReady, Promise, Tables, Transaction

LINES: Final = b"C"  # the kinds of records in the shared table: place → key and value
PLACES: Final = b"c"  # key → place of its line
CURSORS: Final = b"K"  # follower → how far it is
LONGEST: Final = 480  # of a key in a place
NUMBER: Final = 8  # bytes of a place that are the transaction's number


class NotNow(Exception):
    """A follower cannot do its work now: it is asked again, a little later or when it says `wake`."""


@final
class Change:
    """A line of the log. place: where it stands; key, value: as they were written."""

    __slots__ = ("key", "place", "value")

    def __init__(self, place: bytes, key: bytes, value: bytes) -> None:
        self.place: bytes = place
        self.key: bytes = key
        self.value: bytes = value


@mypyc_attr(allow_interpreted_subclasses=True)
class ChangeFollower:
    """Somebody who acts on changes, in the attendant. name: of its cursor; pace: seconds between two looks.

    most: the largest number of lines that it gets at once.
    """

    def __init__(self, name: str, pace: float, most: int = 200) -> None:
        self.name: str = name
        self.pace: float = pace
        self.most: int = most

    async def apply(self, changes: list[Change]) -> None:
        """Do what the lines say, in whatever order: each is another key's. Raises NotNow if nothing could be done.

        Called again only when it has ended, so there is one operation under way for each key.
        """


@mypyc_attr(allow_interpreted_subclasses=True)
class Reading:
    """How this process reads the log; `runtime/changes.py` has the two that there are."""

    def reached(self, follower: str, place: bytes) -> Promise:
        """The promise brings True once a follower has passed a place, False if it cannot now, or is late."""
        raise NotReady("no change log yet")

    def wake(self, follower: str) -> None:
        """Let a follower look at once."""
        raise NotReady("no change log yet")

    def is_stuck(self, follower: str) -> bool:
        """Whether it could not do its work when it last tried."""
        raise NotReady("no change log yet")


@final
class Changes:
    """The log of a program. followers: all there are, taken in by `configure`; reading: filled in after the fork."""

    __slots__ = ("followers", "reading")

    def __init__(self) -> None:
        self.followers: list[ChangeFollower] = []
        self.reading: Reading = Reading()

    def follow(self, follower: ChangeFollower) -> None:
        """Take a follower in; before the fork."""
        self.followers.append(follower)

    def followed(self) -> bool:
        """Whether anybody wants lines to be written."""
        return len(self.followers) > 0

    def pending(self, transaction: Transaction, key: bytes) -> bytes | None:
        """The value of a key's line that some follower has not passed yet; None if there is none."""
        place = transaction.get(PLACES, key)
        line = None if place is None else transaction.get(LINES, place)
        return None if line is None else change_of(b"", line).value

    def pending_in(self, tables: Tables, key: bytes) -> bytes | None:
        """The same for who only looks."""
        place = tables.get(PLACES, key)
        line = None if place is None else tables.get(LINES, place)
        return None if line is None else change_of(b"", line).value

    def note(self, transaction: Transaction, key: bytes, value: bytes) -> bytes:
        """Write the key's line; answers its place. Raises TablesFull."""
        old = transaction.get(PLACES, key)
        if old is not None:
            transaction.delete(LINES, old)
        place = place_of(transaction.number(), key)
        transaction.put(LINES, place, len(key).to_bytes(2, "big") + key + value)
        transaction.put(PLACES, key, place)
        return place


def place_of(number: int, key: bytes) -> bytes:
    """Where a transaction's line for a key stands; places compare as their transactions do."""
    if len(key) > LONGEST:
        key = key[:400] + blake2b(key, digest_size=32).digest()
    return number.to_bytes(NUMBER, "big") + key


def change_of(place: bytes, line: bytes) -> Change:
    """A record of the log as a Change."""
    end = 2 + int.from_bytes(line[:2], "big")
    return Change(place, line[2:end], line[end:])
