"""The core's variables, read and set as a script does: bound by their text, on a message of their own."""

import pytest

from pysips.core.branches import Branch
from pysips.core.context import REPLY, ErrorInfo
from pysips.core.log import log
from pysips.errors import BadName
from pysips.script.values import Value, number_of, printed

from .variables_rig import INVITE, REPLY_401, Script

READ = [
    ("$rm", "INVITE"), ("$ru", "sip:bob:pw@b.example:5080;transport=tcp"), ("$rU", "bob"), ("$rd", "b.example"),
    ("$rp", "5080"), ("$rP", "tcp"), ("$ru_q", -1), ("$ou", "sip:bob:pw@b.example:5080;transport=tcp"), ("$oU", "bob"),
    ("$od", "b.example"), ("$op", "5080"), ("$oP", "tcp"), ("$du", None), ("$dd", None), ("$dp", None), ("$dP", None),
    ("$ds", None), ("$fu", "sip:ann@a.example:5070;up=1"), ("$fU", "ann"), ("$fd", "a.example"), ("$fn", '"Ann A"'),
    ("$ft", "ft1"), ("$tu", "sip:bob@b.example"), ("$to.user", "bob"), ("$td", "b.example"), ("$tn", "Bob"),
    ("$tt", None), ("$ci", "call-1"), ("$cs", "0017"), ("$ua", "phone/1.0"), ("$cl", 191),
    ("$ct", '"C" <sip:c1@h1;p=1>;q=0.7;expires=60;methods="INVITE, BYE"'), ("$(ct[1])", "<sip:c2@h2>"),
    ("$(ct[-1])", "sip:c3@h3;q=0.1"), ("$(ct[3])", None), ("$ct.fields(name)", '"C"'),
    ("$ct.fields(uri)", "sip:c1@h1;p=1"), ("$ct.fields(methods)", "INVITE, BYE"), ("$(ct.fields(q)[1])", None),
    ("$ct.fields(params)", 'q=0.7;expires=60;methods="INVITE, BYE"'), ("$(ct.fields(uri)[2])", "sip:c3@h3"),
    ("$(ct.fields(uri)[*])", "sip:c1@h1;p=1, sip:c2@h2, sip:c3@h3"), ("$hdr(X-A)", "one"), ("$(hdr(x-a)[1])", "two"),
    ("$(hdr(x-a)[-1])", "two"), ("$(hdr(X-A)[2])", None), ("$(hdr(x-a)[*])", "one, two"), ("$hdr(None)", None),
    ("$hdr(Empty)", ""), ("$hdr(f)", '"Ann A" <sip:ann@a.example:5070;up=1>;tag=ft1;hp=2'), ("$hdrcnt(X-A)", 2),
    ("$hdrcnt(None)", 0), ("$hdr_name", "Via"), ("$(hdr_name[1])", "Max-Forwards"),
    ("$ai", "sip:+49@x"), ("$re", "sip:rpid@x"), ("$rt", "sip:refer@x?Replaces=1"), ("$pu", "sip:pref@p.example"),
    ("$pU", "pref"), ("$pd", "p.example"), ("$pn", '"P"'), ("$di", "sip:div@x"), ("$dir", "no-answer"),
    ("$dip", "full"),
    ("$au", "ann"), ("$ad", "dom.example"), ("$aU", "ann@dom.example"), ("$ar", "r"), ("$an", "n,1"), ("$adu", "sip:x"),
    ("$auth.resp", "abc"), ("$auth.nc", "00000001"), ("$auth.qop", "auth"), ("$auth.alg", "MD5"),
    ("$auth.opaque", None),
    ("$Au", "ann@a.example"), ("$challenge.realm", None), ("$rs", None), ("$rr", None), ("$si", "192.0.2.7"),
    ("$src_ip", "192.0.2.7"), ("$sp", 5062), ("$socket_in", "udp:192.0.2.1:5060"), ("$socket_in(ip)", "192.0.2.1"),
    ("$socket_in(port)", 5060), ("$socket_in(proto)", "udp"), ("$socket_in(tag)", "lan"), ("$socket_in(af)", "INET"),
    ("$socket_in(advertised_ip)", None), ("$socket_in(anycast)", 0), ("$socket_out", "udp:192.0.2.1:5060"),
    ("$socket_out(forced)", None), ("$fs", None), ("$Ri", "192.0.2.1"), ("$Rp", 5060), ("$af", "INET"),
    ("$proto", "udp"), ("$pr", "udp"), ("$proxy_protocol(src_ip)", None), ("$msg.is_request", 1),
    ("$msg.type", "request"),
    ("$mf", ""), ("$bf", ""), ("$path", None), ("$err.class", 0), ("$err.info", ""), ("$rc", 1), ("$retcode", 1),
    ("$argv(site)", "ber"), ("$argv(empty)", None), ("$argv(none)", None), ("$Ts", 1_700_000_000), ("$Tsm", 250_000),
    ("$TS", 1_600_000_000), ("$time(%Y)", "2023"), ("$C(rx)", ""), ("$$", "$"), ("$branch", None),
    ("$cT", "multipart/mixed;boundary=bb"), ("$(cT[0])", "text/plain"), ("$(cT[-1])", "application/sdp"),
    ("$(cT[*])", "multipart/mixed;boundary=bb,text/plain,application/sdp"), ("$(rb[0])", "hello"),
    ("$rb(text/plain)", "hello"), ("$rb(text/html)", None), ("$(rb(application/sdp)[1])", None),
    ("$sdp.line(c=)", "c=IN IP4 h"), ("$sdp.line(a=[1])", "a=y z"), ("$sdp.line([0])", "v=0"), ("$sdp.line(k=)", None),
    ("$sdp.line(m=/[2])", "RTP/AVP"), ("$sdp.line(c=/ip)", "IP4"), ("$sdp.stream(audio)", "m=audio 4000 RTP/AVP 0 8"),
    ("$sdp.stream(audio/a=[1]/z)", "z"), ("$sdp.stream([1])", "m=video 4002 RTP/AVP 31"), ("$sdp.stream(image)", None),
    ("$sdp.session(a=)", None), ("$sdp.session(s=)", "s=-"), ("$sdp.stream.idx(video)", 7),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), READ)
def test_request_reads(script: Script, text: str, wanted: Value) -> None:
    assert script.get(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$rs", 401), ("$rr", "Go away"), ("$rm", "REGISTER"), ("$ru", None), ("$rU", None), ("$rd", None),
        ("$ou", None),
        ("$tt", "tt1"), ("$challenge.realm", "r,1"), ("$challenge.qop", "auth,auth-int"), ("$challenge.ik", None),
        ("$msg.type", "reply"), ("$msg.is_request", 0), ("$au", None), ("$rb", None), ("$cT", None), ("$(rb[0])", None),
        ("$sdp", None), ("$ct", None), ("$ru_q", None),
    ],
)  # fmt: skip
def test_reply_reads(text: str, wanted: Value) -> None:
    assert Script(REPLY_401, REPLY).get(text) == wanted


def test_texts_with_a_number_and_numbers_with_a_text(script: Script) -> None:
    assert number_of(script.get("$rm")) == 1
    assert number_of(script.get("$rP")) == 2
    assert number_of(script.get("$cs")) is None
    assert printed(script.get("$msg.is_request")) == "true"
    assert number_of(script.get("$Tf")) == 1_700_000_000
    assert printed(script.get("$Tf")).endswith(" 2023")


@pytest.mark.parametrize(
    ("uri", "port", "proto"),
    [
        ("sip:a@b", 5060, "udp"), ("sips:a@b", 5061, "tls"), ("sip:a@b;transport=TLS", 5061, "TLS"),
        ("sip:a@b;transport=ws", 80, "ws"),
    ],
)  # fmt: skip
def test_port_and_transport_have_defaults(script: Script, uri: str, port: int, proto: str) -> None:
    assert script.put("$ru", uri) == 1
    assert (script.get("$rp"), script.get("$rP")) == (port, proto)


@pytest.mark.parametrize(
    ("variable", "value", "uri"),
    [
        ("$rU", "carol", "sip:carol:pw@b.example:5080;transport=tcp"),
        ("$rU", None, "sip:b.example:5080;transport=tcp"),
        ("$rU", "", "sip:b.example:5080;transport=tcp"),
        ("$rd", "c.example", "sip:bob:pw@c.example:5080;transport=tcp"),
        ("$rp", 5090, "sip:bob:pw@b.example:5090;transport=tcp"),
        ("$rp", "5090", "sip:bob:pw@b.example:5090;transport=tcp"),
        ("$rp", None, "sip:bob:pw@b.example;transport=tcp"),
        ("$ru", "tel:+49", "tel:+49"),
    ],
)
def test_parts_of_the_request_uri_are_set(script: Script, variable: str, value: Value, uri: str) -> None:
    assert script.put(variable, value) == 1
    assert script.get("$ru") == uri
    assert script.get("$ou") == "sip:bob:pw@b.example:5080;transport=tcp"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("$ru", None), ("$ru", ""), ("$ru", "sip:a@b\r\nX: y"), ("$ru", "sip:a b"), ("$rd", ""), ("$rd", "a b"),
        ("$rp", "99999"), ("$rp", "x"), ("$rU", "a@b"), ("$du", "sip:a\nb"), ("$dd", "x"), ("$dp", 1), ("$ru_q", "x"),
        ("$socket_out", ""), ("$log_level", "3"), ("$xlog_level", "x"), ("$branch", None), ("$branch", ""),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(script: Script, variable: str, value: Value) -> None:
    assert script.put(variable, value) == -1
    assert script.ctx.uri == script.ctx.dst == ""


def test_next_hop_and_its_parts(script: Script) -> None:
    assert script.put("$du", "sip:h:5070;transport=tls") == 1
    assert [script.get(name) for name in ("$du", "$dd", "$dp", "$dP")] == [
        "sip:h:5070;transport=tls",
        "h",
        "5070",
        "tls",
    ]
    assert script.put("$dd", "i") == 1
    assert script.put("$dp", None) == 1
    assert script.get("$duri") == "sip:i;transport=tls"
    assert script.put("$du", None) == 1
    assert script.get("$du") is None


def test_q_is_clipped_and_shown_in_the_set(script: Script) -> None:
    assert script.put("$ru_q", 5000) == 1
    assert script.get("$ru_q") == 1000
    script.put("$ru", "sip:x@y")
    script.ctx.branches.append(Branch("sip:z@y", q=50))
    script.ctx.branches.append(Branch("sip:w@y"))
    assert script.get("$ds") == "Contact: <sip:x@y>;q=1, <sip:z@y>;q=0.05, <sip:w@y>"


def test_var_keeps_texts_and_numbers(script: Script) -> None:
    assert script.get("$var(a b)") is None
    script.put("$var(a b)", script.get("$rm"))
    assert type(script.get("$var(a b)")) is str
    script.put("$var(n)", 5)
    assert script.get("$var(n)") == 5
    script.put("$var(n)", None)
    assert script.get("$var(n)") is None
    assert script.variable("$var(n)").set(script.ctx, "x") == 1
    assert script.ctx.program.vars["n"] == "x"


def test_avp_is_a_stack(script: Script) -> None:
    for value in ("a", "b", 3):
        script.put("$avp(x)", value)
    reads = [script.get(f"$(avp(x)[{index}])") for index in (0, 1, 2, 3, -1, -3, -4, "*")]
    assert [script.get("$avp(x)"), *reads] == [3, 3, "b", "a", None, "a", 3, None, "3, b, a"]
    script.put("$(avp(x)[1])", "B")
    script.put("$(avp(x)[append])", "old")
    assert script.get("$(avp(x)[*])") == "3, B, a, old"
    script.put("$avp(x)", None)
    script.put("$(avp(x)[1])", None)
    assert script.get("$(avp(x)[*])") == "B, old"
    assert script.put("$(avp(x)[7])", "no") == -1
    script.put("$avp(x)", "only", ":=")
    assert script.get("$(avp(x)[*])") == "only"
    script.put("$(avp(x)[*])", "star")
    assert script.ctx.avps == {"x": ["star"]}
    script.put("$avp(x)", None, ":=")
    assert script.ctx.avps == {}


def test_avp_names_may_be_variables_and_old_ones_differ(script: Script) -> None:
    script.put("$var(n)", "x")
    script.put("$avp($var(n))", "by name")
    script.put("$avp(s:x)", "old")
    assert (script.get("$avp(x)"), script.get("$avp(s:x)")) == ("by name", "old")
    script.put("$var(i)", -1)
    assert script.get("$(avp(x)[$var(i)])") == "by name"


def test_joined_values_have_a_limit(script: Script) -> None:
    script.put("$avp(x)", "a" * 400)
    script.put("$avp(x)", "b" * 109)
    assert len(str(script.get("$(avp(x)[*])"))) == 511
    script.put("$avp(x)", "c")
    assert script.get("$(avp(x)[*])") is None


def test_parameters_and_returned_values(script: Script) -> None:
    script.ctx.params = ("one", 2)
    script.ctx.returned = (-3,)
    script.put("$var(i)", 2)
    wanted = {"$param(1)": "one", "$param(2)": 2, "$param(3)": None, "$param(0)": None, "$param($var(i))": 2,
              "$param(name)": None, "$return(0)": -3, "$return(1)": None}  # fmt: skip
    assert {text: script.get(text) for text in wanted} == wanted
    script.ctx.params = {"name": "n", "other": "o"}
    assert [script.get(f"$param({key})") for key in ("name", "2", "none")] == ["n", "o", None]


def test_errors_and_routes(script: Script) -> None:
    script.ctx.err = ErrorInfo(1, 3, "bad via", 400, "Bad Via")
    assert [script.get(f"$err.{word}") for word in ("class", "level", "info", "rcode", "rreason")] == [
        1, 3, "bad via", 400, "Bad Via",
    ]  # fmt: skip
    script.ctx.frames = ["route", "route[a]", "route[b]"]
    assert [script.get(f"$(route[{index}])") for index in (0, 1, -1, 3, "*")] == [
        "route[b]", "route[a]", "route", None, "route > route[a] > route[b]",
    ]  # fmt: skip
    assert (script.get("$route.name"), script.get("$(route.name[-1])"), script.get("$route.type")) == ("b", "", "route")
    assert script.get("$rT") == "request_route"


def test_log_levels_of_the_process(script: Script) -> None:
    try:
        assert script.put("$log_level", 4) == 1
        assert script.put("$xlog_level", -1) == 1
        assert (script.get("$log_level"), script.get("$xlog_level")) == (4, -1)
    finally:
        script.put("$log_level", None)
        script.put("$xlog_level", None)
    assert log.level == log.chosen_level


def test_sending_socket(script: Script) -> None:
    assert script.put("$socket_out", "tcp:[2001:db8::1]:5061") == 1
    assert script.get("$socket_out") == script.get("$socket_out(forced)") == "tcp:[2001:db8::1]:5061"
    assert [script.get(f"$socket_out({field})") for field in ("ip", "advertised_ip", "advertised_port", "af")] == [
        "2001:db8::1", "adv.example", 5099, "INET6",
    ]  # fmt: skip
    assert script.put("$socket_out", "udp:192.0.2.99") == 1, "an unknown socket is a warning"
    assert script.get("$socket_out(proto)") == "tcp"
    assert script.put("$fs", "192.0.2.1") == 1
    assert script.get("$fs") == "udp:192.0.2.1:5060"
    assert script.put("$socket_out", None) == 1
    assert script.get("$socket_out(forced)") is None


@pytest.mark.parametrize(
    "text",
    [
        "$nope", "$var", "$avp", "$(ct[x])", "$ct.fields(none)", "$ct.fields", "$socket_in(none)", "$rb(sdp)",
        "$(ci[0])",
        "$C(zz)", "$C(r)", "$(route.name[*])", "$sdp.line", "$sdp.line($var(x))", "$(sdp.line(a=)[3])", "$return(x)",
        "$sdp.line(a/b/c)", "$(branch(none)[0])", "$rU(x)", "$hdr",
    ],
)  # fmt: skip
def test_names_and_indexes_that_there_are_not_are_refused_at_load(script: Script, text: str) -> None:
    with pytest.raises(BadName):
        script.get(text)


@pytest.mark.parametrize("text", ["$rm", "$fu", "$rs", "$oU", "$ct", "$rc", "$si", "$hdr(x)", "$mf"])
def test_read_only_variables_have_no_setter(script: Script, text: str) -> None:
    assert script.variable(text).setter is None


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("From: <sip:a@b;x=>;tag=1", "sip:a@b;x="), ("From: sip:a@b;tag=1", "sip:a@b"),
        ('From: "x <sip:no@no>" <sip:a@b>;tag=1', "sip:a@b"), ("From: a\n <sip:a@b>;tag=1", "sip:a@b"),
        ("f: <sip:a@b>;tag=1", "sip:a@b"), ("From: <sip:a@b", None), ("X: y", None),
    ],
)  # fmt: skip
def test_from_is_read_quickly_or_carefully(line: str, wanted: str | None) -> None:
    lines = [line if each.startswith("From:") else each for each in REPLY_401.split("\n")]
    assert Script("\n".join(lines), REPLY).get("$fu") == wanted


@pytest.mark.parametrize(
    ("lines", "name", "wanted"),
    [
        ("X-Secret : v", "x-secret", "v"), ("\x01X-Secret: v", "X-Secret", "v"),
        ("x-SECRET:v\nX-Secret: w", "X-Secret", "v"),
        ("X-Secrets: v", "X-Secret", None), ("j: v", "Reject-Contact", "v"), ("Reject-Contact: v", "j", "v"),
    ],
)  # fmt: skip
def test_header_is_found_however_its_name_is_spelled(lines: str, name: str, wanted: str | None) -> None:
    text = REPLY_401.replace("Content-Length", lines + "\nContent-Length")
    assert Script(text, REPLY).get(f"$hdr({name})") == wanted


def test_credentials_of_ack_are_not_looked_at() -> None:
    text = INVITE.replace("INVITE sip:", "ACK sip:", 1)
    assert Script(text).get("$au") is None


def test_accounting_user_is_the_authorised_one(script: Script) -> None:
    script.ctx.note("auth.authorized", ("ann", "realm"))
    assert script.get("$Au") == "ann@realm"


def test_message_and_its_numbers(script: Script) -> None:
    assert script.get("$mb") == script.ctx.message.text
    assert script.get("$ml") == len(script.ctx.message.text)
    assert script.get("$mi") == script.get("$mi")
    assert script.get("$mi") != Script().get("$mi")
