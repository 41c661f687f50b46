"""Who sees whom: the directed lists of neighbours that nodes tell each other, and the ways through them.

Facts (bin-protocol: LS_UPDATE, FULL_TOP_UPDATE, CAP_UPDATE):
- an edge counts if both its ends list it; a node with which we have a link of our own is reached directly;
- updates are numbered by their source, each kind by itself, from 0, with the time of its start: a number that was
  seen is dropped, number 0 with a new time is a node that was started anew.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, final

LONGEST_PATH: Final = 25  # a longer one is not passed on
NEVER: Final = -1


@final
class Seen:
    """The number and time of the last update of one kind from one source."""

    __slots__ = ("seq", "time")

    def __init__(self) -> None:
        self.seq = NEVER
        self.time = 0

    def is_new(self, seq: int, time: int) -> bool:
        """Whether this update is newer than what was seen."""
        if seq == 0:
            return time != self.time and (time > self.time or self.seq != 0)
        return seq > self.seq

    def take(self, seq: int, time: int) -> bool:
        """The same, and it counts as seen from now on."""
        if not self.is_new(seq, time):
            return False
        self.seq, self.time = seq, time
        return True


@final
class Topology:
    """The lists of neighbours of all nodes of one cluster, our own among them."""

    __slots__ = ("lists", "own_id")

    def __init__(self, own_id: int) -> None:
        self.own_id = own_id
        self.lists: dict[int, list[int]] = {own_id: []}

    def neighbours(self, node_id: int) -> list[int]:
        return self.lists.setdefault(node_id, [])

    def connect(self, one: int, other: int) -> None:
        """`one` says that it sees `other`."""
        if other not in self.neighbours(one):
            self.lists[one].append(other)

    def cut(self, one: int, other: int) -> None:
        """`one` says that it does not see `other` any more."""
        if other in self.neighbours(one):
            self.lists[one].remove(other)

    def replace(self, node_id: int, neighbours: Iterable[int]) -> None:
        """A node's whole list."""
        self.lists[node_id] = [one for one in dict.fromkeys(neighbours) if one != node_id]

    def forget(self, node_id: int) -> None:
        """The node is no more in the cluster."""
        self.lists.pop(node_id, None)
        for other in self.lists:
            self.cut(other, node_id)

    def are_linked(self, one: int, other: int) -> bool:
        return other in self.lists.get(one, ()) and one in self.lists.get(other, ())

    def next_hop(self, to: int, usable: Callable[[int], bool], rank: Callable[[int], tuple[int, int]]) -> int | None:
        """The first node on the shortest way, None if there is none; of equal ways the one through lower ranks.

        usable: whether a node may be passed through or reached; rank: its priority and id.
        """
        if not usable(to):
            return None
        own = self.lists[self.own_id]
        if to in own:
            return to
        first = {one: one for one in sorted(own, key=rank) if usable(one)}
        queue = deque(first)
        while queue:
            here = queue.popleft()
            for there in sorted(self.lists.get(here, ()), key=rank):
                if there == self.own_id or there in first or not usable(there) or not self.are_linked(here, there):
                    continue
                first[there] = first[here]
                if there == to:
                    return first[there]
                queue.append(there)
        return None


def further(path: list[int], own_id: int, neighbours: Iterable[int]) -> list[int]:
    """To whom a flooded update goes on: our neighbours that have not had it; nobody if it came too far."""
    if len(path) > LONGEST_PATH or own_id in path:
        return []
    return [one for one in neighbours if one not in path]
