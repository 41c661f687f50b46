"""One connection between two nodes: packets in, and what waits to be written.

Facts:
- nothing here blocks: what the system does not take at once waits in a queue of so many packets and bytes; a peer that
  takes nothing for `write_seconds` while something waits is given up, and everybody else is served meanwhile;
- a packet has `packet_seconds` from its first byte to its last, and may come in at most `pieces` pieces;
- a connection without traffic ends after `idle_seconds`; the next packet opens another;
- where no packet begins, nothing can be found again on the stream: it is closed.
"""

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, final

from pysips.core.bin_interface import BadStream, Framer, Packet
from pysips.core.bin_transport import Failed
from pysips.core.log import log
from pysips.core.services import Timer
from pysips.sip.via import bracketed

from .endpoint import broken_by

if TYPE_CHECKING:
    from .bin import Bin

CONNECTING: Final = 0
OPEN: Final = 1
CLOSED: Final = 2
PIECE: Final = 65_536


@final
class BinLink(Timer):
    """host, port: the peer's; source: our address, if we opened it, else empty."""

    __slots__ = (
        "began", "framer", "host", "idle_since", "moved", "opened", "owner", "pieces", "port", "queue", "queued",
        "sock", "source", "state", "writing",
    )  # fmt: skip

    def __init__(self, owner: "Bin", sock: socket.socket, host: str, port: int, source: str) -> None:
        super().__init__()
        self.owner = owner
        self.sock = sock
        self.host = host
        self.port = port
        self.source = source
        self.state = CONNECTING if source else OPEN
        self.framer = Framer()
        self.queue: deque[tuple[bytes, Failed | None]] = deque()
        self.queued = 0
        self.writing = False
        self.pieces = 0
        self.began = 0.0  # when the packet that is not whole yet began
        self.opened = self.idle_since = owner.clock.now()
        self.moved = self.idle_since  # when the peer last took something of what waits

    def __repr__(self) -> str:
        return f"bin:{bracketed(self.host)}:{self.port}"

    # -- in

    def readable(self) -> None:
        """The system has bytes for us, or the end."""
        try:
            data = self.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError as problem:
            self.end(broken_by(problem))
            return
        if not data:
            self.end("the peer closed it")
            return
        self.idle_since = self.owner.clock.now()
        try:
            self.received(self.framer.feed(data))
        except BadStream as problem:
            self.received(problem.packets)
            if log.limited(f"bin:{self.host}", 10.0):
                log.warn("bin", f"from {self}: {problem}; the connection is closed")
            self.end(str(problem))
        if self.state != CLOSED and self.framer.waiting:
            self.await_rest()

    def received(self, packets: list[Packet]) -> None:
        """Whole packets. No fault of ours with one ends the connection."""
        if packets:
            self.pieces, self.began = 0, 0.0
        for packet in packets:
            if self.state == CLOSED:
                return
            self.owner.arrived(self, packet)

    def await_rest(self) -> None:
        """A packet is not whole yet: it has so many pieces and so much time."""
        settings = self.owner.settings
        self.pieces += 1
        if self.pieces >= settings.pieces:
            self.end(f"a packet in more than {settings.pieces} pieces (bin_max_msg_chunks)")
        elif not self.began:
            self.began = self.idle_since
            self.watch()

    # -- out

    def send(self, data: bytes, failed: Failed | None) -> None:
        """Send, or let it wait; whoever's packet does not go out hears of it later."""
        settings = self.owner.settings
        self.idle_since = self.owner.clock.now()
        if len(self.queue) >= settings.packets or self.queued + len(data) > settings.largest_queue:
            self.end("the peer does not read what we send")
            self.owner.report(failed)
            return
        if not self.queue:
            self.moved = self.idle_since
        self.queue.append((data, failed))
        self.queued += len(data)
        if self.state == OPEN and not self.writing:
            self.flush()

    def writable(self) -> None:
        """The system takes more, or our connect has ended."""
        if self.state == CONNECTING:
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self.end(os.strerror(number))
                return
            self.state = OPEN
            self.writing = True
            self.idle_since = self.moved = self.owner.clock.now()
            self.owner.loop.add_reader(self.sock.fileno(), self.readable)
            self.watch()
        self.flush()

    def flush(self) -> None:
        """Give the system what it takes."""
        queue = self.queue
        while queue:
            data, failed = queue[0]
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                break
            except OSError as problem:
                self.end(broken_by(problem))
                return
            self.queued -= sent
            self.moved = self.owner.clock.now()
            if sent < len(data):
                queue[0] = (data[sent:], failed)
                break
            queue.popleft()
        if bool(queue) != self.writing:
            self.writing = bool(queue)
            if self.writing:
                self.owner.loop.add_writer(self.sock.fileno(), self.writable)
                self.watch()
            else:
                self.owner.loop.remove_writer(self.sock.fileno())

    # -- time

    def limits(self) -> list[tuple[float, str]]:
        """When this connection is to end, and why; in seconds of the clock."""
        settings = self.owner.settings
        if self.state == CONNECTING:
            return [(self.opened + settings.connect_seconds, "the peer did not answer")]
        found = [(self.idle_since + settings.idle_seconds, "nothing came or went")]
        if self.began:
            found.append((self.began + settings.packet_seconds, "a packet took too long (tcp_max_msg_time)"))
        if self.queue:
            found.append((self.moved + settings.write_seconds, "the peer does not read what we send"))
        return found

    def watch(self) -> None:
        """Look again when the next limit would be over."""
        due, _ = min(self.limits())
        self.owner.timers.add(self, max(due - self.owner.clock.now(), 0.0))

    def fire(self) -> None:
        due, why = min(self.limits())
        if due <= self.owner.clock.now():
            self.end(why)
        else:
            self.watch()

    # -- the end

    def end(self, why: str, wanted: bool = False) -> None:
        """Close; whoever's packet did not go out hears of it. wanted: we do so of our own accord."""
        if self.state == CLOSED:
            return
        was, self.state = self.state, CLOSED
        self.due = 0
        log.debug("bin", f"connection {self} ends: {why}")
        self.owner.ended(self, was == CONNECTING and not wanted, why)
        waiting, self.queue = self.queue, deque()
        self.queued = 0
        for _, failed in waiting:
            self.owner.report(failed)
