"""What `usrloc` does with other nodes, put together: contacts for the pair, homes for the whole federation."""

from pysips.core.cachedb import CacheDb, CacheError
from pysips.core.changes import Changes
from pysips.core.exports import Json, MiError
from pysips.core.log import log
from pysips.core.services import TablesFull
from pysips.errors import ModuleError

from ..clusterer.api import Cluster
from .contacts import Location
from .federation import Publisher, aors_of
from .homes import Homes, is_home
from .modes import Mode
from .packets import CAPABILITY as CONTACTS
from .pair import CAPABILITY as FEDERATION
from .pair import Pair, is_partner
from .replication import Repeater, Replica
from .rows import Rows
from .sweep import Sweeper
from .told import CAPABILITY as HOMES
from .told import HAVE, Teller, Told


class Clustered:
    """One server's part in the cluster. store: of a federation's records, None where the nodes tell each other."""

    def __init__(
        self, location: Location, rows: Rows, cluster: Cluster, mode: Mode, store: CacheDb | None, skip_db: bool,
        sweep: int, gone_after: int,
    ) -> None:  # fmt: skip
        self.location = location
        self.services = location.services
        self.cluster = cluster
        self.mode = mode
        self.gone_after = gone_after
        number = mode.location_cluster
        self.homes = Homes(self.services, cluster, number, store)
        self.replica = Replica(location, rows, cluster, number, skip_db)
        self.repeater = Repeater(self.replica)
        self.pair = Pair(self.services, location, cluster, number)
        self.told = Told(self.services, location, cluster, number)
        self.sweeper: Sweeper | None = None
        if store is not None:
            if not store.has_rows:
                raise ModuleError(
                    f"cachedb_url: {store.url.engine} keeps no rows, which a federation needs: use cassandra, mongodb, "
                    "redis or sql"
                )
            self.sweeper = Sweeper(Publisher(location, store, cluster, mode, self.pair), sweep, gone_after)
        self.was_told = False

    def follow(self, changes: Changes) -> None:
        """Take part in the change log and in the cluster; before the fork."""
        number = self.mode.location_cluster
        self.cluster.register(number, CONTACTS, self.replica, True, is_partner)
        self.cluster.register(number, FEDERATION, self.pair)
        changes.follow(self.repeater)
        if self.sweeper is not None:
            changes.follow(self.sweeper.publisher)
        else:
            self.cluster.register(number, HOMES, self.told, from_each=True)
            changes.follow(Teller(self.told))
        self.location.log = changes

    def start(self) -> None:
        """In the attendant."""
        if self.sweeper is not None:
            self.sweeper.start()

    def second(self) -> None:
        """Once a second, in the attendant."""
        self.check_socket()
        try:
            self.repeater.second()
            if self.sweeper is not None:
                self.sweeper.second()
            else:
                self.told.look(self.gone_after)
        except TablesFull:
            if log.limited("usrloc:cluster", 60.0):
                log.error("usrloc", "the tables are full: what other nodes are owed waits")

    def loaded(self) -> None:
        """Contacts came from a database: others have not heard of them."""
        if self.sweeper is not None:
            self.sweeper.hurry()
            return
        for page in aors_of(self.location):
            self.told.tell(HAVE, page)

    def check_socket(self) -> None:
        """Requests to other sites have to leave from our own SIP address, or these do not know them for ours."""
        if self.was_told or not self.homes.own():
            return
        self.was_told = True
        if not self.homes.has_socket():
            log.warn(
                "usrloc", f"our sip_addr {self.homes.own()} is none of our sockets: other sites will not know our "
                "requests by cluster_check_addr, and may send them back",
            )  # fmt: skip

    # -- management

    def cluster_sync(self) -> Json:
        """Raises MiError."""
        if not self.replica.sync():
            raise MiError(400, "Failed to send sync request")
        return "OK"

    def sweep_now(self) -> Json:
        """Raises MiError."""
        if self.sweeper is None:
            raise MiError(400, "There is no store")
        self.sweeper.due = 0.0
        return "OK"

    async def clean(self, home: str) -> Json:
        """Remove the records of a site that is gone. Raises MiError."""
        sweeper = self.sweeper
        if sweeper is None:
            raise MiError(400, "There is no store")
        if not is_home(home):
            raise MiError(400, "Bad home")
        if home == self.homes.own():
            raise MiError(400, "This is our own site")
        if sweeper.is_reached(home):
            raise MiError(409, "The site has nodes that can be reached")
        try:
            return {"Removed": await sweeper.remove_rows(home)}
        except CacheError as problem:
            raise MiError(500, f"Not all could be removed: {problem}") from None
