"""What happens in a cluster that the world hears of, and the events of the script that say so."""

from collections.abc import Callable
from dataclasses import dataclass

from .tags import TagChange


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


class Teller:
    """Raises the script's events; those are called with their parameters (OpenSIPS clusterer manual, events)."""

    def __init__(
        self, request_received: Callable[..., object], reply_received: Callable[..., object],
        node_changed: Callable[..., object], tag_changed: Callable[..., object],
    ) -> None:  # fmt: skip
        self.request_received = request_received
        self.reply_received = reply_received
        self.node_changed = node_changed
        self.tag_event = tag_changed

    def happened(self, event: Happened) -> None:
        if isinstance(event, NodeState):
            self.node_changed(event.cluster_id, event.node_id, int(event.is_up))
        elif isinstance(event, Message):
            raised = self.request_received if event.is_request else self.reply_received
            raised(event.cluster_id, event.source, event.text, event.tag)

    def tag_changed(self, change: TagChange) -> None:
        state = "active" if change.active else "backup"
        self.tag_event(change.name, change.cluster_id, state, change.reason)
