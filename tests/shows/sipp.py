"""SIPp with the scenario files of this folder and of the load rig, and its own counts."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.accounting import udp_bound
from tests.bench.sipp import Load, errors, read_counts

TESTS = Path(__file__).resolve().parent.parent
SCENARIOS = (TESTS / "shows" / "scenarios", TESTS / "bench" / "scenarios")
ENVIRONMENT = {**os.environ, "TERM": "xterm"}


@dataclass
class Sipp:
    """A SIPp that runs.

    scenario: a file in one of SCENARIOS, without .xml; host: its own address; users: rows of an injection file
    (`[field0]` …);
    calls: how many, 0 for a callee that takes calls until it is closed; most: at a time, 0 for many more than there
    should be; many: one socket for each user (-t un).
    """

    folder: Path
    scenario: str
    port: int
    server: str = "127.0.0.1:5060"
    host: str = "127.0.0.1"
    rate: int = 10
    calls: int = 0
    users: tuple[str, ...] = ()
    many: bool = False
    extra: tuple[str, ...] = ()
    most: int = 0

    def start(self) -> "Sipp":
        self.folder.mkdir(parents=True, exist_ok=True)
        path = next(path for folder in SCENARIOS if (path := folder / f"{self.scenario}.xml").exists())
        words = [
            "sipp", self.server, "-sf", str(path), "-i", self.host,
            "-p", str(self.port), "-t", "un" if self.many else "u1", "-nostdin", "-skip_rlimit",
            "-buff_size", "4194304", "-trace_err", "-trace_stat", "-stf", "stat.csv", "-fd", "1", *self.extra,
        ]  # fmt: skip
        if self.calls:
            words += ["-r", str(self.rate), "-m", str(self.calls), "-l", str(self.most or max(2000, 10 * self.rate))]
        if self.users:
            (self.folder / "users.csv").write_text("SEQUENTIAL\n" + "".join(f"{row}\n" for row in self.users))
            words += ["-inf", "users.csv"]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
            env=ENVIRONMENT,
        )  # fmt: skip
        if not self.calls:
            end = time.monotonic() + 10
            while not udp_bound(self.port, self.host):
                assert time.monotonic() < end and self.process.poll() is None, f"{self.scenario} did not start"
                time.sleep(0.02)
        return self

    def wait(self, seconds: float) -> Load:
        """Until all its calls are over; what it counted."""
        self.process.wait(seconds)
        return self.load()

    def load(self) -> Load:
        """Its counts so far (they are written once a second)."""
        load = Load(self.process.poll() or 0, round(time.monotonic() - self.began, 2), 0)
        read_counts(self.folder / "stat.csv", load)
        load.errors = errors(self.folder)
        return load

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
