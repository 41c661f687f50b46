"""Datagrams: one UDP socket of one worker.

Facts:
- `take()` reads about as many datagrams as last time were there, one more now and then, at most 32: so it seldom
  asks in vain (hot-path.md section 6);
- a receive or a send may raise an error that belongs to a datagram sent earlier, to somebody else: it is looked up in
  the error queue, told to whom it concerns, and the send is tried once more;
- a full send buffer is a lost datagram, as on the way: retransmission mends it.
"""

import socket
from collections.abc import Callable
from typing import Final, final

from pysips.core.log import log
from pysips.core.services import FAILED, SENT, Peer, Receiver, Socket
from pysips.core.stats import Counter

from .icmp import read_errors

MOST: Final = 32
PATIENCE: Final = 7  # full rounds before one more is asked for
LARGEST: Final = 65535
MINUTE: Final = 60.0


@final
class Udp:
    """want: datagrams to ask for at the next wake-up; luck: rounds since then in which all of them were there.

    siblings: told of who is gone, too: of workers' sockets on one port the kernel gives an error to any.
    """

    __slots__ = ("counters", "gone", "luck", "receiver", "scope", "siblings", "sock", "telling", "want", "where")

    def __init__(self, sock: socket.socket, where: Socket, receiver: Receiver, counters: "UdpCounters") -> None:
        self.sock: socket.socket = sock
        self.gone: list[tuple[str, int]] = []
        self.telling: bool = False
        self.where: Socket = where
        self.receiver: Receiver = receiver
        self.counters: UdpCounters = counters
        self.siblings: Callable[[str, str, int], object] | None = None
        self.want: int = 1
        self.luck: int = 0
        # A link-local peer is reached through the interface of our own link-local address.
        self.scope: int = scope_of(sock)

    def fileno(self) -> int:
        return self.sock.fileno()

    def take(self) -> None:
        """Receive what is there and hand it in."""
        sock = self.sock
        where = self.where
        receiver = self.receiver
        want = self.want
        got = 0
        while got < want:
            try:
                data, peer = sock.recvfrom(LARGEST)
            except BlockingIOError:
                self.want = got if got > 0 else 1
                self.luck = 0
                return
            except OSError:
                self.errors()
                return
            got += 1
            try:
                receiver.receive(data, Peer("udp", peer[0], peer[1], where))
            except Exception:
                if log.limited("udp:take", 1.0):
                    log.failure("udp", "a message from " + peer[0] + " was not handled")
        self.luck += 1
        if self.luck > PATIENCE and want < MOST:
            self.luck = 0
            self.want = want + 1

    def send(self, data: bytes, host: str, port: int) -> int:
        """Send one datagram: SENT or FAILED."""
        try:
            self.sock.sendto(data, (host, port))
            return SENT
        except BlockingIOError:
            self.counters.dropped.inc()
            return SENT
        except (OSError, OverflowError) as problem:
            return self.again(data, host, port, problem)

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
        """Read the error queue and tell who is gone.

        Whoever is told may send (tm answers its caller), and that may meet the next error: it waits for its turn,
        or a thousand closed ports would be a thousand calls deep.
        """
        self.gone += read_errors(self.sock)
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
