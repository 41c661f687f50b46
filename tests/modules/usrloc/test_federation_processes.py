"""Sites as real processes: with Redis, and without any store."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from pysips.cli.mi import MiFailed
from tests.live import headers, until
from tests.servers.redis import Redis

from .sites import Sites

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("redis")]

REDIS = 'loadmodule "cachedb_redis.so"'


@pytest.fixture
def sites(tmp_path: Path, redis: Redis) -> Iterator[Sites]:
    made = Sites(tmp_path, redis.url("g"), REDIS)
    yield made
    made.close()


def rows(redis: Redis) -> set[str]:
    found: list[str] = redis.do("KEYS", "usrloc:*")
    return {one.removeprefix("usrloc:") for one in found}


def test_a_call_finds_a_phone_at_another_site_and_the_records_follow(sites: Sites, redis: Redis) -> None:
    sites.start_all()
    until(sites.are_linked, 15, "the links")
    alice, bob = sites.phone("alice"), sites.phone("bob")
    assert sites.register(1, alice) == 200
    row = "alice@home.example" + sites.home(1)
    until(lambda: rows(redis) == {row}, 2, "the record")
    assert redis.do("HGETALL", f"usrloc:{row}") == {"aor": "alice@home.example", "home_ip": sites.home(1)}

    calling = Thread(target=lambda: results.append(sites.call(2, "alice", bob, "MESSAGE")))
    results: list[int] = []
    calling.start()
    request, source = alice.heard()
    alice.answer(request, source)
    calling.join()
    assert results == [200]
    assert len(headers(request, "Via")) == 3
    assert len(headers(request, "Record-Route")) == 2
    assert request.startswith(f"MESSAGE sip:alice@{alice.host}:{alice.port} ")

    assert sites.call(1, "carol", bob) == 404
    assert sites.register(1, alice, 0) == 200
    until(lambda: rows(redis) == set(), 2, "the record's end")
    assert sites.register(2, alice, 1) == 200
    until(lambda: rows(redis) == {"alice@home.example" + sites.home(2)}, 2, "the record of the other site")
    until(lambda: rows(redis) == set(), 5, "its end by expiry")


def test_a_store_that_was_away_gets_all_that_it_missed(sites: Sites, redis: Redis) -> None:
    sites.count = 1
    sites.start_all()
    alice, bob, dora = sites.phone("alice"), sites.phone("bob"), sites.phone("dora")
    assert sites.register(1, dora) == 200
    until(lambda: len(rows(redis)) == 1, 3, "the first record")
    redis.freeze()
    try:
        began = time.monotonic()
        assert sites.register(1, alice) == 200
        assert sites.register(1, bob) == 200
        assert sites.register(1, dora, 0) == 200
        assert time.monotonic() - began < 1.0
        began = time.monotonic()
        assert sites.call(1, "carol", dora) == 404
        assert time.monotonic() - began < 2.5
    finally:
        redis.thaw()
    mine = {f"{user}@home.example{sites.home(1)}" for user in ("alice", "bob")}
    until(lambda: rows(redis) == mine, 10, "what was missed")
    redis.do("FLUSHALL")
    redis.do("HSET", f"usrloc:ghost@home.example{sites.home(1)}", "aor", "ghost@home.example", "home_ip", sites.home(1))
    redis.do("HSET", "usrloc:other@home.example10.0.0.9", "aor", "other@home.example", "home_ip", "10.0.0.9")
    assert sites.servers[1].mi("ul_federation_sweep") == "OK"
    other = "other@home.example10.0.0.9"
    until(lambda: rows(redis) == mine | {other}, 5, "the sweep")
    with pytest.raises(MiFailed):
        sites.servers[1].mi("ul_federation_clean", [sites.home(1)])
    assert sites.servers[1].mi("ul_federation_clean", ["10.0.0.9"]) == {"Removed": 1}
    assert rows(redis) == mine


def test_without_a_store_the_nodes_tell_each_other(tmp_path: Path) -> None:
    sites = Sites(tmp_path, count=3)
    try:
        sites.start(1)
        alice, bob = sites.phone("alice"), sites.phone("bob")
        assert sites.register(1, alice) == 200
        sites.start(2)
        sites.start(3)
        until(sites.are_linked, 15, "the links")
        assert sites.register(3, bob) == 200

        caller = sites.phone("caller")
        for node, phone in ((2, alice), (3, alice), (1, bob), (2, bob)):
            reached = partial(sites.reached, node, phone, caller)
            until(lambda call=reached: call() == 200, 5, f"{phone.user} by node {node}")  # type: ignore[misc]
        assert sites.register(1, alice, 0) == 200
        until(lambda: sites.reached(2, alice, caller) == 404, 3, "the end of alice")
        sites.kill(3)
        sites.start(3)
        until(sites.are_linked, 15, "the links")
        until(lambda: sites.reached(2, bob, caller) == 404, 5, "the end of what node 3 said in its first life")
    finally:
        sites.close()


def test_a_pair_has_the_same_contacts_and_mends_itself(tmp_path: Path, redis: Redis) -> None:
    sites = Sites(tmp_path, redis.url("g"), REDIS, homes={1: "127.0.7.100", 2: "127.0.7.100"})
    try:
        sites.start_all()
        until(sites.are_linked, 15, "the links")
        until(lambda: sites.synced(1) and sites.synced(2), 10, "the first sync")
        alice, bob = sites.phone("alice"), sites.phone("bob")
        assert sites.register(1, alice) == 200
        until(lambda: sites.has(2, "alice"), 2, "alice at the backup")
        mine, theirs = sites.contacts(1, "alice")[0], sites.contacts(2, "alice")[0]
        assert {**theirs, "Expires": 0, "Socket": ""} == {**mine, "Expires": 0, "Socket": ""}
        assert "Socket" not in theirs
        assert sites.register(2, bob) == 200
        until(lambda: sites.has(1, "bob"), 2, "bob at the active")
        assert sites.servers[2].mi("ul_cluster_sync") == "OK"

        sites.kill(1)
        assert sites.register(2, alice, 0) == 200
        dora = sites.phone("dora")
        assert sites.register(2, dora) == 200
        sites.start(1)
        until(lambda: sites.synced(1) and sites.has(1, "dora") and sites.has(1, "bob"), 10, "the old active's return")
        assert not sites.has(1, "alice")
        until(
            lambda: rows(redis) == {f"{user}@home.example127.0.7.100" for user in ("bob", "dora")}, 5, "the records"
        )  # fmt: skip
    finally:
        sites.close()


def test_a_pair_that_lost_its_link_compares_and_mends_by_itself(tmp_path: Path, redis: Redis) -> None:
    sites = Sites(tmp_path, redis.url("g"), REDIS, homes={1: "127.0.7.100", 2: "127.0.7.100"})
    try:
        sites.start_all()
        until(lambda: sites.are_linked() and sites.synced(1) and sites.synced(2), 15, "the first sync")
        alice, bob, dora = sites.phone("alice"), sites.phone("bob"), sites.phone("dora")
        assert sites.register(1, alice) == 200
        assert sites.register(1, bob, 4) == 200
        until(lambda: sites.has(2, "alice") and sites.has(2, "bob"), 2, "both at the backup")
        assert sites.servers[1].mi("clusterer_set_status", [1, 2, 0]) == "OK"
        until(lambda: not sites.are_linked(), 10, "the link's end")
        assert sites.register(1, alice, 0) == 200
        assert sites.register(1, bob) == 200
        assert sites.register(2, dora) == 200
        until(lambda: not sites.has(2, "bob"), 8, "the end of the backup's stale copy")
        time.sleep(1.5)  # for the backup to do the wrong thing
        assert "bob@home.example127.0.7.100" in rows(redis)
        assert sites.servers[1].mi("clusterer_set_status", [1, 2, 1]) == "OK"
        until(lambda: sites.has(2, "bob") and sites.has(1, "dora") and not sites.has(2, "alice"), 15, "the repair")
        assert not sites.has(1, "alice")
        until(lambda: rows(redis) == {f"{user}@home.example127.0.7.100" for user in ("bob", "dora")}, 5, "the records")
    finally:
        sites.close()


def test_a_call_to_a_site_that_is_dead_fails_at_once(sites: Sites, redis: Redis) -> None:
    sites.start_all()
    until(sites.are_linked, 15, "the links")
    alice, bob = sites.phone("alice"), sites.phone("bob")
    assert sites.register(2, alice) == 200
    until(lambda: len(rows(redis)) == 1, 3, "the record")
    sites.kill(2)
    began = time.monotonic()
    assert sites.call(1, "alice", bob, "MESSAGE") >= 400
    assert time.monotonic() - began < 1.0


def test_an_attendant_that_dies_while_the_store_is_away_loses_nothing(sites: Sites, redis: Redis) -> None:
    sites.count = 1
    sites.start_all()
    alice, bob = sites.phone("alice"), sites.phone("bob")
    assert sites.register(1, bob) == 200
    until(lambda: len(rows(redis)) == 1, 3, "the first record")
    redis.freeze()
    try:
        assert sites.register(1, alice) == 200
        assert sites.register(1, bob, 0) == 200
        server = sites.servers[1]
        (before,) = server.processes()["attendant"]
        os.kill(before, signal.SIGKILL)

        def is_replaced() -> bool:
            try:
                return server.processes().get("attendant", [before]) != [before]
            except MiFailed:
                return False

        until(is_replaced, 15, "another attendant")
    finally:
        redis.thaw()
    until(lambda: rows(redis) == {"alice@home.example" + sites.home(1)}, 15, "what the first one owed")


def test_a_site_with_sql_of_its_own_forgets_nothing(
    tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    sites = Sites(tmp_path, redis.url("g"), REDIS, count=1)
    sites.mode = "\n".join(
        f'modparam("usrloc", "{name}", "{value}")'
        for name, value in (
            ("cluster_mode", "federation-cachedb"), ("restart_persistency", "load-from-sql"),
            ("sql_write_mode", "write-through"),
        )
    )  # fmt: skip
    try:
        server = sites.start(1)
        alice = sites.phone("alice")
        assert sites.register(1, alice) == 200
        until(lambda: len(rows(redis)) == 1, 3, "the record")
        server.stop()
        assert len(rows(redis)) == 1
        redis.do("FLUSHALL")
        sites.start(1)
        until(lambda: sites.has(1, "alice"), 3, "alice out of the database")
        assert sites.servers[1].mi("ul_federation_sweep") == "OK"
        until(lambda: len(rows(redis)) == 1, 5, "the record again")
        assert sites.register(1, alice, 0) == 200
        until(lambda: rows(redis) == set(), 3, "the record's end")
    finally:
        sites.close()
