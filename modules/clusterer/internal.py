"""The packets of `clusterer-internal`, byte-exact: pings, links, topology, capabilities.

Each class writes itself for a dialect and is read back from a packet. cluster_id and source begin every packet. A path
is the nodes that an update came by, its first sender first. A seq counts a node's updates of one kind from 0; its
timestamp is unix seconds, so that the updates of a node that was started again are newer.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from pysips.core.bin_interface import BadPacket, Packet, Reader, Writer

from .dialects import V2_4, V3_1, V3_3, Dialect, number_of

INTERNAL: Final = "clusterer-internal"
VERSION: Final = 1
MOST_NODES: Final = 128
MOST_CAPABILITIES: Final = 64
LOWEST_TIME: Final = 1_000_000_000  # unix seconds: 2001; no node has such a number


@dataclass(frozen=True, slots=True)
class Ping:
    """wants_nodes: please list the nodes that you know (while a link is being established)."""

    TYPE: ClassVar[int] = 0
    cluster_id: int
    source: int
    wants_nodes: bool

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.flag(self.wants_nodes)

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader) -> "Ping":
        return cls(cluster_id, source, of.flag())


@dataclass(frozen=True, slots=True)
class Pong:
    """nodes: whom the sender knows beside itself and the pinger, if that was asked for."""

    TYPE: ClassVar[int] = 1
    cluster_id: int
    source: int
    nodes: tuple[int, ...] = ()

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.numbers(self.nodes)

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader) -> "Pong":
        return cls(cluster_id, source, of.numbers(MOST_NODES))


@dataclass(frozen=True, slots=True)
class LinkState:
    """LS_UPDATE: the source's link to a neighbour came up, or went down. timestamp: unix seconds of its start."""

    TYPE: ClassVar[int] = 2
    cluster_id: int
    source: int
    seq: int
    timestamp: int
    neighbour: int
    is_up: bool
    path: tuple[int, ...]

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.number(self.seq)
        to.unsigned(self.timestamp)
        to.number(self.neighbour)
        to.flag(not self.is_up)  # 0 is up
        to.numbers(self.path)

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader) -> "LinkState":
        return cls(
            cluster_id, source, of.number(), of.unsigned(), of.number(), not of.flag(), of.numbers(MOST_NODES)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Description:
    """Who a node is. url: `bin:host:port`; sip_addr: its SIP address, or empty."""

    url: str
    sip_addr: str
    priority: int
    no_ping_retries: int

    def write(self, to: Writer) -> None:
        to.text(self.url)
        to.text(self.sip_addr)
        to.number(self.priority)
        to.number(self.no_ping_retries)

    @classmethod
    def read(cls, of: Reader) -> "Description":
        return cls(of.text(), of.text(), of.number(), of.number())


@dataclass(frozen=True, slots=True)
class TopologyNode:
    """A node as FULL_TOP_UPDATE lists it. description: for whom the receiver does not know; ls_seq -1: none yet."""

    node_id: int
    description: Description | None
    ls_seq: int
    ls_timestamp: int
    neighbours: tuple[int, ...]

    def write(self, to: Writer) -> None:
        to.number(self.node_id)
        to.flag(self.description is not None)
        if self.description is not None:
            self.description.write(to)
        to.number(self.ls_seq)
        to.unsigned(self.ls_timestamp)
        to.numbers(self.neighbours)

    @classmethod
    def read(cls, of: Reader) -> "TopologyNode":
        node_id = of.number()
        description = Description.read(of) if of.flag() else None
        return cls(node_id, description, of.number(), of.unsigned(), of.numbers(MOST_NODES))


@dataclass(frozen=True, slots=True)
class FullTopology:
    """FULL_TOP_UPDATE: all that the source knows of the links, itself first."""

    TYPE: ClassVar[int] = 3
    cluster_id: int
    source: int
    seq: int
    timestamp: int
    nodes: tuple[TopologyNode, ...]
    path: tuple[int, ...]

    def write(self, to: Writer, dialect: Dialect) -> None:
        to.number(self.seq)
        to.unsigned(self.timestamp)
        to.number(len(self.nodes))
        for node in self.nodes:
            node.write(to)
        to.numbers(self.path)

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader) -> "FullTopology":
        seq, timestamp = of.number(), of.unsigned()
        nodes = tuple([TopologyNode.read(of) for _ in range(of.count(MOST_NODES, 20))])
        return cls(cluster_id, source, seq, timestamp, nodes, of.numbers(MOST_NODES))


@dataclass(frozen=True, slots=True)
class UnknownId:
    """UNKNOWN_ID: the source does not know who pinged it. It comes back on the connection of the ping."""

    TYPE: ClassVar[int] = 4
    cluster_id: int
    source: int

    def write(self, to: Writer, dialect: Dialect) -> None:
        """There is nothing more."""

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader) -> "UnknownId":
        return cls(cluster_id, source)


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """NODE_DESCRIPTION: who the source is, for those who did not know."""

    TYPE: ClassVar[int] = 5
    cluster_id: int
    source: int
    description: Description
    path: tuple[int, ...]

    def write(self, to: Writer, dialect: Dialect) -> None:
        self.description.write(to)
        to.numbers(self.path)

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader) -> "NodeDescription":
        return cls(cluster_id, source, Description.read(of), of.numbers(MOST_NODES))


@dataclass(frozen=True, slots=True)
class NodeCapabilities:
    """capabilities: (name, whether it is synchronised) of one node."""

    node_id: int
    capabilities: tuple[tuple[str, bool], ...]

    def write(self, to: Writer) -> None:
        to.number(self.node_id)
        to.number(len(self.capabilities))
        for name, is_ok in self.capabilities:
            to.text(name)
            to.flag(is_ok)

    @classmethod
    def read(cls, of: Reader) -> "NodeCapabilities":
        node_id = of.number()
        return cls(node_id, tuple([(of.text(), of.flag()) for _ in range(of.count(MOST_CAPABILITIES, 6))]))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """CAP_UPDATE: what nodes can do, and whether they are synchronised. seq, timestamp: 0 where 2.4 has none."""

    TYPE: ClassVar[int] = 8
    cluster_id: int
    source: int
    seq: int
    timestamp: int
    nodes: tuple[NodeCapabilities, ...]
    wants_reply: bool
    path: tuple[int, ...]

    def write(self, to: Writer, dialect: Dialect) -> None:
        if dialect.numbered:
            to.number(self.seq)
            to.unsigned(self.timestamp)
        to.number(len(self.nodes))
        for node in self.nodes:
            node.write(to)
        to.flag(self.wants_reply)
        to.numbers(self.path)

    @classmethod
    def read(cls, cluster_id: int, source: int, of: Reader, numbered: bool = True) -> "Capabilities":
        seq, timestamp = (of.number(), of.unsigned()) if numbered else (0, 0)
        nodes = tuple([NodeCapabilities.read(of) for _ in range(of.count(MOST_NODES, 8))])
        return cls(cluster_id, source, seq, timestamp, nodes, of.flag(), of.numbers(MOST_NODES))


Internal: TypeAlias = Ping | Pong | LinkState | FullTopology | UnknownId | NodeDescription | Capabilities
INTERNALS: Final = {
    one.TYPE: one for one in (Ping, Pong, LinkState, FullTopology, UnknownId, NodeDescription)
}  # fmt: skip


def encode_internal(message: Internal, dialect: Dialect) -> Packet:
    """Raises BadPacket for values that do not fit."""
    to = Writer()
    to.number(message.cluster_id)
    to.number(message.source)
    message.write(to, dialect)
    return Packet(VERSION, INTERNAL, number_of(message.TYPE, dialect), to.written())


def decode_internal(packet: Packet) -> tuple[Internal, Dialect | None]:
    """The message, and the dialect where it betrays one. Raises BadPacket, also for an unknown type."""
    if packet.type == Capabilities.TYPE + V3_3.shift:
        return read_capabilities(packet.body, True), V3_3
    if packet.type == Capabilities.TYPE:
        return read_older_capabilities(packet.body)
    kind = INTERNALS.get(packet.type)
    if kind is None:
        raise BadPacket(f"{INTERNAL} has no type {packet.type}")
    of = Reader(packet.body)
    message = kind.read(of.number(), of.number(), of)
    of.end()
    return message, None


def read_capabilities(body: bytes, numbered: bool) -> Capabilities:
    of = Reader(body)
    message = Capabilities.read(of.number(), of.number(), of, numbered)
    of.end()
    return message


def read_older_capabilities(body: bytes) -> tuple[Capabilities, Dialect]:
    """2.4's or 3.1's list. Where it can be read as either, a time in the place of a node's number betrays 3.1's."""
    try:
        older = read_capabilities(body, False)
    except BadPacket:
        return read_capabilities(body, True), V3_1
    if older.nodes and not 0 <= older.nodes[0].node_id < LOWEST_TIME:
        try:
            return read_capabilities(body, True), V3_1
        except BadPacket:
            pass
    return older, V2_4
