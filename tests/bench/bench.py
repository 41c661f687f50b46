"""Measure SIP servers' CPU per transaction, side by side in one run.

    scripts/bench                                            PySIPS (plain, and compiled where that is built), Kamailio
    scripts/bench --servers pysips,kamailio-fm trunk proxy   some of it
    scripts/bench --commit main~5 options                    this checkout against another commit
    scripts/bench --repeat 5 --json runs.jsonl               more runs, every figure kept

Servers take turns run by run, so that a busy minute of the machine hits all of them. Of the clean runs the least and
the median CPU per unit are printed, and the ratio to the first peer (kamailio-fm, where it is installed). Absolute
figures hold for one machine in one hour; ratios carry over. Nothing but 127.0.0.1 is ever addressed.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from .servers import ROOT, SERVERS, Spec, pysips
from .workloads import WORKLOADS, Result, phases

Runs = dict[tuple[str, str], list[Result]]
PEERS = ("kamailio-fm", "kamailio", "opensips")


def chosen(names: str | None, commit: str | None, folder: Path) -> dict[str, Spec]:
    """The servers to run, in the order in which they take turns."""
    if names:
        servers = {name: SERVERS[name] for name in names.split(",")}
    else:
        wanted = ["pysips", "pysips-compiled", *([] if commit else ["kamailio-fm"])]
        servers = {name: SERVERS[name] for name in wanted if SERVERS[name].installed()}
    if commit:
        tree = folder / "tree"
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(tree), commit], check=True)
        servers[commit] = pysips(tree=tree)
    return servers


def collect(servers: dict[str, Spec], args: argparse.Namespace) -> Runs:
    """Every workload `repeat` times on every server, taking turns."""
    runs: Runs = defaultdict(list)
    for turn in range(args.repeat):
        for name in args.workloads or WORKLOADS:
            work = WORKLOADS[name]
            for server, spec in servers.items():
                rate, seconds = args.rate or work.rate, args.seconds or work.seconds
                for result in phases(spec, name, args.workers, rate, seconds, args.users or work.users):
                    runs[result.workload, server].append(result)
                    tell(turn, server, result)
                    if args.json:
                        with args.json.open("a", encoding="utf-8") as file:
                            file.write(
                                json.dumps({"server": server, "workers": args.workers, **result.as_json()}) + "\n"
                            )
    return runs


def tell(turn: int, server: str, result: Result) -> None:
    verdict = "clean" if result.clean else f"not clean: {result.failed} failed, {result.retransmissions} repeated"
    print(
        f"  {turn + 1} {server:16} {result.workload:17} {result.cpu_us:8} us  others {result.others_pct} %  {verdict}",
        *(f"\n      {number} x {error}" for error, number in result.errors),
        file=sys.stderr,
        flush=True,
    )


def table(runs: Runs, servers: list[str]) -> str:
    """Least / median of the clean runs, and the ratio of the medians to the peer's."""
    peer = next((name for name in (*PEERS, *servers[1:]) if name in servers), servers[0])
    lines = [f"{'us of CPU a unit, least / median':34}" + "".join(f"{name:>24}" for name in servers)]
    for workload in dict.fromkeys(workload for workload, _ in runs):
        cells = []
        base = median(runs[workload, peer])
        for server in servers:
            clean = [run.cpu_us for run in runs[workload, server] if run.clean]
            if not clean:
                cells.append("no clean run")
                continue
            ratio = f"  x{statistics.median(clean) / base:.2f}" if base and server != peer else ""
            cells.append(f"{min(clean):.1f} / {statistics.median(clean):.1f}{ratio}")
        rate = runs[workload, servers[0]][0].rate
        lines.append(f"{f'{workload} {rate}/s':34}" + "".join(f"{cell:>24}" for cell in cells))
    lines.append(f"(x: the median's ratio to {peer}; PSS at the peak, MB: {peaks(runs, servers)})")
    return "\n".join(lines)


def median(results: list[Result]) -> float | None:
    clean = [run.cpu_us for run in results if run.clean]
    return statistics.median(clean) if clean else None


def peaks(runs: Runs, servers: list[str]) -> str:
    highest = {
        server: max(run.pss_peak_kb for (_, name), results in runs.items() if name == server for run in results)
        for server in servers
    }
    return ", ".join(f"{server} {kb / 1024:.0f}" for server, kb in highest.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", choices=[[], *WORKLOADS], help="all of them if none is named")
    parser.add_argument("--servers", help=f"some of {', '.join(SERVERS)}")
    parser.add_argument("--commit", help="compare with the plain build of another commit")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rate", type=int, help="units offered each second")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--users", type=int)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append every run as a line of JSON")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-commit-"))
    try:
        servers = chosen(args.servers, args.commit, folder)
        runs = collect(servers, args)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if args.commit:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "prune"], check=False)
    print(table(runs, list(servers)))
    print(f"Python {sys.version}")
    return 0 if all(any(run.clean for run in results) for results in runs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
