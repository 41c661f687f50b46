import pytest

from pysips.core.sqldb import Database
from pysips.core.sqlversions import require
from pysips.errors import ModuleError
from pysips.runtime.offload import driven
from pysips.testing.sql import FakeSql
from pysips.testing.story import Story


class Rig:
    def __init__(self) -> None:
        self.story = Story("route { exit; }", "db_mysql")
        self.database: Database = self.story.program.databases.open("mysql://u:hidden@h/d")
        self.sql = FakeSql("location").serve(self.story.program)

    def require(self, table: str, *versions: int) -> str:
        """The complaint, "" if there is none."""
        promise = driven(require(self.database, table, *versions))
        assert promise.done
        if promise.failure is None:
            return ""
        assert isinstance(promise.failure, ModuleError)
        return str(promise.failure)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_table_of_the_wanted_version_is_fine(rig: Rig) -> None:
    assert rig.require("location", 1013) == ""
    assert rig.require("location", 1012, 1013) == ""


@pytest.mark.parametrize(
    ("table", "version", "cure"),
    [
        ("location", 1014, "has version 1013, wanted is 1014: pysips db migrate --url URL location"),
        ("location", 1006, "has version 1013, wanted is 1006: it is of a newer PySIPS"),
        ("clusterer", 4, 'says nothing of "clusterer": pysips db create --url URL clusterer'),
    ],
)
def test_another_version_is_refused_with_the_cure(rig: Rig, table: str, version: int, cure: str) -> None:
    assert rig.require(table, version).endswith(cure)


def test_a_database_without_the_table_of_versions_is_refused_with_the_cure(rig: Rig) -> None:
    rig.database.version_table = "nothing"
    assert rig.require("location", 1013).endswith("pysips db create --url URL location")


def test_a_server_that_is_down_is_asked_when_it_is_back(rig: Rig) -> None:
    rig.sql.is_down = True
    assert rig.require("location", 1014) == ""
    rig.sql.is_down = False
    rig.story.after(1.1)
    assert sum("wanted is 1014" in line for line in rig.story.lines) == 1
    rig.sql.is_down = True
    driven(rig.database.select("location", ["username"]))
    rig.sql.is_down = False
    rig.story.after(2.1)
    assert rig.database.is_up
    assert sum("wanted is 1014" in line for line in rig.story.lines) == 1
