"""Recorded sessions of real nodes, played again to a node of ours in place of one of them.

replay = Replay(session("full-sharing-handshake"), role=2)
replay.run()
assert replay.substance() == replay.recorded()

Our node has the role's id and address and started in the same second, so what it says can be the same byte for byte,
clocks aside. What the others said comes in at its time, what the role's own modules had to tell is told by ours; what
our node says goes nowhere but into `said`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pysips.core.bin_interface import Packet, packet_of
from pysips.modules.clusterer.api import SENT, Reader, Receiver, Registration
from pysips.modules.clusterer.hello import HELLO
from pysips.modules.clusterer.machine import Machine
from pysips.modules.clusterer.node import Settings
from pysips.modules.clusterer.nodes import NodeInfo, from_text
from pysips.modules.clusterer.packets import (
    INTERNAL,
    V3_3,
    Capabilities,
    FullTopology,
    Internal,
    LinkState,
    Ping,
    Pong,
    decode_internal,
    encode_internal,
)
from pysips.modules.usrloc.packets import CAPABILITY

from .samples import Sample

CLOCK = 1000.0  # the clock when a recording begins
PERIOD = 0.1  # of the node's timer


def host_of(node_id: int) -> str:
    return f"127.0.0.{node_id}"


def info(node_id: int, more: str = "") -> NodeInfo:
    """A node as the recorded ones had it in their scripts."""
    host = host_of(node_id)
    return from_text(
        f"cluster_id=1,node_id={node_id},url=bin:{host}:{16000 + node_id},sip_addr={host}:{16100 + node_id}{more}"
    )


class Records(Receiver):
    """A module that has these chunks, in this version."""

    def __init__(self, chunks: Iterable[bytes] = (), version: int = 5) -> None:
        self.held = list(chunks)
        self.versions = (version,)
        self.spoken = self.old = version
        self.got: list[bytes] = []
        self.heard: list[tuple[int, int, bytes]] = []

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        self.heard.append((source, kind, body.take(body.left)))

    def chunks(self, cluster_id: int, source: int, version: int, chunks: tuple[bytes, ...]) -> None:
        self.got += chunks

    def donate(self, cluster_id: int, node_id: int, version: int) -> Iterator[bytes]:
        return iter(self.held)


@dataclass(frozen=True, slots=True)
class Said:
    """At this time of the recording our node said this; to 0: back on the connection that something came on."""

    t: float
    to: int
    packet: Packet


class Replay:
    """begins: when our node starts, in the recording's time; ids: of all nodes that it knows from the start."""

    def __init__(
        self, samples: list[Sample], role: int, begins: float = 0.0, ids: Iterable[int] = (1, 2), born: int = 0,
        seed_after: float = 5.0, learns: bool = True, records: Records | None = None, seed: bool = True,
        wants_sync: bool = True,
    ) -> None:  # fmt: skip
        self.samples = samples
        self.role = role
        self.begins = begins
        self.records = records or Records()
        registration = Registration(1, CAPABILITY, self.records, wants_sync)
        settings = Settings(seed_fallback=seed_after, learns=learns)
        self.machine = Machine(role, settings, born or self.start_of(role), [registration])
        own = info(role, ",flags=seed" if seed else "")
        self.machine.load({1: [own, *(info(one) for one in ids if one != role)]}, CLOCK + begins)
        self.said: list[Said] = []
        self.next_tick = begins

    def start_of(self, node_id: int) -> int:
        """The second in which the recorded node started: it numbers its updates from there."""
        for one in self.samples:
            fields = one.decoded["fields"]
            if fields.get("src_node") == node_id and fields.get("timestamp"):
                return int(fields["timestamp"])
        return 1_700_000_000

    def run(self, until: float = 0.0) -> None:
        """All that was sent to our node, and all that its module told, each at its time."""
        for one in self.samples:
            if one.to_node == self.role:
                self.turn(one.t)
                self.hear(one.packet, one.from_node, one.t)
            elif one.from_node == self.role and one.packet.capability == CAPABILITY:
                self.turn(one.t)
                self.tell(one)
        self.turn(max(until, self.samples[-1].t))

    def turn(self, t: float) -> None:
        """The node's timer, until that time."""
        while self.next_tick <= t:
            self.machine.tick(CLOCK + self.next_tick)
            self.take(self.next_tick)
            self.next_tick += PERIOD

    def hear(self, packet: Packet, source: int, t: float) -> list[Said]:
        """One packet comes; what is said to it."""
        self.machine.received(packet, host_of(source), f"from {source}", CLOCK + t)
        return self.take(t)

    def tell(self, sample: Sample) -> list[Said]:
        """Our node's module tells another node what the real one's told it."""
        packet = sample.packet
        fields, trailer = packet.split()
        sent = self.machine.send(
            1, trailer.destination, CAPABILITY, packet.type, lambda version: fields, CLOCK + sample.t
        )  # fmt: skip
        assert sent == SENT
        return self.take(sample.t)

    def take(self, t: float) -> list[Said]:
        while self.machine.pump(CLOCK + t):
            continue
        out, self.machine.out[:] = list(self.machine.out), []
        said = []
        for gone in out:
            to = 0 if gone.to is None else gone.to.node_id
            assert gone.to is not None or gone.connection is not None
            said.append(Said(t, to, packet_of(gone.packet.encode())))
        self.said += said
        for one in said:
            if is_regular_ping(one.packet):  # the others live: they answer, whenever ours pings
                self.machine.received(from_peer(Pong(1, one.to)), host_of(one.to), "", CLOCK + t)
        return said

    def link(self, node_id: int, t: float = 0.0) -> None:
        """A neighbour answers our ping: the link is up, and what we say to that is left aside."""
        self.turn(t)
        self.hear(from_peer(Pong(1, node_id)), node_id, t)
        assert self.machine.members[1].cluster.nodes[node_id].is_up

    # -- to compare

    def substance(self) -> list[tuple[int, str]]:
        """(to whom, the packet) of what our node said beyond pings, pongs and its own kind's HELLO."""
        return [(one.to, comparable(one.packet)) for one in self.said if matters(one.packet)]

    def recorded(self) -> list[tuple[int, str]]:
        """The same of what the real node said."""
        own = [one for one in self.samples if one.from_node == self.role]
        return [(one.to_node, comparable(one.packet)) for one in own if matters(one.packet)]


def matters(packet: Packet) -> bool:
    keeps_alive = packet.capability == INTERNAL and packet.type in (Ping.TYPE, Pong.TYPE)
    return not keeps_alive and packet.capability != HELLO


def comparable(packet: Packet) -> str:
    """A packet in hex without its clocks: real nodes write the time of sending where ours writes that of its start, and
    number their link states from the first one that somebody got."""
    if packet.capability == INTERNAL:
        message, dialect = decode_internal(packet)
        if isinstance(message, LinkState | Capabilities):
            message = replace(message, timestamp=0)
        elif isinstance(message, FullTopology):
            nodes = tuple([replace(one, ls_seq=0, ls_timestamp=0) for one in message.nodes])
            message = replace(message, timestamp=0, nodes=nodes)
        packet = encode_internal(message, dialect or V3_3)
    return packet.encode().hex()


def is_regular_ping(packet: Packet) -> bool:
    if packet.capability != INTERNAL:
        return False
    message, _ = decode_internal(packet)
    return isinstance(message, Ping) and not message.wants_nodes


def from_peer(message: Internal) -> Packet:
    """As a node of today says it."""
    return encode_internal(message, V3_3)


def of_kind(said: Iterable[Said], kind: type[Internal]) -> list[Said]:
    """The packets of one kind."""
    return [
        one for one in said if one.packet.capability == INTERNAL and isinstance(decode_internal(one.packet)[0], kind)
    ]
