"""Stand-ins for the outside (`core/services.py`): no socket, no clock, no file.

Time moves only when `FakeClock.advance` is called; timers then fire in order, each at its own time.
"""

import heapq
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from pysips.core.services import (
    DEFAULT_PORTS,
    FAILED,
    PENDING,
    RELIABLE,
    SENT,
    Clock,
    Network,
    Offload,
    Peer,
    Promise,
    Resolver,
    Services,
    Target,
    Timer,
    Timers,
    Watcher,
)  # fmt: skip

from .tables import MemoryTable

EPOCH = 1_700_000_000.0

Address = tuple[str, int]


class FakeNet(Network):
    """Keeps what is sent in `sent`. Nothing goes to `refused` addresses; streams to `breaking` ones fail later."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Peer]] = []
        self.refused: set[Address] = set()
        self.breaking: set[Address] = set()
        self.watchers: list[tuple[Peer, Watcher]] = []
        self.passed_on: list[tuple[int, bytes, Peer]] = []
        self.aliases: list[tuple[int, int]] = []
        self.closed: list[int] = []
        self.connections: dict[tuple[str, str, int], int] = {}
        self.routes: dict[str, str] = {}  # host → our address

    def own_address(self, host: str) -> str:
        return self.routes.get(host, "")

    def send(self, data: bytes, peer: Peer, watcher: Watcher | None = None) -> int:
        address = (peer.host, peer.port)
        unknown = peer.connection < 0 and peer.proto in RELIABLE and (peer.proto, *address) not in self.connections
        if address in self.refused or unknown:
            return FAILED
        if address in self.breaking and watcher is not None and peer.proto in RELIABLE:
            self.watchers.append((peer, watcher))
            return PENDING
        self.sent.append((data, peer))
        return SENT

    def break_connections(self) -> None:
        """Now those who watch a breaking stream hear of it."""
        watchers, self.watchers = self.watchers, []
        for _, watcher in watchers:
            watcher.send_failed()

    def pass_on(self, slot: int, data: bytes, peer: Peer) -> None:
        self.passed_on.append((slot, data, peer))

    def alias(self, connection: int, port: int) -> bool:
        self.aliases.append((connection, port))
        return True

    def connection_to(self, proto: str, host: str, port: int) -> int:
        return self.connections.get((proto, host, port), 0)

    def own_connection(self, proto: str, host: str, port: int) -> int:
        return self.connections.get((proto, host, port), 0)

    def close(self, connection: int) -> bool:
        self.closed.append(connection)
        return True


class FakeWatcher(Watcher):
    """Counts what did not go out after all."""

    def __init__(self) -> None:
        self.failures = 0

    def send_failed(self) -> None:
        self.failures += 1


class FakeClock(Clock):
    """A clock that stands still, with the timers that hang on it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.timers = FakeTimers(self)

    def now(self) -> float:
        return self.seconds

    def time(self) -> float:
        return EPOCH + self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due fires on the way."""
        until = self.seconds + seconds
        self.timers.run(until)
        self.seconds = until


class FakeTimers(Timers):
    """Timers in order of time; a timer that was moved or cancelled is recognised by its `due`."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.number = 0
        self.queue: list[tuple[float, int, Timer]] = []

    def add(self, timer: Timer, seconds: float) -> None:
        self.number += 1
        timer.due = self.number
        heapq.heappush(self.queue, (self.clock.seconds + max(seconds, 0.001), self.number, timer))

    def run(self, until: float) -> None:
        while self.queue and self.queue[0][0] <= until:
            at, number, timer = heapq.heappop(self.queue)
            if timer.due == number:
                timer.due = 0
                self.clock.seconds = max(at, self.clock.seconds)
                timer.fire()

    def waiting(self) -> int:
        """How many timers will still fire."""
        return sum(timer.due == number for _, number, timer in self.queue)


class FakeResolver(Resolver):
    """Numeric hosts, and the names in `names`; a name in `slow` is known only after `answer`."""

    def __init__(self) -> None:
        self.names: dict[str, list[Target]] = {}
        self.slow: set[str] = set()
        self.asked: dict[str, list[Promise]] = defaultdict(list)

    def known(self, host: str, port: int, proto: str) -> list[Target] | None:
        if host in self.slow:
            return None
        if host in self.names:
            return [Target(one.proto, one.host, port or one.port) for one in self.names[host]]
        if ":" in host or host.replace(".", "").isdigit():
            proto = "tls" if proto == "sips" else proto
            return [Target(proto or "udp", host, port or DEFAULT_PORTS.get(proto, 5060))]
        return []

    def ask(self, host: str, port: int, proto: str) -> Promise:
        promise = Promise()
        if host in self.slow:
            self.asked[host].append(promise)
        else:
            promise.complete(self.known(host, port, proto))
        return promise

    def answer(self, host: str, targets: list[Target]) -> None:
        """The name server answers: from now on the name is known."""
        self.slow.discard(host)
        self.names[host] = targets
        for promise in self.asked.pop(host, []):
            promise.complete(targets)


class FakeOffload(Offload):
    """Calls at once, in place; a task that only lets others run (`asyncio.sleep(0)`) goes on at once."""

    def run(self, work: Callable[..., Any], *arguments: Any) -> Promise:
        promise = Promise()
        try:
            promise.complete(work(*arguments))
        except Exception as problem:
            promise.fail(problem)
        return promise

    def spawn(self, work: Awaitable[Any]) -> Promise:
        promise = Promise()
        steps = work.__await__()
        try:
            while next(steps) is None:
                pass
        except StopIteration as end:
            promise.complete(end.value)
        except Exception as problem:
            promise.fail(problem)
        return promise


def fill(services: Services) -> tuple[FakeNet, FakeClock, FakeResolver]:
    """Put fakes into all the places of a program's services."""
    net, clock, resolver = FakeNet(), FakeClock(), FakeResolver()
    services.network = net
    services.clock = clock
    services.timers = clock.timers
    services.resolver = resolver
    services.tables = MemoryTable()
    services.offload = FakeOffload()
    return net, clock, resolver
