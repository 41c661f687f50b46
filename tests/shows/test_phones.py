"""Real phones register with opensips.cfg.example, call each other and talk."""

import time
from collections.abc import Callable

import pytest

from tests.live import EXAMPLE, Server

from .baresip import Baresip

pytestmark = [pytest.mark.scenario, pytest.mark.needs("baresip")]
TALK = 2.0  # seconds: long enough to hear a tone


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve(EXAMPLE.read_text("utf-8"))


def talk(caller: Baresip, callee: Baresip, to: str) -> None:
    """A call from its ring to its end, with both sides heard."""
    caller.command("dial", to)
    callee.wait("CALL_ESTABLISHED")
    caller.wait("CALL_ESTABLISHED")
    time.sleep(TALK)
    caller.command("hangup")
    callee.wait("CALL_CLOSED")
    assert caller.heard(callee.tone) > 0.8
    assert callee.heard(caller.tone) > 0.8


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_phones_talk(server: Server, phone: Callable[..., Baresip], transport: str) -> None:
    alice = phone("alice", 0, tone=440)
    bob = phone("bob", 1, tone=880, answers=True, transport=transport)
    talk(alice, bob, "sip:bob@127.0.0.1")


def test_the_phone_on_tcp_calls(server: Server, phone: Callable[..., Baresip]) -> None:
    alice = phone("alice", 0, tone=440, answers=True)
    bob = phone("bob", 1, tone=880, transport="tcp")
    talk(bob, alice, "sip:alice@127.0.0.1;transport=tcp")


def test_phones_talk_over_ipv6(server: Server, phone: Callable[..., Baresip]) -> None:
    alice = phone("alice", 0, tone=440, server="[::1]:5060")
    bob = phone("bob", 1, tone=880, answers=True, server="[::1]:5060")
    talk(alice, bob, "sip:bob@[::1]")


def test_the_callee_rejects(server: Server, phone: Callable[..., Baresip]) -> None:
    alice, bob = phone("alice", 0), phone("bob", 1)
    alice.command("dial", "sip:bob@127.0.0.1")
    bob.wait("CALL_INCOMING")
    bob.command("hangup")
    assert "486" in alice.wait("CALL_CLOSED").param


def test_the_caller_cancels(server: Server, phone: Callable[..., Baresip]) -> None:
    alice, bob = phone("alice", 0), phone("bob", 1)
    alice.command("dial", "sip:bob@127.0.0.1")
    bob.wait("CALL_INCOMING")
    alice.wait("CALL_RINGING")
    alice.command("hangup")
    bob.wait("CALL_CLOSED")


def test_the_callee_does_not_answer(serve: Callable[..., Server], phone: Callable[..., Baresip]) -> None:
    serve(EXAMPLE.read_text("utf-8").replace('"fr_inv_timeout", 60', '"fr_inv_timeout", 3'))
    alice, bob = phone("alice", 0), phone("bob", 1)
    alice.command("dial", "sip:bob@127.0.0.1")
    bob.wait("CALL_INCOMING")
    assert "408" in alice.wait("CALL_CLOSED").param
    bob.wait("CALL_CLOSED")
