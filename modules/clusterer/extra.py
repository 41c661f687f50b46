"""The packets of `clusterer-extra`, byte-exact: messages, management, sharing tags, synchronisation.

Each class writes itself for a dialect and is read back from a packet; the trailer behind the fields says from whom and
to whom.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from pysips.core.bin_interface import BadPacket, Packet, Reader, Trailer, Writer

from .dialects import V3_2, V3_3, Dialect, number_of

EXTRA: Final = "clusterer-extra"
VERSION: Final = 1
MOST_PARAMETERS: Final = 1000
CHUNK_MARKER: Final = 101_010_101
CHUNK_HEAD: Final = 8  # its size and the marker
REMOVE_NODE: Final = 6  # the type that 3.2 put in between


@dataclass(frozen=True, slots=True)
class RemoveNode:
    """REMOVE_NODE: forget this node (since 3.2)."""

    TYPE: ClassVar[int] = REMOVE_NODE
    node_id: int

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.number(self.node_id)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "RemoveNode":
        return cls(of.number())


@dataclass(frozen=True, slots=True)
class GenericMessage:
    """GENERIC_MSG: a script's own message. is_request: not a reply; tag: what a reply is matched by."""

    TYPE: ClassVar[int] = 6
    is_request: bool
    tag: str
    message: str

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.flag(self.is_request)
        to.text(self.tag)
        to.text(self.message)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "GenericMessage":
        return cls(of.flag(), of.text(), of.text())


@dataclass(frozen=True, slots=True)
class MiCommand:
    """MI_CMD: a management command to be run, with parameters by position; it is not answered."""

    TYPE: ClassVar[int] = 7
    command: str
    parameters: tuple[str, ...] = ()

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.text(self.command)
        to.number(len(self.parameters))
        for one in self.parameters:
            to.text(one)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "MiCommand":
        return cls(of.text(), tuple([of.text() for _ in range(of.count(MOST_PARAMETERS, 2))]))


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """SYNC_REQ: please send all that you have of this capability."""

    TYPE: ClassVar[int] = 9
    capability: str

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.text(self.capability)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "SyncRequest":
        return cls(of.text())


@dataclass(frozen=True, slots=True)
class Sync:
    """SYNC: some of it. data_version: of the capability's own packets; chunks: one record of the module each."""

    TYPE: ClassVar[int] = 10
    capability: str
    data_version: int
    chunks: tuple[bytes, ...]

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.text(self.capability)
        to.number(self.data_version)
        for chunk in self.chunks:
            to.number(len(chunk))
            to.number(CHUNK_MARKER)
            to.parts.append(chunk)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "Sync":
        capability, data_version = of.text(), of.number()
        chunks = []
        while of.left:
            size, marker = of.number(), of.number()
            if marker != CHUNK_MARKER:
                raise BadPacket("no chunk begins here")
            chunks.append(of.take(size))
        return cls(capability, data_version, tuple(chunks))


@dataclass(frozen=True, slots=True)
class SyncEnd:
    """SYNC_END: that was all. chunks: how many they were, over all packets; 0 where version 2 does not say."""

    TYPE: ClassVar[int] = 11
    capability: str
    chunks: int = 0

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.text(self.capability)
        if dialect.sync >= V3_3.sync:
            to.number(self.chunks)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "SyncEnd":
        return cls(of.text(), of.number() if dialect.sync >= V3_3.sync else 0)


@dataclass(frozen=True, slots=True)
class TagActive:
    """SHTAG_ACTIVE: the source has this sharing tag now (since 3.0)."""

    TYPE: ClassVar[int] = 12
    tag: str

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.text(self.tag)

    @classmethod
    def read(cls, of: Reader, dialect: Dialect) -> "TagActive":
        return cls(of.text())


Extra: TypeAlias = RemoveNode | GenericMessage | MiCommand | SyncRequest | Sync | SyncEnd | TagActive
SYNCS: Final = (SyncRequest, Sync, SyncEnd)
MOVED: Final = {one.TYPE: one for one in (GenericMessage, MiCommand, SyncRequest, Sync, SyncEnd, TagActive)}


def encode_extra(message: Extra, trailer: Trailer, dialect: Dialect) -> Packet:
    """Raises BadPacket for values that do not fit, and for what the dialect does not know."""
    to = Writer()
    message.write(to, dialect)
    to.parts.append(trailer.encode())
    if isinstance(message, RemoveNode):
        if not dialect.shift:
            raise BadPacket(f"OpenSIPS {dialect.name} knows no removal of nodes")
        return Packet(VERSION, EXTRA, REMOVE_NODE, to.written())
    version = dialect.sync if isinstance(message, SYNCS) else VERSION
    return Packet(version, EXTRA, number_of(message.TYPE, dialect), to.written())


def decode_extra(packet: Packet, dialect: Dialect) -> tuple[Extra, Trailer]:
    """The message, as the sender's dialect has it. Raises BadPacket, also for an unknown type."""
    fields, trailer = packet.split()
    of = Reader(fields)
    message: Extra
    if dialect.shift and packet.type == REMOVE_NODE:
        message = RemoveNode.read(of, dialect)
    else:
        kind = MOVED.get(packet.type - dialect.shift)
        if kind is None:
            raise BadPacket(f"{EXTRA} has no type {packet.type}")
        message = kind.read(of, with_version(dialect, packet.version))
    of.end()
    return message, trailer


def with_version(dialect: Dialect, version: int) -> Dialect:
    """The dialect whose synchronisation has the version of this packet: 3.2 and 3.3 differ in nothing else."""
    if dialect.shift and version == V3_2.sync:
        return V3_2
    return V3_3 if dialect.shift else dialect


def packed_chunks(capability: str, data_version: int, chunks: Iterable[bytes], size: int = 32_768) -> Iterable[Sync]:
    """Chunks into packets of about `size` bytes (`sync_packet_size`), none of them split."""
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        if held and length + len(chunk) + CHUNK_HEAD > size:
            yield Sync(capability, data_version, tuple(held))
            held, length = [], 0
        held.append(chunk)
        length += len(chunk) + CHUNK_HEAD
    if held:
        yield Sync(capability, data_version, tuple(held))
