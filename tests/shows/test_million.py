"""1,000,000 contacts: the memory of the whole server, and what a lookup costs among them.

A real server with one worker; SIPp registers every user, in no order, 100 REGISTERs at a time, each as soon as another
is answered (about 7,000/s, so some three minutes). A lookup's cost is the worker's CPU for a request whose route calls
`lookup()`, less that for the same request from somebody for whom it does not.
"""

import random
from collections.abc import Callable

import pytest

from tests.bench.accounting import scheduled_us
from tests.bench.servers import HERE
from tests.live import Server

from .sipp import Sipp

pytestmark = [pytest.mark.show, pytest.mark.needs("sipp"), pytest.mark.timeout(1500)]
Start = Callable[..., Sipp]

FEW, MANY = 1_000, 1_000_000
ASKED = 20_000
TURNS = 4
MEMORY_MB = 600
LOOKUP = 1.3
ROUTES = """route {
	if (is_method("OPTIONS")) {
		if ($fU == "finder" && !lookup("location"))
			sl_send_reply(404, "Not here");
		else
			sl_send_reply(200, "OK");
		exit;
	}
"""


def script() -> str:
    text = (HERE / "cfg" / "opensips" / "registrar.cfg").read_text("utf-8")
    assert text.count("route {\n") == 1
    text = text.replace("route {\n", ROUTES)
    return text.replace("@WORKERS@", "1").replace("@RUN@", "{folder}").replace("@MPATH@", "")


def drive(sipp: Start, scenario: str, rows: list[str]) -> None:
    load = sipp(scenario, 5080, rate=30_000, calls=len(rows), users=tuple(rows), most=100)
    done = load.wait(1200)
    assert (done.ok, done.failed) == (len(rows), 0), done.errors


def cost(server: Server, sipp: Start, users: list[str]) -> float:
    """µs of the worker's CPU for a lookup: the least of some turns, less the least without one."""
    worker = [pid for kind, pids in server.processes().items() if "SIP" in kind for pid in pids]
    assert len(worker) == 1
    least = {"finder": 1e9, "asker": 1e9}
    for _ in range(TURNS):
        for who, so_far in least.items():
            rows = [f"{user};{who};" for user in random.choices(users, k=ASKED)]
            before = scheduled_us(worker)
            drive(sipp, "ask", rows)
            least[who] = min(so_far, (scheduled_us(worker) - before) / ASKED)
    return least["finder"] - least["asker"]


def test_a_million_contacts_take_less_than_600_mb_and_are_found_as_fast(
    serve: Callable[..., Server], sipp: Start
) -> None:
    server = serve(script())
    users = [f"user{number:06d}" for number in range(MANY)]
    random.Random(5).shuffle(users)
    empty = server.pss_kb()
    drive(sipp, "register", [f"{user};1;" for user in users[:FEW]])
    among_few = cost(server, sipp, users[:FEW])
    drive(sipp, "register", [f"{user};1;" for user in users[FEW:]])
    assert server.mi("get_statistics", {"statistics": ["registered_users"]}) == {"usrloc:registered_users": MANY}
    among_many = cost(server, sipp, users)
    full = server.pss_kb()
    print(f"{full / 1024:.0f} MB, {(full - empty) * 1024 / MANY:.0f} bytes a contact; "
          f"a lookup: {among_few:.1f} µs among {FEW}, {among_many:.1f} µs among {MANY}")  # fmt: skip
    assert full < MEMORY_MB * 1024
    assert among_many <= LOOKUP * among_few
