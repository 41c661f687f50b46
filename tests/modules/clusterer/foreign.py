"""A node that is none of ours: real sockets, and recorded or made packets, as a node of OpenSIPS sends them.

with ForeignNode(1, "127.0.0.1", ours=("127.0.0.2", 5555)) as node:
    node.send(ping)
    pong = node.next(Pong)
"""

import socket
import time
from collections.abc import Iterable

from pysips.core.bin_interface import Framer, Packet
from pysips.modules.clusterer.packets import INTERNAL, V3_3, Internal, Ping, Pong, decode_internal, encode_internal

PATIENCE = 8.0  # seconds, for what must come


class ForeignNode:
    """It listens on its own address, and opens its own connection to ours, as both ends of a link do.

    answers_pings: as a living node, without being asked to in the test.
    """

    def __init__(self, node_id: int, host: str, ours: tuple[str, int], port: int = 0) -> None:
        self.node_id = node_id
        self.host = host
        self.ours = ours
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(16)
        self.port: int = self.listener.getsockname()[1]
        self.out: socket.socket | None = None
        self.framers: dict[socket.socket, Framer] = {}
        self.heard: list[tuple[bool, Packet]] = []  # (whether it came on our own connection, the packet)
        self.answers_pings = True

    def __enter__(self) -> "ForeignNode":
        return self

    def __exit__(self, *error: object) -> None:
        for one in [self.listener, *self.framers]:
            one.close()

    # -- out

    def send(self, packet: Packet | Internal) -> None:
        """On the connection that this node opens."""
        if not isinstance(packet, Packet):
            packet = encode_internal(packet, V3_3)
        if self.out is None:
            self.out = socket.create_connection(self.ours, PATIENCE, (self.host, 0))
            self.framers[self.out] = Framer()
        self.out.sendall(packet.encode())

    # -- in

    def listen(self, seconds: float) -> None:
        """Take what comes for so long, or until something came."""
        before = len(self.heard)
        end = time.monotonic() + seconds
        while len(self.heard) == before and time.monotonic() < end:
            self.look()

    def look(self) -> None:
        for one in [self.listener, *self.framers]:
            one.settimeout(0.02)
            try:
                if one is self.listener:
                    self.framers[one.accept()[0]] = Framer()
                else:
                    self.read(one)
            except TimeoutError:
                continue
            except ConnectionResetError:
                self.drop(one)

    def read(self, one: socket.socket) -> None:
        data = one.recv(65_536)
        if not data:
            self.drop(one)
            return
        for packet in self.framers[one].feed(data):
            self.heard.append((one is self.out, packet))
            if self.answers_pings and packet.capability == INTERNAL and packet.type == Ping.TYPE:
                self.send(Pong(1, self.node_id))

    def drop(self, one: socket.socket) -> None:
        self.framers.pop(one, None)
        one.close()
        if one is self.out:
            self.out = None

    def next(self, kind: type[Internal], on_own_connection: bool = False) -> Internal:
        """The next packet of a kind that came the way that it has to come; others are let pass."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            while self.heard:
                own, packet = self.heard.pop(0)
                if own == on_own_connection and packet.capability == INTERNAL:
                    message, _ = decode_internal(packet)
                    if isinstance(message, kind):
                        return message
            self.listen(0.2)
        raise AssertionError(f"no {kind.__name__} came within {PATIENCE:g} s")

    def next_packet(self, capability: str, kinds: Iterable[int]) -> Packet:
        """The same for other capabilities."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            while self.heard:
                own, packet = self.heard.pop(0)
                if not own and packet.capability == capability and packet.type in kinds:
                    return packet
            self.listen(0.2)
        raise AssertionError(f"no packet of {capability} came within {PATIENCE:g} s")
