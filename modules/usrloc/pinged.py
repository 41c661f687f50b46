"""What pings tell of a contact: how long its answers take, or that it is gone (OpenSIPS: update_sipping_latency).

Facts:
- a contact is named by its AoR and its id, and looked up anew: it may have gone or been refreshed since it was pinged;
- a latency is written beside the contact and is no change of it: nobody is sent it, and no database gets it;
- a contact that is gone is deleted as if its owner had unregistered, so whoever follows changes hears of it.
"""

from typing import Final, final

from pysips.core.events import Event

from .contacts import Domain, Location, Work
from .events import values_of

NOBODY: Final = -1


@final
class Pinged:
    """latency_update: the event; from_us, step_us: it is raised for latencies of at least so many microseconds, and
    for changes of at least so many; for all if both are 0."""

    __slots__ = ("from_us", "latency_update", "location", "step_us")

    def __init__(self, location: Location, latency_update: Event, from_us: int = 0, step_us: int = 0) -> None:
        self.location: Location = location
        self.latency_update: Event = latency_update
        self.from_us: int = from_us
        self.step_us: int = step_us

    def answered_in(self, domain: Domain, aor: str, id: int, latency: int) -> None:
        """Keep a contact's latency, microseconds. Raises TablesFull."""
        work = self.location.open(domain, aor)
        try:
            place = place_of(work, id)
            if place == NOBODY:
                work.abort()
                return
            contact = work.contacts[place]
            old, contact.latency = contact.latency, latency
            work.commit(rewrite=True)
        except BaseException:
            work.abort()
            raise
        if self.latency_update.wanted() and self.is_news(old, latency):
            self.latency_update(*values_of(domain, aor, contact))

    def is_news(self, old: int, latency: int) -> bool:
        """Whether the event is raised for a change from `old` (0: nothing was known)."""
        if not self.from_us and not self.step_us:
            return True
        if self.from_us and latency >= self.from_us:
            return True
        return self.step_us > 0 and old > 0 and abs(latency - old) >= self.step_us

    def is_gone(self, domain: Domain, aor: str, id: int, since: int) -> bool:
        """Delete a contact that answers no more, unless it came anew after `since` (Unix seconds).

        Answers whether it was deleted. Raises TablesFull.
        """
        work = self.location.open(domain, aor)
        try:
            place = place_of(work, id)
            if place == NOBODY or work.contacts[place].modified > since:
                work.abort()
                return False
            work.delete(place)
            work.commit()
        except BaseException:
            work.abort()
            raise
        return True


def place_of(work: Work, id: int) -> int:
    """Where a contact stands in its AoR, by its id; NOBODY if it is not there."""
    for place, contact in enumerate(work.contacts):
        if contact.id == id:
            return place
    return NOBODY
