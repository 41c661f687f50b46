"""RFC 3263 section 4: which records are asked for, in which order, and what is made of them."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pysips.core.services import Target
from pysips.net.records import DnsSettings, Record
from pysips.net.resolve import Way, by_weight
from tests.net.name_server import Zone
from tests.net.test_resolve import World

HOSTS: Zone = {(f"{name}.example.org.", "A"): (60, [f"192.0.2.{number}"]) for number, name in enumerate("abcdef", 1)}
UDP_SRV: Zone = {
    ("_sip._udp.example.org.", "SRV"): (60, ["20 0 5080 b.example.org.", "10 0 5070 a.example.org."]),
}
TCP_SRV: Zone = {("_sip._tcp.example.org.", "SRV"): (60, ["10 0 5090 c.example.org."])}
TLS_SRV: Zone = {("_sips._tcp.example.org.", "SRV"): (60, ["10 0 5091 d.example.org."])}
NAPTR: Zone = {
    ("example.org.", "NAPTR"): (60, [
        '30 10 "s" "SIPS+D2T" "" _sips._tcp.example.org.', '20 20 "s" "SIP+D2U" "" _sip._udp.example.org.',
        '20 10 "S" "sip+d2t" "" _sip._tcp.example.org.', '10 10 "s" "SIP+D2S" "" _sip._sctp.example.org.',
        '5 10 "u" "E2U+sip" "!^.*$!sip:x@nowhere.example.org!" .', '6 10 "a" "SIP+D2U" "" e.example.org.',
    ]),
}  # fmt: skip
OWN: Zone = {("example.org.", "A"): (60, ["192.0.2.99"])}
ALL: Zone = {**HOSTS, **UDP_SRV, **TCP_SRV, **TLS_SRV, **NAPTR, **OWN}


async def world_of(folder: Path, zone: Zone, *protos: str, **settings: Any) -> World:
    hosts = folder / "hosts"
    hosts.write_text("10.0.0.9 e.example.org\n")
    made = World(hosts, zone, DnsSettings(**settings), protos or ("udp", "tcp"))
    made.names.families, made.names.kinds = {4}, ["A"]
    await made.begin()
    return made


async def found(folder: Path, zone: Zone, *protos: str, port: int = 0, proto: str = "", **settings: Any) -> list[str]:
    """Where example.org leads, in order."""
    world = await world_of(folder, zone, *protos, **settings)
    promise = world.names.ask("example.org", port, proto)
    try:
        while not promise.done:
            await world.tasks.running.pop()
        return shown(promise.value)
    finally:
        world.server.end()


def shown(targets: list[Target]) -> list[str]:
    return [f"{one.proto} {one.host.removeprefix('192.0.2.')} {one.port}" for one in targets]


async def test_the_domain_says_which_transport_it_prefers(tmp_path: Path) -> None:
    assert await found(tmp_path, ALL) == ["tcp 3 5090", "udp 1 5070", "udp 2 5080"]


async def test_only_transports_that_we_have_count(tmp_path: Path) -> None:
    assert await found(tmp_path, ALL, "udp") == ["udp 1 5070", "udp 2 5080"]
    assert await found(tmp_path, ALL, "udp", "tls") == ["udp 1 5070", "udp 2 5080", "tls 4 5091"]


async def test_a_sips_uri_takes_what_is_secure(tmp_path: Path) -> None:
    assert await found(tmp_path, ALL, "udp", "tcp", "tls", proto="sips") == ["tls 4 5091"]
    assert await found(tmp_path, {**HOSTS, **TLS_SRV}, "udp", "tls", proto="sips") == ["tls 4 5091"]
    assert await found(tmp_path, OWN, "udp", "tls", proto="sips") == ["tls 99 5061"]


async def test_without_naptr_the_transports_are_tried_in_our_order(tmp_path: Path) -> None:
    assert await found(tmp_path, {**HOSTS, **UDP_SRV, **TCP_SRV, **OWN}) == ["udp 1 5070", "udp 2 5080"]
    assert await found(tmp_path, {**HOSTS, **TCP_SRV, **OWN}) == ["tcp 3 5090"]


async def test_naptr_is_not_asked_for_if_the_script_does_not_want_it(tmp_path: Path) -> None:
    assert await found(tmp_path, ALL, naptr=False) == ["udp 1 5070", "udp 2 5080"]


async def test_a_uri_that_names_its_transport_asks_for_its_servers(tmp_path: Path) -> None:
    assert await found(tmp_path, ALL, proto="tcp") == ["tcp 3 5090"]
    assert await found(tmp_path, ALL, proto="tls") == ["tls 4 5091"]


async def test_a_uri_that_names_its_port_asks_for_addresses_only(tmp_path: Path) -> None:
    world = await world_of(tmp_path, ALL)
    assert await world.ask("example.org", 5099) == ["udp 192.0.2.99 5099"]
    assert await world.ask("example.org", 5099, "tcp") == ["tcp 192.0.2.99 5099"]
    assert world.server.asked == [("example.org.", "A")]
    world.server.end()


async def test_without_srv_the_name_has_addresses_of_its_own(tmp_path: Path) -> None:
    assert await found(tmp_path, OWN) == ["udp 99 5060"]
    assert await found(tmp_path, OWN, proto="tcp") == ["tcp 99 5060"]


async def test_servers_without_an_address_are_left_out(tmp_path: Path) -> None:
    zone: Zone = {**UDP_SRV, **OWN, ("b.example.org.", "A"): (60, ["192.0.2.2"])}
    assert await found(tmp_path, zone) == ["udp 2 5080"]
    assert await found(tmp_path, {**UDP_SRV, **OWN}) == ["udp 99 5060"]


async def test_a_server_may_stand_in_the_hosts_file(tmp_path: Path) -> None:
    zone: Zone = {("_sip._udp.example.org.", "SRV"): (60, ["1 1 5070 e.example.org."])}
    assert await found(tmp_path, zone) == ["udp 10.0.0.9 5070"]


async def test_a_domain_may_say_that_it_has_no_such_service(tmp_path: Path) -> None:
    refusing: Zone = {("_sip._udp.example.org.", "SRV"): (60, ["0 0 0 ."])}
    assert await found(tmp_path, {**OWN, **refusing}) == []
    assert await found(tmp_path, {**OWN, **HOSTS, **TCP_SRV, **refusing}) == ["tcp 3 5090"]


async def test_the_whole_answer_holds_as_long_as_each_of_its_parts(tmp_path: Path) -> None:
    zone: Zone = {**ALL, ("a.example.org.", "A"): (10, ["192.0.2.1"])}
    world = await world_of(tmp_path, zone, "udp")
    await world.ask("example.org")
    asked = len(world.server.asked)
    world.time.advance(9)
    assert shown(world.names.known("example.org", 0, "") or []) == ["udp 1 5070", "udp 2 5080"]
    world.time.advance(2)
    assert world.names.known("example.org", 0, "") is None
    await world.ask("example.org")
    assert world.server.asked[asked:] == [("a.example.org.", "A")]
    world.server.end()


async def test_a_long_answer_comes_over_tcp(tmp_path: Path) -> None:
    servers = [f"10 0 {5000 + number} a.example.org." for number in range(40)]
    zone: Zone = {**HOSTS, ("_sip._udp.example.org.", "SRV"): (60, servers)}
    assert len(await found(tmp_path, zone)) == 40


async def test_there_is_an_end_to_targets(tmp_path: Path) -> None:
    zone: Zone = {
        ("_sip._udp.example.org.", "SRV"): (60, [f"10 0 {5000 + number} a.example.org." for number in range(40)]),
        ("a.example.org.", "A"): (60, [f"192.0.2.{number}" for number in range(1, 30)]),
    }
    assert len(await found(tmp_path, zone)) == 40


async def test_a_zone_says_how_long_nothing_is_nothing(tmp_path: Path) -> None:
    world = await world_of(tmp_path, {})
    world.server.soa = "ns.example.org. me.example.org. 1 2 3 4 100"
    assert await world.ask("nobody.example.org", 5070) == []
    world.time.advance(99)
    assert world.names.known("nobody.example.org", 5070, "") == []
    world.time.advance(2)
    assert world.names.known("nobody.example.org", 5070, "") is None
    world.server.end()


async def test_a_silent_kind_of_record_does_not_hide_the_others(tmp_path: Path) -> None:
    world = await world_of(tmp_path, {**OWN, ("other.example.org.", "A"): (60, ["192.0.2.98"])})
    await world.ask("other.example.org", 5070)  # somebody answers
    world.server.silent = {"NAPTR", "SRV"}
    assert await world.ask("example.org") == ["udp 192.0.2.99 5060"]
    world.server.end()


async def test_a_dead_dns_is_not_asked_for_ever(tmp_path: Path) -> None:
    world = await world_of(tmp_path, ALL)
    world.server.silent = {"*"}
    assert await world.ask("example.org") == []
    assert not [one for one in world.server.asked if one[1] == "A"]
    world.server.silent = set()
    world.time.advance(6)
    assert len(await world.ask("example.org")) == 3
    world.server.end()


async def test_answers_that_hold_no_time_still_lead_to_the_end(tmp_path: Path) -> None:
    zone: Zone = {key: (0, records) for key, (_, records) in ALL.items()}
    world = await world_of(tmp_path, zone)
    ask = world.names.records.look_up

    async def slow(name: str, kind: str) -> Any:
        answer = await ask(name, kind)
        world.time.advance(2)
        return answer

    world.names.records.look_up = slow  # type: ignore[method-assign]
    assert len(await world.ask("example.org")) == 3
    world.server.end()


async def test_ipv6_comes_first_if_the_script_wants_it_and_last_otherwise(tmp_path: Path) -> None:
    zone: Zone = {**OWN, ("example.org.", "AAAA"): (60, ["2001:db8::1"])}
    (tmp_path / "hosts").write_text("::1 both\n127.0.0.1 both\n")
    for wish, wanted in ((None, ["99", "2001:db8::1"]), (True, ["2001:db8::1", "99"]), (False, ["99"])):
        world = World(tmp_path / "hosts", zone, DnsSettings(ipv6=wish), ("udp",))
        await world.begin()
        promise = world.names.ask("example.org", 5060, "")
        await world.tasks.running[0]
        assert [one.host.removeprefix("192.0.2.") for one in promise.value] == wanted
        listed = {None: ["127.0.0.1", "::1"], True: ["::1", "127.0.0.1"], False: ["127.0.0.1"]}[wish]
        assert [one.host for one in world.names.known("both", 5060, "") or []] == listed
        world.server.end()


def test_weights_share_the_requests_out() -> None:
    chance = random.Random(7)
    ways = [Way("udp", port, ["192.0.2.1"], weight) for port, weight in ((1, 60), (2, 30), (3, 10), (4, 0))]
    first = Counter(by_weight(ways, chance)[0].port for _ in range(10_000))
    assert [round(first[port] / 10_000, 1) for port in (1, 2, 3)] == [0.6, 0.3, 0.1]
    assert 0 < first[4] < 300
    assert sorted(way.port for way in by_weight(ways, chance)) == [1, 2, 3, 4]


def test_servers_without_weights_share_evenly() -> None:
    chance = random.Random(7)
    ways = [Way("udp", port, ["192.0.2.1"]) for port in (1, 2)]
    assert 450 < sum(by_weight(ways, chance)[0].port == 1 for _ in range(1000)) < 550


async def test_each_request_draws_anew(tmp_path: Path) -> None:
    servers = ["10 50 1 a.example.org.", "10 50 2 b.example.org.", "20 0 3 c.example.org."]
    world = await world_of(tmp_path, {**HOSTS, ("_sip._udp.example.org.", "SRV"): (60, servers)})
    await world.ask("example.org")
    drawn = [tuple(shown(world.names.known("example.org", 0, "") or [])) for _ in range(100)]
    assert set(drawn) == {("udp 1 1", "udp 2 2", "udp 3 3"), ("udp 2 2", "udp 1 1", "udp 3 3")}
    world.server.end()


@pytest.mark.parametrize("weights", [[], [0], [65535, 65535], [0, 0, 0, 1]])
def test_any_weights_give_every_server_once(weights: list[int]) -> None:
    ways = [Way("udp", port, ["192.0.2.1"], weight) for port, weight in enumerate(weights)]
    for seed in range(50):
        assert sorted(by_weight(ways, random.Random(seed))) == sorted(ways)


async def test_a_server_whose_address_does_not_come_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pysips.net.resolve.GRACE", 0.05)
    world = await world_of(tmp_path, {**HOSTS, **UDP_SRV})
    look_up = world.names.records.look_up
    never = asyncio.Event()

    async def slow(name: str, kind: str) -> Any:
        if name == "b.example.org":
            await never.wait()
        return await look_up(name, kind)

    world.names.records.look_up = slow  # type: ignore[method-assign]
    assert await world.ask("example.org") == ["udp 192.0.2.1 5070"]
    never.set()
    while world.names.records.asking:
        await asyncio.sleep(0)
    assert shown(world.names.known("example.org", 0, "") or []) == ["udp 1 5070", "udp 2 5080"]
    world.server.end()


async def test_while_the_dns_is_away_what_was_known_holds_on_for_a_day(tmp_path: Path) -> None:
    world = await world_of(tmp_path, {**HOSTS, **UDP_SRV}, "udp", naptr=False)
    wanted = await world.ask("example.org")
    world.server.silent = {"*"}
    for _ in range(3):
        world.time.advance(100)
        assert world.names.known("example.org", 0, "") is None
        assert await world.ask("example.org") == wanted
        assert shown(world.names.known("example.org", 0, "") or []) == ["udp 1 5070", "udp 2 5080"]
    world.time.advance(90_000)
    assert await world.ask("example.org") == []
    world.server.end()


async def test_a_dns_that_is_slow_to_answer_is_not_waited_for_where_something_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pysips.net.resolve.GRACE", 0.05)
    world = await world_of(tmp_path, OWN)
    assert await world.ask("example.org", 5070) == ["udp 192.0.2.99 5070"]
    never = asyncio.Event()

    async def slow(name: str, kind: str) -> Any:
        await never.wait()
        return [Record("192.0.2.98")], 60.0

    world.names.records.look_up = slow  # type: ignore[method-assign]
    world.time.advance(61)
    assert await world.ask("example.org", 5070) == ["udp 192.0.2.99 5070"]
    never.set()
    while world.names.records.asking:
        await asyncio.sleep(0)
    world.time.advance(1)
    assert await world.ask("example.org", 5070) == ["udp 192.0.2.98 5070"]
    world.server.end()


async def test_questions_on_their_way_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysips.net.records.MOST_ASKED", 0)
    world = await world_of(tmp_path, OWN)
    assert await world.ask("example.org", 5070) == []
    assert world.server.asked == []
    world.server.end()
