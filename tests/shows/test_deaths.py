"""Under 200 calls a second a process is killed or stopped: little is lost, and service is soon whole again."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.live import Server, until

from .sipp import Sipp

pytestmark = [pytest.mark.show, pytest.mark.needs("sipp"), pytest.mark.timeout(300)]
USERS = 1000
RATE = 200
SETTING_UP = 0.2  # seconds from INVITE to ACK, generously: the callee answers after 0.05


def contacts(server: Server) -> int:
    [domain] = server.mi("ul_dump")["Domains"]
    return sum(len(aor["Contacts"]) for aor in domain["AORs"])


def victims(server: Server) -> dict[str, int]:
    """One process of each part: worker 0, worker 1, attendant."""
    found = server.processes()
    workers = sorted({pid for kind, pids in found.items() if "SIP" in kind for pid in pids})
    return {"worker 0": workers[0], "worker 1": workers[1], "attendant": found["attendant"][0]}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("who", ["worker 0", "worker 1", "attendant"])
def test_one_dies_under_load(calls: Server, sipp: Callable[..., Sipp], who: str, number: signal.Signals) -> None:
    users = tuple(f"user{i};1;" for i in range(USERS))
    assert sipp("register", 5081, rate=1000, calls=USERS, users=users).wait(30).ok == USERS
    sipp("patient_uas", 5070)
    load = sipp(
        "uac_call",
        5080,
        rate=RATE,
        calls=RATE * 20,
        users=("relay;",),
        extra=("-d", "100", "-max_retrans", "5", "-recv_timeout", "10000"),
    )
    time.sleep(4)

    victim = victims(calls)[who]
    os.kill(victim, number)
    whole = 1.0 if number == signal.SIGKILL else 6.0
    time.sleep(whole)
    afterwards = sipp("uac_call", 5090, rate=50, calls=200, users=("relay;",), extra=("-d", "100"))
    again = afterwards.wait(60)
    assert (again.ok, again.failed) == (200, 0), again.errors

    until(lambda: victim not in calls.pids(), 2, "the end of the victim")
    assert len(victims(calls)) == 3
    assert contacts(calls) == USERS
    done = load.wait(60)
    assert done.failed <= (0 if who == "attendant" else RATE * SETTING_UP / 2), done.errors
