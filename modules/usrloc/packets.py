"""The packets of `usrloc-contact-repl`, byte-exact: registrations on their way to other nodes.

Versions: 2 is OpenSIPS 2.4's and 3.0's, 3 that of 3.1 to 3.5, 4 has branch flags by name, 5 (3.6, 4.0) has a record's
values, too. 3.1 and later read 2 and 3, 3.6 and later read them all. Times are unix seconds, `expires` 0 means never;
q is in thousandths, -1 without one. A chunk of a synchronisation is a number (is it a contact?) and the fields.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from pysips.core.bin_interface import BadPacket, Reader, Writer

CAPABILITY: Final = "usrloc-contact-repl"
OLDEST: Final = 2
NEWEST: Final = 5
WITH_MATCHING: Final = 3
WITH_INSERTED_VALUES: Final = 3
WITH_FLAG_NAMES: Final = 4
WITH_RECORD_VALUES: Final = 5

ANY_MATCHING: Final = -1
BY_CONTACT: Final = 0
BY_CONTACT_AND_CALLID: Final = 1
BY_PARAMETERS: Final = 2
MOST_PARAMETERS: Final = 64


@dataclass(frozen=True, slots=True)
class Matching:
    """How the receiver shall find the contact. mode -1: as it is configured; parameters: of the URI, for mode 2."""

    mode: int = ANY_MATCHING
    parameters: tuple[str, ...] = ()

    def write(self, to: Writer, version: int) -> None:
        """Version 2 has none, and means contact and Call-ID."""
        if version < WITH_MATCHING:
            return
        to.number(self.mode)
        if self.mode == BY_PARAMETERS:
            to.number(len(self.parameters))
            for name in self.parameters:
                to.text(name)

    @classmethod
    def read(cls, of: Reader, version: int) -> "Matching":
        if version < WITH_MATCHING:
            return OF_VERSION_2
        mode = of.number()
        if not ANY_MATCHING <= mode <= BY_PARAMETERS:
            raise BadPacket(f"there is no way {mode} to match contacts")
        names = [of.text() for _ in range(of.count(MOST_PARAMETERS, 2))] if mode == BY_PARAMETERS else []
        return cls(mode, tuple(names))


OF_VERSION_2: Final = Matching(BY_CONTACT_AND_CALLID)


@dataclass(frozen=True, slots=True)
class AorInsert:
    """A new AoR. label, next_clabel: what its contacts' ids are made from; kv_store: a JSON object, or empty."""

    TYPE: ClassVar[int] = 1
    domain: str
    aor: str
    label: int
    next_clabel: int
    kv_store: str = ""

    def write(self, to: Writer, version: int) -> None:
        to.text(self.domain)
        to.text(self.aor)
        to.unsigned(self.label)
        to.unsigned(self.next_clabel)
        if version >= WITH_RECORD_VALUES:
            to.text(self.kv_store)

    @classmethod
    def read(cls, of: Reader, version: int) -> "AorInsert":
        values = of.text(), of.text(), of.unsigned(), of.unsigned()
        return cls(*values, of.text() if version >= WITH_RECORD_VALUES else "")


@dataclass(frozen=True, slots=True)
class AorDelete:
    """An AoR and all its contacts are gone."""

    TYPE: ClassVar[int] = 2
    domain: str
    aor: str

    def write(self, to: Writer, version: int) -> None:
        to.text(self.domain)
        to.text(self.aor)

    @classmethod
    def read(cls, of: Reader, version: int) -> "AorDelete":
        return cls(of.text(), of.text())


@dataclass(frozen=True, slots=True)
class ContactDelete:
    """A contact is gone."""

    TYPE: ClassVar[int] = 5
    domain: str
    aor: str
    contact: str
    callid: str
    cseq: int
    matching: Matching

    def write(self, to: Writer, version: int) -> None:
        for text in (self.domain, self.aor, self.contact, self.callid):
            to.text(text)
        to.number(self.cseq)
        self.matching.write(to, version)

    @classmethod
    def read(cls, of: Reader, version: int) -> "ContactDelete":
        values = of.text(), of.text(), of.text(), of.text(), of.number()
        return cls(*values, Matching.read(of, version))


@dataclass(frozen=True, slots=True)
class Registration:
    """What a contact's REGISTER said, and where it came in.

    socket: `proto:ip:port` of ours, empty where the sender has no such socket; flags: 1 memory only, 2 an extra hop,
    4 push; cflag_bits, cflags: the branch flags as bits (to version 3) and as names (from 4), of which only that of the
    version travels: a sender fills in both; methods: bits, 4294967295 for all.
    """

    callid: str
    user_agent: str
    path: str
    attr: str
    received: str
    instance: str
    expires: int
    q: int
    socket: str
    cseq: int
    flags: int
    cflag_bits: int
    cflags: str
    methods: int
    last_modified: int

    def write(self, to: Writer, version: int) -> None:
        for text in (self.callid, self.user_agent, self.path, self.attr, self.received, self.instance):
            to.text(text)
        to.long(self.expires)
        to.short(self.q)
        to.text(self.socket)
        to.number(self.cseq)
        to.unsigned(self.flags)
        if version >= WITH_FLAG_NAMES:
            to.text(self.cflags)
        else:
            to.unsigned(self.cflag_bits)
        to.unsigned(self.methods)
        to.long(self.last_modified)

    @classmethod
    def read(cls, of: Reader, version: int) -> "Registration":
        named = version >= WITH_FLAG_NAMES
        return cls(
            of.text(), of.text(), of.text(), of.text(), of.text(), of.text(), of.long(), of.short(), of.text(),
            of.number(), of.unsigned(), 0 if named else of.unsigned(), of.text() if named else "", of.unsigned(),
            of.long(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ContactInsert:
    """A new contact, also in a synchronisation. kv_store: a JSON object, or empty (always, in version 2)."""

    TYPE: ClassVar[int] = 3
    domain: str
    aor: str
    contact: str
    contact_id: int
    registration: Registration
    kv_store: str
    matching: Matching

    def write(self, to: Writer, version: int) -> None:
        for text in (self.domain, self.aor, self.contact):
            to.text(text)
        to.unsigned_long(self.contact_id)
        self.registration.write(to, version)
        if version >= WITH_INSERTED_VALUES:
            to.text(self.kv_store)
        self.matching.write(to, version)

    @classmethod
    def read(cls, of: Reader, version: int) -> "ContactInsert":
        return cls(
            of.text(), of.text(), of.text(), of.unsigned_long(), Registration.read(of, version),
            of.text() if version >= WITH_INSERTED_VALUES else "", Matching.read(of, version),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ContactUpdate:
    """A contact that registered again. kv_store: a JSON object, or empty."""

    TYPE: ClassVar[int] = 4
    domain: str
    aor: str
    contact: str
    contact_id: int
    registration: Registration
    kv_store: str
    matching: Matching

    def write(self, to: Writer, version: int) -> None:
        for text in (self.domain, self.aor, self.contact):
            to.text(text)
        self.registration.write(to, version)
        to.text(self.kv_store)
        to.unsigned_long(self.contact_id)
        self.matching.write(to, version)

    @classmethod
    def read(cls, of: Reader, version: int) -> "ContactUpdate":
        domain, aor, contact, registration = of.text(), of.text(), of.text(), Registration.read(of, version)
        kv_store, contact_id = of.text(), of.unsigned_long()
        return cls(domain, aor, contact, contact_id, registration, kv_store, Matching.read(of, version))


Message: TypeAlias = AorInsert | AorDelete | ContactInsert | ContactUpdate | ContactDelete
KINDS: Final[dict[int, type[Message]]] = {
    one.TYPE: one for one in (AorInsert, AorDelete, ContactInsert, ContactUpdate, ContactDelete)
}


def encode(message: Message, version: int) -> bytes:
    """The fields of a packet of type `message.TYPE`, without its trailer. Raises BadPacket for what does not fit."""
    check(version)
    to = Writer()
    message.write(to, version)
    return to.written()


def decode(kind: int, version: int, data: bytes) -> Message:
    """A packet's fields. Raises BadPacket, also for an unknown type or version."""
    check(version)
    found = KINDS.get(kind)
    if found is None:
        raise BadPacket(f"{CAPABILITY} has no type {kind}")
    of = Reader(data)
    message: Message = found.read(of, version)
    of.end()
    return message


def encode_chunk(message: AorInsert | ContactInsert, version: int) -> bytes:
    """One chunk of a synchronisation: an AoR goes before its contacts."""
    check(version)
    to = Writer()
    to.flag(isinstance(message, ContactInsert))
    message.write(to, version)
    return to.written()


def decode_chunk(version: int, data: bytes) -> AorInsert | ContactInsert:
    """Raises BadPacket."""
    check(version)
    of = Reader(data)
    message: AorInsert | ContactInsert
    message = ContactInsert.read(of, version) if of.flag() else AorInsert.read(of, version)
    of.end()
    return message


def check(version: int) -> None:
    if not OLDEST <= version <= NEWEST:
        raise BadPacket(f"{CAPABILITY} has no version {version}")
