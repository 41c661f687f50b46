"""The core's management commands against a real server, by way of its FIFO."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pysips import __version__

pytestmark = pytest.mark.scenario

Start = Callable[..., Any]


class Client:
    """Writes a command into the server's pipe and waits for the answer in one of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def raw(self, make: Callable[[str], str]) -> str:
        self.number += 1
        name = f"reply{self.number}"
        os.mkfifo(self.folder / name)
        reader = os.open(self.folder / name, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(self.folder / "fifo", os.O_WRONLY)
        os.write(writer, make(name).encode())
        os.close(writer)
        got, end = b"", time.monotonic() + 5
        while time.monotonic() < end:
            try:
                piece = os.read(reader, 65_536)
            except BlockingIOError:
                piece = None
            if piece:
                got += piece
            elif piece == b"" and got:
                break
            time.sleep(0.002)
        os.close(reader)
        return got.decode()

    def ask(self, method: str, params: Any = None) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        answer = json.loads(self.raw(lambda name: f":{name}:{json.dumps(request)}"))
        return answer["result"] if "result" in answer else answer["error"]


@pytest.fixture
def running(server: Start, tmp_path: Path) -> tuple[Any, Client]:
    more = f'loadmodule "mi_fifo.so"\nmodparam("mi_fifo", "fifo_name", "{tmp_path}/fifo")\n'
    more += f'modparam("mi_fifo", "reply_dir", "{tmp_path}")\n'
    changes = "$param(group) $param(identifier) went from $param(old_status) to $param(status) $param(details)\\n"
    more += f'event_route[E_CORE_SR_STATUS_CHANGED] {{ xlog("L_NOTICE", "{changes}"); }}'
    one = server(more)
    return one, Client(tmp_path)


def test_the_commands_of_the_core(running: tuple[Any, Client]) -> None:
    one, client = running
    names = client.ask("which")
    for name in ("which", "version", "uptime", "ps", "get_statistics", "reset_statistics", "log_level"):
        assert name in names
    assert {"core:ps", "statistics:get", "statistics:reset", "core:log_level"} <= set(names)
    assert client.ask("which", ["log_level"]) == [[], ["level"], ["level", "pid"]]
    assert client.ask("which", ["nix"])["code"] == 404
    assert client.ask("core:version")["Server"].startswith(f"PySIPS ({__version__} (")
    assert set(client.ask("uptime")) == {"Now", "Up since", "Up time"}
    assert one.stop() == 0
    assert not (client.folder / "fifo").exists()


def test_ps_names_every_process(running: tuple[Any, Client]) -> None:
    one, client = running
    found = client.ask("ps")["Processes"]
    assert [entry["ID"] for entry in found] == [0, 1, 2, 3]
    assert [entry["Type"] for entry in found] == ["attendant", "SIP receiver 0", "SIP receiver 1", "supervisor"]
    assert {entry["PID"] for entry in found} == {*one.children(), one.supervisor()}
    lines = client.raw(lambda name: f":ps:{name}\n\n")
    assert lines.startswith("200 OK\nProcesses::\n\tID:: 0\n\tPID:: ")
    assert lines.endswith("\tType:: supervisor\n\n")


def test_statistics_are_those_of_all_workers_and_survive_one(running: tuple[Any, Client]) -> None:
    one, client = running
    assert all(one.ask() for _ in range(30))
    assert client.ask("get_statistics", [["rcv_requests"]]) == {"core:rcv_requests": 30}
    os.kill(one.workers()[0], signal.SIGKILL)
    one.until(lambda: len(one.children()) == 3)
    one.until(one.ask)
    counted = client.ask("statistics:get", {"statistics": ["core:"]})
    assert counted["core:rcv_requests"] >= 31
    assert client.ask("get_statistics", {"statistics": ["core:rcv_requests"]}) == {}
    assert client.ask("get_statistics", {"statistics": "rcv_requests"})["code"] == -32602
    assert client.ask("reset_statistics", {"statistics": ["rcv_requests"]}) == "OK"
    assert client.ask("get_statistics", [["rcv_requests"]]) == {"core:rcv_requests": 0}
    assert client.ask("reset_statistics", {"statistics": ["nix"]})["code"] == 404


def test_connections_are_counted_as_long_as_they_live(running: tuple[Any, Client]) -> None:
    one, client = running
    with one.dial() as connection:
        assert one.ask_over(connection)
        assert client.ask("get_statistics", [["tcp_connections"]]) == {"net:tcp_connections": 1}
        for pid in one.workers():
            os.kill(pid, signal.SIGKILL)
        one.until(lambda: len(one.children()) == 3)
    one.until(lambda: client.ask("get_statistics", [["tcp_connections"]]) == {"net:tcp_connections": 0})


def test_the_log_level_changes_everywhere_and_for_replacements(running: tuple[Any, Client]) -> None:
    one, client = running
    assert client.ask("log_level", {"level": "4"}) == {"New global log level": 4}
    assert [entry["Log level"] for entry in client.ask("log_level")["Processes"]] == [4, 4, 4]
    os.kill(one.workers()[1], signal.SIGKILL)
    one.until(lambda: len(one.children()) == 3)
    one.until(lambda: len(client.ask("log_level")["Processes"]) == 3)
    assert [entry["Log level"] for entry in client.ask("log_level")["Processes"]] == [4, 4, 4]
    pid = one.children()[0]
    assert client.ask("log_level", [1, pid]) == {"Log level": 1}
    assert sorted(entry["Log level"] for entry in client.ask("log_level")["Processes"]) == [1, 4, 4]
    assert client.ask("log_level", [1, 1])["data"] == "Bad PID"


def test_what_is_logged_where_changes_for_all_processes(running: tuple[Any, Client]) -> None:
    one, client = running
    assert client.ask("log_mute_state", ["stderror"]) == {"mute state": 0}
    assert client.ask("log_mute_state", {"consumer": "event"}) == {"mute state": 1}
    assert client.ask("log_level_filter", ["stderror"]) == {"Log level filter": 0}
    assert client.ask("log_mute_state", ["stderror", 1]) == "OK"
    gone = one.workers()[1]
    os.kill(gone, signal.SIGKILL)
    one.until(lambda: len(one.children()) == 3 and gone not in one.children())
    assert client.ask("log_mute_state", ["stderror"]) == {"mute state": 1}
    assert client.ask("log_level_filter", ["stderror", 9]) == "OK"
    assert client.ask("log_level_filter", ["stderror"]) == {"Log level filter": 4}
    assert client.ask("log_mute_state", ["stderror", 0]) == "OK"
    assert "it is replaced" not in one.said(), "the supervisor is mute, too"
    unknown = client.ask("log_mute_state", ["paper"])
    assert (unknown["code"], unknown["message"]) == (404, "Unknown log consumer")


def test_a_stopped_worker_holds_an_answer_up_for_two_seconds_at_most(running: tuple[Any, Client]) -> None:
    one, client = running
    os.kill(one.workers()[0], signal.SIGSTOP)
    began = time.monotonic()
    assert len(client.ask("log_level")["Processes"]) == 2
    assert time.monotonic() - began < 3


def test_kill_stops_the_server(running: tuple[Any, Client]) -> None:
    one, client = running
    assert client.ask("kill") == "OK"
    assert one.process.wait(5) == 0


def test_stream_connections_of_all_workers_are_listed(running: tuple[Any, Client]) -> None:
    one, client = running
    assert client.ask("list_tcp_conns") is None
    with one.dial() as connection:
        assert one.ask_over(connection)
        (row,) = client.ask("tcp:list")["Connections"]
        port = connection.getsockname()[1]
        assert (row["Type"], row["Remote"]) == ("tcp", f"127.0.0.1:{port}")
        assert row["Local"] == f"127.0.0.1:{one.port}"


def test_the_status_is_the_whole_servers_and_a_process_that_dies_does_not_change_it(
    running: tuple[Any, Client],
) -> None:
    one, client = running
    well = {"Readiness": True, "Status": 1, "Details": "running"}
    one.until(lambda: client.ask("sr_get_status", ["core"]) == well)
    one.until(lambda: "core main went from -1 to 1 running" in one.said())
    os.kill(one.workers()[0], signal.SIGKILL)
    for _ in range(20):
        assert client.ask("status_report:get", {"group": "core"}) == well
        time.sleep(0.02)
    one.until(lambda: one.ask())
    assert client.ask("sr_list_status", ["core"]) == [{"Name": "main", **well}]
    assert client.ask("sr_get_status", ["nobody"])["code"] == 404
    assert one.said().count("went from") == 1


def test_events_are_listed_and_subscribed_to(running: tuple[Any, Client]) -> None:
    _, client = running
    assert client.ask("event_subscribe", ["E_NOTHING", "udp:127.0.0.1:9"])["code"] == 404
    assert client.ask("raise_event", ["E_MINE"]) == "OK"
    said = client.ask("event_subscribe", ["E_MINE", "udp:127.0.0.1:9"])["message"]
    assert "no module carries events" in said
    assert client.ask("subscribers_list") == {"Events": []}
