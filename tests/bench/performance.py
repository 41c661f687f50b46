"""Measure where time goes and how cost grows, and write docs/performance.md with its plots.

    scripts/performance                      measure (some six minutes on a quiet machine) and write the page
    scripts/performance --render             write the page from what was measured before

What is measured is kept in build/performance.json. `--rig FILE` (lines that `scripts/bench --json FILE` wrote) and
`--soak FILE` (build/soak.json, of scripts/soak) are kept there, too, so that they need not be named again. As root, the
servers have a loopback of their own; elsewhere port 5060 must be free.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.own_network import leave_the_network

from . import growth, page, replay
from .servers import ROOT, SERVERS
from .workloads import WORKLOADS, phases

KEPT: Final = ROOT / "build" / "performance.json"
WORKERS: Final = (1, 2, 3, 4)
LIVE: Final = {"options": (3000, 0), "register": (2000, 5000), "trunk": (400, 1000), "proxy": (400, 1000)}
SECONDS: Final = 5.0
TURNS: Final = 2


def machine() -> dict[str, str]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%h of %cs"], capture_output=True, text=True, check=False
    )
    return {
        "processor": f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}",
        "system": f"Linux {platform.release()}",
        "Python": f"{platform.python_version()}, {platform.python_compiler()}",
        "PySIPS": commit.stdout.strip(),
    }


def live() -> list[dict[str, Any]]:
    """Each workload with one to four workers, a real server and SIPp: CPU of a unit, and the kernel's part of it."""
    found = []
    for turn in range(TURNS):
        for workers in WORKERS:
            for name, (rate, users) in LIVE.items():
                for result in phases(SERVERS["pysips"], name, workers, rate, SECONDS, users or WORKLOADS[name].users):
                    told = f"{turn + 1}: {workers} workers, {result.workload}: {result.cpu_us} us"
                    print(told, file=sys.stderr, flush=True)
                    found.append({"workers": workers, **result.as_json()})
    return found


def least(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the runs of the same phase with as many workers, the cheapest, clean ones first."""
    best: dict[tuple[str, int], dict[str, Any]] = {}
    for run in runs:
        key = run["workload"], run["workers"]
        if key not in best or (not run["clean"], run["cpu_us"]) < (not best[key]["clean"], best[key]["cpu_us"]):
            best[key] = run
    return list(best.values())


def measured() -> dict[str, Any]:
    made: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        made["calibration"], made["replay"] = replay.measure(Path(folder))
    made["shares"] = {kind: growth.shares(kind) for kind in replay.KINDS}
    made["contacts"] = growth.contacts()
    made["transactions"] = growth.transactions()
    made["live"] = least(live())
    return made


def rig(path: Path) -> list[dict[str, Any]]:
    """Least and median of the clean runs of each workload on each server with one worker."""
    runs: dict[tuple[str, int, str], list[float]] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            run = json.loads(line)
            if run["clean"] and run["workers"] == 1:
                runs.setdefault((run["workload"], run["rate"], run["server"]), []).append(run["cpu_us"])
    return [
        {"workload": workload, "rate": rate, "server": server, "runs": len(costs), "least": min(costs),
         "median": statistics.median(costs)}
        for (workload, rate, server), costs in runs.items()
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="measure nothing")
    parser.add_argument("--rig", type=Path, metavar="FILE")
    parser.add_argument("--soak", type=Path, metavar="FILE")
    given = parser.parse_args()
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    if not given.render:
        with contextlib.suppress(OSError):
            leave_the_network()
        kept.update(measured())
    if given.rig:
        kept["rig"] = rig(given.rig)
    if given.soak:
        kept["soak"] = json.loads(given.soak.read_text("utf-8"))
    if "live" not in kept:
        parser.error("nothing was measured yet")
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(kept) + "\n", "utf-8")
    page.write(kept, ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
