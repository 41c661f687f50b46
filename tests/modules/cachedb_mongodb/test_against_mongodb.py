"""cachedb_mongodb and a server of MongoDB's protocol: what it writes, and what happens when the server is away."""

import asyncio
import json
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from pysips.core.cachedb import CacheError
from pysips.modules.cachedb_mongodb import store as store_file
from tests.servers.mongodb import MongoDb
from tests.servers.process import Process, done, eventually, running

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("mongodb")]

SCRIPT = """
loadmodule "proto_udp.so"
socket=udp:127.0.0.1:5060
loadmodule "cachedb_mongodb.so"
modparam("cachedb_mongodb", "cachedb_url", "{url}")
route {{ exit; }}
"""
SLACK = 0.9  # seconds, for a machine with much to do
HELD_UP = 0.8  # seconds; whoever waited for the server on the loop would have held it up for longer
ALICE = "alice@example.com10.0.0.150"
PATIENT = "?timeout=10000"  # where time is not what is tested
ROW = {"aor": "alice@example.com", "home_ip": "10.0.0.150"}


def opened(server: MongoDb, database: str, options: str = PATIENT) -> AbstractAsyncContextManager[Process]:
    return running(SCRIPT.format(url=server.url(f"{database}.col", options)))


def documents(server: MongoDb, database: str) -> list[dict[str, Any]]:
    return sorted(server.client[database]["col"].find(), key=lambda one: str(one["_id"]))


async def test_keys_are_records_as_opensips_writes_them(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database) as process:
        store = process.store("mongodb")
        await done(store.store("a", "one"))
        await done(store.store("b", "zwei ä", 100))
        await done(store.store("b", "drei", 100))
        mongodb.client[database]["col"].insert_many([{"_id": "int", "opensips": 7}, {"_id": "odd", "opensips": [1]}])
        assert await done(store.fetch("a")) == "one"
        assert await done(store.fetch("int")) == "7"
        assert await done(store.fetch("c")) is None
        with pytest.raises(CacheError, match="neither text nor a whole number"):
            await done(store.fetch("odd"))
        await done(store.remove("a"))
        await done(store.remove("a"))
        assert documents(mongodb, database)[0] == {"_id": "b", "opensips": "drei"}
        assert sum("TTL index" in line for line in process.lines) == 1


async def test_counters_lose_nothing(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database) as process:
        store = process.patient("mongodb")
        assert await done(store.counter("n")) is None
        assert await done(store.add("n", 5)) == 5
        assert await done(store.add("n", -7)) == -2
        values = await asyncio.gather(*(done(store.add("n", 1)) for _ in range(100)))
        assert sorted(values) == list(range(-1, 99))
        assert await done(store.counter("n")) == 98
        assert documents(mongodb, database) == [{"_id": "n", "opensips_counter": 98}]


async def test_raw_queries_are_commands_in_json(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database) as process:
        store = process.store("mongodb")
        many = [{"_id": n, "name": f"ä{n}"} for n in range(250)]
        written = await done(store.raw_query(json.dumps({"insert": "other", "documents": many}), 1))
        assert written is not None and json.loads(str(written[0][0]))["n"] == 250
        found = await done(store.raw_query('{"find": "other", "filter": {"_id": {"$gte": 10}}}', 1))
        assert found is not None and len(found) == 240, "the cursor is read to its end"
        assert json.loads(str(found[0][0])) == {"_id": 10, "name": "ä10"}
        assert await done(store.raw_query('{"find": "other", "filter": {"_id": -1}}', 1)) is None
        for wrong in ("[1]", "find all", "{}", "", '{"find": "other"', '{"nonsense": 1}', '{"a":' * 5000):
            with pytest.raises(CacheError):
                await done(store.raw_query(wrong, 1))
        with pytest.raises(CacheError, match="one variable"):
            await done(store.raw_query('{"find": "other"}', 2))
        assert store.is_up


async def test_rows_are_the_tutorials(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database) as process:
        store = process.store("mongodb")
        assert store.has_rows
        await done(store.put_row(ALICE, {**ROW, "home_ip": "old"}))
        await done(store.put_row(ALICE, ROW))
        await done(store.put_row("alice@example.com10.0.0.151", {**ROW, "home_ip": "10.0.0.151"}))
        await done(store.put_row("bob@example.com10.0.0.151", {"aor": "bob@example.com", "home_ip": "10.0.0.151"}))
        found = await done(store.find_rows("aor", "alice@example.com"))
        assert sorted(row["home_ip"] for row in found) == ["10.0.0.150", "10.0.0.151"]
        assert {"id": ALICE, **ROW} in found
        assert len(await done(store.all_rows("home_ip", "10.0.0.151"))) == 2
        assert await done(store.find_rows("aor", "carol@example.com")) == []
        await done(store.remove_row("bob@example.com10.0.0.151"))
        await done(store.remove_row("alice@example.com10.0.0.151"))
        await done(store.remove_row("alice@example.com10.0.0.151"))
        assert documents(mongodb, database) == [{"_id": ALICE, **ROW}]
        async with asyncio.timeout(2):
            while "aor_1" not in mongodb.client[database]["col"].index_information():
                await asyncio.sleep(0.02)


async def test_what_cannot_be_written_is_an_error_and_no_outage(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database) as process:
        store = process.store("mongodb")
        mongodb.client[database]["col"].insert_one({"_id": "n", "opensips_counter": "no number"})
        for wrong in (
            store.store("a", "no text: \udc80"), store.add("n", 1), store.counter("n"), store.add("m", 1 << 70),
            store.put_row("a", {"$x": "y"}),
        ):  # fmt: skip
            with pytest.raises(CacheError) as problem:
                await done(wrong)
            assert not problem.value.is_down
        assert store.is_up


async def test_a_frozen_server_costs_one_time_limit(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database, "") as process:
        store = process.store("mongodb")
        back = asyncio.Event()
        store.when_back(back.set)
        await done(store.put_row(ALICE, ROW))
        mongodb.freeze()
        try:
            began = time.monotonic()
            several = (store.find_rows("aor", "alice@example.com") for _ in range(50))
            outcomes = await asyncio.gather(*(done(one) for one in several), return_exceptions=True)
            assert 0.8 <= time.monotonic() - began < 1 + SLACK
            assert all(isinstance(one, CacheError) and one.is_down for one in outcomes)
            assert not store.is_up
            began = time.monotonic()
            with pytest.raises(CacheError):
                await done(store.put_row(ALICE, ROW))
            assert time.monotonic() - began < SLACK / 2
            await asyncio.sleep(3)  # the driver gives its connections up
        finally:
            mongodb.thaw()
        await eventually(15, back)
        assert await done(store.find_rows("aor", "alice@example.com")) == [{"id": ALICE, **ROW}]
        assert process.lag < HELD_UP


async def test_a_time_limit_of_the_url_wins(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database, "?socketTimeoutMS=200") as process:
        await done(process.store("mongodb").fetch("a"))
        mongodb.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(CacheError):
                await done(process.store("mongodb").fetch("a"))
            assert 0.1 < time.monotonic() - began < 0.9
        finally:
            mongodb.thaw()


async def test_a_server_that_was_away_at_the_start_or_goes_away_is_found_back(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database, "") as connected:
        await done(connected.store("mongodb").put_row(ALICE, ROW))
        mongodb.stop()
        began = time.monotonic()
        async with opened(mongodb, database, "") as late:
            assert time.monotonic() - began < SLACK
            backs = []
            for process in (connected, late):
                began = time.monotonic()
                with pytest.raises(CacheError) as problem:
                    await done(process.store("mongodb").find_rows("aor", "alice@example.com"))
                assert problem.value.is_down and time.monotonic() - began < 1 + SLACK
                backs.append(asyncio.Event())
                process.store("mongodb").when_back(backs[-1].set)
            await asyncio.to_thread(mongodb.run)
            for back, process in zip(backs, (connected, late), strict=True):
                await eventually(15, back)
                found = await done(process.store("mongodb").find_rows("aor", "alice@example.com"))
                assert found == [{"id": ALICE, **ROW}]
                assert process.lag < HELD_UP


async def test_a_server_that_was_started_anew_between_two_operations_is_no_outage(
    mongodb: MongoDb, database: str
) -> None:
    async with opened(mongodb, database) as process:
        store = process.store("mongodb")
        await done(store.put_row(ALICE, ROW))
        await asyncio.to_thread(mongodb.restart)
        await done(store.put_row("bob", ROW))
        assert len(await done(store.find_rows("aor", "alice@example.com"))) == 2
        assert store.is_up


async def test_a_server_that_comes_back_empty_is_taken_as_it_is(mongodb: MongoDb, database: str) -> None:
    async with opened(mongodb, database) as process:
        store = process.store("mongodb")
        await done(store.put_row(ALICE, ROW))
        mongodb.client.drop_database(database)
        assert await done(store.find_rows("aor", "alice@example.com")) == []
        await done(store.remove_row(ALICE))
        await done(store.put_row(ALICE, ROW))
        assert documents(mongodb, database) == [{"_id": ALICE, **ROW}]


async def test_too_many_documents_are_refused(mongodb: MongoDb, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "MOST_DOCUMENTS", 10)
    mongodb.client[database]["col"].insert_many([{"n": n} for n in range(11)])
    async with opened(mongodb, database) as process:
        with pytest.raises(CacheError, match="more than 10 documents"):
            await done(process.store("mongodb").raw_query('{"find": "col"}', 1))
