"""The way out of one worker: each transport's sockets, and the siblings (`core.services.Network`)."""

import socket
from typing import Final, Protocol, final

from pysips.core.services import FAILED, Clock, Network, Peer, Receiver, Socket, Watcher

from .routes import Routes
from .tcp import Tcp
from .udp import Udp, UdpCounters

UDP: Final = "udp"


class Siblings(Protocol):
    """The other workers: `runtime/handover.py`."""

    def message(self, seat: int, data: bytes, peer: Peer) -> None: ...


@final
class WorkerNetwork(Network):
    """udp: by the number of the SIP socket, None for those of other transports."""

    __slots__ = ("routes", "siblings", "tcp", "udp")

    def __init__(self, udp: "list[Udp | None]", tcp: Tcp | None, siblings: Siblings, clock: Clock) -> None:
        self.routes: Routes = Routes(clock)
        self.udp: list[Udp | None] = udp
        self.tcp: Tcp | None = tcp
        self.siblings: Siblings = siblings

    def send(self, data: bytes, peer: Peer, watcher: Watcher | None = None) -> int:
        """See `core.services.Network`."""
        if peer.proto == UDP:
            udp = self.udp[peer.socket.index]
            return FAILED if udp is None else udp.send(data, peer.host, peer.port)
        tcp = self.tcp
        return FAILED if tcp is None else tcp.send(data, peer, watcher)

    def own_address(self, host: str) -> str:
        """See `core.services.Network`."""
        return self.routes.own_address(host)

    def pass_on(self, slot: int, data: bytes, peer: Peer) -> None:
        """See `core.services.Network`."""
        self.siblings.message(slot, data, peer)

    def close(self, connection: int) -> bool:
        """See `core.services.Network`."""
        return self.tcp is not None and self.tcp.close(connection)

    def connection_to(self, proto: str, host: str, port: int) -> int:
        """See `core.services.Network`."""
        return 0 if self.tcp is None else self.tcp.connection_to(proto, host, port)

    def own_connection(self, proto: str, host: str, port: int) -> int:
        """See `core.services.Network`."""
        return 0 if self.tcp is None else self.tcp.own_connection(proto, host, port)

    def alias(self, connection: int, port: int) -> bool:
        """See `core.services.Network`."""
        return self.tcp is not None and self.tcp.alias(connection, port)

    def keep(self, connection: int, seconds: int) -> None:
        """See `core.services.Network`."""
        if self.tcp is not None:
            self.tcp.keep(connection, seconds)


def udp_of(
    wheres: list[Socket], socks: list[socket.socket], receiver: Receiver, clock: Clock, counters: UdpCounters
) -> "list[Udp | None]":
    """The UDP sockets of one slot, by the number of the SIP socket."""
    return [
        Udp(sock, where, receiver, clock, counters) if where.proto == UDP else None
        for where, sock in zip(wheres, socks, strict=True)
    ]
