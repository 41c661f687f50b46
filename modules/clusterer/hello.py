"""HELLO: what one PySIPS node tells another when a link comes up, beyond what OpenSIPS' packets can say.

It has a capability of its own, so a node of OpenSIPS drops it without a word. It says, before anything else:
- the newest version of each capability's packets that we read, so that peers of one kind use it;
- in which capabilities we had a packet for the other that did not get there: it should ask for a sync;
- since when our sharing tags are active: of two nodes that both have one, the later one keeps it.
"""

from dataclasses import dataclass
from typing import Final

from .packets import Packet, Reader, Trailer, Writer

HELLO: Final = "pysips-hello"
VERSION: Final = 1
TYPE: Final = 1
MOST: Final = 1000
MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class Hello:
    """capabilities: (name, newest version, whether the other missed something); tags: (name, unix seconds)."""

    capabilities: tuple[tuple[str, int, bool], ...]
    tags: tuple[tuple[str, float], ...]

    def encode(self, trailer: Trailer) -> Packet:
        """Raises BadPacket."""
        to = Writer()
        to.number(len(self.capabilities))
        for name, version, missed in self.capabilities:
            to.text(name)
            to.number(version)
            to.flag(missed)
        to.number(len(self.tags))
        for name, since in self.tags:
            to.text(name)
            to.long(int(since * MILLI))
        return Packet(VERSION, HELLO, TYPE, to.written() + trailer.encode())


def decode(packet: Packet) -> Hello:
    """Raises BadPacket. What a later version adds at the end is left unread."""
    of = Reader(packet.split()[0])
    capabilities = tuple([(of.text(), of.number(), of.flag()) for _ in range(of.count(MOST, 10))])
    tags = tuple([(of.text(), of.long() / MILLI) for _ in range(of.count(MOST, 12))])
    return Hello(capabilities, tags)
