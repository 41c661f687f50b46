"""The database of accounts stands still, dies and comes back under load: calls go on, phones get answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pysips.cli import main
from tests.live import PASSWORD, Server, until
from tests.servers.mariadb import MariaDb

from .conftest import CALLS
from .sipp import Sipp

pytestmark = [
    pytest.mark.show, pytest.mark.needs("sipp"), pytest.mark.needs("mariadbd"), pytest.mark.timeout(180),
    pytest.mark.xdist_group("mariadb"),
]  # fmt: skip

REGISTRATIONS, CALLS_A_SECOND = 200, 50
SECONDS = 24
FAULT, BACK = 7, 14  # seconds of calls
WARM = 1.0  # second, before which nothing counts
INVITE, BYE = 1, 2  # SIPp's timers in uac_call: each to its 200
FIRST, GRANTED, REFUSED = 1, 2, 3  # and in register_digest: to the 401, to the 200, to the 500
RING = 50.0  # ms that the callee lets ring, which is nobody's fault
CLOCK = 4.0  # ms: what SIPp's clock can tell
BUSY = 20.0  # ms that some other process of a busy machine takes from the slowest
ANSWERED = 2000.0  # ms: the time limit of the database is 1 s
KNOWN = 1.5  # seconds after which the server knows that its database is away
STARTS = 40.0  # ms that the start of MariaDB on the same cores adds to the slowest
HEALED = 4.0  # seconds: it asks every second, and a question may take one
USERS = [f"user{number}" for number in range(20)]
GUARD = """
	if (is_method("REGISTER")) {
		if (!www_authorize("r", "subscriber")) {
			www_challenge("r", "auth");
			exit;
		}"""
MODULES = """
loadmodule "db_mysql.so"
loadmodule "auth.so"
loadmodule "auth_db.so"
modparam("auth_db", "db_url", "URL")

route {"""


@dataclass(frozen=True)
class Answer:
    """when: it came, seconds from SIPp's start; taken: ms after its request; timer: SIPp's number for what it was."""

    when: float
    taken: float
    timer: int


def answers(folder: Path) -> list[Answer]:
    """All answers by SIPp's own list."""
    (path,) = folder.glob("*_rtt.csv")
    rows = [line.split(";") for line in path.read_text("ascii").splitlines()[1:]]
    return [Answer(float(row[0]) / 1000, float(row[1]), int(row[2])) for row in rows]


def p99(answers: list[Answer], begin: float, end: float) -> float:
    """Of how long the answers of a time took, in ms; the ringing of a call aside."""
    times = sorted(a.taken - (RING if a.timer == INVITE else 0.0) for a in answers if begin <= a.when < end)
    assert len(times) > 100, f"{len(times)} answers between {begin:g} and {end:g}"
    return times[len(times) * 99 // 100]


def bound(normal: float) -> float:
    """Twice as long; but what the clock or the machine may add is no fault of ours."""
    return max(2 * normal + CLOCK, BUSY)


@pytest.fixture
def server(serve: Callable[..., Server], mysql_url: str) -> Server:
    """calls.cfg with two workers, and REGISTER with passwords out of MariaDB."""
    assert main(["db", "create", "--url", mysql_url, "subscriber"]) == 0
    for user in USERS:
        assert main(["user", "add", "--url", mysql_url, f"{user}@r", PASSWORD]) == 0
    script = CALLS.replace('\n\tif (is_method("REGISTER")) {', GUARD)
    return serve(script.replace("\nroute {", MODULES.replace("URL", mysql_url), 1))


FAULTS = {  # what happens to it, and what brings it back
    "stopped": (MariaDb.stop, MariaDb.restart),
    "dead": (MariaDb.kill, MariaDb.restart),
    "frozen": (MariaDb.freeze, MariaDb.thaw),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_is_away_holds_nobody_up(
    server: Server, sipp: Callable[..., Sipp], mariadb: MariaDb, fault: str
) -> None:
    """200 REGISTER/s that prove their passwords, and 50 calls/s; the database is away for seven seconds of them.

    A password that cannot be looked up is answered 500 by www_authorize: at once, or after the second that the
    database has for an answer.
    """
    happens, comes_back = FAULTS[fault]
    sipp("patient_uas", 5070)
    rtt = ("-trace_rtt", "-rtt_freq", "1")
    rows = tuple(f"{user};[authentication username={user} password={PASSWORD}];" for user in USERS)
    phones = sipp("register_digest", 5090, rate=REGISTRATIONS, calls=REGISTRATIONS * SECONDS, users=rows, extra=rtt)
    callers = sipp(
        "uac_call", 5080, rate=CALLS_A_SECOND, calls=CALLS_A_SECOND * SECONDS, users=("relay;",),
        extra=("-d", "100", *rtt),
    )  # fmt: skip

    def called_for(seconds: int) -> None:
        until(lambda: callers.load().ok >= CALLS_A_SECOND * seconds, seconds + 10, f"calls for {seconds} s")

    called_for(FAULT)
    began = time.monotonic() - phones.began
    try:
        happens(mariadb)
        called_for(BACK)
    finally:
        comes_back(mariadb)
    back = time.monotonic() - phones.began
    registered, called = phones.wait(60), callers.wait(60)
    calls, letters = answers(callers.folder), answers(phones.folder)
    assert (called.failed, called.ok) == (0, CALLS_A_SECOND * SECONDS), called.errors
    assert (registered.failed, registered.ok) == (0, REGISTRATIONS * SECONDS), registered.errors

    for name, timer in (("INVITE", INVITE), ("BYE", BYE)):
        of_it = [a for a in calls if a.timer == timer]
        normal, meanwhile = p99(of_it, WARM, began), p99(of_it, began, back)
        afterwards = p99(of_it, back, SECONDS)
        print(f"{name}: p99 {normal:.0f} ms, {meanwhile:.0f} while the database is {fault}, {afterwards:.0f} after it")
        assert meanwhile <= bound(normal)
        assert afterwards <= bound(normal) + STARTS

    challenged = [a for a in letters if a.timer == FIRST]
    refused = [a for a in letters if a.timer == REFUSED]
    granted = [a for a in letters if a.timer == GRANTED]
    known = [a for a in refused if a.when > began + KNOWN]
    slowest, healed = max(a.taken for a in letters), max(0.0, max(a.when for a in refused) - back)
    print(
        f"registrations: {len(refused)} of {len(refused) + len(granted)} refused, slowest answer {slowest:.0f} ms; "
        f"p99 of a refusal once it is known {p99(known, 0, SECONDS):.0f} ms; none {healed:.1f} s after it is back"
    )
    assert len(challenged) == REGISTRATIONS * SECONDS
    assert slowest < ANSWERED
    assert p99(known, 0, SECONDS) <= bound(p99(challenged, WARM, began))
    assert not [a for a in refused if a.when < began], "a database that is there refuses nobody"
    assert len(refused) > REGISTRATIONS * (back - began - KNOWN), "who asks while it is away learns that"
    assert healed < HEALED
    assert len([a for a in granted if a.when > back + healed]) > REGISTRATIONS, "and all is well again"
