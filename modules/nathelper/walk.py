"""Every contact of the shared table once in an interval, evenly (OpenSIPS: get_domain_ucontacts, slice by slice).

Facts:
- a pass reads the table in the order of its keys, in pieces: no read transaction lasts longer than one piece;
- after a tenth of the interval a tenth of the records has been handed out, so pings never come in heaps, and the time
  between two pings of a contact stays the interval even while the table grows or shrinks;
- who comes late (a busy process) catches up, but hands out at most `BURST` times what is usual at once.
"""

from typing import Final, final

from pysips.core.services import Tables

from ..usrloc.api import RECORDS

PIECE: Final = 200  # records in a read transaction
BURST: Final = 4


@final
class Walk:
    """interval: seconds a pass takes. step(): call it often, at least once a second."""

    __slots__ = ("after", "interval", "is_over", "last", "seen", "started", "tables")

    def __init__(self, tables: Tables, interval: float) -> None:
        self.tables: Tables = tables
        self.interval: float = interval
        self.after: bytes = b""
        self.seen: int = 0
        self.started: float = -1.0
        self.last: float = 0.0
        self.is_over: bool = True

    def rest(self) -> None:
        """Nobody is pinged for now: the next step begins a new pass."""
        self.started = -1.0
        self.is_over = True

    def step(self, now: float, records: int) -> list[tuple[bytes, bytes]]:
        """The records whose turn it is; records: how many the table has, about."""
        if self.is_over and (self.started < 0 or now >= self.started + self.interval):
            self.begin(now)
        if self.is_over:
            return []
        passed = (now - self.started) / self.interval
        usual = records * (now - self.last) / self.interval
        self.last = now
        if passed >= 1.0:
            most = max(PIECE, int(BURST * usual) + 1)  # what was not counted yet, to the end
        else:
            most = min(int(records * passed) - self.seen, max(PIECE, int(BURST * usual) + 1))
        return self.next(most) if most > 0 else []

    def begin(self, now: float) -> None:
        """Begin a pass, an interval after the last one began, or now if that is long ago."""
        due = self.started + self.interval
        self.started = due if self.started >= 0 and now - due < self.interval / 2 else now
        self.last = self.started
        self.after = b""
        self.seen = 0
        self.is_over = False

    def next(self, most: int) -> list[tuple[bytes, bytes]]:
        """The next `most` records, less at the end of the table."""
        found: list[tuple[bytes, bytes]] = []
        while most > 0:
            asked = min(most, PIECE)
            piece = self.tables.scan(RECORDS, self.after, asked)
            found += piece
            most -= asked
            if piece:
                self.after = piece[-1][0]
            if len(piece) < asked:
                self.is_over = True
                break
        self.seen += len(found)
        return found
