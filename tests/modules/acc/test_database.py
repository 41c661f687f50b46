"""Accounting in a database: what the rows say, and what becomes of them while it is away. `FakeSql` is SQLite."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pysips.core.log import log
from pysips.core.sqlwork import Attempt, Batch, Insert, Query, SqlError
from pysips.errors import ConfigError, ModuleError
from pysips.modules.acc.database import FEWEST, LAST_SECONDS, RowWriter
from pysips.testing.fakes import EPOCH
from pysips.testing.messages import invite
from pysips.testing.sql import FakeSql
from pysips.testing.story import HEAD, Story

MODULES = "sl tm rr db_sqlite acc"
URL = 'modparam("acc", "db_url", "sqlite:///x")\n'
RELAY = '$du = "sip:10.0.0.2"; t_relay();'
FACTS = ("callid", "method", "from_tag", "to_tag", "sip_code", "sip_reason")


class Rig:
    """A server with an empty database, Alice who calls, and Bob who answers."""

    def __init__(self, account: str, top: str = "", sql: FakeSql | None = None, after: str = RELAY) -> None:
        log.held.clear()  # lines that come once a minute
        self.sql = sql or FakeSql("acc", "missed_calls")
        self.story = Story(f"{URL}{top}route {{ {account} {after} }}", MODULES, HEAD, lambda one: self.sql.serve(one))
        self.alice, self.bob = self.story.party("10.0.0.1"), self.story.party("10.0.0.2")

    def call(self, *answers: int, call: str = "call-1", wait: float = 0.0) -> "Rig":
        self.alice.said(invite(call_id=call, branch=f"z9hG4bK-{call}"))
        self.story.after(wait)
        asked = self.bob.heard("INVITE")
        for status in answers:
            self.bob.answered(asked, status)
        return self

    def rows(self, table: str = "acc", *columns: str) -> list[tuple[Any, ...]]:
        """What the table holds a second later."""
        self.story.after(1)
        return self.sql.rows(table, *(columns or FACTS))

    def calls(self) -> list[Any]:
        return [row[0] for row in self.sql.rows("acc", "callid")]

    def said(self, words: str) -> list[str]:
        return [line for line in self.story.lines if words in line]

    @property
    def writer(self) -> RowWriter:
        module: Any = self.story.program.registry.loaded["acc"]
        assert isinstance(module.writer, RowWriter)
        return module.writer


@pytest.fixture
def ended() -> Callable[[Rig], None]:
    """The process of a rig ends: its modules stop, in the time there is."""

    def end(rig: Rig) -> None:
        module = rig.story.program.registry.loaded["acc"]
        stop = module.stop()
        try:
            stop.send(None)
        except StopIteration:
            return
        rig.story.after(LAST_SECONDS)
        with pytest.raises(StopIteration):
            stop.send(None)

    return end


def local(seconds: float) -> str:
    return datetime.fromtimestamp(int(EPOCH + seconds)).isoformat(" ")


def test_an_answered_call_is_a_row_of_opensips_table() -> None:
    rig = Rig('do_accounting("db");').call(180, 200, wait=3)
    assert rig.rows() == [("call-1", "INVITE", "a", "b", "200", "OK")]
    times = rig.rows("acc", "time", "created", "setuptime", "duration", "ms_duration")
    assert times == [(local(1003), local(1000), 3, 0, 0)]
    assert rig.rows("missed_calls") == []


def test_a_missed_call_goes_to_its_own_table_and_a_failure_to_the_usual_one() -> None:
    rig = Rig('do_accounting("db", "missed");').call(486)
    assert (rig.rows(), rig.rows("missed_calls")) == ([], [("call-1", "INVITE", "a", "b", "486", "Busy Here")])
    rig = Rig('do_accounting("db", "failed");').call(486)
    assert (len(rig.rows()), rig.rows("missed_calls")) == (1, [])


def test_accounting_is_dropped_for_the_database_alone() -> None:
    rig = Rig('do_accounting("db|log"); drop_accounting("db");').call(200)
    assert (rig.rows(), len(rig.said("ACC: transaction answered"))) == ([], 1)


def test_tables_and_columns_have_the_names_that_the_script_gives_them() -> None:
    sql = FakeSql("acc", "missed_calls")
    columns = ["how", "caller", "callee", "id", "code", "why", "at"]
    for table in ("answered", "gone"):
        sql.perform(Query(f"CREATE TABLE {table} ({', '.join(columns)}, setuptime, created, duration, ms_duration)"),
                    Attempt())  # fmt: skip
    sql.add("version", table_name="answered", table_version=7)
    names = ("method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time")
    top = "".join(f'modparam("acc", "acc_{n}_column", "{c}")\n' for n, c in zip(names, columns, strict=True))
    top += 'modparam("acc", "db_table_acc", "answered")\nmodparam("acc", "db_table_missed_calls", "gone")\n'
    rig = Rig('do_accounting("db", "missed");', top, sql).call(200)
    rig.call(404, call="call-2")
    assert rig.rows("answered", *columns) == [("INVITE", "a", "b", "call-1", "200", "OK", local(1000))]
    assert rig.rows("gone", "id", "code", "duration") == [("call-2", "404", None)]


def test_the_script_names_a_table_for_answers_and_one_for_a_row_at_once() -> None:
    sql = FakeSql("acc", "missed_calls")
    sql.perform(Query("CREATE TABLE mine AS SELECT * FROM acc"), Attempt())
    rig = Rig('do_accounting("db", "missed", "mine"); acc_db_request("403 Not you", "acc");', sql=sql).call(200)
    assert rig.rows("mine", "callid", "sip_code") == [("call-1", "200")]
    assert rig.rows("acc", "sip_code", "sip_reason", "setuptime") == [("403", "Not you", 0)]


def test_a_row_at_once_without_a_call_has_no_times_and_none_of_the_scripts_values() -> None:
    rig = Rig('acc_db_request("just words", "missed_calls");', after="exit;")
    rig.alice.said(invite())
    assert rig.rows("missed_calls", "sip_code", "sip_reason", "created") == [("", "just words", None)]
    rig = Rig('$var(t) = ""; acc_db_request("404 No", $var(t));', after="exit;")
    rig.alice.said(invite())
    assert rig.said("no table is named")


def test_the_scripts_own_values_are_columns_and_each_leg_is_a_row() -> None:
    sql = FakeSql("acc", "missed_calls")
    for column in ("caller", "what", "leg"):
        sql.perform(Query(f"ALTER TABLE acc ADD COLUMN {column}"), Attempt())
    top = 'modparam("acc", "extra_fields", "db: who->caller; what")\nmodparam("acc", "leg_fields", "db: l->leg")\n'
    account = 'do_accounting("db"); $acc_extra(who) = "alice"; $acc_leg(l) = "one"; acc_new_leg(); $acc_leg(l) = 2;'
    rig = Rig(account, top, sql).call(200)
    assert rig.rows("acc", "leg", "caller", "what") == [("2", "alice", ""), ("one", "alice", "")]


def test_old_scripts_ask_by_flags_and_formats() -> None:
    sql = FakeSql("acc", "missed_calls")
    sql.perform(Query("ALTER TABLE acc ADD COLUMN uri"), Attempt())
    sql.perform(Query("ALTER TABLE missed_calls ADD COLUMN uri"), Attempt())
    top = (
        'modparam("acc", "db_flag", "ACC")\nmodparam("acc", "db_missed_flag", "MISSED")\n'
        'modparam("acc", "db_extra", "uri=$ru")\nmodparam("acc", "log_extra", "uri=$fu")\n'
    )
    rig = Rig("setflag(ACC); setflag(MISSED);", top, sql).call(200)
    rig.call(486, call="call-2")
    assert rig.rows("acc", "callid", "uri") == [("call-1", "sip:bob@example.com")]
    assert rig.rows("missed_calls", "callid", "uri") == [("call-2", "sip:bob@example.com")]


@pytest.mark.parametrize(
    ("top", "route", "why"),
    [
        ("", 'do_accounting("db");', "no database is named: set db_url"),
        ("", 'acc_db_request("x", "acc");', "no database is named: set db_url"),
        ('modparam("acc", "db_flag", "A")\n', "exit;", "no database is named: set db_url"),
        ('modparam("acc", "db_url", "mysql://x/y")\n', "exit;", 'loadmodule "db_mysql.so"'),
        ('modparam("acc", "acc_callid_column", " ")\n', "exit;", "the column of callid needs a name"),
        ('modparam("acc", "db_extra", "nonsense")\n', "exit;", "is no"),
    ],
)
def test_a_database_that_cannot_be_is_said_at_load(top: str, route: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Story(f"{top}route {{ {route} }}", MODULES)
    assert why in refused.value.complaints[0].message


def test_a_table_of_another_version_stops_the_start() -> None:
    sql = FakeSql("acc")
    sql.perform(Query("UPDATE version SET table_version = 6 WHERE table_name = 'acc'"), Attempt())
    with pytest.raises(ModuleError, match="has version 6, wanted is 7"):
        Rig('do_accounting("db");', sql=sql)


# -- a database that is away


def test_rows_of_a_moment_are_one_transaction() -> None:
    rig = Rig('do_accounting("db");')
    for number in range(20):
        rig.call(200, call=f"call-{number}")
    assert len(rig.rows()) == 20
    assert sum(isinstance(one, Batch) for one in rig.sql.asked) == 1


def test_a_database_that_is_away_loses_nothing_and_is_told_of_once() -> None:
    rig = Rig('do_accounting("db");')
    rig.sql.is_down = True
    for number in range(300):
        rig.call(200, call=f"call-{number:03}")
        rig.story.after(0.1)
    assert rig.calls() == []
    assert len(rig.said("rows of accounting wait for the database, at most 50000: ")) == 1
    rig.sql.is_down = False
    rig.story.after(3)
    assert sorted(rig.calls()) == [f"call-{number:03}" for number in range(300)]
    assert len(rig.said("all rows of accounting are in ")) == 1


def test_a_database_that_is_away_again_is_told_of_again() -> None:
    rig = Rig('do_accounting("db");')
    for number in range(2):
        rig.sql.is_down = True
        rig.call(200, call=f"call-{number}")
        rig.story.after(2)
        rig.sql.is_down = False
        rig.story.after(3)
    assert (len(rig.calls()), len(rig.said("rows of accounting wait"))) == (2, 2)


def test_beyond_the_bound_rows_are_lines_of_the_log() -> None:
    rig = Rig('do_accounting("db");', 'modparam("acc", "db_max_waiting", 3)\n')
    rig.sql.is_down = True
    for number in range(5):
        rig.call(200, call=f"call-{number}")
    assert len(rig.said("3 rows wait for the database: more go to the log")) == 1
    assert [line.partition("callid=")[2][:6] for line in rig.said("ACC: row of acc: ")] == ["call-3", "call-4"]
    rig.sql.is_down = False
    rig.story.after(5)
    assert sorted(rig.calls()) == ["call-0", "call-1", "call-2"]


class Deaf(FakeSql):
    """Does its work, or not, and is not heard: as when the time is over before its answer comes."""

    def __init__(self) -> None:
        super().__init__("acc", "missed_calls")
        self.deaf = ""

    def perform(self, work: Any, attempt: Attempt) -> Any:
        if isinstance(work, Batch) and self.deaf:
            if self.deaf == "after":
                super().perform(work, attempt)
            self.deaf = ""
            raise SqlError("no answer in time", is_down=True)
        return super().perform(work, attempt)


@pytest.mark.parametrize("deaf", ["before", "after"])
def test_a_transaction_that_was_not_answered_is_not_done_twice(deaf: str) -> None:
    sql = Deaf()
    rig = Rig('do_accounting("db");', sql=sql)
    rig.sql.perform(Insert("acc", {"callid": "call-0", "time": "2026-01-01 00:00:00"}), Attempt())
    sql.deaf = deaf
    for number in range(8):
        rig.call(200, call=f"call-{number}")
    rig.call(200, call="call-8")
    rig.story.after(5)
    assert sorted(rig.calls()) == ["call-0", "call-0", *(f"call-{number}" for number in range(1, 9))]


def test_a_slow_database_gets_fewer_rows_at_once() -> None:
    rig = Rig('do_accounting("db");')
    rig.writer.most = 8
    rig.sql.is_down = True
    rig.call(200)
    rig.story.after(0.2)
    assert rig.writer.most == FEWEST


class Strict(FakeSql):
    """Refuses what does not fit, as MySQL in its strict mode; "hopeless" in every way."""

    def __init__(self) -> None:
        super().__init__("acc", "missed_calls")

    def perform(self, work: Any, attempt: Attempt) -> Any:
        for one in work.operations if isinstance(work, Batch) else ():
            assert isinstance(one, Insert)
            call, reason = str(one.row["callid"]), str(one.row["sip_reason"])
            if len(call) > 64 or not reason.isascii() or call.startswith("hopeless"):
                raise SqlError("Data too long for column")
        return super().perform(work, attempt)


def test_what_a_column_cannot_hold_is_cut_and_keeps_no_other_row_away() -> None:
    rig = Rig('do_accounting("db");', sql=Strict())
    for call in ("call-1", "x" * 100, "call-2"):
        rig.call(200, call=call)
    assert sorted(row[0] for row in rig.rows()) == ["call-1", "call-2", "x" * 64]


def test_a_row_that_is_refused_in_every_way_is_a_line_of_the_log() -> None:
    rig = Rig('do_accounting("db");', sql=Strict())
    for call in ("call-1", "hopeless", "call-2"):
        rig.call(200, call=call)
    assert sorted(row[0] for row in rig.rows()) == ["call-1", "call-2"]
    (line,) = rig.said("ACC: row of acc: ")
    assert ";callid=hopeless;" in line and rig.said("does not take a row of accounting: ")


def test_bytes_that_are_no_text_are_written_out() -> None:
    rig = Rig('do_accounting("db", "failed");')
    rig.alice.said(invite())
    rig.bob.answered(rig.bob.heard("INVITE"), 486, reason="Be\udce9setzt")
    assert rig.rows("acc", "sip_reason") == [("Be\\xe9setzt",)]


# -- the end of the process


def test_at_the_end_what_waits_is_written(ended: Callable[[Rig], None]) -> None:
    rig = Rig('do_accounting("db");').call(200)
    assert rig.calls() == []
    ended(rig)
    assert rig.calls() == ["call-1"]
    assert rig.said("ACC: row of") == []


def test_at_the_end_what_cannot_be_written_is_in_the_log(ended: Callable[[Rig], None]) -> None:
    rig = Rig('do_accounting("db");')
    rig.sql.is_down = True
    rig.call(200)
    ended(rig)
    assert len(rig.said("1 rows of accounting are not in the database")) == 1
    assert len(rig.said("ACC: row of acc: ")) == 1


def test_a_script_that_asks_for_a_database_by_a_variable_has_it_if_there_is_one() -> None:
    kinds = '$var(k) = "db"; do_accounting($var(k)); xlog("@@ $rc");'
    rig = Rig(kinds).call(200)
    assert len(rig.rows()) == 1
    log.held.clear()
    story = Story(f"route {{ {kinds} }}", MODULES)
    story.party("10.0.0.1").said(invite())
    assert "@@ -1" in story.lines and any("no database is named" in line for line in story.lines)
