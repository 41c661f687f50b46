"""Events (`E_UL_AOR_INSERT`, …): who raises them, who listens.

A listener is called with the event's name and its named values. Event routes and event transports are listeners.
"""

from collections.abc import Callable
from typing import final

from pysips.script.values import Value

Listener = Callable[[str, dict[str, Value]], None]


@final
class Event:
    """One event; call it with a value for each of its parameters, in order."""

    __slots__ = ("listeners", "name", "parameters")

    def __init__(self, name: str, parameters: tuple[str, ...]) -> None:
        self.name: str = name
        self.parameters: tuple[str, ...] = parameters
        self.listeners: list[Listener] = []

    def __call__(self, *values: Value) -> None:
        self.tell(dict(zip(self.parameters, values, strict=True)))

    def tell(self, values: dict[str, Value]) -> None:
        """Raise it with values named by the caller (`raise_event` in a script)."""
        for listener in self.listeners:
            listener(self.name, values)


class Events:
    """All events by name. A name that nobody defined is made at its first use."""

    def __init__(self) -> None:
        self.known: dict[str, Event] = {}

    def define(self, name: str, parameters: tuple[str, ...] = ()) -> Event:
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = Event(name, parameters)
        elif parameters and not found.parameters:
            found.parameters = parameters
        return found

    def listen(self, name: str, listener: Listener) -> None:
        self.define(name).listeners.append(listener)
