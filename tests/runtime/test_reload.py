"""`reload_routes`: a new script everywhere or nowhere, and what has begun ends as it began."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pysips.cli.mi import MiFailed, ask
from pysips.core import loading
from pysips.core.exports import MiError
from pysips.core.options import Options
from pysips.core.services import Offload, Promise
from pysips.runtime.counters import WANTED, Board
from pysips.runtime.handover import Mailboxes
from pysips.runtime.mi import failed, promised
from pysips.runtime.ownership import Ownership
from pysips.runtime.reload import Conductor, Editions
from pysips.runtime.server import Server
from pysips.testing.story import run_through

from .conftest import Running

pytestmark = [pytest.mark.scenario]

MI = """
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")
loadmodule "sipmsgops.so"
{extra}
"""
REQUEST = (
    "{method} sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
    "Contact: <sip:a@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
)
Start = Callable[..., Running]


class Managed:
    """A running server whose script changes."""

    def __init__(self, server: Start, folder: Path, main: str, extra: str = "", *arguments: str) -> None:
        self.folder = folder
        self.running = server(MI.format(folder=folder, extra=extra), *arguments, main=main)
        self.calls = 0
        self.asker = self.running.asker

    def reload(self) -> object:
        return ask(self.folder / "fifo", self.folder, "reload_routes", None, 25.0)

    def mi(self, method: str, params: object = None) -> object:
        return ask(self.folder / "fifo", self.folder, method, params, 10.0)

    def change(self, old: str, new: str) -> None:
        text = self.running.script.read_text()
        assert old in text
        self.running.script.write_text(text.replace(old, new))

    def send(self, user: str = "x", method: str = "OPTIONS", where: socket.socket | None = None) -> None:
        self.calls += 1
        asker = where or self.asker
        text = REQUEST.format(method=method, user=user, port=asker.getsockname()[1], call=f"r{self.calls}")
        asker.sendto(text.encode(), ("127.0.0.1", self.running.port))

    def reason(self, user: str = "x", method: str = "OPTIONS") -> str:
        """The reason of the final answer to a request."""
        self.send(user, method)
        return self.final()

    def final(self, call: str = "") -> str:
        """The reason of the next final answer (of that call; one that is not acknowledged is repeated)."""
        while True:
            text = self.asker.recv(4096).decode()
            if not text.startswith("SIP/2.0 1") and f"Call-ID: {call}" in text:
                return text.split("\r\n")[0].split(" ", 2)[2]


@pytest.fixture
def managed(server: Start, tmp_path: Path) -> Callable[..., Managed]:
    return lambda main, extra="", *arguments: Managed(server, tmp_path, main, extra, *arguments)


ANSWER = 'sl_send_reply(200, "one"); exit;'


def of_all(server: Managed) -> set[str]:
    """What answers come, from whichever worker: Call-IDs differ."""
    return {server.reason() for _ in range(20)}


def test_new_routes_are_taken_by_all_workers(managed: Callable[..., Managed]) -> None:
    server = managed(ANSWER)
    assert of_all(server) == {"one"}
    server.change('"one"', '"two"')
    assert of_all(server) == {"one"}
    assert server.reload() == "OK"
    assert of_all(server) == {"two"}


def test_a_replacement_begins_with_the_new_routes(managed: Callable[..., Managed]) -> None:
    server = managed(ANSWER)
    server.change('"one"', '"two"')
    server.reload()
    before = server.running.children()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    server.running.until(lambda: len(set(server.running.children()) - set(before)) == 3)
    server.running.until(server.running.ask)
    assert of_all(server) == {"two"}
    server.change('"two"', '"three"')
    server.running.until(lambda: is_read(server.folder / "fifo"))
    assert server.reload() == "OK"
    assert of_all(server) == {"three"}


def test_a_broken_script_changes_nothing_and_is_told_whole(managed: Callable[..., Managed]) -> None:
    server = managed(ANSWER)
    server.change(ANSWER, 'sl_sned_reply(200, "two"); nonsense(); exit;')
    with pytest.raises(MiFailed) as told:
        server.reload()
    assert "unknown command <sl_sned_reply>" in str(told.value)
    assert "unknown command <nonsense>" in str(told.value)
    assert "bad config file (2 errors)" in str(told.value)
    assert of_all(server) == {"one"}
    server.change('sl_sned_reply(200, "two"); nonsense();', 'sl_send_reply(200, "two");')
    assert server.reload() == "OK"
    assert of_all(server) == {"two"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('modparam("mi_fifo", "reply_dir"', 'modparam("mi_fifo", "fifo_mode", 438)\nmodparam("mi_fifo", "reply_dir"',
         'modparam("mi_fifo", "fifo_mode") is new; it needs a restart'),
        ('loadmodule "sipmsgops.so"', 'loadmodule "textops.so"', 'loadmodule "sipmsgops" is gone; it needs a restart'),
        ("log_level=3", "log_level=2", "log_level is changed; it needs a restart"),
        ("socket=tcp:", "socket=udp:127.0.0.2:5999\nsocket=tcp:", "socket=udp:127.0.0.2 is new; it needs a restart"),
    ],
    ids=["modparam", "loadmodule", "global", "socket"],
)  # fmt: skip
def test_what_needs_a_restart_is_refused_by_name(
    managed: Callable[..., Managed], old: str, new: str, said: str
) -> None:
    server = managed(ANSWER)
    server.change(old, new)
    server.change('"one"', '"two"')
    with pytest.raises(MiFailed) as told:
        server.reload()
    assert said in str(told.value)
    assert of_all(server) == {"one"}


def test_transactions_end_with_the_routes_that_they_began_with(managed: Callable[..., Managed]) -> None:
    """All their routes: failure_route, onreply_route and the global one; a call that begins later has the new ones."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as callee:
        callee.bind(("127.0.0.1", 0))
        callee.settimeout(5)
        main = f"""if ($rU == "bob") {{
            $du = "sip:127.0.0.1:{callee.getsockname()[1]}";
            t_on_failure("old"); t_on_reply("old"); t_relay(); exit; }}"""
        extra = """loadmodule "tm.so"
failure_route[old] { t_reply(480, "old"); }
onreply_route[old] { xlog("its own: old\\n"); }
onreply_route { xlog("global: old\\n"); }
"""
        server = managed(main, extra)
        server.send("bob", "INVITE")
        began = invite_of(callee, "r1")
        script = server.running.script
        script.write_text(script.read_text().replace("old", "new"))
        assert server.reload() == "OK"
        server.send("bob", "INVITE")
        later = invite_of(callee, "r2")
        for invite, call, edition in ((later, "r2", "new"), (began, "r1", "old")):
            answer_to(callee, invite, server.running.port)
            assert server.final(call) == edition
        lines = ("global: ", "own: ")
        server.running.until(lambda: sum(server.running.said().count(line) for line in lines) == 4)
        said = [line.split()[-1] for line in server.running.said().split("\n") if any(each in line for each in lines)]
        assert sorted(said) == ["new", "new", "old", "old"]


def is_read(fifo: Path) -> bool:
    """Whether a server reads it: that of an attendant that died is still there."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def invite_of(callee: socket.socket, call: str) -> bytes:
    """The INVITE of a call; those of others are repeated meanwhile."""
    while True:
        data = callee.recv(4096)
        if f"Call-ID: {call}\r\n".encode() in data:
            return data


def answer_to(callee: socket.socket, invite: bytes, port: int) -> None:
    """486 to an INVITE."""
    lines = invite.decode().split("\r\n")
    kept = [line for line in lines if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")]
    to = next(line for line in lines if line.startswith("To:"))
    text = "\r\n".join(["SIP/2.0 486 Busy", *kept, to + ";tag=x", "Content-Length: 0", "", ""])
    callee.sendto(text.encode(), ("127.0.0.1", port))
    callee.recv(4096)  # the ACK


def test_timers_and_events_follow_the_script(managed: Callable[..., Managed]) -> None:
    server = managed(ANSWER, 'timer_route[old, 1] { xlog("tick old\\n"); }')
    server.running.until(lambda: "tick old" in server.running.said())
    server.change("[old, 1]", "[new, 1]")
    server.change('"tick old\\n"); }', '"tick new\\n"); }\nevent_route[E_MINE] { xlog("event $param(1)\\n"); }')
    server.reload()
    server.running.until(lambda: "tick new" in server.running.said())
    told = server.running.said().count("tick old")
    server.mi("raise_event", ["E_MINE", ["x"]])
    server.running.until(lambda: "event" in server.running.said())
    new = server.running.said().count("tick new")
    server.running.until(lambda: server.running.said().count("tick new") > new)
    assert server.running.said().count("tick old") == told


def test_a_worker_that_is_replaced_meanwhile_prepares_too(managed: Callable[..., Managed]) -> None:
    """One that is stopped is killed after a while; the others wait for its replacement."""
    server = managed(ANSWER)
    worker = server.running.workers()[1]
    server.change('"one"', '"two"')
    os.kill(worker, signal.SIGSTOP)
    assert server.reload() == "OK"
    assert worker not in server.running.children()
    assert of_all(server) == {"two"}


def test_an_included_file_is_read_again(managed: Callable[..., Managed], tmp_path: Path) -> None:
    """Relative paths begin where the server began, or beside the script, as at its start."""
    part = tmp_path / "part.cfg"
    part.write_text('route[part] { sl_send_reply(200, "one"); exit; }')
    server = managed("route(part);", 'include_file "part.cfg"', "-w", "/")
    assert of_all(server) == {"one"}
    part.write_text('route[part] { sl_send_reply(200, "two"); exit; }')
    assert server.reload() == "OK"
    assert of_all(server) == {"two"}


def test_many_reloads_leave_no_memory_behind(managed: Callable[..., Managed]) -> None:
    server = managed(ANSWER)
    server.reload()

    def memory() -> list[int]:
        return [rss(pid) for pid in [*server.running.children(), server.running.supervisor()]]

    for _ in range(10):
        server.reload()
    before = memory()
    for _ in range(20):
        server.reload()
    after = memory()
    grown = [b - a for a, b in zip(before, after, strict=True)]
    print(json.dumps([before, after]))
    assert max(grown) < 2000, grown


def rss(pid: int) -> int:
    """Resident kB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.split("\n") if line.startswith("VmRSS")).split()[1])


def test_systemd_hears_of_a_reload(
    managed: Callable[..., Managed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        server = managed(ANSWER)
        assert systemd.recv(4096).startswith(b"READY=1")
        server.reload()
        assert systemd.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(4096).startswith(b"READY=1")


class Others:
    """The other processes, of whom some cannot do something. asked: what of whom."""

    def __init__(self, cannot: dict[int, str]) -> None:
        self.cannot = cannot
        self.asked: list[tuple[str, list[int]]] = []

    def ask_all(self, seats: Iterable[int], method: str, values: object, seconds: float = 2.0) -> Promise:
        seats = list(seats)
        self.asked.append((method.removeprefix("_core:"), seats))
        answers = [failed(MiError(500, "no")) if self.cannot.get(seat) == method else promised("OK") for seat in seats]
        return promised(answers)


def test_if_one_process_cannot_prepare_all_forget(tmp_path: Path) -> None:
    script = tmp_path / "x.cfg"
    script.write_text('socket=udp:127.0.0.1:5060\nloadmodule "proto_udp.so"\nroute { exit; }')
    program = loading.load(str(script), Options(str(script)))
    board, boxes = Board(3), Mailboxes(0)
    server = Server(program, [], 2, board, boxes, Ownership(2), tmp_path, 0, (0, 0), os.getpid(), 0.0)
    others = Others({1: "_core:prepare"})
    conductor = Conductor(server, 2, Editions(server), others, Direct())  # type: ignore[arg-type]
    with pytest.raises(MiError, match="reload failed in worker 1: no"):
        run_through(conductor.reload())
    assert others.asked == [("prepare", [0, 1]), ("forget", [0, 1])]
    assert conductor.editions.prepared is None and program.latest.program is program
    assert board.settings()[WANTED] == -1, "the supervisor forgets, too"


class Direct(Offload):
    """Does at once what threads would do."""

    def run(self, work: Callable[..., object], *arguments: object) -> Promise:
        return promised(work(*arguments))
