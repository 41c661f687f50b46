"""{ip.…}: addresses, as text and as their bytes."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

from pysips.script.catalogue import Apply, Ctx, Read, TransformSpec
from pysips.script.values import Value, text_of

from .log import log
from .transform_arguments import cooked, needed_text, parsed, raw, transform

PRIVATE: Final = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
)
MOST_HOST: Final = 255  # a name of the DNS (RFC 1035 section 2.3.4)


def packed4(text: str) -> bytes | None:
    """The four bytes of a dotted IPv4 address; None if it is none."""
    return packed(socket.AF_INET, text)


def packed6(text: str) -> bytes | None:
    """The 16 bytes of an IPv6 address, brackets allowed; None if it is none."""
    return packed(socket.AF_INET6, text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text)


def packed(family: socket.AddressFamily, text: str) -> bytes | None:
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def needed(text: str) -> str:
    if not text:
        raise ValueError("the text is empty")
    return text


def is_private(text: str) -> int:
    """1 for an IPv4 address of a private or shared net or of this machine (RFC 1918, 6598, 1122), else 0."""
    data = packed4(needed(text))
    return 1 if data is not None and any(ipaddress.IPv4Address(data) in net for net in PRIVATE) else 0


def matches(text: str, net: str) -> int:
    """1 if the address lies in the net `ip/bits`, 0 if not."""
    address = packed4(text) or packed6(text)
    base, slash, bits = net.partition("/")
    start = packed4(base) or packed6(base)
    if address is None or start is None or not slash:
        raise ValueError(f'"{text}" or "{net}" is no address')
    if len(address) != len(start):
        raise ValueError("the families differ")
    if not (bits.isascii() and bits.isdigit() and len(bits) < 4 and int(bits) <= len(start) * 8):
        raise ValueError(f'"{bits}" is no length of a net')
    shift = len(start) * 8 - int(bits)
    return 1 if int.from_bytes(address, "big") >> shift == int.from_bytes(start, "big") >> shift else 0


def to_bytes(text: str) -> str:
    """The address as its 4 or 16 bytes."""
    data = packed4(text) or packed6(text)
    if data is None:
        raise ValueError("no address")
    return cooked(data)


def to_text(text: str) -> str:
    """The address that 4 or 16 bytes are, as text."""
    data = raw(text)
    if len(data) not in (4, 16):
        raise ValueError("not 4 or 16 bytes")
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def family(text: str) -> str:
    """INET or INET6, of an address as 4 or 16 bytes."""
    size = len(raw(text))
    if size not in (4, 16):
        raise ValueError("not 4 or 16 bytes")
    return "INET" if size == 4 else "INET6"


def resolving(name: str, wanted: Callable[[str], bool]) -> TransformSpec:
    """The first address of a host name: of one that is known already, since a transformation cannot wait.

    Numeric hosts, /etc/hosts and lately asked names are known. Any other name gives NULL once, while it is asked for.
    """
    what = f"ip.{name}"

    def bind(arguments: str | None, read: Read) -> Apply:
        parsed(what, arguments, read, (), 0)

        def apply(ctx: Ctx, value: Value) -> Value:
            host = text_of(value)
            if not host or len(host) > MOST_HOST:
                return None
            resolver = ctx.services.resolver
            targets = resolver.known(host.strip("[]"), 0, "udp")
            if targets is None:
                resolver.ask(host.strip("[]"), 0, "udp")
                if log.limited(f"{what} {host}", 60):
                    log.warn("core:transformations", f"{{{what}}}: {host} is not known yet; it is being asked for")
                return None
            return next((target.host for target in targets if wanted(target.host)), None)

        return apply

    return TransformSpec("ip", name, "core", bind, "The first address of a host name.")


ADDRESSES: Final[list[TransformSpec]] = [
    transform("ip", "isip", lambda text: int(bool(packed4(needed(text)) or packed6(text))), help="1 for an address."),
    transform("ip", "isip4", lambda text: int(bool(packed4(needed(text)))), help="1 for an IPv4 address, else 0."),
    transform("ip", "isip6", lambda text: int(bool(packed6(needed(text)))), help="1 for an IPv6 address, else 0."),
    transform("ip", "isprivate", is_private),
    transform("ip", "matches", matches, (needed_text,)),
    transform("ip", "pton", to_bytes),
    transform("ip", "ntop", to_text),
    transform("ip", "family", family),
    resolving("resolve", lambda host: True),
    resolving("resolve4", lambda host: ":" not in host),
    resolving("resolve6", lambda host: ":" in host),
]
