"""Residential scripts as people have them, in the spelling of 2.4, of 3.4 and of 4.0, carry the same calls."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.live import Phone, Server, header, headers, until

pytestmark = pytest.mark.scenario
SCRIPTS = Path(__file__).parent / "scripts"


class Call:
    """A caller's side of one call: its INVITE, and what else belongs to that."""

    def __init__(self, caller: Phone, callee: str, name: str) -> None:
        self.caller, self.uri, self.name = caller, f"sip:{callee}@{caller.server}", name
        self.routes: tuple[str, ...] = ()
        caller.request("INVITE", self.uri, call=name)
        self.cseq = caller.cseq
        transport = "TCP" if caller.tcp else "UDP"
        self.via = f"Via: SIP/2.0/{transport} {caller.address};branch=z9hG4bK{caller.user}{self.cseq};rport"

    def cancel(self) -> None:
        self.caller.request("CANCEL", self.uri, self.via, f"CSeq: {self.cseq} CANCEL", call=self.name)

    def refused(self, status: str) -> None:
        """It was answered with this, and the caller acknowledges it."""
        answer = self.caller.hear(status)
        to = header(answer, "To")
        self.caller.request("ACK", self.uri, self.via, f"CSeq: {self.cseq} ACK", to=to, call=self.name)

    def answered(self) -> None:
        """It was answered with 200; the ACK goes where the answer says."""
        ok = self.caller.hear("200")
        self.to, self.target = header(ok, "To"), header(ok, "Contact").strip("<>")
        self.routes = tuple(reversed(headers(ok, "Record-Route")))
        assert self.routes, "nobody has recorded a route"
        self.acknowledge()

    def acknowledge(self) -> None:
        self.caller.request(
            "ACK", self.target, f"CSeq: {self.cseq} ACK", to=self.to, call=self.name, routes=self.routes
        )  # fmt: skip

    def hang_up(self) -> None:
        self.caller.request("BYE", self.target, to=self.to, call=self.name, routes=self.routes)


def registered(user: str, port: int, tcp: bool = False) -> Phone:
    """A phone that has a binding."""
    phone = Phone(user, port, tcp=tcp)
    phone.request("REGISTER", f"sip:{phone.server}", to=f"<sip:{user}@{phone.server}>", call=f"register-{user}")
    assert phone.contact in header(phone.hear("200"), "Contact")
    return phone


def talk(alice: Phone, bob: Phone) -> None:
    """A call with a record-routed dialog, in which the caller repeats what it says and hears no second phone ring."""
    call = Call(alice, bob.user, f"talk-{bob.user}")
    invite = bob.hear("INVITE")
    assert header(invite, "Max-Forwards") == "69"
    assert len(headers(invite, "Record-Route")) == (1 if alice.tcp == bob.tcp else 2)
    bob.answer(invite, "180 Ringing")
    alice.hear("180")
    alice.again()
    alice.hear("180")
    bob.answer(invite, "200 OK")
    call.answered()
    assert headers(bob.hear(""), "CSeq") == [f"{call.cseq} ACK"]
    bob.answer(invite, "200 OK")
    alice.hear("200")
    call.acknowledge()
    assert headers(bob.hear(""), "CSeq") == [f"{call.cseq} ACK"]
    call.hang_up()
    bye = bob.hear("BYE")
    assert not headers(bye, "Route")
    bob.answer(bye, "200 OK")
    alice.hear("200")
    alice.again()
    alice.hear("200")


def give_up(alice: Phone, bob: Phone) -> None:
    """The caller cancels while it rings."""
    call = Call(alice, bob.user, f"give-up-{bob.user}")
    invite = bob.hear("INVITE")
    bob.answer(invite, "180 Ringing")
    alice.hear("180")
    call.cancel()
    bob.answer(bob.hear("CANCEL"), "200 OK")
    bob.answer(invite, "487 Request Terminated")
    assert "CANCEL" in header(alice.hear("200"), "CSeq")
    call.refused("487")
    bob.hear("ACK")


def busy(alice: Phone, bob: Phone) -> None:
    """The callee is busy, and repeats it; one answer and one ACK each way are enough."""
    call = Call(alice, bob.user, f"busy-{bob.user}")
    bob.answer(bob.hear("INVITE"), "486 Busy Here")
    bob.hear("ACK")
    bob.again()
    bob.hear("ACK")
    call.refused("486")


def nobody(alice: Phone, status: str) -> None:
    """Who is not registered cannot be called; the caller that does not hear of it repeats itself."""
    call = Call(alice, "nobody", "nobody")
    alice.hear(status)
    alice.again()
    call.refused(status)


def stray(alice: Phone) -> None:
    """What belongs to no call is not relayed."""
    alice.request("BYE", f"sip:bob@{alice.address}", to="<sip:bob@127.0.0.1>;tag=none", call="no-call")
    alice.hear("404")
    uri = f"sip:bob@{alice.server}"
    alice.request("OPTIONS", uri, call="preloaded", routes=(f"<sip:{alice.server};lr>", f"<sip:{alice.address};lr>"))
    alice.hear("403")
    alice.request("INVITE", uri, "Max-Forwards: 0", call="too-far")
    alice.hear("483")


def bound(dump: Any) -> dict[str, list[str]]:
    """AORs and their contacts out of what ul_dump says."""
    [domain] = dump["Domains"]
    return {aor["AOR"]: [contact["Contact"] for contact in aor["Contacts"]] for aor in domain["AORs"]}


def accounted(server: Server, *fields: str) -> bool:
    """Whether a line of the accounting has them all."""
    return any("ACC:" in line and all(field in line for field in fields) for line in server.log().splitlines())


def group(alice: Phone, bob: Phone, carol: Phone) -> None:
    """Two ring together; who answers has the call."""
    call = Call(alice, "group", "group")
    at_bob, at_carol = bob.hear("INVITE sip:bob@"), carol.hear("INVITE sip:carol@")
    assert {header(at_bob, "X-Branch"), header(at_carol, "X-Branch")} == {"0", "1"}
    bob.answer(at_bob, "180 Ringing")
    assert header(alice.hear("180"), "X-Rings") == "yes"
    carol.answer(at_carol, "200 OK")
    call.answered()
    carol.hear("ACK")
    bob.answer(bob.hear("CANCEL"), "200 OK")
    bob.answer(at_bob, "487 Request Terminated")
    bob.hear("ACK")
    call.hang_up()
    carol.answer(carol.hear("BYE"), "200 OK")
    alice.hear("200")


def deputy(alice: Phone, bob: Phone, carol: Phone) -> None:
    """Who is busy has a deputy."""
    call = Call(alice, "deputy", "deputy")
    bob.answer(bob.hear("INVITE"), "486 Busy Here")
    bob.hear("ACK")
    invite = carol.hear("INVITE sip:carol@")
    assert header(invite, "X-Branch") == "1"
    carol.answer(invite, "180 Ringing")
    alice.hear("180")
    carol.answer(invite, "200 OK")
    call.answered()
    carol.hear("ACK")


def leave(alice: Phone, abroad: Phone) -> None:
    """Other domains are called with a hint."""
    abroad.socket.connect(("127.0.0.1", 5060))
    alice.request("INVITE", f"sip:{abroad.user}@{abroad.address}", call="abroad")
    assert header(abroad.hear("INVITE"), "P-hint") == "outbound"


def converse(alice: Phone, bob: Phone, carol: Phone) -> None:
    """All that a residential script is asked for."""
    talk(alice, bob)
    talk(alice, carol)
    talk(carol, alice)
    give_up(alice, bob)
    busy(alice, bob)
    group(alice, bob, carol)
    deputy(alice, bob, carol)
    nobody(alice, "404")
    stray(alice)
    with closing(Phone("abroad", 25064, "127.0.0.2")) as abroad:
        leave(alice, abroad)


@pytest.mark.parametrize("spelling", sorted(path.stem for path in SCRIPTS.glob("*.cfg")))
def test_a_residential_script_carries_its_calls(serve: Callable[..., Server], spelling: str) -> None:
    server = serve((SCRIPTS / f"{spelling}.cfg").read_text("utf-8"))
    with ExitStack() as stack:
        alice = stack.enter_context(closing(registered("alice", 25061)))
        bob = stack.enter_context(closing(registered("bob", 25062)))
        carol = stack.enter_context(closing(registered("carol", 25063, tcp=True)))
        converse(alice, bob, carol)
        contacts = {f"{one.user}@127.0.0.1": [one.contact.strip("<>")] for one in (alice, bob, carol)}
        assert bound(server.mi("ul_dump")) == contacts
    until(lambda: accounted(server, "call missed", "call_id=busy-bob", "code=486"), 2, "the missed call's line")
    assert accounted(server, "call missed", "call_id=give-up-bob", "code=487")
    for call in ("talk-bob", "talk-carol", "talk-alice"):
        lines = [line for line in server.log().splitlines() if f"call_id={call};" in line]
        assert len(lines) == 2, lines
        assert accounted(server, "answered", f"call_id={call};", "method=INVITE", "code=200", "to_tag=of-")
        assert accounted(server, "answered", f"call_id={call};", "method=BYE", "code=200")
    assert not accounted(server, "call_id=nobody")
