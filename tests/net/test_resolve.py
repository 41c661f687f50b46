"""Names to addresses: who waits, who is asked, and how long an answer holds."""

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from pysips.core.log import Entry, log
from pysips.core.services import Offload, Promise, Target
from pysips.core.stats import Statistics
from pysips.net.hosts import WatchedFile, hosts_of, numeric
from pysips.net.records import DnsCounters, DnsSettings, Records, configured
from pysips.net.resolve import Names
from pysips.testing.fakes import FakeClock
from tests.net.name_server import NameServer, Zone


class Tasks(Offload):
    """Runs coroutines in the test's own loop."""

    def __init__(self) -> None:
        self.running: list[asyncio.Task[Any]] = []

    def spawn(self, work: Awaitable[Any]) -> Promise:
        self.running.append(asyncio.ensure_future(work))
        return Promise()


class World:
    """A resolver, its clock and its name server."""

    def __init__(self, hosts: Path, zone: Zone, settings: DnsSettings, protos: tuple[str, ...]) -> None:
        self.time = FakeClock()
        self.tasks = Tasks()
        self.names = Names(self.time, self.tasks, {4, 6}, settings, str(hosts), protos)
        self.server = NameServer(zone)

    async def begin(self) -> None:
        await self.server.begin()
        resolver = configured(DnsSettings(1, 1))
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.server.port
        resolver.timeout = resolver.lifetime = 0.3
        self.names.records.server = resolver
        self.names.records.resolv_conf = WatchedFile("/nowhere", self.time)

    async def ask(self, host: str, port: int = 0, proto: str = "") -> list[str]:
        promise = self.names.ask(host, port, proto)
        await asyncio.gather(*self.tasks.running)
        assert promise.done
        return shown(promise.value)


def shown(targets: list[Target] | None) -> list[str]:
    assert targets is not None
    found = [f"{one.proto} {one.host} {one.port}" for one in targets]
    assert [":" in one for one in found] == sorted(":" in one for one in found), "IPv4 comes first"
    return sorted(found)  # a server may answer in any order


ZONE = {
    ("sip.example.org.", "A"): (60, ["192.0.2.1", "192.0.2.2"]),
    ("sip.example.org.", "AAAA"): (300, ["2001:db8::1"]),
    ("six.example.org.", "AAAA"): (300, ["2001:db8::6"]),
}


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n10.0.0.7 Proxy.Local proxy # ours\n")
    made = World(hosts, dict(ZONE), DnsSettings(), ("udp", "tcp"))
    await made.begin()
    yield made
    made.server.end()


@pytest.mark.parametrize("host", ["192.0.2.1", "::1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"])
def test_addresses_are_numeric(host: str) -> None:
    assert numeric(host)


@pytest.mark.parametrize("host", ["", "a", "1.2.3", "1.2.3.4.5", "1.2.3.999", "example.org", "x:y", "::1::", "١.١.١.١"])
def test_names_are_not(host: str) -> None:
    assert not numeric(host)


async def test_a_numeric_target_never_waits_and_gets_its_transports_port(world: World) -> None:
    names = world.names
    assert shown(names.known("192.0.2.1", 0, "")) == ["udp 192.0.2.1 5060"]
    assert shown(names.known("2001:db8::1", 0, "tls")) == ["tls 2001:db8::1 5061"]
    assert shown(names.known("192.0.2.1", 5070, "tcp")) == ["tcp 192.0.2.1 5070"]
    assert world.server.asked == []


async def test_the_hosts_file_comes_before_dns(world: World) -> None:
    assert shown(world.names.known("PROXY.local.", 0, "")) == ["udp 10.0.0.7 5060"]
    assert shown(world.names.known("localhost", 0, "")) == ["udp 127.0.0.1 5060", "udp ::1 5060"]
    assert world.server.asked == []


async def test_a_changed_hosts_file_is_read_again(world: World, tmp_path: Path) -> None:
    assert world.names.known("new.local", 0, "") is None
    (tmp_path / "hosts").write_text("10.0.0.8 new.local\n")
    os.utime(tmp_path / "hosts", ns=(1, 1))
    world.time.advance(5)
    assert shown(world.names.known("new.local", 0, "")) == ["udp 10.0.0.8 5060"]
    (tmp_path / "hosts").unlink()
    world.time.advance(5)
    assert world.names.known("new.local", 0, "") is None


async def test_a_name_is_asked_for_once_and_then_known_for_its_time(world: World) -> None:
    assert world.names.known("sip.example.org", 0, "") is None
    wanted = ["tcp 192.0.2.1 5070", "tcp 192.0.2.2 5070", "tcp 2001:db8::1 5070"]
    first = world.names.ask("sip.example.org", 5070, "tcp")
    assert await world.ask("SIP.example.org.", 5070, "tcp") == wanted
    assert shown(first.value) == wanted
    assert sorted(world.server.asked) == [("sip.example.org.", "A"), ("sip.example.org.", "AAAA")]
    world.time.advance(59)
    assert shown(world.names.known("sip.example.org", 5070, "tcp")) == wanted
    world.time.advance(2)
    assert world.names.known("sip.example.org", 5070, "tcp") is None


async def test_a_name_with_one_family_only(world: World) -> None:
    assert await world.ask("six.example.org") == ["udp 2001:db8::6 5060"]


async def test_only_families_that_we_can_send_from_are_asked_for(world: World) -> None:
    world.names.families, world.names.kinds = {4}, ["A"]
    assert await world.ask("sip.example.org", 5070) == ["udp 192.0.2.1 5070", "udp 192.0.2.2 5070"]
    assert world.server.asked == [("sip.example.org.", "A")]
    assert shown(world.names.known("localhost", 0, "")) == ["udp 127.0.0.1 5060"]


async def test_a_name_that_leads_nowhere_is_remembered_for_a_while(world: World) -> None:
    assert await world.ask("nobody.example.org") == []
    asked = len(world.server.asked)
    assert await world.ask("nobody.example.org") == []
    assert len(world.server.asked) == asked
    world.time.advance(31)
    assert world.names.known("nobody.example.org", 0, "") is None


async def test_a_silent_server_leads_nowhere_and_is_asked_again_soon(world: World) -> None:
    world.server.silent = {"*"}
    assert await world.ask("sip.example.org") == []
    world.server.silent = set()
    world.time.advance(6)
    assert len(await world.ask("sip.example.org")) == 3


@pytest.mark.parametrize("host", ["", "a b", "\udcff.org", "-x", "x" * 300, "a..b" + "c" * 260, "ä.org"])
async def test_what_is_no_name_is_not_asked_for(world: World, host: str) -> None:
    assert world.names.known(host, 0, "") == []
    assert world.server.asked == []


async def test_a_label_that_is_too_long_leads_nowhere(world: World) -> None:
    assert await world.ask("x" * 64 + ".example.org") == []


def test_hosts_as_hosts5_writes_them() -> None:
    text = "# comment\n\n10.0.0.1\ta b\t# c\nnonsense x\n10.0.0.2 A\n::1\n"
    assert hosts_of(text) == {"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.1"]}


def test_the_scripts_settings_reach_the_resolver() -> None:
    server = configured(DnsSettings(retry_seconds=2, retries=3, servers=1))
    assert len(server.nameservers) <= 1
    assert (server.timeout, server.lifetime) == (2.0, 6.0)


async def test_without_failover_only_the_first_address_is_tried(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.7 pair\n10.0.0.8 pair\n")
    for failover, count in ((True, 2), (False, 1)):
        names = Names(FakeClock(), Tasks(), {4}, DnsSettings(failover=failover), str(hosts))
        assert len(names.known("pair", 0, "") or []) == count


@pytest.mark.parametrize(("threshold", "told"), [(0.0, 0), (0.5, 0), (0.2, 1)])
def test_a_slow_answer_is_told_where_somebody_wants_to_know(
    threshold: float, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Statistics()
    counters = DnsCounters(*[counted.counter("dns", name) for name in ("total", "slow")])
    records = Records(FakeClock(), DnsSettings(slow_seconds=threshold), counters)
    lines: list[Entry] = []
    monkeypatch.setattr(log, "listener", lambda entry, pid: lines.append(entry))
    log.held.clear()
    records.measure("sip.example.org", 0.3)
    assert [one.text for one in lines] == ["sip.example.org took 300000 µs, more than exec_dns_threshold"] * told
    assert (counters.total.get(), counters.slow.get()) == (1, told)
