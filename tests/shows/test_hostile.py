"""What strangers send to a SIP port: every message gets its answer, and no worker minds (docs: what is refused).

The files of tests/wire over UDP and TCP, then lengths, sizes, numbers and header tricks made here, then streams
and management. Afterwards the same processes serve the same phones.
"""

import json
import os
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.live import ROOT, Phone, Server

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(120), pytest.mark.xdist_group("hostile")]  # one server for all
WIRE = ROOT / "tests" / "wire"
PORT = 5060

# What the scripts and modules make of messages that can be read (RFC 4475 section 3.3); "" is silence.
LENGTH = re.compile(rb"(?im)^(content-length|l)[ \t]*:")
MEANT = {
    "bext01": "420", "unkscm": "416", "novelsc": "416", "unksm2": "400", "zeromf": "483", "badbranch": "400",
    "insuf": "400", "mcl01": "400", "multi01": "400", "escnull": "200", "regescrt": "200", "cparam01": "200",
    "cparam02": "200",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    made = Server((ROOT / "tests" / "shows" / "hostile.cfg").read_text("utf-8"), folder)
    before = made.processes()
    yield made
    after = made.processes()
    log = made.log()
    assert made.stop() == 0
    assert after == before, "a process was lost"
    assert "Traceback" not in log, log[-6000:]


class Sender:
    """Sends bytes and says what status came back to them; "" for silence."""

    def __init__(self, tcp: bool) -> None:
        self.tcp = tcp
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.udp.close()

    def sent(self, data: bytes, seconds: float = 0.4) -> str:
        answer = self.over_tcp(data, seconds) if self.tcp else self.over_udp(data, seconds)
        return answer[8:11].decode() if answer.startswith(b"SIP/2.0 ") else ""

    def over_udp(self, data: bytes, seconds: float) -> bytes:
        self.udp.settimeout(0)
        try:
            while self.udp.recv(65535):
                pass
        except BlockingIOError:
            pass
        self.udp.sendto(data, ("127.0.0.1", PORT))
        self.udp.settimeout(seconds)
        try:
            return final(self.udp.recv(65535), self.udp)
        except TimeoutError:
            return b""

    def over_tcp(self, data: bytes, seconds: float) -> bytes:
        with socket.create_connection(("127.0.0.1", PORT)) as connection:
            connection.sendall(data)
            connection.settimeout(seconds)
            try:
                return final(connection.recv(65535), connection)
            except (TimeoutError, ConnectionError):
                return b""


def final(first: bytes, where: socket.socket) -> bytes:
    """The final answer, where a 100 came before it."""
    while first.startswith(b"SIP/2.0 100"):
        rest = first.partition(b"\r\n\r\n")[2]
        first = rest or where.recv(65535)
    return first


@pytest.fixture
def over_udp(server: Server) -> Iterator[Sender]:
    with Sender(tcp=False) as made:
        yield made


@pytest.fixture
def over_tcp(server: Server) -> Iterator[Sender]:
    with Sender(tcp=True) as made:
        yield made


@pytest.fixture(params=["udp", "tcp"])
def sender(request: pytest.FixtureRequest, server: Server) -> Iterator[Sender]:
    with Sender(request.param == "tcp") as made:
        yield made


def to_here(data: bytes, sender: Sender) -> bytes:
    """The message with a top Via that lets a reply come back here: `rport` is asked for."""
    head, end, rest = data.lstrip(b"\r\n").partition(b"\r\n")
    transport = b"TCP" if sender.tcp else b"UDP"
    via = b"Via: SIP/2.0/%b 127.0.0.1:%d;branch=z9hG4bKhere%d;rport\r\n" % (transport, sender.port, time.monotonic_ns())
    return head + end + via + rest


@pytest.mark.parametrize("name", sorted(path.stem for path in (WIRE / "invalid").glob("*.sip")))
def test_what_rfc_3261_forbids_is_refused_with_its_status(sender: Sender, name: str) -> None:
    data = (WIRE / "invalid" / f"{name}.sip").read_bytes()
    expected = json.loads((WIRE / "invalid" / f"{name}.json").read_text("utf-8"))["status"]
    status = sender.sent(data)
    assert status in ({str(expected), ""} if expected else {""}), f"{name}: {status}"
    if expected and b"\r\nVia" in data and not sender.tcp:
        again = sender.sent(to_here(data, sender))
        assert again in (str(expected), "400"), f"{name} with a Via of ours: {again}"


@pytest.mark.parametrize("name", sorted(path.stem for path in (WIRE / "valid").glob("*.sip")))
def test_what_is_legal_gets_what_it_means(sender: Sender, name: str) -> None:
    data = (WIRE / "valid" / f"{name}.sip").read_bytes()
    if data.startswith(b"SIP/2.0"):
        assert sender.sent(data, 0.1) == ""
        return
    status = sender.sent(to_here(data, sender), 3.0)
    if sender.tcp and not LENGTH.search(data):
        assert status == "400", "a stream needs lengths"
    elif name in MEANT:
        assert status == MEANT[name]
    else:
        assert status not in ("500", "400"), f"{name}: {status}"


def request(
    sender: Sender, *changed: bytes, method: bytes = b"OPTIONS", body: bytes = b"", length: bool = True
) -> bytes:
    """A good request, with header lines that take the place of those of the same name."""
    lines = [
        b"From: <sip:a@example.com>;tag=1", b"To: <sip:b@example.com>", b"Max-Forwards: 70",
        b"Call-ID: %d" % time.monotonic_ns(), b"CSeq: 1 " + method,
    ]  # fmt: skip
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    for line in changed:
        name = line.partition(b":")[0].strip().lower()
        lines = [one for one in lines if one.partition(b":")[0].lower() != name]
    head = method + b" sip:127.0.0.1 SIP/2.0\r\nX: 1\r\n"
    return to_here(head + b"\r\n".join([*lines, *changed]) + b"\r\n\r\n" + body, sender)


REFUSED = {
    "length of 2**31": (b"Content-Length: 2147483648",),
    "length of 2**32+32": (b"Content-Length: 4294967328",),
    "length of 20 digits": (b"Content-Length: 99999999999999999999",),
    "negative length": (b"Content-Length: -1",),
    "length with a plus": (b"Content-Length: +5",),
    "length in hexadecimal": (b"Content-Length: 0x10",),
    "length with an exponent": (b"Content-Length: 1e3",),
    "two numbers as length": (b"Content-Length: 5 5",),
    "empty length": (b"Content-Length:",),
    "Arabic digits": ("Content-Length: ٣".encode(),),
    "two lengths": (b"Content-Length: 0", b"l: 3"),
    "CSeq of 2**31": (b"CSeq: 2147483648 OPTIONS",),
    "CSeq of a huge method": (b"CSeq: 1 " + b"A" * 2000,),
    "CSeq without a number": (b"CSeq: OPTIONS",),
    "Max-Forwards of 300": (b"Max-Forwards: 300",),
    "negative Max-Forwards": (b"Max-Forwards: -1",),
    "two To": (b"To: <sip:a@b>", b"t: <sip:c@d>"),
    "To of semicolons": (b"To: <sip:a@b>;tag=;=;;=;tag",),
    "open quote in From": (b'From: "open <sip:a@b>;tag=1',),
    "no scheme in From": (b"From: <a@b>;tag=1",),
    "garbage Via": (b"Via: \x01\x02;;,,;",),
    "Via without a host": (b"Via: SIP/2.0/UDP ;branch=z9hG4bK1",),
    "empty Call-ID": (b"Call-ID:",),
    "name of 60,000 bytes": (b"X" * 60_000 + b": 1",),
    "control byte in a name": (b"X-Sec\x01ret: 1",),
    "no colon": (b"just some words",),
    "port 0": (b"From: <sip:a@b:0>;tag=1",),
    "port 99999": (b"From: <sip:a@b:99999>;tag=1",),
}

SURVIVED = {
    "200 Vias": tuple(b"Via: SIP/2.0/UDP 10.0.0.%d;branch=z9hG4bK%d" % (n % 250 + 1, n) for n in range(60)),
    "70 Routes to ourselves": tuple([b"Route: <sip:127.0.0.1:5060;lr>"] * 70),
    "50 Accept": tuple(b"Accept: application/x%d" % n for n in range(50)),
    "user of 1,100 bytes": (b"To: <sip:" + b"u" * 1100 + b"@example.com>",),
    "tag of 3,000 bytes": (b"From: <sip:a@b>;tag=" + b"t" * 3000,),
    "Expires of 10**20": (b"Expires: 100000000000000000000",),
    "negative Expires": (b"Expires: -1",),
    "unknown credentials": (b"Authorization: Nobody knows=this",),
    "open credentials": (b'Authorization: Digest username="a, realm',),
    "200 parameters": (b"Authorization: Digest " + b", ".join(b'p%d="%d"' % (n, n) for n in range(200)),),
    "lines in quotes": (b'Contact: "a\\\r\nb" <sip:a@b>',),
    "blank before the colon": (b"Subject : x", b"Subject\t: y", b"sUBJECT: z"),
    "broken UTF-8": (b"Subject: \xff\xfe\x80",),
    "multipart without a boundary": (b"Content-Type: multipart/mixed",),
    "no content type": (b"Content-Type:",),
    "a part that never ends": (b"Content-Type: multipart/mixed;boundary=x",),
}


@pytest.mark.parametrize("what", REFUSED)
def test_numbers_lengths_and_headers_that_nobody_may_send_are_refused(sender: Sender, what: str) -> None:
    status = sender.sent(request(sender, *REFUSED[what]))
    if what == "garbage Via" and sender.tcp:
        assert status in ("400", "")
    else:
        assert status == "400", f"{what}: {status!r}"


@pytest.mark.parametrize("method", [b"OPTIONS", b"MESSAGE", b"REGISTER", b"INVITE", b"FOO"])
@pytest.mark.parametrize("what", SURVIVED)
def test_what_is_odd_is_answered_in_time(sender: Sender, what: str, method: bytes) -> None:
    body = b"--x\r\nContent-Type: text/plain\r\n\r\nthe end is miss"
    start = time.monotonic()
    sender.sent(request(sender, *SURVIVED[what], method=method, body=body), 0.05)
    assert time.monotonic() - start < 2


BODIES = {
    "no line end": b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nm=audio 1 RTP/AVP 0",
    "bandwidth without a colon": b"v=0\r\nb=AS\r\nm=audio 1 RTP/AVP 0\r\n",
    "empty m": b"v=0\r\nm=\r\n",
    "rtpmap without a value": b"v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtpmap\r\na=rtpmap:\r\n",
    "a long connection": b"v=0\r\nc=IN IP4 " + b"1" * 5000 + b"\r\n",
    "4,000 lines": b"v=0\r\n" + b"a=x:1\r\n" * 4000,
    "one huge line": b"v" * 40_000,
    "binary": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_broke_others_pass(sender: Sender, what: str) -> None:
    line = b"Content-Type: application/sdp"
    assert sender.sent(request(sender, line, body=BODIES[what])) == "200"
    sender.sent(request(sender, line, method=b"INVITE", body=BODIES[what]), 0.05)


def test_the_largest_datagram_and_noise(over_udp: Sender) -> None:
    whole = request(over_udp, b"X-Fill: " + b"x" * 1000, body=b"y" * 60_000)
    assert over_udp.sent(whole) in ("200", "400", "413", "513")
    for noise in (b"", b"\0", b"\r\n\r\n", b"\0" * 5000, os.urandom(3000), b"\xff" * 65_000, b"SIP/2.0 200 OK\r\n\r\n"):
        assert over_udp.sent(noise, 0.02) == ""


def connect() -> socket.socket:
    made = socket.create_connection(("127.0.0.1", PORT))
    made.settimeout(3)
    return made


def test_a_stream_that_lies_about_its_length_is_closed(server: Server) -> None:
    for length in (b"2147483648", b"-1", b"99999999999999999999", b"abc"):
        with connect() as stream:
            stream.sendall(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
                           b"From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
                           b"Content-Length: " + length + b"\r\n\r\nOPTIONS sip:smuggled SIP/2.0\r\n\r\n")  # fmt: skip
            heard = b""
            while part := stream.recv(65535):
                heard += part
            assert heard.count(b"SIP/2.0 ") <= 1 and b"SIP/2.0 2" not in heard


def test_http_tls_and_keep_alives_on_the_plain_port(server: Server) -> None:
    for hello in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500),
    ):
        with connect() as stream:
            stream.sendall(hello + b"\r\n\r\n")
            try:
                assert b"SIP/2.0 2" not in stream.recv(65535)
            except (TimeoutError, ConnectionError):
                pass
    with connect() as stream:
        stream.sendall(b"\r\n\r\n")
        assert stream.recv(100) == b"\r\n"


def test_thousands_of_requests_on_one_connection_and_a_reset_in_between(over_tcp: Sender) -> None:
    with connect() as stream:
        stream.sendall(b"".join(request(over_tcp, method=b"INVITE") for _ in range(500)))
    with connect() as stream:
        stream.sendall(b"".join(request(over_tcp) for _ in range(1000)))
        heard = b""
        while heard.count(b"SIP/2.0 200") < 1000:
            part = stream.recv(1 << 20)
            assert part, f"closed after {heard.count(b'SIP/2.0 200')} answers"
            heard += part


def test_a_peer_that_never_reads_holds_nobody_up(over_udp: Sender, over_tcp: Sender) -> None:
    with connect() as stream:
        stream.settimeout(0.5)
        try:
            for _ in range(200):
                stream.sendall(b"".join(request(over_tcp, b"X: " + b"x" * 500) for _ in range(100)))
        except (TimeoutError, ConnectionError):
            pass
        assert over_udp.sent(request(over_udp), 2.0) == "200"
        assert over_tcp.sent(request(over_tcp), 2.0) == "200"


COMMANDS = [
    b"::{}", b":x/y:{}", b":../x:{}", b":a:{", b":a:" + b"[" * 20_000, b":a:" + b"1" * 5000, b":a:[]", b"\0\xff\xfe",
    b':a:{"jsonrpc":"2.0","id":1}', b':a:{"jsonrpc":"2.0","method":"which","params":7,"id":1}', b":a:" + b"x" * 3900,
    b':a:{"jsonrpc":"2.0","method":"nothing","id":99999999999999999999999}', b":ul_dump:" + b"n" * 300 + b"\n\n",
]  # fmt: skip


def test_what_is_written_to_the_management_pipe_breaks_nothing(server: Server) -> None:
    for command in COMMANDS * 3:
        pipe = os.open(server.fifo, os.O_WRONLY)
        os.write(pipe, command[:4000] + b"\n")
        os.close(pipe)
    assert "Server" in server.mi("version")


def test_afterwards_phones_register_as_ever(server: Server) -> None:
    for tcp in (False, True):
        phone = Phone("last", 25090, tcp=tcp)
        phone.request("REGISTER", "sip:127.0.0.1", to="<sip:last@127.0.0.1>")
        phone.hear("200")
        phone.close()


def test_the_log_is_no_larger_for_a_flood(server: Server, over_udp: Sender) -> None:
    before = len(server.log().splitlines())
    for _ in range(300):
        over_udp.udp.sendto(request(over_udp, b"CSeq: x"), ("127.0.0.1", PORT))
    assert "Server" in server.mi("version")
    assert len(server.log().splitlines()) - before < 60
