"""The Java servers do what the other tests want of them."""

import pytest

from .cassandra import Cassandra
from .mongodb import MongoDb

pytestmark = pytest.mark.scenario


@pytest.mark.xdist_group("cassandra")
def test_a_cassandra_keeps_its_rows_over_a_kill(cassandra: Cassandra, keyspace: str) -> None:
    cassandra.query(f"INSERT INTO {keyspace}.kv (opensipskey, opensipsval) VALUES ('a', 'b')")
    cassandra.kill()
    assert not cassandra.answers()
    cassandra.run()
    assert cassandra.query(f"SELECT * FROM {keyspace}.kv") == [("a", "b")]


@pytest.mark.xdist_group("mongodb")
def test_a_mongodb_comes_back_with_its_documents(mongodb: MongoDb, database: str) -> None:
    mongodb.client[database]["col"].insert_one({"_id": "a", "opensips": "b"})
    mongodb.restart()
    assert list(mongodb.client[database]["col"].find()) == [{"_id": "a", "opensips": "b"}]
