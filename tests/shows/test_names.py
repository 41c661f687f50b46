"""RFC 3263 with a real server and a real name server: NAPTR, SRV and addresses, failover over UDP and TCP, dead DNS."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import Server
from tests.net.name_server import NameServer, Zone
from tests.own_names import name_server, with_resolv_conf

SCRIPT = """
log_level=3
socket=udp:127.0.0.1:PORT
socket=tcp:127.0.0.1:PORT
tcp_connect_timeout=500
MORE
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "mi_fifo.so"
loadmodule "sl.so"
loadmodule "tm.so"
modparam("mi_fifo", "fifo_name", "{folder}/opensips_fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")
modparam("tm", "fr_timeout", 2)
route { MAIN }
"""
MESSAGE = (
    "MESSAGE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKn{number}\r\nMax-Forwards: 9\r\n"
    "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: n{number}\r\nCSeq: 1 MESSAGE\r\n"
    "Content-Length: 0\r\n\r\n"
)
COPIED = ("via:", "from:", "to:", "call-id:", "cseq:")


class Ear:
    """A UDP or TCP socket of its own that answers requests with one status. heard: how many requests came."""

    def __init__(self, kind: socket.SocketKind, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind((host, 0))
        self.port = int(self.socket.getsockname()[1])
        self.socket.settimeout(5)
        if kind == socket.SOCK_STREAM:
            self.socket.listen(5)

    def close(self) -> None:
        self.socket.close()

    def answer_once(self, status: str) -> str:
        """Answer the next request; its text."""
        if self.socket.type == socket.SOCK_STREAM:
            connection, _ = self.socket.accept()
            connection.settimeout(5)
            text = connection.recv(65535).decode()
            connection.sendall(reply_to(text, status))
            connection.close()
            return text
        data, peer = self.socket.recvfrom(65535)
        self.socket.sendto(reply_to(data.decode(), status), peer)
        return data.decode()

    def count(self) -> int:
        """How many datagrams are here by now."""
        self.socket.setblocking(False)
        heard = 0
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(65535):
                heard += 1
        return heard


def reply_to(text: str, status: str) -> bytes:
    lines = [line for line in text.split("\r\n")[1:] if line.lower().startswith(COPIED)]
    return "\r\n".join([f"SIP/2.0 {status}", *lines, "Content-Length: 0", "", ""]).encode()


class World:
    """A server of ours, a name server, and somebody who asks the server to send to names."""

    def __init__(self, server: Server, names: NameServer) -> None:
        self.server = server
        self.names = names
        self.asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asker.bind(("127.0.0.1", 0))
        self.number = 0

    def say(self, uri: str) -> None:
        self.number += 1
        text = MESSAGE.format(uri=uri, port=self.asker.getsockname()[1], number=self.number)
        self.asker.sendto(text.encode(), ("127.0.0.1", self.server.port))

    def hear(self, seconds: float = 5.0) -> int:
        """The next status."""
        self.asker.settimeout(seconds)
        return int(self.asker.recv(65535).split()[1])


Begin = Callable[..., World]
Ears = Callable[[socket.SocketKind], Ear]


@pytest.fixture
def ears() -> Iterator[Ears]:
    """`ears(kind)` opens an `Ear`; all are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda kind: stack.enter_context(contextlib.closing(Ear(kind)))


@pytest.fixture
def begin(serve: Callable[..., Server], tmp_path: Path) -> Iterator[Begin]:
    """`begin(zone, main, more, workers)` starts a server and its name server."""
    with contextlib.ExitStack() as stack:

        def start(zone: Zone, main: str = "t_relay();", more: str = "", workers: int = 1) -> World:
            number = os.getpid()
            host = f"127.{number >> 16 & 127 | 64}.{number >> 8 & 255}.{number & 255}"
            conf = tmp_path / "resolv.conf"
            conf.write_text(f"nameserver {host}\noptions timeout:1 attempts:1\n")
            with socket.socket(socket.AF_INET) as trial:
                trial.bind(("127.0.0.1", 0))
                port = trial.getsockname()[1]
            script = SCRIPT.replace("PORT", str(port)).replace("MAIN", main).replace("MORE", more)
            options = ("-o", f"pysips_workers={workers}")
            try:
                names = stack.enter_context(name_server(host, zone))
                server = with_resolv_conf(conf, lambda: serve(script, *options, port=port))
            except PermissionError as problem:
                pytest.skip(str(problem))
            world = World(server, names)
            stack.callback(world.asker.close)
            return world

        yield start


def closed_port() -> int:
    with socket.socket(socket.AF_INET) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def test_naptr_leads_to_tcp_and_over_its_dead_servers_to_udp(begin: Begin, ears: Ears) -> None:
    over_tcp, over_udp = ears(socket.SOCK_STREAM), ears(socket.SOCK_DGRAM)
    zone: Zone = {
        ("example.org.", "NAPTR"): (60, [
            '10 10 "s" "SIP+D2T" "" _sip._tcp.example.org.', '20 10 "s" "SIP+D2U" "" _sip._udp.example.org.'
        ]),
        ("_sip._tcp.example.org.", "SRV"): (60, [
            f"1 0 {closed_port()} a.example.org.", f"2 0 {over_tcp.port} a.example.org."
        ]),
        ("_sip._udp.example.org.", "SRV"): (60, [f"1 0 {over_udp.port} a.example.org."]),
        ("a.example.org.", "A"): (60, ["127.0.0.1"]),
    }  # fmt: skip
    world = begin(zone)
    world.say("sip:b@example.org")
    assert "SIP/2.0/TCP" in over_tcp.answer_once("200 OK")
    assert world.hear() == 200
    over_tcp.socket.close()
    world.say("sip:b@example.org")
    assert "SIP/2.0/UDP 127.0.0.1" in over_udp.answer_once("200 OK")
    assert world.hear() == 200


@pytest.mark.parametrize("ending", ["closed", "503", "silence"])
def test_over_udp_the_next_server_gets_what_the_first_one_does_not_take(begin: Begin, ears: Ears, ending: str) -> None:
    first, second = ears(socket.SOCK_DGRAM), ears(socket.SOCK_DGRAM)
    if ending == "closed":
        first.socket.close()
    servers = [f"1 0 {first.port} a.example.org.", f"2 0 {second.port} a.example.org."]
    world = begin({
        ("_sip._udp.example.org.", "SRV"): (60, servers), ("a.example.org.", "A"): (60, ["127.0.0.1"])
    })  # fmt: skip
    world.say("sip:b@example.org")
    if ending == "503":
        first.answer_once("503 Service Unavailable")
    second.answer_once("200 OK")
    assert world.hear() == 200


def test_weights_share_requests_out(begin: Begin, ears: Ears) -> None:
    often, seldom = ears(socket.SOCK_DGRAM), ears(socket.SOCK_DGRAM)
    servers = [f"1 75 {often.port} a.example.org.", f"1 25 {seldom.port} a.example.org."]
    zone: Zone = {("_sip._udp.example.org.", "SRV"): (60, servers), ("a.example.org.", "A"): (60, ["127.0.0.1"])}
    world = begin(zone, 'forward(); sl_send_reply(200, "OK");')
    for _ in range(160):
        world.say("sip:b@example.org")
        assert world.hear() == 200
    one, other = often.count(), seldom.count()
    assert one + other == 160
    assert 90 < one < 150


def test_a_dead_name_server_holds_nobody_up_but_who_needs_it(begin: Begin, ears: Ears) -> None:
    world = begin({}, more="dns_retr_time=1\ndns_retr_no=1")
    world.names.silent = {"*"}
    ear = ears(socket.SOCK_DGRAM)
    began = time.monotonic()
    for _ in range(20):
        world.say("sip:b@dead.example.org")
    world.say(f"sip:b@127.0.0.1:{ear.port}")
    ear.answer_once("200 OK")
    assert world.hear() == 200
    assert time.monotonic() - began < 1
    assert [world.hear(8) for _ in range(20)] == [476] * 20
    assert time.monotonic() - began < 8
    world.say("sip:b@dead.example.org")
    assert world.hear(0.5) == 476  # that is known by now


def test_all_workers_pass_over_a_dead_server_and_management_shows_it(begin: Begin, ears: Ears) -> None:
    dead, alive = closed_port(), ears(socket.SOCK_DGRAM)
    servers = [f"1 0 {dead} a.example.org.", f"2 0 {alive.port} a.example.org."]
    zone: Zone = {("_sip._udp.example.org.", "SRV"): (60, servers), ("a.example.org.", "A"): (60, ["127.0.0.1"])}
    world = begin(zone, more="disable_dns_blacklist=no", workers=2)
    for _ in range(12):
        world.say("sip:b@example.org")
        alive.answer_once("200 OK")
        assert world.hear() == 200
    (rule,) = world.server.mi("blacklists:list", ["dns"])["Rules"]
    assert (rule["IP"], rule["Port"], rule["Proto"], 200 < rule["Expire"] <= 240) == ("127.0.0.1", dead, "udp", True)
    assert world.server.mi("get_statistics", [["net:"]])["net:udp_unreachable"] == 1
    assert world.server.mi("get_statistics", [["waiting_udp"]]) == {"net:waiting_udp": 0}
    assert world.server.mi("get_statistics", [["dns:"]])["dns:dns_total_queries"] >= 3
    assert world.server.mi("check_blacklists", ["udp", "127.0.0.1", dead]) == ["dns"]
    assert world.server.mi("del_blacklist_rule", ["dns", f"udp,127.0.0.1,{dead}"]) == "OK"
    assert world.server.mi("list_blacklists", ["dns"])["Rules"] == []


def test_with_mhomed_the_route_decides_which_socket_sends(begin: Begin, ears: Ears) -> None:
    other = closed_port()
    ear = ears(socket.SOCK_DGRAM)
    world = begin({}, more=f"mhomed=yes\nsocket=udp:127.0.0.5:{other}")
    text = MESSAGE.format(uri=f"sip:b@127.0.0.1:{ear.port}", port=world.asker.getsockname()[1], number=1)
    world.asker.sendto(text.encode(), ("127.0.0.5", other))
    data, peer = ear.socket.recvfrom(65535)
    assert peer == ("127.0.0.1", world.server.port)
    assert f"Via: SIP/2.0/UDP 127.0.0.1:{world.server.port}" in data.decode()
