"""Blacklists: targets that nothing is sent to (OpenSIPS: blacklists.c; `dst_blacklist`, `use_blacklist`, …).

Facts:
- a list applies to a request if the script says so (`use_blacklist`), or by itself if it is `default`;
- a list that may change is one record in the shared table once it has changed: every worker sees the same rules, and
  reads them anew only when the record is another one;
- the list "dns" (`disable_dns_blacklist=no`) learns targets that failed, for four minutes each;
- a list holds MOST_RULES rules: then those that end soonest go, and where none ends, no more are taken.
"""

import fnmatch
import ipaddress
import json
import re
from dataclasses import dataclass, field, replace
from typing import Final

from pysips.script.config import Blacklist as Wish
from pysips.sip.text import number

from .log import log
from .services import Blacklists, Services, TablesFull, Target

RECORDS: Final = b"b"  # the kind of these records in the shared table: name → rules
ALL: Final = -1
DNS: Final = "dns"
DNS_SECONDS: Final = 240
MOST_RULES: Final = 1000
MOST_PATTERN: Final = 1024
HIGHEST_PORT: Final = 65535
READ_ONLY: Final = "read-only"
EXPIRE: Final = "expire"
DEFAULT: Final = "default"
PROTOS: Final = ("udp", "tcp", "tls", "sctp", "ws", "wss")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """A list cannot be changed like that; code and text as the management command answers."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Rule:
    """proto "" and port 0: any; pattern: a shell pattern for the whole message, "" for any; inverted: all but these.

    ends: unix seconds, 0 for never; no part of what makes two rules the same.
    """

    network: Network
    proto: str = ""
    port: int = 0
    pattern: str = ""
    inverted: bool = False
    ends: float = field(default=0.0, compare=False)
    expression: re.Pattern[str] | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.pattern:
            object.__setattr__(self, "expression", re.compile(fnmatch.translate(self.pattern)))

    def holds(self, now: float) -> bool:
        """Whether it has not ended."""
        return not 0 < self.ends <= now

    def meets(self, proto: str, address: Address, port: int, text: str) -> bool:
        """Whether a target is meant; text: the message, looked at only by a pattern."""
        fits = (
            self.port in (0, port) and self.proto in ("", proto) and address in self.network
            and (self.expression is None or self.expression.match(text) is not None)
        )  # fmt: skip
        return fits != self.inverted

    def row(self) -> list[object]:
        """As it stands in the shared table."""
        return [str(self.network), self.proto, self.port, self.pattern, self.inverted, self.ends]


def network_of(text: str) -> Network:
    """An address or a network, IPv6 in brackets or not. Raises ValueError."""
    address, slash, mask = text.strip().partition("/")
    return ipaddress.ip_network(address.strip("[]") + slash + mask, strict=False)


def proto_of(text: str) -> str:
    """A transport, "" for any. Raises ValueError."""
    name = text.strip().lower()
    if name in ("", "any", "none"):
        return ""
    if name not in PROTOS:
        raise ValueError(f'"{text}" is no transport: any, {", ".join(PROTOS)}')
    return name


def rule_of(text: str) -> Rule:
    """`[!][proto,]network[,port[,pattern]]`, as the management commands take it. Raises ValueError."""
    text = text.strip()
    inverted = text.startswith("!")
    words = text.removeprefix("!").strip().split(",", 3)
    proto = ""
    if words[0].strip().lower() in (*PROTOS, "any"):
        proto = proto_of(words.pop(0))
    else:
        words = text.removeprefix("!").strip().split(",", 2)
    if not words:
        raise ValueError(f'"{text}" names no network')
    port = number(words[1].strip() or "0", HIGHEST_PORT) if len(words) > 1 else 0
    if port is None:
        raise ValueError(f'"{words[1]}" is no port')
    return made_rule(words[0], proto, port, words[2] if len(words) > 2 else "", inverted)


def made_rule(network: str, proto: str, port: int, pattern: str, inverted: bool) -> Rule:
    """A rule of checked parts. Raises ValueError."""
    if not 0 <= port <= HIGHEST_PORT:
        raise ValueError(f"{port} is no port")
    if len(pattern) > MOST_PATTERN:
        raise ValueError("a pattern that long is no pattern")
    return Rule(network_of(network), proto_of(proto), port, pattern, inverted)


class Blacklist:
    """One list. owner: "script", or "dns" for what was learnt; flags: out of read-only, expire, default."""

    def __init__(self, name: str, owner: str, flags: tuple[str, ...], rules: list[Rule], services: Services) -> None:
        self.name = name
        self.owner = owner
        self.flags = flags
        self.written = rules  # by the script
        self.services = services
        self.most = MOST_RULES
        self.record: bytes | None = None
        self.rules = rules
        self.exact: dict[tuple[str, str, int], Rule] = {}
        self.others: list[Rule] = []
        self.sort(rules)

    @property
    def key(self) -> bytes:
        return self.name.encode("utf-8", "surrogateescape")

    def sort(self, rules: list[Rule]) -> None:
        """Rules for one address are found at once, the others one after another."""
        self.rules = rules
        self.exact, self.others = {}, []
        for rule in rules:
            alone = rule.network.num_addresses == 1
            if alone and rule.proto and rule.port and not rule.pattern and not rule.inverted:
                self.exact[rule.proto, str(rule.network.network_address), rule.port] = rule
            else:
                self.others.append(rule)

    def refresh(self) -> None:
        """See what others have changed."""
        if READ_ONLY not in self.flags:
            record = self.services.tables.get(RECORDS, self.key)
            if record != self.record:
                self.record = record
                self.sort(self.written if record is None else rules_of(record))

    def current(self) -> list[Rule]:
        """The rules that hold now, whoever made them."""
        self.refresh()
        now = self.services.clock.time()
        return [rule for rule in self.rules if rule.holds(now)]

    def meets(self, proto: str, host: str, port: int, text: str) -> Rule | None:
        """The first rule that means a target (numeric host); None if none does."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
        self.refresh()
        now = self.services.clock.time()
        found = self.exact.get((proto, str(address), port))
        if found is not None and found.holds(now):
            return found
        return next((one for one in self.others if one.holds(now) and one.meets(proto, address, port, text)), None)

    # -- changes

    def add(self, rule: Rule, seconds: int) -> None:
        """Add a rule, for so many seconds (0: for good); the same rule once more takes its place. Raises Refused."""
        self.check_change()
        if seconds and EXPIRE not in self.flags:
            raise Refused(404, "Blacklist without expire support")
        ends = self.services.clock.time() + seconds if seconds else 0.0
        self.change(None, replace(rule, ends=ends))

    def remove(self, rule: Rule) -> bool:
        """Take a rule out; False if it is not there. Raises Refused."""
        self.check_change()
        return self.change(rule, None)

    def check_change(self) -> None:
        if READ_ONLY in self.flags:
            raise Refused(403, "Cannot modify read-only blacklist")

    def change(self, out: Rule | None, into: Rule | None) -> bool:
        """One transaction; False if `out` is not there. Raises Refused."""
        self.refresh()
        transaction = self.services.tables.begin()
        try:
            record = transaction.get(RECORDS, self.key)
            now = self.services.clock.time()
            rules = self.rules if record == self.record else rules_of(record or b"[]")
            left = [one for one in rules if one.holds(now) and one not in (out, into)]
            gone = out is not None and out in rules
            if into is not None:
                left = self.with_room(left)
                left.append(into)
            record = json.dumps([one.row() for one in left]).encode()
            transaction.put(RECORDS, self.key, record)
        except BaseException:
            transaction.abort()
            raise
        try:
            transaction.commit()
        except TablesFull:
            raise Refused(500, "No room in the shared tables") from None
        self.record = record
        self.sort(left)
        return gone

    def with_room(self, rules: list[Rule]) -> list[Rule]:
        """The same with a place left: what ends soonest goes. Raises Refused."""
        if len(rules) < self.most:
            return rules
        ending = sorted((one for one in rules if one.ends), key=lambda one: one.ends)
        if not ending:
            raise Refused(500, f"A blacklist holds {self.most} rules")
        soonest = ending[0]
        return [one for one in rules if one is not soonest]


def rules_of(record: bytes) -> list[Rule]:
    """The rules of a record of the shared table."""
    return [
        Rule(ipaddress.ip_network(network), proto, port, pattern, inverted, ends)
        for network, proto, port, pattern, inverted, ends in json.loads(record)
    ]


class ScriptBlacklists(Blacklists):
    """All lists of a program, in the order in which they were made; a set of them is a number with a bit for each."""

    def __init__(self, learns: bool, services: Services) -> None:
        """learns: whether there is the list "dns"."""
        super().__init__()
        self.services = services
        self.lists: dict[str, Blacklist] = {}
        self.default = 0
        self.dead: Blacklist | None = None
        if learns:
            self.dead = Blacklist(DNS, DNS, (EXPIRE, DEFAULT), [], services)
            self.add(self.dead)

    def add(self, made: Blacklist) -> None:
        if DEFAULT in made.flags:
            self.default |= 1 << len(self.lists)
        self.lists[made.name] = made
        self.active = True

    def make(self, wish: Wish) -> None:
        """The list that a script wants (`dst_blacklist`). Raises ValueError."""
        flags = wish.flags or (READ_ONLY,)
        if wish.name in self.lists:
            raise ValueError(f"the blacklist {wish.name} is there twice")
        if READ_ONLY in flags and EXPIRE in flags:
            raise ValueError(f"the blacklist {wish.name} is read-only: its rules cannot expire")
        rules = [made_rule(one.network, one.proto, one.port, one.pattern, one.inverted) for one in wish.rules]
        self.add(Blacklist(wish.name, "script", flags, list(dict.fromkeys(rules)), self.services))

    def bit(self, name: str) -> int:
        """The set that is one list; ALL for "all". Raises ValueError for a list that there is not."""
        if name.lower() == "all":
            return ALL
        if name not in self.lists:
            raise ValueError(f'there is no blacklist "{name}"')
        return 1 << list(self.lists).index(name)

    def blocks(self, chosen: int | None, target: Target, data: bytes) -> bool:
        """See `core.services.Blacklists`."""
        wanted = self.default if chosen is None else chosen
        if not wanted:
            return False
        text = str(data, "utf-8", "surrogateescape")
        for place, one in enumerate(self.lists.values()):
            if wanted >> place & 1 and one.meets(target.proto, target.host, target.port, text) is not None:
                log.debug("core:blacklist", f"{target.proto}:{target.host}:{target.port} is in the list {one.name}")
                return True
        return False

    def remember(self, proto: str, host: str, port: int) -> None:
        """See `core.services.Blacklists`."""
        if self.dead is None or self.dead.meets(proto, host, port, "") is not None:
            return
        try:
            self.dead.add(Rule(network_of(host.partition("%")[0]), proto, port), DNS_SECONDS)
        except (Refused, ValueError) as problem:
            if log.limited("core:blacklist", 60.0):
                log.warn("core:blacklist", f"{proto}:{host}:{port} failed and is not remembered: {problem}")
