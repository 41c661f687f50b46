"""What the nodes of a federation tell each other beside contacts: above all, whether an AoR lives at the partner.

The partners of a node are those with its own SIP address: the pair behind one virtual IP. Rows of the store have the
same id for both, so before a row is withdrawn the partner is asked, and after that it is told: should a phone have
registered there at that very moment, it puts the row back. Nodes of OpenSIPS do not have this capability; they drop it
without a word.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from pysips.core.services import Promise, Services, Timer

from ..clusterer.api import SENT, BadPacket, Cluster, Event, NodeInfo, Reader, Receiver, Writer
from .contacts import Location
from .told import is_here

CAPABILITY: Final = "pysips-federation"
CONTACTS: Final = "usrloc-contact-repl"  # a partner that has only this one is OpenSIPS
VERSION: Final = 1
ASK: Final = 1
TELL: Final = 2
WITHDREW: Final = 3
WAIT_SECONDS: Final = 2.0
MOST_WAITING: Final = 1000


class Partner(Enum):
    """What is known of the other node of a pair."""

    OURS = auto()  # it can be asked
    FOREIGN = auto()  # OpenSIPS: it looks after its own rows
    AWAY = auto()  # it cannot be reached, or has not said yet what it is


def is_partner(own: NodeInfo, other: NodeInfo) -> bool:
    """A node behind the same SIP address."""
    return own.sip_addr != "" and own.sip_addr == other.sip_addr


class Late(Timer):
    """Ends the wait for an answer."""

    def __init__(self, pair: "Pair", number: int) -> None:
        super().__init__()
        self.pair = pair
        self.number = number

    def fire(self) -> None:
        self.pair.answered(self.number, None)


class Pair(Receiver):
    """withdrawn: called when the partner has withdrawn the row of an AoR; came: when a node can be reached again."""

    versions = (VERSION,)

    def __init__(self, services: Services, location: Location, cluster: Cluster, cluster_id: int) -> None:
        self.services = services
        self.location = location
        self.cluster = cluster
        self.cluster_id = cluster_id
        self.asked = 0
        self.waiting: dict[int, Promise] = {}
        self.withdrawn: Callable[[str], object] = lambda aor: None
        self.came: Callable[[int], object] = lambda node_id: None

    # -- who is there

    def home(self) -> str:
        """Our SIP address; "" while it is not known."""
        own = self.cluster.own(self.cluster_id)
        return "" if own is None else own.sip_addr

    def partners(self) -> dict[int, Partner] | None:
        """The other nodes of our site; None while the node table is not known."""
        home = self.home()
        if not home:
            return None
        found = {}
        for node in self.cluster.nodes(self.cluster_id):
            if node.sip_addr == home:
                state = Partner.AWAY
                if node.reachable and CAPABILITY in node.capabilities:
                    state = Partner.OURS
                elif node.reachable and CONTACTS in node.capabilities:
                    state = Partner.FOREIGN
                found[node.node_id] = state
        return found

    # -- asking

    async def is_alive(self, aor: str, node_id: int) -> bool | None:
        """Whether a partner has contacts of an AoR; None if it does not say."""
        if len(self.waiting) >= MOST_WAITING:
            return None
        self.asked += 1
        number, promise = self.asked & 0x7FFFFFFF, Promise()
        self.waiting[number] = promise
        to = Writer()
        to.number(number)
        to.text(aor)
        if not self.send(node_id, ASK, to.written()):
            self.answered(number, None)
        else:
            self.services.timers.add(Late(self, number), WAIT_SECONDS)
        alive: bool | None = await promise
        return alive

    def answered(self, number: int, alive: bool | None) -> None:
        promise = self.waiting.pop(number, None)
        if promise is not None:
            promise.complete(alive)

    def tell_withdrawn(self, aor: str) -> None:
        """A row is gone: whoever has the AoR after all puts it back."""
        to = Writer()
        to.text(aor)
        body = to.written()
        self.cluster.broadcast(self.cluster_id, CAPABILITY, WITHDREW, lambda version: body, is_partner)

    def send(self, node_id: int, kind: int, body: bytes) -> bool:
        return self.cluster.send(self.cluster_id, node_id, CAPABILITY, kind, lambda version: body) == SENT

    # -- being asked

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        """Raises BadPacket."""
        if kind == ASK:
            number, aor = body.number(), body.text()
            to = Writer()
            to.number(number)
            to.flag(is_here(self.location, aor))
            self.send(source, TELL, to.written())
        elif kind == TELL:
            self.answered(body.number(), body.flag())
        elif kind == WITHDREW:
            aor = body.text()
            if is_here(self.location, aor):
                self.withdrawn(aor)
        else:
            raise BadPacket(f"{CAPABILITY} has no type {kind}")

    def happened(self, event: Event, cluster_id: int, node_id: int) -> None:
        if event is Event.NODE_UP:
            self.came(node_id)
