"""Python's collector of cycles, at times that suit a server.

Facts:
- left alone, Python collects the young objects when 50,000 more were made than given back, whatever their age. Under a
  steady load of calls, which live for half a minute, as many old ones end as new ones begin: so seldom did it collect,
  and then millions of objects at once, that every answer waited for it, 0.4 s at 900 calls a second;
- what happens here undoes its cycles by itself. So whenever the wheel was turned (20 times a second at most) what was
  made since the last time is collected, in about a millisecond, and nobody walks through what is older;
- cycles that live longer and are then left alone (an exception's, some library's) stay until this process is quiet. A
  look at all objects takes as long as there are objects, a second with 45,000 calls: under load there is none before
  they are so many that something must be wrong.
"""

import gc
import sys
from typing import Final

YOUNG: Final = 0
QUIET: Final = 1.5  # times as many blocks of memory as at the beginning
TOO_MANY: Final = 32  # times as many: all are looked at whatever the load, and again when they have doubled
SECONDS: Final = 300.0  # at least, between two looks
LOOK_SECONDS: Final = 10.0


class Collector:
    """One process's. now: on the services' clock, in seconds."""

    def __init__(self) -> None:
        self.blocks = 0
        self.too_many = 0
        self.next = 0.0

    def begin(self, now: float) -> None:
        """The process is ready: what is there now stays, and is never looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self.blocks = sys.getallocatedblocks()
        self.too_many = TOO_MANY * self.blocks
        self.next = now + SECONDS

    def turn(self) -> None:
        """Collect what was made since the last turn."""
        gc.collect(YOUNG)

    def look(self, now: float) -> bool:
        """Collect everything if it is time and this process is quiet, or much too large; whether it did."""
        blocks = sys.getallocatedblocks()
        if now < self.next or QUIET * self.blocks < blocks < self.too_many:
            return False
        gc.collect()
        self.too_many = max(self.too_many, 2 * sys.getallocatedblocks())
        self.next = now + SECONDS
        return True
