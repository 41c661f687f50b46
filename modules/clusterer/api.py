"""What other modules may use of the cluster: register a capability, send to nodes, ask who is there.

A module registers in `configure()`, in every process; only the attendant speaks to the cluster, so a Receiver is called
there alone. Everything that only asks (`nodes`, `my_index`, `shtag_is_active`) answers in each process from the shared
table, without a wait.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from .nodes import NodeInfo, plain_host, sip_host
from .packets import BadPacket, Reader, Writer

if TYPE_CHECKING:
    from .driver import Driver
    from .mirror import Mirror, NodeView

__all__ = [
    "DOWN", "FAILED", "SELF_DISABLED", "SENT", "BadPacket", "Body", "Cluster", "Event", "NodeInfo", "Reader",
    "Receiver", "Registration", "Writer", "any_node", "plain_host", "same_sip_addr", "sip_host",
]  # fmt: skip

SENT: Final = 1
SELF_DISABLED: Final = -1  # this node is disabled by management
DOWN: Final = -2  # no way to the node, or to any
FAILED: Final = -3  # no such cluster, node or capability, or the packet would be too large

Body = Callable[[int], bytes]  # a packet's fields, without the trailer, in that version
Condition = Callable[[NodeInfo, NodeInfo], bool]  # (our node, another): may that one be our donor
TagWatcher = Callable[[str, int, bool, str], None]  # (name, cluster, is active, reason)


class Event(Enum):
    """What a Receiver is told of."""

    NODE_UP = auto()  # a node can be reached again
    NODE_DOWN = auto()  # and cannot any more
    SYNC_REQ = auto()  # a node asked for all that we have: `donate` follows
    SYNC_DONE = auto()  # we have all that a donor had


class Receiver:
    """A module's end of a capability.

    versions: those it reads; spoken: the one for nodes of which nothing is known; old: the one for nodes of 2.4.
    """

    versions: tuple[int, ...] = (1,)
    spoken: int = 1
    old: int = 1

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        """A packet came from a node; the fields end before the trailer. May raise BadPacket."""

    def chunks(self, cluster_id: int, source: int, version: int, chunks: tuple[bytes, ...]) -> None:
        """A part of a donor's records, in its order: one packet's worth, so one transaction. May raise BadPacket."""

    def donate(self, cluster_id: int, node_id: int, version: int) -> Iterator[bytes]:
        """All that we have, one chunk a record. It is read on piece by piece, between other work."""
        return iter(())

    def happened(self, event: Event, cluster_id: int, node_id: int) -> None:
        """See Event; node_id: the other node."""


def any_node(own: NodeInfo, other: NodeInfo) -> bool:
    """A donor may be any node."""
    return True


def same_sip_addr(own: NodeInfo, other: NodeInfo) -> bool:
    """A donor has our SIP address: the pair behind one virtual IP."""
    return own.sip_addr == other.sip_addr


@dataclass(frozen=True, slots=True)
class Registration:
    """A capability of this node. startup_sync: it is not OK before it has what a donor has.

    from_each: each node has records of its own, so each is asked for them when it comes.
    """

    cluster_id: int
    capability: str
    receiver: Receiver
    startup_sync: bool = False
    donor_condition: Condition = any_node
    from_each: bool = False


class Cluster:
    """The module's api. own_id: this node."""

    def __init__(self, mirror: "Mirror") -> None:
        self.mirror = mirror
        self.driver: Driver | None = None  # in the attendant
        self.own_id = 0
        self.registrations: list[Registration] = []
        self.watchers: list[tuple[str, int, TagWatcher]] = []

    # -- before the fork

    def register(
        self, cluster_id: int, capability: str, receiver: Receiver, startup_sync: bool = False,
        donor_condition: Condition = any_node, from_each: bool = False,
    ) -> None:  # fmt: skip
        """Take part in a capability; in `configure()`. See Registration."""
        self.registrations.append(
            Registration(cluster_id, capability, receiver, startup_sync, donor_condition, from_each)
        )

    def watch_shtag(self, name: str, cluster_id: int, watcher: TagWatcher) -> None:
        """Be told, in the attendant, when a sharing tag changes; the tag is known from now on, as backup."""
        self.watchers.append((name, cluster_id, watcher))

    # -- in the attendant

    def send(self, cluster_id: int, node_id: int, capability: str, kind: int, body: Body) -> int:
        """A packet to one node: SENT, SELF_DISABLED, DOWN or FAILED. In other processes FAILED."""
        return FAILED if self.driver is None else self.driver.send(cluster_id, node_id, capability, kind, body)

    def broadcast(
        self, cluster_id: int, capability: str, kind: int, body: Body, condition: Condition = any_node
    ) -> int:  # fmt: skip
        """A packet to all nodes that fit; SENT if any got it. What a node missed it syncs when it is back."""
        driver = self.driver
        return FAILED if driver is None else driver.broadcast(cluster_id, capability, kind, body, condition)

    def request_sync(self, cluster_id: int, capability: str) -> int:
        """Ask a donor for all that it has; SENT, or FAILED without a donor (it is asked as soon as there is one)."""
        return FAILED if self.driver is None else self.driver.request_sync(cluster_id, capability)

    # -- anywhere

    def is_up(self, cluster_id: int, node_id: int) -> bool:
        """Whether there is a way to a node now."""
        return any(one.node_id == node_id and one.reachable for one in self.nodes(cluster_id))

    def own(self, cluster_id: int) -> "NodeView | None":
        """Our own node in a cluster; None if the node table has not been read yet, or has no such cluster."""
        view = self.mirror.cluster(cluster_id)
        return None if view is None else view.own

    def nodes(self, cluster_id: int) -> "list[NodeView]":
        """The other nodes, up or down, in the table's order."""
        view = self.mirror.cluster(cluster_id)
        return [] if view is None else view.nodes

    def my_index(self, cluster_id: int, capability: str) -> tuple[int, int]:
        """(how many nodes share the work of a capability, our own place among them from 0)."""
        view = self.mirror.cluster(cluster_id)
        if view is None:
            return 1, 0
        sharing = [one.node_id for one in view.nodes if one.reachable and capability in one.capabilities]
        return len(sharing) + 1, sum(one < view.own.node_id for one in sharing)

    def is_synced(self, cluster_id: int, capability: str) -> bool:
        """Whether our own capability is OK."""
        view = self.mirror.cluster(cluster_id)
        return view is not None and any(one.name == capability and one.is_ok for one in view.capabilities)

    def shtag_is_active(self, name: str, cluster_id: int) -> bool:
        """Whether a sharing tag is active here."""
        return self.mirror.tag(name, cluster_id)
