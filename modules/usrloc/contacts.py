"""Who is where: the contacts of every address of record, in the table that all processes share.

Facts:
- a change of an AoR is one transaction of the shared table: `Location.open` … `Work.commit`. What is thrown away
  half-way changes nothing, so a REGISTER with several contacts takes effect as a whole or not at all (RFC 3261
  section 10.3);
- nothing may wait between `open` and `commit`: all writers of all processes wait meanwhile;
- the usual REGISTER, of one contact that comes for the first time or comes again, has a short way, `Location.register`;
- how many AoRs and contacts a table has stands beside them and changes in the same transaction, so it stays true
  whatever process dies; a refresh does not touch it;
- contacts of an AoR stand by falling q, equal ones as they came; with `desc_time_order` the newest first;
- whoever follows changes in this process hears of them in `Work.commit`, after the transaction; those who follow the
  change log (lines.py) have their line in the transaction itself.
"""

import random
from struct import Struct
from typing import Final, final

from mypy_extensions import mypyc_attr

from pysips.core.changes import Changes
from pysips.core.services import Services, Socket, Transaction

from .coding import decode, encode
from .contact_ids import aor_hash
from .lines import LOCAL, log_change
from .matching import NONE, find_contact
from .records import DELETED as GONE
from .records import Contact, Record

RECORDS: Final = b"L"  # the kinds of records in the shared table
COUNTS: Final = b"l"
PAIR: Final = Struct(">QQ")  # AoRs and contacts

INSERTED: Final = 1
UPDATED: Final = 2
DELETED: Final = 3

# What `Work.find` answers besides the place of a contact (0 and up) and NONE.
STALE: Final = -2  # an older request of the same call came later
REPEATED: Final = -3  # the same request again


@final
class Domain:
    """A location table, by the name that the script gives it ("location")."""

    __slots__ = ("name", "prefix")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.prefix: bytes = name.encode("utf-8", "surrogateescape") + b"\0"


@mypyc_attr(allow_interpreted_subclasses=True)
class Follower:
    """Somebody who wants to know what has changed."""

    def aor_inserted(self, domain: Domain, aor: str) -> None:
        """The first contact of an AoR came."""

    def aor_deleted(self, domain: Domain, aor: str) -> None:
        """The last contact of an AoR is gone."""

    def contact_changed(self, domain: Domain, aor: str, what: int, contact: Contact) -> None:
        """what: INSERTED, UPDATED or DELETED."""


@final
class Location:
    """All location tables.

    matching_mode, cseq_delay, desc_time_order: usrloc's parameters; the sockets are looked up by the names that
    contacts keep.
    """

    __slots__ = (
        "cseq_delay", "desc_time_order", "domains", "followers", "log", "matching_mode", "services", "sockets",
        "written",
    )  # fmt: skip

    def __init__(self, services: Services) -> None:
        self.services: Services = services
        self.matching_mode: int = 0
        self.cseq_delay: int = 20
        self.desc_time_order: bool = False
        self.domains: dict[str, Domain] = {}
        self.followers: list[Follower] = []
        self.sockets: dict[str, Socket] = {}
        self.log: Changes | None = None  # where somebody follows the change log
        self.written: bytes = b""  # the place of this process's last line in it

    def domain(self, name: str) -> Domain:
        """The table of that name, made at its first use."""
        found = self.domains.get(name)
        if found is None:
            found = self.domains[name] = Domain(name)
        return found

    def now(self) -> int:
        """Unix seconds."""
        return int(self.services.clock.time())

    def read(self, domain: Domain, aor: str) -> Record | None:
        """The record of an AoR, expired contacts and all; None if there is none."""
        data = self.services.tables.get(RECORDS, key_of(domain, aor))
        return decode(data) if data is not None else None

    def open(self, domain: Domain, aor: str, now: int = 0) -> "Work":
        """Begin to change an AoR. End it with `commit` or `abort`, soon. now: Unix seconds, 0 if not known."""
        return Work(self, domain, aor, now or self.now())

    def register(self, domain: Domain, aor: str, contact: Contact, most: int) -> list[Contact] | None:
        """Take in the one contact of a REGISTER where that is simple; answers all contacts of the AoR then.

        Simple is the first contact of an AoR, and one that a later request sends again with the same URI. None: it is
        not, nothing has changed, and `open` takes the closer look. most: contacts that the AoR may have, 1 and up.
        Raises TablesFull; nothing has changed then.
        """
        key = domain.prefix + aor.encode("utf-8", "surrogateescape")
        transaction = self.services.tables.begin()
        try:
            data = transaction.get(RECORDS, key)
            record = Record(0, -1, 0, []) if data is None else decode(data)
            contacts = record.contacts
            what = UPDATED
            if not contacts:
                what = INSERTED
                identify(record, aor, contact)
                contacts.append(contact)
                count(transaction, domain, 1, 1)
            elif len(contacts) > most or not self.renews(contacts, contact):
                transaction.abort()
                return None
            transaction.put(RECORDS, key, encode(record))
            if self.log is not None:
                self.written = log_change(self.log, transaction, key, what == UPDATED, [(what, contact)], LOCAL)
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        for follower in self.followers:
            if what == INSERTED:
                follower.aor_inserted(domain, aor)
            follower.contact_changed(domain, aor, what, contact)
        return contacts

    def renews(self, contacts: list[Contact], contact: Contact) -> bool:
        """Put `contact` where it is already, if it certainly is the same one, later, and stays in its place."""
        uri = contact.uri
        for place, old in enumerate(contacts):
            if old.uri == uri:
                if old.callid == contact.callid:
                    if contact.cseq <= old.cseq:
                        return False
                elif self.matching_mode:
                    return False
                if contact.q != old.q or self.desc_time_order or old.expires == GONE:
                    return False
                take_over(contact, old)
                contacts[place] = contact
                return True
        return False

    def counts(self, domain: Domain) -> tuple[int, int]:
        """How many AoRs and how many contacts the table holds."""
        return unpacked(self.services.tables.get(COUNTS, domain.prefix))

    def users(self, domain: Domain) -> int:
        """How many AoRs the table holds."""
        return self.counts(domain)[0]

    def contacts(self, domain: Domain) -> int:
        """How many contacts the table holds."""
        return self.counts(domain)[1]

    def socket(self, name: str) -> Socket | None:
        """Our socket of that name; None for one that is not (any longer) ours."""
        found = self.sockets.get(name)
        if found is None:
            for socket in self.services.sockets:
                self.sockets[socket.name] = socket
            found = self.sockets.get(name)
        return found


@final
class Work:
    """An AoR being changed. `contacts` is what it will have; change it by the methods only."""

    __slots__ = (
        "aor", "before", "changes", "contacts", "domain", "key", "location", "now", "record", "transaction",
        "was_there", "why",
    )  # fmt: skip

    def __init__(self, location: Location, domain: Domain, aor: str, now: int) -> None:
        self.location: Location = location
        self.domain: Domain = domain
        self.aor: str = aor
        self.key: bytes = key_of(domain, aor)
        self.now: int = now
        self.changes: list[tuple[int, Contact]] = []
        self.why: int = LOCAL  # or another of lines.py's reasons
        self.transaction: Transaction = location.services.tables.begin()
        self.record: Record = self.stored()
        self.contacts: list[Contact] = self.record.contacts
        self.was_there: bool = len(self.contacts) > 0
        self.before: int = len(self.contacts)

    def stored(self) -> Record:
        """What the table has, or an empty record."""
        try:
            data = self.transaction.get(RECORDS, self.key)
            return Record(0, -1, 0, []) if data is None else decode(data)
        except BaseException:
            self.transaction.abort()  # or nobody could write any more
            raise

    def find(self, uri: str, callid: str, cseq: int, refresh: bool, mode: int = -1, param: str = "") -> int:
        """The place of the contact that `uri` is: 0 and up; NONE, STALE or REPEATED.

        refresh: the CSeq of the last request once more is a refresh, not a retransmission or a mistake.
        mode: -1 for the `matching_mode` of usrloc.
        """
        if mode < 0:
            mode = self.location.matching_mode
        place = find_contact(self.contacts, uri, callid, mode, param)
        return place if place == NONE else self.in_order(place, callid, cseq, refresh)

    def in_order(self, place: int, callid: str, cseq: int, refresh: bool) -> int:
        """The place, or STALE or REPEATED if the contact came by a later request of the same call, or by this one."""
        found = self.contacts[place]
        if found.callid != callid or cseq > found.cseq or (refresh and cseq == found.cseq):
            return place
        if cseq == found.cseq and found.modified + self.location.cseq_delay > self.now:
            return REPEATED
        return STALE

    def insert(self, contact: Contact) -> None:
        """Add a contact; it gets its id here."""
        identify(self.record, self.aor, contact)
        self.place(contact)
        self.changes.append((INSERTED, contact))

    def replace(self, place: int, contact: Contact) -> None:
        """Put `contact` where the one at `place` is; it takes over its id, its store and its measured latency."""
        old = self.contacts[place]
        take_over(contact, old)
        if self.location.desc_time_order or contact.q != old.q:
            del self.contacts[place]
            self.place(contact)
        else:
            self.contacts[place] = contact
        self.changes.append((UPDATED, contact))

    def delete(self, place: int) -> None:
        """Take a contact off."""
        self.changes.append((DELETED, self.contacts.pop(place)))

    def clear(self) -> None:
        """Take all contacts off."""
        while self.contacts:
            self.delete(0)

    def place(self, contact: Contact) -> None:
        """Put a contact where it belongs."""
        contacts = self.contacts
        place = 0
        if not self.location.desc_time_order:
            q = contact.q
            while place < len(contacts) and contacts[place].q >= q:
                place += 1
        contacts.insert(place, contact)

    def abort(self) -> None:
        """Nothing has changed."""
        self.transaction.abort()

    def commit(self, rewrite: bool = False) -> None:
        """Make it true, and tell whoever follows. Raises TablesFull; nothing has changed then.

        rewrite: something else than the contacts has changed in the record.
        """
        if not self.changes and not rewrite:
            self.transaction.abort()
            return
        transaction = self.transaction
        is_there = len(self.contacts) > 0
        if is_there:
            transaction.put(RECORDS, self.key, encode(self.record))
        else:
            transaction.delete(RECORDS, self.key)
        if is_there != self.was_there or len(self.contacts) != self.before:
            count(transaction, self.domain, int(is_there) - int(self.was_there), len(self.contacts) - self.before)
        log = self.location.log
        if log is not None and self.changes:
            self.location.written = log_change(log, transaction, self.key, self.was_there, self.changes, self.why)
        transaction.commit()
        if self.location.followers:
            self.tell(is_there)

    def tell(self, is_there: bool) -> None:
        """Tell the followers, in the order in which things happened."""
        for follower in self.location.followers:
            if is_there and not self.was_there:
                follower.aor_inserted(self.domain, self.aor)
            for what, contact in self.changes:
                follower.contact_changed(self.domain, self.aor, what, contact)
            if self.was_there and not is_there:
                follower.aor_deleted(self.domain, self.aor)


def key_of(domain: Domain, aor: str) -> bytes:
    """The key of an AoR in the shared table."""
    return domain.prefix + aor.encode("utf-8", "surrogateescape")


def identify(record: Record, aor: str, contact: Contact) -> None:
    """Give a new contact of an AoR its id."""
    if record.base < 0:
        record.base = base_of(aor)
    contact.id = record.base | record.next_id
    record.next_id = (record.next_id + 1) & 0x3FFF


def take_over(contact: Contact, old: Contact) -> None:
    """What a contact that comes again keeps: its id, its store and its measured latency."""
    contact.id = old.id
    contact.more = old.more
    contact.latency = old.latency


def aor_of_key(domain: Domain, key: bytes) -> str:
    """The AoR of a key."""
    return key[len(domain.prefix) :].decode("utf-8", "surrogateescape")


def count(transaction: Transaction, domain: Domain, users: int, contacts: int) -> None:
    """Add to a table's counts."""
    data = transaction.get(COUNTS, domain.prefix)
    if data is not None:
        before = PAIR.unpack(data)
        users += before[0]
        contacts += before[1]
    transaction.put(COUNTS, domain.prefix, PAIR.pack(users if users > 0 else 0, contacts if contacts > 0 else 0))


def unpacked(data: bytes | None) -> tuple[int, int]:
    if data is None:
        return 0, 0
    users, contacts = PAIR.unpack(data)
    return users, contacts


def base_of(aor: str) -> int:
    """The common part of an AoR's contact ids, in OpenSIPS' order: 16 bits of its hash, a label of 32, room for 14."""
    return (aor_hash(aor) & 0xFFFF) << 46 | random.getrandbits(32) << 14
