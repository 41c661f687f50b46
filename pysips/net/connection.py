"""One stream connection: bytes in, messages out, and what waits to be written.

Facts:
- nothing here blocks: what the system does not take at once waits in a queue of at most `chunks` messages; a peer that
  never reads is dropped when it is full, when it takes nothing for `write_seconds`, or when too much waits for all
  connections together; everybody else is served meanwhile;
- a peer that vanished without a word is noticed by the kernel: what was sent has TCP_USER_TIMEOUT to be acknowledged;
- a message has `message_seconds` from its first byte to its last, however steadily it drips (slowloris), and may come
  in at most `pieces` pieces;
- a connection without traffic ends after `idle_seconds`, or later if somebody asked to keep it (`keep_until`);
- where the length of a message cannot be known, the answer is 400 and the end: one never guesses on a stream
  (RFC 3261 section 18.3);
- CRLF CRLF between messages is a keep-alive, answered by one CRLF (RFC 5626 section 4.4.1).
"""

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, final

from pysips.core.log import log
from pysips.core.services import FAILED, PENDING, SENT, Peer, Socket, Timer, Watcher
from pysips.errors import SipError
from pysips.sip import build
from pysips.sip.message import read
from pysips.sip.stream import PING, Framer, Unframed

from .endpoint import broken_by

if TYPE_CHECKING:
    from .tcp import Tcp

CONNECTING: Final = 0
OPEN: Final = 1
CLOSED: Final = 2

PIECE: Final = 65_536
MOST_QUEUED: Final = 4 << 20


@final
class Connection(Timer):
    """id: unique over all workers, with the worker's slot in it; host, port: the peer's; where: our socket.

    opened_by_us: we connected; keep_until: not to be ended for idleness before that time (seconds of the clock);
    opened: when it began; moved: when the peer last took something of what waits.
    """

    __slots__ = (
        "began", "framer", "host", "id", "idle_since", "keep_until", "keys", "moved", "opened", "opened_by_us",
        "pieces", "port", "queue", "queued", "sock", "state", "tcp", "where", "writing",
    )  # fmt: skip

    def __init__(
        self, tcp: "Tcp", id: int, sock: socket.socket, where: Socket, host: str, port: int, opened_by_us: bool
    ) -> None:
        super().__init__()
        self.tcp = tcp
        self.id = id
        self.sock = sock
        self.where = where
        self.host = host
        self.port = port
        self.opened_by_us = opened_by_us
        self.state = CONNECTING if opened_by_us else OPEN
        self.framer = Framer(tcp.settings.largest, tcp.settings.largest)
        self.queue: deque[tuple[bytes, Watcher | None]] = deque()
        self.queued = 0
        self.writing = False
        self.began = 0.0  # when the message that is not whole yet began
        self.pieces = 0
        self.opened = self.moved = self.idle_since = tcp.clock.now()
        self.keep_until = 0.0
        self.keys: list[tuple[str, int]] = []

    def __repr__(self) -> str:
        return f"{self.where.proto}:{self.host}:{self.port}"

    # -- in

    def readable(self) -> None:
        """The system has bytes for us, or the end."""
        try:
            data = self.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError as problem:
            self.end(broken_by(problem), broken=True)
            return
        if not data:
            self.end("the peer closed it")
            return
        self.idle_since = self.tcp.clock.now()
        try:
            self.received(self.framer.feed(data))
        except Unframed as problem:
            self.received(problem.items)
            self.refuse(problem)
        if self.state != CLOSED and self.framer.waiting:
            self.await_rest()

    def received(self, items: list[bytes]) -> None:
        """Whole messages, and keep-alives."""
        for item in items:
            self.pieces = 0
            self.began = 0.0
            if item is PING:
                self.tcp.pinged(self)
            else:
                self.tcp.arrived(self, item)
            if self.state == CLOSED:
                return

    def await_rest(self) -> None:
        """A message is not whole yet: it has so many pieces and so much time."""
        settings = self.tcp.settings
        self.pieces += 1
        if self.pieces >= settings.pieces:
            self.end(f"a message in more than {settings.pieces} pieces (tcp_max_msg_chunks)")
        elif not self.began:
            self.began = self.idle_since
            self.tcp.timers.add(self, settings.message_seconds)

    def refuse(self, problem: Unframed) -> None:
        """The end of this message cannot be known: say so if it can be read, and close."""
        if self.state == CLOSED:
            return
        if log.limited("tcp:refuse", 1.0):
            log.warn("tcp", f"from {self}: {problem.reason}")
        answer = refusal(problem)
        if answer:
            self.send(answer, None)
        self.end(problem.reason)

    def peer(self) -> Peer:
        return Peer(self.where.proto, self.host, self.port, self.where, self.id)

    # -- out

    def send(self, data: bytes, watcher: Watcher | None) -> int:
        """Send, or queue: SENT, PENDING (the watcher hears if it fails) or FAILED."""
        if self.state == CLOSED:
            return FAILED
        self.idle_since = self.tcp.clock.now()
        if self.state == CONNECTING or self.queue:
            return self.enqueue(data, watcher)
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as problem:
            self.end(broken_by(problem), broken=True)
            return FAILED
        if sent == len(data):
            return SENT
        return self.enqueue(data[sent:], watcher)

    def enqueue(self, data: bytes, watcher: Watcher | None) -> int:
        settings = self.tcp.settings
        tcp = self.tcp
        too_much = self.queued + len(data) > MOST_QUEUED or tcp.queued + len(data) > settings.most_queued
        if len(self.queue) >= settings.chunks or too_much:
            self.end("the peer does not read what we send")
            return FAILED
        self.queue.append((data, watcher))
        self.queued += len(data)
        tcp.queued += len(data)
        if self.state == OPEN and not self.writing:
            self.writing = True
            self.moved = self.idle_since
            tcp.loop.add_writer(self.sock.fileno(), self.writable)
            tcp.timers.add(self, settings.write_seconds)
        return PENDING

    def writable(self) -> None:
        """The system takes more, or our connect has ended."""
        if self.state == CONNECTING:
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self.end(os.strerror(number))
                return
            self.tcp.connected(self)
        queue = self.queue
        while queue:
            data, watcher = queue[0]
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                return
            except OSError as problem:
                self.end(broken_by(problem), broken=True)
                return
            self.queued -= sent
            self.tcp.queued -= sent
            self.moved = self.tcp.clock.now()
            if sent < len(data):
                queue[0] = (data[sent:], watcher)
                return
            queue.popleft()
        if self.writing:
            self.writing = False
            self.tcp.loop.remove_writer(self.sock.fileno())

    # -- time

    def fire(self) -> None:
        """A limit may be over; if not, look again when the next one would be."""
        settings = self.tcp.settings
        now = self.tcp.clock.now()
        limits = [(max(self.idle_since + settings.idle_seconds, self.keep_until), "nothing came or went")]
        if self.state == CONNECTING:
            limits = [(self.opened + settings.connect_seconds, "the peer did not answer")]
        if self.began:
            limits.append((self.began + settings.message_seconds, "a message took too long (tcp_max_msg_time)"))
        if self.writing:
            limits.append((self.moved + settings.write_seconds, "the peer does not read what we send"))
        due, why = min(limits)
        if due <= now:
            self.end(why)
        else:
            self.tcp.timers.add(self, due - now)

    # -- the end

    def end(self, why: str, broken: bool = False) -> None:
        """Close; whoever's bytes did not go out hears of it. broken: what is unanswered stays so."""
        if self.state == CLOSED:
            return
        was = self.state
        self.state = CLOSED
        self.due = 0
        log.debug("tcp", f"connection {self} ends: {why}")
        self.tcp.queued -= self.queued
        self.queued = 0
        self.tcp.ended(self, was, why)
        waiting, self.queue = self.queue, deque()
        for _, watcher in waiting:
            if watcher is not None:
                watcher.send_failed()
        if broken and was == OPEN:
            self.tcp.lost(self)


def refusal(problem: Unframed) -> bytes:
    """The answer to a request whose end cannot be known; empty if it is no request that can be answered."""
    if not problem.head:
        return b""
    try:
        message = read(problem.head)
        message.top_via()
        if message.status or message.method == "ACK":
            return b""
        text = build.reply(message, problem.status, problem.reason, "refused")
    except SipError:
        return b""
    return text.encode("utf-8", "surrogateescape")
