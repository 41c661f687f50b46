"""The rig's units fed to a worker from memory: what the code costs, without sockets and without their noise.

    python tests/bench/replay.py [--profile UNIT] [--json]

A whole script, real modules, the real wheel and the real shared table; only `send` just keeps what it is given.
Prints, for each unit, the least of REPEATS runs in µs of CPU, and its ratio to a fixed calibration loop, so that
machines of different speed can be compared.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import tempfile
import time
from pathlib import Path

from pysips.core.loading import load_source
from pysips.core.options import Options
from pysips.core.receive import Door
from pysips.core.services import SENT, Clock, Network, Peer, Watcher
from pysips.net.records import DnsSettings
from pysips.net.resolve import Names
from pysips.runtime import tables
from pysips.runtime.wheel import TICKS_A_SECOND, Wheel
from pysips.script import source

HERE = Path(__file__).parent
REPEATS = 12
UNITS = 1000
UNITS_BEFORE = 300  # to warm caches up
SECONDS_ALL_TIMERS = 40

SDP = (
    "v=0\no=bench 53655765 2353687637 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 6000 RTP/AVP 0 8 101\n"
    "a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n"
).replace("\n", "\r\n")


def crlf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def options(i: int) -> bytes:
    return crlf(
        f"OPTIONS sip:127.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-77-{i}-0\n"
        f"Max-Forwards: 70\nFrom: <sip:probe@127.0.0.1>;tag=77o{i}\nTo: <sip:127.0.0.1:5060>\n"
        f"Call-ID: {i}-77@127.0.0.1\nCSeq: 1 OPTIONS\nContact: <sip:probe@127.0.0.1:5080>\n"
        "User-Agent: bench-ua/1.0\nAccept: application/sdp\nContent-Length: 0\n\n"
    )


def register(i: int, cseq: int) -> bytes:
    user = f"user{i:06d}"
    return crlf(
        f"REGISTER sip:127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-77-{i}-{cseq}\n"
        f"Max-Forwards: 70\nFrom: <sip:{user}@127.0.0.1>;tag=77r{i}\nTo: <sip:{user}@127.0.0.1>\n"
        f"Call-ID: {i}-77@127.0.0.1\nCSeq: {cseq} REGISTER\nContact: <sip:{user}@127.0.0.1:5070>;expires=3600\n"
        "User-Agent: bench-ua/1.0\nContent-Length: 0\n\n"
    )


def invite(i: int) -> bytes:
    return crlf(
        f"INVITE sip:user{i % 1000:06d}@127.0.0.1:5060 SIP/2.0\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-77-{i}-0\nMax-Forwards: 70\n"
        f'From: "caller" <sip:caller@127.0.0.1>;tag=77c{i}\nTo: <sip:user{i % 1000:06d}@127.0.0.1>\n'
        f"Call-ID: {i}-77@127.0.0.1\nCSeq: 1 INVITE\nContact: <sip:caller@127.0.0.1:5080>\nUser-Agent: bench-ua/1.0\n"
        f"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\nContent-Type: application/sdp\nContent-Length: {len(SDP)}\n\n{SDP}"
    )


def in_dialog(i: int, method: str, cseq: int) -> bytes:
    return crlf(
        f"{method} sip:user{i % 1000:06d}@127.0.0.1:5070 SIP/2.0\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-77-{i}-{method}\nRoute: <sip:127.0.0.1:5060;lr>\n"
        f'Max-Forwards: 70\nFrom: "caller" <sip:caller@127.0.0.1>;tag=77c{i}\n'
        f"To: <sip:user{i % 1000:06d}@127.0.0.1>;tag=66s{i}\nCall-ID: {i}-77@127.0.0.1\nCSeq: {cseq} {method}\n"
        "Contact: <sip:caller@127.0.0.1:5080>\nContent-Length: 0\n\n"
    )


def answer(sent: bytes, status: str, body: str = "") -> bytes:
    """What SIPp's UAS says: all Vias in one line."""
    lines = sent.decode().partition("\r\n\r\n")[0].split("\r\n")

    def named(name: str) -> list[str]:
        return [line for line in lines if line.startswith(name)]

    to = named("To:")[0]
    made = [
        "SIP/2.0 " + status, "Via: " + ", ".join(line[5:] for line in named("Via:")), *named("Record-Route:"),
        *named("From:"), to if "tag=" in to else to + ";tag=66s1", *named("Call-ID:"), *named("CSeq:"),
        "Contact: <sip:127.0.0.1:5070>",
    ]  # fmt: skip
    if body:
        made.append("Content-Type: application/sdp")
    return ("\r\n".join([*made, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body).encode()


class Keeper(Network):
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes, peer: Peer, watcher: Watcher | None = None) -> int:
        self.sent.append(data)
        return SENT

    def take(self, count: int) -> list[bytes]:
        """What was sent since the last time; says so when it is not what the unit makes."""
        sent, self.sent = self.sent, []
        if len(sent) != count:
            raise SystemExit(f"expected {count} messages, got {len(sent)}:\n{sent[0].decode() if sent else ''}")
        return sent


class StandingClock(Clock):
    def now(self) -> float:
        return 1000.0

    def time(self) -> float:
        return 1_700_000_000.0


class Worker:
    """A worker with one of the rig's scripts."""

    def __init__(self, kind: str, folder: Path) -> None:
        text = (HERE / "cfg" / "opensips" / f"{kind}.cfg").read_text("utf-8")
        text = text.replace("@WORKERS@", "1").replace("@MPATH@", "")
        text = "".join(line for line in text.splitlines(keepends=True) if "mi_fifo" not in line)  # no pipe here
        self.program = load_source(source.of_text(text, f"{kind}.cfg"), Options(f"{kind}.cfg"))
        services = self.program.services
        self.net = services.network = Keeper()
        self.wheel = services.timers = Wheel()
        services.clock = StandingClock()
        services.resolver = Names(services.clock, services.offload, {4}, DnsSettings())
        tables.make(folder)
        services.tables = tables.LmdbTables(folder, self.program.statistics.counter("tables", "refused"))
        self.door = Door(services, self.program)
        socket = self.program.sockets[0]
        self.uac, self.uas = Peer("udp", "127.0.0.1", 5080, socket), Peer("udp", "127.0.0.1", 5070, socket)
        asyncio.run(self.start())

    async def start(self) -> None:
        for module in self.program.registry.in_order():
            await module.start()

    def feed(self, messages: list[bytes], peer: Peer) -> float:
        """µs of CPU for each message."""
        receive = self.door.receive
        start = time.process_time()
        for message in messages:
            receive(message, peer)
        return (time.process_time() - start) / len(messages) * 1e6

    def run_timers(self) -> float:
        start = time.process_time()
        for _ in range(SECONDS_ALL_TIMERS * TICKS_A_SECOND):
            self.wheel.advance(self.wheel.now + 1)
        return (time.process_time() - start) * 1e6


def run_options(worker: Worker, first: int, count: int) -> dict[str, float]:
    cost = worker.feed([options(i) for i in range(first, first + count)], worker.uac)
    worker.net.take(count)
    return {"options": cost}


def run_registrar(worker: Worker, first: int, count: int) -> dict[str, float]:
    made = {}
    for name, cseq in (("register-new", 1), ("register-refresh", 2)):
        made[name] = worker.feed([register(i, cseq) for i in range(first, first + count)], worker.uac)
        worker.net.take(count)
    return made


def run_calls(worker: Worker, first: int, count: int) -> dict[str, float]:
    span = range(first, first + count)
    made = {"INVITE": worker.feed([invite(i) for i in span], worker.uac)}
    asked = [data for data in worker.net.take(2 * count) if data.startswith(b"INVITE")]
    made["180"] = worker.feed([answer(data, "180 Ringing") for data in asked], worker.uas)
    worker.net.take(count)
    made["200"] = worker.feed([answer(data, "200 OK", SDP) for data in asked], worker.uas)
    worker.net.take(count)
    made["ACK"] = worker.feed([in_dialog(i, "ACK", 1) for i in span], worker.uac)
    worker.net.take(count)
    made["BYE"] = worker.feed([in_dialog(i, "BYE", 2) for i in span], worker.uac)
    byes = worker.net.take(count)
    made["200 BYE"] = worker.feed([answer(data, "200 OK") for data in byes], worker.uas)
    worker.net.take(count)
    made["timers"] = worker.run_timers() / count
    made["call"] = sum(made.values())
    return made


KINDS = {"options": run_options, "registrar": run_registrar, "trunk": run_calls, "proxy": run_calls}


def calibration() -> float:
    """µs of a fixed piece of Python: dictionaries, slices, joins, as a message's way has them."""
    text = "Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-77-1-0\r\n" * 8
    least = 1e9
    for _ in range(20):
        start = time.process_time()
        for _ in range(200):
            found = {line.partition(":")[0]: line for line in text.split("\r\n")}
            "".join([text[a : a + 10] for a in range(0, 100, 10)] + list(found))
        least = min(least, (time.process_time() - start) / 200 * 1e6)
    return least


def measure(folder: Path) -> tuple[float, dict[str, dict[str, float]]]:
    """The calibration loop and the units, in µs, the least of all repeats of each: a busy second hits both."""
    workers = {}
    for kind in KINDS:
        (folder / kind).mkdir()
        workers[kind] = Worker(kind, folder / kind)
    for i in range(1000):
        workers["proxy"].door.receive(register(i, 1), workers["proxy"].uac)
    workers["proxy"].net.take(1000)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    least: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    first = 0
    unit = 1e9
    for repeat in range(REPEATS + 1):
        count = UNITS if repeat else UNITS_BEFORE
        unit = min(unit, calibration())
        for kind, run in KINDS.items():
            for name, cost in run(workers[kind], first, count).items():
                if repeat:
                    least[kind][name] = min(least[kind].get(name, 1e9), cost)
        first += count
    return unit, least


def profile(kind: str, folder: Path) -> None:
    worker = Worker(kind, folder)
    if kind == "proxy":
        for i in range(1000):
            worker.door.receive(register(i, 1), worker.uac)
        worker.net.take(1000)
    KINDS[kind](worker, 0, UNITS)
    profiler = cProfile.Profile()
    profiler.enable()
    KINDS[kind](worker, UNITS, 2 * UNITS)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=KINDS, metavar="UNIT", help="profile one of " + ", ".join(KINDS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.profile:
            profile(given.profile, Path(folder))
            return
        unit, costs = measure(Path(folder))
    if given.json:
        print(json.dumps({"calibration": unit, "costs": costs}))
        return
    print(f"calibration {unit:.2f} µs")
    for kind, parts in costs.items():
        print(kind, ", ".join(f"{name} {cost:.1f} ({cost / unit:.2f})" for name, cost in parts.items()))


if __name__ == "__main__":
    main()
