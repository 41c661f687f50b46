"""A whole server whose script asks stores: each process has a client of its own, and no call waits for long."""

import time
from collections.abc import Callable

import pytest

from pysips.cli.mi import MiFailed
from tests.live import Phone, Server, until
from tests.servers.cassandra import Cassandra
from tests.servers.mongodb import MongoDb
from tests.servers.program import Program

pytestmark = pytest.mark.scenario

SCRIPT = """
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
loadmodule "cachedb_ENGINE.so"
modparam("cachedb_ENGINE", "cachedb_url", "URL")
route {
    if ($rU == "plain") {
        sl_send_reply(200, "plain");
        exit;
    }
    cache_add("ENGINE:g", "calls", 1, 0, $var(n));
    $var(code) = $rc;
    cache_store("ENGINE:g", "last", "$fU");
    sl_send_reply(200, "n=$var(n) $var(code)");
}
"""


def asked(phone: Phone, user: str) -> tuple[str, float]:
    """The reason of the answer, and how long it took."""
    began = time.monotonic()
    phone.request("OPTIONS", f"sip:{user}@127.0.0.1", call=f"{user}-{began}")
    return phone.hear("200").split("\r\n")[0].partition("200 ")[2], time.monotonic() - began


def fetched(server: Server, engine: str) -> object:
    """What a process that has yet to find the store says of a key; None while it is not there within its time limit."""
    try:
        return server.mi("cache_fetch", {"system": f"{engine}:g", "attr": "last"})
    except MiFailed:
        return None


def play(serve: Callable[..., Server], engine: str, url: str, store: Program) -> None:
    server = serve(SCRIPT.replace("ENGINE", engine).replace("URL", url), "-o", "pysips_workers=2")
    phone = Phone("alice", 5071)
    try:
        assert [asked(phone, "bob")[0] for _ in range(20)] == [f"n={n} 1" for n in range(1, 21)]
        until(lambda: fetched(server, engine) == {"key": "last", "value": "alice"}, 15, "the answer of another process")
        store.freeze()
        try:
            answers = [asked(phone, "bob") for _ in range(6)]
            assert all(reason.endswith(" -1") and taken < 2.5 for reason, taken in answers), answers
            assert max(asked(phone, "plain")[1] for _ in range(20)) < 0.8
        finally:
            store.thaw()
        end = time.monotonic() + 15
        while asked(phone, "bob")[0].endswith(" -1"):
            assert time.monotonic() < end, "the store is not found back"
    finally:
        phone.close()


@pytest.mark.xdist_group("cassandra")
def test_cassandra(serve: Callable[..., Server], cassandra: Cassandra, keyspace: str) -> None:
    play(serve, "cassandra", cassandra.url(f"{keyspace}.kv.counters", group="g"), cassandra)


@pytest.mark.xdist_group("mongodb")
def test_mongodb(serve: Callable[..., Server], mongodb: MongoDb, database: str) -> None:
    play(serve, "mongodb", mongodb.url(f"{database}.col", group="g"), mongodb)
