"""natping_socket: pings that say they come from another address, as a balancer's in front of us (OpenSIPS: send_raw).

A raw socket, IPv4 alone, as in OpenSIPS; it needs the right to make one (root, or CAP_NET_RAW). The kernel fills in
length, identification and checksum of the IP header; a UDP checksum of 0 means none (RFC 768).
"""

import socket
import struct
from typing import Final

from pysips.core.log import log
from pysips.errors import ModuleError

IP_HEAD: Final = struct.Struct(">BBHHHBBH4s4s")
UDP_HEAD: Final = struct.Struct(">HHHH")
VERSION_AND_LENGTH: Final = 0x45
HOPS: Final = 64
MINUTE: Final = 60.0


class Spoofed:
    """host: IPv4; port: what the datagrams say they come from. Raises ModuleError without the right to do that."""

    def __init__(self, host: str, port: int) -> None:
        self.source = socket.inet_aton(host)
        self.port = port
        try:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except OSError as problem:
            raise ModuleError(f"natping_socket needs a raw socket (root or CAP_NET_RAW): {problem.strerror}") from None
        self.socket.setblocking(False)

    def send(self, data: bytes, host: str, port: int) -> None:
        """Send one datagram; a failure is said once a minute, as of any other ping."""
        try:
            self.socket.sendto(datagram(self.source, self.port, socket.inet_aton(host), port, data), (host, 0))
        except BlockingIOError:
            return  # as lost as on the way
        except OSError as problem:
            if log.limited("nathelper:raw", MINUTE):
                log.warn("nathelper", f"cannot ping {host} from natping_socket: {problem.strerror}")

    def close(self) -> None:
        self.socket.close()


def datagram(source: bytes, source_port: int, target: bytes, port: int, data: bytes) -> bytes:
    """IP and UDP heads with the data behind them."""
    size = UDP_HEAD.size + len(data)
    head = IP_HEAD.pack(
        VERSION_AND_LENGTH, 0, IP_HEAD.size + size, 0, 0, HOPS, socket.IPPROTO_UDP, 0, source, target
    )  # fmt: skip
    return head + UDP_HEAD.pack(source_port, port, size, 0) + data
