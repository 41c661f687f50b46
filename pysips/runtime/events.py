"""Events on their way to slot 0, where event routes run and subscribers are told (house rule 9.6).

In slot 0 itself an event is dealt with in the loop's next round: whoever raises it goes on first, everywhere alike.
"""

import asyncio
import json
from typing import Final

from pysips.core.events import Carrier, Values
from pysips.core.log import log
from pysips.core.program import Program

from .counters import SUBSCRIBED, Board
from .handover import Handover

FIRST: Final = 0  # slot 0 is seat 0


class ToFirst(Carrier):
    """The carrier of one process."""

    def __init__(self, program: Program, board: Board, line: Handover, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.routed = program.events.carrier.routed
        self.deliver = program.deliver
        self.subscribe = self.subscribe_here
        self.program = program
        self.wished = board.settings()[SUBSCRIBED : SUBSCRIBED + 1]
        self.line = line
        self.loop = loop
        line.events = self.came

    def carry(self, name: str, values: Values) -> None:
        if self.line.seat == FIRST:
            self.loop.call_soon(self.deliver, name, values)
        else:
            self.line.event(FIRST, json.dumps({"event": name, "values": values}))

    def carry_wish(self, name: str, socket: str, seconds: int) -> None:
        self.wished[0] = 1
        if self.line.seat == FIRST:
            self.subscribe_here(name, socket, seconds)
        else:
            self.line.event(FIRST, json.dumps({"event": name, "socket": socket, "seconds": seconds}))

    def subscribe_here(self, name: str, socket: str, seconds: int) -> None:
        self.program.subscriptions.add(name, socket, seconds)

    def came(self, text: str) -> None:
        """A sibling's event, or wish."""
        said = json.loads(text)
        if "values" in said:
            self.deliver(said["event"], said["values"])
        else:
            self.subscribe_here(said["event"], said["socket"], said["seconds"])

    def take_over(self) -> None:
        """In slot 0: those who subscribed while somebody else sat here."""
        count = self.program.subscriptions.load()
        if count:
            log.info("events", f"{count} subscriptions go on")
