"""opensips.cfg.example as it stands: phones register and call each other."""

from collections.abc import Callable, Iterator

import pytest

from tests.live import EXAMPLE, Phone, Server, header, headers, until

pytestmark = pytest.mark.scenario


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve(EXAMPLE.read_text("utf-8"))


@pytest.fixture
def phone(server: Server) -> Iterator[Callable[..., Phone]]:
    """A registered phone."""
    made: list[Phone] = []

    def register(user: str, port: int, host: str = "127.0.0.1", tcp: bool = False) -> Phone:
        one = Phone(user, port, host, tcp=tcp)
        made.append(one)
        one.prove("REGISTER", f"sip:{one.server}", to=f"<sip:{user}@{one.server}>", call=f"register-{user}")
        assert f"sip:{user}@{one.address}" in header(one.hear("200"), "Contact")
        return one

    yield register
    for one in made:
        one.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_two_phones_call_and_hang_up(phone: Callable[..., Phone], host: str, tcp: bool) -> None:
    alice, bob = phone("alice", 25061, host), phone("bob", 25062, host, tcp)
    alice.prove("INVITE", f"sip:bob@{alice.server}", call="the-call")
    invite = bob.hear("INVITE")
    assert header(invite, "Record-Route")
    assert header(invite, "Max-Forwards") == "69"
    bob.answer(invite, "180 Ringing")
    alice.hear("180")
    bob.answer(invite, "200 OK")
    ok = alice.hear("200")
    routes = tuple(reversed(headers(ok, "Record-Route")))
    target = header(ok, "Contact").strip("<>")
    alice.request("ACK", target, f"CSeq: {alice.cseq} ACK", to=header(ok, "To"), call="the-call", routes=routes)
    bob.hear("ACK")
    alice.request("BYE", target, to=header(ok, "To"), call="the-call", routes=routes)
    bob.answer(bob.hear("BYE"), "200 OK")
    alice.hear("200")


def test_a_caller_gives_up(phone: Callable[..., Phone]) -> None:
    alice, bob = phone("alice", 25061), phone("bob", 25062)
    alice.prove("INVITE", f"sip:bob@{alice.server}")
    invite = bob.hear("INVITE")
    bob.answer(invite, "180 Ringing")
    alice.hear("180")
    cseq = alice.cseq
    via = f"Via: SIP/2.0/UDP {alice.address};branch=z9hG4bKalice{cseq};rport"
    alice.request("CANCEL", f"sip:bob@{alice.server}", via, f"CSeq: {cseq} CANCEL")
    cancel = bob.hear("CANCEL")
    bob.answer(cancel, "200 OK")
    bob.answer(invite, "487 Request Terminated")
    assert "CANCEL" in header(alice.hear("200"), "CSeq")
    alice.hear("487")
    bob.hear("ACK")


def test_who_is_not_registered_is_not_called(phone: Callable[..., Phone], server: Server) -> None:
    alice = phone("alice", 25061)
    alice.prove("INVITE", f"sip:nobody@{alice.server}")
    alice.hear("480")
    assert server.mi("ul_show_contact", ["location", "alice@127.0.0.1"])["Contacts"]


def test_another_domain_is_not_called_through_us(phone: Callable[..., Phone]) -> None:
    alice = phone("alice", 25061)
    alice.request("INVITE", "sip:anybody@example.com")
    alice.hear("403")


def test_a_call_leaves_a_line_in_the_log(phone: Callable[..., Phone], server: Server) -> None:
    alice, bob = phone("alice", 25061), phone("bob", 25062)
    alice.prove("INVITE", f"sip:bob@{alice.server}")
    bob.answer(bob.hear("INVITE"), "486 Busy Here")
    alice.hear("486")
    until(lambda: "486" in server.log() and "ACC" in server.log(), 2, "the line of the accounting")


def test_nobody_registers_or_calls_without_the_password(phone: Callable[..., Phone], server: Server) -> None:
    alice = phone("alice", 25061)
    eve = Phone("bob", 25066)
    try:
        to = f"<sip:bob@{eve.server}>"
        eve.prove("REGISTER", f"sip:{eve.server}", to=to, call="eve", password="guess")
        eve.hear("401")
        alice.prove("REGISTER", f"sip:{alice.server}", to=to, call="alice-as-bob")
        alice.hear("403 Not Your Name")
        alice.prove("INVITE", f"sip:bob@{alice.server}", f"From: {to};tag=1", call="alice-from-bob")
        alice.hear("403 Not Your Name")
        eve.prove("MESSAGE", f"sip:alice@{eve.server}", call="eve-writes", password="guess")
        eve.hear("407")
    finally:
        eve.close()
    until(lambda: server.log().count("is not bob") == 2, 2, "lines about wrong passwords")
    assert "Authorization" not in server.log() and "guess" not in server.log()


def test_the_next_hop_sees_no_credentials(phone: Callable[..., Phone]) -> None:
    alice, bob = phone("alice", 25061), phone("bob", 25062)
    alice.prove("INVITE", f"sip:bob@{alice.server}")
    invite = bob.hear("INVITE")
    assert "Authorization" not in invite
    bob.answer(invite, "486 Busy Here")
    alice.hear("486")
