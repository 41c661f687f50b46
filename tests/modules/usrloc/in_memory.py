"""Nodes of a federation in memory: links that are there or not, one store, time that moves when it is told to."""

from pysips.core.cachedb_url import read_url
from pysips.core.changes import Changes
from pysips.core.flags import FlagNames
from pysips.core.services import Services, Socket
from pysips.modules.clusterer.api import DOWN, FAILED, SENT, Body, Cluster, Condition, Event, NodeInfo, any_node
from pysips.modules.clusterer.mirror import NodeView, shown
from pysips.modules.clusterer.packets import Reader
from pysips.modules.usrloc.clustered import Clustered
from pysips.modules.usrloc.contacts import Location
from pysips.modules.usrloc.expiry import Expiry
from pysips.modules.usrloc.modes import Mode
from pysips.modules.usrloc.records import Contact
from pysips.modules.usrloc.rows import FIELDS, Rows
from pysips.runtime.changes import AttendantReading
from pysips.testing.fakes import fill
from pysips.testing.modules.cachedb_memory import MemoryCache

URL = "memory:g://"
STEP = 0.05


def info(number: int, home: str) -> NodeInfo:
    return NodeInfo(1, number, f"bin:10.9.0.{number}", "bin", f"10.9.0.{number}", 5555, sip_addr=home)


class Links(Cluster):
    """A node's end: packets arrive at once, or not at all. synced: as it says; requests: syncs it wanted."""

    def __init__(self, number: int, home: str, platform: "Platform") -> None:
        self.own_id = number
        self.info = info(number, home)
        self.platform = platform
        self.registrations = []
        self.watchers = []
        self.tags: set[tuple[str, int]] = set()
        self.requests: list[str] = []
        self.synced = True
        self.driver = None
        self.sent: list[tuple[int, str, int]] = []

    def own(self, cluster_id: int) -> NodeView | None:
        return shown(self.info) if self.platform.has_table else None

    def nodes(self, cluster_id: int) -> list[NodeView]:
        found = []
        for one in self.platform.infos.values():
            if one.node_id != self.own_id:
                there = self.platform.reaches(self.own_id, one.node_id)
                other = self.platform.nodes.get(one.node_id)
                names = [reg.capability for reg in other.links.registrations] if there and other else []
                if one.node_id in self.platform.foreign:
                    names = ["usrloc-contact-repl"]
                found.append(shown(one, reachable=there, capabilities=names))
        return found

    def send(self, cluster_id: int, node_id: int, capability: str, kind: int, body: Body) -> int:
        if node_id not in self.platform.infos:
            return FAILED
        if not self.platform.reaches(self.own_id, node_id):
            return DOWN
        self.sent.append((node_id, capability, kind))
        other = self.platform.nodes.get(node_id)
        if other is not None:
            for one in other.links.registrations:
                if one.capability == capability:
                    version = max(one.receiver.versions)
                    one.receiver.received(1, self.own_id, kind, version, Reader(body(version)))
        return SENT

    def broadcast(
        self, cluster_id: int, capability: str, kind: int, body: Body, condition: Condition = any_node
    ) -> int:  # fmt: skip
        fitting = [one for one in self.platform.infos.values() if one.node_id != self.own_id]
        answers = [
            self.send(cluster_id, one.node_id, capability, kind, body) for one in fitting if condition(self.info, one)
        ]  # fmt: skip
        return SENT if SENT in answers else DOWN

    def request_sync(self, cluster_id: int, capability: str) -> int:
        self.requests.append(capability)
        return SENT

    def my_index(self, cluster_id: int, capability: str) -> tuple[int, int]:
        up = [one.node_id for one in self.nodes(cluster_id) if one.reachable and capability in one.capabilities]
        return len(up) + 1, sum(one < self.own_id for one in up)

    def is_synced(self, cluster_id: int, capability: str) -> bool:
        return self.synced

    def shtag_is_active(self, name: str, cluster_id: int) -> bool:
        return (name, cluster_id) in self.tags


class Node:
    """One server's attendant."""

    def __init__(self, number: int, home: str, platform: "Platform", mode: Mode) -> None:
        self.platform = platform
        self.services = Services()
        _, self.clock, _ = fill(self.services)
        self.clock.seconds = platform.now
        self.services.sockets.append(Socket(0, "udp", home, 5060))
        self.location = Location(self.services)
        self.domain = self.location.domain("location")
        flags = FlagNames("branch")
        flags.mask("NAT")
        rows = Rows(self.location, flags, {field: field for field in FIELDS}, True)
        self.links = Links(number, home, platform)
        store = platform.store if mode.cachedb_url else None
        self.part = Clustered(self.location, rows, self.links, mode, store, False, 600, 3600)
        self.changes = Changes()
        self.part.follow(self.changes)
        self.expiry = Expiry(self.location, 1, {})
        self.changes.reading = self.reading = AttendantReading(
            self.changes.followers, self.services.tables, self.clock.timers
        )  # fmt: skip
        self.reading.begin()
        self.part.start()

    def contact(self, uri: str, expires: int = 600, cseq: int = 1, callid: str = "call-1") -> Contact:
        now = self.location.now()
        return Contact(uri, 0, now + expires, now, callid, cseq, "Phone/1", "udp:10.0.0.1:5060")

    def register(self, aor: str, uri: str = "", expires: int = 600, cseq: int = 1, why: int = 1) -> None:
        """As a phone does; expires 0 unregisters."""
        uri = uri or f"sip:{aor.partition('@')[0]}@192.0.2.7"
        work = self.location.open(self.domain, aor)
        work.why = why
        place = work.find(uri, "call-1", cseq, True)
        if not expires:
            if place >= 0:
                work.delete(place)
        elif place >= 0:
            work.replace(place, self.contact(uri, expires, cseq))
        elif place == -1:
            work.insert(self.contact(uri, expires, cseq))
        work.commit()

    def contacts(self, aor: str) -> list[Contact]:
        record = self.location.read(self.domain, aor)
        return [] if record is None else record.contacts

    def has(self, aor: str) -> bool:
        return bool(self.contacts(aor))

    def sync_from(self, other: "Node") -> None:
        """What the cluster does when a link is back."""
        for one in self.links.registrations:
            if one.capability == "usrloc-contact-repl":
                version = max(one.receiver.versions)
                chunks = tuple(other.part.replica.donate(1, self.links.own_id, version))
                one.receiver.chunks(1, other.links.own_id, version, chunks)
                one.receiver.happened(Event.SYNC_DONE, 1, other.links.own_id)


class Platform:
    """homes: the sites' SIP addresses by node; foreign: nodes that are OpenSIPS; has_table: nodes know the others."""

    def __init__(self, *homes: str, mode: Mode | None = None) -> None:
        self.now = 1000.0
        self.mode = mode or Mode("federation-cachedb", "sync-from-cluster", location_cluster=1, cachedb_url=URL)
        self.infos = {number: info(number, home) for number, home in enumerate(homes, 1)}
        self.foreign: set[int] = set()
        self.cuts: set[frozenset[int]] = set()
        self.has_table = True
        store_services = Services()
        _, self.store_clock, _ = fill(store_services)
        self.store = memory(store_services)
        self.nodes: dict[int, Node] = {}
        for number, home in enumerate(homes, 1):
            self.nodes[number] = Node(number, home, self, self.mode)

    def reaches(self, one: int, other: int) -> bool:
        there = other in self.nodes or other in self.foreign
        return there and frozenset((one, other)) not in self.cuts

    def cut(self, one: int, other: int) -> None:
        self.cuts.add(frozenset((one, other)))

    def mend(self, one: int, other: int) -> None:
        self.cuts.discard(frozenset((one, other)))

    def run(self, seconds: float = 0.3) -> None:
        until = self.now + seconds
        while self.now < until - STEP / 2:
            before = int(self.now)
            self.now = round(self.now + STEP, 2)
            for node in self.nodes.values():
                node.clock.advance(self.now - node.clock.seconds)
                if int(self.now) != before:
                    node.expiry.second()
                    node.part.second()

    def homes(self, aor: str) -> set[str]:
        """What the store says."""
        return {row["home_ip"] for row in self.store.rows.values() if row["aor"] == aor}


def memory(services: Services) -> MemoryCache:
    return MemoryCache(read_url(URL), services)
