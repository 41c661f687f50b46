"""cachedb_local: collections, expiry, counters, chunks, and the file that outlives the server."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pysips.core.cachedb import CacheDb, CacheError
from pysips.core.exports import MiError
from pysips.core.services import TablesFull
from pysips.errors import ConfigError
from pysips.modules.cachedb_local import CachedbLocal, snapshot, walks
from pysips.modules.cachedb_local.collections import read_collections
from pysips.modules.cachedb_local.store import KIND, Entry
from pysips.runtime.offload import driven
from pysips.testing.messages import request
from pysips.testing.once import once
from pysips.testing.story import Story
from pysips.testing.tables import MemoryTable

ROUTE = "route { exit; }"
COLLECTIONS = """
modparam("cachedb_local", "cache_collections", "calls; users=5; shared/r = 4")
modparam("cachedb_local", "cachedb_url", "local:c:///calls")
modparam("cachedb_local", "cachedb_url", "local:u:///users")
"""


def opened(top: str = "") -> Story:
    return Story(top + ROUTE, modules="cachedb_local")


def store(story: Story, name: str = "local") -> CacheDb:
    found = story.program.caches.named(name)
    assert found is not None
    return found


def module(story: Story) -> CachedbLocal:
    found = story.program.registry.loaded["cachedb_local"]
    assert isinstance(found, CachedbLocal)
    return found


def result(work: Coroutine[Any, None, Any]) -> Any:
    promise = driven(work)
    assert promise.done, "it waits"
    if promise.failure is not None:
        raise promise.failure
    return promise.value


def test_a_script_gets_the_reference_s_return_codes() -> None:
    done = once(
        'cache_store("local", "k", "v"); say("$rc"); cache_fetch("local", "k", $avp(x)); say("$rc $avp(x)");'
        'cache_fetch("local", "none", $avp(x)); say("$rc $avp(x)");'
        'cache_add("local", "n", 5, 0, $avp(n)); say("$rc $avp(n)"); cache_sub("local", "n", 7, 0); say("$rc");'
        'cache_counter_fetch("local", "n", $var(c)); say("$rc $var(c)");'
        'cache_counter_fetch("local", "k", $var(c)); say("$rc"); cache_add("local", "k", 1, 0); say("$rc");'
        'cache_counter_fetch("local", "none", $var(c)); say("$rc");'
        'cache_remove("local", "k"); say("$rc"); cache_remove("local", "k"); say("$rc");'
        'cache_raw_query("local", "GET k"); say("$rc");',
        modules="cachedb_local",
    )
    assert done.lines == ["1", "1 v", "-2 v", "1 5", "1", "1 -2", "-3", "-1", "-2", "1", "1", "-1"]


def test_a_store_replaces_value_and_expiry() -> None:
    story = opened()
    local = store(story)
    result(local.store("k", "1", 10))
    story.after(6)
    result(local.store("k", "2", 10))
    story.after(6)
    assert result(local.fetch("k")) == "2"
    story.after(4)
    assert result(local.fetch("k")) is None
    result(local.store("k", "3"))
    story.after(1e9)
    assert result(local.fetch("k")) == "3"


def test_adding_keeps_the_old_expiry_and_begins_anew_after_it() -> None:
    story = opened()
    local = store(story)
    assert result(local.add("n", 5, 10)) == 5
    story.after(6)
    assert result(local.add("n", 5, 10)) == 10
    story.after(4)
    assert result(local.counter("n")) is None
    assert result(local.add("n", 1)) == 1


def test_counters_have_32_bits() -> None:
    local = store(opened())
    result(local.store("n", "2147483647"))
    with pytest.raises(CacheError, match="32 bits"):
        result(local.add("n", 1))
    assert result(local.counter("n")) == 2147483647
    for text in ("", "1.0", "٣", "9" * 5000, "2147483648"):
        result(local.store("n", text))
        with pytest.raises(CacheError, match="integer") as refused:
            result(local.counter("n"))
        assert refused.value.code == -3


def test_collections_do_not_see_one_another() -> None:
    story = opened(COLLECTIONS)
    for number, name in enumerate(("local", "local:c", "local:u")):
        result(store(story, name).store("k", str(number)))
    assert [result(store(story, name).fetch("k")) for name in ("local", "local:c", "local:u")] == ["0", "1", "2"]
    assert story.program.caches.named("local:x") is None
    result(store(story, "local:c").remove("k"))
    assert result(store(story, "local:u").fetch("k")) == "2"


def test_long_keys_and_strange_bytes_are_kept_apart() -> None:
    local = store(opened())
    long = "k" * 2000
    result(local.store(long + "1", "one"))
    result(local.store(long + "2", "two"))
    result(local.store("\udcff\0ä", "\udcfe\0"))
    assert [result(local.fetch(key)) for key in (long + "1", long + "2", "\udcff\0ä")] == ["one", "two", "\udcfe\0"]


def test_the_sweep_removes_what_is_over_and_nothing_else() -> None:
    story = opened()
    local = store(story)
    for number in range(450):
        result(local.store(f"k{number}", "v", 10 if number % 2 else 0))
    story.after(11)
    assert story.program.services.tables.count(KIND) == 450
    assert result(walks.sweep(story.program.services)) == 225
    assert story.program.services.tables.count(KIND) == 225
    assert result(local.fetch("k2")) == "v"


def test_chunks_by_shell_pattern() -> None:
    story = opened(COLLECTIONS)
    local, ours = store(story), module(story)
    for number in range(300):
        result(local.store(f"user{number}", str(number)))
    result(local.store("over", "x", 1))
    result(store(story, "local:c").store("user1", "a call"))
    story.after(2)
    found = result(ours.fetch_chunk("user1?"))["keys"]
    assert sorted(one["name"] for one in found) == [f"user1{digit}" for digit in range(10)]
    assert result(ours.fetch_chunk("user1", "calls")) == {"keys": [{"name": "user1", "value": "a call"}]}
    assert result(ours.fetch_chunk("over")) == {"keys": []}
    assert result(ours.remove_chunk_mi("user[0-9]*")) == "OK"
    assert result(ours.fetch_chunk("*")) == {"keys": []}
    assert result(store(story, "local:c").fetch("user1")) == "a call"
    for work in (ours.fetch_chunk("*", "none"), ours.remove_chunk_mi("*", "none"), ours.fetch_chunk("*a" * 9)):
        with pytest.raises(MiError):
            result(work)


def test_a_script_removes_chunks() -> None:
    done = once(
        'cache_store("local", "a1", "v"); cache_store("local:c", "a1", "v"); cache_store("local", "b", "v");'
        'cache_remove_chunk("a*"); say("$rc"); cache_remove_chunk("calls", "a?"); say("$rc");'
        'cache_fetch("local", "a1", $var(x)); say("$rc"); cache_fetch("local:c", "a1", $var(x)); say("$rc");'
        'cache_fetch("local", "b", $var(x)); say("$rc"); cache_remove_chunk("none", "a?"); say("$rc");',
        modules="cachedb_local", top=COLLECTIONS,
    )  # fmt: skip
    assert done.lines == ["1", "1", "-2", "-2", "1", "-1"]


def test_full_tables_are_an_error_of_the_script() -> None:
    story = Story('route { cache_store("local", "k", "v"); xlog("@@$rc\n"); }', modules="cachedb_local")
    tables = story.program.services.tables
    assert isinstance(tables, MemoryTable)
    tables.is_full = True
    with pytest.raises(TablesFull):
        result(store(story).add("n", 1))
    story.party("10.0.0.1").said(request("MESSAGE"))
    assert "@@-1" in [line.strip() for line in story.lines]


def test_operations_are_counted() -> None:
    story = opened()
    local = store(story)
    result(local.store("k", "v"))
    with pytest.raises(CacheError):
        result(local.add("k", 1))
    assert story.program.caches.queries.get() == 2
    assert story.program.caches.slow.get() == 0


# -- parameters


def test_collections_as_they_are_spelled() -> None:
    assert read_collections("a; b/r; c=9; d/r = 10;") == {"a": False, "b": True, "c": False, "d": True}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"cache_collections", "a b"', "no name[/r][=size]"),
        ('"cachedb_url", "local:x:///none"', 'no collection "none"'),
        ('"cachedb_url", "local:x://host/"', "names no host"),
        ('"cluster_persistency", "x"', "sync-from-cluster or none"),
        ('"cache_clean_period", 0', "from 1 to"),
    ],
)
def test_bad_parameters_are_complaints(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        opened(f'modparam("cachedb_local", {line})\n')
    assert said in refused.value.complaints[0].message


def test_replication_without_a_cluster_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    opened(COLLECTIONS)
    assert "collection shared has /r, but there is no cluster_id" in capfd.readouterr().err


# -- the file


async def test_the_file_brings_back_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.cachedb_local"
    before, after = opened(COLLECTIONS), opened(COLLECTIONS)
    await store(before).store("k", "v")
    await store(before).store("short", "v", 10)
    await store(before, "local:c").store("call", "\udcff", 1000)
    await snapshot.save(path, before.program.services)
    after.after(20)
    assert await snapshot.load(path, after.program.services, {"default", "calls"}) == 2
    assert await store(after).fetch("k") == "v"
    assert await store(after, "local:c").fetch("call") == "\udcff"
    after.after(1000)
    assert await store(after, "local:c").fetch("call") is None
    await snapshot.loaded(after.program.services)
    assert await snapshot.load(path, after.program.services, {"default"}) == 0
    assert path.stat().st_mode & 0o777 == 0o600


async def test_workers_wait_for_the_file_to_be_read(tmp_path: Path) -> None:
    services = opened().program.services
    waiting = asyncio.ensure_future(snapshot.loaded(services))
    await asyncio.sleep(0)
    assert not waiting.done()
    await snapshot.load(tmp_path / "none", services, {"default"})
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x92\xa5other\x90", b"\x92\xb6pysips cachedb_local 1\x91\x90"])
def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kept"
    path.write_bytes(content)
    assert snapshot.read(path) == []
    assert not path.exists()
    assert (tmp_path / "kept.bad").read_bytes() == content


def test_a_file_that_cannot_be_written_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    snapshot.write(path, [Entry("default", b"k", b"v")])
    (tmp_path / "kept.new").mkdir()
    with pytest.raises(OSError):
        snapshot.write(path, [])
    assert [entry.key for entry in snapshot.read(path)] == [b"k"]
