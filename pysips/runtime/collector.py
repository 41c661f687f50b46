"""Python's collector of cycles, at times that suit a server.

Facts:
- left alone, Python collects the young objects when 50,000 more were made than given back, whatever their age. Under a
  steady load of calls, which live for half a minute, as many old ones end as new ones begin: so seldom did it collect,
  and then millions of objects at once, that every answer waited for it, 0.4 s at 900 calls a second;
- what happens here undoes its cycles by itself. So ten times a second what was made since the last time is
  collected, in about a millisecond, and nobody walks through what is older;
- cycles that live longer and are then left alone (an exception's, some library's) stay until this process has a quarter
  more objects than after the last look at all of them. That look takes as long as there are objects: at most one in
  five minutes.
"""

import gc
import sys
from typing import Final

YOUNG: Final = 0
GROWTH: Final = 1.25
SECONDS: Final = 300.0
LOOK_SECONDS: Final = 10.0


class Collector:
    """One process's. now: on the services' clock, in seconds."""

    def __init__(self) -> None:
        self.blocks = 0
        self.next = 0.0

    def begin(self, now: float) -> None:
        """The process is ready: what is there now stays, and is never looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self.blocks = sys.getallocatedblocks()
        self.next = now + SECONDS

    def turn(self) -> None:
        """Collect what was made since the last turn."""
        gc.collect(YOUNG)

    def look(self, now: float) -> bool:
        """Collect everything if it is time and there is much more than after the last time; whether it did."""
        if now < self.next or sys.getallocatedblocks() < GROWTH * self.blocks:
            return False
        gc.collect()
        self.blocks = sys.getallocatedblocks()
        self.next = now + SECONDS
        return True
