"""Status and reports: whether a part of the server is ready, and what it has told of itself (OpenSIPS: status/report).

Facts:
- a module has a group, whose identifiers have a status each (positive: ready, negative: not; never 0), details for
  people, and their last reports; "main" is the identifier of a group that needs but one;
- groups and identifiers are made before the fork. What becomes of them stands in the shared table, for all processes;
- names are the same in any case; a group that is public belongs to the script, which may change it;
- a status that changes raises E_CORE_SR_STATUS_CHANGED.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from pysips.errors import SipError

from .log import log

if TYPE_CHECKING:
    from .events import Event
    from .services import Services

KIND: Final = b"s"  # of records in the shared table
EVENT: Final = "E_CORE_SR_STATUS_CHANGED"
PARAMETERS: Final = ("group", "identifier", "status", "details", "old_status")

MAIN: Final = "main"
ALL: Final = "all"
READY: Final = 1
NOT_READY: Final = -1
LONGEST: Final = 1000  # letters of a report and of details

# The core's own main identifier.
CORE: Final = "core"
TERMINATING: Final = -2
INITIALIZING: Final = -1
RUNNING: Final = 1
CORE_DETAILS: Final = {TERMINATING: "shutting down", INITIALIZING: "initializing", RUNNING: "running"}


class State(msgspec.Struct, array_like=True):
    """What an identifier is now. reports: when (Unix seconds) and what, oldest first."""

    status: int
    details: str = ""
    reports: list[tuple[int, str]] = []


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(State)


class Identifier:
    """One thing with a status. most: reports that are kept; live: tells status and details, if nobody sets them."""

    def __init__(self, group: "Group", name: str, first: State, most: int) -> None:
        self.group = group
        self.name = name
        self.first = first
        self.most = most
        self.live: Callable[[], tuple[int, str]] | None = None
        self.key = f"{group.name}\n{name}".lower().encode("utf-8", "surrogateescape")

    def state(self) -> State:
        """What it is now."""
        return self.lived(self.decoded(self.group.services.tables.get(KIND, self.key)))

    def decoded(self, data: bytes | None) -> State:
        return State(self.first.status, self.first.details) if data is None else _decoder.decode(data)

    def lived(self, state: State) -> State:
        if self.live is not None:
            state.status, state.details = self.live()
        return state

    def set(self, status: int, details: str = "") -> bool:
        """A new status; 0 counts as 1. False if there was no room to write it."""
        old = self.change(lambda state: changed(state, status or READY, details))
        if old is not None and old != (status or READY):
            self.tell(status or READY, details, old)
        return old is not None

    def tell(self, status: int, details: str, old: int) -> None:
        """Raise the event of another status."""
        event = self.group.event
        if event is not None and event.wanted():
            event(self.group.name, self.name, status, details, old)

    def report(self, text: str) -> bool:
        """One more report; the oldest goes if there are too many. False if there was no room to write it."""
        now = int(self.group.services.clock.time())
        return self.change(lambda state: reported(state, now, text, self.most)) is not None

    def change(self, work: Callable[[State], int]) -> int | None:
        """Change the record; what `work` answers, None if it could not be written."""
        transaction = self.group.services.tables.begin()
        try:
            state = self.decoded(transaction.get(KIND, self.key))
            answer = work(state)
            transaction.put(KIND, self.key, _encoder.encode(state))
            transaction.commit()
        except SipError:
            transaction.abort()
            log.warn("core:status", f"no room for the status of {self.group.name} {self.name}")
            return None
        except BaseException:
            transaction.abort()
            raise
        return answer


def changed(state: State, status: int, details: str) -> int:
    """Set status and details; what the status was."""
    old, state.status, state.details = state.status, status, printable(details)
    return old


def reported(state: State, when: int, text: str, most: int) -> int:
    """Add a report; how many there are."""
    state.reports = [*state.reports, (when, printable(text))][-most:] if most else []
    return len(state.reports)


def printable(text: str) -> str:
    """At most so long, and fit for msgpack."""
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode()


class Group:
    """A module's identifiers, the newest first, as OpenSIPS lists them."""

    def __init__(self, services: "Services", name: str, is_public: bool) -> None:
        self.services = services
        self.name = name
        self.is_public = is_public
        self.event: Event | None = None
        self.identifiers: dict[str, Identifier] = {}

    def add(self, name: str = MAIN, status: int = READY, details: str = "", most: int = 0) -> Identifier:
        """An identifier with its first status, and how many reports it keeps; the same one for the same name."""
        made = self.identifiers.get(name.lower())
        if made is None:
            made = Identifier(self, name, State(status, details), most)
            self.identifiers = {name.lower(): made, **self.identifiers}
        return made

    def find(self, name: str) -> Identifier | None:
        return self.identifiers.get((name or MAIN).lower())

    def check(self, name: str) -> State | None:
        """The state of an identifier ("": main), or of "all" together; None if there is none such."""
        if name.lower() == ALL:
            bad = [one for one in self.identifiers.values() if one.state().status < 0]
            return State(NOT_READY if bad else READY, "aggregated")
        found = self.find(name)
        return None if found is None else found.state()


class StatusReports:
    """All groups, the newest first. core_status: TERMINATING, INITIALIZING or RUNNING."""

    def __init__(self, services: "Services") -> None:
        self.services = services
        self.event: Event | None = None
        self.groups: dict[str, Group] = {}
        self.core_status: Callable[[], int] = lambda: INITIALIZING
        self.core = self.group(CORE).add(MAIN, INITIALIZING, most=10)
        self.core.live = self.core_state

    def core_state(self) -> tuple[int, str]:
        status = self.core_status()
        return status, CORE_DETAILS[status]

    def group(self, name: str, is_public: bool = False) -> Group:
        """A new group. Raises ValueError for a name that is taken, or is none."""
        key = name.lower()
        if not key or key in self.groups:
            raise ValueError(f'there is a status/report group "{name}" already' if key else "a group needs a name")
        made = Group(self.services, name, is_public)
        made.event = self.event
        self.groups = {key: made, **self.groups}
        return made

    def raise_by(self, event: "Event") -> None:
        """The event that tells of changes."""
        self.event = event
        for group in self.groups.values():
            group.event = event

    def find(self, name: str) -> Group | None:
        return self.groups.get(name.lower())
