"""SIGUSR2: a new server in the same process, and nobody outside is to notice."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pysips.cli.mi import ask
from pysips.core.hooks import Taker
from pysips.core.options import Options
from pysips.core.services import Peer, Socket
from pysips.runtime import held
from pysips.runtime.daemon import server_name
from pysips.runtime.restart import VARIABLE, NoLegacy, Successor, legacy_of
from tests.live import Phone, header

from .conftest import MESSAGE, READY, Running

MORE = """
shutdown_time=5
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "sipmsgops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")
startup_route {{ xlog("L_NOTICE", "begun\n"); }}
"""
MAIN = """
    if (is_method("REGISTER")) { save("location"); exit; }
    if (is_method("INVITE")) {
        if (lookup("location")) t_relay(); else sl_send_reply(404, "Not Here");
        exit;
    }
    if (is_method("ACK")) exit;
"""
PATIENCE = 20.0
Start = Callable[..., Running]


class Restarting:
    """A server that is told to restart itself."""

    def __init__(self, server: Start, folder: Path, *arguments: str, more: str = "") -> None:
        self.folder = folder
        self.one = server(MORE.format(folder=folder) + more, *arguments, main=MAIN)
        self.pid = self.one.supervisor()
        self.phones: list[Phone] = []

    def restart(self, until: Callable[[Callable[[], bool]], None] | None = None) -> None:
        """Wait for the new server, or do something until it runs."""
        before = self.one.said().count(READY)
        os.kill(self.pid, signal.SIGUSR2)
        (until or self.until)(lambda: self.one.said().count(READY) > before)
        assert self.one.supervisor() == self.pid, "the process is the same"

    def until(self, true: Callable[[], bool]) -> None:
        self.one.until(true, PATIENCE)

    def refused(self) -> str:
        """Ask for a restart that is refused; what was said."""
        before = len(self.one.said())
        os.kill(self.pid, signal.SIGUSR2)
        self.one.until(lambda: "no restart" in self.one.said()[before:], PATIENCE)
        return self.one.said()[before:]

    def change(self, old: str, new: str) -> None:
        text = self.one.script.read_text()
        assert old in text
        self.one.script.write_text(text.replace(old, new))

    def folders(self, udp: int) -> list[Path]:
        """The run-time folders of this server with this UDP port."""
        sockets = [Socket(0, "udp", "127.0.0.1", udp), Socket(1, "tcp", "127.0.0.1", self.one.port)]
        name = server_name(str(self.one.script), sockets)
        return [place / name for place in (Path("/run/pysips"), self.folder / "pysips") if (place / name).exists()]

    def phone(self, user: str) -> Phone:
        made = Phone(user, free_port(), server=self.one.port)
        self.phones.append(made)
        return made

    def registered(self, user: str) -> Phone:
        made = self.phone(user)
        made.request("REGISTER", "sip:127.0.0.1", "Expires: 600", to=f"<sip:{user}@127.0.0.1>")
        made.hear(" 200 ")
        return made


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture
def make(server: Start, tmp_path: Path) -> Iterator[Callable[..., Restarting]]:
    made: list[Restarting] = []

    def start(*arguments: str, more: str = "") -> Restarting:
        made.append(Restarting(server, tmp_path, *arguments, more=more))
        return made[-1]

    yield start
    for one in made:
        for phone in one.phones:
            phone.close()


def calls(caller: Phone, callee: Phone, call: str) -> None:
    """A call that is refused by the one who is called."""
    caller.request("INVITE", f"sip:{callee.user}@127.0.0.1", call=call)
    invite = callee.hear("INVITE")
    callee.answer(invite, "486 Busy Here")
    callee.hear("ACK")
    caller.hear(" 486 ")


class Askers:
    """Many who ask with OPTIONS, each once, and never again."""

    def __init__(self, port: int, number: int = 16) -> None:
        self.port = port
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(number)]
        for one in self.sockets:
            one.bind(("127.0.0.1", 0))
            one.setblocking(False)
        self.sent = 0
        self.answered: set[str] = set()

    def ask(self) -> None:
        one = self.sockets[self.sent % len(self.sockets)]
        text = MESSAGE.format(transport="UDP", port=one.getsockname()[1], call=f"asked-{self.sent}")
        one.sendto(text.encode(), ("127.0.0.1", self.port))
        self.sent += 1

    def look(self) -> None:
        for one in self.sockets:
            try:
                while True:
                    reply = one.recv(4096).decode()
                    assert reply.startswith("SIP/2.0 200"), reply
                    self.answered.add(header(reply, "Call-ID"))
            except BlockingIOError:
                continue

    def ask_until(self, over: Callable[[], bool], each: float = 0.02) -> None:
        """Ask 50 times a second until it is over, a second at least."""
        begun = time.monotonic()
        while not over() or time.monotonic() < begun + 1:
            assert time.monotonic() < begun + 2 * PATIENCE
            self.ask()
            self.look()
            time.sleep(each)

    def all_answered(self) -> bool:
        self.look()
        return len(self.answered) == self.sent

    def close(self) -> None:
        for one in self.sockets:
            one.close()


@pytest.fixture
def askers() -> Iterator[Callable[[int], Askers]]:
    made: list[Askers] = []

    def start(port: int) -> Askers:
        made.append(Askers(port))
        return made[-1]

    yield start
    for one in made:
        one.close()


# -- real servers


@pytest.mark.scenario
def test_a_phone_that_registered_before_is_called_after_and_the_script_is_the_new_one(
    make: Callable[..., Restarting],
) -> None:
    run = make()
    bob, alice = run.registered("bob"), run.phone("alice")
    before = run.one.children()
    run.change("Not Here", "Not There")
    run.restart()
    calls(alice, bob, "after")
    alice.request("INVITE", "sip:carol@127.0.0.1", call="nobody")
    assert "404 Not There" in alice.hear(" 404 ")
    assert not set(before) & set(run.one.children())
    assert run.one.said().count("begun") == 2, "startup_route runs in the new server"
    assert run.one.stop() == 0
    assert not run.folders(run.one.port), "nothing is left"


@pytest.mark.scenario
def test_no_request_is_lost_in_two_restarts(make: Callable[..., Restarting], askers: Callable[[int], Askers]) -> None:
    run = make()
    asking = askers(run.one.port)
    for _ in range(2):
        run.restart(asking.ask_until)
    asking.ask_until(lambda: True)
    run.one.until(asking.all_answered, PATIENCE)
    assert run.one.said().count(READY) == 3


@pytest.mark.scenario
def test_who_is_owed_an_answer_gets_it_and_who_comes_meanwhile_waits(
    make: Callable[..., Restarting], askers: Callable[[int], Askers]
) -> None:
    run = make()
    bob, alice = run.registered("bob"), run.phone("alice")
    alice.request("INVITE", "sip:bob@127.0.0.1", call="ringing")
    invite = bob.hear("INVITE")
    bob.answer(invite, "180 Ringing")
    alice.hear(" 180 ")
    before = len(run.one.said())
    os.kill(run.pid, signal.SIGUSR2)
    run.one.until(lambda: all(not run.one.ask() for _ in range(4)), PATIENCE)  # they wait by now
    asking = askers(run.one.port)
    for _ in range(40):
        asking.ask()
    alice.again()
    bob.answer(invite, "486 Busy Here")
    alice.hear(" 486 ")
    run.one.until(lambda: READY in run.one.said()[before:], PATIENCE)
    run.one.until(asking.all_answered, PATIENCE)
    with pytest.raises(AssertionError, match="did not hear INVITE"):
        bob.hear("INVITE", 0.5)  # the repeated one was the old call's
    calls(alice, bob, "next")


@pytest.mark.scenario
def test_a_broken_script_changes_nothing_and_all_that_is_wrong_is_said(make: Callable[..., Restarting]) -> None:
    run = make()
    children = run.one.children()
    run.change('sl_send_reply(200, "OK")', 'nothing_such(); sl_send_reply(200, "OK", 7, 8, 9)')
    said = run.refused()
    assert "nothing_such" in said and "sl_send_reply" in said
    assert run.one.children() == children and run.one.ask()
    run.change("nothing_such();", "")
    run.change(", 7, 8, 9", "")
    run.restart()
    assert run.one.ask()


@pytest.mark.scenario
def test_a_new_socket_is_opened_an_old_one_closed_and_contacts_stay(make: Callable[..., Restarting]) -> None:
    run = make()
    old, new = run.one.port, free_port()
    bob = run.registered("bob")
    run.change(f"socket=udp:127.0.0.1:{old}", f"socket=udp:127.0.0.1:{new}")
    assert run.folders(old)
    run.restart()
    assert run.folders(new) and not run.folders(old)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", old))  # it is free
    run.one.port = new
    assert run.one.ask()
    bob.socket.connect(("127.0.0.1", new))
    alice = run.phone("alice")
    calls(alice, bob, "elsewhere")
    run.one.port = old
    with run.one.dial() as connection:
        assert run.one.ask_over(connection)
    assert run.one.stop() == 0
    assert not run.folders(old) and not run.folders(new), "neither folder is left"


@pytest.mark.scenario
def test_a_socket_that_cannot_be_had_forbids_it(make: Callable[..., Restarting]) -> None:
    run = make()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        run.change(f"socket=udp:127.0.0.1:{run.one.port}", f"socket=udp:127.0.0.1:{taken}")
        assert f"cannot listen on udp:127.0.0.1:{taken}" in run.refused()
        assert run.one.ask()


@pytest.mark.scenario
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two cores")
def test_another_number_of_workers_begins_with_empty_tables_and_loses_nothing(
    make: Callable[..., Restarting], askers: Callable[[int], Askers]
) -> None:
    run = make("-o", "pysips_workers=", more="udp_workers=2\ntcp_workers=1\n")
    alice = run.phone("alice")
    run.registered("bob")
    asking = askers(run.one.port)
    for old, new in (("udp_workers=2", "udp_workers=1"), ("udp_workers=1", "udp_workers=2")):
        run.change(old, new)
        before = len(run.one.said())
        run.restart(asking.ask_until)
        said = run.one.said()[before:]
        assert "begin anew after the restart; changed: number of workers" in said
        assert len(re.findall(r"\d+", re.findall(r"workers ([\d ]+),", said)[-1])) == int(new[-1])
        for _ in range(5):
            with run.one.dial() as connection:
                assert run.one.ask_over(connection)
    run.one.until(asking.all_answered, PATIENCE)
    alice.request("INVITE", "sip:bob@127.0.0.1", call="forgotten")
    alice.hear(" 404 ")


@pytest.mark.scenario
def test_other_parameters_of_usrloc_begin_with_empty_tables(make: Callable[..., Restarting]) -> None:
    run = make()
    run.registered("bob")
    run.change('loadmodule "registrar.so"', 'modparam("usrloc", "matching_mode", 1)\nloadmodule "registrar.so"')
    run.restart()
    assert "changed: parameters of usrloc\n" in run.one.said()
    run.restart()
    assert run.one.said().count("begin anew") == 1


@pytest.mark.scenario
def test_wishes_in_a_row_and_by_management_and_a_stop_in_the_middle(make: Callable[..., Restarting]) -> None:
    run = make()
    bob, alice = run.registered("bob"), run.phone("alice")
    for number in range(2):
        run.restart()
        calls(alice, bob, f"call-{number}")
    before = run.one.said().count(READY)
    assert ask(run.folder / "fifo", run.folder, "restart", None, 5.0) == "OK"
    run.one.until(lambda: run.one.said().count(READY) > before, PATIENCE)
    calls(alice, bob, "by-management")
    os.kill(run.pid, signal.SIGUSR2)
    run.one.until(lambda: run.one.said().count("all have ended") == 4, PATIENCE)
    assert run.one.stop() == 0, "the new server has not begun, and ends at once"


# -- parts


def test_what_is_kept_is_kept_once_and_found_by_the_worker_of_its_number(tmp_path: Path) -> None:
    where, gone = Socket(0, "udp", "127.0.0.1", 5060), Socket(1, "udp", "127.0.0.1", 5070)
    for slot in range(3):
        kept = held.Held([])
        for data in (b"one \xff", b"two", b"one \xff"):
            kept.keep(data + b"%d" % slot, Peer("udp", "10.0.0.1", 5062, where))
        kept.keep(b"to a socket that is no more", Peer("udp", "10.0.0.1", 5062, gone))
        kept.write(tmp_path, slot)
    found = held.taken(tmp_path, 0, 2, [Socket(0, "udp", "127.0.0.1", 5060)])
    assert [data for data, _ in found] == [b"one \xff0", b"two0", b"one \xff2", b"two2"]
    assert {(peer.host, peer.port, peer.socket.name) for _, peer in found} == {("10.0.0.1", 5062, where.name)}
    assert held.taken(tmp_path, 0, 2, [where]) == []
    assert len(held.taken(tmp_path, 1, 2, [where])) == 2


def test_more_than_can_be_kept_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MOST", 10)
    kept = held.Held([])
    for data in (b"12345", b"67890", b"x"):
        kept.keep(data, Peer("udp", "10.0.0.1", 5062, Socket(0, "udp", "127.0.0.1", 5060)))
    assert kept.size == 10 and len(kept.kept) == 2


def test_what_belongs_to_a_transaction_is_not_kept() -> None:
    class Knowing(Taker):
        def knows(self, ctx: Any) -> bool:
            return bool(ctx.known)

    class Ctx:
        def __init__(self, method: str, proto: str, known: bool) -> None:
            self.message = type("Message", (), {"method": method, "data": lambda _: b"text"})()
            self.source = Peer(proto, "10.0.0.1", 5062, Socket(0, proto, "127.0.0.1", 5060))
            self.known = known

    kept = held.Held([Knowing()])
    assert not any(kept.takes(Ctx(method, "udp", False)) for method in ("ACK", "CANCEL"))  # type: ignore[arg-type]
    assert not kept.takes(Ctx("INVITE", "udp", True))  # type: ignore[arg-type]
    assert kept.takes(Ctx("INVITE", "tcp", False)) and not kept.kept  # type: ignore[arg-type]
    assert kept.takes(Ctx("INVITE", "udp", False)) and len(kept.kept) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["x", "-1", "999999", "check:", "12345678901"])
def test_a_variable_that_somebody_set_is_told_apart(value: str) -> None:
    environment = {VARIABLE: value}
    with pytest.raises(NoLegacy, match=VARIABLE):
        legacy_of(environment)
    assert environment == {}
    assert legacy_of({}) is None


@pytest.mark.parametrize(
    ("root", "file", "interpreter", "command", "why"),
    [
        ("/srv", "x.cfg", "", "-m", "root folder"),
        ("", "-", "", "-m", "standard input"),
        ("", "x.cfg", "/nowhere/python", "-m", "/nowhere/python is gone"),
        ("", "x.cfg", "", "bin/pysips", "bin/pysips is gone"),
        ("", "x.cfg", "", "-m", ""),
    ],
)
def test_who_cannot_come_back_does_not_go(
    root: str, file: str, interpreter: str, command: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Program:
        options = Options(file)
        start_folder = str(tmp_path)

    class Server:
        program = Program()

    server: Any = Server()
    server.root = root
    if interpreter:
        monkeypatch.setattr("sys.executable", interpreter)
    monkeypatch.setattr("sys.orig_argv", ["python", command])
    found = Successor(server, None, lambda work: 0).forbidden()  # type: ignore[arg-type]
    assert why in found and bool(why) == bool(found)
