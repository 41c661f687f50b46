"""What this node can do in one cluster, and what it wants of whom (OpenSIPS: clusterer/sync.c).

Facts:
- a capability with startup_sync is not OK before a donor has sent all; without one it is OK from the start.
Beyond OpenSIPS:
- a node that was away for a while is asked for all that it has when it is back, and so does it ask us: a repair;
- a node that said it sent us something in vain (see hello.py) is asked, too; and a seed that found no donor asks each
  node of our kind that is OK later, once: that one may have kept what the seed never had.
"""

from collections.abc import Callable
from typing import final

from .api import Event, Registration
from .capability import Capability, Phase
from .cluster import Cluster
from .donor import Donor
from .node import Node
from .packets import Packet, Trailer
from .recipient import Recipient


@final
class Capabilities:
    """All capabilities of ours in one cluster. has_room: whether more may be sent to a node now."""

    __slots__ = ("cluster", "donor", "known", "recipient")

    def __init__(
        self, cluster: Cluster, registrations: list[Registration], has_room: Callable[[Node], bool]
    ) -> None:  # fmt: skip
        self.cluster = cluster
        self.known = {one.capability: Capability(one) for one in registrations}
        self.donor = Donor(cluster, self.known, has_room)
        self.recipient = Recipient(cluster, self.known)

    def start(self, now: float, synced: frozenset[str]) -> None:
        """synced: what was OK already when somebody else did our work."""
        for one in self.known.values():
            if one.name in synced:
                one.is_ok = True
            elif not one.is_ok:
                self.recipient.pend(one, now)
                if self.cluster.own.is_seed and self.cluster.settings.seed_fallback <= 0:
                    self.recipient.fall_back(one)

    def listed(self) -> tuple[tuple[str, bool], ...]:
        return tuple((one.name, one.is_ok and one.enabled) for one in self.known.values())

    def packet(self, one: Capability, node: Node, kind: int, fields: bytes) -> Packet:
        """A module's packet. Raises BadPacket."""
        trailer = Trailer(self.cluster.cluster_id, self.cluster.own_id, node.node_id)
        return Packet(one.version_for(node), one.name, kind, fields + trailer.encode())

    # -- nodes come and go

    def came(self, node: Node, now: float) -> None:
        for one in self.known.values():
            if one.registration.from_each or (node.was_lost and one.registration.startup_sync):
                one.wanted.add(node.node_id)
            one.receiver.happened(Event.NODE_UP, self.cluster.cluster_id, node.node_id)
            self.donor.came(node, one)
        self.recipient.seek_all(now)

    def went(self, node: Node, now: float) -> None:
        for one in self.known.values():
            one.receiver.happened(Event.NODE_DOWN, self.cluster.cluster_id, node.node_id)
        self.recipient.donor_gone(node, now)

    def learned(self, node: Node, now: float) -> None:
        """A node said what it can do."""
        for one in self.known.values():
            is_there = node.caps.get(one.name, False) and node.reachable
            fits = one.registration.donor_condition(self.cluster.own, node.info)
            if one.alone and is_there and fits and node.is_ours and node.node_id not in one.met:
                one.met.add(node.node_id)
                one.wanted.add(node.node_id)
        self.recipient.seek_all(now)

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
            self.recipient.pend(one, now)
        elif enabled:
            one.is_ok = True
        self.cluster.announce(name, enabled and one.is_ok)
        if enabled:
            self.recipient.seek(one, now)
        return True
