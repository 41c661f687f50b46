"""core/log.py: levels, lines that cannot be forged, and a queue that never makes anybody wait."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pysips.core import log as log_module
from pysips.core.log import DBG, ERR, INFO, NOTICE, WARN, Log, harmless
from pysips.core.log_consumers import CELLS, STDERROR, Consumers
from pysips.core.log_outputs import Entry
from pysips.errors import ModuleError

WHEN = 1_700_000_000.0


class Pipe:
    """A log that writes into a pipe, and what came out of it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.now = WHEN
        self.log = Log(clock=lambda: self.now)
        self.log.configure(stderr_fd=self.writer)

    def heard(self) -> list[str]:
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 1 << 20).decode("utf-8", "surrogateescape").splitlines()
        except BlockingIOError:
            return []


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.log.close()
    os.close(made.reader)
    os.close(made.writer)


def test_core_line_has_time_pid_level_module_and_text(pipe: Pipe) -> None:
    pipe.log.error("core:forward", "no route to 192.0.2.1")
    (line,) = pipe.heard()
    assert line.endswith(f" [{os.getpid()}] ERROR:core:forward: no route to 192.0.2.1")
    assert line[:3] == "Nov" and line[6] == " " and line[9] == line[12] == ":"


def test_xlog_line_has_no_module(pipe: Pipe) -> None:
    pipe.log.script(NOTICE, "hello\n")
    assert pipe.heard()[0].endswith("] NOTICE:hello")


def test_levels_filter_core_and_script_lines_apart(pipe: Pipe) -> None:
    pipe.log.configure(level=ERR, script_level=INFO, stderr_fd=pipe.writer)
    pipe.log.warn("core:x", "not this")
    pipe.log.script(INFO, "this")
    pipe.log.raw(INFO, "nor this")
    pipe.log.script(DBG, "nor that")
    assert [line.split("] ")[1] for line in pipe.heard()] == ["INFO:this"]


def test_every_level_has_its_name(pipe: Pipe) -> None:
    pipe.log.set_level(DBG)
    for say in (pipe.log.alert, pipe.log.crit, pipe.log.error, pipe.log.warn, pipe.log.notice, pipe.log.info,
                pipe.log.debug):  # fmt: skip
        say("m:f", "x")
    names = [line.split("] ")[1].split(":")[0] for line in pipe.heard()]
    assert names == ["ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DBG"]


def test_level_of_this_process_can_be_changed_and_restored(pipe: Pipe) -> None:
    pipe.log.set_level(DBG)
    pipe.log.set_script_level(ERR)
    assert (pipe.log.level, pipe.log.script_level) == (DBG, ERR)
    pipe.log.set_level(None)
    pipe.log.set_script_level(None)
    assert (pipe.log.level, pipe.log.script_level) == (NOTICE, NOTICE)


@pytest.mark.parametrize(("odd", "level"), [(-9, "ALERT"), (9, "DBG"), (0, "WARNING")])
def test_level_out_of_range_takes_the_nearest(pipe: Pipe, odd: int, level: str) -> None:
    pipe.log.set_script_level(10)
    pipe.log.script(odd, "x")
    assert pipe.heard()[0].endswith(f"{level}:x")


def test_peer_cannot_forge_a_core_line(pipe: Pipe) -> None:
    pipe.log.error("core:x", "bad agent \r\nNov 22 root [1] ALERT:x \x1b[31m \udcff\x85")
    assert [line.split("ERROR:")[1] for line in pipe.heard()] == [
        "core:x: bad agent \\r\\nNov 22 root [1] ALERT:x \\x1b[31m \\xff\\x85"
    ]


def test_line_feed_inside_xlog_does_not_start_a_line_in_the_first_column(pipe: Pipe) -> None:
    pipe.log.script(NOTICE, "a\nNov 22 00:00:00 [1] ALERT:b\n")
    first, second = pipe.heard()
    assert first.endswith("NOTICE:a")
    assert second.startswith("\tNov 22")


def test_unicode_stays_readable() -> None:
    assert harmless("Grüße") == "Grüße"


def test_bytes_that_are_no_utf8_go_out_of_xlog_as_they_came(pipe: Pipe) -> None:
    pipe.log.script(NOTICE, "a\udcffb")
    assert pipe.heard()[0].endswith("a\udcffb")


def test_full_pipe_drops_lines_and_tells_how_many(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    filled = 0
    try:
        while True:
            filled += os.write(pipe.writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(pipe.writer, True)
    pipe.log.error("core:x", "lost")
    pipe.log.error("core:x", "lost too")
    assert pipe.log.dropped == 2
    while filled > 0:
        filled -= len(os.read(pipe.reader, filled))
    pipe.log.error("core:x", "heard")
    said = [line.split("] ")[1] for line in pipe.heard()]
    assert said == ["ERROR:core:x: heard", "WARNING:core:log: 2 log lines were dropped"]


def test_thread_writes_lines_in_order_and_flush_waits_for_them(pipe: Pipe) -> None:
    pipe.log.start()
    assert pipe.log.thread is None, "no thread before the first line"
    for number in range(20):
        pipe.log.error("core:x", str(number))
    assert pipe.log.flush()
    assert [line.rsplit(" ", 1)[1] for line in pipe.heard()] == [str(number) for number in range(20)]


def test_queue_is_bounded(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "QUEUE_LIMIT", 3)
    pipe.log.start()
    pipe.log.thread = threading.Thread(target=pipe.log.run, daemon=True)  # not started yet: nobody takes lines out
    for number in range(5):
        pipe.log.error("core:x", str(number))
    assert pipe.log.dropped == 2
    pipe.log.thread.start()
    pipe.log.close()
    assert "WARNING:core:log: 2 log lines were dropped" in pipe.heard()[1]


def test_child_after_a_fork_has_its_own_pid_queue_and_no_thread(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe.log.start()
    queue = pipe.log.queue
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    pipe.log.forked()
    pipe.log.error("core:x", "child")
    assert "[4711]" in pipe.heard()[0]
    assert pipe.log.queue is not queue and not pipe.log.threaded


def test_limiter_lets_one_line_through_and_counts_the_rest(pipe: Pipe) -> None:
    assert pipe.log.limited("bad via", 10)
    assert not pipe.log.limited("bad via", 10)
    assert pipe.log.limited("other", 10)
    pipe.now += 10
    assert pipe.log.limited("bad via", 10)
    assert pipe.heard()[0].endswith("NOTICE:core:log: 1 more lines of this kind were left out: bad via")


def test_limiter_keeps_few_keys(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "LIMITER_KEYS", 2)
    assert pipe.log.limited("a", 10)
    assert pipe.log.limited("b", 10)
    assert not pipe.log.limited("c", 10)
    pipe.now += 11
    assert pipe.log.limited("c", 10)
    assert len(pipe.log.held) == 1


def test_system_log_gets_priority_name_and_pid(tmp_path: Path, pipe: Pipe) -> None:
    path = str(tmp_path / "log")
    system = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    system.bind(path)
    pipe.log.configure(stderr=False, syslog=True, facility="LOG_LOCAL3", name="sip1", prefix="edge", syslog_path=path)
    pipe.log.error("core:x", "oops")
    data = system.recv(1000).decode()
    assert data.startswith("<155>Nov ")
    assert data.endswith(f" sip1[{os.getpid()}]: edge:ERROR:core:x: oops")
    system.close()


def test_without_a_system_log_one_line_says_so_and_stderr_gets_the_rest(tmp_path: Path, pipe: Pipe) -> None:
    pipe.log.configure(stderr=False, syslog=True, stderr_fd=pipe.writer, syslog_path=str(tmp_path / "none"))
    pipe.log.error("core:x", "one")
    pipe.log.error("core:x", "two")
    said = [line.split("] ")[1] for line in pipe.heard()]
    assert said[0].startswith("WARNING:core:log: no system log at ")
    assert said[1:] == ["ERROR:core:x: one", "ERROR:core:x: two"]


def test_outputs_have_thresholds_of_their_own(pipe: Pipe) -> None:
    pipe.log.configure(stderr_threshold=ERR, stderr_fd=pipe.writer)
    pipe.log.warn("core:x", "too low")
    pipe.log.error("core:x", "high enough")
    assert len(pipe.heard()) == 1
    assert pipe.log.dropped == 0


def test_who_is_mute_is_heard_again_wherever_the_numbers_lie(pipe: Pipe) -> None:
    pipe.log.configure(stderr_threshold=ERR, stderr=False, stderr_fd=pipe.writer)
    shared = [7] * CELLS
    pipe.log.consumers.share(shared)
    pipe.log.error("core:x", "mute")
    other = Consumers()
    other.cells = shared  # of another process
    other.mute(STDERROR, False)
    pipe.log.error("core:x", "heard")
    pipe.log.warn("core:x", "too low")
    other.set_filter(STDERROR, WARN)
    pipe.log.warn("core:x", "high enough")
    assert [line.rpartition(": ")[2] for line in pipe.heard()] == ["heard", "high enough"]
    assert pipe.log.dropped == 0


def test_json_lines(pipe: Pipe) -> None:
    pipe.log.configure(stderr_format="json", prefix="edge", stderr_fd=pipe.writer)
    pipe.log.error("tm:relay", 'say "hi"')
    made = json.loads(pipe.heard()[0])
    assert made.pop("time")
    assert made == {
        "pid": os.getpid(), "level": "ERROR", "module": "tm", "function": "relay", "prefix": "edge",
        "message": 'say "hi"',
    }  # fmt: skip


def test_json_cee_lines(pipe: Pipe) -> None:
    pipe.log.configure(stderr_format="json_cee", name="sip1", stderr_fd=pipe.writer)
    pipe.log.error("tm:relay", "x")
    made = json.loads(pipe.heard()[0])
    assert made["proc"] == {"id": str(os.getpid())}
    assert (made["pri"], made["subsys"], made["native"], made["msg"]) == ("ERROR", "tm", {"function": "relay"}, "x")
    assert made["pname"] == "sip1"


@pytest.mark.parametrize("wrong", [{"facility": "LOG_X"}, {"stderr_format": "xml"}, {"syslog_format": "xml"}])
def test_unknown_settings_are_refused(pipe: Pipe, wrong: dict[str, str]) -> None:
    with pytest.raises(ModuleError):
        pipe.log.configure(**wrong)  # type: ignore[arg-type]


def test_listener_hears_lines_but_not_its_own(pipe: Pipe) -> None:
    heard: list[str] = []

    def listener(entry: Entry, pid: int) -> None:
        heard.append(entry.text)
        pipe.log.error("core:x", "from the listener")

    pipe.log.configure(event_threshold=WARN, stderr_fd=pipe.writer)
    pipe.log.listen(listener)
    pipe.log.error("core:x", "one")
    pipe.log.notice("core:x", "too low")
    assert heard == ["one"]
