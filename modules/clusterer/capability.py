"""One capability of ours in one cluster: whether it is OK, what is under way for it, in which version it speaks."""

from enum import Enum, auto
from typing import final

from .api import Registration
from .mirror import CapabilityView
from .node import Node
from .packets import V2_4, Packet


class Phase(Enum):
    """What we do to get what others have."""

    IDLE = auto()
    PENDING = auto()  # a donor is wanted
    ASKED = auto()
    RECEIVING = auto()


@final
class Capability:
    """One capability of ours. wanted: nodes to be asked for all that they have, as soon as they are OK.

    alone: we became OK without a donor; met: nodes that we have asked since then.
    """

    __slots__ = (
        "alone", "chunks", "donor", "enabled", "expected", "failed_donor", "heard_at", "is_ok", "met", "name",
        "pending_since", "phase", "queue", "queued", "receiver", "registration", "wanted",
    )  # fmt: skip

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.receiver = registration.receiver
        self.name = registration.capability
        self.enabled = True
        self.is_ok = not registration.startup_sync
        self.phase = Phase.IDLE
        self.pending_since = 0.0
        self.donor = 0
        self.failed_donor = 0
        self.heard_at = 0.0
        self.chunks = 0
        self.expected = -1
        self.queue: list[tuple[Packet, int]] = []
        self.queued = 0
        self.wanted: set[int] = set()
        self.alone = False
        self.met: set[int] = set()

    def view(self) -> CapabilityView:
        """For everybody, and for a successor: a sync that is under way is his to begin again."""
        asked = {self.donor} if self.is_ok and self.phase in (Phase.ASKED, Phase.RECEIVING) else set()
        is_ok = self.is_ok and self.enabled
        return CapabilityView(self.name, is_ok, self.enabled, sorted(self.wanted | asked), self.alone, sorted(self.met))

    def gets_from(self, node_id: int) -> bool:
        """Whether a node is just about to send us all that it has."""
        return self.donor == node_id and self.phase in (Phase.ASKED, Phase.RECEIVING)

    def version_for(self, node: Node) -> int:
        """The version in which a node is spoken to: what it speaks, as far as that is known."""
        newest = node.versions.get(self.name)
        if newest is not None:
            return max((one for one in self.receiver.versions if one <= newest), default=self.receiver.spoken)
        return self.receiver.old if node.dialect is V2_4 else self.receiver.spoken
