"""Contacts whose time is over leave the table, in the attendant (OpenSIPS usrloc manual, `timer_interval`).

Facts:
- each contact is looked at once in `timer_interval` seconds. A pass over the table is spread over that time, 200
  records at once. Reading through 100,000 AoRs takes 0.1 s of CPU, far less than an index of expiry would cost that
  every REGISTER has to write;
- a slice is read without the write lock; only an AoR that has something to lose is opened, and looked at again there,
  for it may have been refreshed meanwhile.
"""

from typing import Final

from pysips.core.stats import Counter

from .coding import decode
from .contacts import RECORDS, Domain, Location
from .lines import EXPIRED

SLICE: Final = 200


class Expiry:
    """Where the pass stands. interval: seconds a pass may take."""

    def __init__(self, location: Location, interval: int, counters: dict[str, Counter]) -> None:
        self.location = location
        self.interval = interval
        self.counters = counters
        self.due = 0.0
        self.after = b""
        self.share = 0  # records to look at each second; 0 while no pass is under way

    def second(self) -> None:
        """Called once a second."""
        now = self.location.services.clock.now()
        if not self.share:
            if now < self.due:
                return
            self.begin(now)
        left = self.share
        while left > 0 and self.share:
            self.slice(min(left, SLICE))
            left -= SLICE

    def begin(self, now: float) -> None:
        """Begin a pass."""
        users = sum(self.location.users(domain) for domain in self.location.domains.values())
        self.share = max(SLICE, users // self.interval + 1)
        self.due = now + self.interval
        self.after = b""

    def slice(self, most: int) -> None:
        """Look at the next records; the pass is over when there are no more."""
        location = self.location
        found = location.services.tables.scan(RECORDS, self.after, most)
        now = location.now()
        for key, data in found:
            if any(contact.expires and contact.expires <= now for contact in decode(data).contacts):
                name, _, aor = key.decode("utf-8", "surrogateescape").partition("\0")
                self.clean(location.domain(name), aor)
        if len(found) < most:
            self.share = 0
        else:
            self.after = found[-1][0]

    def clean(self, domain: Domain, aor: str) -> None:
        """Take the expired contacts of an AoR off."""
        work = self.location.open(domain, aor)
        work.why = EXPIRED
        try:
            gone = 0
            for place in reversed(range(len(work.contacts))):
                if not work.contacts[place].is_valid(work.now):
                    work.delete(place)
                    gone += 1
            work.commit()
        except BaseException:
            work.abort()
            raise
        counter = self.counters.get(domain.name)
        if counter is not None:
            counter.add(gone)
