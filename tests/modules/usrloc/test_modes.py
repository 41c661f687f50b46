"""How contacts are kept: what the parameters mean together, and what is refused or set right."""

from typing import Any

import pytest

from pysips.errors import ModuleError
from pysips.modules.usrloc.modes import Mode, Wishes, settle

STORE = "cassandra:g1://10.0.0.1:9042/opensips.userlocation"
SQL = "mysql://u:p@h/opensips"


@pytest.mark.parametrize(
    ("wishes", "mode"),
    [
        (Wishes(), Mode()),
        (Wishes("Single-Instance-NO-DB"), Mode()),
        (Wishes(db_mode=0, pinging="ownership"), Mode()),
        (Wishes(cluster_mode="none", restart="none", sql_write="none"), Mode()),
        (
            Wishes("single-instance-sql-write-through", db_url=SQL),
            Mode(restart="load-from-sql", sql_write="write-through", db_url=SQL),
        ),
        (Wishes(db_mode=1, db_url=SQL), Mode(restart="load-from-sql", sql_write="write-through", db_url=SQL)),
        (Wishes(db_mode=2, db_url=SQL), Mode(restart="load-from-sql", sql_write="write-back", db_url=SQL)),
        (Wishes(db_mode=3, db_url=SQL), Mode("sql-only", db_url=SQL)),
        (Wishes("sql-only", db_url=""), Mode("sql-only")),  # "" is the server's default database
        (
            Wishes(restart="load-from-sql"),
            Mode(restart="load-from-sql", sql_write="write-back", embedded=True),
        ),
        (
            Wishes("single-instance-sql-write-through"),
            Mode(restart="load-from-sql", sql_write="write-through", embedded=True),
        ),
        (
            Wishes("federation-cachedb-cluster", location_cluster=1, cachedb_url=STORE),
            Mode("federation-cachedb", "sync-from-cluster", location_cluster=1, cachedb_url=STORE),
        ),
        (
            Wishes("federation-cluster", location_cluster=2, ha_cluster=2, ha_shtag="vip"),
            Mode("federation", "sync-from-cluster", location_cluster=2, ha_cluster=2, ha_shtag="vip"),
        ),
        (
            Wishes(
                cluster_mode="federation-cachedb", restart="load-from-sql", sql_write="write-through",
                location_cluster=1, cachedb_url=STORE, db_url=SQL,
            ),
            Mode("federation-cachedb", "load-from-sql", "write-through", 1, STORE, SQL),
        ),
    ],
)  # fmt: skip
def test_what_the_parameters_mean(wishes: Wishes, mode: Mode) -> None:
    assert settle(wishes) == mode


@pytest.mark.parametrize(
    ("wishes", "remark", "facts"),
    [
        (Wishes(sql_write="write-back", db_url=SQL), "sql_write_mode write-back is not used", {"sql_write": "none"}),
        (Wishes(restart="load-from-sql", db_url=SQL), "write-back is used", {"sql_write": "write-back"}),
        (Wishes("single-instance-no-db", db_mode=2), "db_mode 2 is not used", {"sql_write": "none"}),
        (
            Wishes("single-instance-no-db", cluster_mode="sql-only"),
            'cluster_mode "sql-only" is not',
            {"cluster": "none"},
        ),
        (Wishes(db_url=SQL), "db_url is not used", {"db_url": ""}),
        (Wishes(cachedb_url=STORE), "cachedb_url is not used", {"cachedb_url": ""}),
        (Wishes(ha_shtag="vip"), "ha_shtag are not used", {"ha_shtag": ""}),
        (Wishes(pinging="cooperation"), "full sharing only", {"pinging": "ownership"}),
        (Wishes(shared_pinging=1), "full sharing only", {"pinging": "ownership"}),
    ],
)
def test_what_is_set_right(wishes: Wishes, remark: str, facts: dict[str, Any]) -> None:
    mode = settle(wishes)
    assert remark in "; ".join(mode.remarks)
    assert {name: getattr(mode, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (Wishes("full-sharing-cluster"), 'preset "full-sharing-cluster" comes with a later release'),
        (Wishes("full-sharing-cachedb-cluster"), "comes with a later release"),
        (Wishes(cluster_mode="full-sharing"), 'cluster_mode "full-sharing" comes with a later release'),
        (Wishes(preset="single-instance"), 'working_mode_preset "single-instance" is none of: single-instance-no-db'),
        (Wishes(db_mode=7), "db_mode 7 does not exist"),
        (Wishes(db_mode=3), "db_mode 3 needs db_url"),
        (Wishes("sql-only"), 'working_mode_preset "sql-only" needs db_url'),
        (Wishes(sql_write="sometimes"), "is none of: none, write-through, write-back"),
        (Wishes(restart="sync-from-cluster"), 'restart_persistency "sync-from-cluster" needs a cluster'),
        (Wishes(location_cluster=1), "location_cluster needs a cluster"),
        (Wishes("federation-cluster"), "needs location_cluster"),
        (Wishes("federation-cachedb-cluster", cachedb_url=STORE), "needs location_cluster"),
        (Wishes("federation-cachedb-cluster", location_cluster=1), "needs cachedb_url"),
        (
            Wishes("federation-cachedb-cluster", location_cluster=1, cachedb_url=STORE, use_domain=False),
            "needs use_domain 1",
        ),
        (Wishes(pinging="both"), "is none of: ownership, cooperation"),
    ],
)
def test_what_cannot_be_is_refused(wishes: Wishes, sentence: str) -> None:
    with pytest.raises(ModuleError, match=sentence):
        settle(wishes)
