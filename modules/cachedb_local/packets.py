"""The packets of `cachedb-local-repl`, byte-exact: collections that other nodes have, too.

There is one version, 1. `expires` is seconds as they were given, 0 for never; in a chunk of a synchronisation, which
has the fields of Insert alone, it is what is left of them.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from pysips.core.bin_interface import BadPacket, Reader, Writer

CAPABILITY: Final = "cachedb-local-repl"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Insert:
    """A key has this value now."""

    TYPE: ClassVar[int] = 1
    collection: str
    attr: str
    value: str
    expires: int

    def write(self, to: Writer) -> None:
        for text in (self.collection, self.attr, self.value):
            to.text(text)
        to.number(self.expires)

    @classmethod
    def read(cls, of: Reader) -> "Insert":
        return cls(of.text(), of.text(), of.text(), of.number())


@dataclass(frozen=True, slots=True)
class Remove:
    """A key is gone; it is sent for one that was not there, too."""

    TYPE: ClassVar[int] = 2
    collection: str
    attr: str

    def write(self, to: Writer) -> None:
        to.text(self.collection)
        to.text(self.attr)

    @classmethod
    def read(cls, of: Reader) -> "Remove":
        return cls(of.text(), of.text())


Message: TypeAlias = Insert | Remove


def encode(message: Message) -> bytes:
    """The fields of a packet of type `message.TYPE`, without its trailer, or a chunk. Raises BadPacket."""
    to = Writer()
    message.write(to)
    return to.written()


def decode(kind: int, version: int, data: bytes) -> Message:
    """A packet's fields; a chunk's with the type of Insert. Raises BadPacket, also for an unknown type or version."""
    if version != VERSION:
        raise BadPacket(f"{CAPABILITY} has no version {version}")
    of = Reader(data)
    message: Message
    if kind == Insert.TYPE:
        message = Insert.read(of)
    elif kind == Remove.TYPE:
        message = Remove.read(of)
    else:
        raise BadPacket(f"{CAPABILITY} has no type {kind}")
    of.end()
    return message
