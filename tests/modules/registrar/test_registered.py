"""is_registered() and its kin; remove() and its kin; add_sock_hdr()."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Rig, avp

Make = Callable[..., Rig]


def run(awaitable: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    assert inspect.iscoroutine(awaitable)
    with pytest.raises(StopIteration) as ended:
        awaitable.send(None)
    return ended.value.value


def left(rig: Rig) -> list[str]:
    record = rig.usrloc.api.location.read(rig.usrloc.api.domain("location"), "alice@example.com")
    return [contact.uri for contact in record.contacts] if record else []


@pytest.mark.parametrize("name", ["is_registered", "registered"])
def test_whether_somebody_is_registered(rig: Rig, name: str) -> None:
    ctx = rig.invite("sip:x@h", "OPTIONS")
    assert rig.call(name, ctx, "location") == -1
    rig.save("Contact: <sip:a@h>;expires=100", aor="sip:bob@example.com")
    assert rig.call(name, ctx, "location") == 1, "From is meant"
    assert rig.call(name, ctx, "location", "sip:alice@example.com") == -1
    assert rig.call(name, rig.register(aor="sip:bob@example.com"), "location") == 1, "in a REGISTER To is meant"
    assert rig.call(name, ctx, "location", "nonsense") == -1
    rig.clock.at += 100
    assert rig.call(name, ctx, "location") == -1


def test_its_attribute_is_told(make: Make) -> None:
    rig = make(("registrar", "attr_avp", "$avp(attr)"))
    ctx = rig.register("Contact: <sip:a@h>")
    ctx.avps["attr"] = ["blue"]
    rig.call("save", ctx, "location")
    ctx = rig.invite()
    rig.call("is_registered", ctx, "location", "sip:alice@example.com")
    assert ctx.avps["attr"] == ["blue"]


@pytest.mark.parametrize(
    ("contact", "callid", "answer"),
    [
        ("sip:a@h", "", 1),
        ("sip:x@h", "", -1),
        ("", "c1", 1),
        ("", "c9", -1),
        ("sip:a@h", "c1", 1),
        ("sip:a@h", "c2", -1),
    ],
)
def test_whether_a_contact_is_registered(rig: Rig, contact: str, callid: str, answer: int) -> None:
    rig.save("Contact: <sip:a@h>")
    rig.save("Contact: <sip:b@h>", "Call-ID: c2")
    assert (
        rig.call("is_contact_registered", rig.invite(), "location", "sip:alice@example.com", contact, callid) == answer
    )


def test_the_requests_own_contact_is_meant_without_one(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>")
    asks = [
        (rig.register("Contact: <sip:x@h>;expires=0, <sip:a@h>"), 1),
        (rig.register("Contact: <sip:x@h>"), -1),
        (rig.register(), -1),
        (rig.register("Contact: <sip:x@h"), -1),
    ]
    for ctx, answer in asks:
        assert rig.call("is_contact_registered", ctx, "location") == answer


def test_whether_an_address_is_registered(rig: Rig) -> None:
    rig.save(
        'Contact: <sip:a@192.0.2.7:5062>, <sip:b@[2001:DB8::1]>, <sip:c@10.1.1.1>;received="sip:192.0.2.9:4", <sip:d@n>'
    )
    ctx = rig.invite()
    ctx.avps["port"] = [5062]
    for address, answer in (("192.0.2.7", 1), ("2001:db8:0::1", 1), ("192.0.2.9", 1), ("10.1.1.1", -1), ("n", -1)):
        ctx.avps["ip"] = [address]
        assert rig.call("is_ip_registered", ctx, "location", "sip:alice@example.com", avp("ip")) == answer, address
    ctx.avps["ip"] = ["192.0.2.9"]
    assert rig.call("is_ip_registered", ctx, "location", "sip:alice@example.com", avp("ip"), avp("port")) == -1
    ctx.avps["ip"] = ["192.0.2.7", "192.0.2.200"]
    ctx.avps["port"] = [5062, 1]
    assert rig.call("is_ip_registered", ctx, "location", "sip:alice@example.com", avp("ip"), avp("port")) == 1
    assert rig.call("is_ip_registered", ctx, "location", "nonsense", avp("ip")) == -2


def test_removing_an_aor(rig: Rig) -> None:
    rig.save("Contact: <sip:a@h>, <sip:b@h>")
    assert run(rig.call("remove", rig.invite(), "location", "sip:alice@example.com")) == 1
    assert left(rig) == []
    assert run(rig.call("remove", rig.invite(), "location", "sip:alice@example.com")) == 1
    assert run(rig.call("remove", rig.invite(), "location", "nonsense")) == -1


def test_removing_some_of_its_contacts(rig: Rig) -> None:
    phone = rig.services.branch_flags.mask("PHONE")
    ctx = rig.register("Contact: <sip:flagged@192.0.2.1>")
    ctx.bflags = phone
    rig.call("save", ctx, "location")
    rig.save('Contact: <sip:a@192.0.2.1>, <sip:b@10.1.1.1>;received="sip:192.0.2.2:4"', "CSeq: 2 REGISTER")
    rig.save('Contact: <sip:c@name.example>;+sip.instance="<urn:1>", <tel:+49123>', "CSeq: 3 REGISTER")
    rig.hosts.names["name.example"] = "192.0.2.3"
    assert len(left(rig)) == 5

    def remove(*arguments: str | None) -> list[str]:
        before = left(rig)
        assert run(rig.call("remove", rig.invite(), "location", "sip:alice@example.com", *arguments)) == 1
        return [uri for uri in before if uri not in left(rig)]

    assert remove("sip:none@h") == []
    assert remove(None, None, None, "PHONE") == ["sip:flagged@192.0.2.1"]
    assert remove(None, "192.0.2.2") == ["sip:b@10.1.1.1"]
    assert remove("sip:a@192.0.2.1", "192.0.2.9") == []
    assert remove("sip:a@192.0.2.1", "192.0.2.1") == ["sip:a@192.0.2.1"]
    assert remove(None, "name.example", "<urn:2>") == []
    assert remove(None, "name.example", "<urn:1>") == ["sip:c@name.example"]
    assert left(rig) == ["tel:+49123"]


def test_removing_what_is_at_an_address(rig: Rig) -> None:
    rig.save("Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1:5070>, <sip:c@192.0.2.2:5060>")
    rig.save("Contact: <sip:a@192.0.2.1:5060>", aor="sip:bob@example.com")
    assert rig.call("remove_ip_port", rig.invite(), "192.0.2.1", 5060, "location", "sip:alice@example.com") == 1
    assert left(rig) == ["sip:b@192.0.2.1:5070", "sip:c@192.0.2.2:5060"]
    assert rig.call("remove_ip_port", rig.invite(), "192.0.2.1", 5060, "location") == 1
    assert rig.statistic("location-users") == 1
    assert rig.call("remove_ip_port", rig.invite(), "name", 5060, "location") == -1


def test_the_socket_is_told_to_the_registrar_behind_us(rig: Rig) -> None:
    ctx = rig.register("Contact: <sip:a@h>")
    assert rig.call("add_sock_hdr", ctx, "Sock-Info") == 1
    assert ctx.edits.written(ctx.message.text).endswith("\r\nSock-Info: udp:10.0.0.1:5060\r\n\r\n")
    assert rig.call("add_sock_hdr", ctx, "Sock Info") == -1
