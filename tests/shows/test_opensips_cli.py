"""The real opensips-cli against our FIFO, and `pysips mi` beside it: every command by its old and its new name."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, Phone, Server

from .conftest import CALLS

pytestmark = pytest.mark.scenario
CLI = Path(sys.executable).with_name("opensips-cli")
ALICE = ("location", "alice@127.0.0.1")
BOB = ("location", "bob@127.0.0.1")
SHOWN = {
    "Contact": "sip:alice@127.0.0.1:25061", "Q": "", "Callid": "call-of-alice", "Cseq": 1, "User-agent": "n/a",
    "State": "CS_NEW", "Flags": 0, "Cflags": "", "Socket": "udp:127.0.0.1:5060", "Methods": 4294967295,
}  # fmt: skip


def run(words: list[str], server: Server, fails: bool = False) -> Any:
    """What a program prints, as JSON where it is; with `fails` what it complains of."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails and ("ERROR" in said or "pysips:" in said) == fails, said
    try:
        return json.loads(done.stdout)
    except ValueError:
        return said.strip()


def cli(server: Server, *words: str, fails: bool = False) -> Any:
    options = {"communication_type": "fifo", "fifo_file": str(server.fifo), "fifo_reply_dir": str(server.reply_folder)}
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return run([str(CLI), *given, "-x", "mi", *words], server, fails)


DOORS = """
loadmodule "mi_datagram.so"
modparam("mi_datagram", "socket_name", "udp:127.0.0.1:25080")
loadmodule "httpd.so"
modparam("httpd", "port", 25081)
loadmodule "mi_http.so"
"""


@pytest.mark.parametrize(
    "options",
    [
        ("communication_type=http", "url=http://127.0.0.1:25081/mi"),
        ("communication_type=datagram", "datagram_ip=127.0.0.1", "datagram_port=25080"),
    ],
    ids=["http", "datagram"],
)
def test_the_client_over_other_doors(serve: Callable[..., Server], options: tuple[str, ...]) -> None:
    server = serve(CALLS.replace("\nroute {", DOORS + "\nroute {", 1))
    given = [word for option in options for word in ("-o", option)]
    for command in ("version", "core:version"):
        answer = run([str(CLI), *given, "-x", "mi", command], server)
        assert answer["Server"].startswith("PySIPS (")
    assert "404: AOR not found" in run([str(CLI), *given, "-x", "mi", "ul_show_contact", *BOB], server, fails=True)


def ours(server: Server, *words: str, fails: bool = False) -> Any:
    place = ["-f", str(server.fifo), "--reply-dir", str(server.reply_folder)]
    return run([sys.executable, "-m", "pysips", "mi", *place, *words], server, fails)


@pytest.fixture
def server(serve: Callable[..., Server]) -> Iterator[Server]:
    """A server where Alice has registered."""
    server = serve(CALLS)
    alice = Phone("alice", 25061)
    alice.request("REGISTER", f"sip:{alice.server}", to=f"<sip:alice@{alice.server}>")
    alice.hear("200")
    alice.close()
    yield server


def steady(answer: Any) -> str:
    """An answer without what changes from one second to the next."""
    return re.sub(r'("(Expires|Now|Up time|core:timestamp|[^"]*load[^"]*)": )("[^"]*"|\d+)', r"\1…", json.dumps(answer))


def asked(server: Server, old: str, new: str, *words: str) -> Any:
    """The answer to a command, the same by both names and both programs."""
    with ThreadPoolExecutor(2) as both:
        by_old, by_new = both.submit(cli, server, old, *words), both.submit(cli, server, new, *words)
        found = by_old.result()
        assert steady(found) == steady(by_new.result())
    assert steady(ours(server, old, *words)) == steady(found)
    return found


def test_the_core_answers(server: Server) -> None:
    names = asked(server, "which", "core:which")
    assert {"ul_dump", "usrloc:dump", "ps", "core:ps", "get_statistics", "statistics:get"} <= set(names)
    assert asked(server, "which", "core:which", "ul_dump") == [[], ["brief"]]
    assert re.fullmatch(r"PySIPS \(\S+ \(\S+/linux\)\)", asked(server, "version", "core:version")["Server"])
    uptime = asked(server, "uptime", "core:uptime")
    assert list(uptime) == ["Now", "Up since", "Up time"] and re.fullmatch(r"\d+ \[sec\]", uptime["Up time"])
    processes = asked(server, "ps", "core:ps")["Processes"]
    assert [list(row) for row in processes] == [["ID", "PID", "Type"]] * len(processes)
    assert {row["PID"] for row in processes} <= set(server.pids())
    assert [row["Type"] for row in processes if row["Type"] == "attendant"] == ["attendant"]


def test_statistics_are_read_and_reset(server: Server) -> None:
    assert asked(server, "get_statistics", "statistics:get", "rcv_requests") == {"core:rcv_requests": 1}
    several = asked(server, "get_statistics", "statistics:get", "registrar:", "rcv_requests")
    assert several["core:rcv_requests"] == several["registrar:accepted_regs"] == 1
    assert asked(server, "reset_statistics", "statistics:reset", "rcv_requests") == "OK"
    assert asked(server, "get_statistics", "statistics:get", "rcv_requests") == {"core:rcv_requests": 0}


def test_log_levels_are_read_and_set(server: Server) -> None:
    rows = asked(server, "log_level", "core:log_level")["Processes"]
    assert [row["Log level"] for row in rows] == [1] * len(rows)
    assert {row["PID"] for row in rows} == {row["PID"] for row in server.mi("ps")["Processes"]} - {server.process.pid}
    assert asked(server, "log_level", "core:log_level", "2") == {"New global log level": 2}
    assert {row["Log level"] for row in asked(server, "log_level", "core:log_level")["Processes"]} == {2}


def test_contacts_are_shown_added_and_removed(server: Server) -> None:
    [domain] = asked(server, "ul_dump", "usrloc:dump")["Domains"]
    assert (domain["name"], domain["hash_size"], [aor["AOR"] for aor in domain["AORs"]]) == (
        "location",
        512,
        [ALICE[1]],
    )
    shown = asked(server, "ul_show_contact", "usrloc:show_contact", *ALICE)
    [contact] = shown["Contacts"]
    assert (shown["AOR"], contact) == (ALICE[1], contact | SHOWN) and domain["AORs"][0]["Contacts"][
        0
    ].keys() == contact.keys()
    assert asked(server, "ul_dump", "usrloc:dump", "brief=1")["Domains"][0]["AORs"] == [{"AOR": ALICE[1]}]

    for port, add in (("25062", "ul_add"), ("25063", "usrloc:add")):
        assert cli(server, add, *BOB, f"sip:bob@127.0.0.1:{port}", "3600", "1.0", "0", "0", "0") == "OK"
    assert contacts(server, BOB) == {"sip:bob@127.0.0.1:25062", "sip:bob@127.0.0.1:25063"}
    assert cli(server, "ul_rm_contact", *BOB, "sip:bob@127.0.0.1:25062") == "OK"
    assert contacts(server, BOB) == {"sip:bob@127.0.0.1:25063"}
    assert cli(server, "usrloc:rm_contact", *BOB, "sip:bob@127.0.0.1:25063") == "OK"
    assert "404: AOR not found" in cli(server, "ul_show_contact", *BOB, fails=True)
    assert "404 AOR not found" in ours(server, "usrloc:show_contact", *BOB, fails=True)
    assert asked(server, "ul_flush", "usrloc:flush") == "OK"
    assert asked(server, "ul_rm", "usrloc:rm", *ALICE) == "OK"
    assert server.mi("ul_dump")["Domains"][0]["AORs"] == []


def contacts(server: Server, who: tuple[str, str]) -> set[str]:
    return {row["Contact"] for row in cli(server, "ul_show_contact", *who)["Contacts"]}


def test_what_is_wrong_is_said(server: Server) -> None:
    assert "no command 'no_such'" in cli(server, "no_such", fails=True)
    assert "Method not found" in ours(server, "no_such", fails=True)
    assert "Too few or too many parameters" in cli(server, "get_statistics", fails=True)
    assert "Bad type for parameter 'level'" in ours(server, "log_level", "loud", fails=True)
