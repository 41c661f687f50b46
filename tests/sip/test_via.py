import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.via import bare, bracketed, parse_via, parse_vias, reply_to


def test_a_via_is_taken_apart() -> None:
    via = parse_via("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport;received=192.0.2.9;maddr=224.0.1.75")
    assert (via.protocol, via.transport, via.host, via.port) == ("SIP/2.0", "UDP", "192.0.2.1", 5070)
    assert (via.branch, via.rport, via.received, via.maddr) == ("z9hG4bK1", "", "192.0.2.9", "224.0.1.75")


def test_blanks_and_folds_may_stand_between_all_parts() -> None:
    via = parse_via("SIP  / 2.0\r\n / TCP     spindle.example.com :\t5060  ;\r\n  branch  =   z9hG4bK9ikj8  ")
    assert (via.protocol, via.transport, via.host, via.port) == ("SIP/2.0", "TCP", "spindle.example.com", 5060)
    assert via.branch == "z9hG4bK9ikj8"


def test_several_may_stand_on_one_line() -> None:
    found = parse_vias('SIP/2.0/UDP a;x=",", SIP/2.0/TCP [2001:db8::1]:9 ,SIP/2.0/TLS c')
    assert [via.host for via in found] == ["a", "[2001:db8::1]", "c"]


def test_what_is_not_there_is_empty() -> None:
    via = parse_via("SIP/2.0/UDP a")
    assert (via.port, via.branch, via.received, via.rport, via.maddr, via.param("x")) == (None, "", "", None, "", None)
    assert parse_via("SIP/2.0/UDP a;rport=99").rport == "99"


NO_VIA = ["", "nonsense", "SIP/2.0 a", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=1", "SIP/2.0/UDP a b", "SIP//UDP a"]
NO_HOST = ["a:0", "a:x", "2001:db8::1", "a,b", "[::1", "[::1]x", "%61"]


@pytest.mark.parametrize("text", NO_VIA + ["SIP/2.0/UDP " + host for host in NO_HOST])
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(SipError):
        parse_via(text)


@pytest.mark.parametrize(
    ("via", "source", "want"),
    [
        ("SIP/2.0/UDP 10.0.0.1:5070", ("192.0.2.1", 1024), ("192.0.2.1", 5070)),
        ("SIP/2.0/UDP 10.0.0.1", ("192.0.2.1", 1024), ("192.0.2.1", 5060)),
        ("SIP/2.0/TLS 10.0.0.1", ("192.0.2.1", 1024), ("192.0.2.1", 5061)),
        ("SIP/2.0/UDP 10.0.0.1:5070;rport", ("192.0.2.1", 1024), ("192.0.2.1", 1024)),
        ("SIP/2.0/UDP [2001:db8::1]:5070", ("2001:db8::9", 1024), ("2001:db8::9", 5070)),
        ("SIP/2.0/UDP 10.0.0.1:5070;maddr=224.0.1.75", ("192.0.2.1", 1024), ("224.0.1.75", 5070)),
        ("SIP/2.0/UDP 10.0.0.1:5070;received=192.0.2.1;rport=99", None, ("192.0.2.1", 99)),
        ("SIP/2.0/UDP h;received=[2001:db8::9]", None, ("2001:db8::9", 5060)),
        ("SIP/2.0/UDP h;received=2001:db8::9", None, ("2001:db8::9", 5060)),
        ("SIP/2.0/UDP host.example.com:99", None, ("host.example.com", 99)),
        ("SIP/2.0/UDP [2001:db8::1];rport", None, ("2001:db8::1", 5060)),
    ],
)
def test_where_the_reply_goes(via: str, source: tuple[str, int] | None, want: tuple[str, int]) -> None:
    assert reply_to(parse_via(via), source) == want


@pytest.mark.parametrize("rport", ["0", "65536", "x", "+1"])
def test_an_rport_that_is_no_port_is_refused(rport: str) -> None:
    with pytest.raises(SipError):
        reply_to(parse_via("SIP/2.0/UDP h;rport=" + rport))


def test_ipv6_has_brackets_in_sip_and_none_in_sockets() -> None:
    assert (bare("[::1]"), bare("::1"), bare("h")) == ("::1", "::1", "h")
    assert (bracketed("[::1]"), bracketed("::1"), bracketed("h")) == ("[::1]", "[::1]", "h")


def test_streams_are_reliable() -> None:
    assert parse_via("SIP/2.0/tcp h").is_reliable
    assert not parse_via("SIP/2.0/UDP h").is_reliable


@given(st.text(alphabet='SIP/2.0UDT a:5;,=[]"\t\n'))
def test_what_was_read_is_read_the_same_when_written(text: str) -> None:
    for text_ in (text, "SIP/2.0/UDP " + text):
        try:
            via = parse_via(text_)
            again = parse_via(str(via))
        except SipError:
            continue
        assert (again.transport, again.host, again.port, again.params) == (
            via.transport,
            via.host,
            via.port,
            via.params,
        )
