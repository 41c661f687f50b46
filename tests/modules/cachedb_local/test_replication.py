"""Collections that other nodes have, too: what is sent, what is taken in, what a node that comes back gets."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pysips.core.bin_interface import BadPacket, Reader
from pysips.core.cachedb import CacheDb
from pysips.errors import ConfigError
from pysips.modules.cachedb_local import CachedbLocal
from pysips.modules.cachedb_local.packets import Insert, Message, Remove, decode, encode
from pysips.modules.cachedb_local.replication import NOTED, Replica
from pysips.modules.clusterer.api import DOWN, SENT, Body, Cluster, Condition, any_node
from pysips.modules.clusterer.mirror import Mirror
from pysips.runtime.offload import driven
from pysips.testing.story import Story
from tests.live import Server, until

from ..clusterer.test_processes import free_port

COLLECTIONS = """
modparam("cachedb_local", "cache_collections", "shared/r; own")
modparam("cachedb_local", "cachedb_url", "local:s:///shared")
modparam("cachedb_local", "cachedb_url", "local:o:///own")
"""


class Wire(Cluster):
    """Keeps what is broadcast."""

    def __init__(self, story: Story) -> None:
        super().__init__(Mirror(story.program.services))
        self.sent: list[Message] = []
        self.answer = SENT

    def broadcast(
        self, cluster_id: int, capability: str, kind: int, body: Body, condition: Condition = any_node
    ) -> int:  # fmt: skip
        assert (cluster_id, capability) == (1, "cachedb-local-repl")
        self.sent.append(decode(kind, 1, body(1)))
        return self.answer


class Node:
    """One node with the collections `shared`, which is replicated, and `own`."""

    def __init__(self) -> None:
        self.story = Story(COLLECTIONS + "route { exit; }", modules="cachedb_local")
        module = self.story.program.registry.loaded["cachedb_local"]
        assert isinstance(module, CachedbLocal)
        self.wire = Wire(self.story)
        module.clusterer, module.cluster_id = self.wire, 1
        module.program.caches.opened.clear()
        module.program.caches.names.clear()
        module.configure()
        assert module.replica is not None
        self.replica: Replica = module.replica

    def store(self, name: str) -> CacheDb:
        found = self.story.program.caches.named(name)
        assert found is not None
        return found

    def do(self, work: Any) -> Any:
        promise = driven(work)
        assert promise.failure is None
        return promise.value

    def fetch(self, key: str, name: str = "local:s") -> str | None:
        found: str | None = self.do(self.store(name).fetch(key))
        return found

    def hears(self, message: Message) -> None:
        self.replica.received(1, 2, message.TYPE, 1, Reader(encode(message)))


def test_stores_and_removals_of_a_replicated_collection_are_sent() -> None:
    node = Node()
    node.do(node.store("local:s").store("k", "v", 60))
    node.do(node.store("local:o").store("k", "v"))
    node.do(node.store("local").store("k", "v"))
    node.do(node.store("local:s").remove("absent"))
    node.replica.send()
    assert node.wire.sent == [Remove("shared", "absent"), Insert("shared", "k", "v", 60)]
    node.replica.send()
    assert len(node.wire.sent) == 2


def test_of_a_counter_only_its_making_is_sent() -> None:
    node = Node()
    node.do(node.store("local:s").add("n", 5, 60))
    node.replica.send()
    node.do(node.store("local:s").add("n", 2, 60))
    node.replica.send()
    assert node.wire.sent == [Insert("shared", "n", "5", 60)]


def test_a_key_that_changed_twice_is_sent_as_it_is_now() -> None:
    node = Node()
    for value in ("1", "2"):
        node.do(node.store("local:s").store("k", value))
    node.do(node.store("local:s").store("gone", "x"))
    node.do(node.store("local:s").remove("gone"))
    node.replica.send()
    assert node.wire.sent == [Remove("shared", "gone"), Insert("shared", "k", "2", 0)]


def test_a_change_while_sending_stays_noted() -> None:
    node = Node()
    node.do(node.store("local:s").store("k", "1"))
    told = node.replica.tell

    def tell(line: Any) -> None:
        told(line)
        node.do(node.store("local:s").store("k", "2"))

    node.replica.tell = tell  # type: ignore[method-assign]
    node.replica.send()
    node.replica.tell = told  # type: ignore[method-assign]
    node.replica.send()
    assert node.wire.sent == [Insert("shared", "k", "1", 0), Insert("shared", "k", "2", 0)]
    assert node.story.program.services.tables.count(NOTED) == 0


def test_without_anybody_there_nothing_is_kept() -> None:
    node = Node()
    node.wire.answer = DOWN
    node.do(node.store("local:s").store("k", "1"))
    node.replica.send()
    assert node.story.program.services.tables.count(NOTED) == 0


def test_a_value_too_large_for_a_packet_is_kept_here_and_said() -> None:
    node = Node()
    node.do(node.store("local:s").store("k", "x" * 70_000))
    node.replica.send()
    assert node.wire.sent == []
    assert any("is not sent to other nodes" in line for line in node.story.lines)
    assert node.fetch("k") == "x" * 70_000


def test_what_others_send_is_taken_in_and_not_sent_on() -> None:
    node = Node()
    node.hears(Insert("shared", "k", "\udcff", 10))
    node.hears(Insert("own", "k", "v", 0))
    node.hears(Insert("unknown", "k", "v", 0))
    assert node.fetch("k") == "\udcff"
    assert node.fetch("k", "local:o") is None
    node.replica.send()
    assert node.wire.sent == []
    node.story.after(11)
    assert node.fetch("k") is None
    node.hears(Insert("shared", "k", "v", 0))
    node.hears(Remove("shared", "k"))
    assert node.fetch("k") is None


def test_a_node_that_comes_back_gets_all_with_the_seconds_that_are_left() -> None:
    donor, other = Node(), Node()
    donor.do(donor.store("local:s").store("short", "v", 10))
    donor.do(donor.store("local:s").store("over", "v", 1))
    donor.do(donor.store("local:o").store("own", "v"))
    for number in range(500):
        donor.do(donor.store("local:s").store(f"k{number}", str(number)))
    donor.story.after(6)
    chunks: Iterator[bytes] = donor.replica.donate(1, 2, 1)
    other.replica.chunks(1, 1, 1, tuple(chunks))
    assert other.fetch("k499") == "499"
    assert other.fetch("own", "local:o") is None
    assert other.fetch("over") is None
    other.story.after(3)
    assert other.fetch("short") == "v"
    other.story.after(2)
    assert other.fetch("short") is None


@pytest.mark.parametrize(("kind", "version", "body"), [(1, 1, b""), (1, 2, b"\0\0"), (3, 1, b""), (2, 1, b"\xff\xff")])
def test_what_is_no_packet_changes_nothing(kind: int, version: int, body: bytes) -> None:
    node = Node()
    with pytest.raises(BadPacket):
        node.replica.received(1, 2, kind, version, Reader(body))
    assert node.do(node.store("local:s").fetch("")) is None


def test_a_cluster_needs_its_module() -> None:
    with pytest.raises(ConfigError) as refused:
        Story('modparam("cachedb_local", "cluster_id", 1)\nroute { exit; }', modules="cachedb_local")
    assert 'loadmodule "clusterer.so"' in refused.value.complaints[0].message


SCRIPT = """
socket=udp:127.0.6.{id}:{sip}
socket=bin:127.0.6.{id}:{bin}
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{{folder}}/fifo")
modparam("mi_fifo", "reply_dir", "{{folder}}/")
loadmodule "clusterer.so"
modparam("clusterer", "my_node_id", {id})
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "ping_interval", 1)
modparam("clusterer", "my_node_info", "cluster_id=1, url=bin:127.0.6.{id}:{bin}{seed}")
modparam("clusterer", "neighbor_node_info", "cluster_id=1, node_id={other}, url=bin:127.0.6.{other}:{bin}")
loadmodule "cachedb_local.so"
modparam("cachedb_local", "cluster_id", 1)
""" + COLLECTIONS + "route {{ exit; }}\n"  # fmt: skip


@pytest.mark.scenario
@pytest.mark.xdist_group("clusterer")
def test_two_real_nodes_have_one_collection(serve: Callable[..., Server]) -> None:
    sip, bin = free_port(), free_port()

    def node(id: int, other: int, seed: str) -> Server:
        return serve(SCRIPT.format(id=id, other=other, seed=seed, sip=sip, bin=bin))

    def has(server: Server, key: str) -> bool:
        return key in json.dumps(server.mi("cache_fetch_chunk", {"glob": "*", "collection": "shared"}))

    first = node(1, 2, ", flags=seed")
    first.mi("cache_store", {"system": "local:s", "attr": "early", "value": "1"})
    second = node(2, 1, "")
    until(lambda: has(second, "early"), 15, "a sync")
    second.mi("cache_store", {"system": "local:s", "attr": "late", "value": "2"})
    until(lambda: has(first, "late"), 5, "a packet")
    first.mi("cache_remove", {"system": "local:s", "attr": "late"})
    until(lambda: not has(second, "late"), 5, "a removal")
    assert not re.search(r"\bERROR\b", first.log() + second.log())


@pytest.mark.scenario
def test_a_restarted_server_has_its_keys(serve: Callable[..., Server], tmp_path: Path) -> None:
    port = free_port()
    script = f"""
socket=udp:127.0.0.1:{port}
restart_persistency_cache_file="{tmp_path}/kept"
loadmodule "proto_udp.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{{folder}}/fifo")
modparam("mi_fifo", "reply_dir", "{{folder}}/")
loadmodule "cachedb_local.so"
modparam("cachedb_local", "enable_restart_persistency", 1)
route {{ exit; }}
"""
    first = serve(script)
    first.mi("cache_store", {"system": "local", "attr": "k", "value": "v"})
    first.mi("cache:store", ["local", "short", "v", 1])
    assert first.stop() == 0
    second = serve(script)
    assert second.mi("cache_fetch", {"system": "local", "attr": "k"}) == {"key": "k", "value": "v"}
    assert second.mi("cachedb_local:fetch_chunk", ["*"])["keys"][0]["name"] == "k"
