"""How contacts are kept (OpenSIPS usrloc manual, `working_mode_preset`, `cluster_mode` and their kin).

This release keeps them in memory that all processes share. What asks for a database or a cluster is refused by
name, for a server that forgets contacts which it was told to keep would be worse than none.
"""

from dataclasses import dataclass

from pysips.errors import ModuleError

HERE = "single-instance-no-db"
PRESETS = (
    HERE, "single-instance-sql-write-through", "single-instance-sql-write-back", "federation-cluster",
    "federation-cachedb-cluster", "full-sharing-cluster", "full-sharing-cachedb-cluster", "sql-only",
)  # fmt: skip
CLUSTER_MODES = ("none", "federation", "federation-cachedb", "full-sharing", "full-sharing-cachedb", "sql-only")
RESTART = ("none", "load-from-sql", "sync-from-cluster")
SQL_WRITES = ("none", "write-through", "write-back")
PINGING = ("ownership", "cooperation")
DB_MODES = {1: "write-through", 2: "write-back", 3: "sql-only"}


@dataclass(frozen=True)
class Wishes:
    """What the script says of how contacts shall be kept."""

    preset: str | None = None
    db_mode: int = -1
    cluster_mode: str | None = None
    restart: str | None = None
    sql_write: str | None = None
    cachedb_url: str | None = None
    location_cluster: int = 0
    ha_cluster: int = 0
    ha_shtag: str | None = None
    pinging: str | None = None


def check(wishes: Wishes) -> None:
    """Refuse what is misspelt and what this release does not have; raises ModuleError."""
    check_storage(wishes)
    check_cluster(wishes)


def check_storage(wishes: Wishes) -> None:
    """Where contacts are kept."""
    preset, db_mode = wishes.preset, wishes.db_mode
    known("working_mode_preset", preset, PRESETS)
    if preset is not None:
        refuse("working_mode_preset", preset, HERE)
        return
    if db_mode not in (-1, 0):
        words = DB_MODES.get(db_mode)
        if words is None:
            raise ModuleError(f"db_mode {db_mode} does not exist: use 0")
        raise ModuleError(f"db_mode {db_mode} ({words}) needs SQL, which comes with a later release: use 0")
    for name, value, values in (
        ("cluster_mode", wishes.cluster_mode, CLUSTER_MODES),
        ("restart_persistency", wishes.restart, RESTART),
        ("sql_write_mode", wishes.sql_write, SQL_WRITES),
    ):
        known(name, value, values)
        if value is not None:
            refuse(name, value, "none")


def check_cluster(wishes: Wishes) -> None:
    """Which other nodes know of them."""
    for name, value in (
        ("location_cluster", wishes.location_cluster),
        ("cachedb_url", wishes.cachedb_url),
        ("ha_cluster", wishes.ha_cluster),
        ("ha_shtag", wishes.ha_shtag),
    ):
        if value:
            raise ModuleError(f"{name} needs a cluster, which comes with a later release: take it out")
    known("pinging_mode", wishes.pinging, PINGING)
    if wishes.pinging is not None:
        refuse("pinging_mode", wishes.pinging, "ownership")


def known(name: str, value: str | None, values: tuple[str, ...]) -> None:
    """Refuse a word that OpenSIPS does not know either."""
    if value is not None and value.lower() not in values:
        raise ModuleError(f'{name} "{value}" is none of: {", ".join(values)}')


def refuse(name: str, value: str, here: str) -> None:
    """Refuse all but the one that is here."""
    if value.lower() != here:
        what = "SQL" if "sql" in value.lower() else "a cluster"
        raise ModuleError(f'{name} "{value}" needs {what}, which comes with a later release: use "{here}"')
