"""Calls in numbers, through two workers: relayed, forked, cancelled; 100,000 registered users."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.accounting import process
from tests.bench.sipp import Load
from tests.live import ROOT, Server

from .sipp import Sipp

pytestmark = [pytest.mark.show, pytest.mark.needs("sipp"), pytest.mark.timeout(600)]
Start = Callable[..., Sipp]


def assert_all_well(load: Load, calls: int) -> None:
    assert (load.ok, load.failed) == (calls, 0), load.errors


def workers(server: Server) -> list[int]:
    """The processes that serve SIP."""
    return sorted({pid for kind, pids in server.processes().items() if "SIP" in kind for pid in pids})


@pytest.mark.parametrize("many", [False, True], ids=["from one peer", "from many"])
def test_200_calls_a_second_for_a_minute(calls: Server, sipp: Start, many: bool) -> None:
    before = {pid: process(pid) for pid in workers(calls)}
    assert len(before) == 2
    sipp("patient_uas", 5070)
    caller = sipp("uac_call", 5080, rate=200, calls=12_000, users=("relay;",), many=many, extra=("-d", "100"))
    assert_all_well(caller.wait(120), 12_000)
    ticks = [process(pid).user + process(pid).system - was.user - was.system for pid, was in before.items()]
    assert min(ticks) > 0.25 * sum(ticks), f"one worker did it all: {ticks} ticks"


def test_parallel_forking_to_three(calls: Server, sipp: Start) -> None:
    sipp("patient_uas", 5071), sipp("ring", 5072), sipp("ring", 5073)
    caller = sipp("uac_call", 5080, rate=100, calls=1000, users=("parallel;",), extra=("-d", "100"))
    assert_all_well(caller.wait(60), 1000)


def test_serial_forking_by_failure_route(calls: Server, sipp: Start) -> None:
    sipp("busy", 5074), sipp("patient_uas", 5071)
    caller = sipp("uac_call", 5080, rate=100, calls=1000, users=("serial;",), extra=("-d", "100"))
    assert_all_well(caller.wait(60), 1000)


def test_cancel_while_three_ring(calls: Server, sipp: Start) -> None:
    ringing = [sipp("ring", 5071), sipp("ring", 5072), sipp("ring", 5073)]
    assert_all_well(sipp("cancel", 5080, rate=100, calls=1000, users=("parallel;",)).wait(60), 1000)
    for one in ringing:
        assert one.load().failed == 0


def test_cancel_in_the_second_try_of_serial_forking(calls: Server, sipp: Start) -> None:
    sipp("busy", 5074), sipp("ring", 5071)
    assert_all_well(sipp("cancel", 5080, rate=100, calls=1000, users=("serial;",)).wait(60), 1000)


def test_100000_users_take_less_than_100_mb_and_are_shown_in_5_s(calls: Server, sipp: Start, tmp_path: Path) -> None:
    before = calls.pss_kb()
    users = tuple(f"user{number:06d};1;" for number in range(100_000))
    assert_all_well(sipp("register", 5080, rate=1000, calls=100_000, users=users).wait(200), 100_000)
    registered = calls.pss_kb()
    assert registered - before < 100 * 1024
    assert calls.mi("get_statistics", {"statistics": ["registered_users"]}) == {"usrloc:registered_users": 100_000}
    shown = tmp_path / "shown"
    words = [sys.executable, "-m", "pysips", "mi", "-f", str(calls.fifo), "--reply-dir", str(calls.reply_folder)]
    with shown.open("wb") as file:
        began = time.monotonic()
        asker = subprocess.Popen([*words, "ul_dump"], stdout=file, cwd=ROOT)
        waits, most = [0.0], 0
        while asker.poll() is None:
            asked = time.monotonic()
            calls.mi("ps")
            waits.append(time.monotonic() - asked)
            most = max(most, calls.pss_kb())
        seconds = time.monotonic() - began
    print(f"shown in {seconds:.1f} s; others waited {max(waits) * 1000:.0f} ms, and {most - registered} kB were taken")
    assert len(json.loads(shown.read_bytes())["Domains"][0]["AORs"]) == 100_000
    assert seconds < 5
    assert max(waits) < 0.5
    assert most - registered < 8 * 1024
