"""The core's functions on the Request-URI, in a script."""

import pytest

from pysips.testing.messages import request
from pysips.testing.once import once

FULL = "sip:bob:secret@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"


@pytest.mark.parametrize(
    ("call", "uri"),
    [
        ('seturi("sip:new@host")', "sip:new@host"),
        ('rewriteuri("sip:new@host")', "sip:new@host"),
        ('setuser("eve")', "sip:eve:secret@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ('setuser("")', "sip:example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ('setuserpass("eve:pw")', "sip:eve:pw@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ('setuserpass("eve")', "sip:eve@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ('sethost("other.org")', "sip:bob:secret@other.org:5070;transport=udp?x=y"),
        ('sethost("[2001:db8::1]")', "sip:bob:secret@[2001:db8::1]:5070;transport=udp?x=y"),
        ('sethostport("other.org:99")', "sip:bob:secret@other.org:99;transport=udp?x=y"),
        ('sethostport("other.org")', "sip:bob:secret@other.org;transport=udp?x=y"),
        ('setport("99")', "sip:bob:secret@example.com:99;transport=udp;maddr=10.0.0.7?x=y"),
        ('setport("")', "sip:bob:secret@example.com;transport=udp;maddr=10.0.0.7?x=y"),
        ('prefix("+1")', "sip:+1bob:secret@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ("strip(1)", "sip:ob:secret@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ("strip_tail(1)", "sip:bo:secret@example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ("strip(9)", "sip:example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
        ("strip_tail(9)", "sip:example.com:5070;transport=udp;maddr=10.0.0.7?x=y"),
    ],
)
def test_a_part_is_replaced_and_the_others_stay(call: str, uri: str) -> None:
    assert once(f'{call}; say("$rc $ru");', request("OPTIONS", FULL)).lines == [f"1 {uri}"]


@pytest.mark.parametrize(
    "call",
    [
        'sethost("bad host")', 'setuser("a@b")', 'setport("70000")', 'setport("x")', 'seturi("sip:a b")',
        'seturi("sip:a\r\nX: y")', 'setuser("a\r\nX: y")', 'prefix("a\nb")', "strip(-1)", 'sethostport("h:0")',
    ],
)  # fmt: skip
def test_what_would_leave_the_line_or_the_grammar_is_refused_and_changes_nothing(call: str) -> None:
    assert once(f'{call}; say("$rc $ru");', request("OPTIONS", FULL)).lines == [f"-1 {FULL}"]


def test_a_tel_uri_has_no_such_parts() -> None:
    assert once('setuser("x"); say("$rc $ru");', request("OPTIONS", "tel:+123")).lines == ["-1 tel:+123"]


def test_revert_uri_goes_back_to_what_came() -> None:
    assert once('seturi("sip:x@y"); revert_uri; say("$ru");', request("OPTIONS", FULL)).lines == [FULL]


def test_the_next_hop_is_set_asked_for_and_forgotten() -> None:
    done = once(
        'if (!isdsturiset()) say("no"); setdsturi("sip:10.0.0.7"); if (isdsturiset()) say("$du");'
        'resetdsturi; if (!isduriset()) say("no more");'
    )
    assert done.lines == ["no", "sip:10.0.0.7", "no more"]


def test_construct_uri_leaves_empty_parts_out() -> None:
    done = once(
        'construct_uri("sip", "bob", "x.org", "5070", "transport=tcp", $avp(a));'
        'construct_uri("sip", , "x.org", , , $avp(b)); say("$avp(a) $avp(b)");'
    )
    assert done.lines == ["sip:bob@x.org:5070;transport=tcp sip:x.org"]
