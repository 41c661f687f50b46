"""Anything may happen to nodes and cables: when it is over, all see each other and have the same."""

import random

import pytest

from pysips.modules.clusterer.api import Event
from pysips.modules.clusterer.mirror import View
from tests.modules.clusterer.fabric import Fabric, Store


class Chaos:
    """A fabric to which a die says what happens. Whole nodes die in pairs only: a third one, that starts with what one
    donor has, may miss what that donor still misses itself."""

    def __init__(self, seed: int, nodes: int) -> None:
        self.dice = random.Random(seed)
        self.more = ["kill"] if nodes == 2 else []
        ids = tuple(range(1, nodes + 1))
        self.fabric = Fabric(*ids, seeds=(1,))
        self.fabric.run(8)
        self.kept: dict[int, tuple[View | None, Store]] = {}
        self.number = 0

    def step(self) -> None:
        fabric, dice = self.fabric, self.dice
        one, other = dice.sample(fabric.ids, 2)
        what = dice.choice(["put", "put", "put", "cut", "mend", "attendant", "start", "freeze", "thaw", *self.more])
        if what == "put" and one in fabric.machines and one not in fabric.frozen:
            self.number += 1
            fabric.put(one, f"{one}-{self.number}", "x")
        elif what == "cut":
            fabric.cut(one, other)
        elif what == "mend":
            fabric.mend(one, other)
        elif what in ("kill", "attendant") and one in fabric.machines:
            fabric.flush(one)
            view = fabric.machines[one].view() if what == "attendant" else None
            self.kept[one] = (view, fabric.stores[one])
            fabric.kill(one)
            fabric.frozen.discard(one)
        elif what == "start":
            self.start_all()
        elif what == "freeze":
            fabric.frozen.add(one)
        elif what == "thaw":
            fabric.frozen.discard(one)

    def start_all(self) -> None:
        for node_id, (view, store) in sorted(self.kept.items()):
            self.fabric.start(node_id, before=view, store=store)
        self.kept.clear()

    def end(self) -> None:
        self.start_all()
        for pair in list(self.fabric.cuts):
            self.fabric.mend(*pair)
        self.fabric.frozen.clear()
        self.fabric.run(130)


@pytest.mark.parametrize("nodes", [2, 4])
@pytest.mark.parametrize("seed", range(25))
def test_when_it_is_over_all_is_well(seed: int, nodes: int) -> None:
    chaos = Chaos(seed, nodes)
    for _ in range(40):
        chaos.step()
        chaos.fabric.run(chaos.dice.choice([0.1, 0.5, 2.0, 6.0]))
    chaos.end()
    fabric = chaos.fabric
    everybody = set(fabric.ids)
    assert all(fabric.up(one) == everybody - {one} for one in fabric.ids)
    assert all(fabric.synced(one) for one in fabric.ids)
    records = [fabric.stores[one].records for one in fabric.ids]
    assert all(one == records[0] for one in records), [len(one) for one in records]
    done = [fabric.stores[one].times(Event.SYNC_DONE) for one in fabric.ids]
    fabric.run(60)
    assert [fabric.stores[one].times(Event.SYNC_DONE) for one in fabric.ids] == done
