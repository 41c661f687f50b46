"""Pings the contacts of the shared table, this worker's share of them (OpenSIPS: nathelper's nh_timer).

Facts:
- datagrams are sent by worker hash(contact id) % workers, streams by the worker that has the connection: no connection
  is opened for a ping, and no bytes cross from worker to worker;
- from the contact's own socket, so that the NAT's binding is the one that stays open;
- only a ping that went out can be lost: a node that cannot send (a virtual IP that is not here, a connection that is
  gone) counts nothing against anybody;
- nothing waits: a name that has to be asked for is pinged when its answer is there.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, final

from pysips.core.context import Context
from pysips.core.forward import first_uri, read_hop, socket_for
from pysips.core.hooks import Taker
from pysips.core.log import log
from pysips.core.services import FAILED, RELIABLE, UDP, Peer, Promise, Services, Socket, TablesFull, Target
from pysips.errors import SipError
from pysips.sip.rewrite import is_one_line

from ..usrloc.api import Contact, UsrLocApi, decode
from .awaited import TIMEOUT_LATENCY, Awaited, Waiting
from .duty import Duty
from .spoofed import Spoofed
from .texts import KEEP_ALIVE, LONGEST, Texts, contact_of
from .walk import Walk

TICK: Final = 0.05
LOOK_SECONDS: Final = 1.0
MINUTE: Final = 60.0
MIXER: Final = 0x9E3779B97F4A7C15  # spreads ids that differ in few bits


@dataclass(frozen=True, slots=True)
class PingSettings:
    """interval, threshold: seconds; needed, sip, measured, removed: bits of branch flags; most_lost: pings in a row;
    streams: TCP and its kin, too; ignored: statuses that prove nothing; socket: ours, for contacts without one."""

    interval: int
    threshold: float
    needed: int = 0
    sip: int = 0
    measured: int = 0
    removed: int = 0
    most_lost: int = 3
    streams: bool = False
    ignored: frozenset[int] = frozenset()
    socket: Socket | None = None


@final
class Pinger(Taker):
    """One worker's. spoofed: sends the 4 bytes from an address of the script's choice; None: from our sockets."""

    def __init__(
        self, services: Services, usrloc: UsrLocApi, settings: PingSettings, texts: Texts, duty: Duty,
        spoofed: Spoofed | None,
    ) -> None:  # fmt: skip
        self.services = services
        self.usrloc = usrloc
        self.location = usrloc.location
        self.settings = settings
        self.texts = texts
        self.duty = duty
        self.spoofed = spoofed
        self.walk = Walk(services.tables, settings.interval)
        self.waiting = Waiting(settings.threshold)
        self.counted = settings.measured | settings.removed
        self.next_look = 0.0
        self.is_ours = False
        self.records = 0

    # -- time

    def tick(self) -> None:
        """Called every TICK seconds."""
        now = self.services.clock.now()
        if now >= self.next_look:
            self.next_look = now + LOOK_SECONDS
            self.look(now)
        if not self.is_ours:
            return
        self.settle(now)
        at = self.location.now()
        for key, data in self.walk.step(now, self.records):
            self.record(key, data, now, at)
        if self.walk.is_over and self.waiting.contacts:
            self.waiting.forget_before(now - 2 * self.settings.interval)

    def look(self, now: float) -> None:
        """Once a second: is it ours to ping, and how many are there?"""
        self.is_ours = self.duty.look()
        if not self.is_ours:
            self.walk.rest()
            self.waiting.clear()
            return
        self.records = sum(self.location.users(domain) for domain in self.location.domains.values())

    def settle(self, now: float) -> None:
        """Who did not answer in time?"""
        for one in self.waiting.overdue(now):
            try:
                self.lost(one)
            except TablesFull:
                return  # said and counted there; the contact is pinged again

    # -- out

    def record(self, key: bytes, data: bytes, now: float, at: int) -> None:
        """The contacts of one AoR."""
        record = decode(data)
        needed = self.settings.needed
        name, _, aor = key.decode("utf-8", "surrogateescape").partition("\0")
        if not self.duty.has(aor):
            return
        for contact in record.contacts:
            if not contact.is_valid(at) or contact.cflags & needed != needed or not self.duty.owns(contact):
                continue
            where = first_uri(contact.path) if contact.path else contact.received or contact.uri
            ours = self.is_our_share(contact.id)
            if not ours and not (self.settings.streams and names_stream(where)):
                continue
            try:
                self.contact(name, aor, contact, where, ours)
            except SipError as problem:
                if log.limited("nathelper:uri", MINUTE):
                    log.warn("nathelper", f"a contact of {aor} cannot be pinged: {where}: {problem}")

    def is_our_share(self, id: int) -> bool:
        """Whether this worker pings a contact that is reached by datagrams."""
        services = self.services
        return services.slots < 2 or ((id * MIXER & (1 << 64) - 1) >> 32) % services.slots == services.slot

    def contact(self, name: str, aor: str, contact: Contact, where: str, ours: bool) -> None:
        """One contact. Raises SipError for a URI that cannot be read."""
        hop = read_hop(where)
        resolver = self.services.resolver
        known = resolver.known(hop.host, hop.port, hop.proto)
        if known is not None:
            self.to(known, name, aor, contact, ours)
            return
        promise = resolver.ask(hop.host, hop.port, hop.proto)
        promise.when_done(partial(self.resolved, promise, name, aor, contact, ours))

    def resolved(self, promise: Promise, name: str, aor: str, contact: Contact, ours: bool) -> None:
        """A contact's name was looked up."""
        if self.is_ours:
            self.to(promise.value or [], name, aor, contact, ours)

    def to(self, targets: list[Target], name: str, aor: str, contact: Contact, ours: bool) -> None:
        """One contact, whose addresses are known."""
        if not targets:
            if log.limited("nathelper:name", MINUTE):
                log.warn("nathelper", f"a contact of {aor} cannot be pinged: its name leads nowhere")
            return
        target = targets[0]
        services = self.services
        connection = 0
        if target.proto in RELIABLE:
            if self.settings.streams:
                connection = services.network.own_connection(target.proto, target.host, target.port)
            if not connection:
                return
        elif target.proto != UDP or not ours:
            return
        own = self.location.socket(contact.socket) if contact.socket else None
        socket = socket_for(services, target, own or self.settings.socket, None)
        if socket is None:
            if log.limited("nathelper:socket", MINUTE):
                log.warn("nathelper", f"no socket of ours leads to {target.proto}:{target.host}")
            return
        self.send(Peer(target.proto, target.host, target.port, socket, connection), name, aor, contact)

    def send(self, peer: Peer, name: str, aor: str, contact: Contact) -> None:
        """The ping goes out."""
        network = self.services.network
        settings = self.settings
        if not contact.cflags & settings.sip:
            if self.spoofed is not None and peer.proto == UDP and peer.socket.family == 4:
                self.spoofed.send(KEEP_ALIVE, peer.host, peer.port)
            else:
                network.send(KEEP_ALIVE, peer)
            return
        counts = contact.cflags & self.counted != 0
        if not is_one_line(contact.uri) or not is_one_line(contact.path):
            return  # it came from somewhere else than a REGISTER
        data = self.texts.ping(contact.uri, contact.path, peer.socket, contact.id if counts else -1)
        if len(data) > LONGEST:
            return
        if network.send(data, peer) == FAILED:
            self.waiting.forget(contact.id)
        elif counts:
            flags = contact.cflags
            one = Awaited(
                self.location.domain(name), aor, contact.id, repr(peer), flags & settings.measured != 0,
                flags & settings.removed != 0,
            )  # fmt: skip
            self.waiting.sent(one, self.services.clock.now(), self.location.now())

    # -- back

    def take_reply(self, ctx: Context) -> bool:
        """A reply to a ping ends here."""
        reply = ctx.message
        try:
            if not self.texts.is_answer(reply):
                return False
        except SipError:
            return False
        if reply.status in self.settings.ignored:
            return True
        one = self.waiting.answered(contact_of(reply))
        if one is not None and one.measures:
            passed = self.services.clock.now() - one.sent
            try:
                self.usrloc.pinged.answered_in(one.domain, one.aor, one.id, max(int(passed * 1_000_000), 1))
            except TablesFull:
                return True  # said and counted there
        return True

    def lost(self, one: Awaited) -> None:
        """A ping was not answered in time. Raises TablesFull."""
        pinged = self.usrloc.pinged
        if one.removes and one.lost >= self.settings.most_lost:
            self.waiting.forget(one.id)
            if pinged.is_gone(one.domain, one.aor, one.id, one.at):
                log.info("nathelper", f"a contact of {one.aor} did not answer {one.lost} pings and was removed")
                return
        if one.measures:
            pinged.answered_in(one.domain, one.aor, one.id, TIMEOUT_LATENCY)


def names_stream(uri: str) -> bool:
    """Whether a URI may lead to a stream connection."""
    lower = uri.lower()
    return "transport=" in lower or lower.startswith("sips:")
