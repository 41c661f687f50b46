"""The tutorial's federation without backups: two sites, each with its MariaDB; every store; asserted on the wire."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import header, headers, until

from .site_phones import DOMAIN, PHONES, SitePhone
from .sites import OWN, Platform

pytestmark = [
    pytest.mark.show, pytest.mark.needs("ip"), pytest.mark.needs("mariadbd"), pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]  # fmt: skip

A, B = OWN[1], OWN[3]
QUICK = """
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "min_expires", 1)
"""
CASES = [
    ("cassandra", "2.4"), ("cassandra", "3.x"), ("mongodb", "2.4"), ("redis", "2.4"), ("sql", "3.x"), ("none", "2.4"),
]  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    store, spelling = request.param
    with Platform(tmp_path_factory.mktemp("platform"), spelling, store, extra=QUICK) as made:
        for number in (1, 3):
            made.node(number).start_server()
        made.linked(1, 3)
        yield made


@pytest.fixture
def alice(platform: Platform) -> Iterator[SitePhone]:
    yield from one(platform, "alice", 0, A)


@pytest.fixture
def bob(platform: Platform) -> Iterator[SitePhone]:
    """Bob's phone at site A."""
    yield from one(platform, "bob1", 1, A, "bob")


@pytest.fixture
def bob_b(platform: Platform) -> Iterator[SitePhone]:
    """Bob's phone at site B."""
    yield from one(platform, "bob2", 2, B, "bob")


@pytest.fixture
def carol(platform: Platform) -> Iterator[SitePhone]:
    """Carol is at site B and only calls."""
    yield from one(platform, "carol", 3, B)


def one(platform: Platform, name: str, number: int, site: str, user: str = "") -> Iterator[SitePhone]:
    phone = platform.phone(name, number, site, user)
    phone.cseq = int(time.time() * 1000) & 0x7FFFFFF
    yield phone
    phone.send(0)
    phone.hear(" 200 ")
    phone.close()


def known(platform: Platform, *rows: tuple[str, str]) -> None:
    """Those records are in the store; where there is none, the sites know it."""
    platform.rows_become(*rows)
    if platform.store is None:
        time.sleep(0.5)


def test_registration_makes_one_record_for_each_site(platform: Platform, bob: SitePhone, bob_b: SitePhone) -> None:
    known(platform)
    answer = bob.register()
    assert headers(answer, "Contact") and bob.address in header(answer, "Contact")
    known(platform, ("bob", A))
    answer = bob_b.register()
    assert bob.address not in header(answer, "Contact"), "a site tells of its own contacts"
    known(platform, ("bob", A), ("bob", B))
    bob.register()
    known(platform, ("bob", A), ("bob", B))
    bob.unregister()
    known(platform, ("bob", B))
    bob_b.unregister()
    known(platform)


def test_a_call_crosses_sites(platform: Platform, carol: SitePhone, bob: SitePhone) -> None:
    bob.register()
    known(platform, ("bob", A))
    mark = platform.wire.mark()
    carol.invite("bob")
    heard = bob.hear("INVITE")
    assert len(headers(heard, "Via")) == 3
    assert header(heard, "Max-Forwards") == "68"
    bob.answer(heard, "180 Ringing")
    carol.hear(" 180 ")
    bob.answer(heard, "200 OK")
    taken = carol.hear(" 200 ")
    assert bob.address in header(taken, "Contact")
    carol.acknowledge(taken)
    bob.hear("ACK")
    bob.back("INFO", heard)
    heard_back = carol.hear("INFO")
    carol.answer(heard_back, "200 OK")
    bob.hear(" 200 ")
    carol.inside("BYE", taken)
    bob.answer(bob.hear("BYE"), "200 OK")
    carol.hear(" 200 ")
    [crossed] = platform.wire.requests("INVITE", B, A, mark)
    assert crossed.startswith(f"INVITE sip:bob@{DOMAIN} SIP/2.0")
    assert not headers(crossed, "Route") and not headers(crossed, "Path")
    assert [f"<sip:{B};lr" in one for one in headers(crossed, "Record-Route")] == [True]
    for method in ("ACK", "BYE"):
        assert platform.wire.requests(method, B, A, mark), f"{method} passes both sites"
    assert platform.wire.requests("INFO", A, B, mark)
    assert not platform.wire.requests("INVITE", A, B, mark), "nothing goes round"


def test_a_call_forks_to_both_sites(platform: Platform, alice: SitePhone, bob: SitePhone, bob_b: SitePhone) -> None:
    bob.register()
    bob_b.register()
    known(platform, ("bob", A), ("bob", B))
    mark = platform.wire.mark()
    alice.invite("bob")
    here, there = bob.hear("INVITE"), bob_b.hear("INVITE")
    bob.answer(here, "180 Ringing")
    bob_b.answer(there, "180 Ringing")
    alice.hear(" 180 ")
    bob_b.answer(there, "200 OK")
    taken = alice.hear(" 200 ")
    assert bob_b.address in header(taken, "Contact")
    cancelled = bob.hear("CANCEL")
    while header(cancelled, "Via") != header(here, "Via"):  # an earlier call's, repeated
        bob.answer(cancelled, "200 OK")
        cancelled = bob.hear("CANCEL")
    assert "cause=200" in header(cancelled, "Reason"), "completed elsewhere"
    bob.answer(cancelled, "200 OK")
    bob.answer(here, "487 Request Terminated")
    bob.hear("ACK")
    alice.acknowledge(taken)
    bob_b.hear("ACK")
    bob_b.back("BYE", there)
    alice.answer(alice.hear("BYE"), "200 OK")
    bob_b.hear(" 200 ")
    [crossed] = platform.wire.requests("INVITE", A, B, mark)
    assert not headers(crossed, "Route")
    assert len(platform.wire.requests("INVITE", A, PHONES[1], mark)) == 1
    assert len(platform.wire.requests("INVITE", B, PHONES[2], mark)) == 1


def test_a_cancel_crosses_sites(platform: Platform, alice: SitePhone, bob: SitePhone, bob_b: SitePhone) -> None:
    bob.register()
    bob_b.register()
    known(platform, ("bob", A), ("bob", B))
    mark = platform.wire.mark()
    alice.invite("bob")
    calls = [(phone, phone.hear("INVITE")) for phone in (bob, bob_b)]
    for phone, call in calls:
        phone.answer(call, "180 Ringing")
    alice.hear(" 180 ")
    alice.cancel()
    for phone, call in calls:
        phone.answer(phone.hear("CANCEL"), "200 OK")
        phone.answer(call, "487 Request Terminated")
        phone.hear("ACK")
    alice.hear(" 487 ")
    assert platform.wire.requests("CANCEL", A, B, mark)


def test_final_failures_of_both_sites_make_one_answer(
    platform: Platform, alice: SitePhone, bob: SitePhone, bob_b: SitePhone
) -> None:
    bob.register()
    bob_b.register()
    known(platform, ("bob", A), ("bob", B))
    alice.invite("bob")
    here, there = bob.hear("INVITE"), bob_b.hear("INVITE")
    bob.answer(here, "486 Busy Here")
    bob_b.answer(there, "480 Temporarily Unavailable")
    alice.hear(" 480 ")


def test_nobody_anywhere(platform: Platform, alice: SitePhone) -> None:
    mark = platform.wire.mark()
    alice.invite("nobody")
    alice.hear(" 404 ")
    assert not platform.wire.requests("INVITE", A, B, mark)


def test_a_contact_that_expires_takes_its_record_along(platform: Platform, carol: SitePhone, bob: SitePhone) -> None:
    bob.register(expires=2)
    known(platform, ("bob", A))
    until(lambda: not platform.nodes[1].aors(), 8, "the expiry")
    known(platform)
    carol.invite("bob")
    carol.hear(" 404 ")


def test_no_error_was_written(platform: Platform) -> None:
    assert [node.errors() for node in platform.nodes.values()] == [[], []]


def test_a_remote_branch_carries_no_path_of_a_local_contact(tmp_path: Path) -> None:
    with Platform(tmp_path, "2.4", mended={'save("location")': 'save("location", "p0")'}) as platform:
        for number in (1, 3):
            platform.node(number).start_server()
        platform.linked(1, 3)
        alice, edge = platform.phone("alice", 0, A), platform.phone("edge", 1, A, "bob")
        far = platform.phone("far", 2, B, "bob")
        path = f"<sip:{edge.address};lr>"
        edge.contact = "<sip:bob@10.9.9.9:5060>"  # behind the edge proxy that its Path names
        edge.send(600, path=path)
        edge.hear(" 200 ")
        far.register()
        time.sleep(1)
        mark = platform.wire.mark()
        alice.invite("bob")
        here, there = edge.hear("INVITE"), far.hear("INVITE")
        assert headers(here, "Route") == [path]
        assert not headers(there, "Route")
        [crossed] = platform.wire.requests("INVITE", A, B, mark)
        assert not headers(crossed, "Route")
        for phone, call in ((edge, here), (far, there)):
            phone.answer(call, "486 Busy Here")
        alice.hear(" 486 ")
