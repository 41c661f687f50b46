"""Pings of a real server with two workers: who hears them, from where, and what a silent phone comes to."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pysips.cli.mi import ask
from tests.live import header

from .conftest import Running

pytestmark = pytest.mark.scenario

MODULES = """
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
modparam("nathelper", "natping_interval", 1)
modparam("nathelper", "natping_tcp", 1)
modparam("nathelper", "sipping_from", "sip:pinger@example.com")
modparam("nathelper", "sipping_bflag", "SIPP")
modparam("nathelper", "remove_on_timeout_bflag", "GONE")
modparam("nathelper", "sipping_latency_flag", "GONE")
modparam("nathelper", "ping_threshold", 1)
modparam("nathelper", "max_pings_lost", 2)
"""
MAIN = """
if ($rm == "REGISTER") {
    if ($fU =~ "^sip") { setbflag("SIPP"); setbflag("GONE"); }
    save("location");
    exit;
}
"""
EMPTY = b"\0\0\0\0"


class Phone:
    """Registers, listens, and answers if it is told to."""

    def __init__(self, user: str, port: int, tcp: bool = False) -> None:
        self.user, self.tcp = user, tcp
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        me = f"127.0.0.1:{self.port}"
        contact = f"<sip:{user}@{me}{';transport=tcp' if tcp else ''}>"
        said = (
            f"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/{'TCP' if tcp else 'UDP'} {me};branch=z9hG4bK{user}\r\n"
            f"From: <sip:{user}@example.com>;tag=1\r\nTo: <sip:{user}@example.com>\r\nCall-ID: {user}\r\n"
            f"CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: {contact};expires=600\r\nContent-Length: 0\r\n\r\n"
        )
        self.socket.sendall(said.encode())
        end = time.monotonic() + 5
        while b"200 OK" not in self.hear() and time.monotonic() < end:
            pass

    def hear(self) -> bytes:
        try:
            return self.socket.recv(65_536)
        except TimeoutError:
            return b""

    def answer(self, ping: bytes) -> None:
        lines = ping.decode().split("\r\n")
        kept = [line for line in lines if re.match(r"(?i)(via|from|to|call-id|cseq):", line)]
        self.socket.sendall("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode())


@pytest.fixture
def pinging(server: Callable[..., Running], tmp_path: Path) -> Running:
    return server(MODULES.format(folder=tmp_path), main=MAIN)


@pytest.fixture
def phones() -> Iterator[list[Phone]]:
    made: list[Phone] = []
    yield made
    for one in made:
        one.socket.close()


def listen(phones: list[Phone], seconds: float, answers: bool = True) -> list[list[bytes]]:
    """What each hears in so many seconds; SIP pings are answered."""
    heard: list[list[bytes]] = [[] for _ in phones]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for place, phone in enumerate(phones):
            ping = phone.hear()
            if ping:
                heard[place].append(ping)
                if answers and ping != EMPTY:
                    phone.answer(ping)
    return heard


def contacts(tmp_path: Path) -> set[str]:
    dumped = ask(tmp_path / "fifo", tmp_path, "ul_dump", None, 5.0)
    return {aor["AOR"].partition("@")[0] for aor in dumped["Domains"][0]["AORs"]}


def test_each_phone_hears_from_exactly_one_worker(pinging: Running, phones: list[Phone], tmp_path: Path) -> None:
    phones += [Phone(f"plain{number}", pinging.port) for number in range(4)]
    phones += [Phone(f"sip{number}", pinging.port) for number in range(3)]
    phones += [Phone(f"plaintcp{number}", pinging.port, tcp=True) for number in range(3)]
    heard = listen(phones, 8.0)
    for phone, pings in zip(phones, heard, strict=True):
        joined = b"".join(pings)
        count = joined.count(EMPTY) if phone.user.startswith("plain") else joined.count(b"OPTIONS sip:")
        assert 6 <= count <= 9, (phone.user, pings)
    assert len(contacts(tmp_path)) == 10
    ping = heard[4][0].decode()
    assert header(ping, "Via").startswith(f"SIP/2.0/UDP 127.0.0.1:{pinging.port};branch=z9hG4bK")
    assert "error" not in pinging.said().lower()


ELSEWHERE = """
socket=udp:203.0.113.99:{port}
modparam("nathelper", "force_socket", "udp:203.0.113.99:{port}")
"""
SIPP_AND_GONE = "3"


def test_a_backup_without_the_virtual_ip_says_so_once_and_removes_nobody(
    server: Callable[..., Running], tmp_path: Path
) -> None:
    running = server(MODULES.format(folder=tmp_path) + ELSEWHERE.format(port=5060), main=MAIN)
    contact = ["location", "x@example.com", "sip:x@198.51.100.7", "600", "1.0", "0", SIPP_AND_GONE, "0"]
    for number in range(3):
        contact[1] = f"x{number}@example.com"
        ask(tmp_path / "fifo", tmp_path, "ul_add", contact, 5.0)
    running.until(lambda: "cannot send from udp:203.0.113.99:5060" in running.said(), 5)
    time.sleep(6)  # six intervals
    assert len(contacts(tmp_path)) == 3
    assert 1 <= running.said().count("cannot send from") <= 2, "once a minute, by each of the two workers"
    assert "ERROR" not in running.said()


CLUSTER = """
socket=bin:127.0.0.1:{bin}
loadmodule "proto_bin.so"
loadmodule "clusterer.so"
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", 1)
modparam("clusterer", "my_node_info", "cluster_id=1,url=bin:127.0.0.1:{bin},sip_addr=127.0.0.1")
modparam("nathelper", "cluster_id", 1)
modparam("nathelper", "cluster_sharing_tag", "vip")
"""


def test_a_node_pings_while_its_sharing_tag_is_active(
    server: Callable[..., Running], phones: list[Phone], tmp_path: Path
) -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    running = server(MODULES.format(folder=tmp_path) + CLUSTER.format(bin=port), main=MAIN)
    phones += [Phone("plain1", running.port), Phone("sip1", running.port)]
    listen(phones, 1.5, answers=False)
    assert listen(phones, 2.5) == [[], []]
    ask(tmp_path / "fifo", tmp_path, "clusterer_shtag_set_active", ["vip/1"], 5.0)
    assert all(listen(phones, 3.5))
    assert contacts(tmp_path) == {"plain1", "sip1"}
    assert "this node pings" in running.said()


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
def test_pings_that_say_they_come_from_elsewhere(
    server: Callable[..., Running], phones: list[Phone], tmp_path: Path
) -> None:
    more = MODULES.format(folder=tmp_path) + 'modparam("nathelper", "natping_socket", "127.0.0.9:9999")\n'
    running = server(more, main=MAIN)
    phones.append(Phone("plain1", running.port))
    phones[0].socket.close()
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(("127.0.0.1", phones[0].port))
    heard.settimeout(5)
    try:
        assert heard.recvfrom(100) == (EMPTY, ("127.0.0.9", 9999))
    finally:
        heard.close()


def test_a_silent_phone_goes_and_one_that_answers_stays(pinging: Running, phones: list[Phone], tmp_path: Path) -> None:
    talks, silent = Phone("sip1", pinging.port), Phone("sip2", pinging.port)
    phones += [talks, silent]
    end = time.monotonic() + 15
    while "sip2" in contacts(tmp_path) and time.monotonic() < end:
        listen([talks], 0.3)
    assert contacts(tmp_path) == {"sip1"}
    shown = ask(tmp_path / "fifo", tmp_path, "ul_show_contact", ["location", "sip1@example.com"], 5.0)
    assert 0 < shown["Contacts"][0]["Ping-Latency"] < 1_000_000
    ask(tmp_path / "fifo", tmp_path, "nh_enable_ping", ["0"], 5.0)
    listen([talks], 1.3)
    assert listen([talks], 2.5) == [[]]
    assert contacts(tmp_path) == {"sip1"}
