"""Pinging: who is pinged, when, with what, and what comes of the answers. The clock is the tests' own."""

from itertools import pairwise
from typing import Any

import pytest

from pysips.core.exports import MiError
from pysips.core.services import Target
from pysips.errors import ConfigError
from pysips.modules.nathelper import NatHelper
from pysips.modules.nathelper.pinger import TICK
from pysips.modules.usrloc.modes import Mode
from pysips.modules.usrloc.records import Contact
from pysips.sip.message import read
from pysips.testing.messages import answer, request
from pysips.testing.story import Party, Story

NAT = 'modparam("nathelper", "natping_interval", 30)\n'
SIP = """
modparam("nathelper", "sipping_from", "sip:pinger@example.com")
modparam("nathelper", "sipping_bflag", "SIPP")
modparam("nathelper", "remove_on_timeout_bflag", "GONE")
modparam("nathelper", "sipping_latency_flag", "SLOW")
"""
SAVE = """
route {
    if ($fU == "sip" || $fU == "both" || $fU == "slow") setbflag("SIPP");
    if ($fU == "both") setbflag("GONE");
    if ($fU == "slow") setbflag("SLOW");
    $avp(from) = "sip:" + $si + ":" + $sp;
    save("location");
}
"""
RECEIVED = 'modparam("registrar", "received_avp", "$avp(from)")\n'
MODULES = "usrloc registrar sl signaling nathelper"
EMPTY = b"\0\0\0\0"


class World:
    """A registrar with phones, and its pinger."""

    def __init__(self, params: str = "", head: str | None = None, modules: str = MODULES) -> None:
        script = NAT + RECEIVED + SIP + params + SAVE
        self.story = Story(script, modules) if head is None else Story(script, modules, head)
        found = self.story.program.registry.loaded["nathelper"]
        assert isinstance(found, NatHelper)
        self.nathelper = found
        self.usrloc: Any = self.story.program.registry.loaded["usrloc"]
        self.registrations = 0

    def phone(self, user: str, host: str, port: int = 5060, headers: str = "", **facts: Any) -> Party:
        """One that has registered."""
        phone = self.story.party(host, port, **facts)
        self.register(phone, user, headers=headers)
        return phone

    def register(self, phone: Party, user: str, expires: int = 3600, headers: str = "", contact: str = "") -> None:
        self.registrations += 1
        line = contact or f"<sip:{user}@192.168.0.7:5060>"
        phone.said(
            request(
                "REGISTER", "sip:example.com", via=f"{phone.peer.host}:{phone.peer.port}",
                from_=f"<sip:{user}@example.com>;tag=a", to=f"<sip:{user}@example.com>", call_id=f"reg-{user}",
                cseq=self.registrations, headers=f"{headers}Contact: {line};expires={expires}\r\n",
                transport=phone.peer.proto.upper(), branch=f"z9hG4bK-{self.registrations}",
            )
        )  # fmt: skip
        self.story.net.sent.clear()
        self.story.seen = 0

    def add(self, aor: str, uri: str) -> None:
        """A contact that came by no REGISTER, for ever."""
        location = self.usrloc.api.location
        work = location.open(location.domain("location"), aor)
        work.insert(Contact(uri, 0, 0, location.now(), "c", 1, "ua"))
        work.commit()

    def passes(self, seconds: float) -> None:
        """Time goes by, tick by tick."""
        for _ in range(round(seconds / TICK)):
            self.story.after(TICK)
            self.nathelper.ping()

    def pings(self, phone: Party | None = None) -> list[bytes]:
        """What has gone out since the last look (to a phone)."""
        sent, self.story.net.sent[:] = list(self.story.net.sent), []
        self.story.seen = 0
        return [
            data for data, peer in sent if phone is None or (peer.host, peer.port) == (phone.peer.host, phone.peer.port)
        ]

    def replies(self, phone: Party, ping: bytes, status: int = 200) -> None:
        phone.said(answer(read(ping), status))

    def is_here(self, user: str) -> bool:
        location = self.usrloc.api.location
        return location.read(location.domain("location"), f"{user}@example.com") is not None

    def latency(self, user: str) -> int:
        location = self.usrloc.api.location
        record = location.read(location.domain("location"), f"{user}@example.com")
        assert record is not None
        latency: int = record.contacts[0].latency
        return latency


@pytest.fixture
def world() -> World:
    return World()


def test_a_phone_gets_four_zero_bytes_once_in_the_interval(world: World) -> None:
    phone = world.phone("plain", "203.0.113.5", 7000)
    world.passes(30)
    for _ in range(5):
        world.passes(30)
        assert world.pings(phone)[-1:] == [EMPTY]
        assert world.pings() == []


def test_times_between_two_pings_are_the_interval(world: World) -> None:
    phone = world.phone("plain", "203.0.113.5", 7000)
    for number in range(20):
        world.phone(f"other{number}", f"198.51.100.{number + 1}")
    times = []
    for second in range(2000):
        world.passes(0.1)
        if world.pings(phone):
            times.append(second / 10)
    assert len(times) >= 6
    assert all(29.5 <= later - one <= 30.5 for one, later in pairwise(times))


def test_pings_are_spread_over_the_interval(world: World) -> None:
    for number in range(300):
        world.phone(f"p{number}", "203.0.113.5", 7000 + number)
    world.passes(30)
    world.pings()
    counts = []
    for _ in range(30):
        world.passes(1)
        counts.append(len(world.pings()))
    assert sum(counts) == 300
    assert max(counts) <= 12


def test_from_the_contacts_own_socket() -> None:
    head = 'socket=udp:10.0.0.9:5060\nsocket=udp:10.0.0.9:5070\nstrict_parsing=no\nloadmodule "proto_udp.so"\n'
    world = World(head=head)
    phone = world.phone("plain", "203.0.113.5", 7000)
    phone.peer.socket = world.story.program.sockets[1]
    world.register(phone, "plain")
    world.passes(60)
    assert {peer.socket.port for _, peer in world.story.net.sent} == {5070}


def test_a_contact_without_a_socket_is_pinged_from_force_socket() -> None:
    head = 'socket=udp:10.0.0.9:5060\nsocket=udp:10.0.0.9:5070\nstrict_parsing=no\nloadmodule "proto_udp.so"\n'
    world = World('modparam("nathelper", "force_socket", "udp:10.0.0.9:5070")\n', head)
    world.add("x@example.com", "sip:x@203.0.113.9")
    world.passes(60)
    assert {(peer.host, peer.socket.port) for _, peer in world.story.net.sent} == {("203.0.113.9", 5070)}


def test_a_sip_ping_reads_as_opensips_writes_it(world: World) -> None:
    phone = world.phone("both", "203.0.113.5", 7000)
    world.passes(31)
    (ping,) = world.pings(phone)
    lines = ping.decode().split("\r\n")
    assert lines[0] == "OPTIONS sip:both@192.168.0.7:5060 SIP/2.0"
    assert lines[1].startswith("Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK")
    assert lines[2].startswith("From: <sip:pinger@example.com>;tag=")
    assert lines[3] == "To: <sip:both@192.168.0.7:5060>"
    assert lines[4].startswith("Call-ID: ") and lines[4].endswith("@10.0.0.9")
    assert lines[5:] == ["CSeq: 1 OPTIONS", "Max-Forwards: 70", "Content-Length: 0", "", ""]


def test_with_a_path_it_goes_there_and_has_a_route() -> None:
    world = World()
    script = SAVE.replace('save("location")', 'save("location", "path-off")')
    world.story = Story(NAT + RECEIVED + SIP + script, MODULES)
    found = world.story.program.registry.loaded["nathelper"]
    assert isinstance(found, NatHelper)
    world.nathelper = found
    world.phone("sip", "203.0.113.5", headers="Path: <sip:198.51.100.1:5080;lr>\r\n")
    world.passes(31)
    ((data, peer),) = world.story.net.sent
    assert (peer.host, peer.port) == ("198.51.100.1", 5080)
    assert "\r\nRoute: <sip:198.51.100.1:5080;lr>\r\n" in data.decode()


def test_any_answer_keeps_a_contact(world: World) -> None:
    phone = world.phone("both", "203.0.113.5", 7000)
    for _ in range(8):
        world.passes(30)
        for ping in world.pings(phone):
            world.replies(phone, ping, 404)
    assert world.is_here("both")


def test_answers_go_no_further(world: World) -> None:
    phone = world.phone("sip", "203.0.113.5", 7000)
    world.passes(31)
    (ping,) = world.pings(phone)
    dropped = world.story.program.core_stats.drop_replies.get()
    world.replies(phone, ping)
    assert world.pings() == []
    assert world.story.program.core_stats.drop_replies.get() == dropped


def test_an_answer_to_somebody_else_is_not_ours(world: World) -> None:
    phone = world.phone("sip", "203.0.113.5", 7000)
    world.passes(31)
    (ping,) = world.pings(phone)
    dropped = world.story.program.core_stats.drop_replies.get()
    world.replies(phone, ping.replace(b"Call-ID: ", b"Call-ID: x"))
    world.replies(phone, ping.replace(b"1 OPTIONS", b"1 INFO"))
    world.replies(phone, ping.replace(b"\r\nFrom:", b"\r\nVia: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKx\r\nFrom:"))
    assert world.story.program.core_stats.drop_replies.get() == dropped + 3


def test_who_does_not_answer_is_removed_like_one_that_unregistered() -> None:
    world = World(
        'modparam("nathelper", "natping_interval", 2)\nmodparam("nathelper", "ping_threshold", 1)\n'
        'modparam("nathelper", "max_pings_lost", 2)\n'
    )
    deleted: list[dict[str, Any]] = []
    world.story.program.events.listen("E_UL_CONTACT_DELETE", lambda name, values: deleted.append(values))
    world.phone("both", "203.0.113.5", 7000)
    world.passes(2.9)
    assert world.is_here("both")
    world.passes(3.2)
    assert not world.is_here("both")
    assert [one["aor"] for one in deleted] == ["both@example.com"]


def test_without_the_flag_nobody_is_removed(world: World) -> None:
    world.phone("sip", "203.0.113.5", 7000)
    world.passes(300)
    assert world.is_here("sip")


def test_a_late_answer_clears_what_was_lost(world: World) -> None:
    phone = world.phone("both", "203.0.113.5", 7000)
    for _ in range(8):
        world.passes(30)
        pings = world.pings(phone)
        world.passes(10)
        for ping in pings:
            world.replies(phone, ping)
    assert world.is_here("both")


def test_statuses_that_prove_nothing() -> None:
    world = World('modparam("nathelper", "sipping_ignore_rpl_codes", "404, 480")\n')
    phone = world.phone("both", "203.0.113.5", 7000)
    for _ in range(5):
        world.passes(30)
        for ping in world.pings(phone):
            world.replies(phone, ping, 480)
    assert not world.is_here("both")


def test_a_contact_that_came_anew_meanwhile_stays(world: World) -> None:
    phone = world.phone("both", "203.0.113.5", 7000)
    for _ in range(200):
        world.passes(1)
        if world.pings(phone):
            world.passes(1)
            world.register(phone, "both")
    assert world.is_here("both")


def test_what_was_lost_elsewhere_does_not_count_at_a_new_address(world: World) -> None:
    phone = world.phone("both", "203.0.113.5", 7000)
    world.passes(75)
    assert len(world.pings(phone)) >= 2
    moved = world.story.party("203.0.113.5", 7777)
    world.register(moved, "both")
    world.passes(29)
    assert world.is_here("both")


def test_a_ping_that_could_not_be_sent_is_not_lost(world: World) -> None:
    world.phone("both", "203.0.113.5", 7000)
    world.story.net.refused.add(("203.0.113.5", 7000))
    world.passes(300)
    assert world.is_here("both")


def test_latency_is_kept_and_told(world: World) -> None:
    told: list[dict[str, Any]] = []
    world.story.program.events.listen("E_UL_LATENCY_UPDATE", lambda name, values: told.append(values))
    phone = world.phone("slow", "203.0.113.5", 7000)
    while not (pings := world.pings(phone)):
        world.passes(TICK)
    world.story.after(0.25)
    world.replies(phone, pings[0])
    assert world.latency("slow") == 250_000
    assert [(one["aor"], one["latency"]) for one in told] == [("slow@example.com", 250_000)]
    world.passes(40)
    assert world.latency("slow") == 1_800_000_000
    assert world.is_here("slow")


@pytest.mark.parametrize(
    ("params", "latencies", "told"),
    [
        ((0, 0), (100, 200, 200), 3),
        ((150, 0), (100, 200, 120), 1),
        ((0, 50), (100, 120, 200, 90), 2),
        ((150, 50), (100, 160, 120, 60), 2),
    ],
)
def test_which_latencies_raise_the_event(params: tuple[int, int], latencies: tuple[int, ...], told: int) -> None:
    world = World(
        f'modparam("usrloc", "latency_event_min_us", {params[0]})\n'
        f'modparam("usrloc", "latency_event_min_us_delta", {params[1]})\n'
    )
    world.phone("slow", "203.0.113.5", 7000)
    heard: list[str] = []
    world.story.program.events.listen("E_UL_LATENCY_UPDATE", lambda name, values: heard.append(name))
    api = world.usrloc.api
    domain = api.location.domain("location")
    record = api.location.read(domain, "slow@example.com")
    for latency in latencies:
        api.pinged.answered_in(domain, "slow@example.com", record.contacts[0].id, latency)
    assert len(heard) == told


def test_only_those_behind_nat() -> None:
    world = World('modparam("nathelper", "ping_nated_only", 1)\nmodparam("usrloc", "nat_bflag", "SLOW")\n')
    world.phone("plain", "203.0.113.5", 7000)
    hidden = world.phone("slow", "203.0.113.6", 7000)
    world.passes(31)
    assert len(world.pings(hidden)) == 1
    assert world.pings() == []


def test_expired_contacts_are_left_alone(world: World) -> None:
    phone = world.phone("plain", "203.0.113.5", 7000)
    world.register(phone, "plain", expires=60)
    world.passes(61)
    assert len(world.pings(phone)) == 1
    world.passes(90)
    assert world.pings() == []


TCP = (
    "socket=udp:10.0.0.9:5060\nsocket=tcp:10.0.0.9:5060\nstrict_parsing=no\n"
    'loadmodule "proto_udp.so"\nloadmodule "proto_tcp.so"\n'
)


@pytest.mark.parametrize("asked", [False, True])
def test_streams_only_if_asked_and_connected(asked: bool) -> None:
    world = World('modparam("nathelper", "natping_tcp", 1)\n' if asked else "", TCP)
    phone = world.phone("sip", "203.0.113.5", 7000, proto="tcp", connection=11)
    contact = "<sip:sip@203.0.113.5:7000;transport=tcp>"
    world.register(phone, "sip", contact=contact)
    location = world.usrloc.api.location
    assert location.users(location.domain("location")) == 1
    work = location.open(location.domain("location"), "sip@example.com")
    work.clear()
    work.commit()
    world.add("tcp@example.com", "sip:t@203.0.113.5:7000;transport=tcp")
    world.passes(31)
    assert world.pings() == []  # there is no connection
    world.story.net.connections["tcp", "203.0.113.5", 7000] = 11
    world.passes(31)
    assert world.pings(phone) == ([EMPTY] if asked else [])


def test_a_name_is_asked_for_without_waiting(world: World) -> None:
    world.story.resolver.slow.add("phone.example.net")
    world.add("x@example.com", "sip:x@phone.example.net")
    world.passes(31)
    assert world.pings() == []
    world.story.resolver.answer("phone.example.net", [Target("udp", "203.0.113.77", 5060)])
    assert world.pings() == [EMPTY]


def test_a_name_that_leads_nowhere_is_said_once_a_minute(world: World) -> None:
    world.add("x@example.com", "sip:x@nowhere.example")
    world.passes(60)
    assert sum("leads nowhere" in line for line in world.story.lines) == 1


def test_management_switches_it_off_and_on(world: World) -> None:
    phone = world.phone("both", "203.0.113.5", 7000)
    assert world.nathelper.enable_ping() == {"Status": 1}
    world.passes(61)
    assert len(world.pings(phone)) >= 2
    assert world.nathelper.enable_ping(0) == "OK"
    assert world.nathelper.enable_ping() == {"Status": 0}
    world.passes(1.1)
    world.pings()
    world.passes(120)
    assert world.pings() == []
    assert world.is_here("both")  # what was on its way does not count
    assert world.nathelper.enable_ping(1) == "OK"
    world.passes(32)
    assert len(world.pings(phone)) == 1


def test_both_names_of_the_command(world: World) -> None:
    commands = {name for spec in world.story.program.registry.mi_commands() for name in (spec.name, spec.full)}
    assert {"nh_enable_ping", "nathelper:enable_ping"} <= commands


def test_management_has_nothing_to_switch_without_an_interval() -> None:
    story = Story("route { exit; }", "nathelper")
    found = story.program.registry.loaded["nathelper"]
    assert isinstance(found, NatHelper)
    with pytest.raises(MiError, match="NATping disabled from script"):
        found.enable_ping(1)


class Nodes:
    """A cluster whose tags the test moves."""

    def __init__(self) -> None:
        self.active: set[tuple[str, int]] = set()
        self.share = (1, 0)

    def shtag_is_active(self, name: str, cluster_id: int) -> bool:
        return (name, cluster_id) in self.active

    def my_index(self, cluster_id: int, capability: str) -> tuple[int, int]:
        return self.share


def clustered(world: World, tag: str = "") -> Nodes:
    nodes = Nodes()
    assert world.nathelper.pinger is not None
    duty = world.nathelper.pinger.duty
    duty.cluster = nodes  # type: ignore[assignment]
    duty.tag, duty.cluster_id = tag, 1
    world.usrloc.api.mode = Mode(location_cluster=1)
    return nodes


def test_a_node_pings_only_while_its_tag_is_active(world: World) -> None:
    nodes = clustered(world, "vip")
    phone = world.phone("both", "203.0.113.5", 7000)
    world.passes(200)
    assert world.pings() == []
    nodes.active.add(("vip", 1))
    world.passes(32)
    assert len(world.pings(phone)) == 1


def test_a_contact_with_a_tag_is_pinged_where_the_tag_is_active(world: World) -> None:
    nodes = clustered(world)
    phone = world.phone("plain", "203.0.113.5", 7000)
    other = world.phone("other", "203.0.113.6", 7000)
    api = world.usrloc.api
    work = api.location.open(api.location.domain("location"), "plain@example.com")
    work.contacts[0].tag = "vip"
    work.commit(rewrite=True)
    world.passes(31)
    assert len(world.pings(other)) == 1
    assert world.pings(phone) == []
    nodes.active.add(("vip", 1))
    world.passes(31)
    assert len(world.pings(phone)) == 1


def test_nodes_that_cooperate_share_the_contacts(world: World) -> None:
    nodes = clustered(world)
    assert world.nathelper.pinger is not None
    world.nathelper.pinger.duty.cooperates = True
    for number in range(60):
        world.phone(f"p{number}", "203.0.113.5", 7000 + number)
    shares = []
    for place in range(3):
        nodes.share = (3, place)
        world.passes(62)
        sent, world.story.net.sent[:] = list(world.story.net.sent), []
        world.passes(0)
        shares.append({peer.port for _, peer in sent[-30:]})
    assert set().union(*shares) == {7000 + number for number in range(60)}


def test_workers_share_the_contacts() -> None:
    world = World()
    for number in range(80):
        world.phone(f"p{number}", "203.0.113.5", 7000 + number)
    assert world.nathelper.pinger is not None
    services = world.story.program.services
    services.slots = 4
    shares = []
    location = world.usrloc.api.location
    ids = [location.read(location.domain("location"), f"p{n}@example.com").contacts[0].id for n in range(80)]
    for slot in range(4):
        services.slot = slot
        shares.append({id for id in ids if world.nathelper.pinger.is_our_share(id)})
    assert sorted(id for share in shares for id in share) == sorted(ids)
    assert all(len(share) >= 8 for share in shares)


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ('modparam("nathelper", "sipping_from", "")\n', "sipping_bflag needs a sender"),
        ('modparam("nathelper", "sipping_method", "A B")\n', "is no method"),
        ('modparam("nathelper", "ping_nated_only", 1)\n', "nat_bflag"),
        ('modparam("nathelper", "force_socket", "udp:10.9.9.9:5060")\n', "none of the sockets"),
        ('modparam("nathelper", "natping_socket", "no such host:1")\n', "natping_socket"),
        ('modparam("nathelper", "sipping_ignore_rpl_codes", "404,x")\n', '"x" is no status'),
        ('modparam("nathelper", "cluster_id", 1)\n', "module clusterer"),
        ('modparam("nathelper", "natping_partitions", 9)\n', "natping_partitions"),
    ],
)
def test_what_cannot_be_is_said_at_load(params: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        World(params)
    assert any(complaint in str(one) for one in refused.value.complaints)


def test_an_interval_needs_usrloc() -> None:
    with pytest.raises(ConfigError) as refused:
        Story(NAT + "route { exit; }", "nathelper")
    assert 'loadmodule "usrloc.so"' in str(refused.value.complaints[0])


def test_flags_may_be_numbers_as_in_2_4() -> None:
    story = Story(
        NAT + 'modparam("nathelper", "sipping_bflag", 8)\n'
        'modparam("nathelper", "sipping_from", "sip:a@b")\nroute { exit; }',
        "usrloc nathelper",
    )
    found = story.program.registry.loaded["nathelper"]
    assert isinstance(found, NatHelper)
    assert found.sip_flag == story.program.services.branch_flags.mask("8")
