"""cache_store and its kin in a script, and as management commands."""

from typing import Any

import pytest

from pysips.core.exports import MiError
from pysips.core.functions import Core
from pysips.errors import ConfigError
from pysips.runtime.offload import driven
from pysips.testing.cache import MODULES, open_memory
from pysips.testing.messages import request
from pysips.testing.modules.cachedb_memory import MemoryCache
from pysips.testing.once import Once, once
from pysips.testing.story import HEAD, Story

MEMORY = f'{HEAD}mpath="{MODULES}"\nloadmodule "cachedb_memory.so"\n'
URLS = """
modparam("cachedb_memory", "cachedb_url", "memory:g://")
modparam("cachedb_memory", "cachedb_url", "memory://")
"""


def ran(route: str) -> Once:
    return once(route, head=MEMORY, top=URLS)


def test_stored_fetched_removed_in_both_spellings() -> None:
    done = ran(
        'cache_store("memory:g", "k-$rm", "v $rm", 60); say("$rc");'
        'cache_fetch("memory:g", "k-MESSAGE", $avp(x)); say("$rc $avp(x)");'
        'cache_fetch("memory:g", "k-MESSAGE", "$avp(y)"); say("$rc $avp(y)");'
        'cache_remove("memory:g", "k-MESSAGE"); say("$rc");'
        'cache_fetch("memory:g", "k-MESSAGE", $avp(y)); say("$rc $avp(y)");'
        'cache_remove("memory:g", "k-MESSAGE"); say("$rc");'
    )
    assert done.lines == ["1", "1 v MESSAGE", "1 v MESSAGE", "1", "-2 v MESSAGE", "1"]


def test_a_store_is_named_by_its_engine_and_group() -> None:
    done = ran(
        'cache_store("memory:g", "k", "group"); $var(v) = 7; cache_store("memory", "k", $var(v));'
        'cache_fetch("memory:g", "k", $var(a)); cache_fetch("memory", "k", $var(b)); say("$var(a) $var(b)");'
        'cache_fetch("memory:other", "k", $var(a)); say("$rc"); cache_fetch("nothing", "k", $var(a)); say("$rc");'
        'cache_store("memory", "", "v"); say("$rc"); cache_store("memory", "k", "v", -1); say("$rc");'
    )
    assert done.lines == ["group 7", "-1", "-1", "-1", "-1"]


def test_counters() -> None:
    done = ran(
        'cache_add("memory", "n", 5, 0); say("$rc"); cache_add("memory", "n", "5", 100, $avp(n)); say("$rc $avp(n)");'
        '$var(two) = 2; cache_sub("memory", "n", $var(two), 0, $avp(n)); say("$rc $avp(n)");'
        'cache_counter_fetch("memory", "n", $var(c)); $var(c) = $var(c) + 1; say("$rc $var(c)");'
        'cache_counter_fetch("memory", "none", $var(c)); say("$rc $var(c)");'
    )
    assert done.lines == ["1", "1 10", "1 8", "1 9", "-2 9"]


def test_a_raw_query_stacks_its_rows_with_the_first_on_top() -> None:
    story = Story(
        URLS
        + 'route { cache_raw_query("memory", "rows", "$avp(a);$avp(b)"); xlog("@@$rc $(avp(a)[*]) $(avp(b)[*])\n");'
        'cache_raw_query("memory", "done", "$avp(c)"); xlog("@@$rc $avp(c)\n");'
        'cache_raw_query("memory", "none", "$avp(c)"); xlog("@@$rc $avp(c)\n");'
        'cache_raw_query("memory", "done"); xlog("@@$rc\n"); }',
        head=MEMORY,
    )
    open_memory(story.program, "memory://").answers = {"rows": [["1", "x"], [2, None], ["3"]], "done": [], "none": None}
    story.party("10.0.0.1").said(request("MESSAGE"))
    assert [line[2:].strip() for line in story.lines if line.startswith("@@")] == [
        "1 1, 2, 3 x,", "1 <null>", "-2 <null>", "1"
    ]  # fmt: skip


def test_what_is_down_or_lacking_fails_and_is_said_once() -> None:
    story = Story(
        URLS + 'route { $var(x) = "old"; cache_fetch("memory", "k", $var(x)); xlog("@@$rc $var(x)\n"); }', head=MEMORY
    )
    open_memory(story.program, "memory://").go_down()
    for number in range(3):
        story.party("10.0.0.1").said(request("MESSAGE", branch=f"z9hG4bK-{number}"))
    assert [line.strip() for line in story.lines if line.startswith("@@")] == ["@@-1 old"] * 3
    assert sum("does not answer" in line for line in story.lines) == 1


def test_a_run_waits_for_a_store_that_takes_its_time() -> None:
    story = Story(
        URLS + 'route { cache_store("memory", "k", "v"); xlog("@@stored $rc\n"); forward("udp:10.0.0.2:5060"); }',
        head=MEMORY,
    )
    store = open_memory(story.program, "memory://")
    store.hold()
    bob = story.party("10.0.0.2")
    story.party("10.0.0.1").said(request("MESSAGE", "sip:b@10.0.0.2"))
    bob.heard_nothing()
    store.release()
    bob.heard("MESSAGE")
    assert store.get("k") == "v"


def test_an_url_without_its_module_is_a_complaint_that_names_it() -> None:
    with pytest.raises(ConfigError) as refused:
        Story('modparam("cachedb_memory", "cachedb_url", "redis:g://h/")\nroute { exit; }', head=MEMORY)
    assert 'loadmodule "cachedb_redis.so"' in refused.value.complaints[0].message


# -- management


def core() -> tuple[Core, MemoryCache]:
    story = Story(URLS + "route { exit; }", head=MEMORY)
    found = story.program.registry.loaded["core"]
    assert isinstance(found, Core)
    return found, open_memory(story.program, "memory:g://")


def result(work: Any) -> Any:
    promise = driven(work)
    assert promise.done
    if promise.failure is not None:
        raise promise.failure
    return promise.value


def test_management_stores_fetches_removes() -> None:
    ours, _ = core()
    assert result(ours.mi_store("memory:g", "k", "v", 60)) == "OK"
    assert result(ours.mi_fetch("memory:g", "k")) == {"key": "k", "value": "v"}
    assert result(ours.mi_remove("memory:g", "k")) == "OK"
    with pytest.raises(MiError, match="Value not found") as missing:
        result(ours.mi_fetch("memory:g", "k"))
    assert missing.value.code == 400


def test_management_tells_what_fails() -> None:
    ours, store = core()
    store.go_down()
    for work in (ours.mi_store("memory:g", "k", "v"), ours.mi_fetch("memory:g", "k"), ours.mi_remove("nothing", "k")):
        with pytest.raises(MiError, match="command failed") as failed:
            result(work)
        assert failed.value.code == 500
    for work in (ours.mi_store("", "k", "v"), ours.mi_fetch("memory:g", ""), ours.mi_store("memory:g", "k", "")):
        with pytest.raises(MiError, match="Invalid params"):
            result(work)


def test_management_has_both_names() -> None:
    ours, _ = core()
    names = {(spec.name, spec.full) for spec in ours.program.registry.mi_commands()}
    assert {("cache_store", "cache:store"), ("cache_fetch", "cache:fetch"), ("cache_remove", "cache:remove")} <= names
