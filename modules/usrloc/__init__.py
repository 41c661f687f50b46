"""usrloc: who is where (OpenSIPS usrloc manual).

The tables are in memory that all processes share, so a contact survives any process's death. Other modules reach
them by `api.py`; `registrar` fills them.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from urllib.parse import quote

from pysips.core.branches import q_of
from pysips.core.context import Context
from pysips.core.exports import (
    By,
    Json,
    MiError,
    Module,
    Static,
    Var,
    Where,
    event,
    function,
    mi,
    modparam,
    param,
    timer,
    wants,
)
from pysips.core.log import log
from pysips.core.paged import Paged
from pysips.core.stats import Counter
from pysips.errors import BadName, ModuleError

from ..clusterer.api import Cluster
from . import modes, store
from .api import UsrLocApi
from .clustered import Clustered
from .commands import CALL_ID, CSEQ, USER_AGENT, Commands
from .contacts import Domain, Location
from .embedded import place_in
from .events import AOR_PARAMETERS, CONTACT_PARAMETERS, Raiser
from .expiry import Expiry
from .kept import Kept
from .pinged import Pinged
from .records import Contact
from .rows import FIELDS, FIXED, Rows

Table = Annotated[Domain, Static, By("add_domain")]

BITS = 0xFFFFFFFF
LONGEST_NAME = 64


class UsrLoc(Module):
    timer_interval: int = param(60, low=1, help="Seconds in which each contact's time is looked at once.")
    matching_mode: int = param(0, low=0, high=1, help="0: contacts are the same by their URI; 1: by URI and Call-ID.")
    cseq_delay: int = param(20, low=0, help="Seconds in which a repeated CSeq is a retransmission and no mistake.")
    desc_time_order: int = param(0, low=0, high=1, help="1: the newest contact first, whatever its q.")
    use_domain: int = param(1, low=0, high=1, help="1: an AoR is user@domain; 0: the user alone.")
    hash_size: int = param(9, low=1, high=30, help="Shown by ul_dump as its power of two; there are no slots to size.")
    working_mode_preset: str | None = param(None, help=f"How contacts are kept: {', '.join(modes.PRESETS)}.")
    db_mode: int = param(-1, help="The same as up to OpenSIPS 3.6: 0 no database, 1 through, 2 back, 3 SQL only.")
    cluster_mode: str | None = param(None, help=f"Who knows of contacts: {', '.join(modes.CLUSTER_MODES)}.")
    restart_persistency: str | None = param(None, help=f"Where contacts come from: {', '.join(modes.RESTART)}.")
    sql_write_mode: str | None = param(None, help="When SQL hears: write-through, write-back (timer_interval), none.")
    db_url: str | None = param(None, help="The SQL database; without one persistent contacts are in a local file.")
    cachedb_url: str | None = param(None, help="The store where a federation's nodes tell who has whose contacts.")
    location_cluster: int = param(0, low=0, help="The number of the cluster that knows of our contacts; 0: none.")
    ha_cluster: int = param(0, low=0, help="The cluster of ha_shtag.")
    ha_shtag: str | None = param(None, help="The sharing tag whose holder alone withdraws a federation's records.")
    pinging_mode: str | None = param(None, help="ownership: who has a contact pings it.")
    shared_pinging: int = param(0, low=0, high=1, help="2.4's pinging_mode: 1 is cooperation, for full sharing only.")
    skip_replicated_db_ops: int = param(0, low=0, high=1, help="1: what other nodes said is not written to SQL.")
    max_contact_delete: int = param(10, low=1, high=1000, help="Rows that one SQL statement deletes, at most.")
    regen_broken_contactid: int = param(0, low=0, high=1, help="1: rows whose id does not fit their AoR get another.")
    federation_sweep: int = param(600, low=0, help="Seconds between two looks at a federation's records; 0: none.")
    federation_gone_after: int = param(
        86400, low=0, help="Seconds until what a site that is away has said is forgotten; 0: never."
    )
    contact_id_column: str = param("contact_id", help="Column of table location.")
    user_column: str = param("username", help="Column of table location.")
    domain_column: str = param("domain", help="Column of table location.")
    contact_column: str = param("contact", help="Column of table location.")
    received_column: str = param("received", help="Column of table location.")
    path_column: str = param("path", help="Column of table location.")
    expires_column: str = param("expires", help="Column of table location.")
    q_column: str = param("q", help="Column of table location.")
    callid_column: str = param("callid", help="Column of table location.")
    cseq_column: str = param("cseq", help="Column of table location.")
    flags_column: str = param("flags", help="Column of table location.")
    cflags_column: str = param("cflags", help="Column of table location.")
    user_agent_column: str = param("user_agent", help="Column of table location.")
    socket_column: str = param("socket", help="Column of table location.")
    methods_column: str = param("methods", help="Column of table location.")
    sip_instance_column: str = param("sip_instance", help="Column of table location.")
    kv_store_column: str = param("kv_store", help="Column of table location.")
    attr_column: str = param("attr", help="Column of table location.")
    latency_event_min_us: int = param(0, low=0, help="Latencies of so many µs and more raise E_UL_LATENCY_UPDATE.")
    latency_event_min_us_delta: int = param(0, low=0, help="So do changes by so many µs; both 0: each latency does.")
    mi_dump_kv_store: int = param(0, low=0, high=1, help="1: ul_dump shows the key-value stores.")

    aor_insert = event("E_UL_AOR_INSERT", *AOR_PARAMETERS)
    aor_delete = event("E_UL_AOR_DELETE", *AOR_PARAMETERS)
    contact_insert = event("E_UL_CONTACT_INSERT", *CONTACT_PARAMETERS)
    contact_update = event("E_UL_CONTACT_UPDATE", *CONTACT_PARAMETERS)
    contact_delete = event("E_UL_CONTACT_DELETE", *CONTACT_PARAMETERS)
    latency_update = event("E_UL_LATENCY_UPDATE", *CONTACT_PARAMETERS)

    clusterer: Cluster | None = wants("clusterer")

    def __init__(self) -> None:
        self.made: UsrLocApi | None = None
        self.settled: modes.Mode | None = None
        self.kept: Kept | None = None
        self.clustered: Clustered | None = None
        self.was_loaded = False
        self.nat_flag_name = ""

    @property
    def api(self) -> UsrLocApi:
        if self.made is None:
            self.made = UsrLocApi(Location(self.services), self.add_domain)
        return self.made

    @modparam("nat_bflag", object, help="The branch flag of contacts behind NAT.")
    def set_nat_bflag(self, value: int | str) -> None:
        self.nat_flag_name = str(value)
        self.services.branch_flags.mask(self.nat_flag_name)

    # -- life

    def mode(self) -> modes.Mode:
        """How contacts are kept; raises ModuleError for what cannot be."""
        if self.settled is None:
            wishes = modes.Wishes(
                self.working_mode_preset, self.db_mode, self.cluster_mode, self.restart_persistency,
                self.sql_write_mode, self.wished_url(), self.cachedb_url, self.location_cluster, self.ha_cluster,
                self.ha_shtag, self.pinging_mode, self.shared_pinging, self.use_domain == 1,
            )  # fmt: skip
            self.settled = modes.settle(wishes)
        return self.settled

    def wished_url(self) -> str | None:
        """`db_url`, or what the script names for all modules, where contacts may go to a database at all."""
        words = (self.working_mode_preset, self.cluster_mode, self.restart_persistency, self.sql_write_mode)
        if self.db_url is None and (self.db_mode > 0 or any(words)):
            return str(self.program.config.globals["db_default_url"] or "") or None
        return self.db_url

    def implied(self) -> list[str]:
        self.api.mode = self.mode()
        return ["db_sqlite"] if self.mode().embedded else []

    def configure(self) -> None:
        mode = self.mode()
        for remark in mode.remarks:
            log.warn("usrloc", remark)
        if mode.location_cluster and self.clusterer is None:
            raise ModuleError('location_cluster needs module "clusterer": loadmodule "clusterer.so"')
        api = self.api
        api.mode = mode
        location = api.location
        location.matching_mode = self.matching_mode
        location.cseq_delay = self.cseq_delay
        location.desc_time_order = self.desc_time_order == 1
        location.followers.append(
            Raiser(self.aor_insert, self.aor_delete, self.contact_insert, self.contact_update, self.contact_delete)
        )
        api.use_domain = self.use_domain == 1
        api.pinged = Pinged(location, self.latency_update, self.latency_event_min_us, self.latency_event_min_us_delta)
        if self.nat_flag_name:
            api.nat_bflag = self.services.branch_flags.mask(self.nat_flag_name)
        self.commands = Commands(
            location, self.services.branch_flags, api.use_domain, self.hash_size, self.mi_dump_kv_store == 1
        )
        self.expiry = Expiry(location, self.timer_interval, self.count_domains())
        if mode.writes_sql:
            self.keep(mode)
        if mode.is_federation and self.clusterer is not None:
            self.federate(mode, self.clusterer)

    def federate(self, mode: modes.Mode, cluster: Cluster) -> None:
        """Other nodes hear of contacts. Raises ModuleError."""
        location = self.api.location
        store = self.program.caches.open(mode.cachedb_url) if mode.cachedb_url else None
        rows = Rows(location, self.services.branch_flags, {field: field for field in FIELDS}, self.use_domain == 1)
        self.clustered = Clustered(
            location, rows, cluster, mode, store, self.skip_replicated_db_ops == 1, self.federation_sweep,
            self.federation_gone_after,
        )  # fmt: skip
        self.clustered.follow(self.program.changes)
        self.api.homes = self.clustered.homes

    def keep(self, mode: modes.Mode) -> None:
        """Contacts go to SQL, too. Raises ModuleError."""
        location = self.api.location
        file = None
        url = mode.db_url
        if mode.embedded:
            options = self.program.options
            root = options.root_folder or str(self.program.config.globals["chroot"] or "")
            file = place_in(root, options)[1]
            url = f"sqlite:///{quote(str(file))}"
        database = self.program.databases.open(url)
        columns = {field: getattr(self, f"{field}_column") for field in FIELDS if field not in FIXED}
        rows = Rows(
            location, self.services.branch_flags, columns | {field: field for field in FIXED}, self.use_domain == 1
        )
        self.kept = self.api.kept = Kept(
            self.services, location, database, rows, mode, self.timer_interval, self.max_contact_delete,
            self.skip_replicated_db_ops == 1, self.regen_broken_contactid == 1, file,
        )  # fmt: skip
        self.kept.follow(self.program.changes)
        self.commands.has_database = True

    async def start(self) -> None:
        if self.kept is not None:
            await self.kept.start()
            self.was_loaded = self.kept.writer.ready
        if self.clustered is not None and self.services.slot < 0:
            self.clustered.start()

    @timer(1)
    async def look_after(self) -> None:
        """What the database and the cluster need once in a while."""
        if self.clustered is not None:
            self.clustered.second()
        if self.kept is not None:
            await self.kept.second()
            if self.clustered is not None and self.kept.writer.ready and not self.was_loaded:
                self.was_loaded = True
                self.clustered.loaded()

    def count_domains(self) -> dict[str, Counter]:
        """Register the statistics; answers the counters of expired contacts, by table."""
        location = self.api.location
        statistics = self.program.statistics
        expired = {}
        statistics.function("usrloc", "registered_users", self.registered_users)
        for domain in location.domains.values():
            statistics.function("usrloc", f"{domain.name}-users", partial(location.users, domain))
            statistics.function("usrloc", f"{domain.name}-contacts", partial(location.contacts, domain))
            expired[domain.name] = statistics.counter("usrloc", f"{domain.name}-expires")
        return expired

    def registered_users(self) -> int:
        """AoRs in all tables."""
        location = self.api.location
        return sum(location.users(domain) for domain in location.domains.values())

    def add_domain(self, name: str) -> Domain:
        """The table of a name that stands in the script; raises BadName for one that cannot be one."""
        if not name or len(name) > LONGEST_NAME or "\0" in name:
            raise BadName(f"a table's name has 1 to {LONGEST_NAME} characters")
        if self.services.reloading and name not in self.api.location.domains:
            raise BadName(f"the table {name} is new: it needs a restart")
        return self.api.location.domain(name)

    @timer(1)
    def expire(self) -> None:
        """Take expired contacts off."""
        self.expiry.second()

    # -- key-value stores of AoRs

    @function("ul_add_key")
    def add_key(self, ctx: Context, domain: Table, aor: str, key: str, value: str = "") -> int:
        """Keep a value under a key with an AoR that is registered."""
        return store.put(self.api.location, domain, aor, key, value)

    @function("ul_get_key")
    def get_key(self, ctx: Context, domain: Table, aor: str, key: str, into: Var) -> int:
        """Read it into a variable; -1 if there is none."""
        value = store.get(self.api.location, domain, aor, key)
        return -1 if value is None else into.set(ctx, value)

    @function("ul_del_key")
    def del_key(self, ctx: Context, domain: Table, aor: str, key: str) -> int:
        """Forget it; -1 if there is none."""
        return store.remove(self.api.location, domain, aor, key)

    # -- management

    @mi("ul_dump", full="usrloc:dump")
    def dump(self, brief: int = 0) -> Paged:
        """All AoRs of all tables; brief: without their contacts."""
        return self.commands.dump(brief != 0)

    @mi("ul_show_contact", full="usrloc:show_contact")
    async def show_contact(self, table_name: str, aor: str) -> Json:
        """The contacts of an AoR."""
        return await self.managed(table_name, aor, lambda: self.commands.show_contact(table_name, aor))

    @mi("ul_rm", full="usrloc:rm")
    async def rm(self, table_name: str, aor: str) -> Json:
        """Remove an AoR with its contacts."""
        return await self.managed(table_name, aor, lambda: self.commands.rm(table_name, aor))

    @mi("ul_rm_contact", full="usrloc:rm_contact")
    async def rm_contact(self, table_name: str, aor: str, contact: str) -> Json:
        """Remove a contact of an AoR."""
        return await self.managed(table_name, aor, lambda: self.commands.rm_contact(table_name, aor, contact))

    @mi("ul_add", full="usrloc:add")
    async def add(
        self, table_name: str, aor: str, contact: str, expires: int, q: str, flags: int, cflags: int, methods: int
    ) -> Json:
        """Add a contact, or update it. expires: seconds, 0 for ever; flags, cflags, methods: bits."""
        q_value = q_of(q)
        if q_value is None or expires < 0:
            raise MiError(400, "Bad parameter value")
        now = self.api.location.now()
        made = Contact(
            contact, 0, now + expires if expires else 0, now, CALL_ID, CSEQ, USER_AGENT, "", q_value, cflags & BITS,
            methods & BITS, flags & BITS,
        )  # fmt: skip
        return await self.managed(table_name, aor, lambda: self.commands.add(table_name, aor, made))

    async def managed(self, table_name: str, aor: str, command: Callable[[], Json]) -> Json:
        """A command upon one AoR, with what the database has to do with it."""
        if self.kept is None:
            return command()
        return await self.kept.changed(self.commands.domain(table_name), self.commands.checked(aor), command)

    @mi("ul_flush", full="usrloc:flush")
    def flush(self) -> Json:
        """Write to the database what waits to be written; without one there is nothing to do."""
        if self.kept is not None:
            self.kept.wake()
        return "OK"

    @mi("ul_sync", full="usrloc:sync")
    async def sync(self, table_name: str, aor: str = "") -> Json:
        """Write a table, or one of its AoRs, to the database anew."""
        domain = self.commands.domain(table_name)
        aor = self.commands.checked(aor) if aor else ""
        if self.kept is None or self.kept.mode.is_sql_only:
            raise MiError(200, "Contacts already synced")
        await self.kept.sync(domain, aor)
        return "OK"

    @mi("ul_cluster_sync", full="usrloc:cluster_sync", where=Where.ONCE)
    def cluster_sync(self) -> Json:
        """Ask the other node of our pair for its contacts."""
        return self.in_cluster().cluster_sync()

    @mi("ul_federation_sweep", full="usrloc:federation_sweep", where=Where.ONCE)
    def sweep_federation(self) -> Json:
        """Compare a federation's records of our site with what we have, now."""
        return self.in_cluster().sweep_now()

    @mi("ul_federation_clean", full="usrloc:federation_clean", where=Where.ONCE)
    async def clean_federation(self, home: str) -> Json:
        """Remove a federation's records of a site that is gone, by its SIP address."""
        return await self.in_cluster().clean(home)

    def in_cluster(self) -> Clustered:
        """Raises MiError."""
        if self.clustered is None:
            raise MiError(400, "Clustering not enabled")
        return self.clustered
