"""A loopback of one's own: servers of several test processes on the same ports, each in a network namespace (root)."""

import ctypes
import fcntl
import os
import socket
import struct
from typing import Final

CLONE_NEWNET: Final = 0x40000000  # unshare(2)
SIOCGIFFLAGS: Final = 0x8913  # netdevice(7)
SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 1
REQUEST: Final = struct.Struct("16sh22x")  # struct ifreq: a name and, here, flags


def leave_the_network() -> None:
    """Put this thread, and what it starts, into a new namespace whose loopback is up. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, REQUEST.pack(b"lo", 0))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, REQUEST.pack(b"lo", REQUEST.unpack(answer)[1] | IFF_UP))
