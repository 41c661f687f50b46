"""The sweeps of a federation: rules 4 and 5 of federation.py."""

import random
from typing import Final

from pysips.core.changes import NotNow
from pysips.core.driven import driven
from pysips.core.log import log

from .federation import PUBLISHED, Publisher, aors_of
from .homes import AOR, HOME
from .lines import EXPIRED
from .pair import CAPABILITY, CONTACTS, Partner
from .told import is_here, octets

SOON: Final = 3.0  # seconds after a store or a node is back
AFTER_START: Final = 10.0
QUIET: Final = 60.0
AGAIN: Final = 30.0  # seconds after a sweep that failed
GLANCE: Final = 10.0  # seconds between two looks at one of our rows


class Sweeper:
    """every: seconds between two sweeps, 0 for none; gone_after: seconds until a site counts as gone, 0 for never."""

    def __init__(self, publisher: Publisher, every: int, gone_after: int) -> None:
        self.publisher = publisher
        self.services = publisher.services
        self.store = publisher.store
        self.pair = publisher.pair
        self.cluster = publisher.cluster
        self.cluster_id = publisher.mode.location_cluster
        self.every = every
        self.gone_after = gone_after
        self.due = float("inf")
        self.glance_due = float("inf")
        self.is_busy = False
        self.ours: set[str] = set()  # sites that had our capability
        self.away_since: dict[str, float] = {}

    def start(self) -> None:
        """In the attendant."""
        if self.every:
            self.due = min(self.due, self.services.clock.now() + AFTER_START)  # management may have asked already
            self.glance_due = self.services.clock.now() + AFTER_START
        self.store.when_back(self.store_is_back)
        self.pair.came = lambda node_id: self.hurry()

    def store_is_back(self) -> None:
        """What was missed is made up for at once, what a late write may have left behind soon."""
        self.publisher.wake()
        self.hurry()

    def hurry(self) -> None:
        """Something happened that may have left rows wrong."""
        if self.every:
            self.due = min(self.due, self.services.clock.now() + SOON)

    def second(self) -> None:
        """Once a second: pay what is owed, sweep when it is time."""
        if self.is_busy:
            return
        self.is_busy = True
        promise = driven(self.look())

        def ended() -> None:
            self.is_busy = False
            problem = promise.failure
            if problem is not None and not isinstance(problem, NotNow) and log.limited("usrloc:sweep", QUIET):
                log.error("usrloc", f"a federation's records could not be looked after: {problem}")

        promise.when_done(ended)

    async def look(self) -> None:
        """Raises NotNow, CacheError, TablesFull."""
        if not self.pair.home() or not self.store.is_up:
            raise NotNow
        await self.publisher.pay()
        now = self.services.clock.now()
        if now >= self.due:
            self.due = now + AGAIN
            await self.sweep()
            self.due = self.services.clock.now() + (self.every or float("inf"))
        elif now >= self.glance_due:
            self.glance_due = now + GLANCE
            await self.glance()
        for home in self.gone_sites():
            count = await self.remove_rows(home)
            log.notice("usrloc", f"site {home} is gone: {count} records removed")

    # -- our own rows

    async def sweep(self) -> None:
        """Rule 4. Raises CacheError, TablesFull."""
        home = self.pair.home()
        rows = await self.store.all_rows(HOME, home)
        there = {row[AOR] for row in rows if row.get(HOME) == home and row.get(AOR)}
        missing = 0
        for page in aors_of(self.publisher.location):
            for aor in page:
                if aor not in there:
                    missing += 1
                    self.publisher.put_back(aor)
                elif not self.publisher.is_published(aor):
                    self.services.tables.put(PUBLISHED, octets(aor), b"")
        strays = 0
        if self.is_in_sync():
            for aor in there:
                if not is_here(self.publisher.location, aor):
                    strays += 1
                    self.publisher.owe(aor, EXPIRED)
        if missing or strays:
            log.notice("usrloc", f"federation: {missing} records were missing, {strays} may be left over")

    async def glance(self) -> None:
        """A store may have lost its data while we asked it nothing: is one of our rows, any, still there?

        Raises CacheError.
        """
        aor = next((random.choice(page) for page in aors_of(self.publisher.location) if page), "")
        if not aor or not self.publisher.is_published(aor):
            return
        rows = await self.store.find_rows(AOR, aor)
        if all(row.get(HOME) != self.pair.home() for row in rows):
            self.hurry()

    def is_in_sync(self) -> bool:
        """Whether what we have is what our site has."""
        partners = self.pair.partners()
        if partners is None:
            return False
        if not partners:
            return True
        return self.cluster.is_synced(self.cluster_id, CONTACTS) and all(
            state is not Partner.AWAY for state in partners.values()
        )

    # -- rows of others

    def gone_sites(self) -> list[str]:
        """Rule 5: sites whose rows are ours to remove now."""
        now = self.services.clock.now()
        own = self.pair.home()
        reached: dict[str, bool] = {}
        for node in self.cluster.nodes(self.cluster_id):
            if node.sip_addr and node.sip_addr != own:
                reached[node.sip_addr] = reached.get(node.sip_addr, False) or node.reachable
                if node.reachable and CAPABILITY in node.capabilities:
                    self.ours.add(node.sip_addr)
        gone = []
        for home, is_reached in reached.items():
            if is_reached:
                self.away_since.pop(home, None)
            elif self.gone_after and now - self.away_since.setdefault(home, now) >= self.gone_after:
                self.away_since[home] = now
                if home in self.ours and self.is_first():
                    gone.append(home)
        return gone

    def is_first(self) -> bool:
        """Whether we are the node that acts for all."""
        return self.cluster.my_index(self.cluster_id, CAPABILITY)[1] == 0

    async def remove_rows(self, home: str) -> int:
        """All rows of a site; answers how many. Raises CacheError."""
        rows = await self.store.all_rows(HOME, home)
        count = 0
        for row in rows:
            if row.get(HOME) == home and row.get(AOR):
                await self.store.remove_row(row.get("id") or self.publisher.id_of(row[AOR], home))
                count += 1
        return count

    def is_reached(self, home: str) -> bool:
        """Whether a site has a node that can be reached."""
        return any(one.reachable for one in self.cluster.nodes(self.cluster_id) if one.sip_addr == home)
