"""A SIP worker: its sockets, the door for what they bring, and the script's own routes of slot 0."""

import asyncio
from functools import partial
from typing import Any, Final

from pysips.core.context import Context
from pysips.core.exports import Where
from pysips.core.hooks import Guard
from pysips.core.log import log
from pysips.core.program import Program
from pysips.core.receive import Door
from pysips.net.network import WorkerNetwork, udp_of
from pysips.net.records import DnsCounters, DnsSettings
from pysips.net.resolve import Names
from pysips.net.tcp import Tcp
from pysips.net.tcp_settings import TcpCounters, TcpSettings
from pysips.net.udp import Udp, UdpCounters

from . import held
from .changes import WorkerReading
from .counters import BORN, DEAF, LIVES, OWING, RESTARTING, RUNNING, STATE, STOPPING
from .process import BEAT_SECONDS, Process, Repeated
from .server import Seat, Server
from .standing_in import StandIn

DEAF_SECONDS: Final = 1.0  # until all workers read no socket any more
ROUNDS: Final = 5  # of the loop, for what siblings handed on before that
ROUND_SECONDS: Final = 0.01
AT_ONCE: Final = 50  # requests that were kept for us


class Closing(Guard):
    """While the server stops: no new transactions (house rule 9.3). Who asked asks again, and the next server hears."""

    def takes(self, ctx: Context) -> bool:
        return ctx.message.method not in held.ALWAYS


class ReplyRoute:
    """The global onreply_route once there are several editions: a reply runs that of its transaction's, wholly."""

    def __init__(self, program: Program) -> None:
        self.hooks = program.hooks

    def __call__(self, ctx: Context) -> Any:
        for taker in self.hooks.takers:
            program = taker.program_of(ctx)
            if program is not None:
                ctx.program = program
                break
        route = ctx.program.routes.get(("onreply_route", ""))
        return 1 if route is None else route(ctx)


class Worker(Process):
    """seat.slot: which worker this is."""

    def __init__(self, server: Server, seat: Seat) -> None:
        super().__init__(server, seat)
        self.places = (Where.EACH, Where.FIRST) if seat.slot == 0 else (Where.EACH,)
        services, known = self.services, self.program.config.globals
        self.door = Door(services, self.program)
        self.route_timers: dict[tuple[str, int], Repeated] = {}
        self.line.receiver = self.door
        self.tcp = self.make_tcp()
        self.line.connections = self.tcp
        if self.tcp is not None:
            self.commands.connections = self.tcp.described
        counted = self.program.statistics
        counters = UdpCounters(
            *[counted.counter("net", f"udp_{name}") for name in ("dropped", "failed", "unreachable")]
        )
        of_slots = [
            udp_of(services.sockets, other.sockets, self.door, self.clock, counters)
            for other in server.seats[: server.workers]
        ]
        services.network = WorkerNetwork(of_slots[seat.slot], self.tcp, self.line, self.clock)
        datagrams = [[one for one in udp if one is not None] for udp in of_slots]
        for slot, row in enumerate(datagrams):
            spare = [(services.sockets[index], sock) for index, sock in server.spare_of(slot)]
            row += [Udp(sock, where, self.door, self.clock, counters) for where, sock in spare if where.proto == "udp"]
        self.udp = datagrams[seat.slot]
        self.held: held.Held | None = None
        if server.workers > 1:
            for udp in (one for row in datagrams for one in row):
                udp.siblings = self.line.gone
        self.stand_in = StandIn(server.board, self.loop.served, self.clock, seat.slot, datagrams)
        self.close_streams()
        families = {socket.family for socket in services.sockets}
        settings = DnsSettings(
            int(known["dns_retr_time"] or 0), int(known["dns_retr_no"] or 0), int(known["dns_servers_no"] or 0),
            None if known["dns_use_search_list"] is None else bool(known["dns_use_search_list"]),
            not known["disable_dns_failover"], int(known["exec_dns_threshold"] or 0) / 1_000_000,
            bool(known["dns_try_naptr"]), None if known["dns_try_ipv6"] is None else bool(known["dns_try_ipv6"]),
        )  # fmt: skip
        asked = DnsCounters(*[counted.counter("dns", f"dns_{name}_queries") for name in ("total", "slow")])
        protos = {socket.proto for socket in services.sockets}
        self.program.changes.reading = WorkerReading(self.tables, partial(self.mi.elsewhere, server.workers))
        if self.program.latest.program is not self.program:
            self.take_edition(self.program.latest.program)
        services.resolver = Names(self.clock, self.offload, families, settings, protos=sorted(protos), counters=asked)

    def close_streams(self) -> None:
        """Listening sockets of others are not for us; the workers' datagram sockets may be, see standing_in.py."""
        for sock in self.server.seats[self.server.workers].sockets:
            sock.close()
        for other in self.server.seats[: self.server.workers]:
            if other is not self.seat:
                for where, sock in zip(self.services.sockets, other.sockets, strict=True):
                    if where.proto != "udp":
                        sock.close()

    def make_tcp(self) -> Tcp | None:
        """The stream connections, where a module carries them."""
        module = self.program.registry.loaded.get("proto_tcp")
        if module is None:
            return None
        settings: TcpSettings = module.settings()  # type: ignore[attr-defined]
        counted = self.program.statistics
        counters = TcpCounters(
            counted.counter("net", "tcp_connections", no_reset=True),
            counted.counter("net", "tcp_refused"),
            counted.counter("net", "tcp_failed"),
        )
        tcp = Tcp(
            self.loop, self.seat.slot, self.server.workers, settings, self.door, self.wheel, self.clock, self.tables,
            self.line, counters, self.own[BORN],
        )  # fmt: skip
        tcp.disconnected = module.disconnected  # type: ignore[attr-defined]
        return tcp

    async def begin(self) -> None:
        """Listen. What came while nobody sat here waits in the sockets."""
        if self.tcp is not None:
            self.tcp.clear_places()
        if self.seat.slot == 0:
            self.begin_routes()
        for one in self.udp:
            self.loop.served.serve(one)
        Repeated(self.wheel, BEAT_SECONDS, self.stand_in.look, "looking for silent siblings")
        if self.tcp is not None:
            spare = [(self.services.sockets[index], sock) for index, sock in self.server.spare_of(self.seat.slot)]
            for where, sock in [*zip(self.services.sockets, self.seat.sockets, strict=True), *spare]:
                if where.proto == "tcp":
                    self.tcp.listening.listen(sock, where)
        await self.take_held()

    async def take_held(self) -> None:
        """What came while the server before us ended for a restart."""
        try:
            waiting = held.taken(self.server.folder, self.seat.slot, self.server.workers, self.services.sockets)
        except (OSError, ValueError) as problem:
            log.error("worker", f"what was kept over the restart cannot be read: {problem}")
            return
        for place, (data, peer) in enumerate(waiting, 1):
            self.door.receive(data, peer)
            if place % AT_ONCE == 0:
                await asyncio.sleep(0)

    def begin_routes(self) -> None:
        """startup_route once in the server's life, timer_route as often as it says."""
        self.events.take_over()
        if self.own[LIVES] == self.server.lived + 1:
            self.program.run_alone("startup_route", "")
        self.begin_timers(self.program.latest.program)

    def begin_timers(self, program: Program) -> None:
        """In slot 0: have the timer_routes of this edition; those that it has in common with the one before go on."""
        wanted = {(timer.name, timer.seconds) for timer in program.compiled.timers if timer.seconds > 0}
        for gone in self.route_timers.keys() - wanted:
            self.route_timers.pop(gone).end()
        for name, seconds in sorted(wanted - self.route_timers.keys()):
            call = partial(self.program.run_alone, "timer_route", name)
            self.route_timers[name, seconds] = Repeated(self.wheel, seconds, call, f"timer_route[{name}]")

    def take_edition(self, program: Program) -> None:
        door = self.door
        program.runs, program.pid = self.program.runs, self.program.pid
        door.program = program
        door.main = program.routes.get(("route", ""))
        if door.main_reply is not None or ("onreply_route", "") in program.routes:
            door.main_reply = ReplyRoute(self.program)
        if self.seat.slot == 0 and self.own[STATE] == RUNNING:
            self.begin_timers(program)
        super().take_edition(program)

    def refuse_new(self) -> None:
        if self.server.board.settings()[RESTARTING]:
            self.held = held.Held(self.program.hooks.takers)
        self.program.hooks.guards.insert(0, self.held or Closing())
        if self.tcp is not None:
            self.tcp.listening.deafen()

    def owing(self) -> bool:
        """Transactions without a final answer, and runs that wait; here, or in a sibling.

        All workers stay until none owes anything: what comes for one may come to another's socket.
        """
        ours = self.program.runs.count > 0 or any(taker.owing() for taker in self.program.hooks.takers)
        self.own[OWING] = int(ours)
        return ours or any(
            self.server.board.owes(slot) for slot in range(self.server.workers) if slot != self.seat.slot
        )

    async def part(self) -> None:
        """Before a restart: read no more, hear what siblings handed on, and leave all that to the next server."""
        if self.held is None:
            return
        self.leave()
        await self.rounds()
        self.own[OWING] = DEAF
        last = self.clock.now() + DEAF_SECONDS
        while any(self.hears(slot) for slot in range(self.server.workers)) and self.clock.now() < last:
            await asyncio.sleep(ROUND_SECONDS)
        await self.rounds()
        try:
            self.held.write(self.server.folder, self.seat.slot)
        except OSError as problem:
            log.error("worker", f"what came during the restart is lost: {problem}")

    async def rounds(self) -> None:
        for _ in range(ROUNDS):
            await asyncio.sleep(ROUND_SECONDS)

    def hears(self, slot: int) -> bool:
        """Whether a worker may still hand on what it reads."""
        own = self.server.board.own(slot)
        return own[STATE] <= STOPPING and own[OWING] != DEAF

    def leave(self) -> None:
        """Read no datagrams any more."""
        self.stand_in.end()
        for one in self.udp:
            self.loop.served.leave(one)

    def finish(self) -> None:
        log.debug("worker", f"{self.seat.title} ends")
        if self.tcp is not None:
            self.tcp.close_all()
        self.leave()
