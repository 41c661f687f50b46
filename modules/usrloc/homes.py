"""At which sites an AoR is at home: what a global lookup asks (federation of usrloc).

Facts:
- a home is a site's SIP address as the cluster's node table has it; our own is never among them;
- with a store each worker asks it, within the store's time limit and by its circuit, so a store that is away costs
  nobody more than that once;
- without one the attendant keeps in the shared table what the other nodes said (told.py), and nobody waits.
"""

from typing import Final

from pysips.core.cachedb import CacheDb, CacheError
from pysips.core.log import log
from pysips.core.services import Services, Socket

from ..clusterer.api import Cluster, plain_host, sip_host
from .told import homes_of

AOR: Final = "aor"
HOME: Final = "home_ip"
LONGEST_HOME: Final = 255
BAD: Final = frozenset(" <>@\"',;?/\\")
QUIET: Final = 10.0  # seconds between two lines about a store that cannot be asked


class Homes:
    """Answers for one process. cluster_id: `location_cluster`; store: None where the nodes tell each other."""

    def __init__(self, services: Services, cluster: Cluster, cluster_id: int, store: CacheDb | None) -> None:
        self.services = services
        self.cluster = cluster
        self.cluster_id = cluster_id
        self.store = store

    def own(self) -> str:
        """Our own site's SIP address; "" while the node table is not known, or names none."""
        node = self.cluster.own(self.cluster_id)
        return "" if node is None else node.sip_addr

    def told(self, aor: str) -> list[str]:
        """The other sites whose nodes said that the AoR is at home there; without a store."""
        return self.others(homes_of(self.services.tables, self.cluster.nodes(self.cluster_id), aor))

    async def of(self, aor: str) -> list[str] | None:
        """The other sites where the AoR is at home; None where that cannot be found out now."""
        if self.store is None:
            return self.told(aor)
        try:
            rows = await self.store.find_rows(AOR, aor)
        except CacheError as problem:
            if log.limited("usrloc:homes", QUIET):
                log.error("usrloc", f"other sites are not called, where an AoR is at home is not known: {problem}")
            return None
        return self.others([row[HOME] for row in rows if row.get(AOR) == aor and row.get(HOME)])

    def others(self, homes: list[str]) -> list[str]:
        """Each once, without our own."""
        own = self.own()
        return [one for one in dict.fromkeys(homes) if one != own and is_home(one)]

    def socket(self) -> Socket | None:
        """The socket from which requests to other sites leave, so that they know us: that of our own SIP address."""
        host, port = place_of(self.own())
        for socket in self.services.sockets:
            if plain_host(socket.host.strip("[]")) == host and socket.proto == "udp" and port in (0, socket.port):
                return socket
        return None

    def has_socket(self) -> bool:
        """Whether our own SIP address is one of our sockets, of whatever protocol, or what one of them advertises."""
        host, port = place_of(self.own())
        return any(
            host in (plain_host(one.host.strip("[]")), one.advertised_host.lower())
            and port in (0, one.port, one.advertised_port)
            for one in self.services.sockets
        )


def is_home(text: str) -> bool:
    """Whether a store's text can stand in a URI as host and port."""
    return 0 < len(text) <= LONGEST_HOME and text.isascii() and text.isprintable() and BAD.isdisjoint(text)


def place_of(home: str) -> tuple[str, int]:
    """Host in its one spelling, and port (0 for none) of a site's SIP address."""
    host = sip_host(home)
    port = home[len(host) + (2 if home.startswith("[") else 0) :].removeprefix(":")
    return plain_host(host), int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0


def uri_of(home: str) -> str:
    """Where a site is reached, as a URI."""
    host = sip_host(home)
    return f"sip:[{host}]" if ":" in host and not home.startswith("[") else f"sip:{home}"
