"""Datagrams, connections' bytes and commands between processes.

Facts:
- each seat (workers by slot, then the attendant and module processes) has one pair of SOCK_SEQPACKET sockets, made by
  the supervisor and inherited: everybody may write into it, the seat alone reads; what is queued survives its death;
- frames for one seat are collected and go out as one packet when a round of the loop ends: 2.3 µs of CPU for both
  sides in groups, 9 one by one;
- a full queue keeps what it has and tries again in the next round; beyond the limits below messages are dropped and
  counted (SIP sends them again), and commands fail;
- a question (`send`, `ask`) has an answer or a time limit, never neither.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, final

from pysips.core.log import log
from pysips.core.services import PENDING, Peer, Promise, Receiver, Socket, Timer, Timers, Watcher
from pysips.core.stats import Counter
from pysips.net.endpoint import widen

PACKET: Final = 60_000  # frames are joined up to this size; one frame alone may be larger
LARGEST: Final = 160_000  # a packet, at most: the kernel's default send buffer is 212,992
BUFFER: Final = 4 << 20
MOST_MESSAGES: Final = 4 << 20  # bytes that may wait for a seat, before messages are dropped
MOST_ANSWERS: Final = 32 << 20  # and before answers are
AT_ONCE: Final = 32  # packets read in one go
AT_ONCE_BYTES: Final = 64 << 10  # and bytes: behind a replacement's backlog its sockets and timers would wait too long
# On a busy machine a sibling may answer late, and what it then sends would be taken for failed. One that died is
# replaced within this time, and its successor says that the connection is gone.
SEND_SECONDS: Final = 1.0

# size of the frame, kind, and three numbers whose meaning depends on it
HEAD: Final = struct.Struct("<IBHIQ")
MESSAGE: Final = 1  # socket's index, peer's port, connection; host's length, host, message
SEND: Final = 2  # asking seat, number (0: no answer wanted), connection; bytes
SENT_OR_NOT: Final = 3  # 1 or 0, number, –
COMMAND: Final = 4  # asking seat, number, 1 if more follows; a piece of text
ANSWER: Final = 5  # –, number, 1 if more follows; a piece of text
CLOSE: Final = 6  # –, –, connection
KEEP: Final = 7  # –, seconds, connection
ALIAS: Final = 8  # –, port, connection
GONE: Final = 9  # –, port, –; transport and host
EVENT: Final = 10  # sending seat, number, 1 if more follows; a piece of text


class Mailboxes:
    """The pairs of sockets, one for each seat. Made by the supervisor before the first fork."""

    def __init__(self, seats: int) -> None:
        self.readers: list[socket.socket] = []
        self.writers: list[socket.socket] = []
        for _ in range(seats):
            reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for one in (reader, writer):
                one.setblocking(False)
                widen(one, BUFFER)
            self.readers.append(reader)
            self.writers.append(writer)


class Connections(Protocol):
    """Whoever has this process's stream connections."""

    def send_on(self, connection: int, data: bytes) -> bool:
        """Send for a sibling; False if the connection is not there or takes no more."""

    def close(self, connection: int) -> bool: ...

    def keep(self, connection: int, seconds: int) -> None: ...

    def alias(self, connection: int, port: int) -> bool: ...


Answered = Callable[[str], None]
Commands = Callable[[str, Answered], None]  # the command's text, and whom to give the answer


@final
class Asked(Timer):
    """A question on its way: its limit, and who wants to know."""

    __slots__ = ("done", "number", "pieces", "promise", "seat", "watcher")

    def __init__(self, number: int, seat: int, done: "Handover", watcher: Watcher | None, promise: Promise | None):
        super().__init__()
        self.number = number
        self.seat = seat
        self.done = done
        self.watcher = watcher
        self.promise = promise
        self.pieces: list[bytes] = []

    def fire(self) -> None:
        """Nobody answered in time."""
        self.done.asked.pop(self.number, None)
        self.end(False)

    def end(self, well: bool) -> None:
        self.due = 0
        if self.promise is not None:
            self.promise.complete(b"".join(self.pieces).decode("utf-8", "surrogateescape") if well else None)
        elif not well and self.watcher is not None:
            self.watcher.send_failed()


class Outbox:
    """What waits for one seat: frames of this round, and packets that found its queue full."""

    def __init__(self, writer: socket.socket) -> None:
        self.writer = writer
        self.frames: list[bytes] = []
        self.size = 0
        self.packets: deque[bytes] = deque()
        self.held = 0

    def add(self, frame: bytes) -> None:
        if self.size + len(frame) > PACKET and self.frames:
            self.pack()
        self.frames.append(frame)
        self.size += len(frame)

    def pack(self) -> None:
        packet = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        self.held += self.size
        self.size = 0
        self.packets.append(packet)

    def flush(self) -> bool:
        """Send what can be sent; True if nothing is left."""
        if self.frames:
            self.pack()
        packets = self.packets
        while packets:
            try:
                self.writer.send(packets[0])
            except BlockingIOError:
                return False
            except OSError:  # too large for this system's buffers: it would never go
                log.error("handover", f"a packet of {len(packets[0])} bytes for a sibling could not be sent")
            self.held -= len(packets.popleft())
        return True


class Handover:
    """This process's end of it. receiver: takes messages; connections, commands: see their types; may be None."""

    def __init__(
        self, boxes: Mailboxes, seat: int, sockets: list[Socket], timers: Timers, dropped: Counter
    ) -> None:  # fmt: skip
        self.reader = boxes.readers[seat]
        self.seat = seat
        self.sockets = sockets
        self.timers = timers
        self.dropped = dropped
        self.outboxes = [Outbox(writer) for writer in boxes.writers]
        self.waiting: set[int] = set()  # seats for which something is to be flushed
        self.asked: dict[int, Asked] = {}
        self.coming: dict[tuple[int, int], list[bytes]] = {}  # pieces of commands, by seat and number
        self.numbers = 0
        self.buffer = bytearray(LARGEST + 4096)
        self.view = memoryview(self.buffer)
        self.receiver: Receiver | None = None
        self.connections: Connections | None = None
        self.commands: Commands | None = None
        self.events: Answered | None = None

    # -- out

    def message(self, seat: int, data: bytes, peer: Peer) -> None:
        """Hand on a message that is `seat`'s."""
        host = peer.host.encode()
        body = bytes((len(host),)) + host + data
        self.put(seat, MESSAGE, peer.socket.index, peer.port, peer.connection, body, MOST_MESSAGES)

    def send(self, seat: int, connection: int, data: bytes, watcher: Watcher | None) -> int:
        """Send on a connection that `seat` has; the watcher hears if that fails, or nobody answers in a second."""
        number = 0
        if watcher is not None:
            number = self.ask_something(seat, watcher, None, SEND_SECONDS)
        self.put(seat, SEND, self.seat, number, connection, data, MOST_MESSAGES)
        return PENDING

    def close_at(self, seat: int, connection: int) -> None:
        """Close a connection that `seat` has."""
        self.put(seat, CLOSE, 0, 0, connection, b"", MOST_ANSWERS)

    def keep_at(self, seat: int, connection: int, seconds: int) -> None:
        """Keep a connection that `seat` has, for at least so many seconds."""
        self.put(seat, KEEP, 0, min(seconds, 0xFFFFFFFF), connection, b"", MOST_ANSWERS)

    def alias_at(self, seat: int, connection: int, port: int) -> None:
        """Let a connection that `seat` has be found by this port of its peer."""
        self.put(seat, ALIAS, 0, port, connection, b"", MOST_ANSWERS)

    def gone(self, proto: str, host: str, port: int) -> None:
        """Tell all siblings that a connection broke (that of whoever sat here before, too), or nobody listens there."""
        for seat in range(len(self.outboxes)):
            if seat != self.seat:
                self.put(seat, GONE, 0, port, 0, f"{proto} {host}".encode(), MOST_ANSWERS)

    def ask(self, seat: int, command: str, seconds: float) -> Promise:
        """A management command to one process; the promise brings its answer's text, None if there was none in time."""
        promise = Promise()
        number = self.ask_something(seat, None, promise, seconds)
        self.put_text(seat, COMMAND, self.seat, number, command)
        return promise

    def event(self, seat: int, text: str) -> None:
        """Bring an event to the process where event routes run."""
        self.numbers = number = self.numbers % 0xFFFFFFFF + 1
        self.put_text(seat, EVENT, self.seat, number, text)

    def ask_something(self, seat: int, watcher: Watcher | None, promise: Promise | None, seconds: float) -> int:
        self.numbers = number = self.numbers % 0xFFFFFFFF + 1
        one = Asked(number, seat, self, watcher, promise)
        self.asked[number] = one
        self.timers.add(one, seconds)
        return number

    def put_text(self, seat: int, kind: int, first: int, number: int, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        for at in range(0, max(len(data), 1), PACKET):
            piece = data[at : at + PACKET]
            self.put(seat, kind, first, number, 1 if at + PACKET < len(data) else 0, piece, MOST_ANSWERS)

    def put(self, seat: int, kind: int, first: int, second: int, third: int, body: bytes, most: int) -> None:
        """One frame into a seat's outbox, unless too much waits there already."""
        box = self.outboxes[seat]
        if box.held > most or len(body) > LARGEST - HEAD.size:
            self.dropped.inc()
            if log.limited("handover:full", 1.0):
                log.warn("handover", f"process {seat} does not keep up: messages for it are dropped")
            return
        box.add(HEAD.pack(HEAD.size + len(body), kind, first, second, third) + body)
        self.waiting.add(seat)

    def flush(self) -> None:
        """The round is over: let everything go out."""
        if self.waiting:
            self.waiting = {seat for seat in self.waiting if not self.outboxes[seat].flush()}

    # -- in

    def fileno(self) -> int:
        return self.reader.fileno()

    def errors(self) -> None:
        """A pair of sockets has no error queue."""

    def take(self) -> None:
        """Read what siblings wrote."""
        taken = 0
        for _ in range(AT_ONCE):
            try:
                size = self.reader.recv_into(self.buffer)
            except BlockingIOError:
                return
            self.unpack(size)
            taken += size
            if taken >= AT_ONCE_BYTES:
                return

    def unpack(self, size: int) -> None:
        at = 0
        while at + HEAD.size <= size:
            length, kind, first, second, third = HEAD.unpack_from(self.buffer, at)
            body = bytes(self.view[at + HEAD.size : at + length])
            at += length
            try:
                self.frame(kind, first, second, third, body)
            except Exception:
                if log.limited("handover:frame", 1.0):
                    log.failure("handover", "what a sibling sent was not handled")

    def frame(self, kind: int, first: int, second: int, third: int, body: bytes) -> None:
        if kind == MESSAGE:
            if self.receiver is not None:
                where = self.sockets[first]
                end = 1 + body[0]
                self.receiver.handed(body[end:], Peer(where.proto, body[1:end].decode(), second, where, third))
        elif kind == SEND:
            sent = self.connections is not None and self.connections.send_on(third, body)
            if second:
                self.put(first, SENT_OR_NOT, int(sent), second, 0, b"", MOST_ANSWERS)
        elif kind == SENT_OR_NOT:
            self.answered(second, bool(first))
        elif kind == ANSWER:
            self.answer_piece(second, third, body)
        elif kind == COMMAND:
            self.command_piece(first, second, third, body)
        elif kind == EVENT:
            text = self.whole(first, second, third, body)
            if text is not None and self.events is not None:
                self.events(text)
        elif kind == CLOSE and self.connections is not None:
            self.connections.close(third)
        elif kind == KEEP and self.connections is not None:
            self.connections.keep(third, second)
        elif kind == GONE:
            if self.receiver is not None:
                proto, _, host = body.decode().partition(" ")
                self.receiver.unreachable(proto, host, second)
        elif kind == ALIAS and self.connections is not None:
            self.connections.alias(third, second)

    def answered(self, number: int, well: bool) -> None:
        one = self.asked.pop(number, None)
        if one is not None:
            one.end(well)

    def answer_piece(self, number: int, more: int, body: bytes) -> None:
        one = self.asked.get(number)
        if one is not None:
            one.pieces.append(body)
            if not more:
                self.answered(number, True)

    def command_piece(self, seat: int, number: int, more: int, body: bytes) -> None:
        text = self.whole(seat, number, more, body)
        if text is not None and self.commands is not None:
            self.commands(text, lambda answer: self.put_text(seat, ANSWER, 0, number, answer))

    def whole(self, seat: int, number: int, more: int, body: bytes) -> str | None:
        """A text whose last piece has come, None before that."""
        pieces = self.coming.setdefault((seat, number), [])
        pieces.append(body)
        if more:
            return None
        del self.coming[seat, number]
        return b"".join(pieces).decode("utf-8", "surrogateescape")
