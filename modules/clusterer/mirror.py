"""What all processes may know of the cluster, in the shared table: written by the attendant, read everywhere.

It is also what the attendant's successor goes on from: which capabilities are synchronised, which tags are active, what
the node table said when it could last be read.
"""

from typing import Final

import msgspec

from pysips.core.services import Services

from .nodes import Clusters, NodeInfo

KIND: Final = b"N"
VIEW: Final = b"view"
TAGS: Final = b"tag:"
ACTIVE: Final = b"1"


class NodeView(msgspec.Struct, frozen=True):
    """A node. link: Up, Probe or Down; capabilities: those that are OK there; sees: its neighbours.

    was_lost: it could be reached once, and cannot now; missed: capabilities of which it did not get a packet of ours.
    """

    node_id: int
    db_id: int
    url: str
    host: str
    port: int
    proto: str
    sip_addr: str
    priority: int
    retries: int
    is_seed: bool
    description: str
    link: str = "Up"
    enabled: bool = True
    reachable: bool = True
    next_hop: int = 0
    capabilities: list[str] = []
    was_lost: bool = False
    sees: list[int] = []
    missed: list[str] = []
    life: int = 0


class CapabilityView(msgspec.Struct, frozen=True):
    """A capability of ours. wanted: nodes that are to be asked for all that they have; alone, met: see Capability."""

    name: str
    is_ok: bool
    enabled: bool
    wanted: list[int] = []
    alone: bool = False
    met: list[int] = []


class ClusterView(msgspec.Struct, frozen=True):
    """One cluster, as this node sees it."""

    cluster_id: int
    own: NodeView
    nodes: list[NodeView]
    capabilities: list[CapabilityView]


class TagView(msgspec.Struct, frozen=True):
    """A sharing tag. since: unix seconds of its activation here, 0 if it is backup."""

    name: str
    cluster_id: int
    active: bool
    since: float


class View(msgspec.Struct, frozen=True):
    """All of it. born: unix seconds of the attendant's start; life: of the server's."""

    born: int = 0
    life: int = 0
    clusters: list[ClusterView] = []
    tags: list[TagView] = []


NOTHING: Final = View()


def tag_key(name: str, cluster_id: int) -> bytes:
    return TAGS + f"{cluster_id}/{name}".encode("utf-8", "surrogateescape")


class Mirror:
    """Reads and writes it. A read decodes only what changed since the last one."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.raw: bytes | None = None
        self.view = NOTHING
        self.encoder = msgspec.msgpack.Encoder()
        self.decoder = msgspec.msgpack.Decoder(View)

    def read(self) -> View:
        """What the attendant wrote last."""
        raw = self.services.tables.get(KIND, VIEW)
        if raw != self.raw:
            self.raw = raw
            self.view = NOTHING if raw is None else self.decoder.decode(raw)
        return self.view

    def write(self, view: View) -> None:
        """Let it be known. Raises TablesFull."""
        raw = self.encoder.encode(view)
        if raw != self.raw:
            self.services.tables.put(KIND, VIEW, raw)
            self.raw, self.view = raw, view

    def cluster(self, cluster_id: int) -> ClusterView | None:
        for one in self.read().clusters:
            if one.cluster_id == cluster_id:
                return one
        return None

    def tag(self, name: str, cluster_id: int) -> bool:
        """Whether a tag is active."""
        return self.services.tables.get(KIND, tag_key(name, cluster_id)) == ACTIVE

    def set_tag(self, name: str, cluster_id: int, active: bool) -> None:
        """Raises TablesFull."""
        if self.tag(name, cluster_id) != active:
            self.services.tables.put(KIND, tag_key(name, cluster_id), ACTIVE if active else b"0")


def shown(info: NodeInfo, **more: object) -> NodeView:
    """A node's record."""
    return NodeView(
        info.node_id, info.db_id, info.url, info.host, info.port, info.proto, info.sip_addr, info.priority,
        info.retries, info.is_seed, info.description, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def info_of(cluster_id: int, one: NodeView) -> NodeInfo:
    """And back: the node as the table had it, for when there is no table to be read."""
    return NodeInfo(
        cluster_id, one.node_id, one.url, one.proto, one.host, one.port, one.db_id, one.enabled, one.retries,
        one.priority, one.sip_addr, one.is_seed, one.description,
    )  # fmt: skip


def add_learned(clusters: Clusters, before: View) -> None:
    """Nodes that a predecessor heard of from others."""
    for old in before.clusters:
        nodes = clusters.get(old.cluster_id)
        if nodes is not None:
            known = {one.node_id for one in nodes}
            nodes += [info_of(old.cluster_id, one) for one in old.nodes if one.node_id not in known]


def old_table(view: ClusterView) -> list[NodeInfo]:
    """The nodes of a cluster as a predecessor had them."""
    return [info_of(view.cluster_id, one) for one in (view.own, *view.nodes)]
