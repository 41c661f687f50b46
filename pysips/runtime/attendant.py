"""The attendant: what is done once in the system (management commands, expiry, the change log's followers)."""

import asyncio
from typing import Final

from pysips.core.exports import Where
from pysips.core.log import log

from .changes import AttendantReading
from .counters import OWING
from .process import TIDY_SECONDS, Process, Repeated
from .server import Seat, Server
from .wheel import TICK

FLUSH_SECONDS: Final = 60.0  # at the end, for what followers of the change log have still to do


class Attendant(Process):
    """It has no SIP socket."""

    places = (Where.ONCE, Where.ANY)

    def __init__(self, server: Server, seat: Seat) -> None:
        super().__init__(server, seat)
        self.changes = AttendantReading(self.program.changes.followers, self.tables, self.wheel)
        self.program.changes.reading = self.changes
        for other in server.seats:
            for sock in other.sockets:
                sock.close()

    async def begin(self) -> None:
        Repeated(self.wheel, TIDY_SECONDS, self.tables.tidy, "tidying the tables")
        self.changes.begin()

    async def end(self) -> None:
        """The workers are gone: nothing more comes, and what the log holds is done before the modules stop."""
        self.own[OWING] = 1
        last = self.clock.now() + FLUSH_SECONDS
        while not self.changes.flush() and not self.hurry and self.clock.now() < last:
            await asyncio.sleep(TICK)
        for name in self.changes.owed():
            log.error("attendant", f"{name} could not do all that it had to: some changes are lost")
        self.own[OWING] = 0
        await super().end()
