"""What the kernel tells of datagrams that did not arrive: the error queue of a socket (Linux ip(7), IP_RECVERR).

Facts:
- an unconnected socket hears nothing of a closed port without IP_RECVERR; with it, the next receive *or a send to
  another, healthy peer* raises, and the queue names the peer that is meant;
- only what says "nobody is there" counts as unreachable: a packet that was too big or a lack of buffers does not.
"""

import errno
import socket
import struct
from typing import Final

MSG_ERRQUEUE: Final = 0x2000
AT_ONCE: Final = 64

# struct sock_extended_err: errno, origin, type, code, pad, info, data; the offender's sockaddr follows.
EXTENDED: Final = struct.Struct("=IBBBBII")
ORIGIN_LOCAL: Final = 1
UNREACHABLE: Final = frozenset(
    (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EACCES)
)


def read_errors(sock: socket.socket) -> list[tuple[str, int]]:
    """The peers (numeric host, port) that could not be reached, each once; takes at most 64 entries off the queue."""
    gone: dict[tuple[str, int], None] = {}
    for _ in range(AT_ONCE):
        try:
            _data, notes, _flags, peer = sock.recvmsg(0, 512, MSG_ERRQUEUE)
        except OSError:  # EAGAIN: it is empty
            break
        if peer and any(
            level in (socket.IPPROTO_IP, socket.IPPROTO_IPV6) and is_gone(note) for level, _, note in notes
        ):
            gone[peer[0], peer[1]] = None
    return list(gone)


def is_gone(note: bytes) -> bool:
    """Whether an entry says that nobody is there."""
    if len(note) < EXTENDED.size:
        return False
    number, origin, *_ = EXTENDED.unpack_from(note)
    return number in UNREACHABLE and origin != ORIGIN_LOCAL
