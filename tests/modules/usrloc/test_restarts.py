"""A registrar that is stopped, killed, and cut off from its database forgets nothing that it must not."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pysips.modules.usrloc.contact_ids import ContactId
from tests.live import until
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres

from .registrars import Registrar, tables

pytestmark = pytest.mark.scenario

THROUGH = 'modparam("usrloc", "working_mode_preset", "single-instance-sql-write-through")\n'
BACK = 'modparam("usrloc", "working_mode_preset", "single-instance-sql-write-back")\n'
ONLY = 'modparam("usrloc", "working_mode_preset", "sql-only")\n'
MYSQL = 'loadmodule "db_mysql.so"'

Make = Callable[..., Registrar]


def interval(seconds: int) -> str:
    return f'modparam("usrloc", "timer_interval", {seconds})\n'


def stored(url: str) -> str:
    return f'modparam("usrloc", "db_url", "{url}")\n'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Registrar] = []

    def one(params: str, modules: str = "", flags: str = '""') -> Registrar:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Registrar(folder, params, modules, flags))
        return made[-1]

    yield one
    for each in made:
        each.close()
    for each in made:
        assert "Traceback" not in each.log(), each.log()[-6000:]


@pytest.fixture
def mysql(mariadb: MariaDb, mysql_url: str) -> str:
    """The URL of a database with OpenSIPS' tables."""
    for statement in tables():
        mariadb.query(statement, mysql_url.rpartition("/")[2])
    return mysql_url


@pytest.fixture
def postgresql(postgres: Postgres, postgres_url: str) -> str:
    for statement in tables("TIMESTAMP"):
        postgres.query(statement, postgres_url.rpartition("/")[2])
    return postgres_url


def users(count: int, letter: str = "u") -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


# -- without any server


def test_contacts_survive_sigterm_in_a_file_of_our_own(make: Make) -> None:
    server = make('modparam("usrloc", "restart_persistency", "load-from-sql")\n' + interval(60)).start()
    registered = server.register_all(users(500))
    assert len(registered) == 500
    assert server.stop() == 0
    server.start()
    assert server.known(registered) == registered


def test_kill_9_loses_nothing_that_was_answered(make: Make) -> None:
    server = make(THROUGH).start()
    threading.Timer(1.0, server.kill).start()
    registered = server.register_all(users(20_000), patience=1.5)
    assert 50 < len(registered) < 20_000, "it died in the middle"
    server.start()
    assert server.known(registered) == registered


def test_kill_9_loses_one_interval_at_most_in_write_back(make: Make) -> None:
    server = make(BACK + interval(1)).start()
    registered = server.register_all(users(300))
    time.sleep(2.2)
    server.register_all(users(10, "late"))
    server.kill()
    server.start()
    assert server.known(registered) == registered


def test_an_attendant_that_dies_leaves_nothing_unwritten(make: Make) -> None:
    server = make(BACK + interval(2)).start()
    attendant = int(server.log().rpartition("attendant ")[2].split()[0])
    registered = server.register_all(users(200))
    os.kill(attendant, signal.SIGKILL)
    registered |= server.register_all(users(200, "v"))
    (file,) = (server.folder / "state").glob("pysips/*/location.sqlite")

    def written() -> bool:
        with sqlite3.connect(file) as connection:
            return bool(connection.execute("SELECT count(*) FROM location").fetchone() == (400,))

    until(written, 10, "the writing of what the dead one had not written")
    assert "contacts loaded" not in server.log().rpartition("it is replaced")[2], "they are in the shared tables"


# -- MariaDB and PostgreSQL


@pytest.mark.xdist_group("mariadb")
def test_every_mode_on_mariadb(make: Make, mysql: str) -> None:
    server = make(THROUGH + stored(mysql), MYSQL).start()
    threading.Timer(1.0, server.kill).start()
    registered = server.register_all(users(20_000), patience=1.5)
    server.kill()
    back = make(BACK + stored(mysql) + interval(60), MYSQL).start()
    assert back.known(registered) == registered
    more = back.register_all(users(300, "b"))
    assert back.register(next(iter(more)), expires=0) == "200"
    gone = {user for user in more if not back.contacts(user)}
    assert back.stop() == 0
    again = make(THROUGH + stored(mysql), MYSQL).start()
    assert again.known(registered | more) == (registered | more) - gone
    assert len(gone) == 1


@pytest.mark.xdist_group("postgres")
def test_on_postgresql(make: Make, postgresql: str) -> None:
    server = make(THROUGH + stored(postgresql), 'loadmodule "db_postgres.so"').start()
    registered = server.register_all(users(100))
    server.kill()
    server.start()
    assert server.known(registered) == registered
    assert len(registered) == 100


@pytest.mark.xdist_group("mariadb")
def test_rows_of_an_existing_database(make: Make, mariadb: MariaDb, mysql: str) -> None:
    """An id that fits its AoR is kept; expired rows, and those with another's id, are not taken."""
    database = mysql.rpartition("/")[2]
    now = int(time.time())
    columns = "contact_id, username, domain, contact, expires, q, callid, cseq, cflags, socket, user_agent"
    for id, user, expires in ((1, "broken", now + 600), (2, "late", now - 5), (3, "ever", 0)):
        id = 213146926114146652 & ~(0xFFFF << 46) | id if user == "broken" else fitting(f"{user}@home.example", id)
        mariadb.query(
            f"INSERT INTO location ({columns}) VALUES ({id}, '{user}', 'home.example', 'sip:{user}@127.0.0.1:9', "
            f"{expires}, 0.5, 'c', 7, 'NAT', 'udp:10.9.9.9:5060', 'Old/1')",
            database,
        )
    server = make(THROUGH + stored(mysql), MYSQL).start()
    assert server.known({"broken", "late", "ever"}) == {"ever"}
    assert server.register("ever") == "200"
    rows = mariadb.query("SELECT username, contact_id FROM location ORDER BY username", database)
    assert [row[0] for row in rows] == ["broken", "ever", "ever"]
    assert fitting("ever@home.example", 3) in [row[1] for row in rows]
    assert fitting("ever@home.example", 4) in [row[1] for row in rows], "the next id of the same AoR"


def fitting(aor: str, number: int) -> int:
    return ContactId.of(aor, 77, number).number


@pytest.mark.xdist_group("mariadb")
def test_a_contact_too_long_for_an_old_layout_holds_up_nobody(make: Make, mariadb: MariaDb, mysql_url: str) -> None:
    database = mysql_url.rpartition("/")[2]
    for statement in tables(contact="VARCHAR(255)"):
        mariadb.query(statement, database)
    params = THROUGH + stored(mysql_url) + 'modparam("registrar", "max_contact_len", 500)\n'
    server = make(params, MYSQL).start()
    assert server.register("long", extra=";x=" + "y" * 300) == "200"
    assert server.register("short") == "200"
    assert mariadb.query("SELECT username FROM location", database) == [("short",)]
    assert len(server.contacts("long")) == 1
    assert "does not take the contacts of an AoR" in server.log()


@pytest.mark.xdist_group("mariadb")
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_database_that_is_away_is_made_up_for(make: Make, mariadb: MariaDb, mysql: str, how: str) -> None:
    server = make(THROUGH + stored(mysql), MYSQL).start()
    server.register_all(users(50))
    (mariadb.kill if how == "killed" else mariadb.freeze)()
    try:
        assert server.register("first") == "200"
        assert server.slowest < 2.0, "the time limit is 1 s"
        server.slowest = 0.0
        for user in users(50, "w"):
            assert server.register(user) == "200"
        assert server.register("u7", expires=0) == "200"
        assert server.slowest < 0.3, "it is known to be away: nobody waits"
    finally:
        mariadb.run() if how == "killed" else mariadb.thaw()
    database = mysql.rpartition("/")[2]

    def all_there() -> bool:
        return mariadb.query("SELECT count(*) FROM location", database) == [(100,)]

    until(all_there, 15, "the making up for what was missed")
    assert mariadb.query("SELECT username FROM location WHERE username IN ('u7', 'first')", database) == [("first",)]


@pytest.mark.xdist_group("mariadb")
def test_a_database_that_is_away_at_the_start(make: Make, mariadb: MariaDb, mysql: str) -> None:
    server = make(THROUGH + stored(mysql), MYSQL).start()
    assert len(server.register_all(users(50))) == 50
    server.stop()
    mariadb.freeze()
    try:
        server.start()
        assert server.contacts("u1") == []
        assert server.register("u2") == "200"
        assert server.register("new") == "200"
    finally:
        mariadb.thaw()
    until(lambda: server.contacts("u1"), 15, "the loading of what was there")
    assert server.known(set(users(50))) == set(users(50))
    database = mysql.rpartition("/")[2]
    until(
        lambda: mariadb.query("SELECT count(*) FROM location", database) == [(51,)], 15,
        "one row for each contact: the old row of u2 is gone, it registered anew",
    )  # fmt: skip


@pytest.mark.xdist_group("mariadb")
def test_servers_on_one_database_see_each_others_contacts(make: Make, mariadb: MariaDb, mysql: str) -> None:
    one = make(ONLY + stored(mysql) + interval(1), MYSQL).start()
    other = make(ONLY + stored(mysql) + interval(1), MYSQL).start()
    assert one.register("alice") == "200"
    assert other.call("alice") == "sip:alice@127.0.0.1:7"
    assert other.register("alice", extra="8") == "200"
    assert len(one.contacts("alice")) == 2
    assert one.register("alice", expires=0) == "200"
    assert other.contacts("alice") == ["sip:alice@127.0.0.1:78"]
    mariadb.freeze()
    try:
        assert other.call("alice") == "sip:alice@127.0.0.1:78", "what was known last"
        assert other.register("bob") == "200"
        assert other.call("bob") == "sip:bob@127.0.0.1:7"
    finally:
        mariadb.thaw()
    until(lambda: one.call("bob"), 15, "bob's row")
    database = mysql.rpartition("/")[2]
    mariadb.query("UPDATE location SET expires = 1000 WHERE username = 'bob'", database)
    until(
        lambda: mariadb.query("SELECT count(*) FROM location WHERE username = 'bob'", database) == [(0,)], 10,
        "the end of a row whose time is over",
    )  # fmt: skip
    assert one.call("bob") == ""


@pytest.mark.xdist_group("mariadb")
def test_memory_only_contacts_are_in_no_database(make: Make, mariadb: MariaDb, mysql: str) -> None:
    server = make(THROUGH + stored(mysql), MYSQL, flags='"memory-only"').start()
    assert server.register("alice") == "200"
    assert server.contacts("alice")
    server.stop()
    assert mariadb.query("SELECT count(*) FROM location", mysql.rpartition("/")[2]) == [(0,)]


@pytest.mark.xdist_group("mariadb")
def test_a_table_of_another_layout_stops_the_start(make: Make, mariadb: MariaDb, mysql: str) -> None:
    mariadb.query("UPDATE version SET table_version = 1009", mysql.rpartition("/")[2])
    server = make(THROUGH + stored(mysql), MYSQL)
    with pytest.raises(AssertionError, match='table "location" has version 1009, wanted is 1013: pysips db migrate'):
        server.start()
