"""The whole of it: all clusters of this node as one machine, without a socket or a clock.

Time and packets go in (`tick`, `received`, `failed`, `pump`); packets come out in `out`, what happened in `events`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from pysips.core.log import log

from .api import DOWN, FAILED, SELF_DISABLED, SENT, Body, Condition, Registration
from .capabilities import Capabilities
from .cluster import MODULE, QUIET, Cluster, Follower
from .hello import HELLO, Hello, decode
from .mirror import ClusterView, NodeView, TagView, View, shown
from .node import SHORT, Node, Outgoing, Settings
from .nodes import NodeInfo
from .packets import (
    EXTRA,
    INTERNAL,
    BadPacket,
    GenericMessage,
    Internal,
    MiCommand,
    NodeDescription,
    Ping,
    RemoveNode,
    Sync,
    SyncEnd,
    SyncRequest,
    TagActive,
    Trailer,
    decode_extra,
    decode_internal,
)
from .packets import Packet as Packet
from .tags import Tag, Tags

MOST_WAITING: Final = 100_000  # packets that nobody has taken from `out`


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node can be reached now, or not any more."""

    cluster_id: int
    node_id: int
    is_up: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A script's message from another node."""

    cluster_id: int
    source: int
    is_request: bool
    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A management command that another node wants to be done here."""

    cluster_id: int
    source: int
    name: str
    parameters: tuple[str, ...]


Happened = NodeState | Message | Command


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


@final
class Machine:
    """born: unix seconds of the start, greater than at any earlier one; has_room: see Donor."""

    def __init__(
        self, own_id: int, settings: Settings, born: int, registrations: list[Registration],
        has_room: Callable[[Node], bool] = lambda node: True,
    ) -> None:  # fmt: skip
        self.own_id = own_id
        self.settings = settings
        self.born = born
        self.life = born  # of the server: the first attendant's
        self.registrations = registrations
        self.has_room = has_room
        self.out: list[Outgoing] = []
        self.events: list[Happened] = []
        self.tags = Tags()
        self.touched = False  # somebody missed something, which the mirror has to tell a successor
        self.members: dict[int, Member] = {}

    # -- the table

    def load(self, clusters: dict[int, list[NodeInfo]], now: float, before: View | None = None) -> None:
        """The node table: itself first in each cluster. before: what a predecessor knew, at the first call."""
        for cluster_id in [one for one in self.members if one not in clusters]:
            self.members.pop(cluster_id).cluster.allow_self(False, now)
        if before is not None and before.life:
            self.life = before.life
        synced = {}
        for old in before.clusters if before is not None else ():
            synced[old.cluster_id] = frozenset(one.name for one in old.capabilities if one.is_ok)
        for cluster_id, infos in clusters.items():
            member = self.members.get(cluster_id)
            if member is not None:
                member.cluster.reload(infos, now)
                continue
            member = self.members[cluster_id] = Member(self, infos)
            member.capabilities.start(now, synced.get(cluster_id, frozenset()))
            if before is None:
                for tag in self.tags.of_cluster(cluster_id):
                    tag.untold = set(member.cluster.nodes) if tag.active else set()
            for old in before.clusters if before is not None else ():
                if old.cluster_id == cluster_id:
                    member.goes_on(old, now)

    def declare_tag(self, name: str, cluster_id: int, active: bool, since: float) -> None:
        """A tag of the script, or of a predecessor. Who is active tells every node as it comes up."""
        tag = self.tags.get(name, cluster_id)
        if tag is not None and active:
            member = self.members.get(cluster_id)
            nodes = [] if member is None else list(member.cluster.nodes)
            self.tags.activate(tag, since, nodes, "")
            self.tags.changes.clear()

    # -- time

    def tick(self, now: float) -> None:
        for member in self.members.values():
            member.cluster.tick(now)
            member.capabilities.recipient.tick(now)

    def pump(self, now: float) -> bool:
        """Go on with what others get of us; True if there is more to come."""
        more = [member.capabilities.donor.pump(now) for member in self.members.values()]
        return any(more)

    # -- in

    def received(self, packet: Packet, host: str, connection: object, now: float) -> None:
        """A packet from an address (numeric, as NodeInfo has it), over a connection to answer on."""
        try:
            if packet.capability == INTERNAL:
                self.internal(packet, host, connection, now)
            else:
                self.addressed(packet, host, now)
        except BadPacket as problem:
            if log.limited(f"clusterer:bad {host}", QUIET):
                log.warn(MODULE, f"a packet from {host} is dropped: {problem}")

    def internal(self, packet: Packet, host: str, connection: object, now: float) -> None:
        message, dialect = decode_internal(packet)
        member = self.admitted(message.cluster_id, message.source, host, message)
        if member is None:
            return
        node = member.cluster.nodes.get(message.source)
        direct = node is not None and node.info.host == host
        member.cluster.internal(message, dialect, direct, connection, now)

    def admitted(self, cluster_id: int, source: int, host: str, message: Internal | None = None) -> Member | None:
        """The cluster that a packet belongs to, if its sender may speak there."""
        member = self.members.get(cluster_id)
        problem = ""
        if member is None:
            problem = f"there is no cluster {cluster_id}"
        elif source == self.own_id:
            problem = f"node {source} is this one"
        elif not member.cluster.enabled:
            return None
        elif not self.may_speak(member, source, host, message):
            problem = f"{host} is none of the addresses of cluster {cluster_id}"
        if problem and log.limited(f"clusterer:refused {host}", QUIET):
            log.warn(MODULE, f"a packet of node {source} from {host} is dropped: {problem}")
        return None if problem else member

    def may_speak(self, member: Member, source: int, host: str, message: Internal | None) -> bool:
        """By its address. Without a node table, a stranger may introduce himself."""
        cluster = member.cluster
        if any(node.info.host == host for node in cluster.nodes.values()):
            return True
        stranger = self.settings.learns and source not in cluster.nodes
        return stranger and isinstance(message, (Ping, NodeDescription))

    def addressed(self, packet: Packet, host: str, now: float) -> None:
        """A packet with a trailer: for us, or to be passed on."""
        trailer = packet.split()[1]
        member = self.admitted(trailer.cluster_id, trailer.source, host)
        if member is None:
            return
        cluster = member.cluster
        node = cluster.nodes.get(trailer.source)
        if node is None or not node.enabled:
            return
        if node.info.host == host:
            cluster.ping(node, node.link.heard(now))
        if trailer.destination != self.own_id:
            self.pass_on(member, packet, trailer, host)
        elif packet.capability == EXTRA:
            self.extra(member, node, packet, now)
        elif packet.capability == HELLO:
            member.greeted(node, decode(packet), now)
        else:
            member.capabilities.recipient.arrived(packet, trailer.source, now)

    def pass_on(self, member: Member, packet: Packet, trailer: Trailer, host: str) -> None:
        """On the way to another node, but never back to where it comes from."""
        may = self.settings.reroutes if packet.capability == EXTRA else packet.capability in member.capabilities.known
        if not may:
            return
        there = [one.node_id for one in member.cluster.nodes.values() if one.info.host == host]
        if member.cluster.dispatch(packet, trailer, there[0] if len(there) == 1 else 0):
            return
        if log.limited(f"clusterer:way {trailer.destination}", QUIET):
            log.warn(MODULE, f"cluster {trailer.cluster_id}: no way on to node {trailer.destination}")

    def extra(self, member: Member, node: Node, packet: Packet, now: float) -> None:
        message, trailer = decode_extra(packet, node.dialect)
        cluster_id, source = trailer.cluster_id, trailer.source
        if isinstance(message, GenericMessage):
            self.events.append(Message(cluster_id, source, message.is_request, message.tag, message.message))
        elif isinstance(message, MiCommand):
            self.events.append(Command(cluster_id, source, message.command, message.parameters))
        elif isinstance(message, TagActive):
            if node.reachable or not node.is_ours:  # an old one that was long on its way: the next hello settles it
                self.tags.told(message.tag, cluster_id, source, now)
        elif isinstance(message, SyncRequest):
            member.capabilities.donor.asked(node, message)
        elif isinstance(message, Sync):
            member.capabilities.recipient.sync(source, message, now)
        elif isinstance(message, SyncEnd):
            member.capabilities.recipient.sync_end(source, message, packet.version >= 3, now)
        elif self.settings.learns:
            self.remove_here(member, message.node_id, now)

    def failed(self, gone: Outgoing, now: float) -> None:
        """A packet could not be handed to its next node: it goes another way, if there is one."""
        if gone.to is None:
            return
        member = self.members.get(gone.to.cluster_id)
        node = None if member is None else member.cluster.nodes.get(gone.to.node_id)
        if member is None or node is None:
            return
        if gone.packet.capability == HELLO:
            node.missed.update(name for name, _, missed in decode(gone.packet).capabilities if missed)
        member.cluster.failed(node, now)
        trailer = gone.trailer
        if trailer is not None and not member.cluster.dispatch(gone.packet, trailer, node.node_id):
            self.lost(member, gone.packet, trailer)

    def lost(self, member: Member, packet: Packet, trailer: Trailer) -> None:
        """A packet that does not get there: what it was about has to be made up for."""
        node = member.cluster.nodes.get(trailer.destination)
        if node is None or trailer.source != self.own_id:
            return
        if packet.capability in member.capabilities.known:
            node.missed.add(packet.capability)
        elif packet.capability == EXTRA:
            try:
                message = decode_extra(packet, node.dialect)[0]
            except BadPacket:
                return
            if isinstance(message, TagActive):
                tag = self.tags.get(message.tag, trailer.cluster_id)
                if tag is not None and tag.active:
                    tag.untold.add(node.node_id)

    # -- out

    def send(self, cluster_id: int, node_id: int, capability: str, kind: int, body: Body, now: float) -> int:
        """A module's packet to one node; see `api`."""
        member = self.members.get(cluster_id)
        node = None if member is None else member.cluster.nodes.get(node_id)
        one = None if member is None else member.capabilities.known.get(capability)
        if member is None or node is None or one is None or not one.enabled:
            return FAILED
        if not member.cluster.enabled:
            return SELF_DISABLED
        version = one.version_for(node)
        try:
            packet = member.capabilities.packet(one, node, kind, body(version))
        except BadPacket as problem:
            log.error(MODULE, f"{capability}: a packet for node {node_id} cannot be made: {problem}")
            return FAILED
        trailer = Trailer(cluster_id, self.own_id, node_id)
        if len(self.out) < MOST_WAITING and member.cluster.dispatch(packet, trailer):
            node.sent_at[capability] = now
            return SENT
        self.touched = self.touched or capability not in node.missed
        node.missed.add(capability)
        return DOWN

    def broadcast(
        self, cluster_id: int, capability: str, kind: int, body: Body, condition: Condition, now: float
    ) -> int:  # fmt: skip
        """To all nodes that fit; see `api`."""
        member = self.members.get(cluster_id)
        if member is None or capability not in member.capabilities.known:
            return FAILED
        if not member.cluster.enabled:
            return SELF_DISABLED
        cluster = member.cluster
        fitting = [one.node_id for one in cluster.nodes.values() if condition(cluster.own, one.info)]
        made: dict[int, bytes] = {}

        def once(version: int) -> bytes:
            if version not in made:
                made[version] = body(version)
            return made[version]

        answers = [self.send(cluster_id, one, capability, kind, once, now) for one in fitting]
        return SENT if SENT in answers else DOWN

    def say(self, cluster_id: int, node_id: int, message: GenericMessage | MiCommand) -> int:
        """A script's message or a management command to one node (0: to all)."""
        member = self.members.get(cluster_id)
        if member is None:
            return FAILED
        if not member.cluster.enabled:
            return SELF_DISABLED
        nodes = list(member.cluster.nodes.values())
        if node_id:
            nodes = [one for one in nodes if one.node_id == node_id]
            if not nodes:
                return FAILED
        try:
            sent = [member.cluster.send(one, message) for one in nodes]
        except BadPacket as problem:
            log.error(MODULE, f"a message for cluster {cluster_id} cannot be sent: {problem}")
            return FAILED
        return SENT if any(sent) else DOWN

    def activate(self, name: str, cluster_id: int, reason: str, since: float) -> bool:
        """Take a sharing tag; False for an unknown cluster."""
        member = self.members.get(cluster_id)
        tag = None if member is None else self.tags.get(name, cluster_id)
        if member is None or tag is None:
            return False
        self.tags.activate(tag, since, list(member.cluster.nodes), reason)
        for node in member.cluster.nodes.values():
            member.tell_tags(node)
        return True

    def remove_node(self, cluster_id: int, node_id: int, now: float) -> bool:
        """Take a node out of the cluster, everywhere; False if there is none."""
        member = self.members.get(cluster_id)
        if member is None or node_id not in (*member.cluster.nodes, self.own_id):
            return False
        for node in member.cluster.nodes.values():
            try:
                member.cluster.send(node, RemoveNode(node_id))
            except BadPacket:
                log.warn(MODULE, f"node {node.node_id} is of a release that knows no removal of nodes")
        self.remove_here(member, node_id, now)
        return True

    def remove_here(self, member: Member, node_id: int, now: float) -> None:
        """A node that is removed itself lets go of all others."""
        gone = list(member.cluster.nodes) if node_id == self.own_id else [node_id]
        for one in gone:
            member.cluster.remove(one, now)

    # -- for everybody to see

    def view(self) -> View:
        tags = [TagView(one.name, one.cluster_id, one.active, one.since) for one in self.tags.known.values()]
        return View(self.born, self.life, [one.view() for one in self.members.values()], tags)

    def tag_of(self, name: str, cluster_id: int) -> Tag | None:
        return self.tags.get(name, cluster_id)
