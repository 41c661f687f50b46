"""Sockets as the system has them: opened once by the supervisor, one set for each slot, and inherited.

Facts:
- the sockets of one address form an SO_REUSEPORT group, one for each slot: the kernel spreads peers over them, and
  a replaced worker goes on with the same one;
- such a group lets a stranger of the same user join in silence: so an address is tried once without the option first;
- IP_FREEBIND binds an address that this machine does not have now (a virtual IP that another node holds);
- IP_RECVERR makes the kernel tell of a closed port at all (icmp.py reads what it says).
"""

import contextlib
import errno
import os
import socket
import time
from typing import Final

from pysips.core.services import Socket
from pysips.errors import PysipsError

# linux/in.h and linux/in6.h; Python has no names for them.
IP_RECVERR: Final = 11
IP_FREEBIND: Final = 15
IP_BIND_ADDRESS_NO_PORT: Final = 24
IPV6_RECVERR: Final = 25
SO_RCVBUFFORCE: Final = 33
SO_SNDBUFFORCE: Final = 32

UDP_BUFFER: Final = 4 << 20
PROBES: Final = 20
PROBE_SECONDS: Final = 0.05


class CannotListen(PysipsError):
    """A socket that the script asks for cannot be had."""


def family_of(host: str) -> socket.AddressFamily:
    """The address family of a numeric host."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address_of(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What `bind`, `connect` and `sendto` want; `fe80::1%eth0` becomes the scope's number.

    Raises OSError for an unknown interface.
    """
    if "%" not in host:
        return host, port
    plain, _, interface = host.partition("%")
    scope = int(interface) if interface.isascii() and interface.isdigit() else socket.if_nametoindex(interface)
    return plain, port, 0, scope


def widen(made: socket.socket, size: int) -> None:
    """Ask for large buffers: beyond the system's limit where we may, else up to it."""
    for force, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            made.setsockopt(socket.SOL_SOCKET, force, size)
        except OSError:
            made.setsockopt(socket.SOL_SOCKET, plain, size)


def prepared(where: Socket, shared: bool) -> socket.socket:
    """A socket of the right kind with its options, not yet bound."""
    kind = socket.SOCK_DGRAM if where.proto == "udp" else socket.SOCK_STREAM
    made = socket.socket(family_of(where.host), kind)
    made.setblocking(False)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
    if kind == socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made


def tell_errors(made: socket.socket) -> None:
    """Let the kernel report a datagram that nobody listened for."""
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def open_one(where: Socket, shared: bool, backlog: int, tos: int = 0) -> socket.socket:
    """Open, bind and, for streams, listen. Raises OSError."""
    made = prepared(where, shared)
    try:
        if tos:
            set_tos(made, tos)
        made.bind(address_of(where.host, where.port))
        if where.proto == "udp":
            widen(made, UDP_BUFFER)
            tell_errors(made)
        else:
            made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made


def set_tos(made: socket.socket, tos: int) -> None:
    """The type of service of what we send (`tos`)."""
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def open_slots(where: Socket, slots: int, backlog: int = 128, tos: int = 0) -> list[socket.socket]:
    """The sockets of one address, one for each slot. Raises CannotListen, with the reason for people."""
    try:
        probe(where, tos)
        return [open_one(where, True, backlog, tos) for _ in range(slots)]
    except OSError as problem:
        raise CannotListen(f"cannot listen on {where.name}: {reason(problem)}") from None


def taken_over(where: Socket, fds: list[int], slots: int, backlog: int, tos: int) -> list[socket.socket]:
    """The sockets of one address from descriptors of a server before us, and more for slots that it had not.

    All of them, even if there are fewer slots now: the kernel goes on spreading peers over them. Raises CannotListen.
    """
    made = []
    try:
        for fd in fds:
            one = socket.socket(fileno=fd)
            one.setblocking(False)
            if one.type == socket.SOCK_STREAM:
                one.listen(backlog)
            set_tos(one, tos)
            made.append(one)
        return made + [open_one(where, True, backlog, tos) for _ in range(len(fds), slots)]
    except OSError as problem:
        raise CannotListen(f"cannot listen on {where.name}: {reason(problem)}") from None


def check_free(where: Socket) -> None:
    """Raises CannotListen if an address cannot be had."""
    try:
        probe(where, 0)
    except OSError as problem:
        raise CannotListen(f"cannot listen on {where.name}: {reason(problem)}") from None


def probe(where: Socket, tos: int) -> None:
    """Is the address free? Workers of a server that was killed need a moment to notice and leave."""
    for attempt in range(PROBES):
        try:
            open_one(where, False, 1, tos).close()
            return
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE or attempt == PROBES - 1:
                raise
        time.sleep(PROBE_SECONDS)  # in the supervisor, before anything runs


def reason(problem: OSError) -> str:
    """An OSError for people, with a cure where there is one."""
    text = os.strerror(problem.errno) if problem.errno else str(problem)
    if problem.errno == errno.EADDRINUSE:
        return text + " (is another server running?)"
    if problem.errno == errno.EACCES:
        return text + " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
    return text


def is_here(host: str) -> bool:
    """Whether this machine has the address now."""
    with contextlib.closing(socket.socket(family_of(host), socket.SOCK_DGRAM)) as trial:
        try:
            trial.bind(address_of(host, 0))
        except OSError:
            return False
    return True


def broken_by(problem: OSError) -> str:
    """Why a connection ends, for people."""
    if problem.errno in (errno.ECONNRESET, errno.EPIPE):
        return "the peer broke it"
    return os.strerror(problem.errno) if problem.errno else str(problem)
