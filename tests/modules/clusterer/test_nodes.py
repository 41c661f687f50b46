"""Node tables: rows of 2.4, 3.x and 4.0, and texts in the script."""

import pytest

from pysips.modules.clusterer.nodes import BadNode, NodeInfo, from_row, from_text, parse_url, sip_host, sorted_out

ROW = {
    "id": 7, "cluster_id": 1, "node_id": 2, "url": "bin:10.0.0.2:5566", "state": 1, "no_ping_retries": 3,
    "priority": 50, "sip_addr": "10.0.0.9", "flags": None, "description": None,
}  # fmt: skip


def row(**changes: object) -> dict[str, object]:
    return ROW | changes


def test_a_row_is_a_node() -> None:
    assert from_row(row(flags="seed", description="east")) == NodeInfo(
        1, 2, "bin:10.0.0.2:5566", "bin", "10.0.0.2", 5566, 7, True, 3, 50, "10.0.0.9", True, "east"
    )


@pytest.mark.parametrize("flags", [None, "", "NULL", "null", "none", "seeds", "backup"])
def test_a_flag_that_is_not_seed_is_no_seed(flags: str | None) -> None:
    assert not from_row(row(flags=flags)).is_seed


def test_bytes_and_blanks_of_old_columns_are_texts() -> None:
    assert from_row(row(flags=b"seed ", sip_addr=b"10.0.0.9")).is_seed


@pytest.mark.parametrize(
    "change",
    [
        {"url": "10.0.0.2"}, {"url": "tcp:10.0.0.2:5555"}, {"url": "bin:10.0.0.2:0"}, {"url": "bin:10.0.0.2:99999"},
        {"url": ""}, {"url": "bin:" + "a" * 300}, {"node_id": 0}, {"node_id": None}, {"cluster_id": -1},
        {"no_ping_retries": -1}, {"priority": "much"}, {"cluster_id": 1 << 31},
    ],
)  # fmt: skip
def test_a_malformed_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadNode):
        from_row(row(**change))


def test_a_text_leaves_out_what_is_usual() -> None:
    assert from_text("cluster_id=1,node_id=2,url=bin:10.0.0.2") == NodeInfo(
        1, 2, "bin:10.0.0.2", "bin", "10.0.0.2", 5555, priority=3
    )
    own = from_text("cluster_id=1, url=bin:10.0.0.1:5566, flags=seed, sip_addr=10.0.0.9:5060", own_id=4)
    assert (own.node_id, own.is_seed, own.sip_addr) == (4, True, "10.0.0.9:5060")


@pytest.mark.parametrize(
    "text",
    [
        "", "cluster_id=1", "cluster_id=1,url=bin:10.0.0.1", "cluster=1,node_id=1,url=bin:h",
        "cluster_id=x,node_id=1,url=bin:h",
    ],
)  # fmt: skip
def test_a_text_that_is_no_node_is_refused(text: str) -> None:
    with pytest.raises(BadNode):
        from_text(text)


def test_urls_have_names_and_addresses_of_both_families() -> None:
    assert parse_url("bin:[2001:DB8::0:1]:6000") == ("bin", "2001:db8::1", 6000)
    assert parse_url("bins:Node.Example") == ("bins", "node.example", 5555)


def test_the_host_of_a_sip_address() -> None:
    assert [sip_host(one) for one in ("10.0.0.1", "10.0.0.1:5060", "[2001:db8::1]:5060", "2001:db8::1", "")] == [
        "10.0.0.1", "10.0.0.1", "2001:db8::1", "2001:db8::1", ""
    ]  # fmt: skip


def test_only_clusters_that_we_are_in_are_taken_ourselves_first() -> None:
    found = [from_row(row(node_id=one, cluster_id=cluster)) for cluster, one in ((1, 2), (1, 1), (2, 2), (3, 1))]
    clusters = sorted_out(1, found)
    assert {key: [one.node_id for one in nodes] for key, nodes in clusters.items()} == {1: [1, 2], 3: [1]}
    with pytest.raises(BadNode, match="node 9 is in no cluster"):
        sorted_out(9, found)
