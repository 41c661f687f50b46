"""TCP: the connections of one worker, made, found again and given up.

Facts:
- a connection is found by its id, by the peer's address, or by an alias of that (RFC 5923: the port that the
  peer's Via names); a shared table tells which worker has it, and bytes for another worker's go over to that one;
- a reply's connection may be gone by then: it goes on another one to its peer's address, or one is opened (RFC 3261
  section 18.2.2);
- limits hold for all workers together (`tcp_max_connections`) and for each source;
- whoever sends to an address without a connection waits for the connect, `tcp_connect_timeout` at most, and hears of
  its failure; connecting and writing never hold anybody else up.
"""

import asyncio
import errno
import socket
import struct
import time
from typing import Final, Protocol

from pysips.core.events import Event
from pysips.core.log import log
from pysips.core.services import (
    EXISTING,
    FAILED,
    PENDING,
    Clock,
    Peer,
    Receiver,
    Socket,
    Tables,
    TablesFull,
    Timers,
    Watcher,
)  # fmt: skip
from pysips.errors import SipError
from pysips.sip.message import read
from pysips.sip.via import bracketed

from .connection import OPEN, Connection
from .endpoint import IP_BIND_ADDRESS_NO_PORT, address_of, family_of, set_tos
from .listening import Listening
from .tcp_settings import TcpCounters, TcpSettings

KIND: Final = b"t"
PLACE: Final = struct.Struct("<Q")
SLOTS: Final = 1024  # ids are so many times a number, plus the slot


class Siblings(Protocol):
    """The other workers: `runtime/handover.py`."""

    def send(self, seat: int, connection: int, data: bytes, watcher: Watcher | None) -> int: ...
    def close_at(self, seat: int, connection: int) -> None: ...
    def keep_at(self, seat: int, connection: int, seconds: int) -> None: ...
    def alias_at(self, seat: int, connection: int, port: int) -> None: ...
    def gone(self, proto: str, host: str, port: int) -> None: ...


class Afresh(Watcher):
    """If a sibling's connection is gone, the message goes to the peer's address, as it would from one of ours."""

    __slots__ = ("data", "peer", "tcp", "watcher")

    def __init__(self, tcp: "Tcp", data: bytes, peer: Peer, watcher: Watcher | None) -> None:
        self.tcp = tcp
        self.data = data
        self.peer = peer
        self.watcher = watcher

    def send_failed(self) -> None:
        peer = self.peer
        anew = Peer(peer.proto, peer.host, peer.port, peer.socket, EXISTING if peer.connection < 0 else 0)
        if self.tcp.send(self.data, anew, self.watcher) == FAILED and self.watcher is not None:
            self.watcher.send_failed()


class Tcp:
    """All stream connections of one worker, whichever socket they belong to."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, slot: int, slots: int, settings: TcpSettings, receiver: Receiver,
        timers: Timers, clock: Clock, tables: Tables, siblings: Siblings, counters: TcpCounters, born: int,
    ) -> None:  # fmt: skip
        self.loop = loop
        self.slot = slot
        self.settings = settings
        self.receiver = receiver
        self.timers = timers
        self.clock = clock
        self.tables = tables
        self.siblings = siblings
        self.counters = counters
        most = settings.each_source or max(settings.most // 2, 1)
        self.each_source = -(-most // slots)  # the kernel spreads one source's connections evenly
        self.numbers = born << 22  # ids of an earlier worker in this slot never come again
        self.connections: dict[int, Connection] = {}
        self.places: dict[tuple[str, str, int], Connection] = {}
        self.sources: dict[str, int] = {}
        self.queued = 0  # bytes that wait to be written, of all connections
        self.disconnected: Event | None = None  # E_CORE_TCP_DISCONNECT
        self.listening = Listening(loop, timers, "tcp", self.accepted)

    # -- peers that come

    def accepted(self, made: socket.socket, where: Socket, host: str, port: int) -> None:
        why = ""
        if self.counters.open.get() >= self.settings.most:
            why = "tcp_max_connections"
        elif self.sources.get(host, 0) >= self.each_source:
            why = "tcp_max_connections_per_source"
        if why:
            self.counters.refused.inc()
            if log.limited("tcp:limit", 10.0):
                log.warn("tcp", f"a connection from {host} was refused: {why} is reached")
            made.close()
            return
        self.prepare(made)
        one = self.add(made, where, host, port, opened_by_us=False)
        self.register(one, port)
        self.loop.add_reader(made.fileno(), one.readable)
        self.timers.add(one, self.settings.idle_seconds)

    def prepare(self, made: socket.socket) -> None:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.settings.patience())
        on, count, idle, interval = self.settings.keepalive
        if on:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            options = ((socket.TCP_KEEPCNT, count), (socket.TCP_KEEPIDLE, idle), (socket.TCP_KEEPINTVL, interval))
            for option, value in options:
                if value:
                    made.setsockopt(socket.IPPROTO_TCP, option, value)
        if self.settings.tos:
            set_tos(made, self.settings.tos)

    # -- what they say

    def arrived(self, one: Connection, data: bytes) -> None:
        """A whole message. No fault of ours with one message ends the connection."""
        if self.settings.aliases and not one.opened_by_us and len(one.keys) == 1:
            self.learn_alias(one, data)
        try:
            self.receiver.receive(data, one.peer())
        except Exception:
            if log.limited("tcp:arrived", 1.0):
                log.failure("tcp", f"a message from {one} was not handled")

    def pinged(self, one: Connection) -> None:
        if self.settings.answer_pings:
            one.send(b"\r\n", None)

    def learn_alias(self, one: Connection, data: bytes) -> None:
        """The port where this peer takes connections, so that ours to it need not be opened (RFC 5923)."""
        try:
            message = read(data)
            via = message.top_via()
        except SipError:
            return
        if message.status == 0 and (self.settings.aliases == 2 or via.param("alias") is not None):
            self.add_alias(one, via.port or via.default_port)

    def add_alias(self, one: Connection, port: int) -> bool:
        """Find a connection by this port of its peer, too; False if another connection is open there.

        Whoever comes later from that address must not get what is meant for the first one.
        """
        other = self.connection_to(one.where.proto, one.host, port)
        if other and other != one.id:
            if log.limited(f"tcp:alias {one.host}", 60.0):
                log.warn("tcp", f"{one} wants what goes to port {port}: another connection has that")
            return False
        self.register(one, port)
        return True

    # -- what we send

    def send(self, data: bytes, peer: Peer, watcher: Watcher | None) -> int:
        """Send over the peer's connection, another one to its address, or a new one; see `Network.send`."""
        known = abs(peer.connection)
        if known >= SLOTS:
            slot = known % SLOTS
            if slot != self.slot:
                return self.siblings.send(slot, known, data, Afresh(self, data, peer, watcher))
            one = self.connections.get(known)
            if one is not None:
                return one.send(data, watcher)
        one = self.places.get((peer.proto, peer.host, peer.port))
        if one is not None:
            return one.send(data, watcher)
        connection = self.elsewhere(peer.proto, peer.host, peer.port)
        if connection:
            return self.siblings.send(connection % SLOTS, connection, data, watcher)
        if peer.connection < 0:
            return FAILED
        return self.connect(data, peer, watcher)

    def elsewhere(self, proto: str, host: str, port: int) -> int:
        """A sibling's connection to an address; 0 for none."""
        found = self.tables.get(KIND, place_key(proto, host, port))
        connection: int = PLACE.unpack(found)[0] if found is not None else 0
        return connection if connection % SLOTS != self.slot else 0

    def connection_to(self, proto: str, host: str, port: int) -> int:
        """The id of the connection to an address, ours or a sibling's; 0 for none."""
        one = self.places.get((proto, host, port))
        return self.elsewhere(proto, host, port) if one is None else one.id

    def own_connection(self, proto: str, host: str, port: int) -> int:
        """The id of our connection to an address; 0 for none, and for a sibling's."""
        one = self.places.get((proto, host, port))
        return 0 if one is None else one.id

    def send_on(self, connection: int, data: bytes) -> bool:
        """Send for a sibling on a connection of ours; False if it is not there or takes no more."""
        one = self.connections.get(connection)
        return one is not None and one.send(data, None) != FAILED

    def connect(self, data: bytes, peer: Peer, watcher: Watcher | None) -> int:
        """Open a connection and let the bytes wait for it."""
        if self.counters.open.get() >= self.settings.most:
            self.counters.refused.inc()
            return FAILED
        try:
            made = self.begin_connect(peer)
        except (OSError, OverflowError) as problem:
            self.counters.failed.inc()
            if log.limited("tcp:connect", 10.0):
                log.warn("tcp", f"cannot connect to {peer}: {problem}")
            return FAILED
        one = self.add(made, peer.socket, peer.host, peer.port, opened_by_us=True)
        self.places[peer.proto, peer.host, peer.port] = one
        one.keys.append((peer.host, peer.port))
        self.loop.add_writer(made.fileno(), one.writable)
        self.timers.add(one, self.settings.connect_seconds)
        one.enqueue(data, watcher)
        return PENDING

    def begin_connect(self, peer: Peer) -> socket.socket:
        made = socket.socket(family_of(peer.host), socket.SOCK_STREAM)
        try:
            self.prepare(made)
            made.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            made.bind(address_of(peer.socket.host, 0))
            number = made.connect_ex(address_of(peer.host, peer.port))
            if number not in (0, errno.EINPROGRESS):
                raise OSError(number, errno.errorcode.get(number, ""))
        except (OSError, OverflowError):
            made.close()
            raise
        return made

    def connected(self, one: Connection) -> None:
        """Our connect succeeded: siblings may use it, too."""
        one.state = OPEN
        one.moved = one.idle_since = self.clock.now()
        self.loop.add_reader(one.sock.fileno(), one.readable)
        one.writing = True
        self.publish(one, one.port)
        self.timers.add(one, min(self.settings.idle_seconds, self.settings.write_seconds))

    # -- keeping and ending

    def keep(self, connection: int, seconds: int) -> None:
        """Do not end a connection for idleness before so many seconds are over (a contact lives on it)."""
        slot = connection % SLOTS
        if slot != self.slot:
            self.siblings.keep_at(slot, connection, seconds)
            return
        one = self.connections.get(connection)
        if one is not None:
            one.keep_until = max(one.keep_until, self.clock.now() + seconds)

    def alias(self, connection: int, port: int) -> bool:
        """Find a connection, a sibling's too, by this port of its peer as well; see add_alias.

        False if it is ours and not there, or the port is another's.
        """
        if connection % SLOTS != self.slot:
            self.siblings.alias_at(connection % SLOTS, connection, port)
            return True
        one = self.connections.get(connection)
        return one is not None and self.add_alias(one, port)

    def close(self, connection: int) -> bool:
        """Close a connection, a sibling's too; False if it is ours and not there."""
        if connection % SLOTS != self.slot:
            self.siblings.close_at(connection % SLOTS, connection)
            return True
        one = self.connections.get(connection)
        if one is not None:
            one.end("it was asked for")
        return one is not None

    def close_all(self) -> None:
        """This process ends."""
        self.listening.deafen()
        for one in list(self.connections.values()):
            one.end("the server stops")

    def ended(self, one: Connection, was: int, why: str) -> None:
        """A connection has ended: let go of everything that led to it."""
        if was != OPEN:
            self.counters.failed.inc()
            if log.limited(f"tcp:{one.host}", 60.0):
                log.warn("tcp", f"cannot connect to {one}: {why}")
        fd = one.sock.fileno()
        self.loop.remove_reader(fd)
        self.loop.remove_writer(fd)
        one.sock.close()
        if self.connections.pop(one.id, None) is not None:
            self.counters.open.dec()
        if was == OPEN and self.disconnected is not None and self.disconnected.wanted():
            self.disconnected(one.host, one.port, one.where.host, one.where.port, one.where.proto)
        left = self.sources.get(one.host, 0) - 1
        if left > 0:
            self.sources[one.host] = left
        else:
            self.sources.pop(one.host, None)
        for host, port in one.keys:
            if self.places.get((one.where.proto, host, port)) is one:
                del self.places[one.where.proto, host, port]
                self.withdraw(one, host, port)

    def lost(self, one: Connection) -> None:
        """The peer broke a connection: who waits for a first word from there, in any worker, waits in vain."""
        for host, port in one.keys:
            self.receiver.unreachable(one.where.proto, host, port)
            self.siblings.gone(one.where.proto, host, port)

    def clear_places(self) -> None:
        """Whoever had this slot before lost its connections with its life: nobody shall be sent to them, or wait."""
        after = b""
        while page := self.tables.scan(KIND, after):
            after = page[-1][0]
            for key, value in page:
                if PLACE.unpack(value)[0] % SLOTS == self.slot:
                    self.tables.delete(KIND, key)
                    proto, host, port = key.decode("utf-8", "surrogateescape").split(" ")
                    self.siblings.gone(proto, host, int(port))

    # -- for management

    def described(self) -> list[dict[str, object]]:
        """The connections for people, under OpenSIPS' keys (MI: list_tcp_conns)."""
        return [self.description(one) for one in self.connections.values()]

    def description(self, one: Connection) -> dict[str, object]:
        ends = max(one.idle_since + self.settings.idle_seconds, one.keep_until)
        left = self.clock.time() + ends - self.clock.now()
        return {
            "ID": one.id,
            "Type": one.where.proto,
            "State": one.state,
            "Remote": f"{bracketed(one.host)}:{one.port}",
            "Local": f"{bracketed(one.where.host)}:{one.where.port}",
            "Lifetime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(left)),
            "Alias port": one.keys[-1][1] if one.keys else one.port,
        }

    # -- names for connections

    def add(self, made: socket.socket, where: Socket, host: str, port: int, opened_by_us: bool) -> Connection:
        self.numbers += 1
        one = Connection(self, self.numbers * SLOTS + self.slot, made, where, host, port, opened_by_us)
        self.connections[one.id] = one
        self.counters.open.inc()
        self.sources[host] = self.sources.get(host, 0) + 1
        return one

    def register(self, one: Connection, port: int) -> None:
        """Find the connection by the peer's address with this port, here and from siblings."""
        if (one.host, port) in one.keys:
            return
        one.keys.append((one.host, port))
        self.places[one.where.proto, one.host, port] = one
        self.publish(one, port)

    def publish(self, one: Connection, port: int) -> None:
        try:
            self.tables.put(KIND, place_key(one.where.proto, one.host, port), PLACE.pack(one.id))
        except TablesFull:
            return  # said and counted there; without it siblings open a connection of their own

    def withdraw(self, one: Connection, host: str, port: int) -> None:
        key = place_key(one.where.proto, host, port)
        if self.tables.get(KIND, key) == PLACE.pack(one.id):
            try:
                self.tables.delete(KIND, key)
            except TablesFull:
                return  # a sibling is told "not there" when it tries


def place_key(proto: str, host: str, port: int) -> bytes:
    return f"{proto} {host} {port}".encode("utf-8", "surrogateescape")
