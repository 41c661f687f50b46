"""GRUUs: made for a phone that wants them, and found again (RFC 5627)."""

import re
from collections.abc import Callable

import pytest

from pysips.modules.registrar import gruu

from .conftest import Rig

Make = Callable[..., Rig]
PHONE = 'Contact: <sip:a@h>;+sip.instance="<urn:uuid:f81d4fae>"'


@pytest.fixture
def rig(make: Make) -> Rig:
    return make(("registrar", "disable_gruu", 0), ("registrar", "gruu_secret", "s3cret"))


def gruus(rig: Rig) -> tuple[str, str]:
    public = re.search(r'pub-gruu="([^"]*)"', rig.listed())
    hidden = re.search(r'temp-gruu="([^"]*)"', rig.listed())
    assert public and hidden
    return public[1], hidden[1]


def test_a_phone_that_supports_them_gets_them(rig: Rig) -> None:
    rig.save(PHONE, "Supported: path, GRUU")
    public, hidden = gruus(rig)
    assert public == "sip:alice@example.com;gr=urn:uuid:f81d4fae"
    assert re.fullmatch(r"sip:tgruu\.[A-Za-z0-9+/=]+@10\.0\.0\.1:5060;gr", hidden)
    assert rig.listed().endswith(';+sip.instance="<urn:uuid:f81d4fae>"')


def test_others_do_not(rig: Rig, make: Make) -> None:
    rig.save(PHONE)
    assert rig.listed() == "<sip:a@h>;expires=3600"
    rig.save("Contact: <sip:b@h>", "Supported: gruu", "Call-ID: c9", aor="sip:bob@example.com")
    assert rig.listed() == "<sip:b@h>;expires=3600"
    off = make()
    off.save(PHONE, "Supported: gruu")
    assert off.listed() == "<sip:a@h>;expires=3600"


def test_both_lead_to_that_phone_alone(rig: Rig) -> None:
    rig.save('Contact: <sip:other@h>;q=1;+sip.instance="<urn:uuid:2>"')
    rig.save(PHONE, "CSeq: 2 REGISTER", "Supported: gruu", "Call-ID: c2")
    listed = rig.listed().split(", ")[1]
    for name in ("pub-gruu", "temp-gruu"):
        found = re.search(name + r'="([^"]*)"', listed)
        assert found
        ctx = rig.invite(found[1])
        assert rig.call("lookup", ctx, "location") == 1
        assert (ctx.uri, ctx.branches) == ("sip:a@h", [])


def test_a_temporary_one_is_over_when_the_phone_registers_anew(rig: Rig) -> None:
    rig.save(PHONE, "Supported: gruu")
    hidden = gruus(rig)[1]
    rig.clock.at += 10
    rig.save('Contact: <sip:a@h2>;+sip.instance="<urn:uuid:f81d4fae>"', "Call-ID: c2", "Supported: gruu")
    assert rig.call("lookup", rig.invite(hidden), "location") == -1


@pytest.mark.parametrize("user", ["tgruu.", "tgruu.%%%", "tgruu.AAAA", "tgruu.é"])
def test_a_made_up_one_leads_nowhere(rig: Rig, user: str) -> None:
    assert rig.call("lookup", rig.invite(f"sip:{user}@10.0.0.1;gr"), "location") == -3


def test_a_parameter_that_only_looks_like_one(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    assert rig.call("lookup", rig.invite("sip:alice@example.com;group=1"), "location") == 1


def test_a_temporary_one_tells_nothing_without_the_secret() -> None:
    made = gruu.temporary("alice@h", "h:5060", "<urn:1>", "call id", 1700000000, b"s3cret")
    user = made[4 : made.index("@")]
    assert gruu.read_temporary(user, b"s3cret") == ("alice@h", "urn:1", "call id")
    assert gruu.read_temporary(user, b"other") != ("alice@h", "urn:1", "call id")


def test_what_a_user_is_called_cannot_forge_a_header(rig: Rig) -> None:
    rig.save(PHONE, "Supported: gruu", aor="sip:al%0D%0AX: y@example.com")
    assert rig.error() == "400 Error while parsing AOR"
    rig.save(PHONE, "Supported: gruu", aor="sip:al%0D%0AX%3A%20y@example.com")
    public = gruus(rig)[0]
    assert public == "sip:al%0D%0AX%3A%20y@example.com;gr=urn:uuid:f81d4fae"
    ctx = rig.invite(public)
    assert rig.call("lookup", ctx, "location") == 1
    assert ctx.uri == "sip:a@h"
