import pytest

from pysips.errors import SipError
from pysips.sip.build import ack, cancel, reply, request, via_marks
from pysips.sip.edits import Edits
from pysips.sip.message import Message, read
from pysips.sip.validate import check

INVITE = """\
INVITE sip:b@h SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1
Max-Forwards: 70
Record-Route: <sip:r1;lr>
Route: <sip:r2;lr>, <sip:r3;lr>
f: "A" <sip:a@h>;tag=f1
To: <sip:b@h>
Record-Route: <sip:r4;lr>
v: SIP/2.0/UDP u1;branch=z9hG4bK2, SIP/2.0/TCP u2;branch=z9hG4bK3
Call-ID: c1
CSeq: 0007 INVITE
Subject: not in replies
Content-Length: 0

"""


def message(text: str = INVITE, *changes: tuple[str, str]) -> Message:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return read(text.replace("\n", "\r\n").encode())


def lines(text: str) -> list[str]:
    assert text.isascii()
    return text.replace("\r\n", "\n").split("\n")


def test_a_reply_repeats_what_it_must_in_opensips_order() -> None:
    assert lines(reply(message(), 180, "Ringing", "t1", "Server: x\r\n")) == [
        "SIP/2.0 180 Ringing",
        "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1",
        "v: SIP/2.0/UDP u1;branch=z9hG4bK2, SIP/2.0/TCP u2;branch=z9hG4bK3",
        "Record-Route: <sip:r1;lr>",
        "Record-Route: <sip:r4;lr>",
        "To: <sip:b@h>;tag=t1",
        'f: "A" <sip:a@h>;tag=f1',
        "Call-ID: c1",
        "CSeq: 0007 INVITE",
        "Server: x",
        "Content-Length: 0",
        "",
        "",
    ]


@pytest.mark.parametrize(("status", "count"), [(100, 0), (179, 0), (180, 2), (200, 2), (299, 2), (300, 0), (486, 0)])
def test_record_route_is_in_answers_of_180_to_299(status: int, count: int) -> None:
    assert reply(message(), status, "x").count("Record-Route") == count


def test_the_tag_of_the_request_stays() -> None:
    found = read(reply(message(INVITE, ("<sip:b@h>", "<sip:b@h>;tag=theirs")), 200, "OK", "ours").encode())
    assert found.to_tag() == "theirs"
    assert read(reply(message(), 100, "Trying").encode()).to_tag() == ""


def test_a_tag_goes_behind_folds_and_before_blanks_at_the_end() -> None:
    found = message(INVITE, ("To: <sip:b@h>", "To:\n <sip:b@h>\n ;x=1 "))
    assert "To:\r\n <sip:b@h>\r\n ;x=1;tag=t1 \r\n" in reply(found, 200, "OK", "t1")


def test_a_reply_with_a_body_counts_bytes() -> None:
    text = reply(message(), 200, "OK", "t1", "Content-Type: text/plain\r\n", "äö", after="Warning: 392\r\n")
    assert text.endswith("Content-Type: text/plain\r\nContent-Length: 4\r\nWarning: 392\r\n\r\näö")


def test_a_reply_copies_what_is_there_of_a_broken_request() -> None:
    assert lines(reply(message("OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/UDP h\n\n"), 400, "Missing From", "t1")) == [
        "SIP/2.0 400 Missing From",
        "Via: SIP/2.0/UDP h",
        "Content-Length: 0",
        "",
        "",
    ]


def test_a_reply_to_bare_line_feeds_keeps_them_but_behind_via() -> None:
    found = read(INVITE.encode())
    text = reply(found, 400, "Bad Line End", "t1")
    assert "z9hG4bK1\r\nv: SIP" in text
    assert "To: <sip:b@h>;tag=t1\nf: " in text


VIA = "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1"


@pytest.mark.parametrize(
    ("via", "source", "force", "want"),
    [
        (VIA, ("192.0.2.1", 5070), False, VIA),
        (VIA, ("192.0.2.1", 9), False, VIA),
        (VIA, ("192.0.2.10", 9), False, "Via: SIP/2.0/UDP 192.0.2.1:5070;received=192.0.2.10;branch=z9hG4bK1"),
        (VIA, ("192.0.2", 9), False, "Via: SIP/2.0/UDP 192.0.2.1:5070;received=192.0.2;branch=z9hG4bK1"),
        (VIA, ("192.0.2.1", 9), True, "Via: SIP/2.0/UDP 192.0.2.1:5070;received=192.0.2.1;rport=9;branch=z9hG4bK1"),
        (
            VIA + ";rport",
            ("192.0.2.1", 9),
            False,
            "Via: SIP/2.0/UDP 192.0.2.1:5070;received=192.0.2.1;branch=z9hG4bK1;rport=9",
        ),
        (
            "Via: SIP/2.0/UDP h ; RPORT = 1 ;x",
            ("192.0.2.1", 9),
            True,
            "Via: SIP/2.0/UDP h;received=192.0.2.1 ;rport=9 ;x",
        ),
        ("Via: SIP/2.0/UDP h", ("192.0.2.1", 9), False, "Via: SIP/2.0/UDP h;received=192.0.2.1"),
        ("Via: SIP/2.0/UDP h;xrport=1", ("h", 9), False, "Via: SIP/2.0/UDP h;xrport=1"),
        ('Via: SIP/2.0/UDP h;x=";rport"', ("h", 9), False, 'Via: SIP/2.0/UDP h;x=";rport"'),
        ("Via: SIP/2.0/UDP h, SIP/2.0/UDP i;rport", ("h", 9), False, "Via: SIP/2.0/UDP h, SIP/2.0/UDP i;rport"),
        ("Via: SIP/2.0/UDP [2001:db8::1]:9;x", ("2001:db8::1", 9), False, "Via: SIP/2.0/UDP [2001:db8::1]:9;x"),
        (
            "Via: SIP/2.0/UDP [2001:db8::1]:9;x",
            ("2001:db8::2", 9),
            False,
            "Via: SIP/2.0/UDP [2001:db8::1]:9;received=2001:db8::2;x",
        ),
        ("Via: SIP / 2.0 / UDP\r\n h;x", ("i", 9), False, "Via: SIP / 2.0 / UDP\r\n h;received=i;x"),
    ],
)
def test_the_topmost_via_says_where_the_request_came_from(
    via: str, source: tuple[str, int], force: bool, want: str
) -> None:
    found = message(INVITE, (VIA, via.replace("\r\n", "\n")))
    marks = via_marks(found, *source, force)
    assert reply(found, 200, "OK", marks=marks).partition("\r\n")[2].startswith(want + "\r\nv: ")
    edits = Edits()
    edits.items.extend(marks)
    assert edits.written(found.text).partition("\r\n")[2].startswith(want + "\r\nMax-")


@pytest.mark.parametrize("via", ["Via: nonsense", "Via:", "X: y"])
def test_a_via_that_cannot_be_read_has_no_marks(via: str) -> None:
    with pytest.raises(SipError):
        via_marks(message("OPTIONS sip:a SIP/2.0\n" + via + "\n\n"), "h", 1)


def test_the_ack_for_a_negative_answer() -> None:
    sent = message().text
    answer = message("SIP/2.0 486 Busy\nTo: <sip:b@h>;tag=t9\nFrom: other\nCSeq: 7 INVITE\n\n")
    assert lines(ack(sent, answer, "User-Agent: x\r\n")) == [
        "ACK sip:b@h SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1",
        'f: "A" <sip:a@h>;tag=f1',
        "Call-ID: c1",
        "To: <sip:b@h>;tag=t9",
        "CSeq: 7 ACK",
        "Max-Forwards: 70",
        "Route: <sip:r2;lr>, <sip:r3;lr>",
        "User-Agent: x",
        "Content-Length: 0",
        "",
        "",
    ]


def test_cancel_has_the_requests_own_to_and_only_its_topmost_via() -> None:
    sent = message(INVITE, ("branch=z9hG4bK1\n", "branch=z9hG4bK1, SIP/2.0/UDP u0\n")).text
    found = read(cancel(sent, 'Reason: SIP;cause=200;text="elsewhere"\r\n').encode())
    assert (found.method, found.uri, found.cseq(), found.to_tag()) == ("CANCEL", "sip:b@h", (7, "CANCEL"), "")
    assert found.values("V") == ["SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1"]
    assert found.header("Reason") == 'SIP;cause=200;text="elsewhere"'


def test_a_request_of_our_own() -> None:
    text = request(
        "MESSAGE",
        "sip:b@h",
        "<sip:a@h>;tag=1",
        "<sip:b@h>",
        "c1",
        10,
        headers="Content-Type: text/plain\r\n",
        body="é",
        via="SIP/2.0/UDP h;branch=z9hG4bK1",
    )
    assert text == (
        "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:b@h>\r\nFrom: <sip:a@h>;tag=1\r\n"
        "CSeq: 10 MESSAGE\r\nCall-ID: c1\r\nMax-Forwards: 70\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\né"
    )
    assert request("OPTIONS", "sip:b", "f", "t", "c", 1).startswith("OPTIONS sip:b SIP/2.0\r\nTo: t\r\n")


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP 10.0.0.1 ;rport;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1; rport;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;RPORT",
        "SIP/2.0/UDP 10.0.0.1;rport=5060;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK2;rport",
    ],
)
def test_a_via_known_from_earlier_messages_is_marked_as_one_seen_for_the_first_time(via: str) -> None:
    text = (
        f"OPTIONS sip:b@h SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    fresh, known = read(text), read(text)
    check(read(text))
    check(known)
    assert known.via is not None
    for host in ("10.0.0.1", "10.9.9.9"):
        marks = via_marks(known, host, 777)
        assert marks == via_marks(fresh, host, 777)
        assert reply(known, 200, "OK", "t", marks=marks) == reply(fresh, 200, "OK", "t", marks=marks)
        assert f";received={host}" in reply(known, 200, "OK", "t", marks=marks)
        assert ";rport=777" in reply(known, 200, "OK", "t", marks=marks)
