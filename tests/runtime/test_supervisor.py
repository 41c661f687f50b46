"""Real processes: whoever dies or stops is replaced, and nothing is lost but what he had in hand."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pysips.core.services import Socket
from pysips.runtime.daemon import server_name

pytestmark = pytest.mark.scenario

Start = Callable[..., Any]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def has_run_folder(one: Any, tmp_path: Path) -> bool:
    """Whether a run-time folder of that server is there."""
    name = server_name(str(one.script), [Socket(0, proto, "127.0.0.1", one.port) for proto in ("udp", "tcp")])
    return any((place / name).exists() for place in (Path("/run/pysips"), tmp_path / "pysips"))


def test_all_workers_answer_over_udp_and_tcp_whoever_receives(server: Start) -> None:
    one = server()
    assert all(one.ask() for _ in range(40))
    with one.dial() as connection:
        assert all(one.ask_over(connection) for _ in range(40))
    assert len(one.children()) == 3
    assert one.stop() == 0


def test_a_killed_process_is_replaced_within_a_second(server: Start) -> None:
    one = server()
    for pid in one.children():
        before = set(one.children())
        os.kill(pid, signal.SIGKILL)
        one.until(lambda pid=pid: not alive(pid) and len(one.children()) == 3, 1.0)
        assert len(set(one.children()) - before) == 1
        one.until(one.ask, 1.0)
        assert all(one.ask() for _ in range(20))
    assert one.said().count("it is replaced") == 3
    assert one.stop() == 0


def test_what_is_queued_for_a_dead_worker_waits_for_its_replacement(server: Start) -> None:
    one = server()
    pids = one.children()
    for pid in pids[:2]:
        os.kill(pid, signal.SIGSTOP)
    text = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\n"
    text += b"To: <sip:a@b>\r\nCall-ID: q%d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    for number in range(100):
        one.asker.sendto(text % (one.asker.getsockname()[1], number, number), ("127.0.0.1", one.port))
    for pid in pids[:2]:
        os.kill(pid, signal.SIGKILL)
    one.asker.settimeout(3)
    answered = {one.asker.recv(4096).partition(b"Call-ID: ")[2].partition(b"\r\n")[0] for _ in range(100)}
    assert len(answered) == 100
    assert one.stop() == 0


def test_a_stopped_process_is_killed_and_replaced_within_six_seconds(server: Start) -> None:
    one = server()
    workers = one.workers()
    os.kill(workers[0], signal.SIGSTOP)
    began = time.monotonic()
    one.until(lambda: not alive(workers[0]), 6.0)
    assert time.monotonic() - began > 3
    one.until(one.ask, 1.0)
    assert all(one.ask() for _ in range(20))
    assert workers[1] in one.children(), "the others are left alone"
    assert one.stop() == 0


def test_a_stopped_worker_holds_up_nobody_elses_calls(server: Start) -> None:
    one = server()
    victim = one.workers()[0]
    askers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]  # some are heard by him alone
    os.kill(victim, signal.SIGSTOP)
    text = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\n"
    text += b"To: <sip:a@b>\r\nCall-ID: s%d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    for asker in askers:
        asker.bind(("127.0.0.1", 0))
        asker.settimeout(2.5)
        for call in range(20):  # some are his sibling's
            asker.sendto(text % (asker.getsockname()[1], call, call), ("127.0.0.1", one.port))
    assert all(asker.recv(4096).startswith(b"SIP/2.0 200") for asker in askers)
    assert alive(victim), "before he is replaced"
    for asker in askers:
        asker.close()
    assert one.stop() == 0


def test_a_supervisor_that_was_suspended_kills_nobody(server: Start) -> None:
    one = server()
    before = one.children()
    os.kill(one.process.pid, signal.SIGSTOP)
    time.sleep(1)  # the workers live on meanwhile; only then can it be seen that nothing happens
    os.kill(one.process.pid, signal.SIGCONT)
    assert one.ask()
    time.sleep(1.5)
    assert one.children() == before
    assert one.stop() == 0


def test_connections_of_a_dead_worker_lead_nobody_astray(server: Start) -> None:
    one = server()
    connections = [one.dial() for _ in range(8)]
    assert all(one.ask_over(connection) for connection in connections)
    for pid in one.workers():
        os.kill(pid, signal.SIGKILL)
    for connection in connections:
        assert connection.recv(10) == b""
        connection.close()
    one.until(lambda: len(one.children()) == 3)
    with one.dial() as fresh:
        assert all(one.ask_over(fresh) for _ in range(10))
    assert one.stop() == 0


def test_when_the_supervisor_dies_so_do_the_others(server: Start) -> None:
    one = server()
    children = one.children()
    one.process.kill()
    one.process.wait(5)
    one.until(lambda: not any(alive(pid) for pid in children))
    one.start(wait=False)
    one.until(lambda: one.said().count("processes: supervisor") == 2)
    assert one.ask()
    assert one.stop() == 0


def test_sigterm_ends_everything_and_leaves_nothing(server: Start, tmp_path: Path) -> None:
    one = server("", "-P", str(tmp_path / "pid"))
    children = one.children()
    assert (tmp_path / "pid").read_text().strip() == str(one.process.pid)
    began = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - began < 2
    assert not any(alive(pid) for pid in children)
    assert not (tmp_path / "pid").exists()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", one.port))


def test_a_second_server_on_the_same_script_is_refused(server: Start) -> None:
    one = server()
    log = one.said()
    first = one.process
    one.start(wait=False)
    assert one.process.wait(10) == 255
    assert "runs already" in one.said()[len(log) :]
    one.process = first
    assert one.ask()
    assert one.stop() == 0


def test_an_address_that_is_taken_is_said(server: Start, tmp_path: Path) -> None:
    one = server()
    assert has_run_folder(one, tmp_path)
    one.stop()
    assert not has_run_folder(one, tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", one.port))
        one.start(wait=False)
        assert one.process.wait(10) == 255
    assert f"cannot listen on udp:127.0.0.1:{one.port}" in one.said()
    assert not has_run_folder(one, tmp_path), "nothing stays of a server that did not start"


def test_a_process_that_cannot_start_stops_the_server(server: Start, tmp_path: Path) -> None:
    (tmp_path / "fifo").write_text("not a pipe")
    more = f'loadmodule "mi_fifo.so"\nmodparam("mi_fifo", "fifo_name", "{tmp_path}/fifo")'
    one = server(more, wait=False)
    assert one.process.wait(10) == 255
    assert "cannot make the FIFO" in one.said()
    assert (tmp_path / "fifo").read_text() == "not a pipe"


def test_the_background(server: Start, tmp_path: Path) -> None:
    one = server("", "--daemon", "-P", str(tmp_path / "pid"), "-E", wait=False)
    assert one.process.wait(10) == 0
    pid = int((tmp_path / "pid").read_text())
    assert pid != one.process.pid
    one.until(one.ask)
    os.kill(pid, signal.SIGTERM)
    one.until(lambda: not alive(pid))


def test_a_failed_start_in_the_background_is_told_to_the_caller(server: Start, tmp_path: Path) -> None:
    one = server("", "--daemon", "-u", "nobody-of-that-name", wait=False)
    assert one.process.wait(10) == 255
    assert "there is no user" in one.said()


def test_another_user(server: Start, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may become somebody else")
    one = server("", "-u", "nobody")
    status = Path(f"/proc/{one.workers()[0]}/status").read_text()
    uids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
    assert set(uids) == {uids[0]}
    assert uids[0] != "0"
    assert one.ask()
    os.kill(one.workers()[0], signal.SIGKILL)
    one.until(lambda: len(one.children()) == 3)
    assert all(one.ask() for _ in range(10))
    assert one.stop() == 0


def test_hangup_opens_the_log_anew_and_stops_nothing(server: Start) -> None:
    one = server()
    one.process.send_signal(signal.SIGHUP)
    one.until(lambda: "SIGHUP" in one.said())
    assert one.ask()
    assert one.stop() == 0
