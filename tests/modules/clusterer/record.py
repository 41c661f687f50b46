"""A capture of what real nodes said into lines like those of samples.jsonl, so that it can be read and replayed.

    tcpdump -i lo -w nodes.pcap tcp
    python -m tests.modules.clusterer.record nodes.pcap my-session 1=127.0.0.1=4.0.1 2=127.0.0.2=3.6.8 >> samples.jsonl

Each node is its number, its address and its release. Needed is a classic pcap file (tcpdump; `dumpcap -F pcap`) of
Ethernet, Linux cooked or raw IP.
"""

import ipaddress
import json
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pysips.core.bin_interface import BadPacket, Framer, Packet
from pysips.modules.cachedb_local import packets as cache
from pysips.modules.clusterer import packets as cluster
from pysips.modules.usrloc import packets as usrloc

from .samples import described

LINKS: Final = {1: (14, 12), 113: (16, 14), 276: (20, 0)}  # link type: (bytes before IP, where the protocol stands)
RAW: Final = (12, 101, 228, 229)
SYN: Final = 2
WORD: Final = 0xFFFF_FFFF
INTERNAL_NAMES: Final = ("PING", "PONG", "LS_UPDATE", "FULL_TOP_UPDATE", "UNKNOWN_ID", "NODE_DESCRIPTION")
EXTRA_NAMES: Final = ("GENERIC_MSG", "MI_CMD", "", "SYNC_REQ", "SYNC", "SYNC_END", "SHTAG_ACTIVE")  # from type 6 of 2.4
NAMES: Final = {
    usrloc.CAPABILITY: ("", "AOR_INSERT", "AOR_DELETE", "CONTACT_INSERT", "CONTACT_UPDATE", "CONTACT_DELETE"),
    cache.CAPABILITY: ("", "INSERT", "REMOVE"),
}


class NoCapture(Exception):
    """A file that is none, or of a kind that is not read here."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment. source, target: (address, port)."""

    t: float
    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    flags: int
    data: bytes


def segments(capture: bytes) -> Iterator[Segment]:
    """The TCP segments of a pcap file. Raises NoCapture."""
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<"}.get(capture[:4])
    if order is None or len(capture) < 24:
        raise NoCapture("this is no pcap file")
    scale = 1e-9 if capture[:4] == b"\x4d\x3c\xb2\xa1" else 1e-6
    link = struct.unpack_from(order + "I", capture, 20)[0] & 0xFFFF
    if link not in LINKS and link not in RAW:
        raise NoCapture(f"captures of link type {link} are not read")
    at = 24
    while at + 16 <= len(capture):
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", capture, at)
        found = segment(seconds + fraction * scale, capture[at + 16 + LINKS.get(link, (0, 0))[0] : at + 16 + size])
        if found is not None:
            yield found
        at += 16 + size


def segment(t: float, data: bytes) -> Segment | None:
    """The TCP segment in an IP packet; None if there is none."""
    if len(data) < 40:
        return None
    if data[0] >> 4 == 4 and data[9] == 6:
        start, end = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big")
        source, target = (str(ipaddress.ip_address(data[a : a + 4])) for a in (12, 16))
    elif data[0] >> 4 == 6 and data[6] == 6:
        start, end = 40, 40 + int.from_bytes(data[4:6], "big")
        source, target = (str(ipaddress.ip_address(data[a : a + 16])) for a in (8, 24))
    else:
        return None
    if start + 20 > len(data):
        return None
    ports = struct.unpack_from("!HH", data, start)
    seq = int.from_bytes(data[start + 4 : start + 8], "big")
    body = data[start + (data[start + 12] >> 4) * 4 : end]
    return Segment(t, (source, ports[0]), (target, ports[1]), seq, data[start + 13], body)


@dataclass(slots=True)
class Stream:
    """One direction of a connection. early: segments that came before those that belong before them."""

    expected: int
    framer: Framer = field(default_factory=Framer)
    early: dict[int, bytes] = field(default_factory=dict)
    is_broken: bool = False

    def take(self, one: Segment) -> list[Packet]:
        """The packets that are whole with this segment; what was sent twice counts once."""
        known = (self.expected - one.seq) & WORD
        if known < 1 << 31:
            self.early[self.expected] = one.data[known:]
        else:
            self.early[one.seq] = one.data
        packets: list[Packet] = []
        while data := self.early.pop(self.expected, b""):
            self.expected = (self.expected + len(data)) & WORD
            packets += self.feed(data)
        return packets

    def feed(self, data: bytes) -> list[Packet]:
        if self.is_broken:
            return []
        try:
            return self.framer.feed(data)
        except BadPacket:
            self.is_broken = True  # a connection of something else
            return []


def said(capture: bytes) -> Iterator[tuple[float, str, str, Packet]]:
    """(time, from, to, packet) of all that was sent, in the order in which it was whole. Raises NoCapture."""
    streams: dict[tuple[object, object], Stream] = {}
    for one in segments(capture):
        ends = (one.source, one.target)
        if one.flags & SYN:
            streams[ends] = Stream((one.seq + 1) & WORD)
        elif one.data:
            for packet in streams.setdefault(ends, Stream(one.seq)).take(one):
                yield one.t, one.source[0], one.target[0], packet


def lines(
    packets: Iterable[tuple[float, str, str, Packet]], scenario: str, nodes: dict[str, tuple[int, str]]
) -> Iterator[dict[str, Any]]:
    """Lines of samples.jsonl, without ids. nodes: (number, release) by address; others' packets are left out."""
    began: float | None = None
    seq = 0
    for t, source, target, packet in packets:
        if source not in nodes or target not in nodes:
            continue
        began = t if began is None else began
        seq += 1
        number, release = nodes[source]
        to, peer_release = nodes[target]
        old = release.startswith(("2.4", "3.0"))
        yield {
            "scenario": scenario, "seq": seq, "t": round(t - began, 4), "release": release,
            "peer_release": peer_release, "from_node": number, "to_node": to, "family": "2.4" if old else "3.2+",
            "hex": packet.encode().hex(), "decoded": explained(packet, cluster.V2_4 if old else cluster.V3_3),
        }  # fmt: skip


def explained(packet: Packet, dialect: cluster.Dialect) -> dict[str, Any]:
    """What a packet says, with the name of its type."""
    found = described(packet, dialect)
    order = ("len", "version", "capability", "type", "name", "fields", "trailer")
    found["name"] = name_of(packet, dialect)
    return {key: found[key] for key in order if key in found}


def name_of(packet: Packet, dialect: cluster.Dialect) -> str:
    """The type as the sources of OpenSIPS call it; empty for one that is not known."""
    kind = packet.type
    if packet.capability == cluster.INTERNAL:
        return INTERNAL_NAMES[kind] if kind < len(INTERNAL_NAMES) else "CAP_UPDATE"
    if packet.capability == cluster.EXTRA:
        return "REMOVE_NODE" if dialect.shift and kind == 6 else EXTRA_NAMES[kind - 6 - dialect.shift]
    return NAMES.get(packet.capability, ("",) * (kind + 1))[kind]


def main(arguments: list[str]) -> None:
    """FILE SCENARIO NUMBER=ADDRESS=RELEASE …"""
    path, scenario, *told = arguments
    nodes = {}
    for one in told:
        number, address, release = one.split("=")
        nodes[address] = (int(number), release)
    for row in lines(said(Path(path).read_bytes()), scenario, nodes):
        print(json.dumps({"id": f"{scenario}-{row['seq']}", **row}))


if __name__ == "__main__":
    main(sys.argv[1:])
