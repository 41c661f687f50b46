"""SIGTERM in the middle of calls: who is owed an answer gets it, who comes anew does not (house rule 9.3)."""

import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.scenario

RELAY = """
socket=udp:127.0.0.1:{port}
log_level=3
shutdown_time=3
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "sipmsgops.so"
route {{
    if (is_method("INVITE")) {{
        $du = "sip:127.0.0.1:{callee}";
        t_relay();
    }}
    exit;
}}
"""


class Call:
    """A caller, a callee, and a proxy between them."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.caller, self.callee = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for one in (self.caller, self.callee):
            one.bind(("127.0.0.1", 0))
            one.settimeout(2)
        server.script.write_text(RELAY.format(port=server.port, callee=self.callee.getsockname()[1]))
        server.start()

    def invite(self, call: str) -> None:
        port = self.caller.getsockname()[1]
        self.caller.sendto(
            f"INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}\r\n"
            f"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@b>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
            "Content-Length: 0\r\n\r\n".encode(),
            ("127.0.0.1", self.server.port),
        )

    def rings(self) -> bytes:
        """The INVITE that reached the callee."""
        return self.callee.recv(4096)

    def all_rings(self) -> bytes:
        """Whatever reaches the callee until it is quiet for a while; the proxy repeats itself, too."""
        got = b""
        while len(got) < 100_000:
            try:
                got += self.callee.recv(4096)
            except TimeoutError:
                break
        return got

    def answer(self, invite: bytes, status: str) -> None:
        kept = [line for line in invite.split(b"\r\n") if re.match(rb"(Via|From|To|Call-ID|CSeq):", line)]
        text = f"SIP/2.0 {status}\r\n".encode() + b"\r\n".join(kept) + b"\r\nContent-Length: 0\r\n\r\n"
        self.callee.sendto(text.replace(b"To: <sip:bob@b>", b"To: <sip:bob@b>;tag=2"), ("127.0.0.1", self.server.port))

    def heard(self) -> str:
        return self.caller.recv(4096).decode().partition("\r\n")[0]


@pytest.fixture
def call(server: Callable[..., Any]) -> Iterator[Call]:
    one = server()
    one.stop()
    made = Call(one)
    yield made
    for end in (made.caller, made.callee):
        end.close()


def test_a_call_in_set_up_gets_its_answer_and_then_the_server_ends(call: Call) -> None:
    call.invite("first")
    assert call.heard() == "SIP/2.0 100 Giving it a try"
    invite = call.rings()
    call.server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)  # what comes now comes to a server that stops
    call.invite("second")
    call.callee.settimeout(0.6)
    assert b"Call-ID: second" not in call.all_rings()
    assert call.server.process.poll() is None
    call.answer(invite, "486 Busy Here")
    assert call.heard() == "SIP/2.0 486 Busy Here"
    began = time.monotonic()
    assert call.server.process.wait(5) == 0
    assert time.monotonic() - began < 1.5


def test_an_answer_that_does_not_come_is_not_waited_for_longer_than_said(call: Call) -> None:
    call.invite("first")
    assert call.heard() == "SIP/2.0 100 Giving it a try"
    began = time.monotonic()
    assert call.server.stop() == 0
    assert 2.5 < time.monotonic() - began < 5


def test_a_second_signal_ends_it_at_once(call: Call) -> None:
    call.invite("first")
    assert call.heard() == "SIP/2.0 100 Giving it a try"
    began = time.monotonic()
    call.server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)  # two signals at once would be one
    assert call.server.stop() == 0
    assert time.monotonic() - began < 1.5
