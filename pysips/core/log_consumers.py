"""Who gets which log lines: OpenSIPS' "consumers", stderror, syslog and event, each with a level of its own, or mute.

The numbers lie in memory that all processes of a server share once it is there: a change holds for all at once, for
those that come later, too (management commands log_level_filter, log_mute_state).
"""

from typing import Final, final

STDERROR: Final = 0
SYSLOG: Final = 1
EVENT: Final = 2
CONSUMERS: Final = ("stderror", "syslog", "event")
CELLS: Final = 2 * len(CONSUMERS)


@final
class Consumers:
    """Two numbers for each consumer: the highest level that it takes (0: any), and 1 if it is mute."""

    __slots__ = ("cells",)

    def __init__(self) -> None:
        self.cells: list[int] | memoryview[int] = [0] * CELLS

    def share(self, cells: "list[int] | memoryview[int]") -> None:
        """From now on the numbers lie there."""
        for place, number in enumerate(self.cells):
            cells[place] = number
        self.cells = cells

    def takes(self, consumer: int, level: int) -> bool:
        """Whether it gets a line of this level."""
        highest = self.cells[2 * consumer]
        return not self.cells[2 * consumer + 1] and (highest == 0 or level <= highest)

    def filter(self, consumer: int) -> int:
        """The highest level that it takes, 0 for any."""
        return self.cells[2 * consumer]

    def set_filter(self, consumer: int, level: int) -> None:
        self.cells[2 * consumer] = level

    def muted(self, consumer: int) -> bool:
        return self.cells[2 * consumer + 1] != 0

    def mute(self, consumer: int, state: bool) -> None:
        self.cells[2 * consumer + 1] = int(state)
