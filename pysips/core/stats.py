"""Named counters: `group:name` to a cell, one row of cells for each process (OpenSIPS: statistics.c).

Facts:
- a process adds to its own row only, so nothing is locked; a value is the sum over all rows;
- `runtime` gives the rows in shared memory (`Cells`), and until then (and in tests) there is one row in the process;
- cells are numbered in the order of registration, which is the same in every process, since all of it is
  done before the fork;
- a counter of live things (`no_reset`: transactions in use, connections) goes up and down, and ends with its process.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, final

from mypy_extensions import mypyc_attr

from pysips.errors import ModuleError

MOST: Final = 4096


def fresh_row() -> "memoryview[int]":
    """A row of zeros in this process's own memory."""
    return memoryview(bytearray(8 * MOST)).cast("q")


@mypyc_attr(allow_interpreted_subclasses=True)
class Cells:
    """Where the numbers are. This one is for one process; `runtime/counters.py` shares them.

    row: this process's MOST cells, signed 64 bits each.
    """

    def __init__(self) -> None:
        self.row: memoryview[int] = fresh_row()

    def total(self, index: int) -> int:
        """The sum of a cell over all processes."""
        return self.row[index]

    def clear(self, index: int) -> None:
        """Let the total be 0 from now on."""
        self.row[index] = 0


@final
class Counter:
    """One statistic. Adding costs one look at the row and one write."""

    __slots__ = ("cells", "index", "row")

    def __init__(self, index: int, cells: Cells) -> None:
        self.index: int = index
        self.cells: Cells = cells
        self.row: memoryview[int] = cells.row

    def inc(self) -> None:
        self.row[self.index] += 1

    def dec(self) -> None:
        self.row[self.index] -= 1

    def add(self, number: int) -> None:
        self.row[self.index] += number

    def get(self) -> int:
        """The sum over all processes."""
        return self.cells.total(self.index)


@dataclass(frozen=True, slots=True)
class Statistic:
    """What is registered: a counter, or a function to be asked when somebody wants to know (STAT_IS_FUNC)."""

    group: str
    name: str
    counter: Counter | None
    ask: Callable[[], int] | None
    no_reset: bool

    def value(self) -> int:
        """The number now."""
        if self.counter is not None:
            return self.counter.get()
        return self.ask() if self.ask is not None else 0


class Statistics:
    """All statistics of a server, in the order of registration."""

    def __init__(self, cells: Cells | None = None) -> None:
        self.cells = cells if cells is not None else Cells()
        self.known: dict[tuple[str, str], Statistic] = {}
        self.used = 0

    def counter(self, group: str, name: str, no_reset: bool = False) -> Counter:
        """A counter, the same one for the same name; raises ModuleError when there are too many or it is a function."""
        found = self.known.get((group, name))
        if found is not None:
            if found.counter is None:
                raise ModuleError(f"the statistic {group}:{name} is no counter")
            return found.counter
        if self.used == MOST:
            raise ModuleError(f"more than {MOST} statistics")
        made = Counter(self.used, self.cells)
        self.used += 1
        self.known[group, name] = Statistic(group, name, made, None, no_reset)
        return made

    def function(self, group: str, name: str, ask: Callable[[], int]) -> None:
        """A number that is worked out when asked for; never reset. Raises ModuleError for a name that is taken."""
        if (group, name) in self.known:
            raise ModuleError(f"the statistic {group}:{name} is there twice")
        self.known[group, name] = Statistic(group, name, None, ask, True)

    def attach(self, cells: Cells) -> None:
        """Count in other cells from now on: after the fork, with this process's row. Nothing is carried over."""
        self.cells = cells
        for statistic in self.known.values():
            if statistic.counter is not None:
                statistic.counter.cells = cells
                statistic.counter.row = cells.row

    def live_indexes(self) -> list[int]:
        """Cells of live things: to be cleared in the row of a process that died."""
        found = self.known.values()
        return [one.counter.index for one in found if one.no_reset and one.counter is not None]

    def select(self, word: str) -> list[Statistic]:
        """`all`, `group:`, `group:name` or `name`, as `get_statistics` takes them; empty if there is no such thing."""
        if word == "all":
            return list(self.known.values())
        group, colon, name = word.rpartition(":")
        return list(self.matching(group if colon else None, name))

    def matching(self, group: str | None, name: str) -> Iterator[Statistic]:
        """Those of a group (None: any) and a name ("": any)."""
        for one in self.known.values():
            if (group is None or one.group == group) and (not name or one.name == name):
                yield one

    def reset(self, word: str) -> bool:
        """Set what `select` finds to 0, save what may not be; False if there is no such statistic."""
        found = self.select(word)
        for one in found:
            if one.counter is not None and not one.no_reset:
                self.cells.clear(one.counter.index)
        return bool(found)
