"""The connections between nodes (BIN protocol), all of them in one process: the attendant.

Facts:
- a node sends what it originates on a connection that it opened itself, from its own BIN socket's address and a port
  that the system chooses; it is opened at the first packet, and again at the first one after it broke;
- peers open theirs to us, any number of them: each is read, and written to only to answer what came on it;
- whose packets count is the cluster's to decide: by the peer's address, that is told with each.
"""

import asyncio
import errno
import socket
import time
from dataclasses import dataclass

from pysips.core.bin_interface import Packet
from pysips.core.bin_transport import BinTransport, Carrier, Failed
from pysips.core.log import log
from pysips.core.services import Clock, Socket, Timers
from pysips.core.stats import Counter
from pysips.sip.via import bracketed

from .bin_link import CLOSED, BinLink
from .endpoint import IP_BIND_ADDRESS_NO_PORT, address_of, family_of
from .listening import Listening


@dataclass(slots=True)
class BinSettings:
    """Limits and times (seconds).

    write_seconds: how long a peer may take none of what waits; packets, largest_queue: that may wait for one connection
    (bytes); pieces: of one packet; most, each_source: connections that peers may have open, all and one address.
    """

    connect_seconds: float = 3.0
    idle_seconds: float = 120.0
    packet_seconds: float = 4.0
    write_seconds: float = 10.0
    packets: int = 1024
    largest_queue: int = 16 << 20
    pieces: int = 32
    most: int = 1024
    each_source: int = 64


@dataclass(slots=True)
class BinCounters:
    """open: connections there are now (live); refused: beyond a limit; failed: could not be made."""

    open: Counter
    refused: Counter
    failed: Counter


class Bin(Carrier):
    """All connections to and from other nodes."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: BinTransport, settings: BinSettings, timers: Timers,
        clock: Clock, counters: BinCounters,
    ) -> None:  # fmt: skip
        self.loop = loop
        self.transport = transport
        self.settings = settings
        self.timers = timers
        self.clock = clock
        self.counters = counters
        self.opened: dict[tuple[str, str, int], BinLink] = {}  # by us; by our address and the peer's
        self.accepted: set[BinLink] = set()
        self.sources: dict[str, int] = {}
        self.listening = Listening(loop, timers, "bin", self.take)

    # -- nodes that come

    def take(self, made: socket.socket, where: Socket, host: str, port: int) -> None:
        """A peer's connection, if he is one and there are not too many."""
        why = ""
        if not self.transport.admits(host):
            why = "no node has this address"
        elif len(self.accepted) >= self.settings.most or self.sources.get(host, 0) >= self.settings.each_source:
            why = "there are too many"
        if why:
            self.counters.refused.inc()
            if log.limited(f"bin:refused {host}", 60.0):
                log.warn("bin", f"a connection from {host} on {where.name} was refused: {why}")
            made.close()
            return
        prepare(made)
        link = BinLink(self, made, host, port, "")
        self.accepted.add(link)
        self.sources[host] = self.sources.get(host, 0) + 1
        self.counters.open.inc()
        self.loop.add_reader(made.fileno(), link.readable)
        link.watch()

    def arrived(self, link: BinLink, packet: Packet) -> None:
        """A whole packet. No fault of ours with one ends the connection."""
        try:
            self.transport.receiver(link.host, link, packet)
        except Exception:
            if log.limited("bin:arrived", 1.0):
                log.failure("bin", f"a packet from {link} was not handled")

    # -- what we send

    def send(self, source: str, host: str, port: int, data: bytes, failed: Failed) -> None:
        """See `BinTransport.send`."""
        link = self.opened.get((source, host, port))
        if link is None:
            link = self.connect(source, host, port)
        if link is None:
            self.report(failed)
        else:
            link.send(data, failed)

    def reply(self, connection: object, data: bytes) -> bool:
        """See `BinTransport.reply`."""
        if not isinstance(connection, BinLink) or connection.state == CLOSED:
            return False
        connection.send(data, None)
        return True

    def waiting(self, source: str, host: str, port: int) -> int:
        """See `BinTransport.waiting`."""
        link = self.opened.get((source, host, port))
        return 0 if link is None else link.queued

    def drop(self, source: str, host: str, port: int) -> None:
        """See `BinTransport.drop`."""
        link = self.opened.get((source, host, port))
        if link is not None:
            link.end("it was asked for", wanted=True)

    def report(self, failed: Failed | None) -> None:
        """Tell a sender; never while it still sends."""
        if failed is not None:
            self.loop.call_soon(failed)

    def connect(self, source: str, host: str, port: int) -> BinLink | None:
        """Begin a connection; None if that cannot even be tried."""
        try:
            made = begin_connect(source, host, port)
        except (OSError, OverflowError) as problem:
            self.not_made(host, port, str(problem))
            return None
        link = BinLink(self, made, host, port, source)
        self.opened[source, host, port] = link
        self.counters.open.inc()
        self.loop.add_writer(made.fileno(), link.writable)
        link.watch()
        return link

    def not_made(self, host: str, port: int, why: str) -> None:
        """Said once a minute: a node that is down is tried again and again, and the cluster tells of it."""
        self.counters.failed.inc()
        if log.limited(f"bin:connect {host} {port}", 60.0):
            log.warn("bin", f"cannot connect to bin:{bracketed(host)}:{port}: {why}")

    # -- ending

    def ended(self, link: BinLink, unmade: bool, why: str) -> None:
        """A connection has ended: let go of everything that led to it."""
        if unmade:
            self.not_made(link.host, link.port, why)
        fd = link.sock.fileno()
        self.loop.remove_reader(fd)
        self.loop.remove_writer(fd)
        link.sock.close()
        self.counters.open.dec()
        if link.source:
            if self.opened.get((link.source, link.host, link.port)) is link:
                del self.opened[link.source, link.host, link.port]
            return
        self.accepted.discard(link)
        left = self.sources.get(link.host, 0) - 1
        if left > 0:
            self.sources[link.host] = left
        else:
            self.sources.pop(link.host, None)

    def close_all(self) -> None:
        """This process ends."""
        self.listening.deafen()
        for link in [*self.opened.values(), *self.accepted]:
            link.end("the server stops", wanted=True)

    # -- for management

    def described(self) -> list[dict[str, object]]:
        """The connections for people, under OpenSIPS' keys (MI: list_tcp_conns)."""
        return [self.description(one) for one in [*self.opened.values(), *self.accepted]]

    def description(self, link: BinLink) -> dict[str, object]:
        try:
            own = link.sock.getsockname()
        except OSError:
            own = ("", 0)
        left = self.clock.time() + link.idle_since + self.settings.idle_seconds - self.clock.now()
        return {
            "ID": link.sock.fileno(),
            "Type": "bin",
            "State": link.state,
            "Remote": f"{bracketed(link.host)}:{link.port}",
            "Local": f"{bracketed(own[0])}:{own[1]}",
            "Lifetime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(left)),
            "Alias port": link.port,
        }


def prepare(made: socket.socket) -> None:
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def begin_connect(source: str, host: str, port: int) -> socket.socket:
    """A socket of ours on its way to a peer. Raises OSError, OverflowError."""
    made = socket.socket(family_of(host), socket.SOCK_STREAM)
    try:
        prepare(made)
        made.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        made.bind(address_of(source, 0))
        number = made.connect_ex(address_of(host, port))
        if number not in (0, errno.EINPROGRESS):
            raise OSError(number, errno.errorcode.get(number, ""))
    except (OSError, OverflowError):
        made.close()
        raise
    return made
