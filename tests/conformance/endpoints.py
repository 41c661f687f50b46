"""The parties of a conversation: sockets that keep everything they hear."""

import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from .case import HOST, PORTS
from .messages import kind

FIRST_CLIENT_PORT, LAST_CLIENT_PORT = 21500, 21999


@dataclass
class Heard:
    """One message that the server sent to an endpoint, and what it was allowed to know then."""

    data: bytes
    said_before: int


class Endpoint:
    proto = ""

    def __init__(self, name: str) -> None:
        self.name, self.port = name, PORTS[name]
        self.heard: list[Heard] = []
        self.cursor = 0
        self.cseq = 0
        self.sent: list[bytes] = []

    def sockets(self) -> list[socket.socket]:
        raise NotImplementedError

    def send(self, data: bytes, port: int) -> None:
        raise NotImplementedError

    def readable(self, sock: socket.socket) -> list[bytes]:
        """What can be read from a socket that has something."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def last(self, want: Callable[[str, str], bool]) -> bytes | None:
        return next((h.data for h in reversed(self.heard) if want(*kind(h.data))), None)


class UdpEndpoint(Endpoint):
    proto = "UDP"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, self.port))

    def sockets(self) -> list[socket.socket]:
        return [self.socket]

    def send(self, data: bytes, port: int) -> None:
        self.socket.sendto(data, (HOST, port))

    def readable(self, sock: socket.socket) -> list[bytes]:
        return [sock.recv(65535)]

    def close(self) -> None:
        self.socket.close()


class TcpEndpoint(Endpoint):
    """Listens on its own port; connects to the server on first send."""

    proto = "TCP"
    next_port = FIRST_CLIENT_PORT

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((HOST, self.port))
        self.listener.listen()
        self.client: socket.socket | None = None
        self.client_ports: list[int] = []
        self.buffers: dict[socket.socket, bytes] = {}

    def sockets(self) -> list[socket.socket]:
        return [self.listener, *self.buffers]

    def connect(self, port: int) -> socket.socket:
        for _ in range(LAST_CLIENT_PORT - FIRST_CLIENT_PORT):
            mine = TcpEndpoint.next_port
            TcpEndpoint.next_port = mine + 1 if mine < LAST_CLIENT_PORT else FIRST_CLIENT_PORT
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((HOST, mine))
                sock.settimeout(2)
                sock.connect((HOST, port))
            except OSError:
                sock.close()
                continue
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.client, self.buffers[sock] = sock, b""
            self.client_ports.append(mine)
            return sock
        raise OSError("no connection to the server")

    def send(self, data: bytes, port: int) -> None:
        (self.client or self.connect(port)).sendall(data)

    def readable(self, sock: socket.socket) -> list[bytes]:
        if sock is self.listener:
            accepted, _ = sock.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.buffers[accepted] = b""
            self.client = self.client or accepted
            return []
        try:
            data = sock.recv(65535)
        except OSError:
            data = b""
        if not data:
            sock.close()
            del self.buffers[sock]
            if self.client is sock:
                self.client = None
            return [b"(the server closed the connection)"]
        self.buffers[sock] += data
        return self.messages(sock)

    def messages(self, sock: socket.socket) -> list[bytes]:
        found, data = [], self.buffers[sock]
        while data:
            if data.startswith(b"\r\n"):
                found.append(data[:2])
                data = data[2:]
                continue
            head, sep, rest = data.partition(b"\r\n\r\n")
            if not sep:
                break
            length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                break
            found.append(head + sep + rest[:size])
            data = rest[size:]
        self.buffers[sock] = data
        return found

    def close(self) -> None:
        for sock in [self.listener, *self.buffers]:
            sock.close()
