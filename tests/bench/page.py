"""docs/performance.md and its plots, out of what was measured."""

from pathlib import Path
from typing import Any, Final

from .plots import Points, plot

Kept = dict[str, Any]
KIND: Final = {
    "options": ("options", "options"), "register-new": ("registrar", "register-new"),
    "register-refresh": ("registrar", "register-refresh"), "trunk": ("trunk", "call"), "proxy": ("proxy", "call"),
}  # fmt: skip
PEER: Final = "kamailio-fm"
BUSY_PCT: Final = 15
BUSY: Final = (
    "\n**The machine was busy:** while live servers were measured, other work took up to {:.0f} % of it. Their figures "
    "are too high, and want to be measured anew.\n"
)
HEAD: Final = """# Performance

Made by `scripts/performance`; absolute figures hold for one machine in one hour, ratios carry over. µs are CPU time,
of all processes of the server where a live server is meant. A unit is a transaction (OPTIONS, REGISTER) or a whole
call: INVITE 100 180 200 ACK BYE 200, relayed; "trunk" to a fixed next hop, "proxy" to a registered user by the
residential script. [tests/bench/README.md](../tests/bench/README.md) has the workloads.
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def write(kept: Kept, docs: Path) -> None:
    """Write the page, and the plots into docs/performance."""
    folder = docs / "performance"
    folder.mkdir(exist_ok=True)
    sections = [HEAD, machine(kept), rig(kept), where(kept), workers(kept, folder), contacts(kept, folder),
                transactions(kept, folder), soak(kept, folder)]  # fmt: skip
    (docs / "performance.md").write_text("\n".join(section for section in sections if section), "utf-8")


def shown(folder: Path, name: str, title: str, across: str, lines: dict[str, Points], **axes: bool) -> str:
    """A plot's file, and the line that shows it."""
    (folder / f"{name}.svg").write_text(plot(title, across, lines, **axes), "utf-8")
    return f"![{title}](performance/{name}.svg)\n"


def machine(kept: Kept) -> str:
    made = table(["the machine", ""], [[name, value] for name, value in kept["machine"].items()])
    busy = max(run["others_pct"] for run in kept["live"])
    return (
        f"{made}\nThe calibration loop of `tests/bench/replay.py` takes {kept['calibration']:.2f} µs here; a unit's "
        "ratio to it compares machines, and CI holds those ratios (`tests/bench/test_replay.py`).\n"
        + (BUSY.format(busy) if busy > BUSY_PCT else "")
    )


def rig(kept: Kept) -> str:
    if not kept.get("rig"):
        return ""
    servers = list(dict.fromkeys(run["server"] for run in kept["rig"]))
    found = {(run["workload"], run["rate"], run["server"]): run for run in kept["rig"]}
    rows = []
    for workload, rate in dict.fromkeys((run["workload"], run["rate"]) for run in kept["rig"]):
        peer = found.get((workload, rate, PEER))
        row = [f"{workload} {rate}/s"]
        for server in servers:
            run = found.get((workload, rate, server))
            ratio = f", x{run['median'] / peer['median']:.2f}" if run and peer and server != PEER else ""
            row.append(f"{run['least']:.1f} / {run['median']:.1f} ({run['runs']}){ratio}" if run else "no clean run")
        rows.append(row)
    return (
        "## Beside Kamailio\n\nOne worker, side by side in one run of `scripts/bench`: µs of a unit, least / median of "
        f"the clean runs (how many), and the medians' ratio to {PEER}, Kamailio with its fast allocator.\n\n"
        + table(["", *servers], rows)
    )  # fmt: skip


def where(kept: Kept) -> str:
    """Each unit's µs: the kernel and the loop of a live server, and the parts of the code by samples of the replay."""
    live = {run["workload"]: run for run in kept["live"] if run["workers"] == 1}
    phases = [phase for phase in KIND if phase in live]
    parts = list(dict.fromkeys(part for shares in kept["shares"].values() for part in shares))
    rows = []
    for part in parts:
        row = [part]
        for phase in phases:
            kind, unit = KIND[phase]
            row.append(f"{kept['shares'][kind].get(part, 0) * kept['replay'][kind][unit]:.1f}")
        rows.append(row)
    replayed = {phase: kept["replay"][KIND[phase][0]][KIND[phase][1]] for phase in phases}
    system = {phase: live[phase]["system_us"] for phase in phases}
    rest = {phase: live[phase]["cpu_us"] - system[phase] - replayed[phase] for phase in phases}
    rows += [
        ["**all of that, fed from memory**", *[f"**{replayed[phase]:.1f}**" for phase in phases]],
        ["the loop, the sockets' calls, code and data gone cold, other processes",
         *[f"{max(0.0, rest[phase]):.1f}" for phase in phases]],
        ["the kernel, by its ticks (coarse)", *[f"{system[phase]:.1f}" for phase in phases]],
        ["**the live server**", *[f"**{live[phase]['cpu_us']:.1f}**" for phase in phases]],
    ]  # fmt: skip
    rates = ", ".join(f"{phase} {live[phase]['rate']}/s" for phase in phases)
    return (
        "## Where each µs goes\n\nPlain Python, one worker. The parts are samples of a worker that is fed from memory; "
        "the kernel's part is system time of a live server under SIPp, and what neither has is the row between. Both "
        "registrations share one profile. "
        f"At {rates}: fewer messages a wake-up make each dearer.\n\n" + table(["µs of a unit", *phases], rows)
    )  # fmt: skip


def workers(kept: Kept, folder: Path) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    cost: dict[tuple[str, int], float] = {}
    for run in sorted(kept["live"], key=lambda run: int(run["workers"])):
        cost[run["workload"], run["workers"]] = run["cpu_us"]
    numbers = sorted({number for _, number in cost})
    rows = []
    for phase in dict.fromkeys(phase for phase, _ in cost):
        one = cost[phase, numbers[0]]
        lines[phase] = [(number, cost[phase, number] / one) for number in numbers]
        rows.append([phase, *[f"{cost[phase, n]:.1f} ({cost[phase, n] / one - 1:+.0%})" for n in numbers]])
    plotted = shown(folder, "workers", "CPU of a unit, to that with one worker", "workers", dict(lines))
    cores = kept["machine"]["processor"].split()[0]
    return (
        "## From one to four workers\n\nThe same rate, shared by more workers: each wakes up for fewer messages, "
        f"and they meet at the shared table. The machine has {cores} cores, which SIPp shares.\n\n"
        + table(["µs of a unit, by workers", *map(str, numbers)], rows) + "\n" + plotted
    )  # fmt: skip


def contacts(kept: Kept, folder: Path) -> str:
    found = kept["contacts"]
    rows = [
        [f"{row['contacts']:,}", f"{row['lookup']:.2f}", f"{row['refresh']:.1f}", f"{row['bytes']:.0f}"]
        for row in found
    ]
    plotted = shown(
        folder, "contacts", "µs of CPU", "contacts",
        {name: [(row["contacts"], row[name]) for row in found] for name in ("refresh", "lookup")}, log_x=True,
    )  # fmt: skip
    return (
        "## From 1,000 to 1,000,000 contacts\n\nFed from memory, users in no order. A lookup is the read of one AoR's "
        "record, a refresh the whole REGISTER. The bytes are those of the shared table's file, which all processes "
        "share and which is given out in pieces of some MB. `tests/shows/test_million.py` asks the same of a live "
        "server.\n\n"
        + table(["contacts", "µs of a lookup", "µs of a refresh", "bytes a contact"], rows) + "\n" + plotted
    )  # fmt: skip


def transactions(kept: Kept, folder: Path) -> str:
    found = kept["transactions"]
    rows = [[f"{row['transactions']:,}", f"{row['INVITE']:.1f}", f"{row['180']:.1f}", kilobytes(row)] for row in found]
    plotted = shown(
        folder, "transactions", "µs of CPU", "calls that ring",
        {name: [(row["transactions"], row[name]) for row in found] for name in ("INVITE", "180")}, log_x=True,
    )  # fmt: skip
    return (
        "## From 1,000 to 100,000 transactions in flight\n\nFed from memory: so many relayed calls ring, more come. "
        "Each is a server and a client transaction with its timers and both messages.\n\n"
        + table(["in flight", "µs of an INVITE", "µs of its 180", "kB a call"], rows) + "\n" + plotted
    )  # fmt: skip


def kilobytes(row: dict[str, float]) -> str:
    """What a call takes, unless there were so few that the memory had been there before."""
    return f"{row['bytes'] / 1000:.1f}" if row["bytes"] > 1000 else "-"


def soak(kept: Kept, folder: Path) -> str:
    if not kept.get("soak"):
        return ""
    run = kept["soak"]
    minutes = run["minutes"]
    at = [minute["seconds"] / 60 for minute in minutes]
    memory = {
        name: [(x, minute[key] / 1024) for x, minute in zip(at, minutes, strict=True)]
        for name, key in (("all (PSS)", "pss_kb"), ("worker (RSS)", "rss_kb"), ("shared table", "table_kb"))
    }
    times = {
        method: [(x, minute["ms"][method]["p99"]) for x, minute in zip(at, minutes, strict=True)]
        for method in sorted(minutes[-1]["ms"])
    }
    rates = ", ".join(f"{name} {rate}/s" for name, rate in run["rates"].items())
    grown = ", ".join(f"{name} {value:.3f}" for name, value in run["growth"].items())
    share = sorted(minute["cpu_pct"] for minute in minutes)[len(minutes) // 2]
    return (
        f"## {at[-1]:.0f} minutes under load\n\n`scripts/soak`, one worker at {share:.0f} % of a core in the middle: "
        f"{rates}. {sum(minute['answers'] for minute in minutes):,} response times, {minutes[-1]['failed']} calls or "
        f"transactions failed. The last quarter to the second one, memory by medians of minutes and p99 by the best "
        f"minute (other work only adds to it): {grown}.\n\n"
        + shown(folder, "soak-memory", "MB", "minutes", dict(memory)) + "\n"
        + shown(folder, "soak-p99", "p99 of response times, ms", "minutes", dict(times), log_y=True)
    )  # fmt: skip
