"""The whole of it: all clusters of this node as one machine, without a socket or a clock.

Time and packets go in (`tick`, `received`, `failed`, `pump`); packets come out in `out`, what happened in `events`.
"""

from collections.abc import Callable
from typing import Final, final

from pysips.core.log import log

from .api import DOWN, FAILED, SELF_DISABLED, SENT, Body, Condition, Registration
from .cluster import MODULE, QUIET
from .events import Happened
from .hello import HELLO, decode
from .member import Member
from .mirror import TagView, View
from .node import Node, Outgoing, Settings
from .nodes import NodeInfo
from .packets import (
    EXTRA,
    INTERNAL,
    BadPacket,
    GenericMessage,
    Internal,
    MiCommand,
    NodeDescription,
    Packet,
    Ping,
    RemoveNode,
    Trailer,
    decode_internal,
)
from .tags import Tags

MOST_WAITING: Final = 100_000  # packets that nobody has taken from `out`


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
            member.pass_on(packet, trailer, host)
        elif packet.capability == EXTRA:
            member.extra(node, packet, now)
        elif packet.capability == HELLO:
            member.greeted(node, decode(packet), now)
        else:
            member.capabilities.recipient.arrived(packet, trailer.source, now)

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
            member.lost(gone.packet, trailer)

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
        member.remove(node_id, now)
        return True

    # -- for everybody to see

    def view(self) -> View:
        tags = [TagView(one.name, one.cluster_id, one.active, one.since) for one in self.tags.known.values()]
        return View(self.born, self.life, [one.view() for one in self.members.values()], tags)
