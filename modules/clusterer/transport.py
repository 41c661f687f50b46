"""What carries the packets: `proto_bin` and `proto_bins` fill it in, the attendant's driver uses it.

A stream goes one way: what we originate leaves on a connection that we opened, from the address of our own node.
"""

from typing import Protocol

from .packets import Packet


class Carried(Protocol):
    """Who takes what comes; called on the loop."""

    def packet(self, packet: Packet, host: str, connection: object) -> None:
        """A packet came from an address (numeric, IPv6 without brackets); `Transport.answer` takes the connection."""

    def failed(self, host: str, port: int, packets: list[Packet]) -> None:
        """These packets did not get there: no connection, or it broke before they were written, in their order."""


class Transport(Protocol):
    """Connections to the other nodes. Sending never waits: what cannot go out now is queued, or fails later."""

    def listen(self, host: str, port: int, taker: Carried) -> None:
        """Take packets on this socket of the script (`socket=bin:host:port`). Raises ModuleError, OSError."""

    def send(self, source: str, host: str, port: int, packet: Packet) -> None:
        """Send from our address to a node's listener, on the connection that is there or a new one."""

    def answer(self, connection: object, packet: Packet) -> None:
        """Send back on the connection that a packet came by, if it is still there."""

    def queued(self, host: str, port: int) -> int:
        """Bytes that wait to go there."""

    def close(self) -> None:
        """Let go of all of it."""
