"""The records of a federation: in a store that all sites share, the sites where an AoR is at home (`cachedb_url`).

A record is a row with id = AoR and our own SIP address, one behind the other, `aor`, and `home_ip` = that address, as
OpenSIPS has it; both nodes of a pair write the same row. The rules:

1. A row is put when the first contact of an AoR registers here, and again when a phone refreshes at a node that has not
   put it yet (the other of a pair took over, or the server was started anew). What a partner or a database told us puts
   nothing: its phone registered where the row was put.
2. It is withdrawn when the last contact goes. If that was unregistered, removed or lost to pings, a partner that can be
   reached must not have the AoR any more either. If it expired, our copy may just be stale:
   a. no partner in the node table: withdrawn;
   b. the partner can be reached: it is asked. If the AoR lives there we have missed something, and ask for a sync;
   c. the partner cannot be reached: the row stays until it can be asked, however long that takes;
   d. the partner is a node of OpenSIPS: the row stays, for that node withdraws it by itself;
   e. with `ha_cluster` and `ha_shtag` only the holder of the tag withdraws; it need not wait for one that is away.
   After a withdrawal the partner is told, and puts the row back if it has the AoR after all.
3. While the store does not answer, nothing is lost and nothing else waits: the change log has a line for each AoR that
   is owed something. Each AoR has one operation under way, and what is done is what is true then, so "withdraw" never
   overtakes "publish".
4. A sweep (`federation_sweep` seconds; also after the start, when the store is back, when a node comes back, when one
   of our rows, looked at each 10 s, is gone) reads all rows of our own SIP address. Those that are missing are put
   again. Rows of AoRs that we do not have are withdrawn as if these had expired (2.), once we are in sync; so a row
   that a late write left behind goes, a lost one comes back.
5. Rows of another site are never touched while one of its nodes can be reached. A site whose nodes were of our own kind
   and have been away for `federation_gone_after` seconds is gone: its rows are removed by the node with the lowest
   number among those that are left. Should it come back, its sweep puts them again. Rows of sites of OpenSIPS, which
   would not, and of sites that are not in the node table, are removed by management only (`usrloc:federation_clean`).
"""

from collections.abc import Coroutine, Iterator
from typing import Any, Final

from pysips.core.cachedb import CacheDb, CacheError
from pysips.core.changes import Change, ChangeFollower, NotNow
from pysips.core.driven import side_by_side
from pysips.core.log import log

from ..clusterer.api import Cluster
from .contacts import RECORDS, Location
from .homes import AOR, HOME
from .lines import DELETED, EXPIRED, LOCAL, AorChange, change_of
from .modes import Mode
from .pair import CONTACTS, Pair, Partner
from .told import is_here, octets

NAME: Final = "usrloc-federation"
PACE: Final = 0.05  # seconds between two looks at the change log
LANES: Final = 16  # AoRs at a time
PAGE: Final = 200
PUBLISHED: Final = b"F"  # kinds of records in the shared table: AoRs whose row this server has put
OWED: Final = b"f"  # AoR → why: what is to be looked at again
LONGEST_WAIT: Final = 30.0  # seconds until an AoR is looked at again
QUIET: Final = 10.0


class Publisher(ChangeFollower):
    """Puts and withdraws our rows; attendant only."""

    def __init__(self, location: Location, store: CacheDb, cluster: Cluster, mode: Mode, pair: Pair) -> None:
        super().__init__(NAME, PACE, PAGE)
        self.location = location
        self.services = location.services
        self.store = store
        self.cluster = cluster
        self.mode = mode
        self.pair = pair
        self.busy: set[str] = set()
        self.waits: dict[str, tuple[float, float]] = {}  # AoR → when it is looked at again, and how long that was
        pair.withdrawn = self.put_back

    # -- from the change log

    async def apply(self, changes: list[Change]) -> None:
        """Raises NotNow while the store, or our own SIP address, is not to be had."""
        if not self.pair.home() or not self.store.is_up:
            raise NotNow
        works = [self.line(change_of(one)) for one in changes]
        await self.together(works)

    async def together(self, works: "list[Coroutine[Any, None, None]]") -> None:
        """Several AoRs at once. Raises NotNow if the store went away."""
        try:
            await side_by_side(works, LANES)
        finally:
            for work in works:
                work.close()  # those that were not begun

    async def line(self, change: AorChange) -> None:
        """One AoR that changed."""
        await self.settle(change.aor, reason_of(change, is_here(self.location, change.aor)))

    async def settle(self, aor: str, why: int) -> None:
        """Make the store say what is true of an AoR. why: LOCAL, EXPIRED, or 0. Raises NotNow."""
        if aor in self.busy:
            self.owe(aor, why)
            return
        self.busy.add(aor)
        owed = self.services.tables.get(OWED, octets(aor))
        if owed is not None:
            why |= owed[0]
        try:
            if is_here(self.location, aor):
                if why & LOCAL and not self.is_published(aor):
                    await self.put(aor)
                self.done(aor)
            elif await self.may_withdraw(aor, why):
                await self.withdraw(aor)
        except CacheError as problem:
            if problem.is_down:
                raise NotNow from None
            if log.limited("usrloc:record", QUIET):
                log.error("usrloc", f"a federation's record is not written: {problem}")
            self.done(aor)
        finally:
            self.busy.discard(aor)

    # -- the store

    def id_of(self, aor: str, home: str) -> str:
        return aor + home

    async def put(self, aor: str) -> None:
        home = self.pair.home()
        await self.store.put_row(self.id_of(aor, home), {AOR: aor, HOME: home})
        self.services.tables.put(PUBLISHED, octets(aor), b"")

    async def withdraw(self, aor: str) -> None:
        await self.store.remove_row(self.id_of(aor, self.pair.home()))
        self.done(aor)
        self.pair.tell_withdrawn(aor)
        if is_here(self.location, aor):  # it came back meanwhile, and its line may have been read before
            self.owe(aor, LOCAL)

    def is_published(self, aor: str) -> bool:
        return self.services.tables.get(PUBLISHED, octets(aor)) is not None

    def put_back(self, aor: str) -> None:
        """The row may be gone although the AoR is here."""
        self.services.tables.delete(PUBLISHED, octets(aor))
        self.owe(aor, LOCAL)

    # -- whether

    async def may_withdraw(self, aor: str, why: int) -> bool:
        """Rule 2. If it cannot be known yet the AoR is owed, if it is none of ours it is not."""
        self.services.tables.delete(PUBLISHED, octets(aor))
        partners = self.pair.partners()
        if partners is None:
            self.owe(aor, why)
            return False
        has_tag = self.mode.ha_cluster > 0 and self.mode.ha_shtag != ""
        holds_tag = has_tag and self.cluster.shtag_is_active(self.mode.ha_shtag, self.mode.ha_cluster)
        if not why or (why & EXPIRED and has_tag and not holds_tag):
            self.done(aor)
            return False
        is_sure = why & EXPIRED == 0 or holds_tag
        for node_id, state in partners.items():
            if state is Partner.FOREIGN and not is_sure:
                self.done(aor)
                return False
            if state is Partner.AWAY and not is_sure:
                self.owe(aor, why)
                return False
            if state is Partner.OURS and await self.pair.is_alive(aor, node_id) is not False:
                self.owe(aor, why)
                if why & EXPIRED:
                    self.repair()
                return False
        return not is_here(self.location, aor)

    def repair(self) -> None:
        """The partner has what we have not."""
        if log.limited("usrloc:repair", QUIET):
            self.cluster.request_sync(self.mode.location_cluster, CONTACTS)

    def wake(self) -> None:
        """Let the change log be read at once."""
        if self.location.log is not None:
            self.location.log.reading.wake(NAME)

    # -- what is owed

    def owe(self, aor: str, why: int) -> None:
        """Look at an AoR again, each time a little later."""
        _, before = self.waits.get(aor, (0.0, 0.25))
        wait = min(before * 2, LONGEST_WAIT)
        self.waits[aor] = (self.services.clock.now() + wait, wait)
        self.services.tables.put(OWED, octets(aor), bytes([why]))

    def done(self, aor: str) -> None:
        """Nothing is owed any more."""
        self.waits.pop(aor, None)
        if self.services.tables.get(OWED, octets(aor)) is not None:
            self.services.tables.delete(OWED, octets(aor))

    async def pay(self) -> None:
        """All that is due. Raises NotNow."""
        for page in self.owed():
            await self.together(page)

    def owed(self) -> "Iterator[list[Coroutine[Any, None, None]]]":
        after = b""
        while found := self.services.tables.scan(OWED, after, PAGE):
            after = found[-1][0]
            now = self.services.clock.now()
            page = []
            for key, why in found:
                aor = key.decode("utf-8", "surrogateescape")
                if self.waits.get(aor, (0.0, 0.0))[0] <= now:
                    page.append(self.settle(aor, why[0]))
            yield page


def reason_of(change: AorChange, is_alive: bool) -> int:
    """Why a row may be put, or withdrawn: LOCAL, EXPIRED, or 0 for neither."""
    if is_alive:
        return change.whys() & LOCAL
    why = 0
    for what, reasons in change.entries.values():
        if what == DELETED:
            why |= reasons
    return EXPIRED if why & EXPIRED else why & LOCAL


def aors_of(location: Location) -> Iterator[list[str]]:
    """All AoRs, some hundred at a time."""
    for domain in list(location.domains.values()):
        after = domain.prefix
        while True:
            keys = [key for key, _ in location.services.tables.scan(RECORDS, after, PAGE)]
            keys = [key for key in keys if key.startswith(domain.prefix)]
            if not keys:
                break
            yield [key[len(domain.prefix) :].decode("utf-8", "surrogateescape") for key in keys]
            after = keys[-1]
