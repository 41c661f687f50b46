"""The system's clocks."""

import time
from typing import final

from pysips.core.services import Clock


@final
class SystemClock(Clock):
    """See `core.services.Clock`."""

    def now(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()
