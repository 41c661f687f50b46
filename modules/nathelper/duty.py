"""Whose it is to ping: this node at all, and which of the contacts that it has (usrloc's `pinging_mode`).

Facts:
- management switches all pinging of a server on and off; the switch is in the shared table, so it holds for every
  worker and for those that replace them;
- with `cluster_id` and `cluster_sharing_tag` a node pings only while that tag is active here;
- ownership: a contact with a sharing tag is pinged where its tag is active, one without by whoever has it;
- cooperation: the nodes that have the contacts share them by a hash of the AoR;
- tags and nodes are looked up once a second, not once a contact.
"""

from typing import TYPE_CHECKING, Final, final

from pysips.core.services import Tables

from ..usrloc.api import Contact, UsrLocApi, aor_hash

if TYPE_CHECKING:
    from ..clusterer.api import Cluster

KIND: Final = b"P"  # of records in the shared table
SWITCH: Final = b"switch"
OFF: Final = b"0"
ON: Final = b"1"
CAPABILITY: Final = "usrloc-contact-repl"


@final
class Duty:
    """cluster: None without one; cluster_id, tag: nathelper's own, 0 and "" for none."""

    __slots__ = ("cluster", "cluster_id", "cooperates", "nodes", "ours", "place", "tables", "tag", "tags", "usrloc")

    def __init__(
        self, tables: Tables, usrloc: UsrLocApi, cluster: "Cluster | None", cluster_id: int, tag: str
    ) -> None:  # fmt: skip
        self.tables: Tables = tables
        self.usrloc: UsrLocApi = usrloc
        self.cluster: Cluster | None = cluster
        self.cluster_id: int = cluster_id
        self.tag: str = tag
        self.cooperates: bool = usrloc.mode.pinging == "cooperation"
        self.ours: bool = False
        self.tags: dict[str, bool] = {}
        self.nodes: int = 1
        self.place: int = 0

    def look(self) -> bool:
        """Look up anew what may have changed; answers whether this node pings at all."""
        self.tags.clear()
        cluster = self.cluster
        self.ours = is_on(self.tables)
        if cluster is not None:
            if self.ours and self.tag:
                self.ours = cluster.shtag_is_active(self.tag, self.cluster_id)
            if self.cooperates:
                self.nodes, self.place = cluster.my_index(self.usrloc.mode.location_cluster, CAPABILITY)
        return self.ours

    def has(self, aor: str) -> bool:
        """Whether the contacts of an AoR may be ours to ping."""
        if self.nodes < 2:
            return True
        return aor_hash(aor) % self.nodes == self.place

    def owns(self, contact: Contact) -> bool:
        """Whether a contact is ours to ping."""
        tag = contact.tag
        if not tag or self.cluster is None or self.cooperates:
            return True
        active = self.tags.get(tag)
        if active is None:
            active = self.tags[tag] = self.cluster.shtag_is_active(tag, self.usrloc.mode.location_cluster)
        return active


def is_on(tables: Tables) -> bool:
    """Whether management lets this server ping."""
    return tables.get(KIND, SWITCH) != OFF


def switch(tables: Tables, on: bool) -> None:
    """Let it ping, or not. Raises TablesFull."""
    tables.put(KIND, SWITCH, ON if on else OFF)
