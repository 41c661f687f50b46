"""Collections marked `/r` on all nodes of a cluster (capability cachedb-local-repl; OpenSIPS: cachedb_local).

Facts:
- whoever changes a key notes it beside the change, in the same transaction; the attendant sends what was noted, so an
  attendant that dies loses nothing, and a key that changed twice meanwhile is sent once, as it is then;
- a removal is sent for a key that was not there, too; of cache_add and cache_sub only the call that makes the key is
  sent: every node counts for itself from there on, as OpenSIPS' do;
- what comes from a node is not sent on, and what is sent while nobody is there is not kept: a node that comes (back)
  asks for all that there is, with the seconds that are left of it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from pysips.core.bin_interface import BadPacket, Reader
from pysips.core.log import log
from pysips.core.services import Services, TablesFull, Transaction

from ..clusterer.api import Receiver
from .packets import CAPABILITY, Insert, Message, Remove, decode, encode
from .store import KIND, Entry, octets, placed
from .store import decode as read_entry
from .store import encode as written
from .walks import pieces

if TYPE_CHECKING:
    from ..clusterer.api import Cluster

NOTED: Final = b"v"  # the kind of noted changes in the shared table
AT_ONCE: Final = 200
QUIET: Final = 60.0  # seconds between two lines about the same trouble
LONGEST_EXPIRY: Final = 2**31 - 1


class Note(msgspec.Struct, array_like=True, gc=False):
    """A key that changed. kept: False if it was removed; expires: seconds as they were given; number: of the change."""

    collection: str
    key: bytes
    kept: bool
    expires: int
    number: int


note = msgspec.msgpack.Encoder().encode
noted = msgspec.msgpack.Decoder(Note).decode


class Outbox:
    """Where changes of replicated collections are noted; one for the module."""

    def write(self, transaction: Transaction, collection: str, key: bytes, kept: bool, expires: int = 0) -> None:
        """Between the change and its commit. Raises TablesFull."""
        line = Note(collection, key, kept, expires, transaction.number())
        transaction.put(NOTED, placed(collection, key), note(line))


class Replica(Receiver):
    """This node's part. changed: called when others have changed a collection; attendant only."""

    def __init__(
        self, services: Services, collections: frozenset[str], cluster: "Cluster", cluster_id: int,
        changed: Callable[[], object],
    ) -> None:  # fmt: skip
        self.services = services
        self.collections = collections
        self.cluster = cluster
        self.cluster_id = cluster_id
        self.changed = changed

    # -- ours to others

    def send(self) -> None:
        """Send what was noted, and forget it; a key that was changed again meanwhile stays noted."""
        tables = self.services.tables
        page = tables.scan(NOTED, b"", AT_ONCE)
        if not page:
            return
        for _, raw in page:
            self.tell(noted(raw))
        transaction = tables.begin()
        for place, raw in page:
            if transaction.get(NOTED, place) == raw:
                transaction.delete(NOTED, place)
        transaction.commit()

    def tell(self, line: Note) -> None:
        """One key as it is now, to all nodes."""
        raw = self.services.tables.get(KIND, placed(line.collection, line.key))
        if line.kept and raw is not None:
            message: Message = insert_of(read_entry(raw), line.expires)
        elif not line.kept:
            message = Remove(line.collection, text(line.key))
        else:
            return
        try:
            body = encode(message)
        except BadPacket as problem:
            complain(f"{text(line.key)} is not sent to other nodes: {problem}")
            return
        self.cluster.broadcast(self.cluster_id, CAPABILITY, message.TYPE, lambda version: body)

    def donate(self, cluster_id: int, node_id: int, version: int) -> Iterator[bytes]:
        """All that the replicated collections have."""
        for collection in sorted(self.collections):
            for piece in pieces(self.services.tables, placed(collection, b"")):
                now = self.services.clock.time()
                for _, entry in piece:
                    left = max(1, round(entry.expires - now)) if entry.expires else 0
                    if not entry.is_over(now):
                        yield encode(insert_of(entry, left))

    # -- theirs to us

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        """Raises BadPacket."""
        self.take([decode(kind, version, body.take(body.left))], source)

    def chunks(self, cluster_id: int, source: int, version: int, chunks: tuple[bytes, ...]) -> None:
        """Raises BadPacket."""
        self.take([decode(Insert.TYPE, version, one) for one in chunks], source)

    def take(self, messages: list[Message], source: int) -> None:
        """Do the same here, in one transaction."""
        transaction = self.services.tables.begin()
        try:
            for message in messages:
                if message.collection in self.collections:
                    self.do(transaction, message)
                else:
                    complain(f"node {source} has a collection {message.collection} that is not replicated here")
            transaction.commit()
        except TablesFull:
            complain(f"what node {source} sent is lost: the tables are full")
            return
        self.changed()

    def do(self, transaction: Transaction, message: Message) -> None:
        key = octets(message.attr)
        place = placed(message.collection, key)
        if isinstance(message, Remove):
            transaction.delete(KIND, place)
            return
        until = self.services.clock.time() + message.expires if message.expires > 0 else 0.0
        transaction.put(KIND, place, written(Entry(message.collection, key, octets(message.value), until)))


def insert_of(entry: Entry, expires: int) -> Insert:
    return Insert(entry.collection, text(entry.key), text(entry.value), min(expires, LONGEST_EXPIRY))


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def complain(problem: str) -> None:
    if log.limited("cachedb_local:replication", QUIET):
        log.error("cachedb_local", problem)
