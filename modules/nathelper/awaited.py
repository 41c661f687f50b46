"""Pings whose answers count: those of contacts with a latency or a remove-on-timeout flag (OpenSIPS: nh_table.c).

Facts:
- an answer in time or late clears what was lost before: somebody is there;
- a contact is here only while an answer is awaited, or after one was lost, until two intervals later;
- nothing here sends, and nothing here knows the time: it is an argument.
"""

from collections import deque
from typing import Final, final

from ..usrloc.api import Domain

TIMEOUT_LATENCY: Final = 1_800_000_000  # OpenSIPS' LATENCY_ON_TIMEOUT, microseconds


@final
class Awaited:
    """A contact that was pinged. sent: when, on the clock that only grows; at: in Unix seconds; lost: in a row."""

    __slots__ = ("aor", "at", "domain", "id", "is_awaited", "lost", "measures", "removes", "sent", "target")

    def __init__(self, domain: Domain, aor: str, id: int, target: str, measures: bool, removes: bool) -> None:
        self.domain: Domain = domain
        self.aor: str = aor
        self.id: int = id
        self.target: str = target
        self.measures: bool = measures
        self.removes: bool = removes
        self.sent: float = 0.0
        self.at: int = 0
        self.lost: int = 0
        self.is_awaited: bool = False


@final
class Waiting:
    """All of them. threshold: seconds an answer may take."""

    __slots__ = ("contacts", "queue", "threshold")

    def __init__(self, threshold: float) -> None:
        self.threshold: float = threshold
        self.contacts: dict[int, Awaited] = {}
        self.queue: deque[tuple[float, Awaited]] = deque()

    def sent(self, one: Awaited, now: float, at: int) -> None:
        """A ping went out; what this contact lost before counts only if it went to the same place."""
        known = self.contacts.get(one.id)
        if known is not None and known.target == one.target:
            one.lost = known.lost
        self.contacts[one.id] = one
        one.sent = now
        one.at = at
        one.is_awaited = True
        self.queue.append((now, one))

    def answered(self, id: int) -> Awaited | None:
        """An answer came; None if nobody waits for it."""
        one = self.contacts.pop(id, None)
        if one is not None:
            one.is_awaited = False
        return one

    def overdue(self, now: float) -> list[Awaited]:
        """The pings that were not answered in time, each once; their `lost` counts this one."""
        late = []
        queue = self.queue
        while queue and queue[0][0] + self.threshold <= now:
            _, one = queue.popleft()
            if not one.is_awaited:
                continue
            one.is_awaited = False
            if self.contacts.get(one.id) is not one:
                continue  # pinged again before this one's time was over
            if one.removes:
                one.lost += 1
            else:
                del self.contacts[one.id]
            late.append(one)
        return late

    def forget(self, id: int) -> None:
        """A contact is gone, or could not be pinged: nothing counts against it."""
        one = self.contacts.pop(id, None)
        if one is not None:
            one.is_awaited = False

    def forget_before(self, sent: float) -> None:
        """Contacts that were not pinged since then: they went away by themselves."""
        for one in [one for one in self.contacts.values() if one.sent < sent and not one.is_awaited]:
            del self.contacts[one.id]

    def clear(self) -> None:
        """Nobody is pinged any more: what is still awaited proves nothing."""
        for one in self.contacts.values():
            one.is_awaited = False
        self.contacts.clear()
        self.queue.clear()
