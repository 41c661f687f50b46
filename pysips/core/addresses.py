"""Listening addresses: what `udp:eth0:5060`, `udp:*` and `udp:sip.example.com` mean on this machine."""

import ipaddress
import socket
import struct
from fcntl import ioctl
from pathlib import Path
from typing import Final

from pysips.errors import ModuleError

SIOCGIFADDR: Final = 0x8915
IF_INET6: Final = Path("/proc/net/if_inet6")


def addresses_of(host: str) -> list[str]:
    """Numeric addresses of a socket's host, IPv6 without brackets: an address, `*`, an interface's name, or a name.

    Raises ModuleError for one that leads nowhere.
    """
    bare = host.strip("[]")
    try:
        return [str(ipaddress.ip_address(bare))]
    except ValueError:
        pass
    interfaces = {name: interface_addresses(name) for _, name in socket.if_nameindex()}
    if bare == "*":
        found = [address for addresses in interfaces.values() for address in addresses]
        return [address for address in found if not address.startswith("fe80")]
    if bare in interfaces:
        return interfaces[bare]
    try:
        infos = socket.getaddrinfo(bare, None, type=socket.SOCK_DGRAM)
    except OSError as problem:
        raise ModuleError(
            f'"{host}" is no address, no interface and no known name ({problem.strerror or problem})'
        ) from None
    return list(dict.fromkeys(str(info[4][0]) for info in infos))[:1]


def interface_addresses(name: str) -> list[str]:
    """The addresses of a network interface."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            answer = ioctl(asker.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            found.append(socket.inet_ntoa(answer[20:24]))
        except OSError:
            pass  # an interface without an IPv4 address
    if IF_INET6.exists():
        for line in IF_INET6.read_text("ascii").splitlines():
            words = line.split()
            if words[5] == name:
                found.append(str(ipaddress.IPv6Address(bytes.fromhex(words[0]))))
    return found


def names_of(address: str) -> list[str]:
    """The names that the system knows an address by (`auto_aliases`); none if nobody knows it."""
    try:
        name, others, _ = socket.gethostbyaddr(address)
    except OSError:
        return []
    return [name, *others]
