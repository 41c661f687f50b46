"""How many workers there are, what is logged where, and what the banner says."""

import os
from pathlib import Path
from typing import Any

import pytest

from pysips.core.loading import load
from pysips.core.log import log
from pysips.core.log_consumers import CONSUMERS
from pysips.core.options import Options
from pysips.core.program import Program
from pysips.runtime import boot
from pysips.runtime.daemon import CannotStart

SCRIPT = """
{more}
socket=udp:127.0.0.1:5060 {socket}
loadmodule "proto_udp.so"
route {{ exit; }}
"""


def program(folder: Path, more: str = "", socket: str = "", **wishes: Any) -> tuple[Program, Options]:
    path = folder / "opensips.cfg"
    path.write_text(SCRIPT.format(more=more, socket=socket))
    options = Options(str(path), **wishes)
    return load(str(path), options), options


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


@pytest.mark.parametrize(
    "more, socket, wishes, workers",
    [
        ("", "", {}, 8),
        ("udp_workers=3", "", {}, 3),
        ("udp_workers=3\ntcp_workers=5", "", {}, 5),
        ("udp_workers=3", "use_workers 6", {}, 6),
        ("udp_workers=3", "", {"workers_udp": 4}, 4),
        ("udp_workers=3", "", {"workers_tcp": 7}, 7),
        ("udp_workers=100", "", {}, 16),
        ("udp_workers=3", "", {"values": {"pysips_workers": "40"}}, 40),
        ("udp_workers=9", "", {"debug": True}, 2),
        ("udp_workers=9\ndebug_mode=yes", "", {}, 2),
    ],
)
def test_the_number_of_workers(
    many_cores: None, tmp_path: Path, more: str, socket: str, wishes: dict[str, Any], workers: int
) -> None:
    assert boot.number_of_workers(*program(tmp_path, more, socket, **wishes)) == workers


def test_no_more_workers_than_cores(tmp_path: Path) -> None:
    assert boot.number_of_workers(*program(tmp_path, "udp_workers=1000")) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("wanted", ["0", "x", "-1", "1e3", "99999999999", "١"])
def test_a_number_of_workers_that_makes_no_sense_is_said(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(CannotStart, match="pysips_workers"):
        boot.number_of_workers(*program(tmp_path, values={"pysips_workers": wanted}))


@pytest.mark.parametrize(
    "more, wishes, level",
    [
        ("", {}, 2),
        ("log_level=-1", {}, -1),
        ("log_level=1", {"more_verbose": 2}, 3),
        ("log_level=3", {"more_verbose": 9}, 4),
        ("", {"debug": True}, 4),
    ],
)
def test_the_log_level(tmp_path: Path, more: str, wishes: dict[str, Any], level: int) -> None:
    try:
        boot.begin_log(*program(tmp_path, more, **wishes))
        assert log.level == level
    finally:
        log.configure()


@pytest.mark.parametrize(
    "more, wishes, outputs",
    [
        ("", {}, ["stderror"]),
        ("syslog_enabled=1", {}, ["stderror", "syslog"]),
        ("log_stderror=no", {}, ["syslog"]),
        ("log_stderror=no", {"to_stderr": True}, ["stderror", "syslog"]),
        ("", {"daemon": True}, ["stderror", "syslog"]),
        ("", {"daemon": True, "to_stderr": True}, ["stderror"]),
        ("log_event_enabled=1", {}, ["stderror", "event"]),
    ],
)
def test_where_the_log_goes(tmp_path: Path, more: str, wishes: dict[str, Any], outputs: list[str]) -> None:
    try:
        boot.begin_log(*program(tmp_path, more, **wishes))
        assert [name for number, name in enumerate(CONSUMERS) if not log.consumers.muted(number)] == outputs
    finally:
        log.configure()


def test_a_sockets_own_type_of_service(tmp_path: Path) -> None:
    made, _ = program(tmp_path, "tos=16", "tos 46")
    assert (made.config.globals["tos"], made.tos) == (16, {0: 46})
