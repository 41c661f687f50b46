"""The store frozen, dead, slow by 5 s, or back without its data: what it costs phones, and how all is well again."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.live import until

from .relay import Relay
from .sites import OWN, Platform
from .stores import HOST

pytestmark = [
    pytest.mark.show, pytest.mark.needs("ip"), pytest.mark.needs("mariadbd"), pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]  # fmt: skip

A, B = OWN[1], OWN[3]
PORTS = {"cassandra": 9042, "mongodb": 27017, "redis": 6379, "sql": 3306}
HERE = [f"here{number}" for number in range(100)]
THERE = [f"there{number}" for number in range(20)]
LOCAL = '($hdr(X-Local) == "yes" || cluster_check_addr("1", "$si"))'
MENDED = {
    'if (cluster_check_addr("1", "$si")) {': f"if {LOCAL} {{",  # as if it came from the other site
    '"natping_interval", 30': '"natping_interval", 0',
}
SECONDS = 8.0
STEP = 0.04
JITTER = 0.03  # seconds that a busy machine of two cores adds to the slowest
LIMIT = 1.0  # seconds for an operation of the store, by default
SETTLED = 2 * LIMIT + 1  # by then nobody waits for the store any more
Latencies = dict[str, list[tuple[float, float | None, int]]]


class Faulty:
    """Two sites whose store is behind a relay."""

    def __init__(self, platform: Platform, relay: Relay) -> None:
        self.platform, self.relay = platform, relay
        self.crowd, self.others = platform.crowd(0, A), platform.crowd(1, B)
        self.new = 0

    def begin(self) -> None:
        self.crowd.register(HERE)
        self.others.register(THERE)
        self.published()

    def load(self, seconds: float = SECONDS) -> Latencies:
        """Phones that register and call; for each kind when it was asked, the seconds of its answer, its status."""
        crowd = self.crowd
        sent: list[tuple[str, str, float]] = []
        began = time.monotonic()
        turn = 0
        while (now := time.monotonic()) < began + seconds:
            self.new += 1
            local = HERE[turn % len(HERE)]
            asked = {
                "refresh": crowd.ask("REGISTER", local, f"Contact: <sip:{local}@{crowd.address}:5060>"),
                "new": crowd.ask("REGISTER", f"new{self.new}", f"Contact: <sip:new{self.new}@{crowd.address}:5060>"),
                "local": crowd.ask("MESSAGE", HERE[(turn + 33) % len(HERE)], "X-Local: yes"),
                "global": crowd.ask("MESSAGE", HERE[(turn + 66) % len(HERE)]),
                "nobody": crowd.ask("MESSAGE", f"nobody{self.new}"),
                "remote": crowd.ask("MESSAGE", THERE[turn % len(THERE)]),
            }
            sent += [(kind, name, now) for kind, name in asked.items()]
            turn += 1
            time.sleep(max(0.0, began + turn * STEP - time.monotonic()))
        until(lambda: all(name in crowd.finals for _, name, _ in sent), 15, "all answers")
        found: Latencies = {}
        for kind, name, when in sent:
            answered, status = crowd.finals[name]
            found.setdefault(kind, []).append((when - began, answered - when, status))
        return found

    def published(self) -> None:
        """Every AoR has its record, however it came to it."""
        new = [(f"new{number}", A) for number in range(1, self.new + 1)]
        rows = [*((user, A) for user in HERE), *((user, B) for user in THERE), *new]
        self.platform.rows_become(*rows, seconds=60)

    def stop(self) -> None:
        """The store's server is gone."""
        assert self.platform.store is not None
        self.relay.shut()
        self.platform.store.server.stop()

    def start(self, is_empty: bool = False) -> None:
        with self.platform.store_machine.at():
            assert self.platform.store is not None
            self.platform.store.server.run()
            if is_empty:
                self.platform.store.clear()
        self.relay.open()

    def inflict(self, fault: str) -> None:
        assert self.platform.store is not None
        if fault == "frozen":
            self.platform.store.server.freeze()
        elif fault == "slow":
            self.relay.delay = 5.0
        else:
            self.stop()

    def cure(self, fault: str) -> None:
        assert self.platform.store is not None
        if fault == "frozen":
            self.platform.store.server.thaw()
        elif fault == "slow":
            self.relay.delay = 0.0
        else:
            self.start(is_empty=fault == "empty")


@pytest.fixture(scope="module", params=PORTS)
def faulty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    name = request.param
    port = PORTS[name]
    mended = {**MENDED, **({"@10.0.0.5/platform": f"@10.0.0.5:{port + 1}/platform"} if name == "sql" else {})}
    mended |= {} if name == "sql" else {f"10.0.0.5:{port}/": f"10.0.0.5:{port + 1}/"}
    with Platform(tmp_path_factory.mktemp("platform"), "2.4", name, mended=mended) as platform:
        relay = Relay(platform.store_machine, HOST, port + 1, port)
        try:
            for number in (1, 3):
                platform.node(number).start_server()
            platform.linked(1, 3)
            yield Faulty(platform, relay)
        finally:
            relay.close()


def p99(rows: list[tuple[float, float | None, int]], since: float = 0.0) -> float:
    seconds = sorted(taken for when, taken, _ in rows if when >= since and taken is not None)
    return seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]


def shown(title: str, load: Latencies) -> None:
    figures = ", ".join(
        f"{kind} {p99(rows) * 1000:.0f} (at most {max(taken or 0 for _, taken, _ in rows) * 1000:.0f})"
        for kind, rows in load.items()
    )
    print(f"{title}: p99 in ms: {figures}")


def statuses(load: Latencies, kind: str, since: float = 0.0) -> set[int]:
    return {status for when, _, status in load[kind] if when >= since}


@pytest.mark.parametrize("fault", ["frozen", "dead", "slow", "empty"])
def test_phones_go_on_while_the_store_is(faulty: Faulty, fault: str) -> None:
    faulty.begin()
    normal = faulty.load()
    shown("normal", normal)
    for kind in ("refresh", "new", "local", "global", "remote"):
        assert statuses(normal, kind) == {200}, kind
    assert statuses(normal, "nobody") == {404}

    faulty.inflict(fault)
    try:
        load = faulty.load()
    finally:
        faulty.cure(fault)
    shown(fault, load)
    for kind in ("refresh", "new", "local", "global"):
        assert statuses(load, kind) == {200}, kind
    assert statuses(load, "nobody") == {404}
    assert statuses(load, "remote") <= {200, 404}
    for kind in ("global", "nobody", "remote"):
        assert max(taken or 0 for _, taken, _ in load[kind]) < LIMIT + 0.5, f"{kind} is bounded"

    faulty.published()
    until(lambda: statuses(faulty.load(0.5), "remote") == {200}, 30, "calls to the other site")
    healed = faulty.load()
    shown("healed", healed)
    for kind, since in (("refresh", 0.0), ("new", 0.0), ("local", 0.0), ("global", SETTLED), ("nobody", SETTLED)):
        usual = max(p99(normal[kind]), p99(healed[kind]))  # before and after, as others may use the machine
        assert p99(load[kind], since) <= max(2 * usual, usual + JITTER), kind
    for node in faulty.platform.nodes.values():
        assert "Traceback" not in node.log()


@pytest.mark.parametrize("fault", ["frozen", "dead"])
def test_a_node_starts_while_the_store_is(faulty: Faulty, fault: str) -> None:
    faulty.begin()
    node = faulty.platform.nodes[1]
    assert node.stop() == 0
    faulty.inflict(fault)
    try:
        began = time.monotonic()
        node.start_server()
        taken = time.monotonic() - began
        print(f"{fault}: started within {taken:.1f} s")
        assert taken < 15
        faulty.crowd.register(HERE)
        load = faulty.load(4)
        shown(f"started while {fault}", load)
        for kind in ("refresh", "new", "local", "global"):
            assert statuses(load, kind) == {200}, kind
    finally:
        faulty.cure(fault)
    faulty.platform.linked(1, 3)
    known = {user for user, site in faulty.platform.rows() if site == A}
    faulty.crowd.register(sorted(known - set(HERE)))  # a restart without a partner forgot them
    faulty.published()
    until(lambda: statuses(faulty.load(0.5), "remote") == {200}, 30, "calls to the other site")
