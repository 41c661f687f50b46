"""The attendant: what is done once in the system (management commands, expiry, tidying the shared tables)."""

from pysips.core.exports import Where

from .process import TIDY_SECONDS, Process, Repeated
from .server import Seat, Server


class Attendant(Process):
    """It has no SIP socket."""

    places = (Where.ONCE, Where.ANY)

    def __init__(self, server: Server, seat: Seat) -> None:
        super().__init__(server, seat)
        for other in server.seats:
            for sock in other.sockets:
                sock.close()

    async def begin(self) -> None:
        Repeated(self.wheel, TIDY_SECONDS, self.tables.tidy, "tidying the tables")
