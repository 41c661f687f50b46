"""How packets reach other nodes: what `proto_bin` offers to the cluster.

One stream for each direction of initiative: a node sends all that it originates on connections that it opened to the
other's BIN socket, from the address of its own; what comes in on them and on the other's is read alike.
"""

from collections.abc import Callable

from .bin_interface import Packet
from .services import Socket

Failed = Callable[[], None]
PacketReceiver = Callable[[str, object, Packet], None]  # (the peer's host, the connection, what came)


class Carrier:
    """The connections themselves: `net/bin.py`, in the attendant alone."""

    def send(self, source: str, host: str, port: int, data: bytes, failed: Failed) -> None:
        """See BinTransport."""

    def reply(self, connection: object, data: bytes) -> bool:
        """See BinTransport."""
        return False

    def waiting(self, source: str, host: str, port: int) -> int:
        """See BinTransport."""
        return 0

    def drop(self, source: str, host: str, port: int) -> None:
        """See BinTransport."""


class BinTransport:
    """proto_bin's api. sockets: our BIN sockets; receiver: to be set by who takes the packets, in the attendant.

    admits: whether a host may connect to us at all; whose packets count is for the receiver to say.

    Hosts are numeric, IPv6 without brackets.
    """

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.carrier: Carrier | None = None
        self.receiver: PacketReceiver = nobody
        self.admits: Callable[[str], bool] = everybody

    def socket_of(self, host: str, port: int) -> Socket | None:
        """Our BIN socket of that address, if there is one."""
        for one in self.sockets:
            if (one.host, one.port) == (host, port):
                return one
        return None

    def send(self, source: str, host: str, port: int, data: bytes, failed: Failed) -> None:
        """Send from our address to a peer's BIN socket; `failed` is called later if it is known not to have gone out.

        It never waits. Packets to one peer keep their order, and failures theirs. Outside the attendant nothing goes
        out, and `failed` is called at once.
        """
        if self.carrier is None:
            failed()
        else:
            self.carrier.send(source, host, port, data, failed)

    def reply(self, connection: object, data: bytes) -> bool:
        """Send back on the connection that something came on; False if it is gone."""
        return self.carrier is not None and self.carrier.reply(connection, data)

    def waiting(self, source: str, host: str, port: int) -> int:
        """Bytes that wait to be taken by a peer: whoever has much to send waits until they are few."""
        return 0 if self.carrier is None else self.carrier.waiting(source, host, port)

    def drop(self, source: str, host: str, port: int) -> None:
        """Close our connection to a peer; what waits for it fails."""
        if self.carrier is not None:
            self.carrier.drop(source, host, port)


def nobody(host: str, connection: object, packet: Packet) -> None:
    """No cluster: packets are not for anybody, as in OpenSIPS without a module that registered for them."""


def everybody(host: str) -> bool:
    """Where nodes are learned from one another, anybody may introduce himself."""
    return True
