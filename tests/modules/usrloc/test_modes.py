"""How contacts are kept: what this release has, and what it says of the rest."""

import pytest

from pysips.errors import ModuleError
from pysips.modules.usrloc.modes import check, check_pinging


def checked(
    preset: str | None = None, db_mode: int = -1, cluster_mode: str | None = None, restart: str | None = None,
    sql_write: str | None = None, cluster: int = 0,
) -> None:  # fmt: skip
    check(preset, db_mode, cluster_mode, restart, sql_write, cluster)


def test_in_memory() -> None:
    checked()
    checked("single-instance-no-db")
    checked("Single-Instance-NO-DB", db_mode=2)
    checked(db_mode=0)
    checked(cluster_mode="none", restart="none", sql_write="none")
    check_pinging(None)
    check_pinging("ownership")


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"preset": "sql-only"}, 'working_mode_preset "sql-only" needs SQL, which comes with a later release'),
        ({"preset": "full-sharing-cluster"}, "needs a cluster, which comes with a later release"),
        ({"preset": "single-instance"}, 'working_mode_preset "single-instance" is none of: single-instance-no-db'),
        ({"db_mode": 1}, r"db_mode 1 \(write-through\) needs SQL"),
        ({"db_mode": 3}, r"db_mode 3 \(sql-only\) needs SQL"),
        ({"db_mode": 7}, "db_mode 7 does not exist"),
        ({"cluster_mode": "federation-cachedb"}, 'cluster_mode "federation-cachedb" needs a cluster'),
        ({"restart": "load-from-sql"}, 'restart_persistency "load-from-sql" needs SQL'),
        ({"sql_write": "write-back"}, 'sql_write_mode "write-back"'),
        ({"sql_write": "sometimes"}, "is none of: none, write-through, write-back"),
        ({"cluster": 1}, "location_cluster needs a cluster"),
    ],
)
def test_what_comes_later_is_refused(wanted: dict[str, object], sentence: str) -> None:
    with pytest.raises(ModuleError, match=sentence):
        checked(**wanted)  # type: ignore[arg-type]


def test_shared_pinging_needs_a_cluster() -> None:
    with pytest.raises(ModuleError, match="needs a cluster"):
        check_pinging("cooperation")
