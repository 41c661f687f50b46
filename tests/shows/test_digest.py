"""Phones of other people's making prove their passwords: they register, again, several at once, and take it back.

linphonec knows MD5 and SHA-256; baresip 1.0 and sipsak 0.9.8 know MD5, and give up where another algorithm stands
first, as RFC 8760 wants it of a server that prefers it. Only sipsak sends `Contact: *`.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import PASSWORD, Phone, Server, make_accounts, until

from .baresip import Baresip
from .linphone import Linphone
from .nat_network import BOX, OTHER, PHONES, SERVER, NatNetwork

SCRIPT = """
socket=udp:HOST:5060
log_level=2
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "tm.so"
loadmodule "sipmsgops.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
loadmodule "usrloc.so"
modparam("usrloc", "timer_interval", 1)
loadmodule "registrar.so"
modparam("registrar", "min_expires", 5)
modparam("registrar", "received_avp", "$avp(received)")
loadmodule "nathelper.so"
modparam("nathelper", "received_avp", "$avp(received)")
loadmodule "db_sqlite.so"
loadmodule "auth.so"
loadmodule "auth_db.so"
modparam("auth_db", "db_url", "URL")
route {
    if (!is_method("REGISTER")) {
        if (!lookup("location"))
            send_reply(404, "Not Found");
        else
            t_relay();
        exit;
    }
    if (!www_authorize("", "subscriber")) {
        xlog("code $rc\\n");
        www_challenge("", QOP, ALGORITHMS);
        exit;
    }
    xlog("let in: $au by $auth.alg, qop $auth.qop\\n");
    if (nat_uac_test("private-contact,diff-ip-src-via"))
        fix_nated_register();
    save("location");
    exit;
}
"""
AGAIN = 6  # seconds: a phone registers again before they are over
PATIENCE = 15.0  # seconds

Registrar = Callable[..., Server]


@pytest.fixture
def registrar(serve: Callable[..., Server], tmp_path: Path) -> Registrar:
    """`registrar(qop, algorithms, host)`: a server with alice's account, two workers."""

    def start(qop: str = "auth", algorithms: str = "", host: str = "127.0.0.1") -> Server:
        url = f"sqlite://{make_accounts(tmp_path, domain=host)}"
        text = SCRIPT.replace("URL", url).replace("HOST", host)
        return serve(text.replace("QOP", f'"{qop}"').replace("ALGORITHMS", f'"{algorithms}"'), "-o", "pysips_workers=2")

    return start


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    """Phones that end with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


def sipsak(contact: str, expires: int = 60, password: str = PASSWORD, server: str = "127.0.0.1") -> bool:
    """Whether sipsak could REGISTER alice with this Contact; "*" is that, "none" is no Contact at all."""
    to = ["-s", f"sip:alice@{server}:5060", "-C", contact, "-x", str(expires)]
    command = ["sipsak", "-U", *to, "-u", "alice", "-a", password]
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0


def contacts(server: Server) -> list[dict[str, Any]]:
    """alice's bindings that hold."""
    found = [one for aor in server.mi("ul_dump")["Domains"][0]["AORs"] for one in aor["Contacts"]]
    return [one for one in found if isinstance(one["Expires"], int)]


def uris(server: Server) -> list[str]:
    return sorted(one["Contact"] for one in contacts(server))


def registers_again(server: Server) -> None:
    """The one binding there is gets younger by a REGISTER of its phone, and stays one."""
    (first,) = contacts(server)

    def renewed() -> bool:
        """It ends with a whole second, which a late REGISTER may miss."""
        return any(one["Cseq"] > first["Cseq"] for one in contacts(server))

    until(renewed, PATIENCE, "another REGISTER")
    (again,) = contacts(server)
    assert (again["Contact"], again["Callid"]) == (first["Contact"], first["Callid"])


@pytest.mark.scenario
@pytest.mark.needs("sipsak")
@pytest.mark.parametrize("qop", ["", "auth"])
def test_sipsak_registers_again_and_takes_it_back(registrar: Registrar, qop: str) -> None:
    server = registrar(qop)
    first, second = "sip:alice@127.0.0.1:5091", "sip:alice@127.0.0.1:5092"
    assert sipsak(first) and sipsak(second)
    assert uris(server) == [first, second]
    assert not sipsak("sip:alice@127.0.0.1:5093", password="guess")
    assert sipsak(first, expires=500)
    assert uris(server) == [first, second]
    assert sorted(one["Expires"] > 60 for one in contacts(server)) == [False, True]
    assert sipsak(second, expires=0)
    assert uris(server) == [first]
    assert sipsak(second) and sipsak("none"), "who names no Contact asks for those that are there"
    assert uris(server) == [first, second]
    assert not sipsak("*", expires=60), "RFC 3261 section 10.3: only with Expires: 0"
    assert not sipsak("*", expires=0, password="guess")
    assert uris(server) == [first, second]
    assert sipsak("*", expires=0)
    assert uris(server) == []
    assert "code -2" in server.log()
    assert f"by MD5, qop {qop or '<null>'}" in server.log()


@pytest.mark.show
@pytest.mark.needs("baresip")
def test_baresip_registers_again_and_takes_it_back(
    registrar: Registrar, tmp_path: Path, closing: contextlib.ExitStack
) -> None:
    server = registrar()
    phone = Baresip(tmp_path, "alice", 0, every=AGAIN)
    closing.callback(phone.close)
    phone.registered()
    registers_again(server)
    phone.command("uadel", "sip:alice@127.0.0.1:5060")
    until(lambda: not contacts(server), PATIENCE, "the end of its registration")
    phone.command("uanew", phone.account)
    until(lambda: contacts(server), PATIENCE, "its next one")
    assert "by <null>, qop auth" in server.log()


@pytest.mark.show
@pytest.mark.needs("linphonec")
@pytest.mark.parametrize("algorithms", ["", "MD5", "SHA-256", "SHA-256,MD5"])
def test_linphone_registers_and_takes_it_back(
    registrar: Registrar, tmp_path: Path, closing: contextlib.ExitStack, algorithms: str
) -> None:
    server = registrar(algorithms=algorithms)
    phone = Linphone(tmp_path, "alice", 5095)
    closing.callback(phone.close)
    phone.registered()
    assert len(contacts(server)) == 1
    phone.unregister()
    assert contacts(server) == []
    assert f"by {algorithms.split(',')[0] or '<null>'}, qop auth" in server.log()


@pytest.fixture
def network() -> Iterator[NatNetwork]:
    made = NatNetwork()
    yield made
    made.close()


@pytest.fixture
def stranger(network: NatNetwork) -> Iterator[Phone]:
    """Somebody outside."""
    with network.at("outside"):
        phone = Phone("stranger", 25099, SERVER)
    yield phone
    phone.close()


def baresip_behind(tmp_path: Path) -> Baresip:
    return Baresip(tmp_path, "alice", 0, server=f"{SERVER}:5060", host=PHONES, every=AGAIN)


def linphone_behind(tmp_path: Path) -> Linphone:
    return Linphone(tmp_path, "alice", 5095, server=f"{SERVER}:5060", every=AGAIN)


def behind_nat(test: Callable[..., None]) -> Callable[..., None]:
    """A test with a NatNetwork."""
    marks = pytest.mark
    for mark in (
        marks.show, marks.needs("nft"), marks.needs("ip"), marks.timeout(120),
        marks.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    ):  # fmt: skip
        test = mark(test)
    return test


def answers(stranger: Phone) -> bool:
    """Whether alice's phone answers a request from outside."""
    stranger.request("OPTIONS", f"sip:alice@{SERVER}")
    return bool(stranger.hear("200"))


def received(server: Server) -> list[str]:
    """The addresses from which the bindings came, without their ports."""
    return [one["Received"].rpartition(":")[0] for one in contacts(server)]


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(baresip_behind, marks=pytest.mark.needs("baresip"), id="baresip"),
        pytest.param(linphone_behind, marks=pytest.mark.needs("linphonec"), id="linphone"),
    ],
)
@behind_nat
def test_a_phone_whose_nat_gets_another_address(
    registrar: Registrar, network: NatNetwork, stranger: Phone, tmp_path: Path, closing: contextlib.ExitStack,
    start: Callable[[Path], Baresip | Linphone],
) -> None:  # fmt: skip
    """Its next REGISTER comes from elsewhere, and its binding follows; then it is there that calls go to.

    baresip's Contact is its private address, and the binding remains the same one. linphone learns its public address
    from the answer and puts that into its Contact: a new binding, beside which the old one ends by itself.
    """
    with network.at("outside"):
        server = registrar(host=SERVER)
    with network.at("inside"):
        phone = start(tmp_path)
    closing.callback(phone.close)
    phone.registered()
    (before,) = contacts(server)
    assert received(server) == [f"sip:{BOX}"]
    assert answers(stranger)
    network.move()
    until(lambda: f"sip:{OTHER}" in received(server), PATIENCE, "a REGISTER from elsewhere")
    until(lambda: len(contacts(server)) == 1, PATIENCE, "the end of the old binding")
    (after,) = contacts(server)
    assert received(server) == [f"sip:{OTHER}"] and after["Callid"] == before["Callid"]
    assert (after["Contact"] == before["Contact"]) == isinstance(phone, Baresip)
    assert answers(stranger)


@behind_nat
@pytest.mark.needs("sipsak")
def test_sipsak_whose_nat_gets_another_address(registrar: Registrar, network: NatNetwork) -> None:
    """One binding all the time, whose `received` changes; `*` from anywhere ends it."""
    with network.at("outside"):
        server = registrar(host=SERVER)
    contact = f"sip:alice@{PHONES}:5091"
    with network.at("inside"):
        assert sipsak(contact, server=SERVER)
        assert (uris(server), received(server)) == ([contact], [f"sip:{BOX}"])
        network.move()
        assert sipsak(contact, server=SERVER)
        assert (uris(server), received(server)) == ([contact], [f"sip:{OTHER}"])
        assert sipsak("*", expires=0, server=SERVER)
    assert contacts(server) == []


@behind_nat
@pytest.mark.needs("baresip")
@pytest.mark.needs("linphonec")
@pytest.mark.needs("sipsak")
def test_several_phones_of_one_user(
    registrar: Registrar, network: NatNetwork, tmp_path: Path, closing: contextlib.ExitStack
) -> None:
    """Each takes back its own binding, and `*` those of all; who lives on comes back by itself."""
    with network.at("outside"):
        server = registrar(host=SERVER)
    third = f"sip:alice@{PHONES}:5091"
    with network.at("inside"):
        baresip = baresip_behind(tmp_path)
        closing.callback(baresip.close)
        linphone = linphone_behind(tmp_path)
        closing.callback(linphone.close)
        baresip.registered()
        linphone.registered()
        assert sipsak(third, server=SERVER)
        assert len({one["Callid"] for one in contacts(server)}) == 3 == len(contacts(server))
        baresip.command("uadel", f"sip:alice@{SERVER}:5060")
        until(lambda: len(contacts(server)) == 2, PATIENCE, "the end of baresip's binding")
        assert third in uris(server) and any(":5095" in uri for uri in uris(server))
        linphone.registered(2)
        assert sipsak("*", expires=0, server=SERVER)
    assert contacts(server) == []
    linphone.registered(3)
    (back,) = uris(server)
    assert ":5095" in back
    linphone.unregister()
    assert contacts(server) == []
