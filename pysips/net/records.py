"""DNS records of one worker: asked for once, kept for their time, never waited for by anybody but who needs them.

Facts:
- one question is on its way for each name and kind, however many wait for its answer, and `MOST_ASKED` in all;
- answers are kept for their TTL (1 s to 1 h), that there is none for as long as the zone says (RFC 2308; at most
  5 minutes, 30 s where it says nothing), that no server answered for 5 s;
- where no server answers, what was known holds on, for a day at most (RFC 8767), and is asked for again each 30 s;
- /etc/resolv.conf is read again when it changes.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.message
import dns.rdatatype
import dns.resolver

from pysips.core.log import log
from pysips.core.services import Clock
from pysips.core.stats import Counter

from .hosts import WatchedFile

A: Final = "A"
AAAA: Final = "AAAA"
SRV: Final = "SRV"
NAPTR: Final = "NAPTR"

MOST_KEPT: Final = 50_000
MOST_ASKED: Final = 512  # questions on their way; each has a socket of its own
MOST_RECORDS: Final = 64  # of one answer
SHORTEST: Final = 1.0
LONGEST: Final = 3600.0
STALE: Final = 30.0
STALE_LONGEST: Final = 86_400.0
NOWHERE: Final = 30.0
NOWHERE_LONGEST: Final = 300.0
SILENT: Final = 5.0
ALIVE: Final = 10.0  # who answered anything within this time is not dead
RESOLV_CONF: Final = "/etc/resolv.conf"


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """The globals `dns_retr_time`, `dns_retr_no`, `dns_servers_no`, `dns_use_search_list` (0 or None: the system's);

    failover: whether a name's other addresses are tried after the first (`disable_dns_failover=no`); slow_seconds:
    `exec_dns_threshold`, 0 for none; naptr: `dns_try_naptr`; ipv6: `dns_try_ipv6`, None where the script is silent.
    """

    retry_seconds: int = 0
    retries: int = 0
    servers: int = 0
    search_list: bool | None = None
    failover: bool = True
    slow_seconds: float = 0.0
    naptr: bool = True
    ipv6: bool | None = None


@dataclass(slots=True)
class DnsCounters:
    """total: questions asked; slow: those that took longer than `exec_dns_threshold`."""

    total: Counter
    slow: Counter


class Record(NamedTuple):
    """One record. host: an address, or the name that SRV and NAPTR lead to, lower case and without its last dot.

    SRV: order is its priority. NAPTR (those for SIP only): weight is its preference, service in lower case.
    """

    host: str
    order: int = 0
    weight: int = 0
    port: int = 0
    service: str = ""


class Kept(NamedTuple):
    """What is known of a name: until when (seconds of the clock); silent: nobody answered.

    last: until when it may be used where nobody answers.
    """

    until: float
    records: list[Record]
    silent: bool = False
    last: float = 0.0


class Records:
    """See the file's head."""

    def __init__(self, clock: Clock, settings: DnsSettings, counters: DnsCounters | None = None) -> None:
        self.clock = clock
        self.settings = settings
        self.counters = counters
        self.kept: dict[tuple[str, str], Kept] = {}
        self.asking: dict[tuple[str, str], asyncio.Future[Kept]] = {}
        self.answered = float("-inf")  # when anybody last answered anything
        self.server: dns.asyncresolver.Resolver | None = None
        self.resolv_conf = WatchedFile(RESOLV_CONF, clock)

    def known(self, name: str, kind: str) -> Kept | None:
        """What is known of a name now; None if one has to ask."""
        kept = self.kept.get((name, kind))
        return kept if kept is not None and kept.until > self.clock.now() else None

    def is_alive(self) -> bool:
        """Whether any question was answered lately."""
        return self.clock.now() - self.answered < ALIVE

    def stale(self, name: str, kind: str) -> Kept | None:
        """What was known of a name and may be used while nobody answers; None if nothing."""
        kept = self.kept.get((name, kind))
        return kept if kept is not None and kept.records and kept.last > self.clock.now() else None

    def ask(self, name: str, kind: str) -> "asyncio.Future[Kept]":
        """Ask, if nobody does yet; `known` knows it then, for its time."""
        question = (name, kind)
        asked = self.asking.get(question)
        if asked is None:
            if len(self.asking) >= MOST_ASKED:
                if log.limited("resolve:many", 10.0):
                    log.warn("resolve", f"{MOST_ASKED} questions wait for the DNS: {name} is not asked for")
                asked = asyncio.get_running_loop().create_future()
                asked.set_result(self.unanswered(name, kind, SHORTEST))
                return asked
            asked = self.asking[question] = asyncio.ensure_future(self.find(name, kind))
        return asked

    def unanswered(self, name: str, kind: str, seconds: float) -> Kept:
        """Keep that nobody answered, or what was known before."""
        now = self.clock.now()
        stale = self.stale(name, kind)
        if stale is not None:
            return self.keep((name, kind), stale._replace(until=min(now + STALE, stale.last)))
        return self.keep((name, kind), Kept(now + seconds, [], True))

    async def find(self, name: str, kind: str) -> Kept:
        """Ask and keep the answer, whatever comes of it."""
        found: list[Record] | None = None
        seconds = SILENT
        began = self.clock.now()
        try:
            found, seconds = await self.look_up(name, kind)
        except (dns.exception.DNSException, OSError, ValueError) as problem:
            if log.limited(f"resolve:{name} {kind}", 60.0):
                log.warn("resolve", f"cannot resolve {name} ({kind}): {str(problem) or type(problem).__name__}")
        finally:
            del self.asking[name, kind]
        now = self.clock.now()
        self.measure(name, now - began)
        if found is None:
            return self.unanswered(name, kind, seconds)
        self.answered = now
        return self.keep((name, kind), Kept(now + seconds, found, False, now + seconds + STALE_LONGEST))

    def keep(self, question: tuple[str, str], kept: Kept) -> Kept:
        if len(self.kept) >= MOST_KEPT:
            self.kept.clear()
        self.kept[question] = kept
        return kept

    def measure(self, name: str, seconds: float) -> None:
        """Count a question, and tell of one that took longer than `exec_dns_threshold`."""
        is_slow = 0 < self.settings.slow_seconds < seconds
        if self.counters is not None:
            self.counters.total.inc()
            if is_slow:
                self.counters.slow.inc()
        if is_slow and log.limited("resolve:slow", 10.0):
            log.warn("resolve", f"{name} took {int(seconds * 1_000_000)} µs, more than exec_dns_threshold")

    async def look_up(self, name: str, kind: str) -> tuple[list[Record], float]:
        """The records of one kind, none if the name has none, and for how many seconds that holds.

        Raises DNSException, OSError, ValueError.
        """
        changed = self.resolv_conf.is_new()
        if self.server is None or changed:
            self.server = configured(self.settings)
        search = self.settings.search_list
        if search is None:
            search = "." not in name  # what the system does, but no question for each domain when a whole name fails
        try:
            answer = await self.server.resolve(name, kind, search=search, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as problem:
            responses = problem.kwargs.get("responses", {}).values()
            return [], nowhere_seconds([one for one in responses if one is not None])
        if answer.rrset is None:
            return [], nowhere_seconds([answer.response])
        records = [one for one in map(READERS[kind], list(answer.rrset)[:MOST_RECORDS]) if one is not None]
        return records, min(max(float(answer.chaining_result.minimum_ttl), SHORTEST), LONGEST)


def nowhere_seconds(responses: list[dns.message.QueryMessage]) -> float:
    """For how long a zone says that there is nothing (RFC 2308 section 5), within our limits."""
    lives = [NOWHERE_LONGEST]
    for response in responses:
        if not any(one.rdtype == dns.rdatatype.SOA for one in response.authority):
            return NOWHERE
        try:
            lives.append(float(response.resolve_chaining().minimum_ttl))
        except dns.exception.DNSException:
            return NOWHERE
    return max(min(lives), SHORTEST)


def address(data: dns.rdata.Rdata) -> Record:
    return Record(data.to_text())


def server_of(data: dns.rdata.Rdata) -> Record:
    """A SRV record (RFC 2782)."""
    return Record(plain(data.target), data.priority, data.weight, data.port)  # type: ignore[attr-defined]


def service_of(data: dns.rdata.Rdata) -> Record | None:
    """A NAPTR record, if it leads to SRV records as RFC 3263 section 4.1 wants it."""
    if data.flags.lower() != b"s" or data.regexp:  # type: ignore[attr-defined]
        return None
    service = data.service.decode("ascii", "replace").lower()  # type: ignore[attr-defined]
    return Record(plain(data.replacement), data.order, data.preference, 0, service)  # type: ignore[attr-defined]


def plain(name: dns.name.Name) -> str:
    """A name as text, "" for the root."""
    return name.to_text(omit_final_dot=True).lower().rstrip(".")


READERS: Final = {A: address, AAAA: address, SRV: server_of, NAPTR: service_of}


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
