"""Numeric hosts, and the names that /etc/hosts knows (hosts(5))."""

import os
import socket
from typing import Final

from pysips.core.services import Clock

HOSTS: Final = "/etc/hosts"
LOOK_SECONDS: Final = 2.0  # between two looks at the file's time
LARGEST: Final = 1 << 24


def numeric(host: str) -> bool:
    """Whether a host (without brackets) is an IPv4 or IPv6 address."""
    if ":" in host:
        return is_address(socket.AF_INET6, host.partition("%")[0])
    return host[-1:].isdigit() and is_address(socket.AF_INET, host)


def is_address(family: socket.AddressFamily, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


class WatchedFile:
    """A file's time, looked at now and then: whether it is another file than last time."""

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.looked = float("-inf")
        self.changed = -1

    def is_new(self) -> bool:
        """Whether the file came, changed or went since it was last asked; looks once in 2 s."""
        now = self.clock.now()
        if now - self.looked < LOOK_SECONDS:
            return False
        self.looked = now
        try:
            changed = os.stat(self.path).st_mtime_ns
        except OSError:
            changed = -1
        if changed == self.changed:
            return False
        self.changed = changed
        return True


class HostsFile:
    """/etc/hosts, read again when it changes."""

    def __init__(self, path: str, clock: Clock) -> None:
        self.file = WatchedFile(path, clock)
        self.names: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """The addresses of a name (lower case) in the file's order; empty if it is not there."""
        if self.file.is_new():
            self.names = self.read()
        return self.names.get(name, [])

    def read(self) -> dict[str, list[str]]:
        try:
            with open(self.file.path, encoding="utf-8", errors="replace") as lines:
                return hosts_of(lines.read(LARGEST))
        except OSError:
            return {}


def hosts_of(text: str) -> dict[str, list[str]]:
    """Names (lower case) to addresses, as hosts(5) writes them."""
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *spelled = line.partition("#")[0].split() or [""]
        if numeric(address):
            for name in spelled:
                names.setdefault(name.lower().rstrip("."), []).append(address)
    return names
