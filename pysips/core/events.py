"""Events (`E_UL_AOR_INSERT`, …): who raises them, who listens (OpenSIPS: event interface, evi/).

Facts:
- modules and scripts raise events in any process; event routes run, and subscribers are told, in slot 0 alone
  (house rule 9.6): a `Carrier` brings them there;
- an event that nobody wants costs one look: ask `wanted()` before its values are gathered;
- a listener is called in the process that raises, with the event's name and its named values.
"""

from collections.abc import Callable
from typing import final

from pysips.script.values import Value

Values = dict[str, Value]
Listener = Callable[[str, Values], None]


class Carrier:
    """Brings events, and wishes to hear of them, to slot 0; `runtime` fills it in. This one is for a single process.

    routed: the events that have an event_route; wished: one cell, 1 once anybody outside wanted to hear of events.
    """

    def __init__(self) -> None:
        self.routed: set[str] = set()
        self.wished: memoryview[int] = memoryview(bytearray(1))
        self.deliver: Listener = _nobody
        self.subscribe: Callable[[str, str, int], None] = _unheard

    def wants(self, name: str) -> bool:
        """Whether an event has a route, or there may be subscribers."""
        return name in self.routed or self.wished[0] != 0

    def carry(self, name: str, values: Values) -> None:
        """An event was raised."""
        self.deliver(name, values)

    def carry_wish(self, name: str, socket: str, seconds: int) -> None:
        """Somebody wants to hear of an event; see subscriptions.py."""
        self.wished[0] = 1
        self.subscribe(name, socket, seconds)


def _nobody(name: str, values: Values) -> None:
    """There is no program yet."""


def _unheard(name: str, socket: str, seconds: int) -> None:
    """There is no program yet."""


@final
class Event:
    """One event; call it with a value for each of its parameters, in order.

    is_heard: somebody in this process hears of it, or it has an event_route, whoever subscribes.
    """

    __slots__ = ("events", "is_heard", "listeners", "name", "parameters")

    def __init__(self, name: str, parameters: tuple[str, ...], events: "Events") -> None:
        self.name: str = name
        self.parameters: tuple[str, ...] = parameters
        self.events: Events = events
        self.is_heard: bool = False
        self.listeners: list[Listener] = []

    def __call__(self, *values: Value) -> None:
        self.tell(dict(zip(self.parameters, values, strict=True)))

    def wanted(self) -> bool:
        """Whether anybody would hear of it."""
        return self.is_heard or self.events.carrier.wished[0] != 0

    def tell(self, values: Values) -> None:
        """Raise it with values named by the caller (`raise_event` in a script)."""
        for listener in self.listeners:
            listener(self.name, values)
        if self.events.carrier.wants(self.name):
            self.events.carrier.carry(self.name, values)


class Events:
    """All events by name. A name that nobody defined is made at its first use."""

    def __init__(self) -> None:
        self.known: dict[str, Event] = {}
        self.carrier = Carrier()

    def define(self, name: str, parameters: tuple[str, ...] = ()) -> Event:
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = Event(name, parameters, self)
        elif parameters and not found.parameters:
            found.parameters = parameters
        return found

    def listen(self, name: str, listener: Listener) -> None:
        event = self.define(name)
        event.listeners.append(listener)
        event.is_heard = True

    def route(self, name: str) -> None:
        """The script has an event_route for it."""
        self.carrier.routed.add(name)
        self.define(name).is_heard = True
