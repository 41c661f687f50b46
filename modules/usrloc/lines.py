"""usrloc's lines in the change log: what has become of an AoR's contacts since its followers looked last.

Facts:
- a line names contacts by their ids and says what happened to them and why; what they are now is read from the table
  when the line is read. Contacts that are gone stand in the line itself, as they were;
- an AoR has one line: what is new joins what some follower has not seen yet. Of more than MOST_GONE contacts that are
  gone the oldest are forgotten, and the line is `dirty`: whoever keeps contacts elsewhere puts all of the AoR right.
"""

from typing import Final, final

import msgspec

from pysips.core.changes import Change, Changes
from pysips.core.services import Transaction

from .coding import decode, encode
from .records import Contact, Record

INSERTED: Final = 1  # as in contacts.py
UPDATED: Final = 2
DELETED: Final = 3

# Why a contact changed; bits, since several reasons may come together in a line.
LOCAL: Final = 1  # a phone, the script or an operator wanted it
EXPIRED: Final = 2
PEER: Final = 4  # another node of the cluster said so
LOADED: Final = 8  # it came from the database
STORE: Final = 16  # only the AoR's key-value store changed, which travels with each of its contacts

MOST_GONE: Final = 32

Entry = tuple[int, int, int]  # contact id; INSERTED, UPDATED or DELETED; why
Written = tuple[bool, bool, list[Entry], bytes]

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Written)


@final
class AorChange:
    """What a line says. table, aor: of which AoR; was_there: it had contacts before; dirty: see above.

    entries: what happened to which contact; gone: the contacts that are gone, oldest first.
    """

    __slots__ = ("aor", "dirty", "entries", "gone", "table", "was_there")

    def __init__(self, was_there: bool) -> None:
        self.table: str = ""
        self.aor: str = ""
        self.was_there: bool = was_there
        self.dirty: bool = False
        self.entries: dict[int, tuple[int, int]] = {}
        self.gone: list[Contact] = []

    def add(self, what: int, contact: Contact, why: int) -> None:
        """One thing more has happened."""
        before = self.entries.get(contact.id)
        if before is not None:
            why |= before[1]
            if what == UPDATED and before[0] == INSERTED:
                what = INSERTED
        self.entries[contact.id] = (what, why)
        if what == DELETED:
            self.gone.append(contact)
            if len(self.gone) > MOST_GONE:
                del self.entries[self.gone.pop(0).id]
                self.dirty = True

    def whys(self) -> int:
        """All the reasons together."""
        found = 0
        for _, why in self.entries.values():
            found |= why
        return found

    def taken_off(self) -> list[Contact]:
        """The contacts that are gone because somebody here wanted it, oldest first."""
        return [one for one in self.gone if one.id in self.entries and self.entries[one.id][1] & LOCAL]

    def value(self) -> bytes:
        """As the log keeps it."""
        entries: list[Entry] = []
        for id, entry in self.entries.items():
            entries.append((id, entry[0], entry[1]))
        gone = encode(Record(0, -1, 0, self.gone)) if self.gone else b""
        return _encoder.encode((self.was_there, self.dirty, entries, gone))


def parsed(value: bytes) -> AorChange:
    """What `AorChange.value` wrote."""
    was_there, dirty, entries, gone = _decoder.decode(value)
    made = AorChange(was_there)
    made.dirty = dirty
    for id, what, why in entries:
        made.entries[id] = (what, why)
    if gone:
        made.gone = decode(gone).contacts
    return made


def change_of(line: Change) -> AorChange:
    """A line of the log, with its table and AoR."""
    made = parsed(line.value)
    made.table, _, made.aor = line.key.decode("utf-8", "surrogateescape").partition("\0")
    return made


def log_change(
    log: Changes, transaction: Transaction, key: bytes, was_there: bool, changes: list[tuple[int, Contact]], why: int
) -> bytes:
    """Write the line of an AoR that changes in this transaction; answers its place. Raises TablesFull."""
    old = log.pending(transaction, key)
    made = AorChange(was_there) if old is None else parsed(old)
    for what, contact in changes:
        made.add(what, contact, why)
    return log.note(transaction, key, made.value())
