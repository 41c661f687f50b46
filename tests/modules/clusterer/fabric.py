"""Several nodes wired together in memory: a fake network, one clock, and a store that each node shares with the others.

fabric = Fabric(1, 2, seeds=(1,))
fabric.run(3)
assert fabric.up(1) == {2}
"""

from collections.abc import Callable, Iterable, Iterator

from pysips.core.bin_interface import packet_of
from pysips.modules.clusterer.api import Event, Reader, Receiver, Registration, Writer, any_node
from pysips.modules.clusterer.events import NodeState
from pysips.modules.clusterer.machine import Machine
from pysips.modules.clusterer.mirror import View
from pysips.modules.clusterer.node import Outgoing, Settings
from pysips.modules.clusterer.nodes import NodeInfo, from_text
from pysips.modules.clusterer.packets import Packet

STORE = "store-repl"
STEP = 0.05
EPOCH = 1_700_000_000


def info(node_id: int, seeds: Iterable[int] = (), more: str = "") -> NodeInfo:
    flags = ",flags=seed" if node_id in seeds else ""
    sip = "" if "sip_addr" in more else f",sip_addr=10.1.0.{node_id}"
    return from_text(f"cluster_id=1,node_id={node_id},url=bin:10.0.0.{node_id}:5555{sip}{flags}{more}")


class Store(Receiver):
    """A dict that is the same on all nodes."""

    versions = (2, 3, 5)
    spoken = 3
    old = 2

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.told: list[tuple[Event, int]] = []
        self.heard_versions: list[int] = []
        self.donations = 0

    def received(self, cluster_id: int, source: int, kind: int, version: int, body: Reader) -> None:
        self.heard_versions.append(version)
        key, value = body.text(), body.text()
        self.records[key] = value

    def chunks(self, cluster_id: int, source: int, version: int, chunks: tuple[bytes, ...]) -> None:
        for chunk in chunks:
            of = Reader(chunk)
            self.records.setdefault(of.text(), of.text())

    def donate(self, cluster_id: int, node_id: int, version: int) -> Iterator[bytes]:
        self.donations += 1
        for key, value in list(self.records.items()):
            yield record(key, value)

    def happened(self, event: Event, cluster_id: int, node_id: int) -> None:
        self.told.append((event, node_id))

    def times(self, event: Event) -> int:
        return sum(one is event for one, _ in self.told)


def record(key: str, value: str) -> bytes:
    to = Writer()
    to.text(key)
    to.text(value)
    return to.written()


class Fabric:
    """node ids → machines. knows: which nodes each has in its table (all of them, if it is not there)."""

    def __init__(
        self, *ids: int, seeds: Iterable[int] = (), settings: Settings | None = None, start: bool = True,
        knows: dict[int, list[int]] | None = None, more: dict[int, str] | None = None,
    ) -> None:  # fmt: skip
        self.now = 1000.0
        self.ids = ids
        self.settings = settings or Settings()
        self.knows = knows or {}
        self.infos = {one: info(one, seeds, (more or {}).get(one, "")) for one in ids}
        self.machines: dict[int, Machine] = {}
        self.stores: dict[int, Store] = {}
        self.next_tick: dict[int, float] = {}
        self.cuts: set[frozenset[int]] = set()
        self.frozen: set[int] = set()
        self.delayed: list[tuple[int, Outgoing]] = []
        self.inboxes: dict[int, list[tuple[Packet, int, object]]] = {}
        self.wire: list[tuple[int, int, Packet]] = []
        self.condition = any_node
        self.loses: Callable[[Packet], bool] = lambda packet: False
        if start:
            for one in ids:
                self.start(one)

    def start(self, node_id: int, before: View | None = None, store: Store | None = None) -> Machine:
        """A process begins, or begins anew."""
        self.stores[node_id] = store or Store()
        wanted = Registration(1, STORE, self.stores[node_id], True, self.condition)
        born = EPOCH + int(self.now)
        machine = self.machines[node_id] = Machine(node_id, self.settings, born, [wanted])
        known = self.knows.get(node_id, list(self.ids))
        infos = [self.infos[node_id], *(self.infos[one] for one in known if one != node_id)]
        machine.load({1: infos}, self.now, before)
        self.inboxes[node_id] = []
        self.next_tick[node_id] = self.now
        return machine

    def kill(self, node_id: int) -> None:
        del self.machines[node_id]
        self.delayed = [one for one in self.delayed if one[0] != node_id]
        self.inboxes.pop(node_id, None)

    def cut(self, one: int, other: int) -> None:
        """Packets do not get through from now on."""
        self.cuts.add(frozenset((one, other)))

    def mend(self, one: int, other: int) -> None:
        """What was sent meanwhile arrives after all, if its sender still lives: connections are patient."""
        self.cuts.discard(frozenset((one, other)))
        delayed, self.delayed = self.delayed, []
        for source, waiting in delayed:
            self.carry(source, waiting)

    # -- time

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until - STEP / 2:
            self.now += STEP
            self.step()

    def step(self) -> None:
        for node_id, machine in list(self.machines.items()):
            if node_id not in self.frozen and self.now >= self.next_tick[node_id]:
                self.next_tick[node_id] = self.now + 1.0
                machine.tick(self.now)
        for _ in range(200):
            busy = [self.exchange(one) for one in list(self.machines)]
            if not any(busy):
                return
        raise AssertionError("the nodes never come to rest")

    def exchange(self, node_id: int) -> bool:
        """One node reads what is there and sends what it has."""
        machine = self.machines.get(node_id)
        if machine is None or node_id in self.frozen:
            return False
        waiting, self.inboxes[node_id] = self.inboxes[node_id], []
        for packet, source, connection in waiting:
            machine.received(packet, f"10.0.0.{source}", connection, self.now)
        machine.pump(self.now)
        return self.flush(node_id) or bool(waiting)

    def flush(self, node_id: int) -> bool:
        machine = self.machines[node_id]
        out, machine.out[:] = list(machine.out), []
        for one in out:
            self.carry(node_id, one)
        return bool(out)

    def carry(self, source: int, one: Outgoing) -> None:
        to = int(str(one.connection)) if one.to is None else one.to.node_id
        packet = packet_of(one.packet.encode())
        if frozenset((source, to)) in self.cuts:
            self.delayed.append((source, one))
            return
        if to not in self.machines:
            self.machines[source].failed(one, self.now)
            return
        self.wire.append((source, to, packet))
        if self.loses(packet):
            return
        self.inboxes[to].append((packet, source, source))

    # -- looking

    def node(self, of: int, other: int):  # type: ignore[no-untyped-def]
        return self.machines[of].members[1].cluster.nodes[other]

    def up(self, node_id: int) -> set[int]:
        """The nodes with which it has a link."""
        return {one.node_id for one in self.machines[node_id].members[1].cluster.nodes.values() if one.is_up}

    def reachable(self, node_id: int) -> set[int]:
        return {one.node_id for one in self.machines[node_id].members[1].cluster.nodes.values() if one.reachable}

    def synced(self, node_id: int) -> bool:
        return self.machines[node_id].members[1].capabilities.known[STORE].is_ok

    def changes(self, node_id: int) -> list[tuple[int, bool]]:
        """(node, is up) as it was told, since the last look."""
        events = self.machines[node_id].events
        found = [(one.node_id, one.is_up) for one in events if isinstance(one, NodeState)]
        events[:] = [one for one in events if not isinstance(one, NodeState)]
        return found

    def put(self, node_id: int, key: str, value: str) -> int:
        """A record is written at a node, which tells the others."""
        self.stores[node_id].records[key] = value
        return self.machines[node_id].broadcast(
            1, STORE, 1, lambda version: record(key, value), self.condition, self.now
        )  # fmt: skip
