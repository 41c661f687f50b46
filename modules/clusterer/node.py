"""What this node knows of another node, and how it hands on what is to be sent."""

from dataclasses import dataclass, field
from typing import Final, final

from .links import Link, State, Timing
from .nodes import NodeInfo
from .packets import V3_3, Dialect, Packet, Trailer
from .topology import Seen

SHORT: Final = 2.0  # seconds: who was away for less has missed nothing, unless a packet to it failed


@dataclass(frozen=True, slots=True)
class Settings:
    """What the script says, in seconds and bytes."""

    timing: Timing = field(default_factory=Timing)
    seed_fallback: float = 5.0
    sync_timeout: float = 15.0
    sync_packet_size: int = 32_768
    learns: bool = False  # nodes from peers: there is no node table in a database
    reroutes: bool = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A packet and the node that it is handed to next. connection: to go back on, instead of our own (UNKNOWN_ID).

    trailer: of a packet that may take another way if this one fails.
    """

    to: NodeInfo | None
    packet: Packet
    connection: object = None
    trailer: Trailer | None = None


@final
class Node:
    """Another node of a cluster."""

    __slots__ = (
        "away_since", "caps", "caps_seen", "dialect", "enabled", "info", "inherited", "is_ours", "knows", "life",
        "link", "ls_seen", "missed", "next_hop", "reachable", "sent_at", "top_seen", "versions", "was_lost",
    )  # fmt: skip

    def __init__(self, info: NodeInfo, timing: Timing) -> None:
        self.info = info
        self.link = Link(timing, info.retries)
        self.enabled = info.is_enabled  # in the table, and by our own management
        self.reachable = False
        self.next_hop = 0
        self.away_since = float("inf")  # when it was reachable last, if it is not now
        self.life = 0  # unix seconds of its server's start, as it said
        self.is_ours = False  # it said hello
        self.inherited = False  # a predecessor had it up; what it sent last is not known
        self.was_lost = False  # it was reachable, and then not for a while
        self.caps: dict[str, bool] = {}
        self.knows: frozenset[int] = frozenset()  # the nodes of its last list
        self.dialect: Dialect = V3_3
        self.versions: dict[str, int] = {}  # the newest it speaks, by capability
        self.missed: set[str] = set()  # capabilities of which it did not get a packet of ours
        self.sent_at: dict[str, float] = {}  # when a packet of a capability was sent to it last
        self.ls_seen, self.top_seen, self.caps_seen = Seen(), Seen(), Seen()
        if not self.enabled:
            self.link.shut()

    @property
    def node_id(self) -> int:
        return self.info.node_id

    @property
    def is_up(self) -> bool:
        return self.link.state is State.UP

    def rank(self) -> tuple[int, int]:
        return self.info.priority, self.info.node_id


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
