"""How operations wait, fail and come back; what the servers do is in tests/modules/test_databases.py."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from pysips.core import sqldb
from pysips.core.program import Program
from pysips.core.services import Offload, Promise
from pysips.core.sqldb import Database, NoDatabase, SqlError
from pysips.core.sqlurl import BadUrl
from pysips.core.sqlwork import Attempt, Engine, Ping, Query, Select, Work
from pysips.runtime.offload import driven
from pysips.testing.fakes import FakeClock, FakeOffload
from pysips.testing.sql import FakeSql
from pysips.testing.story import HEAD, Story

URL = "mysql://u:hidden@h/d"


class Slow(Offload):
    """Threads whose work is done when the test says so."""

    def __init__(self) -> None:
        self.begun: list[tuple[Work, Attempt, Promise]] = []
        self.rounds: list[Promise] = []

    def run(self, work: Callable[..., Any], *arguments: Any) -> Promise:
        promise = Promise()
        self.begun.append((arguments[0], arguments[1], promise))
        return promise

    def spawn(self, work: Awaitable[Any]) -> Promise:
        assert isinstance(work, Coroutine)
        work.close()
        self.rounds.append(Promise())
        return self.rounds[-1]


class Rig:
    def __init__(self, script: str = "") -> None:
        self.story = Story(script + "route { exit; }", "db_mysql")
        self.program: Program = self.story.program
        self.clock: FakeClock = self.story.clock
        self.threads = Slow()
        self.program.services.offload = self.threads
        self.database: Database = self.program.databases.open(URL)

    def ask(self, number: int = 1) -> Promise:
        return self.database.call(Query(f"SELECT {number}"))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def failure(promise: Promise) -> SqlError:
    assert promise.done and isinstance(promise.failure, SqlError)
    assert "hidden" not in str(promise.failure)
    return promise.failure


def test_equal_urls_share_a_database(rig: Rig) -> None:
    databases = rig.program.databases
    assert databases.open(URL) is rig.database
    assert databases.open(URL + "2") is not rig.database
    assert databases.serves(URL) and not databases.serves("sqlite:///a") and not databases.serves("nonsense")


def test_a_scheme_without_its_module_names_the_module(rig: Rig) -> None:
    with pytest.raises(NoDatabase, match=r'loadmodule "db_postgres\.so"'):
        rig.program.databases.open("postgres://u:hidden@h/d")
    with pytest.raises(BadUrl):
        rig.program.databases.open("mysql:h")


def test_no_url_means_the_default_for_all_modules() -> None:
    with pytest.raises(NoDatabase, match="db_default_url"):
        Rig().program.databases.open("")
    rig = Rig(f'db_default_url="{URL}"\ndb_version_table="versions"\ndb_max_async_connections=3\n')
    assert rig.program.databases.open("") is rig.database
    assert (rig.database.width, rig.database.version_table, rig.database.limit) == (3, "versions", 1.0)
    assert rig.program.databases.open(URL + "?timeout=0.2&pool=7").width == 7


def test_the_modules_time_limit_is_for_urls_without_one() -> None:
    rig = Rig('modparam("db_mysql", "timeout_interval", 4)\n')
    assert rig.database.limit == 4.0
    assert rig.program.databases.open(URL + "?timeout=0.2").limit == 0.2


def test_as_many_operations_at_a_time_as_there_are_connections(rig: Rig) -> None:
    asked = [rig.ask(number) for number in range(12)]
    assert len(rig.threads.begun) == 10
    rig.threads.begun[3][2].complete([(3,)])
    assert asked[3].value == [(3,)] and len(rig.threads.begun) == 11
    assert rig.threads.begun[10][0] == Query("SELECT 10"), "the first that waited"


def test_no_more_than_so_many_wait(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqldb, "MOST_WAITING", 2)
    asked = [rig.ask() for _ in range(13)]
    assert failure(asked[12]).is_down and not asked[11].done and rig.database.is_up


def test_what_takes_too_long_fails_in_time_and_opens_the_circuit(rig: Rig) -> None:
    asked = [rig.ask() for _ in range(12)]
    rig.clock.advance(0.9)
    assert not any(promise.done for promise in asked)
    rig.clock.advance(0.2)
    assert all(failure(promise).is_down for promise in asked)
    assert len(rig.threads.begun) == 10, "those that waited were never begun"
    assert all(attempt.given_up for _, attempt, _ in rig.threads.begun)
    assert failure(rig.ask()).is_down and not rig.database.is_up
    assert len(rig.threads.begun) == 10
    assert sum("is down" in line for line in rig.story.lines) == 1


def test_many_who_wait_are_turned_away_some_at_a_time(rig: Rig) -> None:
    asked = [rig.ask() for _ in range(35)]
    rig.threads.begun[0][2].fail(SqlError("connection refused", is_down=True))
    for known, promise in ((11, 0), (21, 1)):
        assert sum(one.done for one in asked) == known
        rig.threads.rounds[promise].complete()
    assert all(failure(one).is_down for one in asked[10:]) and len(rig.threads.rounds) == 2
    assert not any(one.done for one in asked[1:10]), "they are under way"


def test_a_server_that_answers_others_is_busy_and_not_down(rig: Rig) -> None:
    slow = rig.ask()
    rig.clock.advance(0.5)
    rig.ask()
    rig.threads.begun[1][2].complete([])
    rig.clock.advance(0.6)
    assert failure(slow).is_down
    assert rig.database.is_up


def test_an_answer_that_comes_too_late_frees_its_connection_and_changes_nothing(rig: Rig) -> None:
    late = rig.ask()
    rig.clock.advance(1.1)
    assert rig.database.busy == 1
    rig.threads.begun[0][2].complete([(1,)])
    assert failure(late).is_down and rig.database.busy == 0 and not rig.database.is_up


def test_one_probe_a_second_finds_the_server_back_and_tells_each_time(rig: Rig) -> None:
    told: list[int] = []
    rig.database.when_back(lambda: told.append(1))
    for times in (1, 2):
        rig.ask()
        rig.threads.begun[-1][2].fail(SqlError("connection refused", is_down=True))
        begun = len(rig.threads.begun)
        rig.clock.advance(0.9)
        assert len(rig.threads.begun) == begun
        rig.clock.advance(0.2)
        assert len(rig.threads.begun) == begun + 1 and isinstance(rig.threads.begun[-1][0], Ping)
        rig.threads.begun[-1][2].fail(SqlError("connection refused", is_down=True))
        rig.clock.advance(1.1)
        assert len(rig.threads.begun) == begun + 2 and not rig.database.is_up
        rig.threads.begun[-1][2].complete(None)
        assert rig.database.is_up and len(told) == times
        rig.clock.advance(10)
        assert len(rig.threads.begun) == begun + 2, "nobody asks a server that is there"


def test_a_probe_that_hangs_is_the_only_one(rig: Rig) -> None:
    rig.ask()
    rig.threads.begun[0][2].fail(SqlError("connection refused", is_down=True))
    rig.clock.advance(10)
    assert len(rig.threads.begun) == 2 and rig.threads.begun[1][1].given_up
    rig.threads.begun[1][2].fail(OSError("cut"))
    rig.clock.advance(1.1)
    assert len(rig.threads.begun) == 3


def test_nobody_probes_a_database_that_was_closed_and_a_late_question_is_still_asked(rig: Rig) -> None:
    rig.ask()
    rig.threads.begun[0][2].fail(SqlError("connection refused", is_down=True))
    closing(rig)
    rig.clock.advance(10)
    assert len(rig.threads.begun) == 1
    other = rig.program.databases.open(URL + "2")
    closing(rig)
    other.call(Query("SELECT 1"))
    assert len(rig.threads.begun) == 2


def closing(rig: Rig) -> None:
    rig.program.services.offload = FakeOffload()
    assert driven(rig.program.databases.close("mysql")).failure is None
    rig.program.services.offload = rig.threads


def test_a_mistake_fails_alone(rig: Rig) -> None:
    asked = rig.ask()
    rig.threads.begun[0][2].fail(SqlError("no such table"))
    assert not failure(asked).is_down and rig.database.is_up
    asked = rig.ask()
    rig.threads.begun[1][2].fail(ValueError("of some driver"))
    assert "ValueError" in str(failure(asked)) and rig.database.is_up


def test_db_mysql_raises_its_event_when_a_server_goes_and_comes() -> None:
    rig = Rig('event_route[E_MYSQL_CONNECTION] { xlog("$param(url) is $param(status)"); }\n')
    rig.ask()
    rig.threads.begun[0][2].fail(SqlError("connection refused", is_down=True))
    rig.clock.advance(1.1)
    rig.threads.begun[1][2].complete(None)
    heard = [line.strip() for line in rig.story.lines if " is " in line and "asked again" not in line]
    assert heard == ["mysql://u@h/d is disconnected", "mysql://u@h/d is connected"]


def test_an_engine_of_ones_own_is_asked_in_threads() -> None:
    class Own(Engine):
        def perform(self, work: Work, attempt: Attempt) -> Any:
            return [(1,)] if isinstance(work, Select) else None

    story = Story("route { exit; }", "db_mysql")
    database = story.program.databases.open(URL)
    database.engine = Own()
    assert driven(database.select("t", ["a"])).value == [(1,)]


# -- the fake for modules' tests


def run(work: Coroutine[Promise, None, Any]) -> Any:
    promise = driven(work)
    assert promise.done
    if promise.failure is not None:
        raise promise.failure
    return promise.value


def test_the_fake_keeps_rows_goes_down_and_comes_back() -> None:
    story = Story("route { exit; }", "db_mysql", HEAD)
    database = story.program.databases.open(URL)
    sql = FakeSql("clusterer")
    sql.serve(story.program)
    sql.add("clusterer", cluster_id=1, node_id=2, url="bin:10.0.0.2:5566")
    assert run(database.version("clusterer")) == 4
    run(database.update("clusterer", [("node_id", "=", 2)], {"state": 0}))
    assert sql.rows("clusterer", "node_id", "state", "priority") == [(2, 0, 50)]
    back: list[int] = []
    database.when_back(lambda: back.append(1))
    sql.is_down = True
    with pytest.raises(SqlError):
        run(database.select("clusterer", ["url"]))
    sql.is_down = False
    story.after(1.1)
    assert back == [1]
    assert run(database.select("clusterer", ["url"])) == [("bin:10.0.0.2:5566",)]
    assert len(sql.asked) == 4
