"""The status reports of clusterer: nodes, sharing tags, and each capability's synchronisation (OpenSIPS: "cap:NAME").

A capability's status: 1 it has all that others have, -1 it is getting that, -2 it waits for a donor, -3 it is disabled
or has nothing yet. Where one is in several clusters, it is as it is in the worst one.
"""

from collections.abc import Iterable
from typing import Final

from pysips.core.status_reports import Group

from .api import Registration
from .capability import Capability, Phase
from .events import NodeState
from .tags import TagChange

MOST: Final = 200  # reports of each
SYNCED: Final = 1
SYNCING: Final = -1
PENDING: Final = -2
NOT_SYNCED: Final = -3
DETAILS: Final = {
    SYNCED: "synced", SYNCING: "sync in progress", PENDING: "sync pending", NOT_SYNCED: "not synced",
}  # fmt: skip
RECEIVES: Final = "Sync started from node [{donor}]"
ASKS: Final = "Sync requested from node [{donor}]"
WAITS: Final = "Sync waits for a donor"
LACKS: Final = "Nothing is synced"
HAS_ALL: Final = "Sync is complete"
FELL_BACK: Final = "No donor was found in time: taken for synced"


class Reports:
    """What stands in the group; `told`: the newest report of each capability in each cluster."""

    def __init__(self, group: Group, registrations: Iterable[Registration]) -> None:
        self.nodes = group.add("node_states", most=MOST)
        self.tags = group.add("sharing_tags", most=MOST)
        self.capabilities = {
            one.capability: group.add("cap:" + one.capability, *first_status(one), MOST) for one in registrations
        }
        self.told: dict[tuple[str, int], tuple[int, str]] = {}

    def node_changed(self, event: NodeState) -> None:
        state = "UP" if event.is_up else "DOWN"
        self.nodes.report(f"Node [{event.node_id}], cluster [{event.cluster_id}] is {state}")

    def tag_changed(self, change: TagChange) -> None:
        state = "active" if change.active else "backup"
        self.tags.report(f"TAG <{change.name}>, cluster {change.cluster_id}, became {state} due to {change.reason}")

    def look(self, cluster_id: int, capabilities: Iterable[Capability]) -> None:
        """Tell what has become of a cluster's capabilities since the last look."""
        for one in capabilities:
            now = status_of(one)
            place = (one.name, cluster_id)
            before = self.told.get(place)
            if now == before:
                continue
            self.told[place] = now
            identifier = self.capabilities[one.name]
            if before is not None or now[0] != SYNCED:
                identifier.report(f"{now[1]}, cluster [{cluster_id}]")
            worst = min(status for (name, _), (status, _) in self.told.items() if name == one.name)
            if identifier.state().status != worst:
                identifier.set(worst, DETAILS[worst])


def first_status(one: Registration) -> tuple[int, str]:
    status = NOT_SYNCED if one.startup_sync else SYNCED
    return status, DETAILS[status]


def status_of(one: Capability) -> tuple[int, str]:
    """Status, and what is said of it."""
    if not one.enabled:
        return NOT_SYNCED, "Disabled"
    if one.is_ok:
        return SYNCED, FELL_BACK if one.alone else HAS_ALL
    if one.phase is Phase.RECEIVING:
        return SYNCING, RECEIVES.format(donor=one.donor)
    if one.phase is Phase.ASKED:
        return PENDING, ASKS.format(donor=one.donor)
    return (PENDING, WAITS) if one.phase is Phase.PENDING else (NOT_SYNCED, LACKS)
