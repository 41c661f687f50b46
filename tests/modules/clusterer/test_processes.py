"""Real processes on loopback addresses, with real connections between them."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pysips.cli.mi import MiFailed
from tests.live import Server, until

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("clusterer")]

SCRIPT = """
log_level=3
socket=udp:127.0.5.{id}:{sip}
socket=bin:127.0.5.{id}:{bin}
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{{folder}}/fifo")
modparam("mi_fifo", "reply_dir", "{{folder}}/")
loadmodule "sl.so"
loadmodule "event_route.so"
{more}
loadmodule "clusterer.so"
modparam("clusterer", "ping_timeout", 250)
modparam("clusterer", "ping_interval", 1)
modparam("clusterer", "node_timeout", 2)
{params}
route {{
    cluster_broadcast_req(1, "hello of {id}", $var(tag));
    xlog("L_NOTICE", "sent $rc");
    sl_send_reply(200, "OK");
}}
event_route[E_CLUSTERER_REQ_RECEIVED] {{
    xlog("L_NOTICE", "heard $param(msg) from $param(src_id)");
    cluster_send_rpl($param(cluster_id), $param(src_id), "echo", $param(tag));
}}
event_route[E_CLUSTERER_RPL_RECEIVED] {{
    xlog("L_NOTICE", "answered $param(msg) by $param(src_id)");
}}
event_route[E_CLUSTERER_NODE_STATE_CHANGED] {{
    xlog("L_NOTICE", "node $param(node_id) is $param(new_state)");
}}
"""


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


class Nodes:
    """Servers by node id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sip, self.bin = free_port(), free_port()
        self.servers: dict[int, Server] = {}

    def text(self, node_id: int) -> str:
        return f"cluster_id=1,node_id={node_id},url=bin:127.0.5.{node_id}:{self.bin},sip_addr=127.0.5.{node_id}"

    def written(self, node_id: int, others: tuple[int, ...]) -> str:
        """The node table in the script."""
        lines = ['modparam("clusterer", "db_mode", 0)', f'modparam("clusterer", "my_node_id", {node_id})']
        lines.append(f'modparam("clusterer", "my_node_info", "{self.text(node_id)}")')
        lines += [f'modparam("clusterer", "neighbor_node_info", "{self.text(one)}")' for one in others]
        return "\n".join(lines)

    def start(self, node_id: int, params: str, more: str = "") -> Server:
        folder = self.folder / f"node{node_id}"
        folder.mkdir(exist_ok=True)
        script = SCRIPT.format(id=node_id, sip=self.sip, bin=self.bin, params=params, more=more)
        server = self.servers[node_id] = Server(script, folder, "-o", "pysips_workers=2")
        return server

    def links(self, node_id: int) -> dict[int, str]:
        listed = self.servers[node_id].mi("clusterer_list")["Clusters"]
        return {one["node_id"]: one["link_state"] for cluster in listed for one in cluster["Nodes"]}

    def are_up(self, node_id: int, *others: int) -> Callable[[], bool]:
        return lambda: self.links(node_id) == dict.fromkeys(others, "Up")

    def ask(self, node_id: int) -> None:
        """A request to its script."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind((f"127.0.5.{node_id}", 0))
            phone.settimeout(5)
            port = phone.getsockname()[1]
            text = (
                f"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.5.{node_id}:{port};branch=z9hG4bK{time.time()}\r\n"
                f"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {time.time()}\r\nCSeq: 1 OPTIONS\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            phone.sendto(text.encode(), (f"127.0.5.{node_id}", self.sip))
            phone.recv(4096)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(tmp_path)
    yield made
    for server in made.servers.values():
        server.stop()


def said(server: Server, text: str) -> Callable[[], bool]:
    return lambda: text in server.log()


def attendant_of(server: Server) -> int:
    """0 while there is none that answers."""
    try:
        found: Any = server.mi("ps")["Processes"]
    except MiFailed:
        return 0
    pid: int = next(one["PID"] for one in found if one["Type"] == "attendant")
    return pid


def test_three_nodes_find_each_other_talk_and_get_over_deaths(nodes: Nodes) -> None:
    one = nodes.start(1, nodes.written(1, (2,)))
    two = nodes.start(2, nodes.written(2, (3,)))
    three = nodes.start(3, nodes.written(3, ()))
    for node_id, others in ((1, (2, 3)), (2, (3, 1)), (3, (2, 1))):
        until(nodes.are_up(node_id, *others), 10, f"node {node_id} up to all")

    nodes.ask(1)
    for server in (two, three):
        until(said(server, "heard hello of 1 from 1"), 5, "a message to all")
    until(
        lambda: {"answered echo by 2", "answered echo by 3"} <= set(re.findall(r"answered echo by \d", one.log())),
        5,
        "echoes",
    )

    assert one.mi("cluster_send_mi", [1, 2, "log_level", ["4"]]) == "OK"
    until(lambda: two.mi("log_level") != one.mi("log_level"), 5, "a command at another node")
    assert one.mi("clusterer:shtag_set_active", ["vip/1"]) == "OK"
    assert two.mi("clusterer_shtag_set_active", ["vip/1"]) == "OK"
    until(
        lambda: one.mi("clusterer_list_shtags") == [{"Tag": "vip", "Cluster": 1, "State": "backup"}],
        5,
        "the tag's move",
    )

    pid = attendant_of(one)
    os.kill(pid, signal.SIGKILL)
    until(lambda: attendant_of(one) not in (0, pid), 15, "a new attendant")
    until(nodes.are_up(1, 2, 3), 5, "its links")
    assert two.mi("clusterer_list_shtags")[0]["State"] == "active"

    os.killpg(three.process.pid, signal.SIGKILL)
    three.process.wait()
    until(lambda: nodes.links(1)[3] == "Down", 10, "node 3's end")
    until(said(one, "node 3 is 0"), 5, "the event")
    nodes.start(3, nodes.written(3, (1,)))
    until(nodes.are_up(1, 2, 3), 5, "node 3 again")
    until(nodes.are_up(3, 1, 2), 5, "all of node 3's links")


def make_table(file: Path, nodes: Nodes, rows: int) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE version (table_name CHAR(32) PRIMARY KEY, table_version INT)")
        database.execute("INSERT INTO version VALUES ('clusterer', 4)")
        database.execute(
            "CREATE TABLE clusterer (id INTEGER PRIMARY KEY, cluster_id INT, node_id INT, url CHAR(64),"
            " state INT DEFAULT 1, no_ping_retries INT DEFAULT 3, priority INT DEFAULT 50, sip_addr CHAR(64),"
            " flags CHAR(64), description CHAR(64))"
        )
        for node_id in range(1, rows + 1):
            database.execute(
                "INSERT INTO clusterer (cluster_id, node_id, url, sip_addr, flags) VALUES (1, ?, ?, ?, 'NULL')",
                (node_id, f"bin:127.0.5.{node_id}:{nodes.bin}", f"127.0.5.{node_id}"),
            )
        database.commit()


def test_the_node_table_is_read_from_a_database_and_read_anew(nodes: Nodes, tmp_path: Path) -> None:
    file = tmp_path / "table.sqlite"
    make_table(file, nodes, 2)
    for node_id in (1, 2):
        params = f'modparam("clusterer", "current_id", {node_id})\nmodparam("clusterer", "db_url", "sqlite://{file}")'
        nodes.start(node_id, params, 'loadmodule "db_sqlite.so"')
    until(nodes.are_up(1, 2), 10, "the pair")
    one = nodes.servers[1]
    assert one.mi("clusterer_list")["Clusters"][0]["Nodes"][0] == {
        "node_id": 2, "db_id": 2, "url": f"bin:127.0.5.2:{nodes.bin}", "link_state": "Up", "state": "enabled",
        "next_hop": "2", "description": "none",
    }  # fmt: skip
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE clusterer SET description = 'east' WHERE node_id = 2")
        database.commit()
    assert one.mi("clusterer_reload") == "OK"
    assert one.mi("clusterer:list")["Clusters"][0]["Nodes"][0]["description"] == "east"
    assert one.mi("clusterer_set_status", [1, 0]) == "OK"
    until(lambda: nodes.links(2)[1] != "Up", 10, "the link's end")
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT state FROM clusterer WHERE node_id = 1").fetchone() == (0,)
    assert one.mi("clusterer_set_status", {"cluster_id": 1, "status": 1}) == "OK"
    until(nodes.are_up(2, 1), 10, "the link again")
    assert one.mi("get_statistics", [["clusterer_nodes_up"]]) == {"clusterer:clusterer_nodes_up": 1}


def test_a_sync_is_done_once_and_a_new_attendant_repeats_none(nodes: Nodes) -> None:
    more = (
        'loadmodule "cachedb_local.so"\nmodparam("cachedb_local", "cluster_id", 1)\n'
        'modparam("cachedb_local", "cache_collections", "shared/r")\n'
        'modparam("cachedb_local", "cachedb_url", "local:group:///shared")'
    )
    seed = nodes.written(1, (2,)).replace("sip_addr", "flags=seed,sip_addr", 1)
    one = nodes.start(1, seed + '\nmodparam("clusterer", "seed_fallback_interval", 1)', more)
    until(lambda: cap(one) == "Ok", 10, "the seed's fallback")
    for number in range(50):
        one.mi("cache_store", ["local:group", f"key{number}", "x" * 1000])
    two = nodes.start(2, nodes.written(2, (1,)), more)
    until(lambda: cap(two) == "Ok", 10, "the sync")
    until(lambda: has(two, "key49"), 5, "the last of 50 keys")
    until(lambda: one.log().count("Sync completed") == 1, 5, "the seed's own sync, since it was alone")

    for server in (one, two):
        pid = attendant_of(server)
        os.kill(pid, signal.SIGKILL)
        until(lambda server=server, pid=pid: attendant_of(server) not in (0, pid), 15, "a new attendant")  # type: ignore[misc]
        until(nodes.are_up(1, 2), 5, "the links")
        until(nodes.are_up(2, 1), 5, "the links")
    one.mi("cache_store", ["local:group", "late", "y"])
    until(lambda: has(two, "late"), 5, "a change after that")
    assert [server.log().count("Sync requested") for server in (one, two)] == [1, 1]
    assert cap(one) == cap(two) == "Ok"


def has(server: Server, key: str) -> bool:
    try:
        return bool(server.mi("cache_fetch", ["local:group", key]))
    except MiFailed:
        return False


def cap(server: Server) -> str:
    state: str = server.mi("clusterer_list_cap")["Clusters"][0]["Capabilities"][0]["state"]
    return state


def test_a_node_that_is_not_in_the_table_does_not_start(nodes: Nodes, tmp_path: Path) -> None:
    file = tmp_path / "table.sqlite"
    make_table(file, nodes, 2)
    params = f'modparam("clusterer", "my_node_id", 7)\nmodparam("clusterer", "db_url", "sqlite://{file}")'
    with contextlib.suppress(AssertionError):  # it may answer once before it has read its table
        nodes.start(7, params, 'loadmodule "db_sqlite.so"')
    log = tmp_path / "node7" / "server.log"
    until(lambda: "cannot start: node 7 is in no cluster" in log.read_text("utf-8"), 10, "the complaint")
    if 7 in nodes.servers:
        assert nodes.servers[7].process.wait(10) != 0
