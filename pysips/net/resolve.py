"""Names to addresses: numeric at once, then /etc/hosts, then DNS, cached for each worker (RFC 3263).

Facts:
- a numeric address never waits, nor does a name asked lately; `known` answers for those, `ask` asks;
- one question is on its way for each name, however many wait for its answer;
- answers are kept for their TTL (1 s to 1 h), a name that leads nowhere for 30 s, a server that is silent for 5 s;
- only families of which we have a socket are asked for, IPv4 first;
- A and AAAA so far: `Names.look_up` is where SRV and NAPTR come before them (RFC 3263 section 4).
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from pysips.core.log import log
from pysips.core.services import DEFAULT_PORTS, Clock, Offload, Promise, Resolver, Target

NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
MOST: Final = 20_000
SHORTEST: Final = 1.0
LONGEST: Final = 3600.0
NOWHERE: Final = 30.0
SILENT: Final = 5.0
HOSTS: Final = "/etc/hosts"
HOSTS_SECONDS: Final = 2.0  # between two looks at the file's time


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """The globals `dns_retr_time`, `dns_retr_no`, `dns_servers_no`, `dns_use_search_list` (0 or None: the system's);

    failover: whether a name's other addresses are tried after the first (`disable_dns_failover=no`); slow_seconds:
    `exec_dns_threshold`, 0 for none.
    """

    retry_seconds: int = 0
    retries: int = 0
    servers: int = 0
    search_list: bool | None = None
    failover: bool = True
    slow_seconds: float = 0.0


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


class HostsFile:
    """/etc/hosts, read again when it changes."""

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.looked = float("-inf")
        self.changed = -1
        self.names: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """The addresses of a name (lower case) in the file's order; empty if it is not there."""
        now = self.clock.now()
        if now - self.looked >= HOSTS_SECONDS:
            self.looked = now
            self.look()
        return self.names.get(name, [])

    def look(self) -> None:
        try:
            changed = os.stat(self.path).st_mtime_ns
            if changed == self.changed:
                return
            with open(self.path, encoding="utf-8", errors="replace") as lines:
                self.names = hosts_of(lines.read(1 << 24))
        except OSError:
            self.names, changed = {}, -1
        self.changed = changed


def hosts_of(text: str) -> dict[str, list[str]]:
    """Names (lower case) to addresses, as hosts(5) writes them."""
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *spelled = line.partition("#")[0].split() or [""]
        if numeric(address):
            for name in spelled:
                names.setdefault(name.lower().rstrip("."), []).append(address)
    return names


class Names(Resolver):
    """The resolver of one worker. families: those of our sockets (4, 6)."""

    def __init__(
        self, clock: Clock, offload: Offload, families: set[int], settings: DnsSettings, hosts: str = HOSTS
    ) -> None:
        self.clock = clock
        self.offload = offload
        self.families = families
        self.settings = settings
        self.hosts = HostsFile(hosts, clock)
        self.numeric: dict[tuple[str, int, str], list[Target]] = {}  # the few that requests go to again and again
        self.kept: dict[str, tuple[float, list[str]]] = {}
        self.asking: dict[str, list[Callable[[list[str]], None]]] = {}
        self.server: dns.asyncresolver.Resolver | None = None

    def known(self, host: str, port: int, proto: str) -> list[Target] | None:
        """See `core.services.Resolver`."""
        place = (host, port, proto)
        same = self.numeric.get(place)
        if same is not None:
            return same
        if numeric(host):
            if len(self.numeric) >= MOST:
                self.numeric.clear()
            same = self.numeric[place] = targets([host], port, proto)
            return same
        name = host.lower().rstrip(".")
        kept = self.kept.get(name)
        if kept is not None and kept[0] > self.clock.now():
            return self.targets(kept[1], port, proto)
        found = self.of_our_families(self.hosts.addresses(name))
        if found or not NAME.fullmatch(name):
            return self.targets(found, port, proto)
        return None

    def ask(self, host: str, port: int, proto: str) -> Promise:
        """See `core.services.Resolver`."""
        promise = Promise()
        known = self.known(host, port, proto)
        if known is not None:
            promise.complete(known)
            return promise
        name = host.lower().rstrip(".")
        waiting = self.asking.setdefault(name, [])
        waiting.append(lambda found: promise.complete(self.targets(found, port, proto)))
        if len(waiting) == 1:
            self.offload.spawn(self.find(name))
        return promise

    async def find(self, name: str) -> None:
        """Ask for a name, keep the answer and tell all who wait for it."""
        found: list[str] = []
        seconds = SILENT
        began = self.clock.now()
        try:
            found, seconds = await self.look_up(name)
        except (dns.exception.DNSException, OSError, ValueError) as problem:
            if log.limited("resolve:" + name, 60.0):
                log.warn("resolve", f"cannot resolve {name}: {str(problem) or type(problem).__name__}")
        finally:
            if len(self.kept) >= MOST:
                self.kept.clear()
            self.kept[name] = (self.clock.now() + seconds, found)
            self.measure(name, self.clock.now() - began)
            for tell in self.asking.pop(name, []):
                tell(found)

    def measure(self, name: str, seconds: float) -> None:
        """Tell of an answer that took longer than `exec_dns_threshold`."""
        if 0 < self.settings.slow_seconds < seconds and log.limited("resolve:slow", 10.0):
            log.warn("resolve", f"{name} took {int(seconds * 1_000_000)} µs, more than exec_dns_threshold")

    async def look_up(self, name: str) -> tuple[list[str], float]:
        """The addresses of a name and for how many seconds they hold. Raises DNSException, OSError."""
        kinds = [dns.rdatatype.A] * (4 in self.families) + [dns.rdatatype.AAAA] * (6 in self.families)
        answers = await asyncio.gather(*[self.records(name, kind) for kind in kinds])
        found = [address for addresses, _ in answers for address in addresses]
        lives = [seconds for addresses, seconds in answers if addresses] or [NOWHERE]
        return found, min(max(min(lives), SHORTEST), LONGEST)

    async def records(self, name: str, kind: dns.rdatatype.RdataType) -> tuple[list[str], float]:
        """The addresses of one kind, none if the name has none."""
        server = self.server
        if server is None:
            server = self.server = configured(self.settings)
        try:
            answer = await server.resolve(name, kind, search=self.settings.search_list)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return [], NOWHERE
        return [record.to_text() for record in answer], float(answer.rrset.ttl if answer.rrset is not None else 0)

    def targets(self, addresses: list[str], port: int, proto: str) -> list[Target]:
        """What may be tried of a name's addresses."""
        return targets(addresses if self.settings.failover else addresses[:1], port, proto)

    def of_our_families(self, addresses: list[str]) -> list[str]:
        ours = [address for address in addresses if (6 if ":" in address else 4) in self.families]
        return sorted(ours, key=lambda address: ":" in address)


def configured(settings: DnsSettings) -> dns.asyncresolver.Resolver:
    """A resolver as /etc/resolv.conf and the script want it. Raises DNSException."""
    server = dns.asyncresolver.Resolver()
    if settings.servers:
        server.nameservers = server.nameservers[: settings.servers]
    if settings.retry_seconds:
        server.timeout = float(settings.retry_seconds)
    if settings.retry_seconds or settings.retries:
        server.lifetime = server.timeout * (settings.retries or 4) * max(len(server.nameservers), 1)
    return server


def targets(addresses: list[str], port: int, proto: str) -> list[Target]:
    """Addresses as targets, with the defaults of RFC 3263 section 4.1 where the URI left something open."""
    proto = proto or "udp"
    return [Target(proto, address, port or DEFAULT_PORTS.get(proto, 5060)) for address in addresses]
