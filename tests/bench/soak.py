"""A server of one worker at 70 % of its core for long: does its memory grow, do its answers come later?

    scripts/soak [MINUTES]          60 if not said; writes build/soak.json and says what came of it

REGISTER refreshes of 50,000 users, proxied calls by lookup() and OPTIONS at once. Their rates are found by measuring
for a minute, some times. Once a minute (in a short run twelve times): PSS of all processes, RSS and CPU of the
worker, the shared table's size, response times, what failed. Other work on the machine spoils minutes: an hour wants
a machine of its own, or at least `nice -n -15 scripts/soak`. As root, server and load have a loopback of their own.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.live import Server
from tests.own_network import leave_the_network
from tests.shows.sipp import Sipp

from .accounting import memory_kb, scheduled_us
from .servers import HERE, ROOT

SHARE = 0.70
USERS = 50_000
CALLEES = 10_000
MIX = {"register": 3000, "uac_call": 800, "options": 500}  # units a second: the first guess of 70 %
MEASURE = 60  # seconds of each guess; the last third counts: a call is remembered for 32
TURNS = 6  # guesses at most
NEAR = 0.03
RING_MS = 50.0  # the callee answers so much later
LOOKS = 12  # at least so many
WARM_UP = 6  # a sixth of them counts for nothing: caches fill, Python's own memory settles
MEMORY_GROWTH = 1.03
P99_GROWTH = 1.3
PORTS = {"register": 5080, "uac_call": 5081, "options": 5082, "patient_uas": 5070}
TIMERS = {("register", "1"): "REGISTER", ("uac_call", "1"): "INVITE", ("uac_call", "2"): "BYE",
          ("options", "1"): "OPTIONS"}  # fmt: skip


@dataclass
class Minute:
    """What one minute was like.

    cpu_pct: the worker's share of a core; failed: calls and transactions since the start; ms: p50 and p99 by method
    (INVITE without the time that the callee rings).
    """

    seconds: float
    pss_kb: int
    rss_kb: int
    table_kb: int
    cpu_pct: float
    failed: int
    retransmissions: int
    answers: int
    ms: dict[str, dict[str, float]] = field(default_factory=dict)


class Times:
    """Response times out of a SIPp's file of them, which is read as it grows."""

    def __init__(self, sipp: Sipp) -> None:
        self.sipp = sipp
        self.read = 0
        self.rest = b""

    def new(self) -> dict[str, list[float]]:
        """ms by method since the last time."""
        found: dict[str, list[float]] = {}
        for path in self.sipp.folder.glob("*_rtt.csv"):
            with path.open("rb") as file:
                file.seek(self.read)
                data = file.read()
            self.read += len(data)
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                parts = line.decode("ascii").split(";")
                method = TIMERS.get((self.sipp.scenario, parts[2].strip())) if len(parts) > 2 else None
                if method:
                    late = RING_MS if method == "INVITE" else 0.0
                    found.setdefault(method, []).append(float(parts[1]) - late)
        return found


def script() -> str:
    """The rig's residential script, with an answer to OPTIONS."""
    text = (HERE / "cfg" / "opensips" / "proxy.cfg").read_text("utf-8")
    first = "\tif (has_totag()) {"
    assert text.count(first) == 1
    text = text.replace(
        first, '\tif (is_method("OPTIONS") && $rU == NULL) {\n\t\tsl_send_reply(200, "OK");\n\t\texit;\n\t}\n' + first
    )
    return text.replace("@WORKERS@", "1").replace("@RUN@", "{folder}").replace("@MPATH@", "")


class Soak:
    """A server, its load, and what is looked at every minute."""

    def __init__(self, folder: Path, seconds: float, rates: dict[str, int], server: Server, looks: int = LOOKS) -> None:
        self.folder, self.server = folder, server
        self.seconds = seconds
        self.interval = min(60.0, seconds / looks)
        self.worker = worker_of(server)
        self.callee = Sipp(folder / "uas", "patient_uas", PORTS["patient_uas"])
        users = tuple(f"user{number:06d};2;" for number in range(USERS))
        few = users[:CALLEES]
        self.loads = [
            Sipp(
                folder / name, name, PORTS[name], rate=rate, calls=int(rate * self.seconds), users=rows,
                extra=("-trace_rtt", "-rtt_freq", "500", *more),
            )
            for name, rate, rows, more in (
                ("register", rates["register"], users, ()),
                ("uac_call", rates["uac_call"], few, ("-d", "100")),
                ("options", rates["options"], (), ()),
            )
        ]  # fmt: skip
        self.times = [Times(load) for load in self.loads]
        self.minutes: list[Minute] = []

    def run(self) -> list[Minute]:
        began = time.monotonic()
        try:
            for one in (self.callee, *self.loads):
                one.start()
            self.before = (began, scheduled_us([self.worker]))
            number = 1
            while all(load.process.poll() is None for load in self.loads):
                left = began + self.interval * number - time.monotonic()
                if left <= 0:
                    self.look(began)
                    number += 1
                    if self.interval * number > self.seconds + 0.1:
                        break
                else:
                    time.sleep(min(left, 1.0))
            for load in self.loads:
                load.process.wait(60)
            self.assert_ended()
        finally:
            for one in (*self.loads, self.callee):
                with contextlib.suppress(AttributeError):  # it was never started
                    one.close()
        return self.minutes

    def look(self, began: float) -> None:
        now, used = time.monotonic(), scheduled_us([self.worker])
        values: dict[str, list[float]] = {}
        for each in self.times:
            values.update(each.new())
        counts = [load.load() for load in self.loads]
        self.minutes.append(
            Minute(
                round(now - began, 1), self.server.pss_kb(), memory_kb([self.worker])[0], table_kb(self.worker),
                round((used - self.before[1]) / (now - self.before[0]) / 1e4, 1),
                sum(max(0, count.failed) for count in counts), sum(max(0, count.retransmissions) for count in counts),
                sum(map(len, values.values())), {method: percentiles(found) for method, found in values.items()},
            )
        )  # fmt: skip
        self.before = (now, used)
        print(json.dumps(asdict(self.minutes[-1])), file=sys.stderr, flush=True)

    def assert_ended(self) -> None:
        for load in self.loads:
            done = load.load()
            said = f"{load.scenario}: {done.ok} well, {done.failed} failed, {load.process.poll()}: {done.errors}"
            print(said, file=sys.stderr, flush=True)
            assert (done.ok, done.failed) == (load.calls, 0), said


def worker_of(server: Server) -> int:
    found = [pid for kind, pids in server.processes().items() if "SIP" in kind for pid in pids]
    assert len(found) == 1, found
    return found[0]


def table_kb(pid: int) -> int:
    """What the shared table takes, out of the blocks of its file."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        with contextlib.suppress(OSError):
            if os.readlink(path).endswith("/tables"):
                return os.stat(path).st_blocks // 2
    raise AssertionError("the worker has no shared table open")


def percentiles(values: list[float]) -> dict[str, float]:
    """Of times that SIPp cut to whole milliseconds, so between them as if each millisecond's were spread evenly."""
    numbers = Counter(values)
    found = {}
    for name, share in (("p50", 0.50), ("p99", 0.99)):
        left = share * len(values)
        for value, number in sorted(numbers.items()):
            if left <= number:
                found[name] = round(value + left / number, 2)
                break
            left -= number
    return found


def keep_niceness(pid: int) -> None:
    """Make our niceness count between sessions, too: Linux shares CPU by session first (sched(7), autogroup)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(os.nice(0)), "ascii")


def register_all(folder: Path) -> None:
    users = tuple(f"user{number:06d};1;" for number in range(USERS))
    load = Sipp(folder / "first", "register", PORTS["register"], rate=2000, calls=USERS, users=users)
    done = load.start().wait(200)
    assert (done.ok, done.failed) == (USERS, 0), done.errors


def find_rates(folder: Path, server: Server) -> dict[str, int]:
    """Units a second that take 70 % of the worker: from little on, so that no slow machine is flooded.

    A unit costs less the more there are, and more once many calls are remembered: each turn comes nearer.
    """
    rates = {name: rate // 2 for name, rate in MIX.items()}
    for turn in range(TURNS):
        share = Soak(folder / str(turn), MEASURE, rates, server, looks=3).run()[-1].cpu_pct / 100
        if abs(share - SHARE) < NEAR:
            break
        rates = {name: int(rate * SHARE / share) for name, rate in rates.items()}
    return rates


def judge(minutes: list[Minute]) -> dict[str, float]:
    """How the last quarter stands to the second one: pss and rss (medians of minutes), and the p99 of each method.

    Of p99 the best minute of each counts: other work on the machine only adds to it, for minutes at a time.
    """
    counted = minutes[len(minutes) // WARM_UP :]
    quarter = max(1, len(counted) // 4)
    early, late = counted[quarter : 2 * quarter] or counted[:1], counted[-quarter:]

    median = statistics.median
    found = {
        "pss": median([m.pss_kb for m in late]) / median([m.pss_kb for m in early]),
        "rss": median([m.rss_kb for m in late]) / median([m.rss_kb for m in early]),
    }
    for method in sorted(minutes[-1].ms):
        found[f"p99 {method}"] = min(m.ms[method]["p99"] for m in late) / min(m.ms[method]["p99"] for m in early)
    return {name: round(value, 4) for name, value in found.items()}


def soak(minutes: float, result: Path) -> tuple[list[Minute], dict[str, float]]:
    """Run it; the minutes, and `judge` of them. AssertionError if anything failed."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    server = Server(script(), folder)
    try:
        keep_niceness(os.getpid())
        keep_niceness(server.process.pid)
        register_all(folder)
        rates = find_rates(folder / "guess", server)
        print(f"units a second: {rates}", file=sys.stderr, flush=True)
        series = Soak(folder, 60 * minutes, rates, server)
        try:
            series.run()
        finally:
            growth = judge(series.minutes) if series.minutes else {}
            made = {"rates": rates, "python": sys.version, "growth": growth, "minutes": [*map(asdict, series.minutes)]}
            result.parent.mkdir(exist_ok=True)
            result.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    finally:
        server.stop()
    assert "Traceback" not in server.log(), server.log()[-6000:]
    return series.minutes, growth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", type=float, default=60)
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "soak.json", metavar="FILE")
    given = parser.parse_args()
    with contextlib.suppress(OSError):
        leave_the_network()
    _, growth = soak(given.minutes, given.json)
    limits = {name: MEMORY_GROWTH if name in ("pss", "rss") else P99_GROWTH for name in growth}
    print("the last quarter to the second one:", json.dumps(growth))
    grown = [f"{name} grew to {value} of its value" for name, value in growth.items() if value > limits[name]]
    print("; ".join(grown) or "flat, none failed")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
