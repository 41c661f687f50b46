"""`pysips db`: tables that are made, found, refused, and brought up to date."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.cli import main
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres

# What OpenSIPS 2.4's own tools make, for the parts that changed later.
OLD = {
    "mysql": (
        "CREATE TABLE version (table_name CHAR(32) NOT NULL, table_version INT UNSIGNED DEFAULT 0 NOT NULL)",
        "CREATE TABLE location (contact_id BIGINT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,"
        " username CHAR(64) DEFAULT '' NOT NULL, domain CHAR(64), contact CHAR(255) DEFAULT '' NOT NULL,"
        " received CHAR(128), path CHAR(255), expires INT(10) UNSIGNED NOT NULL, q FLOAT(10,2) DEFAULT 1.0 NOT NULL,"
        " callid CHAR(255) DEFAULT 'Default-Call-ID' NOT NULL, cseq INT(11) DEFAULT 13 NOT NULL,"
        " last_modified DATETIME DEFAULT '1900-01-01 00:00:01' NOT NULL, flags INT(11) DEFAULT 0 NOT NULL,"
        " cflags CHAR(255), user_agent CHAR(255) DEFAULT '' NOT NULL, socket CHAR(64), methods INT(11),"
        " sip_instance CHAR(255), attr CHAR(255)) ENGINE=InnoDB",
    ),
    "postgres": (
        "CREATE TABLE version (table_name VARCHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL)",
        "CREATE TABLE location (contact_id BIGSERIAL PRIMARY KEY NOT NULL, username VARCHAR(64) DEFAULT '' NOT NULL,"
        " domain VARCHAR(64), contact VARCHAR(255) DEFAULT '' NOT NULL, received VARCHAR(128), path VARCHAR(255),"
        " expires INTEGER NOT NULL, q REAL DEFAULT 1.0 NOT NULL, callid VARCHAR(255) DEFAULT 'x' NOT NULL,"
        " cseq INTEGER DEFAULT 13 NOT NULL, last_modified TIMESTAMP DEFAULT '1900-01-01 00:00:01' NOT NULL,"
        " flags INTEGER DEFAULT 0 NOT NULL, cflags VARCHAR(255), user_agent VARCHAR(255) DEFAULT '' NOT NULL,"
        " socket VARCHAR(64), methods INTEGER, sip_instance VARCHAR(255), attr VARCHAR(255))",
    ),
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/a.db"


@pytest.fixture
def db(url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command says; the exit code stands before it if it is not 0."""

    def run(command: str, *tables: str, url: str = url) -> str:
        code = main(["db", command, "--url", url, *tables])
        told = capsys.readouterr()
        return (told.out if code == 0 else f"{code} {told.err}").strip()

    return run


def columns(url: str, table: str) -> list[str]:
    with sqlite3.connect(url.removeprefix("sqlite://")) as connection:
        found = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.close()
    return found


def test_without_names_all_tables_are_made_and_then_found(db: Callable[..., str], url: str) -> None:
    assert db("create").splitlines() == [
        "location: made, version 1013", "subscriber: made, version 8", "acc: made, version 7",
        "missed_calls: made, version 5", "clusterer: made, version 4", "clusterer_bridge: made, version 1",
        "cachedb: made, version 2",
    ]  # fmt: skip
    assert db("create", "location") == "location: is there, version 1013"
    assert columns(url, "clusterer")[:4] == ["id", "cluster_id", "node_id", "url"]


def test_a_table_of_another_name_and_of_an_older_version(db: Callable[..., str], url: str) -> None:
    assert db("create", "home=location", "subscriber:7") == "home: made, version 1013\nsubscriber: made, version 7"
    assert "ha1b" in columns(url, "subscriber")
    assert "older version 7: pysips db migrate --url URL subscriber" in db("create", "subscriber")


def test_migration_adds_columns_and_keeps_rows(db: Callable[..., str], url: str) -> None:
    db("create", "subscriber:7")
    with sqlite3.connect(url.removeprefix("sqlite://")) as connection:
        connection.execute("INSERT INTO subscriber (username, ha1) VALUES ('alice', 'x')")
    connection.close()
    assert db("migrate") == "subscriber: 2 columns changed, version 7 is 8 now"
    with sqlite3.connect(url.removeprefix("sqlite://")) as connection:
        rows = connection.execute("SELECT username, ha1, ha1_sha256 FROM subscriber").fetchall()
    connection.close()
    assert rows == [("alice", "x", "")]
    assert db("migrate") == "subscriber: is up to date, version 8"


def test_a_table_without_a_version_gets_it_only_if_it_fits(db: Callable[..., str], url: str) -> None:
    db("create", "cachedb")
    with sqlite3.connect(url.removeprefix("sqlite://")) as connection:
        connection.execute("DELETE FROM version")
        connection.execute("CREATE TABLE clusterer (id integer)")
    connection.close()
    assert "has no version" in db("migrate", "cachedb")
    assert db("create", "cachedb") == "cachedb: is there; it has its line in table version now, version 2"
    assert "has another layout" in db("create", "clusterer")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create", "nonsense"], 'no layout is known for table "nonsense": acc, cachedb, clusterer'),
        (["create", "location:7"], 'table "location" has no version 7: 1013'),
        (["migrate", "location"], 'there is no table "location": pysips db create --url URL location'),
    ],
)
def test_wishes_that_make_no_sense(db: Callable[..., str], url: str, arguments: list[str], complaint: str) -> None:
    Path(url.removeprefix("sqlite://")).touch()
    assert complaint in db(*arguments)


def test_servers_that_are_not_there(db: Callable[..., str], tmp_path: Path) -> None:
    assert "unable to open database file" in db("migrate")
    assert "No such file or directory" in db("create", url=f"sqlite://{tmp_path}/no/a.db")
    told = db("create", url="mysql://a:hidden@127.0.0.1:1/x")
    assert told.startswith("255 pysips: ") and "refused" in told and "hidden" not in told
    assert "db_oracle" in db("create", url="oracle://a:hidden@h/x")


@pytest.mark.scenario
@pytest.mark.xdist_group("mariadb")
def test_a_mysql_database_of_2_4_is_brought_up_to_date(
    db: Callable[..., str], mariadb: MariaDb, mysql_url: str
) -> None:
    old_location(db, mariadb, mysql_url)


@pytest.mark.scenario
@pytest.mark.xdist_group("postgres")
def test_a_postgresql_database_of_2_4_is_brought_up_to_date(
    db: Callable[..., str], postgres: Postgres, postgres_url: str
) -> None:
    old_location(db, postgres, postgres_url)


def old_location(db: Callable[..., str], server: MariaDb | Postgres, url: str) -> None:
    scheme, _, rest = url.partition("://")
    database = rest.rpartition("/")[2]
    for statement in (
        *OLD[scheme],
        "INSERT INTO version VALUES ('location', 1013)",
        "INSERT INTO location (username, contact, expires) VALUES ('alice', 'sip:a@b', 5)",
    ):
        server.query(statement, database)
    assert db("create", "location", url=url) == "location: is there, version 1013"
    assert db("migrate", url=url) == "location: 3 columns changed, version 1013 is 1013 now"
    server.query(f"UPDATE location SET contact = '{'x' * 400}', received = '{'y' * 200}', kv_store = 'z'", database)
    rows = server.query("SELECT username, length(contact), length(received), expires FROM location", database)
    assert rows == [("alice", 400, 200, 5)]
    assert db("migrate", url=url) == "location: is up to date, version 1013"
    assert len(db("create", url=url).splitlines()) == 7
