"""The machine at work, in the attendant: packets from and to proto_bin, time, the node table, the mirror."""

import time
from typing import Final

from pysips.core.bin_transport import BinTransport
from pysips.core.exports import MiError
from pysips.core.log import log
from pysips.core.services import Services, TablesFull, Timer
from pysips.core.sqldb import SqlError
from pysips.errors import ModuleError

from .api import FAILED, SENT, Body, Cluster, Condition
from .cluster import MODULE, QUIET
from .events import Command, Happened, Message, NodeState, Teller
from .hello import HELLO
from .machine import Machine
from .mirror import Mirror, View, add_learned, old_table
from .node import Node, Outgoing, Settings
from .nodes import Clusters
from .packets import EXTRA, INTERNAL, BadPacket, GenericMessage, MiCommand, Packet
from .reports import Reports
from .table import NodeTable, check_sockets, remark
from .tags import TagChange

OWN: Final = frozenset((INTERNAL, EXTRA, HELLO))
RETRY_SECONDS: Final = 5.0  # between two tries to read the node table
MOST_QUEUED: Final = 128 << 10  # bytes on their way to a node before a sync for it waits
PUMP_SECONDS: Final = 0.008  # of work at a time on syncs for others


class Pump(Timer):
    """Goes on with the syncs for others, and with what could not be sent."""

    def __init__(self, driver: "Driver") -> None:
        super().__init__()
        self.driver = driver

    def fire(self) -> None:
        self.driver.go_on()


class Driver:
    """declared: the sharing tags of the script, (name, cluster, active)."""

    def __init__(
        self, services: Services, transport: BinTransport, table: NodeTable, mirror: Mirror, cluster: Cluster,
        settings: Settings, teller: Teller, declared: list[tuple[str, int, bool]], reports: Reports,
    ) -> None:  # fmt: skip
        self.services = services
        self.transport = transport
        self.table = table
        self.mirror = mirror
        self.cluster = cluster
        self.teller = teller
        self.declared = declared
        self.reports = reports
        before = mirror.read()
        born = max(int(services.clock.time()), before.born + 1)
        self.machine = Machine(cluster.own_id, settings, born, cluster.registrations, self.has_room)
        self.before: View | None = before if before.born else None
        self.failures: list[Outgoing] = []
        self.pump = Pump(self)
        self.is_loaded = False
        self.is_busy = False
        self.next_try = 0.0
        transport.receiver = self.received

    # -- the node table

    async def start(self) -> None:
        """Read the table; if it cannot be read now, the last one counts and it is read later.

        Raises ModuleError for a table that cannot be right, but to a successor it may be as it will.
        """
        self.declare_tags()
        try:
            await self.load()
        except (SqlError, ModuleError) as problem:
            had = self.before.clusters if self.before is not None else []
            if not had and isinstance(problem, ModuleError):
                raise
            if not had and isinstance(problem, SqlError) and not problem.is_down:
                raise ModuleError(str(problem)) from None
            log.error(MODULE, f"the node table cannot be read yet: {problem}")
            self.next_try = self.now() + RETRY_SECONDS
            if had:
                self.take({one.cluster_id: old_table(one) for one in had})
                log.notice(MODULE, "the nodes are those of the last table that could be read")
        if self.table.database is not None:
            self.table.database.when_back(self.hurry)

    def hurry(self) -> None:
        """The database is back."""
        self.next_try = 0.0

    async def load(self) -> None:
        """Raises SqlError, ModuleError."""
        clusters = await self.table.read()
        self.take(clusters)
        self.is_loaded = True

    def take(self, clusters: Clusters) -> None:
        check_sockets(clusters, self.transport)
        before, self.before = self.before, None
        if before is not None and self.machine.settings.learns:
            add_learned(clusters, before)
        self.machine.load(clusters, self.now(), before)
        remark(clusters, self.services.sockets, self.machine.registrations)
        for name, cluster_id, active in self.declared:
            if active and cluster_id not in self.machine.members:
                log.warn(MODULE, f"sharing tag {name}: this node is not in cluster {cluster_id}")
        self.after()

    def declare_tags(self) -> None:
        """Those of a predecessor as they were; else those of the script."""
        now = self.services.clock.time()
        if self.before is not None and self.services.lives > 1:
            for one in self.before.tags:
                self.declare(one.name, one.cluster_id, one.active, one.since)
        for name, cluster_id, active in self.declared:
            if (name, cluster_id) not in self.machine.tags.known:
                self.declare(name, cluster_id, active, now)

    def declare(self, name: str, cluster_id: int, active: bool, since: float) -> None:
        self.machine.declare_tag(name, cluster_id, active, since)
        self.mirror.set_tag(name, cluster_id, active)

    # -- time and packets

    def now(self) -> float:
        return self.services.clock.now()

    async def tick(self) -> None:
        """Often: pings, limits; and the node table, as long as it could not be read."""
        if not self.is_loaded and self.now() >= self.next_try:
            self.next_try = self.now() + RETRY_SECONDS
            try:
                await self.load()
                log.notice(MODULE, "the node table has been read")
            except (SqlError, ModuleError) as problem:
                if log.limited("clusterer:table", QUIET):
                    log.error(MODULE, f"the node table cannot be read: {problem}")
        self.machine.tick(self.now())
        self.after()

    def received(self, host: str, connection: object, packet: Packet) -> None:
        """From proto_bin."""
        self.machine.received(packet, host, connection, self.now())
        self.after(packet.capability in OWN)

    def lost(self, outgoing: Outgoing) -> None:
        """A packet did not get there; it is dealt with when the work at hand is done."""
        self.failures.append(outgoing)
        if not self.is_busy:
            self.after()

    def go_on(self) -> None:
        """Syncs for others, a little at a time."""
        ends = time.perf_counter() + PUMP_SECONDS
        more = self.machine.pump(self.now())
        while more and self.machine.out and time.perf_counter() < ends:
            self.flush()
            more = self.machine.pump(self.now())
        self.after()

    def after(self, writes: bool = True) -> None:
        """Whatever happened: let packets go out, write the mirror if it may have changed, tell who wants to know."""
        if self.is_busy:
            return
        self.is_busy = True
        try:
            self.flush()
            machine = self.machine
            if writes or machine.touched or machine.events or machine.tags.changes:
                machine.touched = False
                self.write()
            self.tell()
        finally:
            self.is_busy = False
        if any(one.capabilities.donor.donations for one in self.machine.members.values()):
            self.services.timers.add(self.pump, 0.0)

    def write(self) -> None:
        for cluster_id, member in self.machine.members.items():
            self.reports.look(cluster_id, member.capabilities.known.values())
        try:
            self.mirror.write(self.machine.view())
        except TablesFull:
            log.error(MODULE, "there is no room to write down what is known of the cluster")

    def flush(self) -> None:
        """What is to be sent goes out, on another way if one fails."""
        machine = self.machine
        while machine.out or self.failures:
            failures, self.failures = self.failures, []
            for one in failures:
                machine.failed(one, self.now())
            out, machine.out[:] = list(machine.out), []
            for one in out:
                self.put(one)

    def put(self, one: Outgoing) -> None:
        try:
            data = one.packet.encode()
        except BadPacket as problem:
            log.error(MODULE, f"a packet of {one.packet.capability} cannot be sent: {problem}")
            return
        if one.to is None:
            self.transport.reply(one.connection, data)
            return
        own = self.machine.members[one.to.cluster_id].cluster.own
        self.transport.send(own.host, one.to.host, one.to.port, data, lambda: self.lost(one))

    def has_room(self, node: Node) -> bool:
        """Whether a sync for a node may go on."""
        own = self.machine.members[node.info.cluster_id].cluster.own
        return self.transport.waiting(own.host, node.info.host, node.info.port) < MOST_QUEUED

    def tell(self) -> None:
        machine = self.machine
        while machine.events or machine.tags.changes:
            events, machine.events[:] = list(machine.events), []
            changes, machine.tags.changes = machine.tags.changes, []
            for change in changes:
                self.tag_changed(change)
            for event in events:
                self.happened(event)

    def happened(self, event: Happened) -> None:
        if isinstance(event, Command):
            self.perform(event)
            return
        if isinstance(event, NodeState):
            state = "can be reached" if event.is_up else "cannot be reached"
            log.notice(MODULE, f"cluster {event.cluster_id}: node {event.node_id} {state}")
            self.reports.node_changed(event)
        self.teller.happened(event)

    def tag_changed(self, change: TagChange) -> None:
        self.mirror.set_tag(change.name, change.cluster_id, change.active)
        state = "active" if change.active else "backup"
        log.notice(
            MODULE, f"TAG <{change.name}>, cluster {change.cluster_id}, became {state} due to {change.reason}"
        )  # fmt: skip
        for name, cluster_id, watcher in self.cluster.watchers:
            if (name, cluster_id) == (change.name, change.cluster_id):
                watcher(name, cluster_id, change.active, change.reason)
        self.reports.tag_changed(change)
        self.teller.tag_changed(change)

    def perform(self, command: Command) -> None:
        """A management command of another node; the result goes to the log."""
        promise = self.services.management.call(command.name, list(command.parameters))

        def done() -> None:
            problem = promise.failure
            if problem is None:
                log.info(MODULE, f"MI command <{command.name}> of node {command.source}: done")
            else:
                said = f"{problem.code} {problem}" if isinstance(problem, MiError) else repr(problem)
                log.error(MODULE, f"MI command <{command.name}> of node {command.source} failed: {said}")

        promise.when_done(done)

    # -- for modules and management

    def send(self, cluster_id: int, node_id: int, capability: str, kind: int, body: Body) -> int:
        code = self.machine.send(cluster_id, node_id, capability, kind, body, self.now())
        self.after(False)
        return code

    def broadcast(self, cluster_id: int, capability: str, kind: int, body: Body, condition: Condition) -> int:
        code = self.machine.broadcast(cluster_id, capability, kind, body, condition, self.now())
        self.after(False)
        return code

    def request_sync(self, cluster_id: int, capability: str) -> int:
        member = self.machine.members.get(cluster_id)
        asked = member is not None and member.capabilities.recipient.request(capability, self.now())
        self.after()
        return SENT if asked else FAILED

    def say(self, cluster_id: int, node_id: int, message: GenericMessage | MiCommand) -> int:
        """To one node, or to all (0); see api.py for the answers."""
        code = self.machine.say(cluster_id, node_id, message)
        self.after()
        return code

    def to_myself(self, cluster_id: int, tag: str, text: str) -> None:
        """`cluster_broadcast_req` with `all`: the event is raised here, too."""
        self.teller.happened(Message(cluster_id, self.cluster.own_id, True, tag, text))

    def activate(self, name: str, cluster_id: int, reason: str) -> bool:
        done = self.machine.activate(name, cluster_id, reason, self.services.clock.time())
        self.after()
        return done

    def close(self) -> None:
        self.pump.due = 0
