"""The servers that are measured, and one that runs."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from .accounting import family, process, udp_bound

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVER_PORT = 5060
KAMAILIO_MODULES = "/usr/lib/x86_64-linux-gnu/kamailio/modules/"
KAMAILIO = "kamailio -DD -E -m 512 -M 16 -w {run} -Y {run} -f {cfg}"


@dataclass(frozen=True)
class Spec:
    """How a server is started: a command with {cfg} and {run}, the family of scripts it reads (cfg/NAME), variables."""

    about: str
    command: str
    scripts: str = "opensips"
    mpath: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def installed(self) -> bool:
        return shutil.which(shlex.split(self.command)[0]) is not None


def pysips(python: str = sys.executable, tree: Path = ROOT) -> Spec:
    """PySIPS by that interpreter, out of that checkout."""
    return Spec("PySIPS", f"{python} -m pysips -F -f {{cfg}}", environment={"PYTHONPATH": str(tree)})


SERVERS = {
    "pysips": pysips(),
    "pysips-compiled": replace(pysips(str(ROOT / "build/compiled/bin/python")), environment={}),
    "kamailio": Spec("Kamailio as Debian ships it", KAMAILIO, "kamailio", KAMAILIO_MODULES),
    "kamailio-fm": Spec(
        "Kamailio with its fast allocator: the peer to beat",
        KAMAILIO.replace("-DD -E", "-DD -E -x fm -X fm"),
        "kamailio",
        KAMAILIO_MODULES,
    ),
    "opensips": Spec("OpenSIPS", "opensips -F -w {run} -m 512 -M 16 -f {cfg}", mpath="/usr/lib/opensips/modules/"),
    "floor": Spec("the least that a Python process can do for an OPTIONS", f"{sys.executable} {HERE}/floor.py {{cfg}}"),
}


class Running:
    """A started server; a context manager that ends only what it started."""

    def __init__(self, spec: Spec, script: str, workers: int, run: Path) -> None:
        self.run = run
        text = (HERE / "cfg" / spec.scripts / f"{script}.cfg").read_text("utf-8")
        for name, value in {"WORKERS": str(workers), "RUN": str(run), "MPATH": spec.mpath}.items():
            text = text.replace(f"@{name}@", value)
        config = run / f"{script}.cfg"
        config.write_text(text, "utf-8")
        self.words = shlex.split(spec.command.format(cfg=config, run=run))
        self.environment = {**os.environ, **spec.environment}

    def __enter__(self) -> "Running":
        if udp_bound(SERVER_PORT):
            raise SystemExit(f"port {SERVER_PORT} is taken: another server runs")
        self.log = (self.run / "server.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            cwd=self.run, env=self.environment, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not udp_bound(SERVER_PORT):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise SystemExit(f"the server did not start:\n{(self.run / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)
        time.sleep(1.5)  # its other processes
        return self

    def pids(self) -> list[int]:
        return family(self.process.pid)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pids = self.pids() if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                print("the server did not end by itself", file=sys.stderr)
        for pid in pids:
            try:
                if process(pid).session == self.process.pid:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                continue  # it has ended
        self.process.wait()
        self.log.close()
