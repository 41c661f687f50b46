"""How contacts are kept: what this release has, and what it says of the rest."""

import pytest

from pysips.errors import ModuleError
from pysips.modules.usrloc.modes import Wishes, check


def test_in_memory() -> None:
    check(Wishes())
    check(Wishes("single-instance-no-db"))
    check(Wishes("Single-Instance-NO-DB", db_mode=2))
    check(Wishes(db_mode=0, pinging="ownership"))
    check(Wishes(cluster_mode="none", restart="none", sql_write="none"))


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (Wishes(preset="sql-only"), 'working_mode_preset "sql-only" needs SQL, which comes with a later release'),
        (Wishes(preset="full-sharing-cluster"), "needs a cluster, which comes with a later release"),
        (Wishes(preset="single-instance"), 'working_mode_preset "single-instance" is none of: single-instance-no-db'),
        (Wishes(db_mode=1), r"db_mode 1 \(write-through\) needs SQL"),
        (Wishes(db_mode=3), r"db_mode 3 \(sql-only\) needs SQL"),
        (Wishes(db_mode=7), "db_mode 7 does not exist"),
        (Wishes(cluster_mode="federation-cachedb"), 'cluster_mode "federation-cachedb" needs a cluster'),
        (Wishes(restart="load-from-sql"), 'restart_persistency "load-from-sql" needs SQL'),
        (Wishes(sql_write="write-back"), 'sql_write_mode "write-back"'),
        (Wishes(sql_write="sometimes"), "is none of: none, write-through, write-back"),
        (Wishes(location_cluster=1), "location_cluster needs a cluster"),
        (Wishes(cachedb_url="redis:g://h"), "cachedb_url needs a cluster"),
        (Wishes(ha_shtag="vip"), "ha_shtag needs a cluster"),
        (Wishes(pinging="cooperation"), 'pinging_mode "cooperation" needs a cluster'),
        (Wishes(pinging="both"), "is none of: ownership, cooperation"),
    ],
)
def test_what_comes_later_is_refused(wishes: Wishes, sentence: str) -> None:
    with pytest.raises(ModuleError, match=sentence):
        check(wishes)
