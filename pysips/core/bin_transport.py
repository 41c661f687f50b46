"""How packets reach other nodes: what `proto_bin` offers to the cluster, in the attendant.

One stream for each direction of initiative: a node sends all that it originates on connections that it opened to the
other's BIN socket, from the address of its own; what comes in on them and on the other's is read alike.
Hosts are numeric, IPv6 without brackets.
"""

from typing import Protocol

from pysips.errors import ModuleError
from pysips.sip.via import bracketed

from .bin_interface import Packet
from .services import Socket


class Carried(Protocol):
    """Who takes what comes; called on the loop, and never while it sends."""

    def packet(self, packet: Packet, host: str, connection: object) -> None:
        """A packet came from this address; `answer` takes the connection."""

    def failed(self, host: str, port: int, packets: list[Packet]) -> None:
        """These packets did not get there: no connection, or it broke before they were written; in their order."""


class Carrier:
    """The connections themselves (`net/bin.py`); see BinTransport."""

    taker: Carried | None = None

    def send(self, source: str, host: str, port: int, packet: Packet) -> None:
        """See BinTransport."""

    def answer(self, connection: object, packet: Packet) -> None:
        """See BinTransport."""

    def queued(self, host: str, port: int) -> int:
        """See BinTransport."""
        return 0

    def drop(self, host: str, port: int) -> None:
        """See BinTransport."""

    def close(self) -> None:
        """See BinTransport."""


class BinTransport:
    """proto_bin's api. sockets: our BIN sockets; carrier: in the attendant alone, elsewhere nothing comes or goes."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.carrier: Carrier | None = None

    def listen(self, host: str, port: int, taker: Carried) -> None:
        """Take what comes, from all BIN sockets. Raises ModuleError if we have none at this address."""
        if not any((one.host, one.port) == (host, port) for one in self.sockets):
            raise ModuleError(f"there is no socket=bin:{bracketed(host)}:{port}")
        if self.carrier is not None:
            self.carrier.taker = taker

    def send(self, source: str, host: str, port: int, packet: Packet) -> None:
        """Send from our address to a node's BIN socket. Packets to one node keep their order.

        It never waits: what cannot go out now is queued; if it fails after all, the taker hears of it later.
        """
        if self.carrier is not None:
            self.carrier.send(source, host, port, packet)

    def answer(self, connection: object, packet: Packet) -> None:
        """Send back on the connection that a packet came by, if it is still there."""
        if self.carrier is not None:
            self.carrier.answer(connection, packet)

    def queued(self, host: str, port: int) -> int:
        """Bytes that wait to go there: who has much to send waits until they are few."""
        return 0 if self.carrier is None else self.carrier.queued(host, port)

    def drop(self, host: str, port: int) -> None:
        """Close our connections to a node; what waits for them fails."""
        if self.carrier is not None:
            self.carrier.drop(host, port)

    def close(self) -> None:
        """Let go of all connections."""
        if self.carrier is not None:
            self.carrier.close()
