"""The workloads, and the account of one run of each."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import sipp
from .accounting import TICK_US, cpu_us, datagrams_lost, machine, memory_kb, scheduled_us
from .servers import Running, Spec
from .sipp import Callee, Load, users_csv

Sample = Callable[[], None]


@dataclass(frozen=True)
class Workload:
    """script: cfg/*/SCRIPT.cfg; rate: units offered a second; settle: seconds until all timers of a unit are over."""

    script: str
    rate: int
    seconds: float
    settle: float
    users: int = 0
    hold_ms: int = 100


WORKLOADS = {
    "options": Workload("options", 5000, 12, 1),
    "register": Workload("registrar", 2000, 20, 1, users=100_000),
    "trunk": Workload("trunk", 1000, 12, 7, users=1000),
    "proxy": Workload("proxy", 1000, 12, 7, users=10_000),
}


@dataclass(frozen=True)
class Result:
    """One measured phase.

    unit: a transaction (options, register-…) or a call. cpu_us: CPU of every process of the server for each successful
    unit, from just before the load until it has settled, by the scheduler's counters; ticks_us: the same by ticks;
    system_us: what of ticks_us the kernel took.
    pss_peak_kb: the highest sum of Pss; contact_bytes: growth of Pss for each new user (register-new). others_pct: CPU
    used by neither server nor SIPp, of all cores: a run with much of it is not worth comparing. clean: no failed call,
    no retransmission, no datagram lost, and the load came at 97 % of the rate or more.
    """

    workload: str
    rate: int
    count: int
    ok: int
    failed: int
    retransmissions: int
    achieved_rate: float
    cpu_us: float
    ticks_us: float
    system_us: float
    pss_peak_kb: int
    pss_grown_kb: int
    processes: int
    cpu_lost_pids: int
    datagrams_lost: int
    stolen_pct: float
    others_pct: float
    response_ms: dict[str, dict[str, float]]
    errors: list[tuple[str, int]]
    clean: bool

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def measure(
    server: Running, label: str, rate: int, count: int, settle: float, load: Callable[[Sample], Load]
) -> Result:
    """Run `load(sample)` and account for it."""
    pids = server.pids()
    peak = 0

    def sample() -> None:
        nonlocal peak
        peak = max(peak, memory_kb(server.pids())[1])

    grown = -memory_kb(pids)[1]
    lost, before = -datagrams_lost(), machine()
    ticks, kernel, exact = -sum(cpu_us(pids)), -cpu_us(pids)[1], -scheduled_us(pids)
    done = load(sample)
    time.sleep(settle)
    after = server.pids()
    used = cpu_us(sorted({*pids, *after}))
    ticks += sum(used)
    kernel += used[1]
    exact += scheduled_us(after)
    lost += datagrams_lost()
    now = machine()
    sample()
    grown += memory_kb(after)[1]
    total, idle = now.total - before.total, now.idle - before.idle
    others = (total - idle) * TICK_US - ticks - done.cpu_us
    achieved = done.ok / (done.elapsed or done.seconds)
    clean = not (done.failed or done.retransmissions or lost) and done.ok == count and achieved >= 0.97 * rate
    units = max(1, done.ok)
    return Result(
        label, rate, count, done.ok, done.failed, done.retransmissions, round(achieved, 1), round(exact / units, 2),
        round(ticks / units, 2), round(kernel / units, 2), peak, grown, len(after), len(set(pids) - set(after)), lost,
        round(100 * (now.stolen - before.stolen) / total, 2), round(100 * max(0, others) / (total * TICK_US), 1),
        done.response_ms, done.errors, clean,
    )  # fmt: skip


def phases(spec: Spec, name: str, workers: int, rate: int, seconds: float, users: int) -> Iterator[Result]:
    """Start the server, run the workload's phases, end it."""
    work = WORKLOADS[name]
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # some servers change their user
    count = int(rate * seconds)

    def client(
        scenario: str, number: int, cseq: int = 0, extra: tuple[str, ...] = (), at: int = rate
    ) -> Callable[[Sample], Load]:
        injected = users_csv(folder, users, cseq) if cseq else None
        return lambda sample: sipp.call(folder, scenario, at, number, injected, extra, sample)

    try:
        with Running(spec, work.script, workers, folder) as server:

            def account(label: str, number: int, load: Callable[[Sample], Load]) -> Result:
                return measure(server, label, rate, number, work.settle, load)

            if name == "options":
                yield account("options", count, client("options.xml", count))
            elif name == "register":
                yield account("register-new", users, client("register.xml", users, 1))
                yield account("register-refresh", count, client("register.xml", count, 2))
            else:
                if name == "proxy":
                    done = client("register.xml", users, 1, at=min(2000, users))(lambda: None)
                    if done.failed or done.ok != users:
                        raise SystemExit(f"could not register the callees: {done}")
                with Callee(folder) as callee:
                    caller = client("uac_call.xml", count, 1, ("-d", str(work.hold_ms)))

                    def calls(sample: Sample) -> Load:
                        before = callee.cpu()
                        done = caller(sample)
                        done.cpu_us += callee.cpu() - before
                        return done

                    yield account(name, count, calls)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
