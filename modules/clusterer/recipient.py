"""Getting all that others have of a capability (OpenSIPS: the receiver's side of clusterer/sync.c).

Facts:
- a node with the flag `seed` that found no donor within `seed_fallback` seconds is OK by itself;
- what comes while a donor sends waits, and is then dealt with in order.
Beyond OpenSIPS:
- a request without an answer, and a sync that stops half-way, are begun again, with another donor if there is one;
- during a repair (see capabilities.py) this node stays OK, so both sides of a pair can do so at the same time.
"""

from typing import Final, final

from pysips.core.log import log

from .api import Event
from .capability import Capability, Phase
from .cluster import MODULE, QUIET, Cluster
from .node import Node
from .packets import BadPacket, Packet, Reader, Sync, SyncEnd, SyncRequest

MOST_QUEUED: Final = 32 << 20  # bytes of packets that wait for the end of a sync


@final
class Recipient:
    """All that we get in one cluster."""

    __slots__ = ("cluster", "known")

    def __init__(self, cluster: Cluster, known: dict[str, Capability]) -> None:
        self.cluster = cluster
        self.known = known

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

    def seek_all(self, now: float) -> None:
        for one in self.known.values():
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
