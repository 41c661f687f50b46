"""Who outside wants to hear of events: `subscribe_event("E_X", "udp:10.0.0.1:5000")`, and MI's event_subscribe.

Facts:
- a subscriber's socket begins with its transport's word, `udp:` or `unix:`; modules give transports (event_datagram);
- subscriptions live in slot 0, which tells the subscribers, and in the shared table for whoever replaces it;
- one of the same event and socket replaces the other; 0 seconds never end (OpenSIPS manual: subscribe_event).
"""

import json
from dataclasses import dataclass
from typing import Final

from pysips.errors import SipError

from .events import Values
from .log import log
from .services import Services, TablesFull

RECORDS: Final = b"E"  # of the shared table
MOST: Final = 1000


class EventTransport:
    """What a module gives, to carry events to subscribers."""

    def check(self, socket: str) -> None:
        """Raises ValueError for a socket that cannot be read."""
        raise NotImplementedError

    def send(self, socket: str, name: str, values: Values) -> None:
        """Tell a subscriber, without waiting; whoever does not hear misses it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Subscription:
    """ends: Unix seconds, 0 for never."""

    event: str
    socket: str
    ends: float


class Subscriptions:
    """All of them, in slot 0. transports: by the word that a socket begins with."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.transports: dict[str, EventTransport] = {}
        self.known: dict[tuple[str, str], Subscription] = {}

    def check(self, socket: str) -> None:
        """Raises ValueError for a socket that no transport can reach."""
        word = socket.partition(":")[0]
        transport = self.transports.get(word)
        if transport is None:
            loaded = ", ".join(self.transports) or 'loadmodule "event_datagram.so" brings udp and unix'
            raise ValueError(f'no module carries events to "{socket}" ({loaded})')
        transport.check(socket)

    def add(self, event: str, socket: str, seconds: int) -> bool:
        """Subscribe, or renew; False when there are too many."""
        key = (event, socket)
        self.forget_old()
        if key not in self.known and len(self.known) >= MOST:
            log.error("core:events", f"more than {MOST} subscriptions: {socket} does not hear of {event}")
            return False
        one = Subscription(event, socket, self.services.clock.time() + seconds if seconds else 0)
        self.known[key] = one
        try:
            self.services.tables.put(RECORDS, record_key(one), json.dumps([event, socket, one.ends]).encode())
        except TablesFull as problem:
            log.warn("core:events", f"a subscription will not outlive this process: {problem}")
        return True

    def subscribe(self, event: str, socket: str, seconds: int) -> None:
        """The same for whoever cannot wait for the answer."""
        self.add(event, socket, seconds)

    def load(self) -> int:
        """Take over what the process before us kept; how many there are."""
        for _, record in self.services.tables.scan(RECORDS, b"", MOST):
            event, socket, ends = json.loads(record)
            self.known[event, socket] = Subscription(event, socket, ends)
        self.forget_old()
        return len(self.known)

    def forget_old(self) -> None:
        now = self.services.clock.time()
        for key, one in list(self.known.items()):
            if one.ends and one.ends <= now:
                del self.known[key]
                self.services.tables.delete(RECORDS, record_key(one))

    def tell(self, name: str, values: Values) -> None:
        """Tell all subscribers of an event."""
        if not self.known:
            return
        self.forget_old()
        for one in self.known.values():
            if one.event == name:
                transport = self.transports.get(one.socket.partition(":")[0])
                try:
                    if transport is not None:
                        transport.send(one.socket, name, values)
                except (OSError, SipError) as problem:
                    if log.limited("events:" + one.socket, 10.0):
                        log.warn("core:events", f"{one.socket} does not hear of {name}: {problem}")


def record_key(one: Subscription) -> bytes:
    return f"{one.event}\n{one.socket}".encode("utf-8", "surrogateescape")
