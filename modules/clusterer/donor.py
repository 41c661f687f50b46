"""Giving a node all that there is of a capability (OpenSIPS: the donor's side of clusterer/sync.c).

A donor sends chunks in SYNC packets, then SYNC_END with their number: a little at a time, between other work.
"""

from collections.abc import Callable, Iterator
from typing import Final, final

from pysips.core.log import log

from .api import Event
from .capability import Capability
from .cluster import MODULE, Cluster
from .node import Node
from .packets import BadPacket, Sync, SyncEnd, SyncRequest, packed_chunks

AT_ONCE: Final = 4  # SYNC packets of a donation in one go


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
class Donor:
    """All that we give in one cluster. has_room: whether more may be sent to a node now.

    owed: (node, capability) of requests that came before there was a way to the node.
    """

    __slots__ = ("cluster", "donations", "has_room", "known", "owed")

    def __init__(
        self, cluster: Cluster, known: dict[str, Capability], has_room: Callable[[Node], bool]
    ) -> None:  # fmt: skip
        self.cluster = cluster
        self.known = known
        self.has_room = has_room
        self.donations: dict[tuple[int, str], Donation] = {}
        self.owed: set[tuple[int, str]] = set()

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

    def came(self, node: Node, one: Capability) -> None:
        """What it asked for before there was a way to it."""
        if (node.node_id, one.name) in self.owed:
            self.owed.discard((node.node_id, one.name))
            self.asked(node, SyncRequest(one.name))

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
