"""Names to targets: numeric at once, then /etc/hosts, then DNS, as RFC 3263 section 4 says it.

Facts:
- a numeric address never waits, nor does a name asked lately; `known` answers for those, `ask` asks;
- the walk of section 4 (NAPTR, SRV, A and AAAA) is plain code over what is kept: where something is missing it says
  so, that is asked for, all at once, and it walks again;
- only transports and families of which we have a socket count; IPv4 comes first, unless `dns_try_ipv6` is set;
- servers of equal priority are chosen by their weights anew for each request (RFC 2782);
- a server whose address is slow to come (1 s) is left out where there is another; what was known before goes on
  meanwhile;
- where two questions met silence and nothing else was answered lately, no more are asked: a dead DNS costs twice its
  time limit, no more.
"""

import asyncio
import random
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from pysips.core.services import DEFAULT_PORTS, Clock, Offload, Promise, Resolver, Target

from .hosts import HOSTS, HostsFile, numeric
from .records import AAAA, NAPTR, SRV, A, DnsCounters, DnsSettings, Kept, Record, Records

NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
MOST: Final = 20_000
MOST_TARGETS: Final = 40
MOST_SERVICES: Final = 8
MOST_ROUNDS: Final = 8
MOST_SILENCES: Final = 2
GRACE: Final = 1.0  # seconds
FOREVER: Final = float("inf")

SIPS: Final = "sips"  # what a SIPS URI without a transport asks for: any that is secure
PREFIXES: Final = {
    "udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp.", "sctp": "_sip._sctp.", "ws": "_sip._ws.",
    "wss": "_sips._ws.",
}  # fmt: skip
SERVICES: Final = {
    "sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls", "sip+d2w": "ws", "sips+d2w": "wss",
}  # fmt: skip
SECURE: Final = ("tls", "wss")


class Way(NamedTuple):
    """A server: its transport, port and addresses, and its weight among those of its priority."""

    proto: str
    port: int
    addresses: list[str]
    weight: int = 0


class Plan:
    """Where a name leads, until some time of the clock: groups of ways, each to be tried after the one before it."""

    __slots__ = ("fixed", "groups", "until")

    def __init__(self, groups: list[list[Way]], until: float) -> None:
        self.groups = groups
        self.until = until
        self.fixed: list[Target] | None = None
        if all(len(group) < 2 for group in groups):
            self.fixed = [target for group in groups for way in group for target in targets_of(way)][:MOST_TARGETS]

    def targets(self, chance: random.Random) -> list[Target]:
        """The targets, best first: within a group as their weights have it."""
        if self.fixed is not None:
            return self.fixed
        ways = [way for group in self.groups for way in by_weight(group, chance)]
        return [target for way in ways for target in targets_of(way)][:MOST_TARGETS]


def targets_of(way: Way) -> list[Target]:
    return [Target(way.proto, address, way.port) for address in way.addresses]


def by_weight(ways: Sequence[Way], chance: random.Random) -> list[Way]:
    """Ways of one priority in an order drawn by their weights (RFC 2782); those of weight 0 come nearly never first."""
    left = list(ways)
    chance.shuffle(left)
    left.sort(key=lambda way: way.weight > 0)
    drawn = []
    while len(left) > 1:
        number = chance.randint(0, sum(way.weight for way in left))
        sums = accumulate(way.weight for way in left)
        drawn.append(left.pop(next(place for place, so_far in enumerate(sums) if so_far >= number)))
    return drawn + left


class Walk:
    """One walk over what is known. held: what was asked for it; missing: what has to be asked before it can end."""

    def __init__(self, names: "Names", held: dict[tuple[str, str], Kept]) -> None:
        self.names = names
        self.held = held
        self.missing: list[tuple[str, str]] = []
        self.until = FOREVER
        self.silences = 0

    def groups(self, name: str, port: int, proto: str) -> list[list[Way]]:
        """Sections 4.1 and 4.2: the ways to a name; what it answers counts only if nothing is missing."""
        if port:
            return self.hosts(name, port, proto)
        if proto in ("", SIPS):
            found = self.by_naptr(name, proto == SIPS)
            if found or self.stuck():
                return found
        found, refused = self.by_srv(name, self.names.protos_for(proto))
        if found or refused or self.stuck():
            return found
        return self.hosts(name, port, proto)

    def in_vain(self) -> bool:
        """Whether there is nobody to ask."""
        return self.silences >= MOST_SILENCES and not self.names.records.is_alive()

    def stuck(self) -> bool:
        return bool(self.missing) or self.in_vain()

    def by_naptr(self, name: str, secure: bool) -> list[list[Way]]:
        """What the domain itself prefers."""
        if not self.names.settings.naptr:
            return []
        protos = self.names.protos
        records = sorted(self.records(name, NAPTR), key=lambda one: (one.order, one.weight))
        offered = [(SERVICES.get(one.service, ""), one.host) for one in records]
        chosen = [(proto, host) for proto, host in offered if proto in protos and (not secure or proto in SECURE)]
        return [group for proto, host in chosen[:MOST_SERVICES] for group in self.servers(host, proto) or ()]

    def by_srv(self, name: str, protos: Sequence[str]) -> tuple[list[list[Way]], bool]:
        """The first transport with servers; and whether the domain refuses all that it has an opinion of."""
        offers = [self.servers(PREFIXES[proto] + name, proto) for proto in protos if proto in PREFIXES]
        if any(kind == SRV for _, kind in self.missing):
            return [], False
        opinions = [one for one in offers if one is not None]
        found = next((one for one in opinions if one), [])
        return found, not found and any(self.refuses(PREFIXES[proto] + name) for proto in protos if proto in PREFIXES)

    def refuses(self, name: str) -> bool:
        """A target of "." says that there is decidedly no such service (RFC 2782)."""
        records = self.records(name, SRV)
        return len(records) == 1 and not records[0].host

    def servers(self, name: str, proto: str) -> list[list[Way]] | None:
        """The servers of a SRV name by priority; None if there are no such records."""
        records = [one for one in self.records(name, SRV) if one.host]
        if not records:
            return None
        groups: dict[int, list[Way]] = {}
        for one in sorted(records, key=lambda one: one.order):
            addresses = self.addresses(one.host)
            if addresses:
                groups.setdefault(one.order, []).append(Way(proto, one.port, addresses, one.weight))
        return list(groups.values())

    def hosts(self, name: str, port: int, proto: str) -> list[list[Way]]:
        """The name's own addresses."""
        addresses = self.addresses(name)
        proto = plain_proto(proto)
        return [[Way(proto, port or DEFAULT_PORTS.get(proto, 5060), addresses)]] if addresses else []

    def addresses(self, name: str) -> list[str]:
        names = self.names
        found = names.of_our_families(names.hosts.addresses(name))
        if found:
            return found
        return [one.host for kind in names.kinds for one in self.records(name, kind)]

    def records(self, name: str, kind: str) -> list[Record]:
        """What is kept; what is not is missing."""
        kept = self.held.get((name, kind)) or self.names.records.known(name, kind)
        if kept is None:
            if (name, kind) not in self.missing:
                self.missing.append((name, kind))
            return []
        self.until = min(self.until, kept.until)
        self.silences += kept.silent
        return kept.records


class Names(Resolver):
    """The resolver of one worker. families: those of our sockets (4, 6); protos: their transports, best first."""

    def __init__(
        self, clock: Clock, offload: Offload, families: set[int], settings: DnsSettings, hosts: str = HOSTS,
        protos: Sequence[str] = ("udp", "tcp"), counters: DnsCounters | None = None,
    ) -> None:  # fmt: skip
        self.clock = clock
        self.offload = offload
        self.settings = settings
        self.protos = [proto for proto in DEFAULT_PORTS if proto in protos]
        self.hosts = HostsFile(hosts, clock)
        self.records = Records(clock, settings, counters)
        self.chance = random.Random()
        self.families = families
        if settings.ipv6 is False and 4 in families:
            self.families = {4}
        self.kinds = [A] * (4 in self.families) + [AAAA] * (6 in self.families)
        if settings.ipv6:
            self.kinds.reverse()
        self.numeric: dict[tuple[str, int, str], list[Target]] = {}  # the few that requests go to again and again
        self.plans: dict[tuple[str, int, str], Plan] = {}
        self.asking: dict[tuple[str, int, str], list[Promise]] = {}

    def known(self, host: str, port: int, proto: str) -> list[Target] | None:
        """See `core.services.Resolver`."""
        place = (host, port, proto)
        same = self.numeric.get(place)
        if same is not None:
            return same
        if numeric(host):
            if len(self.numeric) >= MOST:
                self.numeric.clear()
            proto = plain_proto(proto)
            same = self.numeric[place] = [Target(proto, host, port or DEFAULT_PORTS.get(proto, 5060))]
            return same
        plan = self.plan(host.lower().rstrip("."), port, proto)
        return None if plan is None else self.chosen(plan)

    def plan(self, name: str, port: int, proto: str) -> Plan | None:
        """Where a name leads as far as is known; None if one has to ask."""
        plan = self.plans.get((name, port, proto))
        if plan is not None and plan.until > self.clock.now():
            return plan
        listed = self.of_our_families(self.hosts.addresses(name))
        if listed:
            proto = plain_proto(proto)
            return Plan([[Way(proto, port or DEFAULT_PORTS.get(proto, 5060), listed)]], 0.0)
        if not NAME.fullmatch(name):
            return Plan([], 0.0)
        return self.walked(Walk(self, {}), (name, port, proto))

    def walked(self, walk: Walk, place: tuple[str, int, str]) -> Plan | None:
        """Walk; the plan, if nothing was missing."""
        groups = walk.groups(*place)
        if walk.missing and not walk.in_vain():
            return None
        if len(self.plans) >= MOST:
            self.plans.clear()
        plan = self.plans[place] = Plan(groups, walk.until)
        return plan

    def ask(self, host: str, port: int, proto: str) -> Promise:
        """See `core.services.Resolver`."""
        promise = Promise()
        known = self.known(host, port, proto)
        if known is not None:
            promise.complete(known)
            return promise
        place = (host.lower().rstrip("."), port, proto)
        waiting = self.asking.setdefault(place, [])
        waiting.append(promise)
        if len(waiting) == 1:
            self.offload.spawn(self.find(place))
        return promise

    async def find(self, place: tuple[str, int, str]) -> None:
        """Ask for what the walk misses until it ends, and tell all who wait for it."""
        plan: Plan | None = None
        held: dict[tuple[str, str], Kept] = {}
        try:
            for _ in range(MOST_ROUNDS):
                walk = Walk(self, held)
                plan = self.walked(walk, place)
                if plan is not None:
                    break
                plan = await self.answers(walk, place)
                if plan is not None:
                    break
        finally:
            for promise in self.asking.pop(place, []):
                promise.complete([] if plan is None else self.chosen(plan))

    async def answers(self, walk: Walk, place: tuple[str, int, str]) -> Plan | None:
        """Ask for what a walk misses, into `walk.held`; a plan if it leads somewhere without what is slow to come."""
        held = walk.held
        asked = {question: self.records.ask(*question) for question in walk.missing}
        await asyncio.wait(asked.values(), timeout=GRACE)
        for question, answer in asked.items():
            stale = None if answer.done() else self.records.stale(*question)
            if answer.done():
                held[question] = answer.result()
            elif stale is not None:
                held[question] = stale
        slow = {question: answer for question, answer in asked.items() if question not in held}
        if not slow:
            return None
        groups = Walk(self, held).groups(*place)
        if groups:
            return Plan(groups, 0.0)
        await asyncio.wait(slow.values())
        held.update({question: answer.result() for question, answer in slow.items()})
        return None

    def chosen(self, plan: Plan) -> list[Target]:
        """What may be tried of a plan's targets."""
        targets = plan.targets(self.chance)
        return targets if self.settings.failover else targets[:1]

    def protos_for(self, proto: str) -> list[str]:
        """The transports whose SRV records count for what a URI says of its transport."""
        if proto == SIPS:
            return [one for one in SECURE if one in self.protos]
        if proto:
            return [proto]
        return [one for one in self.protos if one not in SECURE]

    def of_our_families(self, addresses: list[str]) -> list[str]:
        """The addresses that we have sockets for, in our order."""
        ours = [address for address in addresses if (6 if ":" in address else 4) in self.families]
        return sorted(ours, key=lambda address: (":" in address) != bool(self.settings.ipv6))


def plain_proto(proto: str) -> str:
    """The transport of a target whose URI left it open (section 4.1)."""
    return "tls" if proto == SIPS else proto or "udp"
