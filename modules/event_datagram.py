"""event_datagram: events as JSON-RPC notifications in datagrams (OpenSIPS 3.x and 4.0: event_datagram).

Sockets of subscribers are `udp:address:port` and `unix:/path`.
"""

import json
import re
import socket
from typing import Final

from pysips.core.events import Values
from pysips.core.exports import Module
from pysips.core.log import log
from pysips.core.services import Resolver, Target
from pysips.core.subscriptions import EventTransport
from pysips.errors import SipError
from pysips.sip.uri import parse_host

LARGEST: Final = 65_457  # bytes, as OpenSIPS says
PLACE: Final = re.compile("[1-9][0-9]*")
Address = str | tuple[str, int]


def payload(name: str, values: Values) -> bytes:
    """The notification; values that have places and no names are a list."""
    said: dict[str, object] = {"jsonrpc": "2.0", "method": name}
    if values:
        by_place = all(PLACE.fullmatch(key) for key in values)
        said["params"] = list(values.values()) if by_place else values
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def udp_address(text: str) -> tuple[str, int]:
    """Host (IPv6 without brackets) and port of `udp:host:port`. Raises ValueError."""
    rest = text.partition(":")[2]
    try:
        host, port = parse_host(rest, 0, len(rest))
    except SipError:
        host, port = "", None
    if not host or not port:
        raise ValueError(f'"{text}" is no socket for events: udp:address:port')
    return host.strip("[]"), port


class Datagrams(EventTransport):
    """Sends to either kind of socket. senders: our own sockets, one a family, made at their first use."""

    def __init__(self) -> None:
        self.resolver = Resolver()
        self.senders: dict[int, socket.socket] = {}

    def check(self, socket: str) -> None:
        word, _, path = socket.partition(":")
        if word == "udp":
            udp_address(socket)
        elif not path.startswith("/") or "\0" in path:
            raise ValueError(f'"{socket}" is no socket for events: unix:/path')

    def send(self, socket: str, name: str, values: Values) -> None:
        data = payload(name, values)
        if len(data) > LARGEST:
            raise OSError(f"{len(data)} bytes do not fit into a datagram")
        word, _, path = socket.partition(":")
        if word == "unix":
            self.put(path, data)
            return
        host, port = udp_address(socket)
        found = self.resolver.ask(host, port, "udp")
        found.when_done(lambda: self.put_first(found.value or [], data, socket))

    def put_first(self, targets: list[Target], data: bytes, subscriber: str) -> None:
        """To the first address of a name."""
        try:
            if not targets:
                raise OSError("its name leads nowhere")
            self.put((targets[0].host, targets[0].port), data)
        except OSError as problem:
            if log.limited("events:" + subscriber, 10.0):
                log.warn("event_datagram", f"{subscriber} misses events: {problem}")

    def put(self, address: Address, data: bytes) -> None:
        """Send without waiting. Raises OSError."""
        family = socket.AF_UNIX
        if not isinstance(address, str):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sender = self.senders.get(family)
        if sender is None:
            sender = self.senders[family] = socket.socket(family, socket.SOCK_DGRAM)
            sender.setblocking(False)
        sender.sendto(data, address)

    def close(self) -> None:
        """Give the sockets back."""
        while self.senders:
            self.senders.popitem()[1].close()


class EventDatagram(Module):
    def configure(self) -> None:
        self.datagrams = Datagrams()
        transports = self.program.subscriptions.transports
        transports["udp"] = transports["unix"] = self.datagrams

    async def start(self) -> None:
        self.datagrams.resolver = self.services.resolver

    async def stop(self) -> None:
        self.datagrams.close()
