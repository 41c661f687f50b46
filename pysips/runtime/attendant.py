"""The attendant: what is done once in the system (management commands, expiry, the change log's followers).

It also is the one who speaks to other nodes.
"""

import asyncio
from typing import Final

from pysips.core.exports import Where
from pysips.core.log import log
from pysips.core.status_reports import INITIALIZING
from pysips.net.bin import Bin, BinCounters, BinSettings

from .changes import AttendantReading
from .counters import OWING
from .process import TIDY_SECONDS, Process, Repeated
from .reload import Conductor
from .server import Seat, Server
from .wheel import TICK

SETTLE_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 60.0  # at the end, for what followers of the change log have still to do


class Attendant(Process):
    """It has no SIP socket. seat.sockets: for other nodes, one for each of `program.node_sockets`."""

    places = (Where.ONCE, Where.ANY)

    def __init__(self, server: Server, seat: Seat) -> None:
        super().__init__(server, seat)
        self.changes = AttendantReading(self.program.changes.followers, self.tables, self.wheel)
        self.program.changes.reading = self.changes
        for other in server.seats:
            if other is not seat:
                for sock in other.sockets:
                    sock.close()
        self.nodes = self.make_nodes()
        self.conductor = Conductor(server, seat.row, self.editions, self.mi, self.offload)
        self.commands.conductor = self.conductor

    def make_nodes(self) -> Bin | None:
        """The connections to other nodes, where a module carries them; modules may send from `start()` on."""
        module = self.program.registry.loaded.get("proto_bin")
        if module is None:
            return None
        settings: BinSettings = module.settings()  # type: ignore[attr-defined]
        counters: BinCounters = module.counters()  # type: ignore[attr-defined]
        made = Bin(self.loop, module.api, settings, self.wheel, self.clock, counters)
        module.api.carrier = made
        self.commands.connections = made.described
        return made

    async def begin(self) -> None:
        Repeated(self.wheel, TIDY_SECONDS, self.tables.tidy, "tidying the tables")
        Repeated(self.wheel, SETTLE_SECONDS, self.conductor.settle, "bringing processes to the script in force")
        if self.services.lives == 1:
            self.starting = Repeated(self.wheel, TICK, self.look_whether_all_run, "looking whether all processes run")
        self.changes.begin()
        if self.nodes is not None:
            for where, sock in zip(self.program.node_sockets, self.seat.sockets, strict=True):
                self.nodes.listening.listen(sock, where)

    def look_whether_all_run(self) -> None:
        """Once all processes have started, the core's status is another one."""
        core = self.services.status_reports.core
        status, details = self.services.status_reports.core_state()
        if status != INITIALIZING:
            self.starting.end()
            core.tell(status, details, INITIALIZING)

    async def end(self) -> None:
        """The workers are gone: nothing more comes, and what the log holds is done before the modules stop."""
        self.own[OWING] = 1
        self.changes.finish()
        last = self.clock.now() + FLUSH_SECONDS
        while not self.changes.flush() and not self.hurry and self.clock.now() < last:
            await asyncio.sleep(TICK)
        for name in self.changes.owed():
            log.error("attendant", f"{name} could not do all that it had to: some changes are lost")
        self.own[OWING] = 0
        await super().end()

    def refuse_new(self) -> None:
        if self.nodes is not None:
            self.nodes.listening.deafen()

    def finish(self) -> None:
        if self.nodes is not None:
            self.nodes.close_all()
