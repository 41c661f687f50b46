"""This node as a member of one cluster: what nodes that come and go, and packets for us, mean for what we share.

That is capabilities (capabilities.py), sharing tags (tags.py), and messages and commands that somebody waits for.
"""

from typing import TYPE_CHECKING, final

from pysips.core.log import log

from .capabilities import Capabilities
from .cluster import MODULE, QUIET, Cluster
from .events import Command, Message, NodeState
from .hello import Hello
from .mirror import ClusterView, NodeView, shown
from .node import SHORT, Follower, Node, Outgoing
from .nodes import NodeInfo
from .packets import (
    EXTRA,
    BadPacket,
    GenericMessage,
    MiCommand,
    Packet,
    Sync,
    SyncEnd,
    SyncRequest,
    TagActive,
    Trailer,
    decode_extra,
)

if TYPE_CHECKING:
    from .machine import Machine


@final
class Member(Follower):
    """One cluster with all that belongs to it."""

    def __init__(self, machine: "Machine", infos: list[NodeInfo]) -> None:
        self.machine = machine
        self.cluster = Cluster(infos, machine.settings, machine.born, machine.out, self)
        registered = [one for one in machine.registrations if one.cluster_id == infos[0].cluster_id]
        self.capabilities = Capabilities(self.cluster, registered, machine.has_room)

    @property
    def cluster_id(self) -> int:
        return self.cluster.cluster_id

    def goes_on(self, old: ClusterView, now: float) -> None:
        """Somebody did our work before us: what he still had to do is ours to do."""
        for one in old.nodes:
            node = self.cluster.nodes.get(one.node_id)
            if node is not None:
                node.missed.update(one.missed)
                node.life = one.life
                node.inherited = one.reachable
                if one.was_lost:
                    node.away_since = float("-inf")
                elif one.reachable:
                    node.away_since = now
        for had in old.capabilities:
            mine = self.capabilities.known.get(had.name)
            if mine is not None:
                mine.wanted.update(had.wanted)
                mine.alone, mine.met = had.alone, set(had.met)

    # -- nodes come and go

    def own_capabilities(self) -> tuple[tuple[str, bool], ...]:
        return self.capabilities.listed()

    def learned(self, node: Node, now: float) -> None:
        self.capabilities.learned(node, now)

    def greets(self, node: Node, now: float) -> None:
        """Say hello; it has to be there before anything that depends on it."""
        if node.inherited and now - node.away_since >= SHORT:
            node.missed.update(self.capabilities.known)
        node.inherited = False
        capabilities = tuple(
            (one.name, max(one.receiver.versions), one.name in node.missed)
            for one in self.capabilities.known.values()
        )  # fmt: skip
        tags = tuple((one.name, one.since) for one in self.machine.tags.of_cluster(self.cluster_id) if one.active)
        trailer = Trailer(self.cluster_id, self.cluster.own_id, node.node_id)
        self.cluster.out.append(Outgoing(node.info, Hello(self.machine.life, capabilities, tags).encode(trailer)))
        node.missed.clear()

    def rerouted(self, node: Node, now: float) -> None:
        """Who passed our packets on may have lost some before it saw that it could not."""
        timing = self.machine.settings.timing
        self.doubt(node, now - timing.ping_interval - timing.ping_timeout * (node.info.retries + 1))

    def cut_off(self, node: Node, now: float) -> None:
        """What we sent since it was last heard may be lost, also what it should have passed on."""
        for one in self.cluster.nodes.values():
            if node.node_id in (one.node_id, one.next_hop):
                self.doubt(one, node.link.last_heard)

    def rejoined(self, node: Node, heard_before: float, now: float) -> None:
        """It was started anew, or its attendant was, between two pings."""
        self.doubt(node, heard_before)
        self.greets(node, now)

    def doubt(self, node: Node, heard: float) -> None:
        """Count as missed whatever was sent to a node since then, or shortly before."""
        since = heard - self.machine.settings.timing.ping_timeout
        node.missed.update(name for name, at in node.sent_at.items() if at >= since)

    def greeted(self, node: Node, said: Hello, now: float) -> None:
        """A node of our own kind."""
        node.is_ours = True
        began_anew, node.life = node.life not in (0, said.life), said.life
        for name, version, missed in said.capabilities:
            one = self.capabilities.known.get(name)
            if one is not None:
                node.versions[name] = version
                wished = one.registration
                lacks = missed or (began_anew and (wished.startup_sync or wished.from_each))
                if lacks and not one.gets_from(node.node_id):
                    one.wanted.add(node.node_id)
        for tag, since in said.tags:
            self.machine.tags.claimed(tag, self.cluster_id, node.node_id, self.cluster.own_id, since, now)
        self.tell_tags(node)
        self.capabilities.recipient.seek_all(now)

    def came(self, node: Node, now: float) -> None:
        self.machine.events.append(NodeState(self.cluster_id, node.node_id, True))
        self.capabilities.came(node, now)
        self.tell_tags(node)

    def went(self, node: Node, now: float) -> None:
        self.machine.events.append(NodeState(self.cluster_id, node.node_id, False))
        self.capabilities.went(node, now)

    def tell_tags(self, node: Node) -> None:
        """Of those that it has not heard of."""
        for tag in self.machine.tags.of_cluster(self.cluster_id):
            if node.reachable and node.node_id in tag.untold and self.cluster.send(node, TagActive(tag.name)):
                tag.untold.discard(node.node_id)

    def remove(self, node_id: int, now: float) -> None:
        """A node is taken out of the cluster; one that is taken out itself lets go of all others."""
        gone = list(self.cluster.nodes) if node_id == self.cluster.own_id else [node_id]
        for one in gone:
            self.cluster.remove(one, now)

    # -- packets with a trailer

    def pass_on(self, packet: Packet, trailer: Trailer, host: str) -> None:
        """On the way to another node, but never back to where it comes from."""
        reroutes = self.machine.settings.reroutes
        if not (reroutes if packet.capability == EXTRA else packet.capability in self.capabilities.known):
            return
        there = [one.node_id for one in self.cluster.nodes.values() if one.info.host == host]
        if self.cluster.dispatch(packet, trailer, there[0] if len(there) == 1 else 0):
            return
        if log.limited(f"clusterer:way {trailer.destination}", QUIET):
            log.warn(MODULE, f"cluster {trailer.cluster_id}: no way on to node {trailer.destination}")

    def extra(self, node: Node, packet: Packet, now: float) -> None:
        """A packet of clusterer-extra for us. Raises BadPacket."""
        message, trailer = decode_extra(packet, node.dialect)
        cluster_id, source = trailer.cluster_id, trailer.source
        if isinstance(message, GenericMessage):
            self.machine.events.append(Message(cluster_id, source, message.is_request, message.tag, message.message))
        elif isinstance(message, MiCommand):
            self.machine.events.append(Command(cluster_id, source, message.command, message.parameters))
        elif isinstance(message, TagActive):
            if node.reachable or not node.is_ours:  # an old one that was long on its way: the next hello settles it
                self.machine.tags.told(message.tag, cluster_id, source, now)
        elif isinstance(message, SyncRequest):
            self.capabilities.donor.asked(node, message)
        elif isinstance(message, Sync):
            self.capabilities.recipient.sync(source, message, now)
        elif isinstance(message, SyncEnd):
            self.capabilities.recipient.sync_end(source, message, packet.version >= 3, now)
        elif self.machine.settings.learns:
            self.remove(message.node_id, now)

    def lost(self, packet: Packet, trailer: Trailer) -> None:
        """A packet that does not get there: what it was about has to be made up for."""
        node = self.cluster.nodes.get(trailer.destination)
        if node is None or trailer.source != self.cluster.own_id:
            return
        if packet.capability in self.capabilities.known:
            node.missed.add(packet.capability)
        elif packet.capability == EXTRA:
            try:
                message = decode_extra(packet, node.dialect)[0]
            except BadPacket:
                return
            if isinstance(message, TagActive):
                tag = self.machine.tags.get(message.tag, trailer.cluster_id)
                if tag is not None and tag.active:
                    tag.untold.add(node.node_id)

    # -- for everybody to see

    def view(self) -> ClusterView:
        cluster = self.cluster
        known = self.capabilities.known.values()
        lists = cluster.topology.lists
        own = shown(cluster.own, enabled=cluster.enabled, sees=list(lists[cluster.own_id]))
        nodes: list[NodeView] = []
        for node in cluster.nodes.values():
            nodes.append(
                shown(
                    node.info, link=node.link.shown, enabled=node.enabled, reachable=node.reachable,
                    was_lost=not node.reachable and node.away_since != float("inf"), next_hop=node.next_hop,
                    sees=list(lists.get(node.node_id, ())), missed=sorted(node.missed),
                    life=node.life,
                    capabilities=[one.name for one in known if node.caps.get(one.name, False)],
                )
            )  # fmt: skip
        capabilities = [one.view() for one in known]
        return ClusterView(self.cluster_id, own, nodes, capabilities)
