"""A worker that is silent has its datagrams taken by a sibling, until it answers or was replaced.

Facts:
- the kernel gives all datagrams of one peer to the socket of one slot: a worker that is stopped would hold up what its
  peers send for everybody's calls until the supervisor replaces it, and callers would meet their timers;
- every worker inherited the sockets of all slots, and any number of processes may read one socket: each datagram is
  read by one of them. So standing in for somebody who was only slow harms nothing;
- it is the next slot that is awake that stands in, and no other, so that the messages of a call keep their order;
- calls of the silent worker itself wait in its mailbox for the replacement: only the owner has their transactions.
"""

from collections.abc import Sequence
from typing import Final

from pysips.core.log import log
from pysips.core.services import Clock

from .counters import BEAT, RUNNING, STATE, Board
from .loop import Selector, Served

PATIENCE: Final = 1.0  # seconds without a heartbeat; five are due meanwhile


class Sibling:
    """Another worker as we see it. sockets: its datagram sockets; since: when its heartbeat was last seen to move."""

    def __init__(self, slot: int, sockets: Sequence[Served], now: float) -> None:
        self.slot = slot
        self.sockets = sockets
        self.beat = 0
        self.since = now
        self.silent = False
        self.served = False


class StandIn:
    """What one worker does for silent siblings. slot: its own; sockets: the datagram sockets of each slot."""

    def __init__(
        self, board: Board, selector: Selector, clock: Clock, slot: int, sockets: Sequence[Sequence[Served]]
    ) -> None:  # fmt: skip
        self.board = board
        self.selector = selector
        self.clock = clock
        self.slot = slot
        self.slots = len(sockets)
        now = clock.now()
        self.siblings = {other: Sibling(other, sockets[other], now) for other in range(self.slots) if other != slot}

    def look(self) -> None:
        """Look who is silent, and begin or end to stand in. To be called about once a heartbeat."""
        now = self.clock.now()
        for one in self.siblings.values():
            self.listen_to(one, now)
        for one in self.siblings.values():
            wanted = one.silent and self.next_awake(one.slot) == self.slot
            if wanted != one.served:
                self.serve(one, wanted)

    def listen_to(self, one: Sibling, now: float) -> None:
        """Its heart beats, or has not for too long. A replacement answers once it runs, not when it was forked."""
        own = self.board.own(one.slot)
        if own[BEAT] != one.beat:
            one.beat, one.since = own[BEAT], now
            if own[STATE] >= RUNNING:
                one.silent = False
        elif now - one.since >= PATIENCE:
            one.silent = True

    def next_awake(self, slot: int) -> int:
        """The first slot after this one whose worker is not silent; ours, if there is no other."""
        for step in range(1, self.slots):
            other = (slot + step) % self.slots
            if other == self.slot or not self.siblings[other].silent:
                return other
        return self.slot

    def serve(self, one: Sibling, wanted: bool) -> None:
        one.served = wanted
        for socket in one.sockets:
            if wanted:
                self.selector.serve(socket)
            else:
                self.selector.leave(socket)
        if wanted:
            log.warn("worker", f"SIP receiver {one.slot} is silent: receiver {self.slot} takes its datagrams")

    def end(self) -> None:
        """Take no more."""
        for one in self.siblings.values():
            if one.served:
                self.serve(one, False)
