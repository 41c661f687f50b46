"""Contacts between the nodes of a pair (capability usrloc-contact-repl; OpenSIPS: usrloc's ul_cluster.c).

Facts:
- only nodes of our own SIP address are told, and only of what arose here: a phone, the script or an operator did it.
  Expiry is not told, each node has its own clock; nor is what came from a peer or a database;
- what comes is merged contact by contact: of the same Call-ID the higher CSeq wins, of different ones the later
  registration; a contact that was taken off here does not come back by an older copy: its sender is told. That stands
  in remains.py, and until the change log's follower has put it there, in the log: a sync that was under way already
  may bring that copy at once;
- it is written to the shared table as a peer's: events are raised and the database gets it, but it is not sent on;
- nobody keeps packets for a node that is away: when it is back, each side asks the other for all that it has, and the
  merge repairs both (clusterer).
"""

from collections.abc import Iterator
from typing import Final

from pysips.core.changes import Change, ChangeFollower
from pysips.core.log import log
from pysips.core.services import TablesFull
from pysips.sip.rewrite import is_one_line

from ..clusterer.api import SENT, BadPacket, Cluster, Event, Reader, Receiver
from . import remains
from .coding import decode as decode_record
from .contacts import RECORDS, Domain, Location, Work, aor_of_key
from .lines import DELETED, INSERTED, LOCAL, PEER, AorChange, change_of, parsed
from .matching import BY_PARAM, NONE, find_contact
from .packets import (
    BY_CONTACT_AND_CALLID,
    CAPABILITY,
    NEWEST,
    OLDEST,
    AorDelete,
    AorInsert,
    ContactDelete,
    ContactInsert,
    ContactUpdate,
    Matching,
    Message,
    decode,
    decode_chunk,
    encode,
    encode_chunk,
)
from .pair import is_partner
from .records import DELETED as TIME_DELETED
from .records import MEMORY_ONLY, Contact, Record
from .rows import Rows
from .told import LONGEST, octets
from .translating import aor_insert, contact_of, insert, update

NAME: Final = "usrloc-replication"
PACE: Final = 0.05  # seconds between two looks at the change log
PAGE: Final = 200
LAST_BITS: Final = 0x3FFF  # of an id: the contact's own part
MOST_CONTACTS: Final = 1000  # of one AoR
LONGEST_TEXT: Final = 4096
QUIET: Final = 60.0
SAME: Final = Matching(BY_CONTACT_AND_CALLID)


class Replica(Receiver):
    """This node's part. skip_db: what partners say is not written to the database; attendant only."""

    versions = tuple(range(OLDEST, NEWEST + 1))
    spoken = NEWEST
    old = OLDEST

    def __init__(self, location: Location, rows: Rows, cluster: Cluster, cluster_id: int, skip_db: bool) -> None:
        self.location = location
        self.services = location.services
        self.rows = rows
        self.cluster = cluster
        self.cluster_id = cluster_id
        self.skip_db = skip_db

    # -- ours to the partner

    def broadcast(self, message: Message) -> None:
        self.cluster.broadcast(
            self.cluster_id, CAPABILITY, message.TYPE, lambda version: encode(message, version), is_partner
        )

    def has_partner(self) -> bool:
        """Whether the node table has another node of our SIP address."""
        own = self.cluster.own(self.cluster_id)
        others = self.cluster.nodes(self.cluster_id)
        return own is not None and any(own.sip_addr and one.sip_addr == own.sip_addr for one in others)

    def donate(self, cluster_id: int, node_id: int, version: int) -> Iterator[bytes]:
        """All that we have; an AoR goes before its contacts."""
        for domain in list(self.location.domains.values()):
            after = domain.prefix
            while page := [
                (key, data)
                for key, data in self.services.tables.scan(RECORDS, after, PAGE)
                if key.startswith(domain.prefix)
            ]:
                now = self.location.now()
                for key, data in page:
                    yield from self.chunks_of(domain, aor_of_key(domain, key), decode_record(data), now, version)
                after = page[-1][0]

    def chunks_of(self, domain: Domain, aor: str, record: Record, now: int, version: int) -> Iterator[bytes]:
        valid = [one for one in record.contacts if one.is_valid(now)]
        try:
            if valid:
                yield encode_chunk(aor_insert(domain.name, aor, record), version)
            for one in valid:
                yield encode_chunk(insert(self.rows, domain.name, aor, record, one), version)
        except BadPacket as problem:
            log.error("usrloc", f"a contact cannot be sent to the partner: {problem}")

    # -- the partner's to us

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        """Raises BadPacket."""
        message = decode(kind, version, body.take(body.left))
        self.take(message, source, version, kind == ContactUpdate.TYPE)

    def chunks(self, cluster_id: int, source: int, version: int, chunks: tuple[bytes, ...]) -> None:
        """Raises BadPacket."""
        for one in chunks:
            self.take(decode_chunk(version, one), source, version, False)

    def happened(self, event: Event, cluster_id: int, node_id: int) -> None:
        if event is Event.SYNC_DONE:
            log.notice("usrloc", f"contacts are in sync with node {node_id}")

    def take(self, message: Message, source: int, version: int, refreshes: bool) -> None:
        """Do the same here."""
        domain = self.location.domains.get(message.domain)
        if domain is None:
            if log.limited("usrloc:table", QUIET):
                log.warn("usrloc", f'node {source} has a table "{message.domain}" that this script does not use')
            return
        if isinstance(message, AorInsert):
            return  # its contacts follow, and bring what is to be known of it
        if not 0 < len(octets(message.aor)) <= LONGEST or "\0" in message.aor:
            raise BadPacket("an AoR is too long, or none")
        work = self.location.open(domain, message.aor)
        work.why = PEER
        try:
            if isinstance(message, AorDelete):
                work.clear()
                work.commit()
            elif isinstance(message, ContactDelete):
                self.delete(work, message)
            else:
                self.merge(work, message, source, version, refreshes)
        except TablesFull:
            if log.limited("usrloc:full", QUIET):
                log.error("usrloc", "contacts of the partner cannot be kept: the tables are full")
        except BaseException:
            work.abort()
            raise

    def delete(self, work: Work, message: ContactDelete) -> None:
        place = found(work, message.contact, message.callid, message.matching, 0)
        if place == NONE or (
            work.contacts[place].callid == message.callid and work.contacts[place].cseq > message.cseq + 1
        ):  # fmt: skip
            work.abort()
            return
        work.delete(place)
        work.commit()

    def merge(
        self, work: Work, message: ContactInsert | ContactUpdate, source: int, version: int, refreshes: bool
    ) -> None:
        """Add a contact, or bring it up to date."""
        contact, store = contact_of(self.rows, message, version)
        if not is_sound(contact):
            raise BadPacket("a contact has lines, or is too long")
        if contact.expires == TIME_DELETED or not contact.is_valid(work.now):
            work.abort()
            return
        if self.skip_db:
            contact.flags |= MEMORY_ONLY
        place = found(work, contact.uri, contact.callid, message.matching, contact.id)
        if place == NONE:
            if self.is_gone(work, contact):
                work.abort()
                self.send_back(work, contact, source)
                return
            if len(work.contacts) >= MOST_CONTACTS:
                raise BadPacket("an AoR has too many contacts")
            self.add(work, contact)
        elif is_newer(work.contacts[place], contact, refreshes):
            more = contact.more
            work.replace(place, contact)
            contact.more = more or contact.more
        else:
            work.abort()
            return
        if store is not None:
            work.record.more = dict(store)
        work.commit()

    def is_gone(self, work: Work, contact: Contact) -> bool:
        """Whether somebody here took the contact off, be it only just now."""
        changes = self.location.log
        line = None if changes is None else changes.pending(work.transaction, work.key)
        if line is not None:
            for one in reversed(parsed(line).taken_off()):
                if one.uri == contact.uri and one.callid == contact.callid:
                    return contact.cseq <= one.cseq
        return remains.is_gone(self.services.tables, work.key, contact.uri, contact.callid, contact.cseq, work.now)

    def add(self, work: Work, contact: Contact) -> None:
        """With the id that it has at the partner, as far as that is free here."""
        record = work.record
        if record.base < 0:
            record.base = contact.id & ~LAST_BITS
        if contact.id & ~LAST_BITS == record.base and contact.id & LAST_BITS >= record.next_id:
            record.next_id = contact.id & LAST_BITS
        work.insert(contact)

    def send_back(self, work: Work, contact: Contact, source: int) -> None:
        """Who brought a contact that is gone hears of it."""
        message = ContactDelete(work.domain.name, work.aor, contact.uri, contact.callid, contact.cseq, SAME)
        self.cluster.send(
            self.cluster_id, source, CAPABILITY, message.TYPE, lambda version: encode(message, version)
        )  # fmt: skip

    def sync(self) -> bool:
        """Ask the partner for all; False if there is none to be asked."""
        return self.cluster.request_sync(self.cluster_id, CAPABILITY) == SENT


class Repeater(ChangeFollower):
    """Follows the change log, and tells the partner."""

    def __init__(self, replica: Replica) -> None:
        super().__init__(NAME, PACE, PAGE)
        self.replica = replica
        self.location = replica.location
        self.tidied = b""

    async def apply(self, changes: list[Change]) -> None:
        if not self.replica.has_partner():
            return
        for line in changes:
            change = change_of(line)
            if change.whys() & LOCAL or (change.dirty and change.entries):
                self.keep(line.key, change)
                for message in self.messages(change):
                    self.replica.broadcast(message)

    def keep(self, key: bytes, change: AorChange) -> None:
        """What is gone here shall not come back. Raises TablesFull."""
        gone = change.taken_off()
        record = self.location.read(self.location.domain(change.table), change.aor)
        new = [one for one in record.contacts if change.entries.get(one.id, (0, 0))[0] == INSERTED] if record else []
        if gone or new:
            transaction = self.location.services.tables.begin()
            try:
                for one in gone:
                    remains.keep(transaction, key, one, self.location.now())
                for one in new:
                    remains.forget(transaction, key, one)
                transaction.commit()
            except BaseException:
                transaction.abort()
                raise

    def messages(self, change: AorChange) -> Iterator[Message]:
        """What is to be told of an AoR, in order."""
        record = self.location.read(self.location.domain(change.table), change.aor)
        contacts = [] if record is None else record.contacts
        if change.dirty and change.entries:
            yield AorDelete(change.table, change.aor)
        for one in change.taken_off():
            yield ContactDelete(change.table, change.aor, one.uri, one.callid, one.cseq, SAME)
        if record is None:
            if all(what == DELETED and why & LOCAL for what, why in change.entries.values()):
                yield AorDelete(change.table, change.aor)
            return
        if not change.was_there or change.dirty:
            yield aor_insert(change.table, change.aor, record)
        for one in contacts:
            what, why = change.entries.get(one.id, (0, 0))
            if (what == INSERTED and why & LOCAL) or change.dirty:
                yield insert(self.replica.rows, change.table, change.aor, record, one)
            elif why & LOCAL:
                yield update(self.replica.rows, change.table, change.aor, record, one)

    def second(self) -> None:
        """Once a second: throw away what nobody needs any more, a little at a time. Raises TablesFull."""
        self.tidied = remains.tidy(self.location.services.tables, self.tidied, self.location.now())


def found(work: Work, uri: str, callid: str, matching: Matching, id: int) -> int:
    """The place of a partner's contact here, or NONE; also by its id, if it is of the same Call-ID."""
    mode = work.location.matching_mode if matching.mode < 0 else matching.mode
    param = matching.parameters[0] if mode == BY_PARAM and matching.parameters else ""
    place = find_contact(work.contacts, uri, callid, mode, param)
    if place == NONE and id:
        for at, one in enumerate(work.contacts):
            if one.id == id and one.callid == callid:
                return at
    return place


def is_newer(ours: Contact, theirs: Contact, refreshes: bool) -> bool:
    """Whether a partner's contact takes the place of ours. refreshes: the same CSeq may come again, as an update."""
    if ours.callid == theirs.callid and ours.cseq != theirs.cseq:
        return theirs.cseq > ours.cseq
    if theirs.modified != ours.modified:
        return theirs.modified > ours.modified
    return refreshes or theirs.callid > ours.callid  # of one second: the same one at both nodes


def is_sound(contact: Contact) -> bool:
    """Whether a contact's texts may stand in messages."""
    texts = (
        contact.uri, contact.callid, contact.user_agent, contact.received, contact.path, contact.instance, contact.attr
    )  # fmt: skip
    return contact.uri != "" and all(len(one) <= LONGEST_TEXT and is_one_line(one) for one in texts)
