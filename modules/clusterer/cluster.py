"""One cluster as one node sees it: links, who sees whom, who can do what. No socket, no clock.

Packets that are flooded or concern a link come in by `internal`; what is to be sent goes into `out` (sending.py), and
whoever wants to know of nodes that come and go is a `Follower`.
"""

from typing import Final, final

from pysips.core.log import log

from .links import Due, State
from .node import SHORT, Node, Outgoing
from .nodes import MOST_NODES, BadNode, NodeInfo, described
from .packets import (
    V3_3,
    Capabilities,
    Description,
    Dialect,
    FullTopology,
    Internal,
    LinkState,
    NodeDescription,
    Ping,
    Pong,
    UnknownId,
    encode_internal,
)
from .sending import Flooded, Sender

MODULE: Final = "clusterer"
QUIET: Final = 10.0
MOST_CAPS: Final = 64  # of a node


@final
class Cluster(Sender):
    """The nodes of a cluster and the ways to them."""

    __slots__ = ()

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

    def flooded(self, node: Node, message: Flooded, now: float) -> None:
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
