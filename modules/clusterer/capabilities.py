"""What this node can do in one cluster, and how it gets and gives all that there is of it (OpenSIPS: clusterer/sync.c).

Facts:
- a capability with startup_sync is not OK before a donor has sent all; without one it is OK from the start;
- a node with the flag `seed` that found no donor within `seed_fallback` seconds is OK by itself;
- a donor sends chunks in SYNC packets, then SYNC_END with their number; what comes meanwhile waits and is then dealt
  with in order.
Beyond OpenSIPS:
- a request without an answer, and a sync that stops half-way, are begun again, with another donor if there is one;
- a node that was away for a while is asked for all that it has when it is back, and so does it ask us: a repair.
  During one this node stays OK, so both sides of a pair can do so at the same time;
- a node that said it sent us something in vain (see hello.py) is asked, too; and a seed that found no donor asks each
  node of our kind that is OK later, once: that one may have kept what the seed never had.
"""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Final, final

from pysips.core.log import log

from .api import Event, Registration
from .cluster import MODULE, QUIET, Cluster
from .mirror import CapabilityView
from .node import Node
from .packets import V2_4, BadPacket, Packet, Reader, Sync, SyncEnd, SyncRequest, Trailer, packed_chunks

AT_ONCE: Final = 4  # SYNC packets of a donation in one go
MOST_QUEUED: Final = 32 << 20  # bytes of packets that wait for the end of a sync


class Phase(Enum):
    """What we do to get what others have."""

    IDLE = auto()
    PENDING = auto()  # a donor is wanted
    ASKED = auto()
    RECEIVING = auto()


@final
class Capability:
    """One capability of ours. wanted: nodes to be asked for all that they have, as soon as they are OK.

    alone: we became OK without a donor; met: nodes that we have asked since then.
    """

    __slots__ = (
        "alone", "chunks", "donor", "enabled", "expected", "failed_donor", "heard_at", "is_ok", "met", "name",
        "pending_since", "phase", "queue", "queued", "receiver", "registration", "wanted",
    )  # fmt: skip

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.receiver = registration.receiver
        self.name = registration.capability
        self.enabled = True
        self.is_ok = not registration.startup_sync
        self.phase = Phase.IDLE
        self.pending_since = 0.0
        self.donor = 0
        self.failed_donor = 0
        self.heard_at = 0.0
        self.chunks = 0
        self.expected = -1
        self.queue: list[tuple[Packet, int]] = []
        self.queued = 0
        self.wanted: set[int] = set()
        self.alone = False
        self.met: set[int] = set()

    def view(self) -> CapabilityView:
        """For everybody, and for a successor: a sync that is under way is his to begin again."""
        asked = {self.donor} if self.is_ok and self.phase in (Phase.ASKED, Phase.RECEIVING) else set()
        is_ok = self.is_ok and self.enabled
        return CapabilityView(self.name, is_ok, self.enabled, sorted(self.wanted | asked), self.alone, sorted(self.met))

    def gets_from(self, node_id: int) -> bool:
        """Whether a node is just about to send us all that it has."""
        return self.donor == node_id and self.phase in (Phase.ASKED, Phase.RECEIVING)

    def version_for(self, node: Node) -> int:
        """The version in which a node is spoken to: what it speaks, as far as that is known."""
        newest = node.versions.get(self.name)
        if newest is not None:
            return max((one for one in self.receiver.versions if one <= newest), default=self.receiver.spoken)
        return self.receiver.old if node.dialect is V2_4 else self.receiver.spoken


@final
class Donation:
    """What a node gets of us. packets: on demand; sent: chunks so far."""

    __slots__ = ("capability", "node_id", "packets", "sent")

    def __init__(self, capability: Capability, node_id: int, packets: Iterator[Sync]) -> None:
        self.capability = capability
        self.node_id = node_id
        self.packets = packets
        self.sent = 0


@final
class Capabilities:
    """All capabilities of ours in one cluster. has_room: whether more may be sent to a node now."""

    __slots__ = ("cluster", "donations", "has_room", "known", "owed")

    def __init__(
        self, cluster: Cluster, registrations: list[Registration], has_room: Callable[[Node], bool]
    ) -> None:  # fmt: skip
        self.cluster = cluster
        self.known = {one.capability: Capability(one) for one in registrations}
        self.has_room = has_room
        self.donations: dict[tuple[int, str], Donation] = {}
        self.owed: set[tuple[int, str]] = set()

    def start(self, now: float, synced: frozenset[str]) -> None:
        """synced: what was OK already when somebody else did our work."""
        for one in self.known.values():
            if one.name in synced:
                one.is_ok = True
            elif not one.is_ok:
                self.pend(one, now)
                if self.cluster.own.is_seed and self.cluster.settings.seed_fallback <= 0:
                    self.fall_back(one)

    def listed(self) -> tuple[tuple[str, bool], ...]:
        return tuple((one.name, one.is_ok and one.enabled) for one in self.known.values())

    # -- getting

    def request(self, name: str, now: float) -> bool:
        """Management or the module wants a sync; False if none is possible now. One under way is enough."""
        one = self.known.get(name)
        if one is None or not one.enabled:
            return False
        if one.phase in (Phase.ASKED, Phase.RECEIVING):
            return True
        donor = self.find_donor(one)
        if donor is None:
            if not one.is_ok and one.phase is Phase.IDLE:
                self.pend(one, now)
            return False
        return self.ask(one, donor, now)

    def pend(self, one: Capability, now: float) -> None:
        if one.phase is Phase.IDLE:
            one.pending_since = now
        one.phase = Phase.PENDING

    def find_donor(self, one: Capability) -> Node | None:
        """The first in the table's order that is there, OK and fits; rather not the one that just failed."""
        second = None
        for node in self.cluster.nodes.values():
            if self.can_donate(one, node):
                if node.node_id != one.failed_donor:
                    return node
                second = node
        return second

    def can_donate(self, one: Capability, node: Node) -> bool:
        fits = node.reachable and node.caps.get(one.name, False)
        return fits and one.registration.donor_condition(self.cluster.own, node.info)

    def ask(self, one: Capability, donor: Node, now: float) -> bool:
        if not self.cluster.send(donor, SyncRequest(one.name)):
            return False
        log.info(MODULE, f"cluster {self.cluster.cluster_id}, {one.name}: Sync requested from node [{donor.node_id}]")
        one.wanted.discard(donor.node_id)
        one.phase, one.donor, one.heard_at = Phase.ASKED, donor.node_id, now
        one.chunks, one.expected = 0, -1
        return True

    def tick(self, now: float) -> None:
        """Limits, and what waits for its turn."""
        for one in self.known.values():
            under_way = one.phase in (Phase.ASKED, Phase.RECEIVING)
            if under_way and now - one.heard_at >= self.cluster.settings.sync_timeout:
                self.give_up(one, "no answer in time", now)
            self.seek(one, now)
            fallback = self.cluster.settings.seed_fallback
            if one.phase is Phase.PENDING and self.cluster.own.is_seed and now - one.pending_since >= fallback:
                self.fall_back(one)

    def seek(self, one: Capability, now: float) -> None:
        """Begin what is wanted, if nothing is under way and somebody can give it."""
        if not one.enabled or one.phase in (Phase.ASKED, Phase.RECEIVING):
            return
        if one.phase is Phase.PENDING:
            donor = self.find_donor(one)
            if donor is not None:
                self.ask(one, donor, now)
            return
        for node_id in sorted(one.wanted):
            node = self.cluster.nodes.get(node_id)
            if node is None:
                one.wanted.discard(node_id)
            elif self.can_donate(one, node) and self.ask(one, node, now):
                return

    def fall_back(self, one: Capability) -> None:
        log.info(
            MODULE,
            f"cluster {self.cluster.cluster_id}, {one.name}: Sync request aborted! (no donor found in due time), "
            "falling back to synced state",
        )  # fmt: skip
        one.phase, one.alone = Phase.IDLE, True
        one.met.clear()
        self.become_ok(one)

    def become_ok(self, one: Capability) -> None:
        if not one.is_ok:
            one.is_ok = True
            self.cluster.announce(one.name, one.enabled)

    def give_up(self, one: Capability, why: str, now: float) -> None:
        """It is begun again: at once with another donor, or when there is one."""
        log.warn(
            MODULE, f"cluster {self.cluster.cluster_id}, {one.name}: Sync from node [{one.donor}] failed ({why}), "
            "it is asked for again",
        )  # fmt: skip
        one.failed_donor = one.donor
        self.replay(one, now)
        if one.is_ok:
            one.wanted.add(one.donor)
            one.phase = Phase.IDLE
        else:
            one.phase = Phase.IDLE
            self.pend(one, now)

    def donor_gone(self, node: Node, now: float) -> None:
        for one in self.known.values():
            if one.phase in (Phase.ASKED, Phase.RECEIVING) and one.donor == node.node_id:
                self.give_up(one, "the node is gone", now)

    def sync(self, source: int, message: Sync, now: float) -> None:
        """A part of what a donor has."""
        one = self.known.get(message.capability)
        if one is None or not self.is_from_donor(one, source):
            return
        one.phase, one.heard_at = Phase.RECEIVING, now
        try:
            one.receiver.chunks(self.cluster.cluster_id, source, message.data_version, message.chunks)
        except BadPacket as problem:
            if log.limited(f"clusterer:chunks {one.name}", QUIET):
                log.error(MODULE, f"{one.name}: what node {source} sent cannot be read: {problem}")
            return
        one.chunks += len(message.chunks)
        self.complete(one, now)

    def sync_end(self, source: int, message: SyncEnd, counted: bool, now: float) -> None:
        """That was all. counted: it says how many chunks there were."""
        one = self.known.get(message.capability)
        if one is not None and self.is_from_donor(one, source):
            one.heard_at = now
            one.expected = message.chunks if counted else one.chunks
            self.complete(one, now)

    def is_from_donor(self, one: Capability, source: int) -> bool:
        return one.enabled and one.phase in (Phase.ASKED, Phase.RECEIVING) and source == one.donor

    def complete(self, one: Capability, now: float) -> None:
        """If all chunks are there."""
        if one.expected < 0 or one.chunks < one.expected:
            return
        log.info(
            MODULE, f"cluster {self.cluster.cluster_id}, {one.name}: Sync completed, received [{one.chunks}] chunks"
        )  # fmt: skip
        one.phase, one.failed_donor, one.expected = Phase.IDLE, 0, -1
        self.replay(one, now)
        self.become_ok(one)
        one.receiver.happened(Event.SYNC_DONE, self.cluster.cluster_id, one.donor)
        self.seek(one, now)

    # -- packets of the modules

    def arrived(self, packet: Packet, source: int, now: float) -> None:
        """A module's packet for us."""
        one = self.known.get(packet.capability)
        if one is None or not one.enabled:
            return
        node = self.cluster.nodes[source]
        if packet.version in one.receiver.versions:
            node.versions[one.name] = max(packet.version, node.versions.get(one.name, 0))
        elif log.limited(f"clusterer:version {one.name} {source}", QUIET):
            log.warn(MODULE, f"{one.name}: node {source} speaks version {packet.version}, which is not known here")
        if packet.version not in one.receiver.versions:
            return
        if one.phase is Phase.RECEIVING and one.queued + len(packet.body) <= MOST_QUEUED:
            one.queue.append((packet, source))
            one.queued += len(packet.body)
            return
        self.deliver(one, packet, source)

    def deliver(self, one: Capability, packet: Packet, source: int) -> None:
        try:
            body = Reader(packet.split()[0])
            one.receiver.received(self.cluster.cluster_id, source, packet.type, packet.version, body)
        except BadPacket as problem:
            if log.limited(f"clusterer:body {one.name} {source}", QUIET):
                log.error(MODULE, f"{one.name}: a packet of node {source} cannot be read: {problem}")

    def replay(self, one: Capability, now: float) -> None:
        queue, one.queue, one.queued = one.queue, [], 0
        for packet, source in queue:
            self.deliver(one, packet, source)

    def packet(self, one: Capability, node: Node, kind: int, fields: bytes) -> Packet:
        """A module's packet. Raises BadPacket."""
        trailer = Trailer(self.cluster.cluster_id, self.cluster.own_id, node.node_id)
        return Packet(one.version_for(node), one.name, kind, fields + trailer.encode())

    # -- giving

    def asked(self, node: Node, message: SyncRequest) -> None:
        """A node wants all that we have."""
        one = self.known.get(message.capability)
        if one is None or not one.enabled:
            return
        if not node.reachable:
            self.owed.add((node.node_id, one.name))
            return
        version = one.version_for(node)
        one.receiver.happened(Event.SYNC_REQ, self.cluster.cluster_id, node.node_id)
        chunks = one.receiver.donate(self.cluster.cluster_id, node.node_id, version)
        packets = iter(packed_chunks(one.name, version, chunks, self.cluster.settings.sync_packet_size))
        self.donations[node.node_id, one.name] = Donation(one, node.node_id, packets)

    def pump(self, now: float) -> bool:
        """Send a little of each donation; True if there is more to come."""
        for key, donation in list(self.donations.items()):
            node = self.cluster.nodes.get(donation.node_id)
            if node is None or not node.reachable or (self.has_room(node) and not self.give(donation, node)):
                del self.donations[key]
        return bool(self.donations)

    def give(self, donation: Donation, node: Node) -> bool:
        """A few packets; False if that was all."""
        one = donation.capability
        try:
            for _ in range(AT_ONCE):
                message = next(donation.packets, None)
                if message is None:
                    self.cluster.send(node, SyncEnd(one.name, donation.sent))
                    log.info(MODULE, f"{one.name}: sent all ({donation.sent} chunks) to node [{node.node_id}]")
                    return False
                donation.sent += len(message.chunks)
                self.cluster.send(node, message)
        except BadPacket as problem:
            log.error(MODULE, f"{one.name}: the sync for node {node.node_id} is ended: {problem}")
            return False
        return True

    # -- nodes come and go

    def came(self, node: Node, now: float) -> None:
        for one in self.known.values():
            if one.registration.from_each or (node.was_lost and one.registration.startup_sync):
                one.wanted.add(node.node_id)
            one.receiver.happened(Event.NODE_UP, self.cluster.cluster_id, node.node_id)
            if (node.node_id, one.name) in self.owed:
                self.owed.discard((node.node_id, one.name))
                self.asked(node, SyncRequest(one.name))
        self.seek_all(now)

    def went(self, node: Node, now: float) -> None:
        for one in self.known.values():
            one.receiver.happened(Event.NODE_DOWN, self.cluster.cluster_id, node.node_id)
        self.donor_gone(node, now)

    def learned(self, node: Node, now: float) -> None:
        """A node said what it can do."""
        for one in self.known.values():
            is_there = node.caps.get(one.name, False) and node.reachable
            fits = one.registration.donor_condition(self.cluster.own, node.info)
            if one.alone and is_there and fits and node.is_ours and node.node_id not in one.met:
                one.met.add(node.node_id)
                one.wanted.add(node.node_id)
        self.seek_all(now)

    def seek_all(self, now: float) -> None:
        for one in self.known.values():
            self.seek(one, now)

    def allow(self, name: str, enabled: bool, now: float) -> bool:
        """Management; False for a capability that is not there. Enabled again, it is not OK before a sync."""
        one = self.known.get(name)
        if one is None:
            return False
        if enabled == one.enabled:
            return True
        one.enabled = enabled
        one.phase, one.is_ok = Phase.IDLE, False
        one.queue, one.queued = [], 0
        if enabled and one.registration.startup_sync:
            self.pend(one, now)
        elif enabled:
            one.is_ok = True
        self.cluster.announce(name, enabled and one.is_ok)
        if enabled:
            self.seek(one, now)
        return True
