"""What all processes of one server share: made before the first fork, inherited, never changed.

Seats are numbered: workers by slot, then the attendant, then module processes. A seat's number is its row of counters
and its mailbox; who sits there may change, when a process dies.
"""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from pysips.core.program import Program

from .counters import Board
from .handover import Mailboxes
from .ownership import Ownership


@dataclass(slots=True)
class Seat:
    """A place for one process. slot: of a worker, else -1; title: for people (`ps`); sockets: one a SIP socket."""

    row: int
    slot: int
    title: str
    sockets: list[socket.socket] = field(default_factory=list)


@dataclass(slots=True)
class Server:
    """supervisor: its process id; started: unix seconds; folder: of this server's run-time files; lock: the
    descriptor that keeps it ours; lifeline: a pipe
    whose writing end the supervisor alone holds, so that its end tells the others of its death; root: what chroot
    made the root folder, or ""; edition: which script a new process begins with, see reload.py; spare: sockets that a
    server with more workers left when it restarted, each with the number of its SIP socket; keeps: the shared tables
    are that server's; lived: how many processes at most sat in one of its seats."""

    program: Program
    seats: list[Seat]
    workers: int
    board: Board
    boxes: Mailboxes
    owners: Ownership
    folder: Path
    lock: int
    lifeline: tuple[int, int]
    supervisor: int
    started: float
    root: str = ""
    edition: int = 0
    spare: list[tuple[int, socket.socket]] = field(default_factory=list)
    keeps: bool = False
    lived: int = 0

    def spare_of(self, slot: int) -> list[tuple[int, socket.socket]]:
        """Those of the spare sockets that one worker serves."""
        return self.spare[slot :: self.workers]
