"""A federation on every other kind of store: Cassandra, MongoDB's protocol, SQL. Redis is in the file beside."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pysips.cli import db
from tests.live import until
from tests.servers.cassandra import Cassandra
from tests.servers.mongodb import MongoDb

from .sites import Sites

pytestmark = pytest.mark.scenario


@pytest.mark.xdist_group("cassandra")
def test_cassandra(tmp_path: Path, cassandra: Cassandra, keyspace: str) -> None:
    def rows() -> set[str]:
        return {row[0] for row in cassandra.query(f"SELECT id FROM {keyspace}.userlocation")}

    play(tmp_path, cassandra.url(f"{keyspace}.userlocation"), 'loadmodule "cachedb_cassandra.so"', rows)


@pytest.mark.xdist_group("mongodb")
def test_mongodb(tmp_path: Path, mongodb: MongoDb, database: str) -> None:
    def rows() -> set[str]:
        return {row["_id"] for row in mongodb.client[database]["userlocation"].find()}

    play(tmp_path, mongodb.url(f"{database}.userlocation"), 'loadmodule "cachedb_mongodb.so"', rows)


@pytest.mark.xdist_group("mariadb")
def test_sql(tmp_path: Path, mysql_url: str) -> None:
    db.command.main(["create", "--url", mysql_url, "userlocation"], standalone_mode=False)
    scheme, _, rest = mysql_url.partition("://")
    play(tmp_path, f"sql:fed-{scheme}://{rest}", 'loadmodule "db_mysql.so"\nloadmodule "cachedb_sql.so"', None)


def play(folder: Path, url: str, modules: str, rows: Callable[[], set[str]] | None) -> None:
    """Registered here, called from there, unregistered, expired; rows: the ids of all records, if they can be seen."""
    sites = Sites(folder, url, modules)
    try:
        sites.start_all()
        until(sites.are_linked, 20, "the links")
        alice, caller = sites.phone("alice"), sites.phone("caller")
        assert sites.register(1, alice) == 200
        if rows is not None:
            until(lambda: rows() == {"alice@home.example" + sites.home(1)}, 5, "the record")
        until(lambda: sites.reached(2, alice, caller) == 200, 10, "a call from the other site")
        assert sites.register(1, alice, 0) == 200
        until(lambda: sites.call(2, "alice", caller, "MESSAGE") == 404, 5, "the end of alice")
        assert sites.register(2, alice, 5) == 200
        until(lambda: sites.reached(1, alice, caller) == 200, 10, "a call from the first site")
        until(lambda: sites.call(1, "alice", caller, "MESSAGE") == 404, 12, "the end of alice by expiry")
        if rows is not None:
            until(lambda: rows() == set(), 5, "the record's end")
    finally:
        sites.close()
