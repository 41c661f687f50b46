"""Sockets and aliases as a script writes them.

`socket = proto:host[:ports] [as host[:ports]] [use_workers N] [tag NAME] …`; `alias = proto:host:port host …`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pysips.errors import Place

from . import literals
from .globals import TYPES_OF_SERVICE
from .nodes import SettingItem

HOST: Final = r'(?P<host>\*|\[[^\]\s]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f.]*|[^\s:"\[\]]+)'
ENDPOINT: Final = re.compile(rf"(?:(?P<proto>[A-Za-z][A-Za-z0-9_]*)\s*:\s*)?{HOST}(?:\s*:\s*(?P<ports>[^\s:]+))?")
ADVERTISED: Final = re.compile(rf"{HOST}(?:\s*:\s*(?P<ports>[^\s:]+))?")
PORTS: Final = re.compile(r"\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*")
MOST_PORTS: Final = 1000
PROTOCOLS: Final = (
    "udp", "tcp", "tls", "sctp", "ws", "wss", "bin", "bins", "hep_udp", "hep_tcp", "hep_tls", "smpp", "msrp", "msrps",
    "ipsec",
)  # fmt: skip
PLAIN_WORDS: Final = {
    "anycast": "anycast", "frag": "frag", "reuse_port": "reuse_port", "accept_subdomain": "subdomains",
    "allow_proxy_protocol": "proxy_in", "allow_proxy": "proxy_in", "send_proxy_protocol": "proxy_out",
    "send_proxy": "proxy_out", "proxy_protocol": "proxy_in proxy_out", "proxy": "proxy_in proxy_out",
}  # fmt: skip
VALUE_WORDS: Final = ("as", "use_workers", "use_children", "use_auto_scaling_profile", "tag", "tos")


class BadValue(ValueError):
    """A value that a setting does not take; cure may help."""

    def __init__(self, message: str, cure: str = "", place: Place | None = None) -> None:
        super().__init__(message)
        self.cure = cure
        self.place = place


@dataclass(slots=True)
class SocketWish:
    """One `socket`. host as it was written, brackets off; ports: (port, advertised port or 0) for each, empty for the
    protocol's own; workers 0: as the globals say; tos -1: as the global says."""

    place: Place
    proto: str
    host: str
    ports: tuple[tuple[int, int], ...] = ()
    advertised_host: str = ""
    workers: int = 0
    profile: str = ""
    tag: str = ""
    anycast: bool = False
    frag: bool = False
    reuse_port: bool = False
    tos: int = -1
    subdomains: bool = False
    proxy_in: bool = False
    proxy_out: bool = False


@dataclass(frozen=True, slots=True)
class Bond:
    """A group of sockets to send from: `bond:NAME { "udp:1.2.3.4:5060", … }`."""

    place: Place
    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of our own. proto "" is any, port 0 is any."""

    place: Place
    proto: str
    host: str
    port: int
    subdomains: bool = False


def parse_listener(text: str, place: Place) -> SocketWish:
    """`proto:host[:ports]`, of a socket or of `-l`. Raises BadValue."""
    found = ENDPOINT.fullmatch(text.strip().strip('"'))
    if found is None:
        raise BadValue(f"{text!r} is no socket", "it reads proto:host:port, as udp:127.0.0.1:5060")
    proto, host = (found["proto"] or "udp").lower(), found["host"]
    if found["proto"] is None and found["ports"] is None and host.lower() in PROTOCOLS:
        raise BadValue(f"{text!r} is no socket", "it reads proto:host:port, as udp:127.0.0.1:5060")
    if proto not in PROTOCOLS:
        raise BadValue(f"cannot handle protocol <{proto}>", f"one of {', '.join(PROTOCOLS)}")
    ports = parse_ports(found["ports"]) if found["ports"] is not None and found["ports"] != "any" else []
    return SocketWish(place, proto, host.strip("[]"), tuple((port, 0) for port in ports))


def parse_ports(text: str) -> list[int]:
    """`5060`, `5060-5070,5080`. Raises BadValue."""
    if PORTS.fullmatch(text) is None:
        raise BadValue(f"{text!r} is no port", "ports read 5060, 5060-5070 or 5060,5080")
    ports: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        first, last = int(low), int(high or low)
        if not 0 < first <= last <= 65535:
            raise BadValue(f"{part!r} is no port", "ports are from 1 to 65535, ranges go up")
        ports += range(first, last + 1)
        if len(ports) > MOST_PORTS:
            raise BadValue(f"more than {MOST_PORTS} ports in one socket")
    return ports


def joined(items: Sequence[SettingItem]) -> list[SettingItem]:
    """Items with `5060-5070 , 5080` and `udp:"host" :5060` made one word each."""
    made: list[SettingItem] = []
    for item in items:
        last = made[-1] if made else None
        continues = item.text == "," or (item.text.startswith(":") and not item.text.startswith("::"))
        glued = last is not None and (continues or last.text.endswith((",", ":")))
        if last is not None and glued:
            made[-1] = SettingItem(last.place, last.text + item.text, last.quoted and item.quoted)
        else:
            made.append(item)
    return made


def parse_socket(place: Place, given: Sequence[SettingItem]) -> SocketWish:
    """A whole `socket` or `listen`. Raises BadValue."""
    items = joined(given)
    wish = parse_listener(items[0].text, place)
    at = 1
    while at < len(items):
        item = items[at]
        word = item.text.lower().replace("-", "_")
        at += 1
        if word in PLAIN_WORDS:
            for attribute in PLAIN_WORDS[word].split(" "):
                setattr(wish, attribute, True)
        elif word in VALUE_WORDS:
            if at == len(items):
                raise BadValue(f"{item.text} needs a value", place=item.place)
            modify(wish, word, items[at])
            at += 1
        else:
            words = ", ".join([*VALUE_WORDS, *PLAIN_WORDS])
            raise BadValue(f"unknown word {item.text!r} after a socket", f"one of {words}", item.place)
    return wish


def modify(wish: SocketWish, word: str, item: SettingItem) -> None:
    """`as host:port`, `use_workers 4` and others with a value. Raises BadValue."""
    value = literals.number(item.text)
    if word == "as":
        advertise(wish, item)
    elif word in ("use_workers", "use_children"):
        if value is None or not 0 < value <= 1000:
            raise BadValue(f"{item.text!r} is no number of workers", "it is from 1 to 1000", item.place)
        wish.workers = value
    elif word == "tos":
        value = TYPES_OF_SERVICE.get(item.text, value)
        if value is None or not 0 <= value <= 255:
            raise BadValue(f"{item.text!r} is no type of service", "it is from 0 to 255", item.place)
        wish.tos = value
    elif word == "tag":
        wish.tag = item.text
    else:
        wish.profile = item.text


def advertise(wish: SocketWish, item: SettingItem) -> None:
    """`as host[:ports]`: several ports are paired with the socket's own."""
    found = ADVERTISED.fullmatch(item.text)
    if found is None:
        raise BadValue(f"{item.text!r} is no address to advertise", "it reads as host or as host:port", item.place)
    wish.advertised_host = found["host"].strip("[]")
    if found["ports"] is None:
        return
    ports = parse_ports(found["ports"])
    own = [port for port, _ in wish.ports]
    if len(ports) == 1 and len(own) < 2:
        wish.ports = ((own[0] if own else 0, ports[0]),)
    elif len(ports) == len(own):
        wish.ports = tuple(zip(own, ports, strict=True))
    else:
        raise BadValue(f"{len(ports)} advertised ports for {len(own) or 1}", "give one for each", item.place)


def parse_aliases(place: Place, given: Sequence[SettingItem]) -> list[Alias]:
    """All names of one `alias` line. Raises BadValue."""
    found: list[Alias] = []
    for item in joined(given):
        if item.text.lower() == "accept_subdomain" and found:
            last = found[-1]
            found[-1] = Alias(last.place, last.proto, last.host, last.port, True)
            continue
        match = ENDPOINT.fullmatch(item.text)
        if match is None:
            raise BadValue(f"{item.text!r} is no alias", "it reads host, any:host:port or proto:host:port", item.place)
        proto, host, ports = (match["proto"] or "").lower(), match["host"], match["ports"]
        if proto not in ("", "any", *PROTOCOLS) and ports is None and host.isdigit():
            proto, host, ports = "", match["proto"] or "", host  # host:port without a protocol
        if proto not in ("", "any", *PROTOCOLS):
            raise BadValue(f"cannot handle protocol <{proto}>", f"any, or one of {', '.join(PROTOCOLS)}", item.place)
        port = parse_ports(ports)[0] if ports is not None and ports != "any" else 0
        found.append(Alias(item.place, "" if proto == "any" else proto, host.strip("[]"), port, False))
    return found
