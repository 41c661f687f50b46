"""A whole server that accounts in a database: who calls never waits for it, and nothing is lost while it is away."""

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.cli import main
from tests.live import Phone, Server, until
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.scenario

SCRIPT = """
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
loadmodule "db_KIND.so"
loadmodule "acc.so"
modparam("acc", "db_url", "URL")
route {
    do_accounting("db");
    t_newtran();
    t_reply(200, "OK");
}
"""


def script(url: str) -> str:
    return SCRIPT.replace("KIND", url.partition(":")[0]).replace("URL", url)


@pytest.fixture
def ask() -> Callable[[Phone, str], float]:
    """A message is sent and answered: how many seconds that took."""

    def asked(phone: Phone, call: str) -> float:
        began = time.monotonic()
        phone.request("MESSAGE", "sip:r", call=call)
        phone.hear("200")
        return time.monotonic() - began

    return asked


def test_what_waits_at_the_end_is_written(
    serve: Callable[..., Server], tmp_path: Path, ask: Callable[[Phone, str], float]
) -> None:
    url = f"sqlite://{tmp_path}/acc.db"
    assert main(["db", "create", "--url", url, "acc", "missed_calls"]) == 0
    server = serve(script(url), "-o", "pysips_workers=2")
    phone = Phone("alice", 5071)
    calls = [f"call-{number}" for number in range(50)]
    try:
        for call in calls:
            ask(phone, call)
    finally:
        phone.close()
    assert server.stop() == 0
    with sqlite3.connect(tmp_path / "acc.db") as connection:
        found = connection.execute("SELECT callid, method, from_tag, sip_code FROM acc").fetchall()
    connection.close()
    assert sorted(found) == sorted((call, "MESSAGE", "of-alice", "200") for call in calls)
    assert "ACC: row of" not in server.log()


def test_what_cannot_be_written_at_the_end_is_in_the_log(
    serve: Callable[..., Server], tmp_path: Path, ask: Callable[[Phone, str], float]
) -> None:
    url = f"sqlite://{tmp_path}/acc.db"
    assert main(["db", "create", "--url", url, "acc", "missed_calls"]) == 0
    server = serve(script(url), "-o", "pysips_workers=2")
    phone = Phone("alice", 5071)
    writer = sqlite3.connect(tmp_path / "acc.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")  # nobody else can write
    try:
        for number in range(20):
            ask(phone, f"call-{number}")
        assert server.stop() == 0
    finally:
        phone.close()
        writer.execute("ROLLBACK")
        found = writer.execute("SELECT callid FROM acc").fetchall()
        writer.close()
    told = re.findall(r"ACC: row of acc: .*;callid=(call-\d+);", server.log())
    assert (found, sorted(told)) == ([], sorted(f"call-{number}" for number in range(20)))


@pytest.mark.xdist_group("postgres")
def test_rows_go_into_postgresql(
    serve: Callable[..., Server], postgres: Postgres, postgres_url: str, ask: Callable[[Phone, str], float]
) -> None:
    assert main(["db", "create", "--url", postgres_url, "acc", "missed_calls"]) == 0
    server = serve(script(postgres_url), "-o", "pysips_workers=1")
    phone = Phone("alice", 5071)
    try:
        for call in ("call-1", "x" * 100, "call-2"):
            ask(phone, call)
    finally:
        phone.close()
    assert server.stop() == 0
    rows = postgres.query("SELECT callid, sip_reason, duration, setuptime FROM acc", postgres_url.rpartition("/")[2])
    assert sorted(rows) == [("call-1", "OK", 0, 0), ("call-2", "OK", 0, 0), ("x" * 64, "OK", 0, 0)]


@pytest.mark.xdist_group("mariadb")
def test_a_database_that_is_frozen_killed_and_back(
    serve: Callable[..., Server], mariadb: MariaDb, mysql_url: str, ask: Callable[[Phone, str], float]
) -> None:
    assert main(["db", "create", "--url", mysql_url, "acc", "missed_calls"]) == 0
    server = serve(script(mysql_url), "-o", "pysips_workers=2")
    phone = Phone("alice", 5071)
    calls: list[str] = []

    def many(name: str) -> float:
        """The longest of 25 messages, for which the database is slow enough to be noticed."""
        slowest = 0.0
        for number in range(25):
            calls.append(f"{name}-{number}")
            slowest = max(slowest, ask(phone, calls[-1]))
            time.sleep(0.06)
        return slowest

    def rows() -> list[str]:
        return sorted(row[0] for row in mariadb.query("SELECT callid FROM acc", mysql_url.rpartition("/")[2]))

    try:
        assert many("up") < 0.8
        mariadb.freeze()
        try:
            assert many("frozen") < 0.8
        finally:
            mariadb.thaw()
        until(lambda: len(rows()) >= len(calls), 15, "the writing of what the frozen database missed")
        mariadb.kill()
        try:
            assert many("killed") < 0.8
        finally:
            mariadb.restart()
        long = "x" * 100
        ask(phone, long)
        until(lambda: len(rows()) > len(calls), 15, "the writing of what the dead database missed")
    finally:
        phone.close()
    assert rows() == sorted([*calls, long[:64]]), "each call once"
    assert len(re.findall("rows of accounting wait for the database", server.log())) <= 4, "once a worker, twice away"
    assert "Traceback" not in server.log() and "ACC: row of" not in server.log()
