"""A clock of the test's own."""

from pysips.core.services import Clock

NOW = 1_700_000_000


class MovingClock(Clock):
    """It stands at NOW until `at` is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> float:
        return float(self.at - NOW)

    def time(self) -> float:
        return float(self.at)
