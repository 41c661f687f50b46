"""What a script says of pinging: its parameters, their checks, management's switch (OpenSIPS manual: nathelper)."""

import socket
from typing import TYPE_CHECKING, Final

from pysips.core.exports import Json, MiError, Module, Where, mi, modparam, param, timer, wants
from pysips.core.log import log
from pysips.core.services import Socket
from pysips.errors import ModuleError, SipError
from pysips.sip.headers import is_token
from pysips.sip.rewrite import is_one_line
from pysips.sip.text import number
from pysips.sip.uri import parse_host

from ..usrloc.api import UsrLocApi
from . import duty
from .pinger import TICK, Pinger, PingSettings
from .spoofed import Spoofed
from .texts import Texts

if TYPE_CHECKING:
    from ..clusterer.api import Cluster

MOST_PARTITIONS: Final = 8
HIGHEST_STATUS: Final = 699
LOWEST_STATUS: Final = 100
SIP_PORT: Final = 5060


class Pinging(Module):
    natping_interval: int = param(0, low=0, high=86_400, help="Seconds between two pings of a contact; 0: none.")
    ping_nated_only: int = param(0, low=0, high=1, help="1: only contacts with usrloc's nat_bflag.")
    natping_partitions: int = param(
        1, low=1, high=MOST_PARTITIONS, help="No processes of their own: the workers share the pings."
    )
    natping_tcp: int = param(0, low=0, high=1, help="1: over TCP and its kin, too, where a connection is there.")
    natping_socket: str = param("", help="ip[:port]: where pings of 4 bytes say they come from (raw socket, IPv4).")
    force_socket: str = param("", help="Our socket for contacts that came by none: proto:ip:port.")
    sipping_from: str = param("", help="The URI in From of SIP pings.")
    sipping_method: str = param("OPTIONS", help="Their method.")
    sipping_ignore_rpl_codes: str = param("", help="Statuses of answers that prove nothing: 404,408.")
    ping_threshold: int = param(3, low=1, help="Seconds after which a ping without answer is lost.")
    max_pings_lost: int = param(3, low=1, help="So many in a row, and a contact is removed.")
    cluster_id: int = param(0, low=0, help="The cluster of cluster_sharing_tag.")
    cluster_sharing_tag: str = param("", help="Pings go out only while this tag is active here.")

    usrloc: UsrLocApi | None = wants("usrloc")
    clusterer: "Cluster | None" = wants("clusterer")

    def __init__(self) -> None:
        self.sip_flag = 0
        self.latency_flag = 0
        self.removal_flag = 0
        self.tick = 0.0
        self.forced: Socket | None = None
        self.spoofed_source: tuple[str, int] | None = None
        self.ignored: frozenset[int] = frozenset()
        self.texts: Texts | None = None
        self.pinger: Pinger | None = None
        self.spoofed: Spoofed | None = None

    @modparam("sipping_bflag", object, help="The branch flag of contacts that get a SIP request, not 4 bytes.")
    def set_sip_flag(self, value: int | str) -> None:
        self.sip_flag = self.services.branch_flags.mask(str(value))

    @modparam("sipping_latency_flag", object, help="The branch flag of contacts whose latency is measured.")
    def set_latency_flag(self, value: int | str) -> None:
        self.latency_flag = self.services.branch_flags.mask(str(value))

    @modparam("remove_on_timeout_bflag", object, help="The branch flag of contacts that go when they do not answer.")
    def set_removal_flag(self, value: int | str) -> None:
        self.removal_flag = self.services.branch_flags.mask(str(value))

    # -- life

    def configure_pings(self) -> None:
        """Check it all. Raises ModuleError."""
        self.ignored = statuses(self.sipping_ignore_rpl_codes)
        if not self.natping_interval:
            return
        if self.usrloc is None:
            raise ModuleError('natping_interval pings the contacts of usrloc: loadmodule "usrloc.so"')
        if self.ping_nated_only and not self.usrloc.nat_bflag:
            raise ModuleError('ping_nated_only needs to know which are: modparam("usrloc", "nat_bflag", …)')
        if (self.cluster_id or self.cluster_sharing_tag) and self.clusterer is None:
            raise ModuleError('cluster_id and cluster_sharing_tag need module clusterer: loadmodule "clusterer.so"')
        if bool(self.cluster_id) != bool(self.cluster_sharing_tag):
            raise ModuleError("cluster_id and cluster_sharing_tag go together: give both")
        if self.natping_partitions > 1:
            log.info("nathelper", "natping_partitions starts no processes: the workers share the pings")
        self.check_requests()
        if self.force_socket:
            self.forced = self.own_socket(self.force_socket)
        if self.natping_socket:
            self.spoofed_source = source_of(self.natping_socket)
        if self.clusterer is not None and self.cluster_sharing_tag:
            self.clusterer.watch_shtag(self.cluster_sharing_tag, self.cluster_id, say_whose)
        self.texts = Texts(self.services, self.sipping_method, self.sipping_from)
        self.tick = TICK

    def check_requests(self) -> None:
        """What SIP pings need. Raises ModuleError."""
        if self.sip_flag and not self.sipping_from:
            raise ModuleError('sipping_bflag needs a sender: modparam("nathelper", "sipping_from", "sip:…")')
        if not is_one_line(self.sipping_from):
            raise ModuleError("sipping_from is more than one line")
        if not is_token(self.sipping_method):
            raise ModuleError(f'sipping_method: "{self.sipping_method}" is no method')
        if self.latency_flag and not self.sip_flag:
            log.warn("nathelper", "sipping_latency_flag measures nothing without sipping_bflag")
        if self.removal_flag and not self.sip_flag:
            log.warn("nathelper", "remove_on_timeout_bflag removes nothing without sipping_bflag")
        if (self.latency_flag or self.removal_flag) and self.ping_threshold > self.natping_interval:
            log.warn("nathelper", "ping_threshold is longer than natping_interval: half of that is used")

    def own_socket(self, text: str) -> Socket:
        """Our socket of that name. Raises ModuleError."""
        name = text.strip().lower()
        for one in self.services.sockets:
            if name in (one.name, one.name.partition(":")[2]):
                return one
        raise ModuleError(f'force_socket "{text}" is none of the sockets that the script listens on')

    async def start(self) -> None:
        """Each worker pings its share. Raises ModuleError without the right to spoof."""
        usrloc, texts = self.usrloc, self.texts
        if usrloc is None or texts is None or self.services.slot < 0:
            return
        threshold = float(self.ping_threshold)
        if threshold > self.natping_interval:
            threshold = self.natping_interval / 2
        settings = PingSettings(
            self.natping_interval, threshold, usrloc.nat_bflag if self.ping_nated_only else 0, self.sip_flag,
            self.latency_flag, self.removal_flag, self.max_pings_lost, bool(self.natping_tcp), self.ignored,
            self.forced,
        )  # fmt: skip
        if self.spoofed_source is not None:
            self.spoofed = Spoofed(*self.spoofed_source)
        tables = self.services.tables
        whose = duty.Duty(tables, usrloc, self.clusterer, self.cluster_id, self.cluster_sharing_tag)
        self.pinger = Pinger(self.services, usrloc, settings, texts, whose, self.spoofed)
        self.program.hooks.takers.append(self.pinger)

    async def stop(self) -> None:
        if self.spoofed is not None:
            self.spoofed.close()
            self.spoofed = None
        self.pinger = None

    @timer("tick", where=Where.EACH)
    def ping(self) -> None:
        """Ping those whose turn it is."""
        if self.pinger is not None:
            self.pinger.tick()

    # -- management

    @mi("nh_enable_ping", full="nathelper:enable_ping", where=Where.ANY)
    def enable_ping(self, status: int | None = None) -> Json:
        """Switch the pinging on (1) or off (0), for all workers; without a status: which it is."""
        if not self.natping_interval:
            raise MiError(400, "NATping disabled from script")
        tables = self.services.tables
        if status is None:
            return {"Status": int(duty.is_on(tables))}
        duty.switch(tables, status != 0)
        return "OK"


def statuses(text: str) -> frozenset[int]:
    """`404,408` as numbers. Raises ModuleError."""
    found = set()
    for word in text.replace(" ", "").split(","):
        if word:
            status = number(word, HIGHEST_STATUS)
            if status is None or status < LOWEST_STATUS:
                raise ModuleError(f'sipping_ignore_rpl_codes: "{word}" is no status')
            found.add(status)
    return frozenset(found)


def source_of(text: str) -> tuple[str, int]:
    """natping_socket's `[udp:]host[:port]` as an IPv4 address and a port. Raises ModuleError."""
    place = text.strip().removeprefix("udp:")
    try:
        host, port = parse_host(place, 0, len(place))
        return socket.gethostbyname(host), port or SIP_PORT
    except (SipError, OSError) as problem:
        raise ModuleError(f'natping_socket: "{text}" is no IPv4 address with a port: {problem}') from None


def say_whose(name: str, cluster_id: int, active: bool, reason: str) -> None:
    """A line for people when the duty moves."""
    log.info("nathelper", f"sharing tag {name}/{cluster_id}: this node {'pings' if active else 'pings no more'}")
