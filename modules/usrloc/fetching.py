"""sql-only: the database is the truth, and other servers write it, too. What we have is a copy of what we asked for.

Facts:
- whoever asks for an AoR has its rows read first (`fetch`); whoever changes it does so between `hold` and `release`,
  which the workers of this server share, and waits until the database has the change;
- what the database has not got yet (it is away) counts more than what it says;
- while it is away the copy answers: calls and registrations go on with what was known last;
- expired contacts leave the copy without a word to the database, where another server may have refreshed them: there
  rows are deleted by their own time (`sweep`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pysips.core.log import log
from pysips.core.services import Transaction
from pysips.core.sqldb import Database, SqlError, Value

from .coding import decode, encode
from .contacts import RECORDS, Domain, Location, count, key_of
from .loading import LAST_BITS, PAGE
from .records import MEMORY_ONLY, Contact, Record
from .rows import Rows

LOCKS: Final = b"A"  # a kind of records in the shared table: who changes an AoR, and until when at most
HOLD_SECONDS: Final = 4.0  # who died does not hold an AoR for longer
WAIT_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.01


class Fetcher:
    """Reads AoRs from the database, for one process."""

    def __init__(self, location: Location, database: Database, rows: Rows) -> None:
        self.location = location
        self.services = location.services
        self.database = database
        self.rows = rows
        self.numbers = 0

    async def with_aor(self, domain: Domain, aor: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do something with an AoR that nobody else of this server changes meanwhile, once it has been read."""
        key = key_of(domain, aor)
        mark = await self.hold(key)
        try:
            await self.fetch(domain, aor)
            return await work()
        finally:
            self.release(key, mark)

    # -- one at a time

    async def hold(self, key: bytes) -> bytes:
        """Wait for one's turn; after two seconds nobody waits any longer. Raises TablesFull."""
        self.numbers += 1
        who = f"{self.services.slot} {self.services.lives} {self.numbers}".encode()
        last = self.services.clock.time() + WAIT_SECONDS
        while not self.take(key, who, last):
            await self.services.offload.spawn(asyncio.sleep(LOOK_SECONDS))
        return who

    def take(self, key: bytes, who: bytes, last: float) -> bool:
        """Whether the AoR is ours now."""
        now = self.services.clock.time()
        transaction = self.services.tables.begin()
        try:
            held = transaction.get(LOCKS, key)
            if held is not None and float(held.partition(b"|")[0]) > now and now < last:
                transaction.abort()
                return False
            transaction.put(LOCKS, key, b"%f|" % (now + HOLD_SECONDS) + who)
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        return True

    def release(self, key: bytes, who: bytes) -> None:
        """Let others have it, unless they took it already."""
        held = self.services.tables.get(LOCKS, key)
        if held is not None and held.partition(b"|")[2] == who:
            self.services.tables.delete(LOCKS, key)

    # -- reading

    async def fetch(self, domain: Domain, aor: str) -> None:
        """Read an AoR's rows into the shared table. While the database is away nothing changes there."""
        owner = [(column, "=", value) for column, value in self.rows.owner(aor).items()]
        try:
            found = await self.database.select(domain.name, self.rows.names, owner, self.rows.id)
        except SqlError as problem:
            if log.limited("usrloc:fetch", 10.0):
                log.error("usrloc", f"contacts cannot be read, what was known last is used: {problem}")
            return
        contacts = []
        more = None
        for row in [self.rows.by_field(one) for one in found]:
            try:
                contact, store = self.rows.contact(row)
            except (ValueError, OverflowError):
                continue
            if not self.rows.is_of(row, aor):
                continue
            contacts.append(contact)
            more = more or store
        self.put(domain, aor, contacts, more)

    async def fetch_all(self, domain: Domain) -> None:
        """Read all AoRs of a table: for who must look at each."""
        last, id = -1, self.rows.id
        while True:
            where = [(id, ">", last)] if last >= 0 else []
            page = [
                self.rows.by_field(row)
                for row in await self.database.select(domain.name, self.rows.names, where, id, PAGE)
            ]
            for aor in dict.fromkeys(self.rows.aor(row) for row in page):
                await self.fetch(domain, aor)
            if len(page) < PAGE:
                return
            last = int(str(page[-1]["contact_id"]))

    def put(self, domain: Domain, aor: str, contacts: list[Contact], more: dict[str, str | int] | None) -> None:
        """What the database says becomes what we know. Raises TablesFull."""
        key = key_of(domain, aor)
        transaction = self.services.tables.begin()
        try:
            if self.is_behind(transaction, key) or not self.replace(transaction, domain, key, contacts, more):
                transaction.abort()
            else:
                transaction.commit()
        except BaseException:
            transaction.abort()
            raise

    def is_behind(self, transaction: Transaction, key: bytes) -> bool:
        """Whether the database has not got yet what we know."""
        changes = self.location.log
        return changes is not None and changes.pending(transaction, key) is not None

    def replace(
        self, transaction: Transaction, domain: Domain, key: bytes, contacts: list[Contact],
        more: dict[str, str | int] | None,
    ) -> bool:  # fmt: skip
        """Write the record anew; False if it is the same."""
        data = transaction.get(RECORDS, key)
        old = Record(0, -1, 0, []) if data is None else decode(data)
        known = {contact.id: contact for contact in old.contacts}
        base, next_id = old.base, old.next_id
        for contact in contacts:
            if contact.id in known:
                contact.latency = known[contact.id].latency
            if base < 0:
                base = contact.id & ~LAST_BITS
            if contact.id & ~LAST_BITS == base:
                next_id = max(next_id, (contact.id & LAST_BITS) + 1) & LAST_BITS
        contacts = contacts + [contact for contact in old.contacts if contact.flags & MEMORY_ONLY]
        if self.location.desc_time_order:
            contacts.sort(key=lambda contact: -contact.modified)
        else:
            contacts.sort(key=lambda contact: -contact.q)
        made = encode(Record(0, base, next_id, contacts, more))
        if (not contacts and data is None) or made == data:
            return False
        if contacts:
            transaction.put(RECORDS, key, made)
        else:
            transaction.delete(RECORDS, key)
        count(transaction, domain, int(bool(contacts)) - int(data is not None), len(contacts) - len(old.contacts))
        return True

    async def sweep(self) -> None:
        """Delete the rows whose time is over."""
        expires = self.rows.columns["expires"]
        over: list[tuple[str, str, Value]] = [(expires, "<=", self.location.now()), (expires, ">", 0)]
        try:
            for domain in list(self.location.domains.values()):
                await self.database.delete(domain.name, over)
        except SqlError as problem:
            if log.limited("usrloc:sweep", 60.0):
                log.warn("usrloc", f"expired rows stay for now: {problem}")
