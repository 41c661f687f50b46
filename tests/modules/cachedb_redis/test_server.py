"""A whole server whose script asks a store: several workers, and Redis frozen under it."""

import re
import time
from collections.abc import Callable

import pytest

from tests.live import Phone, Server, until
from tests.servers.program import free_port
from tests.servers.redis import Redis

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("redis")]

SCRIPT = """
socket=udp:127.0.0.1:{port}
udp_workers=2
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{{folder}}/fifo")
modparam("mi_fifo", "reply_dir", "{{folder}}/")
loadmodule "cachedb_local.so"
loadmodule "cachedb_redis.so"
modparam("cachedb_redis", "cachedb_url", "{url}")
route {{
    if ($rU == "plain") {{
        cache_add("local", "plain", 1, 0);
        sl_send_reply(200, "Plain");
        exit;
    }}
    cache_store("redis:g", "last", "$rU", 60);
    $var(rc) = $rc;
    cache_fetch("redis:g", "last", $var(last));
    sl_send_reply(200, "Stored $var(rc) $var(last)");
}}
"""


def asked(phone: Phone, port: int, user: str) -> tuple[str, float]:
    """What it hears to an OPTIONS, and after how many seconds. Each call has its own Call-ID, so any worker's."""
    began = time.monotonic()
    phone.request("OPTIONS", f"sip:{user}@127.0.0.1:{port}", call=f"{user}-{phone.cseq}")
    return phone.hear("SIP/2.0 200").split("\r\n")[0], time.monotonic() - began


def test_a_frozen_store_holds_up_only_who_asks_it_and_only_once(serve: Callable[..., Server]) -> None:
    port = free_port()
    with Redis.start() as redis:
        server = serve(SCRIPT.format(port=port, url=redis.url("g")), "-o", "pysips_workers=2", port=port)
        phone, other = Phone("alice", free_port(), server=port), Phone("bob", free_port(), server=port)
        assert asked(phone, port, "one")[0] == "SIP/2.0 200 Stored 1 one"
        redis.freeze()
        for number in range(10):  # both workers meet the frozen store
            phone.request("OPTIONS", f"sip:held@127.0.0.1:{port}", call=f"held-{number}")
            if number == 0:
                assert max(asked(other, port, "plain")[1] for _ in range(50)) < 0.3
        for _ in range(10):
            assert "Stored -1" in phone.hear("SIP/2.0 200", 3)
        assert max(asked(phone, port, "after")[1] for _ in range(20)) < 0.3
        redis.thaw()
        until(lambda: all(asked(phone, port, "back")[0].endswith("1 back") for _ in range(6)), 5, "the store's return")
        assert server.mi("cache_fetch", {"system": "local", "attr": "plain"})["value"] == "50"
        assert server.mi("cache:fetch", ["redis:g", "last"]) == {"key": "last", "value": "back"}
        counted = server.mi("get_statistics", [["cachedb:", "cachedb_redis:"]])
        assert int(counted["cachedb:cdb_total_queries"]) > 60
        assert int(counted["cachedb_redis:redis_queries"]) > 10
        phone.close()
        other.close()
        assert len(re.findall("fail at once until it answers again", server.log())) <= 3


def test_management_tells_what_it_is_connected_to(serve: Callable[..., Server]) -> None:
    port = free_port()
    with Redis.start() as redis:
        server = serve(SCRIPT.format(port=port, url=redis.url("g")), port=port)
        node = {"ip": redis.host, "port": redis.port}

        def connected() -> bool:
            known = server.mi("cachedb_redis:redis_cluster_info", {"group": "g"})[0]
            return bool(known["mode"] == "single" and known["nodes"] == [{**node, "status": "connected"}])

        until(connected, 5, "a connection")
        pinged = server.mi("redis_ping_nodes")[0]["nodes"][0]
        assert pinged["status"] == "reachable"
        assert 0 < pinged["latency_us"] < 1_000_000
        assert server.mi("redis_cluster_refresh")[0]["status"] == "skipped (not cluster mode)"
        assert server.mi("redis_cluster_info", ["none"]) == "No redis connections"
        redis.stop()
        assert server.mi("redis_ping_nodes")[0]["nodes"][0]["status"] == "unreachable"
