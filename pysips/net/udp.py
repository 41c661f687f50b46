"""Datagrams: one UDP socket of one worker.

Facts:
- `take()` serves what is there and sends what that led to when all of it is served: whoever is sent something wakes up,
  often on the core where we run, and what is left to do after that begins with cold caches. With answers sent one by
  one a REGISTER of a group of ten cost 12 to 20 % more, a call 7 %;
- a script that takes long does not make the answers before it wait: what is held back for longer than LONGEST goes out
  before the next datagram is served;
- only what goes to a peer to which a send went well before is held back so: what the system refuses is known at once
  the first time, and later told as if the network had said it;
- a receive or a send may raise an error that belongs to a datagram sent earlier, to somebody else: it is looked up in
  the error queue, told to whom it concerns, and the send is tried once more;
- a full send buffer is a lost datagram, as on the way: retransmission mends it.
"""

import socket
from collections.abc import Callable
from typing import Final, final

from pysips.core.log import log
from pysips.core.services import FAILED, SENT, Clock, Peer, Receiver, Socket
from pysips.core.stats import Counter

from .icmp import read_errors

MOST: Final = 32  # datagrams at once
LONGEST: Final = 0.002  # seconds that an answer waits for the next datagram
LARGEST: Final = 65535
SURE: Final = 65_000  # bytes that fit into a datagram whatever the options of IP
MOST_KNOWN: Final = 20_000  # peers
MINUTE: Final = 60.0


@final
class Udp:
    """taking: messages are served, and what they lead to waits in `out`, if its peer is one of `known`.

    siblings: told of who is gone, too: of workers' sockets on one port the kernel gives an error to any.
    """

    __slots__ = (
        "clock", "counters", "gone", "known", "out", "receiver", "scope", "siblings", "sock", "taking", "telling",
        "where",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, where: Socket, receiver: Receiver, clock: Clock, counters: "UdpCounters"
    ) -> None:
        self.sock: socket.socket = sock
        self.gone: list[tuple[str, int]] = []
        self.telling: bool = False
        self.where: Socket = where
        self.receiver: Receiver = receiver
        self.clock: Clock = clock
        self.counters: UdpCounters = counters
        self.siblings: Callable[[str, str, int], object] | None = None
        self.taking: bool = False
        self.out: list[tuple[bytes, tuple[str, int]]] = []
        self.known: set[tuple[str, int]] = set()
        # A link-local peer is reached through the interface of our own link-local address.
        self.scope: int = scope_of(sock)

    def fileno(self) -> int:
        return self.sock.fileno()

    def take(self) -> None:
        """Receive what is there, hand it in, and send what that led to."""
        sock = self.sock
        where = self.where
        receiver = self.receiver
        clock = self.clock
        self.taking = True
        late = clock.now() + LONGEST
        got = 0
        while got < MOST:
            try:
                data, peer = sock.recvfrom(LARGEST)
            except BlockingIOError:
                break
            except OSError:
                self.errors()
                break
            got += 1
            try:
                receiver.receive(data, Peer("udp", peer[0], peer[1], where))
            except Exception:
                if log.limited("udp:take", 1.0):
                    log.failure("udp", "a message from " + peer[0] + " was not handled")
            if clock.now() > late:
                self.flush()
                late = clock.now() + LONGEST
        self.taking = False
        if self.out:
            self.flush()

    def send(self, data: bytes, host: str, port: int) -> int:
        """Send one datagram: SENT or FAILED."""
        address = (host, port)
        if self.taking and address in self.known and len(data) <= SURE:
            self.out.append((data, address))
            return SENT
        try:
            self.sock.sendto(data, address)
        except BlockingIOError:
            self.counters.dropped.inc()
        except (OSError, OverflowError) as problem:
            return self.again(data, host, port, problem)
        if self.taking:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known.add(address)
        return SENT

    def flush(self) -> None:
        """Send what was held back; whoever it cannot be sent to is gone."""
        out = self.out
        self.out = []
        for data, address in out:
            try:
                self.sock.sendto(data, address)
            except BlockingIOError:
                self.counters.dropped.inc()
            except OSError as problem:
                host, port = address
                if self.again(data, host, port, problem) == FAILED:
                    self.known.discard(address)
                    self.gone.append(address)
                    self.tell()

    def again(self, data: bytes, host: str, port: int, problem: Exception) -> int:
        """The error may be an older datagram's: look it up and try once more. A link-local peer needs our scope."""
        self.errors()
        try:
            if self.scope:
                self.sock.sendto(data, (host, port, 0, self.scope))
            else:
                self.sock.sendto(data, (host, port))
            return SENT
        except BlockingIOError:
            self.counters.dropped.inc()
            return SENT
        except (OSError, OverflowError) as final_problem:
            self.counters.failed.inc()
            if log.limited("udp:" + self.where.name, MINUTE):
                log.warn("udp", "cannot send from " + self.where.name + " to " + host + ": " + str(final_problem))
            return FAILED

    def errors(self) -> None:
        """Read the error queue and tell who is gone."""
        self.gone += read_errors(self.sock)
        self.tell()

    def tell(self) -> None:
        """Tell who is gone.

        Whoever is told may send (tm answers its caller), and that may meet the next error: it waits for its turn,
        or a thousand closed ports would be a thousand calls deep.
        """
        if self.telling:
            return
        self.telling = True
        try:
            while self.gone:
                host, port = self.gone.pop(0)
                self.counters.unreachable.inc()
                if self.siblings is not None:
                    self.siblings("udp", host, port)
                self.receiver.unreachable("udp", host, port)
        finally:
            self.telling = False


@final
class UdpCounters:
    """dropped: the send buffer was full; failed: the system refused; unreachable: the network said so."""

    __slots__ = ("dropped", "failed", "unreachable")

    def __init__(self, dropped: Counter, failed: Counter, unreachable: Counter) -> None:
        self.dropped: Counter = dropped
        self.failed: Counter = failed
        self.unreachable: Counter = unreachable


def scope_of(sock: socket.socket) -> int:
    """The interface number of a link-local socket, else 0."""
    name = sock.getsockname()
    return int(name[3]) if len(name) == 4 else 0
