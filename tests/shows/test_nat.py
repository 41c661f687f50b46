"""Phones behind a real NAT: pings keep their way open, and who does not answer any more is forgotten."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.live import Phone, Server, header, until

from .nat_network import BOX, PHONES, SERVER, NatNetwork

pytestmark = [
    pytest.mark.show, pytest.mark.needs("nft"), pytest.mark.needs("ip"), pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]  # fmt: skip

SCRIPT = """
log_level=3
stderror_enabled=yes
syslog_enabled=no
udp_workers=2
socket=udp:203.0.113.2:PORT

loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "tm.so"
loadmodule "usrloc.so"
modparam("usrloc", "nat_bflag", "NAT")
loadmodule "registrar.so"
modparam("registrar", "received_avp", "$avp(received)")
loadmodule "nathelper.so"
modparam("nathelper", "received_avp", "$avp(received)")
modparam("nathelper", "ping_nated_only", 1)
modparam("nathelper", "sipping_bflag", "SIPPING")
modparam("nathelper", "remove_on_timeout_bflag", "REMOVE")
modparam("nathelper", "sipping_from", "sip:pinger@203.0.113.2")
PINGS
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")

route {
    if ($rm == "REGISTER") {
        if (nat_uac_test("private-contact,diff-ip-src-via,private-via")) {
            fix_nated_register();
            setbflag("NAT");
        }
        if ($fU =~ "^sip") {
            setbflag("SIPPING");
            setbflag("REMOVE");
        }
        save("location");
        exit;
    }
    if (!lookup("location")) {
        t_reply(404, "Not Found");
        exit;
    }
    t_relay();
}
"""


def script(port: int, pings: dict[str, int]) -> str:
    lines = "".join(f'modparam("nathelper", "{name}", {value})\n' for name, value in pings.items())
    return SCRIPT.replace("PORT", str(port)).replace("PINGS", lines)


class Behind(Phone):
    """A phone in the private network."""

    def __init__(self, network: NatNetwork, user: str, port: int, server: int = 5060) -> None:
        with network.at("inside"):
            super().__init__(user, port, PHONES, server)
            self.socket.connect((SERVER, server))
        self.server = f"{SERVER}:{server}"

    def register(self) -> None:
        self.request("REGISTER", f"sip:{SERVER}", to=f"<sip:{self.user}@{SERVER}>")
        answer = self.hear("200")
        assert f"sip:{BOX}:" in header(answer, "Contact"), "the server has to see the NAT's address"


@pytest.fixture
def networks() -> Iterator[Callable[..., NatNetwork]]:
    made: list[NatNetwork] = []

    def make(*patience: int) -> NatNetwork:
        made.append(NatNetwork((patience[0], patience[1])) if patience else NatNetwork())
        return made[-1]

    yield make
    for network in made:
        network.close()


def started(network: NatNetwork, serve: Callable[..., Server], port: int, **pings: int) -> Server:
    with network.at("outside"):
        return serve(script(port, pings))


def reaches(network: NatNetwork, phone: Behind, port: int) -> bool:
    """Whether a message from outside comes through to the phone."""
    with network.at("outside"):
        caller = Phone("caller", 25099, SERVER, port)
    try:
        user = f"sip:{phone.user}@{SERVER}"
        caller.request("MESSAGE", user, call=f"to-{phone.user}-{time.monotonic()}")
        heard = phone.hear("MESSAGE", 3.0)
        phone.answer(heard, "200 OK")
        caller.hear("200")
    except AssertionError:
        return False
    finally:
        caller.close()
    return True


def silence(seconds: float, network: NatNetwork, serve: Callable[..., Server], interval: int) -> None:
    """Two servers and a phone at each; only one of them pings."""
    pinging = started(network, serve, 5060, natping_interval=interval)
    resting = started(network, serve, 5070, natping_interval=0)
    kept, lost = Behind(network, "kept", 25061), Behind(network, "lost", 25062, 5070)
    for phone in (kept, lost):
        phone.register()
    assert reaches(network, kept, 5060) and reaches(network, lost, 5070)
    time.sleep(seconds)
    assert reaches(network, kept, 5060), "the binding was not kept open"
    assert not reaches(network, lost, 5070), "the NAT keeps bindings for longer than this test is silent"
    for server in (pinging, resting):
        assert [row["AOR"] for row in server.mi("ul_dump")["Domains"][0]["AORs"]], "the contact itself is still there"
    for phone in (kept, lost):
        phone.close()


def test_five_minutes_of_silence(networks: Callable[..., NatNetwork], serve: Callable[..., Server]) -> None:
    """With Linux' own times: 30 s for a binding used one way, 120 s for one used both ways."""
    silence(300, networks(), serve, 30)


def test_a_short_silence_at_an_impatient_nat(networks: Callable[..., NatNetwork], serve: Callable[..., Server]) -> None:
    silence(12, networks(4, 5), serve, 2)


def test_a_phone_that_stops_answering_is_removed(
    networks: Callable[..., NatNetwork], serve: Callable[..., Server]
) -> None:
    network = networks()
    server = started(network, serve, 5060, natping_interval=2, ping_threshold=1, max_pings_lost=3)
    phone = Behind(network, "sipphone", 25061)
    phone.register()
    for _ in range(4):
        ping = phone.hear("OPTIONS", 5)
        assert header(ping, "From").startswith("<sip:pinger@203.0.113.2>;tag=")
        phone.answer(ping, "200 OK")
    assert server.mi("ul_dump")["Domains"][0]["AORs"]
    heard = time.monotonic()
    until(lambda: not server.mi("ul_dump")["Domains"][0]["AORs"], 12, "the removal")
    assert 4.5 < time.monotonic() - heard < 9
    assert not reaches(network, phone, 5060)
    assert "ERROR" not in server.log()
    phone.close()
