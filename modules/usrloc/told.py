"""The federation without a store (`federation-cluster`): every node tells all others which AoRs it has.

Rules:
- each node speaks for itself alone, a backup for its copies too: so an AoR of a pair is known as long as one of the two
  is, and what a node says is true whatever its partner says;
- what has changed is told at once, in the order of the change log; a node that comes (back) is asked for all that it
  has, and what it did not name then is forgotten;
- what a node that cannot be reached said is kept for `federation_gone_after` seconds, for its phones may be reached
  though its links are not; then it is forgotten until it comes back;
- nodes of OpenSIPS do not have this capability: they are not sent it, and nothing of theirs is known.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pysips.core.changes import Change, ChangeFollower
from pysips.core.log import log
from pysips.core.services import Services, Tables, TablesFull

from ..clusterer.api import BadPacket, Cluster, Event, Reader, Receiver, Writer
from .contacts import RECORDS, Location
from .lines import change_of

CAPABILITY: Final = "pysips-usrloc-homes"
VERSION: Final = 1
HAVE: Final = 1  # types of packets, and of chunks
GONE: Final = 2
BEGIN: Final = 3

KIND: Final = b"H"  # of records in the shared table: AoR and node → the number of the node's list that named it
NODE: Final = 4  # bytes
NUMBER: Final = 8
PAGE: Final = 200
LONGEST: Final = 440  # of an AoR, bytes
MOST_NODES: Final = 64  # that have the same AoR
MOST_AORS: Final = 1000  # of a packet
NAME: Final = "usrloc-told"
PACE: Final = 0.05  # seconds between two looks at the change log
QUIET: Final = 60.0


def key_of(aor: bytes, node_id: int) -> bytes:
    return aor + b"\0" + node_id.to_bytes(NODE, "big")


def homes_of(tables: Tables, nodes: Iterable[object], aor: str) -> list[str]:
    """The SIP addresses of those nodes that said they have the AoR."""
    prefix = octets(aor) + b"\0"
    addresses = {one.node_id: one.sip_addr for one in nodes}  # type: ignore[attr-defined]
    found = []
    for key, _ in tables.scan(KIND, prefix, MOST_NODES):
        if not key.startswith(prefix):
            break
        if len(key) == len(prefix) + NODE:
            found.append(addresses.get(int.from_bytes(key[len(prefix) :], "big"), ""))
    return [one for one in found if one]


def octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Told(Receiver):
    """What this node hears and tells; attendant only."""

    versions = (VERSION,)

    def __init__(self, services: Services, location: Location, cluster: Cluster, cluster_id: int) -> None:
        self.services = services
        self.location = location
        self.cluster = cluster
        self.cluster_id = cluster_id
        self.numbers: dict[int, int] = {}  # of the list that a node is sending, or sent last
        self.lost_at: dict[int, float] = {}

    # -- ours to others

    def tell(self, kind: int, aors: list[str]) -> None:
        """To all nodes that have the capability; who is away is told all when it is back."""
        if not aors:
            return
        to = Writer()
        to.number(len(aors))
        for one in aors:
            to.text(one)
        body = to.written()
        self.cluster.broadcast(self.cluster_id, CAPABILITY, kind, lambda version: body)

    def donate(self, cluster_id: int, node_id: int, version: int) -> Iterator[bytes]:
        """Our whole list."""
        yield chunk(BEGIN, "")
        for domain in list(self.location.domains.values()):
            after = domain.prefix
            while True:
                keys = [key for key, _ in self.services.tables.scan(RECORDS, after, PAGE)]
                keys = [key for key in keys if key.startswith(domain.prefix)]
                if not keys:
                    break
                for key in keys:
                    yield chunk(HAVE, key[len(domain.prefix) :].decode("utf-8", "surrogateescape"))
                after = keys[-1]

    # -- theirs to us

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        """Raises BadPacket."""
        if kind not in (HAVE, GONE):
            raise BadPacket(f"{CAPABILITY} has no type {kind}")
        aors = [body.text() for _ in range(body.count(MOST_AORS, 2))]
        self.note(source, kind, aors)

    def chunks(self, cluster_id: int, source: int, version: int, chunks: tuple[bytes, ...]) -> None:
        """Raises BadPacket."""
        aors = []
        for one in chunks:
            of = Reader(one)
            if of.number() == BEGIN:
                self.numbers[source] = self.number_of(source) + 1
            else:
                aors.append(of.text())
        self.note(source, HAVE, aors)

    def number_of(self, source: int) -> int:
        """Of the list that what a node says now belongs to: unlike that of any before us."""
        if source not in self.numbers:
            self.numbers[source] = int(self.services.clock.time() * 1000)
        return self.numbers[source]

    def note(self, source: int, kind: int, aors: list[str]) -> None:
        """Keep it; one transaction."""
        number = self.number_of(source).to_bytes(NUMBER, "big")
        transaction = self.services.tables.begin()
        try:
            for aor in aors:
                key = octets(aor)
                if not 0 < len(key) <= LONGEST or b"\0" in key:
                    continue
                if kind == HAVE:
                    transaction.put(KIND, key_of(key, source), number)
                else:
                    transaction.delete(KIND, key_of(key, source))
            transaction.commit()
        except TablesFull:
            if log.limited("usrloc:told", QUIET):
                log.error("usrloc", "where AoRs are at home cannot be kept: the tables are full")
        except BaseException:
            transaction.abort()
            raise

    def happened(self, event: Event, cluster_id: int, node_id: int) -> None:
        if event is Event.SYNC_DONE:
            self.forget(node_id, self.number_of(node_id))
        elif event is Event.NODE_DOWN:
            self.lost_at[node_id] = self.services.clock.now()
        elif event is Event.NODE_UP:
            self.lost_at.pop(node_id, None)

    # -- forgetting

    def look(self, gone_after: int) -> None:
        """Forget what those said who have been away for so long; 0: never."""
        now = self.services.clock.now()
        for node in self.cluster.nodes(self.cluster_id):
            if node.reachable:
                self.lost_at.pop(node.node_id, None)
            elif gone_after and now - self.lost_at.setdefault(node.node_id, now) >= gone_after:
                self.lost_at[node.node_id] = now
                self.forget(node.node_id, 0)

    def forget(self, node_id: int, number: int) -> int:
        """All that a node said but for what its list of that number names; answers how much that was."""
        end, kept = node_id.to_bytes(NODE, "big"), number.to_bytes(NUMBER, "big")
        after, count = b"", 0
        while True:
            page = self.services.tables.scan(KIND, after)
            gone = [key for key, value in page if key[-NODE:] == end and key[-NODE - 1] == 0 and value != kept]
            if gone:
                transaction = self.services.tables.begin()
                for key in gone[:PAGE]:
                    transaction.delete(KIND, key)
                transaction.commit()
                count += len(gone[:PAGE])
            if len(gone) > PAGE:
                continue
            if not page:
                return count
            after = page[-1][0]


def chunk(kind: int, aor: str) -> bytes:
    to = Writer()
    to.number(kind)
    to.text(aor)
    return to.written()


class Teller(ChangeFollower):
    """Follows the change log."""

    def __init__(self, told: Told) -> None:
        super().__init__(NAME, PACE)
        self.told = told

    async def apply(self, changes: list[Change]) -> None:
        have: list[str] = []
        gone: list[str] = []
        for line in changes:
            change = change_of(line)
            if is_here(self.told.location, change.aor):
                if not change.was_there:
                    have.append(change.aor)
            else:
                gone.append(change.aor)
        self.told.tell(HAVE, have)
        self.told.tell(GONE, gone)


def is_here(location: Location, aor: str) -> bool:
    """Whether an AoR has contacts here, in whichever table."""
    key = octets(aor)
    tables = location.services.tables
    return any(tables.get(RECORDS, domain.prefix + key) is not None for domain in location.domains.values())
