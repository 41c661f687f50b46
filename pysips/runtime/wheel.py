"""The timer wheel, one for each worker: 256 buckets of 50 ms.

Facts:
- `add` puts a timer into the bucket of its tick; cancelling is `timer.due = 0` and no search: the bucket finds
  out when its turn comes.
- A timer that lies beyond the wheel waits in the last bucket and is put in again from there. So whatever was cancelled
  is let go after 12.8 s at the latest, however far away it was.
- A timer never fires early; it may be one tick late.
- Nobody turns the wheel while there is nothing to fire: whoever waits (loop.py) asks `left` before and calls `turn`
  after, so that `now` is right for the timers that are added next.
"""

from typing import Final, final

from pysips.core.log import log
from pysips.core.services import Timer, Timers

TICK: Final = 0.05
TICKS_A_SECOND: Final = 20
BUCKETS: Final = 256
MASK: Final = BUCKETS - 1
# The longest timer, in ticks (some 3 years): beyond it a float from a script could overflow the arithmetic.
LONGEST: Final = 2_000_000_000


@final
class Wheel(Timers):
    """now: the tick up to which everything was fired; it starts at 1, since `due == 0` means "cancelled".

    born: seconds on the clock of `turn` and `left` when that tick began.
    """

    __slots__ = ("born", "buckets", "now")

    def __init__(self, born: float = 0.0) -> None:
        self.born: float = born
        self.now: int = 1
        self.buckets: list[list[Timer]] = [[] for _ in range(BUCKETS)]

    def add(self, timer: Timer, seconds: float) -> None:
        """Fire once in so many seconds (at least one tick); adding it again moves it."""
        exact = seconds * TICKS_A_SECOND
        ticks = LONGEST if exact > LONGEST else int(exact)
        # Rounded up, and one more: a part of the running tick is already over.
        ticks += 1 if ticks >= exact else 2
        if ticks < 1:
            ticks = 1
        due = self.now + ticks
        timer.due = due
        if ticks >= BUCKETS:
            self.place(timer, ticks)
        else:
            timer.at = due
            self.buckets[due & MASK].append(timer)

    def place(self, timer: Timer, ticks: int) -> None:
        """Into the bucket where it is looked at next. An older entry of the same timer is no longer `at` its bucket."""
        at = self.now + (ticks if ticks < BUCKETS else MASK)
        timer.at = at
        self.buckets[at & MASK].append(timer)

    def turn(self, now: float) -> bool:
        """Fire what is due at that time; whether a tick has passed since the last turn."""
        tick = 1 + int((now - self.born) * TICKS_A_SECOND)
        if tick <= self.now:
            return False
        self.advance(tick)
        return True

    def left(self, now: float) -> float:
        """Seconds until something may be due, one at most; 0 if it is already."""
        tick = self.now + 1
        last = self.now + TICKS_A_SECOND
        while tick < last and not self.buckets[tick & MASK]:
            tick += 1
        seconds = self.born + (tick - 1) * TICK - now
        return seconds if seconds > 0.0 else 0.0

    def advance(self, now: int) -> None:
        """Fire what is due up to and including tick `now`, in order. One that fails is logged and stops no other."""
        while self.now < now:
            tick = self.now + 1
            self.now = tick
            bucket = self.buckets[tick & MASK]
            if bucket:
                self.buckets[tick & MASK] = []
                for timer in bucket:
                    if timer.due == tick:
                        timer.due = 0
                        self.fire(timer)
                    elif timer.due > tick and timer.at == tick:
                        self.place(timer, timer.due - tick)

    def fire(self, timer: Timer) -> None:
        try:
            timer.fire()
        except Exception:
            log.failure("timers", "a timer failed")
