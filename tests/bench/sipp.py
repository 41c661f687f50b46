"""SIPp as the load: its callers, its callee, and its own count of what went well."""

import csv
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .accounting import cpu_us, udp_bound
from .servers import HERE, SERVER_PORT

HOST = "127.0.0.1"
UAS_PORT, UAC_PORT = 5070, 5080
ENVIRONMENT = {**os.environ, "TERM": "xterm"}
ENTRY = re.compile(r"\d{4}-\d\d-\d\d\t[\d:.]+\t[\d.]+: ")  # where an entry of SIPp's error log begins, seldom on a line


@dataclass
class Load:
    """What SIPp says of its run; times of day in seconds, response times in ms by the number of its timer."""

    code: int
    seconds: float
    cpu_us: int
    ok: int = 0
    failed: int = -1
    retransmissions: int = -1
    elapsed: float = 0.0
    response_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    errors: list[tuple[str, int]] = field(default_factory=list)


def users_csv(run: Path, users: int, cseq: int) -> Path:
    """An injection file: user000000;CSEQ; …"""
    path = run / f"users-{users}-{cseq}.csv"
    if not path.exists():
        path.write_text("SEQUENTIAL\n" + "".join(f"user{i:06d};{cseq};\n" for i in range(users)), "ascii")
    return path


def words(scenario: str, port: int) -> list[str]:
    return [
        "sipp", "-sf", str(HERE / "scenarios" / scenario), "-i", HOST, "-p", str(port), "-t", "u1", "-nostdin",
        "-buff_size", "4194304", "-skip_rlimit", "-max_retrans", "5", "-trace_err",
    ]  # fmt: skip


class Callee:
    """A SIPp that takes every call; a context manager."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "uas"
        self.folder.mkdir(exist_ok=True)

    def __enter__(self) -> "Callee":
        self.process = subprocess.Popen(
            words("uas_call.xml", UAS_PORT), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=self.folder, env=ENVIRONMENT,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not udp_bound(UAS_PORT):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("SIPp, the callee, did not start")
            time.sleep(0.05)
        return self

    def cpu(self) -> int:
        return sum(cpu_us([self.process.pid]))

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def call(
    run: Path, scenario: str, rate: int, count: int, users: Path | None = None, extra: tuple[str, ...] = (),
    sample: Callable[[], None] = lambda: None,
) -> Load:  # fmt: skip
    """Run one SIPp client; `sample` is called every 2 s meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="uac-", dir=run))
    argv = [
        *words(scenario, UAC_PORT), "-r", str(rate), "-m", str(count), "-l", str(max(2000, 10 * rate)),
        "-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_rtt", "-rtt_freq", "200",
        *extra, *(["-inf", str(users)] if users else []), f"{HOST}:{SERVER_PORT}",
    ]  # fmt: skip
    began = time.monotonic()
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        env=ENVIRONMENT,
    )  # fmt: skip
    pid = status = 0
    next_sample = began + 1
    while not pid:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        now = time.monotonic()
        if now > began + 3 * count / rate + 60:
            process.kill()
        if now >= next_sample:
            sample()
            next_sample = now + 2
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    load = Load(process.returncode, round(time.monotonic() - began, 2), int((usage.ru_utime + usage.ru_stime) * 1e6))
    read_counts(folder / "stat.csv", load)
    load.response_ms = response_times(folder)
    load.errors = errors(folder)
    return load


def read_counts(path: Path, load: Load) -> None:
    """The last line of SIPp's statistics."""
    if not path.exists():
        return
    with path.open(encoding="ascii", errors="replace") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    if rows:
        last = rows[-1]
        hours, minutes, seconds, us = [*last["ElapsedTime(C)"].split(":"), "0"][:4]
        load.ok, load.failed = int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])
        load.retransmissions = int(last["Retransmissions(C)"])
        load.elapsed = int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{us}")


def errors(folder: Path, most: int = 3) -> list[tuple[str, int]]:
    """The kinds of error that SIPp logged, the commonest first."""
    kinds: Counter[str] = Counter()
    for path in folder.glob("*_errors.log"):
        for entry in ENTRY.split(path.read_text("ascii", "replace"))[1:]:
            first = entry.split("\n", 1)[0].strip()
            if any(mark in first for mark in ("while expecting", "Aborting call", "Discarding", "max retrans")):
                kinds[kind_of(first)] += 1
    return kinds.most_common(most)


def kind_of(entry: str) -> str:
    """What happened, in words that many calls share: "INVITE while expecting ACK (step 4)"."""
    found = re.search(r"while expecting '([^']+)' \(index (\d+)\), received '(?:SIP/2\.0 )?(\S+)", entry)
    if found:
        return f"{found[3]} while expecting {found[1]} (step {found[2]})"
    return re.sub(r"\S*\d+-\d+@[\d.]+\S*", "ID", entry)[-110:]


def response_times(folder: Path) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {}
    for path in folder.glob("*_rtt.csv"):
        for line in path.read_text("ascii", "replace").splitlines()[1:]:
            parts = line.split(";")
            if len(parts) >= 3:
                times.setdefault(parts[2].strip(), []).append(float(parts[1]))
    found = {}
    for timer, values in sorted(times.items()):
        values.sort()
        n = len(values)
        p99 = values[min(n - 1, n * 99 // 100)]
        found[timer] = {"p50": round(values[n // 2], 3), "p99": round(p99, 3), "max": round(values[-1], 3)}
    return found
