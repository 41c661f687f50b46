"""Contacts come back from SQL: at the start, before SIP is served, or once a database that was away is back.

Facts:
- the attendant loads, a page of rows at a time and 200 AoRs at most in a transaction; the workers wait for its mark in
  the shared tables (`Gate`), so no call meets an empty table;
- a database that is away does not keep the server from starting: it serves, and what it learned meanwhile counts
  more than an old row of the same contact, which is then deleted;
- expired rows are skipped and deleted; a row keeps its contact's id if that fits the AoR's hash. Other rows are left
  alone, or get an id of ours with `regen_broken_contactid`;
- events and the change log hear nothing of contacts that were loaded.
"""

import asyncio
from typing import Final

from pysips.core.log import log
from pysips.core.services import Services, Transaction
from pysips.core.sqldb import Database, SqlError, Value
from pysips.core.sqlversions import complaint, unknown
from pysips.errors import PysipsError

from .coding import decode, encode
from .contact_ids import aor_hash
from .contacts import RECORDS, Domain, Location, base_of, count, key_of
from .matching import NONE, find_contact
from .records import Contact, Record
from .rows import TABLE_VERSION, Rows, Store, text
from .storage import SqlWriter

PAGE: Final = 200
LAST_BITS: Final = 0x3FFF  # of an id: the contact's own part
OPEN: Final = b"M"  # a kind of records in the shared table: the gate's mark
MARK: Final = b"usrloc"
LOADED: Final = b"usrloc loaded"
LOOK_SECONDS: Final = 0.02


class WrongTable(PysipsError):
    """The database is there, and does not have the table that we need."""


class Gate:
    """Workers wait here until the attendant has loaded, or knows that it cannot."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def is_open(self) -> bool:
        return self.services.tables.get(OPEN, MARK) is not None

    def open(self) -> None:
        self.services.tables.put(OPEN, MARK, b"")

    def has_loaded(self) -> bool:
        """Whether all that the database had is in the shared tables: whoever replaces the attendant need not load."""
        return self.services.tables.get(OPEN, LOADED) is not None

    def loaded(self) -> None:
        self.services.tables.put(OPEN, LOADED, b"")

    async def wait(self) -> None:
        while not self.is_open():
            await self.services.offload.spawn(asyncio.sleep(LOOK_SECONDS))


class Loader:
    """regen: rows whose id does not fit get another."""

    def __init__(self, location: Location, database: Database, rows: Rows, writer: SqlWriter, regen: bool) -> None:
        self.location = location
        self.gate = Gate(location.services)
        self.database = database
        self.rows = rows
        self.writer = writer
        self.regen = regen
        self.loads = True  # or it only looks at the tables' versions

    async def load(self) -> None:
        """All tables that the script names. Raises SqlError, WrongTable, TablesFull."""
        loads = self.loads and not self.gate.has_loaded()
        for domain in list(self.location.domains.values()):
            await self.check(domain.name)
            if loads:
                await self.load_table(domain)
        self.gate.loaded()
        self.writer.ready = True

    async def check(self, table: str) -> None:
        """Whether the table has the layout that we know. Raises SqlError, WrongTable."""
        try:
            version = await self.database.version(table)
        except SqlError as problem:
            if problem.is_down:
                raise
            raise WrongTable(unknown(self.database, table, str(problem))) from None
        if wrong := complaint(self.database, table, version, (TABLE_VERSION,)):
            raise WrongTable(wrong)

    async def load_table(self, domain: Domain) -> None:
        """One table, in the order of its rows' ids."""
        last, loaded, id = -1, 0, self.rows.id
        stale: list[int] = []
        while True:
            where = [(id, ">", last)] if last >= 0 else []
            page = await self.database.select(domain.name, self.rows.names, where, id, PAGE)
            loaded += self.take(domain, [self.rows.by_field(row) for row in page], stale)
            if stale:
                await self.database.delete(domain.name, [(id, "in", stale)])
                stale.clear()
            if len(page) < PAGE:
                break
            last = int(str(page[-1][0]))
        expires = self.rows.columns["expires"]
        await self.database.delete(domain.name, [(expires, "<=", self.location.now()), (expires, ">", 0)])
        log.notice("usrloc", f'{loaded} contacts loaded from table "{domain.name}"')

    def take(self, domain: Domain, page: list[dict[str, Value]], stale: list[int]) -> int:
        """Put the rows of a page into the table; answers how many. stale: ids of rows that are no longer true."""
        by_aor: dict[str, list[tuple[Contact, Store | None]]] = {}
        now = self.location.now()
        for row in page:
            try:
                contact, store = self.rows.contact(row)
            except (ValueError, OverflowError) as problem:
                if log.limited("usrloc:row", 1.0):
                    log.warn("usrloc", f'a row of table "{domain.name}" is left alone: {problem}')
                continue
            if contact.is_valid(now):
                by_aor.setdefault(self.rows.aor(row), []).append((contact, store))
        if not by_aor:
            return 0
        transaction = self.location.services.tables.begin()
        try:
            loaded = sum(self.merge(transaction, domain, aor, found, stale) for aor, found in by_aor.items())
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        return loaded

    def merge(
        self, transaction: Transaction, domain: Domain, aor: str, found: list[tuple[Contact, Store | None]],
        stale: list[int],
    ) -> int:  # fmt: skip
        """Add the contacts of an AoR that are not there; answers how many."""
        key = key_of(domain, aor)
        data = transaction.get(RECORDS, key)
        record = Record(0, -1, 0, []) if data is None else decode(data)
        before = len(record.contacts)
        fits = aor_hash(aor) & 0xFFFF
        for contact, store in found:
            if any(contact.id == other.id for other in record.contacts):
                continue
            if find_contact(record.contacts, contact.uri, contact.callid, self.location.matching_mode, "") != NONE:
                stale.append(contact.id)
                continue
            if contact.id >> 46 != fits:
                if not self.regen:
                    self.tell_broken(domain, contact.id)
                    continue
                stale.append(contact.id)
                contact.id = -1
            self.add(record, aor, contact)
            if record.more is None:
                record.more = store
        added = len(record.contacts) - before
        if added:
            transaction.put(RECORDS, key, encode(record))
            count(transaction, domain, int(data is None), added)
        return added

    async def drop_strays(self, domain: Domain) -> None:
        """Delete the rows of contacts that are not in the table. Raises SqlError."""
        last, id = -1, self.rows.id
        owner = [self.rows.columns["user"], *([self.rows.columns["domain"]] if self.rows.use_domain else [])]
        while True:
            where = [(id, ">", last)] if last >= 0 else []
            page = await self.database.select(domain.name, [id, *owner], where, id, PAGE)
            strays = [row[0] for row in page if not self.is_here(domain, row)]
            if strays:
                await self.database.delete(domain.name, [(id, "in", strays)])
            if len(page) < PAGE:
                return
            last = int(str(page[-1][0]))

    def is_here(self, domain: Domain, row: tuple[Value, ...]) -> bool:
        """Whether a row's contact (its id, user and domain) is in the table."""
        aor = "@".join(text(value) for value in row[1:] if value)
        record = self.location.read(domain, aor)
        return record is not None and any(contact.id == row[0] for contact in record.contacts)

    def add(self, record: Record, aor: str, contact: Contact) -> None:
        """One contact, in its place; the ids to come are unlike its own."""
        if contact.id < 0:
            if record.base < 0:
                record.base = base_of(aor)
            contact.id = record.base | record.next_id
        elif record.base < 0:
            record.base = contact.id & ~LAST_BITS
        if contact.id & ~LAST_BITS == record.base:
            record.next_id = max(record.next_id, (contact.id & LAST_BITS) + 1) & LAST_BITS
        place = 0
        if not self.location.desc_time_order:
            while place < len(record.contacts) and record.contacts[place].q >= contact.q:
                place += 1
        else:
            while place < len(record.contacts) and record.contacts[place].modified > contact.modified:
                place += 1
        record.contacts.insert(place, contact)

    def tell_broken(self, domain: Domain, id: int) -> None:
        if log.limited("usrloc:broken", 1.0):
            log.warn(
                "usrloc", f'contact id {id} in table "{domain.name}" does not fit its AoR: the row is left alone '
                "(regen_broken_contactid)",
            )  # fmt: skip
