"""Contacts as `usrloc-contact-repl` tells them, and back.

Facts:
- flags go by their bits and by their names, so every release reads what it can; socket names go as the world sees them,
  and come back only if they are ours, too: of a contact that a partner gave us the socket is known behind a common
  virtual IP, and nowhere else;
- the sharing tag and the AoR's key-value store travel inside of the contact's store, as `_st` and `_urec_kvs`.
"""

from typing import Final

from .contact_ids import ContactId
from .packets import AorInsert, ContactInsert, ContactUpdate, Matching, Registration
from .records import Contact, Record
from .rows import Rows, Store, store_text, stores

TAG: Final = "_st"
SIGNED: Final = 0x7FFF_FFFF
BITS: Final = 0xFFFF_FFFF
HIGHEST_Q: Final = 1000
ANY: Final = Matching()


def registration_of(rows: Rows, contact: Contact) -> Registration:
    """A contact's registration."""
    return Registration(
        contact.callid, contact.user_agent, contact.path, contact.attr, contact.received, contact.instance,
        contact.expires, contact.q, rows.socket_name(contact.socket), contact.cseq & SIGNED, contact.flags & BITS,
        contact.cflags & BITS, " ".join(rows.branch_flags.names(contact.cflags)), contact.methods & BITS,
        contact.modified,
    )  # fmt: skip


def store_of(record: Record, contact: Contact) -> str:
    """Both key-value stores, and the tag."""
    mine: Store = dict(contact.more or {})
    if contact.tag:
        mine[TAG] = contact.tag
    return store_text(mine, record.more) or ""


def aor_insert(domain: str, aor: str, record: Record) -> AorInsert:
    """An AoR, before its first contact."""
    first = ContactId.split(min((one.id for one in record.contacts), default=0))
    return AorInsert(domain, aor, first.label, first.clabel, store_text(None, record.more) or "")


def insert(rows: Rows, domain: str, aor: str, record: Record, contact: Contact) -> ContactInsert:
    return ContactInsert(
        domain, aor, contact.uri, contact.id, registration_of(rows, contact), store_of(record, contact), ANY
    )  # fmt: skip


def update(rows: Rows, domain: str, aor: str, record: Record, contact: Contact) -> ContactUpdate:
    return ContactUpdate(
        domain, aor, contact.uri, contact.id, registration_of(rows, contact), store_of(record, contact), ANY
    )  # fmt: skip


def contact_of(rows: Rows, message: ContactInsert | ContactUpdate, version: int) -> tuple[Contact, Store | None]:
    """The contact, and its AoR's key-value store."""
    said = message.registration
    mine, aors = stores(message.kv_store)
    tag = ""
    if mine is not None:
        found = mine.pop(TAG, "")
        tag = found if isinstance(found, str) else ""
    flags = rows.flags(said.cflags) if version >= 4 else said.cflag_bits
    made = Contact(
        message.contact, message.contact_id, max(said.expires, 0), max(said.last_modified, 0), said.callid,
        max(said.cseq, 0), said.user_agent, rows.our_socket(said.socket) if said.socket else "",
        min(max(said.q, -1), HIGHEST_Q), flags, said.methods, said.flags, said.received, said.path, said.instance,
        said.attr, 0, tag, mine or None,
    )  # fmt: skip
    return made, aors
