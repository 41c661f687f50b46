"""mi_datagram: management commands in datagrams, UDP or Unix (OpenSIPS: mi_datagram).

A datagram holds one JSON-RPC request, and the answer is one datagram back. The attendant serves it.

Facts:
- text that is no JSON is answered `400 Parse_error`, as OpenSIPS does here, and not by an error of JSON-RPC;
- a client's Unix socket has to have a name, or nobody could answer it;
- an answer that does not go out at once is tried again for `socket_timeout`; nobody waits for that client meanwhile;
- an answer that does not fit into a datagram becomes an error that says so.
"""

import asyncio
import errno
import json
import os
import re
import socket
import stat
from pathlib import Path
from typing import Any, Final

from pysips.core import owner
from pysips.core.exports import Module, modparam, param
from pysips.core.log import log
from pysips.core.services import Management, Timer, Timers
from pysips.errors import ModuleError

ATTENDANT: Final = -1
LARGEST: Final = 65_457  # bytes, as OpenSIPS says
LOWEST_PORT: Final = 1024
HIGHEST_PORT: Final = 65_535
AT_ONCE: Final = 32  # datagrams taken in one go
MOST_WAITING: Final = 100  # answers that wait for slow clients
PAUSE: Final = 0.05
BAD_JSON: Final = b"400 Parse_error"
UDP_PLACE: Final = re.compile(r"udp:(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]\s]+)):(?P<port>[0-9]{1,5})")
Place = tuple[int, Any]  # an address family, and an address as `bind` wants it
FULL: Final = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS))


class MiDatagram(Module):
    is_door = True

    socket_name: str = param("", help="udp:host:port, or the path of a Unix socket.")
    socket_timeout: int = param(2000, low=1, high=60_000, help="Milliseconds in which an answer has to go out.")
    socket_buf_size: int = param(LARGEST, low=1, high=LARGEST, help="Bytes of a datagram, at most.")
    unix_socket_mode: int = param(0o660, low=0, high=0o777, help="The Unix socket's permissions.")
    pretty_printing: bool = param(False, help="Answer with JSON for people.")

    def __init__(self) -> None:
        self.user: int | str | None = None
        self.group: int | str | None = None
        self.place: Place | None = None
        self.server: Datagrams | None = None

    @modparam("unix_socket_user", object, help="The Unix socket's owner, by name or number.")
    def set_user(self, value: int | str) -> None:
        self.user = value

    @modparam("unix_socket_group", object, help="The Unix socket's group, by name or number.")
    def set_group(self, value: int | str) -> None:
        self.group = value

    def configure(self) -> None:
        if not self.socket_name:
            raise ModuleError('it needs a socket: modparam("mi_datagram", "socket_name", "udp:127.0.0.1:8080")')
        if self.socket_name.startswith("udp:"):
            self.place = udp_place(self.socket_name)
        elif not self.socket_name.startswith("/"):
            raise ModuleError(f'socket_name: "{self.socket_name}" is neither udp:host:port nor a path')

    async def start(self) -> None:
        """Raises ModuleError if the socket cannot be had."""
        if self.services.slot != ATTENDANT:
            return
        made = self.opened()
        self.server = Datagrams(
            made, self.services.management, self.services.timers, self.socket_buf_size, self.socket_timeout / 1000,
            bool(self.pretty_printing),
        )  # fmt: skip

    def opened(self) -> socket.socket:
        """The socket, bound. Raises ModuleError."""
        try:
            if self.place is not None:
                return udp_socket(*self.place)
            return unix_socket(Path(self.socket_name), self.unix_socket_mode, self.user, self.group)
        except (OSError, KeyError) as problem:
            why = getattr(problem, "strerror", None) or problem
            raise ModuleError(f"cannot listen on {self.socket_name}: {why}") from None

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
            if self.place is None:
                Path(self.socket_name).unlink(missing_ok=True)


class Datagrams:
    """The socket, served. largest: bytes of a request and of an answer; seconds: in which an answer has to go out."""

    def __init__(
        self, made: socket.socket, management: Management, timers: Timers, largest: int, seconds: float, pretty: bool
    ) -> None:
        self.socket = made
        self.management = management
        self.timers = timers
        self.largest = largest
        self.seconds = seconds
        self.pretty = pretty
        self.waiting = 0
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(made.fileno(), self.readable)

    def close(self) -> None:
        self.loop.remove_reader(self.socket.fileno())
        self.socket.close()

    def readable(self) -> None:
        """Take what is there."""
        for _ in range(AT_ONCE):
            try:
                data, peer = self.socket.recvfrom(self.largest + 1)
            except BlockingIOError:
                return
            except OSError:
                continue  # an earlier answer's client is gone (ICMP); the next look reads on
            self.perform(data, peer)

    def perform(self, data: bytes, peer: Any) -> None:
        """One request; its answer follows when it is there."""
        if not peer:
            if log.limited("mi_datagram:nameless", 60.0):
                log.warn("mi_datagram", "a client's Unix socket has no name: bind it, or it cannot be answered")
            return
        text = read_text(data) if len(data) <= self.largest else None
        if text is None:
            self.send(BAD_JSON, peer)
            return
        promise = self.management.answer(text)
        promise.when_done(lambda: self.answered(promise.value, peer))

    def answered(self, text: str, peer: Any) -> None:
        """An empty answer is none."""
        if not text:
            return
        if self.pretty:
            text = json.dumps(json.loads(text), indent=4, ensure_ascii=False)
        data = text.encode("utf-8", "backslashreplace")
        if len(data) > self.largest:
            answer = json.loads(text)
            number = answer.get("id") if isinstance(answer, dict) else None
            data = too_large(len(data), number)
        self.send(data, peer)

    def send(self, data: bytes, peer: Any) -> None:
        if not self.put(data, peer):
            if self.waiting >= MOST_WAITING:
                self.give_up(peer, "too many others do not, either")
                return
            self.waiting += 1
            self.timers.add(Again(self, data, peer), PAUSE)

    def put(self, data: bytes, peer: Any) -> bool:
        """Send it now; False if the client's queue is full. A client that is gone is nobody's fault."""
        try:
            self.socket.sendto(data, peer)
        except OSError as problem:
            if problem.errno in FULL:
                return False
            self.give_up(peer, problem.strerror or str(problem))
        return True

    def give_up(self, peer: Any, why: str) -> None:
        if log.limited("mi_datagram:answer", 10.0):
            log.warn("mi_datagram", f"{peer} does not get its answer: {why}")


class Again(Timer):
    """An answer that waits until its client has read what came before."""

    def __init__(self, server: Datagrams, data: bytes, peer: Any) -> None:
        super().__init__()
        self.server, self.data, self.peer = server, data, peer
        self.left = int(server.seconds / PAUSE)

    def fire(self) -> None:
        server = self.server
        self.left -= 1
        if server.socket.fileno() < 0 or server.put(self.data, self.peer):
            server.waiting -= 1
        elif self.left <= 0:
            server.waiting -= 1
            server.give_up(self.peer, "it does not read")
        else:
            server.timers.add(self, PAUSE)


def read_text(data: bytes) -> str | None:
    """The request's text; None for what is no JSON."""
    try:
        text = data.decode("utf-8").strip("\0\r\n\t ")
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return text


def too_large(size: int, number: Any) -> bytes:
    """What a client gets in place of an answer of so many bytes."""
    message = f"The answer has {size} bytes, more than fit: ask over another transport"
    error = {"jsonrpc": "2.0", "error": {"code": 500, "message": message}, "id": number}
    return json.dumps(error, separators=(",", ":")).encode()


def udp_place(text: str) -> Place:
    """The address of `udp:host:port`, a name's first. Raises ModuleError."""
    found = UDP_PLACE.fullmatch(text)
    port = int(found["port"]) if found else 0
    if found is None or not LOWEST_PORT <= port <= HIGHEST_PORT:
        raise ModuleError(f'socket_name: "{text}" is not udp:host:port with a port of {LOWEST_PORT}–{HIGHEST_PORT}')
    try:
        found_places = socket.getaddrinfo(found["v6"] or found["host"], port, type=socket.SOCK_DGRAM)
    except OSError as problem:
        raise ModuleError(f'socket_name: "{text}" leads nowhere: {problem.strerror}') from None
    family, _, _, _, address = found_places[0]
    return family, address


def udp_socket(family: int, address: Any) -> socket.socket:
    """Bound to an address. Raises OSError."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def unix_socket(path: Path, mode: int, user: int | str | None, group: int | str | None) -> socket.socket:
    """Bound, with its owner and permissions; another server's old one is replaced. Raises OSError, KeyError."""
    if path.is_socket() and not path.is_symlink():
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        before = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        owner.give(path, user, group)
        path.chmod(mode or stat.S_IRUSR | stat.S_IWUSR)
    except (OSError, KeyError):
        made.close()
        raise
    return made
