"""What this node says to the others of one cluster: over a link, by flooding, or to a node by whatever way there is.

What it says of itself (LS_UPDATE, FULL_TOP_UPDATE, CAP_UPDATE) is numbered, each kind by itself.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from .links import State
from .node import Follower, Node, Outgoing, Settings
from .nodes import NodeInfo
from .packets import (
    Capabilities,
    Description,
    Extra,
    FullTopology,
    Internal,
    LinkState,
    NodeCapabilities,
    NodeDescription,
    Packet,
    TopologyNode,
    Trailer,
    encode_extra,
    encode_internal,
)
from .topology import Seen, Topology, further

Flooded: TypeAlias = LinkState | FullTopology | NodeDescription | Capabilities


class Sender:
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

    # -- packets

    def tell(self, node: Node, message: Internal) -> None:
        """A packet over the link to a node."""
        self.out.append(Outgoing(node.info, encode_internal(message, node.dialect)))

    def flood(self, message: Flooded, but: int = 0) -> None:
        """To all neighbours that have not had it."""
        for node_id in self.topology.neighbours(self.own_id):
            if node_id != but and node_id not in message.path[1:] and node_id in self.nodes:
                self.tell(self.nodes[node_id], message)

    def pass_on(self, message: Flooded) -> None:
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
