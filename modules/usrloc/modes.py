"""How contacts are kept (OpenSIPS usrloc manual, `working_mode_preset`, `cluster_mode` and their kin).

Facts:
- a preset says all; without one the three fine-grained parameters do, or OpenSIPS' old `db_mode`;
- what contradicts itself is refused or, where OpenSIPS sets it right, set right with a remark;
- `federation-cluster`, which OpenSIPS names but refuses, is the federation whose records go over the cluster's links;
- `restart_persistency` without a `db_url` keeps contacts in a file of our own (`embedded`);
- full sharing comes with a later release and is refused by name.
"""

from dataclasses import dataclass, field, replace

from pysips.errors import ModuleError

NONE = "none"
# cluster_mode
FEDERATION = "federation"
FEDERATION_CACHEDB = "federation-cachedb"
FULL_SHARING = "full-sharing"
FULL_SHARING_CACHEDB = "full-sharing-cachedb"
SQL_ONLY = "sql-only"
# restart_persistency
LOAD = "load-from-sql"
SYNC = "sync-from-cluster"
# sql_write_mode
THROUGH = "write-through"
BACK = "write-back"

PRESETS = {
    "single-instance-no-db": (NONE, NONE, NONE),
    "single-instance-sql-write-through": (NONE, LOAD, THROUGH),
    "single-instance-sql-write-back": (NONE, LOAD, BACK),
    "federation-cluster": (FEDERATION, SYNC, NONE),
    "federation-cachedb-cluster": (FEDERATION_CACHEDB, SYNC, NONE),
    "full-sharing-cluster": (FULL_SHARING, SYNC, NONE),
    "full-sharing-cachedb-cluster": (FULL_SHARING_CACHEDB, NONE, NONE),
    "sql-only": (SQL_ONLY, NONE, NONE),
}
DB_MODES = {
    0: "single-instance-no-db",
    1: "single-instance-sql-write-through",
    2: "single-instance-sql-write-back",
    3: "sql-only",
}
CLUSTER_MODES = (NONE, FEDERATION, FEDERATION_CACHEDB, FULL_SHARING, FULL_SHARING_CACHEDB, SQL_ONLY)
RESTART = (NONE, LOAD, SYNC)
SQL_WRITES = (NONE, THROUGH, BACK)
PINGING = ("ownership", "cooperation")


@dataclass(frozen=True)
class Wishes:
    """What the script says of how contacts shall be kept; None, -1, 0: nothing."""

    preset: str | None = None
    db_mode: int = -1
    cluster_mode: str | None = None
    restart: str | None = None
    sql_write: str | None = None
    db_url: str | None = None
    cachedb_url: str | None = None
    location_cluster: int = 0
    ha_cluster: int = 0
    ha_shtag: str | None = None
    pinging: str | None = None
    shared_pinging: int = 0
    use_domain: bool = True


@dataclass(frozen=True)
class Mode:
    """How contacts are kept. cluster, restart, sql_write: as the parameters are spelt; pinging: likewise.

    location_cluster: the cluster's number, 0 without one; cachedb_url, db_url: "" where not used; ha_cluster, ha_shtag:
    the sharing tag whose holder alone withdraws records of a federation; embedded: contacts are kept in a file of our
    own; remarks: what is to be said in the log.
    """

    cluster: str = NONE
    restart: str = NONE
    sql_write: str = NONE
    location_cluster: int = 0
    cachedb_url: str = ""
    db_url: str = ""
    ha_cluster: int = 0
    ha_shtag: str = ""
    pinging: str = "ownership"
    embedded: bool = False
    remarks: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_federation(self) -> bool:
        """Contacts stay where they registered, others are told where that is."""
        return self.cluster in (FEDERATION, FEDERATION_CACHEDB)

    @property
    def has_cluster(self) -> bool:
        """Other nodes hear of contacts."""
        return self.is_federation or self.cluster == FULL_SHARING

    @property
    def is_sql_only(self) -> bool:
        """The database is the truth: it is asked each time."""
        return self.cluster == SQL_ONLY

    @property
    def writes_sql(self) -> bool:
        """Changes go to a database."""
        return self.sql_write != NONE or self.is_sql_only

    @property
    def loads_sql(self) -> bool:
        """Contacts come from a database at the start."""
        return self.restart == LOAD

    @property
    def waits_for_sql(self) -> bool:
        """A REGISTER is answered once the database has it."""
        return self.sql_write == THROUGH or self.is_sql_only


def settle(wishes: Wishes) -> Mode:
    """What the wishes mean together; raises ModuleError for what cannot be."""
    cluster, restart, sql_write, remarks = words_of(wishes)
    if cluster in (FULL_SHARING, FULL_SHARING_CACHEDB):
        raise ModuleError(
            f'{spelling(wishes, "cluster_mode", cluster)} comes with a later release: use "federation-cachedb-cluster" '
            'or a "single-instance-" preset'
        )
    if sql_write != NONE and restart != LOAD:
        remarks.append(f"sql_write_mode {sql_write} is not used: restart_persistency is not {LOAD}")
        sql_write = NONE
    if restart == LOAD and sql_write == NONE:
        remarks.append(f"restart_persistency {LOAD} without a sql_write_mode: {BACK} is used")
        sql_write = BACK
    mode = Mode(cluster, restart, sql_write)
    mode, more = with_database(clustered(mode, wishes), wishes)
    pinging, said = pinging_of(wishes)
    return replace(mode, pinging=pinging, remarks=(*remarks, *more, *said))


def words_of(wishes: Wishes) -> tuple[str, str, str, list[str]]:
    """cluster_mode, restart_persistency, sql_write_mode, and what is to be said of them."""
    remarks: list[str] = []
    preset = known("working_mode_preset", wishes.preset, PRESETS)
    fine = [
        known("cluster_mode", wishes.cluster_mode, CLUSTER_MODES),
        known("restart_persistency", wishes.restart, RESTART),
        known("sql_write_mode", wishes.sql_write, SQL_WRITES),
    ]
    if wishes.db_mode != -1 and wishes.db_mode not in DB_MODES:
        raise ModuleError(
            f"db_mode {wishes.db_mode} does not exist: 0 is no database, 1 write-through, 2 write-back, 3 sql-only"
        )
    if preset is None and wishes.db_mode != -1 and not any(fine):
        preset = DB_MODES[wishes.db_mode]
    elif wishes.db_mode != -1:
        remarks.append(f"db_mode {wishes.db_mode} is not used: the newer parameters say how contacts are kept")
    if preset is None:
        return fine[0] or NONE, fine[1] or NONE, fine[2] or NONE, remarks
    meant = PRESETS[preset]
    for name, said, means in zip(("cluster_mode", "restart_persistency", "sql_write_mode"), fine, meant, strict=True):
        if said is not None and said != means:
            remarks.append(f'{name} "{said}" is not used: working_mode_preset "{preset}" means "{means}"')
    return *meant, remarks


def clustered(mode: Mode, wishes: Wishes) -> Mode:
    """With the cluster that the mode needs. Raises ModuleError."""
    name = spelling(wishes, "cluster_mode", mode.cluster)
    if not mode.has_cluster:
        if mode.restart == SYNC:
            raise ModuleError(f'restart_persistency "{SYNC}" needs a cluster: set cluster_mode and location_cluster')
        if wishes.location_cluster:
            raise ModuleError(f"location_cluster needs a cluster: {name} has none, take it out or set cluster_mode")
        return mode
    if not wishes.location_cluster:
        raise ModuleError(f"{name} needs location_cluster, the number of the cluster")
    if mode.cluster == FEDERATION_CACHEDB:
        if not wishes.cachedb_url:
            raise ModuleError(f'{name} needs cachedb_url, such as "cassandra:group1://host:9042/opensips.userlocation"')
        if not wishes.use_domain:
            raise ModuleError(f"{name} needs use_domain 1: an AoR without its domain is not unlike others'")
    return replace(
        mode, location_cluster=wishes.location_cluster,
        cachedb_url=(wishes.cachedb_url or "") if mode.cluster == FEDERATION_CACHEDB else "",
        ha_cluster=wishes.ha_cluster, ha_shtag=wishes.ha_shtag or "",
    )  # fmt: skip


def with_database(mode: Mode, wishes: Wishes) -> tuple[Mode, list[str]]:
    """With the databases that it needs, and what is to be said of those that it does not."""
    remarks = []
    if mode.writes_sql:
        if wishes.db_url is not None:
            mode = replace(mode, db_url=wishes.db_url)
        elif mode.is_sql_only:
            raise ModuleError(f"{spelling(wishes, 'cluster_mode', SQL_ONLY)} needs db_url")
        else:
            mode = replace(mode, embedded=True)
    elif wishes.db_url:
        remarks.append("db_url is not used: contacts are kept in memory")
    if wishes.cachedb_url and mode.cluster != FEDERATION_CACHEDB:
        remarks.append(f'cachedb_url is not used with cluster_mode "{mode.cluster}"')
    if not mode.has_cluster and (wishes.ha_cluster or wishes.ha_shtag):
        remarks.append(f'ha_cluster and ha_shtag are not used with cluster_mode "{mode.cluster}"')
    return mode, remarks


def pinging_of(wishes: Wishes) -> tuple[str, list[str]]:
    """pinging_mode, or 2.4's shared_pinging. Other modes than full sharing have no choice, as in OpenSIPS."""
    asked = known("pinging_mode", wishes.pinging, PINGING)
    if asked is None and wishes.shared_pinging:
        asked = "cooperation"
    if asked == "cooperation":
        return "ownership", ['pinging_mode "cooperation" is for full sharing only: who has a contact pings it']
    return "ownership", []


def known(name: str, value: str | None, values: "dict[str, tuple[str, str, str]] | tuple[str, ...]") -> str | None:
    """A word in small letters; raises ModuleError for one that OpenSIPS does not know either."""
    if value is None:
        return None
    word = value.lower()
    if word not in values:
        raise ModuleError(f'{name} "{value}" is none of: {", ".join(values)}')
    return word


def spelling(wishes: Wishes, name: str, value: str) -> str:
    """How the script asked for it."""
    if wishes.preset is not None:
        return f'working_mode_preset "{wishes.preset}"'
    if wishes.cluster_mode is not None or wishes.db_mode == -1:
        return f'{name} "{value}"'
    return f"db_mode {wishes.db_mode}"
