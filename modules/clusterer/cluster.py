"""One cluster as one node sees it: links, who sees whom, who can do what. No socket, no clock.

Packets come in by `internal` (all that is flooded or concerns a link) and `arrived` (what was addressed to us);
what is to be sent goes into `out`, and whoever wants to know of nodes that come and go is a `Follower`.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, final

from pysips.core.log import log

from .links import Due, State
from .node import SHORT, Node, Outgoing, Settings
from .nodes import MOST_NODES, BadNode, NodeInfo, described
from .packets import (
    V3_3,
    Capabilities,
    Description,
    Dialect,
    Extra,
    FullTopology,
    Internal,
    LinkState,
    NodeCapabilities,
    NodeDescription,
    Packet,
    Ping,
    Pong,
    TopologyNode,
    Trailer,
    UnknownId,
    encode_extra,
    encode_internal,
)
from .topology import Seen, Topology, further

MODULE: Final = "clusterer"
QUIET: Final = 10.0
MOST_CAPS: Final = 64  # of a node


class Follower:
    """Who wants to know of nodes and their capabilities."""

    def greets(self, node: Node, now: float) -> None:
        """The link to a node is up: before our capabilities go there."""

    def rerouted(self, node: Node, now: float) -> None:
        """A node is not reached through another one any more, or through another than before."""

    def cut_off(self, node: Node, now: float) -> None:
        """The link to a node is not up any more."""

    def rejoined(self, node: Node, heard_before: float, now: float) -> None:
        """A node that is up begins anew: it was gone faster than we could see."""

    def came(self, node: Node, now: float) -> None:
        """A node can be reached."""

    def went(self, node: Node, now: float) -> None:
        """A node cannot be reached any more."""

    def learned(self, node: Node, now: float) -> None:
        """A node said what it can do."""

    def own_capabilities(self) -> tuple[tuple[str, bool], ...]:
        """Ours: (name, whether it is OK)."""
        return ()


@final
class Cluster:
    """born: unix seconds of our start, greater than at any earlier one."""

    __slots__ = (
        "caps_seq", "enabled", "follower", "nodes", "out", "own", "own_ls", "settings", "stamp", "top_seq", "topology",
    )  # fmt: skip

    def __init__(
        self, infos: list[NodeInfo], settings: Settings, born: int, out: list[Outgoing], follower: Follower
    ) -> None:  # fmt: skip
        self.own = infos[0]
        self.enabled = self.own.is_enabled
        self.settings = settings
        self.stamp = born
        self.out = out
        self.follower = follower
        self.topology = Topology(self.own.node_id)
        self.own_ls = Seen()
        self.top_seq = -1
        self.caps_seq = -1
        self.nodes: dict[int, Node] = {}
        for info in infos[1:]:
            self.nodes[info.node_id] = Node(info, settings.timing)

    @property
    def cluster_id(self) -> int:
        return self.own.cluster_id

    @property
    def own_id(self) -> int:
        return self.own.node_id

    # -- the table

    def reload(self, infos: list[NodeInfo], now: float) -> None:
        """The node table was read anew: what is the same stays as it is."""
        wanted = {one.node_id: one for one in infos[1:]}
        for node in list(self.nodes.values()):
            info = wanted.get(node.node_id)
            if info is None or (node.info.host, node.info.port) != (info.host, info.port):
                self.remove(node.node_id, now)
        kept, self.nodes = self.nodes, {}
        for node_id, info in wanted.items():
            node = self.nodes[node_id] = kept.get(node_id) or Node(info, self.settings.timing)
            was_enabled, node.info, node.link.retries = node.info.is_enabled, info, info.retries
            if info.is_enabled != was_enabled:
                self.allow(node, info.is_enabled, now)
        was, self.own = self.own, infos[0]
        if was.is_enabled != self.own.is_enabled:
            self.allow_self(self.own.is_enabled, now)
        self.refresh(now)

    def add(self, info: NodeInfo) -> Node | None:
        """A node that a peer told us of; None if there are too many."""
        if len(self.nodes) + 1 >= MOST_NODES:
            return None
        node = self.nodes[info.node_id] = Node(info, self.settings.timing)
        log.info(MODULE, f"cluster {self.cluster_id}: node {info.node_id} at {info.url} is new")
        return node

    def remove(self, node_id: int, now: float) -> None:
        """The node is no more."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        self.left_up(node, now)
        if node.reachable:
            node.reachable = False
            self.follower.went(node, now)
        del self.nodes[node_id]
        self.topology.forget(node_id)
        self.refresh(now)

    def allow(self, node: Node, enabled: bool, now: float) -> None:
        """Our own opinion of a link."""
        if node.enabled == enabled:
            return
        node.enabled = enabled
        if enabled:
            node.link.open()
        else:
            self.left_up(node, now)
            node.link.shut()
        self.refresh(now)

    def allow_self(self, enabled: bool, now: float) -> None:
        """A disabled node ignores all packets and sends none."""
        if self.enabled == enabled:
            return
        for node in self.nodes.values():
            if enabled and node.enabled:
                node.link.open()
            elif not enabled:
                self.left_up(node, now, quiet=True)
                node.link.shut()
        self.enabled = enabled
        self.refresh(now)

    # -- out

    def tell(self, node: Node, message: Internal, connection: object = None) -> None:
        """A packet over the link to a node."""
        self.out.append(Outgoing(node.info, encode_internal(message, node.dialect), connection))

    def flood(self, message: LinkState | FullTopology | NodeDescription | Capabilities, but: int = 0) -> None:
        """To all neighbours that have not had it."""
        for node_id in self.topology.neighbours(self.own_id):
            if node_id != but and node_id not in message.path[1:] and node_id in self.nodes:
                self.tell(self.nodes[node_id], message)

    def pass_on(self, message: LinkState | FullTopology | NodeDescription | Capabilities) -> None:
        """What came by flooding goes on."""
        targets = further(list(message.path), self.own_id, self.topology.neighbours(self.own_id))
        if not targets:
            return
        passed = replace(message, path=(*message.path, self.own_id))
        if isinstance(passed, Capabilities):
            passed = replace(passed, wants_reply=False)
        for node_id in targets:
            if node_id != message.source and node_id in self.nodes:
                self.tell(self.nodes[node_id], passed)

    def send(self, node: Node, message: Extra) -> bool:
        """To a node, by whatever way; False if there is none. Raises BadPacket."""
        trailer = Trailer(self.cluster_id, self.own_id, node.node_id)
        return self.dispatch(encode_extra(message, trailer, node.dialect), trailer)

    def dispatch(self, packet: Packet, trailer: Trailer, but: int = 0) -> bool:
        """On to the next hop; False if there is none. but: a node that it must not go back to."""
        node = self.nodes.get(trailer.destination)
        hop = None if node is None or not self.enabled else self.nodes.get(node.next_hop)
        if hop is None or hop.node_id == but:
            return False
        self.out.append(Outgoing(hop.info, packet, None, trailer))
        return True

    # -- time

    def tick(self, now: float) -> None:
        """Pings that are due."""
        if not self.enabled:
            return
        for node in list(self.nodes.values()):
            if not node.enabled:
                continue
            was_up = node.is_up
            due = node.link.due(now)
            if was_up and not node.is_up:
                self.left_up(node, now)
            self.ping(node, due)
        self.refresh(now)

    def ping(self, node: Node, due: Due) -> None:
        if due is not Due.NOTHING:
            self.tell(node, Ping(self.cluster_id, self.own_id, due is Due.PING_LIST))

    def failed(self, node: Node, now: float) -> None:
        """The link to a node broke."""
        due = node.link.failed(now)
        if not node.is_up:
            self.left_up(node, now)
        self.ping(node, due)
        self.refresh(now)

    # -- in

    def internal(
        self, message: Internal, dialect: Dialect | None, direct: bool, connection: object, now: float
    ) -> None:  # fmt: skip
        """A packet of a node that may speak to us. direct: it comes from the source's own address."""
        node = self.nodes.get(message.source)
        if node is None:
            self.stranger(message, connection)
            return
        if not node.enabled:
            return
        if dialect is not None and dialect is not node.dialect:
            self.speaks(node, dialect)
        if isinstance(message, Ping):
            self.pinged(node, message, now)
        elif isinstance(message, Pong):
            self.ponged(node, message, now)
        elif isinstance(message, UnknownId):
            self.tell(node, self.description())
        else:
            if direct:
                self.ping(node, node.link.heard(now))
            self.flooded(node, message, now)

    def speaks(self, node: Node, dialect: Dialect) -> None:
        """A peer of another release: what it did not understand of us is said again in its own way."""
        node.dialect = dialect
        if node.is_up and dialect.shift == 0:
            self.tell(node, self.capabilities(node, False))

    def stranger(self, message: Internal, connection: object) -> None:
        """Somebody whom we do not know. With a node table he is none of ours."""
        if not self.settings.learns:
            if log.limited(f"clusterer:unknown {message.source}", QUIET):
                log.warn(MODULE, f"cluster {self.cluster_id}: node {message.source} is not in the node table")
        elif isinstance(message, Ping):
            answer = encode_internal(UnknownId(self.cluster_id, self.own_id), V3_3)
            self.out.append(Outgoing(None, answer, connection))
        elif isinstance(message, NodeDescription):
            self.learn(message.source, message.description)
            self.pass_on(message)

    def learn(self, node_id: int, told: Description) -> Node | None:
        """A node that we hear of for the first time."""
        try:
            info = described(
                self.cluster_id, node_id, told.url, told.sip_addr, told.priority, told.no_ping_retries
            )  # fmt: skip
        except BadNode as problem:
            log.warn(MODULE, f"cluster {self.cluster_id}: node {node_id} is not taken in: {problem}")
            return None
        return self.add(info)

    def pinged(self, node: Node, message: Ping, now: float) -> None:
        known: tuple[int, ...] = ()
        if message.wants_nodes:
            known = tuple(one for one in self.nodes if one != node.node_id)
        self.tell(node, Pong(self.cluster_id, self.own_id, known))
        if message.wants_nodes and node.is_up and now - node.link.up_since > self.settings.timing.ping_timeout:
            self.tell(node, self.full_topology(node))
            self.follower.rejoined(node, node.link.last_heard, now)
        self.ping(node, node.link.pinged(now))

    def ponged(self, node: Node, message: Pong, now: float) -> None:
        if message.nodes:
            node.knows = frozenset(message.nodes)
        was_up = node.is_up
        node.link.pong(now)
        if node.is_up and not was_up:
            self.entered_up(node, now)

    def flooded(
        self, node: Node, message: LinkState | FullTopology | NodeDescription | Capabilities, now: float
    ) -> None:  # fmt: skip
        if not message.path or self.own_id in message.path:
            return
        if isinstance(message, LinkState):
            if not node.ls_seen.take(message.seq, message.timestamp):
                return
            change = self.topology.connect if message.is_up else self.topology.cut
            change(node.node_id, message.neighbour)
        elif isinstance(message, FullTopology):
            if not node.top_seen.take(message.seq, message.timestamp):
                return
            self.take_topology(message)
        elif isinstance(message, Capabilities) and not self.take_capabilities(node, message, now):
            return
        self.pass_on(message)
        self.refresh(now)
        if isinstance(message, Capabilities) and message.wants_reply and message.source == node.node_id:
            self.reply_capabilities(node)

    def take_topology(self, message: FullTopology) -> None:
        for one in message.nodes:
            if one.node_id == self.own_id:
                continue
            node = self.nodes.get(one.node_id)
            if node is None:
                if one.description is None or not self.settings.learns:
                    continue
                node = self.learn(one.node_id, one.description)
                if node is None:
                    continue
            newer = one.ls_seq >= node.ls_seen.seq or node.ls_seen.is_new(one.ls_seq, one.ls_timestamp)
            if newer:
                node.ls_seen.seq, node.ls_seen.time = one.ls_seq, one.ls_timestamp
                self.topology.replace(one.node_id, one.neighbours)

    def take_capabilities(self, source: Node, message: Capabilities, now: float) -> bool:
        """False if it is known already."""
        if message.timestamp and not source.caps_seen.take(message.seq, message.timestamp):
            return False
        for one in message.nodes:
            node = self.nodes.get(one.node_id)
            if node is None or (node is not source and node.is_up):  # who is beside us tells us by itself
                continue
            for name, is_ok in one.capabilities:
                if name in node.caps or len(node.caps) < MOST_CAPS:
                    node.caps[name] = is_ok
            self.follower.learned(node, now)
        return True

    # -- links come and go

    def entered_up(self, node: Node, now: float) -> None:
        """The order is OpenSIPS': the others hear of it, then the new one gets all that we know."""
        self.topology.connect(self.own_id, node.node_id)
        self.flood(self.link_state(node.node_id, True), but=node.node_id)
        self.tell(node, self.full_topology(node))
        self.follower.greets(node, now)
        self.tell(node, self.capabilities(node, True))
        self.refresh(now)

    def left_up(self, node: Node, now: float, quiet: bool = False) -> None:
        """The others hear that the link is gone."""
        if node.node_id not in self.topology.neighbours(self.own_id):
            return
        self.follower.cut_off(node, now)
        self.topology.cut(self.own_id, node.node_id)
        self.topology.cut(node.node_id, self.own_id)
        if node.is_up:
            node.link.state = State.RESTART_PINGING
        if not quiet:
            self.flood(self.link_state(node.node_id, False), but=node.node_id)

    def refresh(self, now: float) -> None:
        """Work out the ways anew; who can be reached now, or cannot any more, is told of."""
        for node in list(self.nodes.values()):
            hop = None
            if self.enabled and node.enabled:
                hop = self.topology.next_hop(node.node_id, self.usable, self.rank)
            before, node.next_hop = node.next_hop, hop or 0
            if before not in (0, node.node_id, node.next_hop):
                self.follower.rerouted(node, now)
            if (hop is not None) == node.reachable:
                continue
            node.reachable = hop is not None
            if node.reachable:
                node.was_lost = now - node.away_since >= SHORT
                self.follower.came(node, now)
            else:
                node.away_since = now
                self.follower.went(node, now)

    def usable(self, node_id: int) -> bool:
        node = self.nodes.get(node_id)
        return node is not None and node.enabled

    def rank(self, node_id: int) -> tuple[int, int]:
        node = self.nodes.get(node_id)
        return (0, node_id) if node is None else node.rank()

    # -- what we say of ourselves

    def description(self) -> NodeDescription:
        own = self.own
        said = Description(own.url, own.sip_addr, own.priority, own.retries)
        return NodeDescription(self.cluster_id, own.node_id, said, (own.node_id,))

    def link_state(self, neighbour: int, is_up: bool) -> LinkState:
        self.own_ls.seq, self.own_ls.time = self.own_ls.seq + 1, self.stamp
        return LinkState(
            self.cluster_id, self.own_id, self.own_ls.seq, self.stamp, neighbour, is_up, (self.own_id,)
        )  # fmt: skip

    def full_topology(self, to: Node) -> FullTopology:
        """All nodes but the one that it goes to, itself first; a description of those that it does not know."""
        self.top_seq += 1
        lists = self.topology.lists
        own = TopologyNode(self.own_id, None, self.own_ls.seq, self.own_ls.time, tuple(lists[self.own_id]))
        others = []
        for node in self.nodes.values():
            if node is to:
                continue
            info, said = node.info, None
            if node.node_id not in to.knows:
                said = Description(info.url, info.sip_addr, info.priority, info.retries)
            seen = node.ls_seen
            sees = tuple(lists.get(node.node_id, ()))
            others.append(TopologyNode(node.node_id, said, seen.seq, seen.time, sees))
        return FullTopology(self.cluster_id, self.own_id, self.top_seq, self.stamp, (own, *others), (self.own_id,))

    def capabilities(self, to: Node, wants_reply: bool) -> Capabilities:
        """Ours first, then what we know of the other nodes that can be reached."""
        nodes = [NodeCapabilities(self.own_id, self.follower.own_capabilities())]
        for node in self.nodes.values():
            if node is not to and node.reachable and node.caps:
                nodes.append(NodeCapabilities(node.node_id, tuple(node.caps.items())))
        return self.numbered(nodes, wants_reply)

    def reply_capabilities(self, node: Node) -> None:
        """Who asked may be our neighbour, or further away: then the update finds its way by flooding."""
        answer = self.capabilities(node, False)
        if node.node_id in self.topology.neighbours(self.own_id) or node.link.state is not State.DOWN:
            self.tell(node, answer)

    def announce(self, name: str, is_ok: bool) -> None:
        """One capability of ours changed."""
        self.flood(self.numbered([NodeCapabilities(self.own_id, ((name, is_ok),))], False))

    def numbered(self, nodes: Iterable[NodeCapabilities], wants_reply: bool) -> Capabilities:
        self.caps_seq += 1
        return Capabilities(
            self.cluster_id, self.own_id, self.caps_seq, self.stamp, tuple(nodes), wants_reply, (self.own_id,)
        )  # fmt: skip
