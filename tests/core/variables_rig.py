"""A run of a script, for the tests of variables: one message, the core alone."""

from types import SimpleNamespace
from typing import Any

from pysips.core.context import REQUEST, Context
from pysips.core.functions import Core
from pysips.core.registry import Registry
from pysips.core.services import Clock, Peer, Services, Socket
from pysips.core.stats import Statistics
from pysips.script.catalogue import Var
from pysips.script.formats import bind_variable
from pysips.script.values import Value
from pysips.sip.message import read

INVITE = """INVITE sip:bob:pw@b.example:5080;transport=tcp SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1
Max-Forwards: 70
From: "Ann A" <sip:ann@a.example:5070;up=1>;tag=ft1;hp=2
To: Bob <sip:bob@b.example>
Call-ID: call-1
CSeq: 0017 INVITE
Contact: "C" <sip:c1@h1;p=1>;q=0.7;expires=60;methods="INVITE, BYE", <sip:c2@h2>
m: sip:c3@h3;q=0.1
User-Agent: phone/1.0
X-A: one
x-a: two
Empty:
P-Asserted-Identity: "A" <sip:+49@x>, <tel:+49>
P-Preferred-Identity: "P" <sip:pref@p.example>
Remote-Party-ID: <sip:rpid@x>;party=calling
Refer-To: <sip:refer@x?Replaces=1>
Diversion: <sip:div@x>;reason="no-answer";privacy=full
Proxy-Authorization: Digest username="ann@dom.example", realm="r", nonce="n,1", uri="sip:x", response="abc",
 qop=auth, nc=00000001, algorithm=MD5
Content-Type: multipart/mixed;boundary=bb
Content-Length: 191

--bb
Content-Type: text/plain

hello
--bb
Content-Type: application/sdp

v=0
o=- 1 1 IN IP4 h
s=-
c=IN IP4 h
m=audio 4000 RTP/AVP 0 8
a=x
a=y z
m=video 4002 RTP/AVP 31
--bb--
"""
REPLY_401 = """SIP/2.0 401 Go away
Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1
From: <sip:ann@a.example>;tag=ft1
To: <sip:bob@b.example>;tag=tt1
Call-ID: call-1
CSeq: 17 REGISTER
WWW-Authenticate: Digest realm="r,1", nonce="n", qop="auth,auth-int", algorithm=SHA-256
Content-Length: 0

"""
UDP = Socket(0, "udp", "192.0.2.1", 5060, tag="lan")
TCP6 = Socket(1, "tcp", "2001:db8::1", 5061, "adv.example", 5099)


class FakeClock(Clock):
    def time(self) -> float:
        return 1_700_000_000.25


class Script:
    """A run of a script on a message."""

    def __init__(self, text: str = INVITE, kind: int = REQUEST) -> None:
        services = Services()
        services.clock = FakeClock()
        self.registry = Registry(services, Statistics())
        self.registry.add("core", Core())
        program: Any = SimpleNamespace(
            vars={}, dummy=None, strict=True, has_error_route=False, registry=self.registry, started=1_600_000_000.5,
            options=SimpleNamespace(values={"site": "ber", "empty": ""}),
            config=SimpleNamespace(globals={"xlog_force_color": 0}),
            find_socket=lambda proto, host, port: next(
                (one for one in (UDP, TCP6)
                 if (not proto or one.proto == proto) and one.host == host.strip("[]") and port in (0, one.port)), None
            ),
        )  # fmt: skip
        data = text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
        self.ctx = Context(services, program, read(data), Peer("udp", "192.0.2.7", 5062, UDP), kind)

    def variable(self, text: str) -> Var:
        return bind_variable(text, self.registry)

    def get(self, text: str) -> Value:
        return self.variable(text).get(self.ctx)

    def put(self, text: str, value: Value, op: str = "=") -> int:
        setter = self.variable(text).setter
        assert setter is not None, f"{text} is read-only"
        return setter(self.ctx, value, op)
