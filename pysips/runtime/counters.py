"""Statistics and heartbeats in memory that all processes share: one row for each process, added up when read.

Facts:
- each process writes to its own row alone, so there is no lock; a replaced process goes on with the row of its seat;
- one more row is the base: `clear` notes the total there and subtracts it, so that resetting races with nobody;
- the first cells of a row are the process's own: who it is, how far it is, and the heartbeat that is watched.
"""

import mmap
from typing import Final

from pysips.core.log_consumers import CELLS
from pysips.core.stats import MOST, Cells

OWN: Final = 9
ROW: Final = OWN + MOST

BEAT: Final = 0  # grows a few times a second
PID: Final = 1
STATE: Final = 2
BORN: Final = 3  # unix seconds
LIVES: Final = 4  # how many processes sat here so far
OWING: Final = 5  # 1 while a worker that stops still owes somebody an answer; DEAF: it reads no socket any more
EDITION: Final = 6  # which script it runs: 0 is the one that the server began with

# Of the base's row: what management changed for all, so that a replaced process knows; 0: nothing.
LOG_LEVEL: Final = 0
SCRIPT_LEVEL: Final = 1
SUBSCRIBED: Final = 2  # 1 once anybody outside wanted to hear of events
WANTED: Final = 3  # the number of a script that the supervisor is to prepare; negative: to forget
READY: Final = 4  # the one that it has prepared; negative: it could not
DECIDED: Final = 5  # the one that all are to take
IN_FORCE: Final = 6  # the one that the supervisor has taken: each new process begins with it
RESTARTING: Final = 7  # 1 while all end for a server that takes over
CORE_STATUS: Final = 8  # RUNNING or TERMINATING of core/status_reports.py, 0 before
LEVEL_OFFSET: Final = 100

STARTING: Final = 0
RUNNING: Final = 1
STOPPING: Final = 2
GONE: Final = 3

DEAF: Final = -1


class Board:
    """The shared memory. Made before the fork; rows are numbered by seat."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.memory = mmap.mmap(-1, ((rows + 1) * ROW + CELLS) * 8)
        self.cells = memoryview(self.memory).cast("q")

    def own(self, row: int) -> "memoryview[int]":
        """BEAT, PID, STATE, BORN, LIVES, OWING of a process."""
        return self.cells[row * ROW : row * ROW + OWN]

    def owes(self, row: int) -> bool:
        """Whether a worker may still owe an answer: it does not stop yet, or it says so."""
        own = self.own(row)
        return own[STATE] < STOPPING or (own[STATE] == STOPPING and own[OWING] > 0)

    def settings(self) -> "memoryview[int]":
        """LOG_LEVEL, SCRIPT_LEVEL: each plus LEVEL_OFFSET, or 0; the rest as said above."""
        return self.own(self.rows)

    def log_cells(self) -> "memoryview[int]":
        """What `core/log_consumers.py` shares."""
        return self.cells[-CELLS:]

    def numbers(self, row: int) -> "memoryview[int]":
        """The statistics of a process."""
        return self.cells[row * ROW + OWN : (row + 1) * ROW]

    def take_seat(self, row: int, born: int) -> None:
        """A process is about to be forked for this row; its counters go on from the one before."""
        own = self.own(row)
        own[BEAT] += 1
        own[LIVES] += 1
        own[PID], own[STATE], own[BORN], own[OWING] = 0, STARTING, born, 0

    def forget(self, row: int, indexes: list[int]) -> None:
        """A process has ended, and with it its live things."""
        self.own(row)[STATE] = GONE
        numbers = self.numbers(row)
        for index in indexes:
            numbers[index] = 0


class SharedCells(Cells):
    """The cells of one process, and the sum over all."""

    def __init__(self, board: Board, row: int) -> None:
        self.board = board
        self.row = board.numbers(row)
        self.base = board.numbers(board.rows)
        self.all = [board.numbers(each) for each in range(board.rows)]

    def total(self, index: int) -> int:
        return sum(row[index] for row in self.all) - self.base[index]

    def clear(self, index: int) -> None:
        self.base[index] += self.total(index)
