"""How cost grows inside a worker, fed from memory: with contacts, with transactions in flight; where its time goes."""

import gc
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from pysips.modules.usrloc import UsrLoc

from . import replay

UNITS: Final = 2000
TURNS: Final = 5
CONTACTS: Final = (1_000, 10_000, 100_000, 1_000_000)
TRANSACTIONS: Final = (1_000, 10_000, 100_000)
SAMPLE_S: Final = 0.001  # Linux makes a tick of it, 1 to 10 ms
SAMPLED_S: Final = 6.0
PARTS: Final = (  # of a path, the first that fits, and what is done there
    ("/tests/", ""),
    ("/sip/", "parse and build messages"),
    ("/usrloc/", "table"), ("/runtime/tables", "table"), ("/runtime/room", "table"),
    ("/registrar/", "registrar"),
    ("/runtime/wheel", "timers"),
    ("/modules/tm/", "transactions"),
    ("/modules/", "functions of other modules"),
    ("/core/", "core: receive, forward, variables"),
    ("/net/", "core: receive, forward, variables"),
    ("opensips.cfg", "script"), ("/script/", "script"), (".cfg", "script"),
)  # fmt: skip


def part_of(file: str) -> str:
    return next((part for mark, part in PARTS if mark in file), "Python's library")


def shares(kind: str) -> dict[str, float]:
    """Which part of the code a unit's CPU time is spent in: samples of the innermost frame of ours."""
    seen: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            part = part_of(frame.f_code.co_filename)
            if part != "Python's library":
                seen[part] += 1
                return
            frame = frame.f_back

    with tempfile.TemporaryDirectory() as folder:
        worker = ready(kind, Path(folder))
        replay.KINDS[kind](worker, 0, 300)
        before = signal.signal(signal.SIGPROF, sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
        try:
            first, end = UNITS, time.process_time() + SAMPLED_S
            while time.process_time() < end:
                replay.KINDS[kind](worker, first, UNITS)
                first += UNITS
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
    del seen[""]
    total = seen.total()
    return {part: number / total for part, number in seen.most_common()}


def ready(kind: str, folder: Path) -> replay.Worker:
    worker = replay.Worker(kind, folder)
    if kind == "proxy":
        register(worker, list(range(1000)))
    gc.collect()
    gc.freeze()
    gc.disable()  # the server collects ten times a second, a millisecond each
    return worker


def register(worker: replay.Worker, users: list[int], cseq: int = 1) -> float:
    """µs of CPU for each, the making of the messages not counted."""
    total = 0.0
    for first in range(0, len(users), UNITS):
        some = users[first : first + UNITS]
        total += worker.feed([replay.register(i, cseq) for i in some], worker.uac) * len(some)
        worker.net.take(len(some))
    return total / len(users)


def contacts() -> list[dict[str, float]]:
    """µs of a refresh and of a read of the table, bytes of a contact, at each number of contacts, in no order."""
    found = []
    users = list(range(CONTACTS[-1]))
    random.Random(5).shuffle(users)
    with tempfile.TemporaryDirectory() as folder:
        worker = ready("registrar", Path(folder))
        file, done, cseq = Path(folder) / "tables", 0, 1
        for number in CONTACTS:
            register(worker, users[done:number])
            done = number
            refresh, read = 1e9, 1e9
            for _ in range(TURNS):
                some = random.sample(users[:done], min(done, UNITS))
                cseq += 1
                refresh = min(refresh, register(worker, some, cseq))
                read = min(read, looked_up(worker, some))
            taken = file.stat().st_blocks * 512
            found.append({"contacts": number, "refresh": refresh, "lookup": read, "bytes": taken / number})
    return found


def looked_up(worker: replay.Worker, users: list[int]) -> float:
    """µs of CPU for reading one AoR out of the table, as `lookup()` does."""
    usrloc = worker.program.registry.loaded["usrloc"]
    assert isinstance(usrloc, UsrLoc)
    location = usrloc.api.location
    domain = location.domain("location")
    names = [f"user{i:06d}@127.0.0.1" for i in users]
    start = time.process_time()
    for name in names:
        assert location.read(domain, name) is not None
    return (time.process_time() - start) / len(names) * 1e6


def resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def transactions() -> list[dict[str, float]]:
    """µs of an INVITE, of its 180 and of a second of the timers, bytes of a call, among that many others that wait."""
    found = []
    for number in TRANSACTIONS:
        with tempfile.TemporaryDirectory() as folder:
            worker = ready("trunk", Path(folder))
            before = resident()
            for first in range(0, number, 1000):
                started(worker, first, 1000)
            grown = (resident() - before) / number
            invite, ringing = 1e9, 1e9
            for turn in range(TURNS):
                each = started(worker, number + 1000 * turn, 1000)
                invite, ringing = min(invite, each[0]), min(ringing, each[1])
            found.append({"transactions": number, "INVITE": invite, "180": ringing, "bytes": grown})
        worker = None  # type: ignore[assignment]
        gc.unfreeze()
        gc.collect()
    return found


def started(worker: replay.Worker, first: int, count: int) -> tuple[float, float]:
    """Calls that ring and go on ringing: µs of CPU of an INVITE and of its 180."""
    invite = worker.feed([replay.invite(i) for i in range(first, first + count)], worker.uac)
    asked = [data for data in worker.net.take(2 * count) if data.startswith(b"INVITE")]
    ringing = worker.feed([replay.answer(data, "180 Ringing") for data in asked], worker.uas)
    worker.net.take(count)
    return invite, ringing
