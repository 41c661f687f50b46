"""Shapes: what an expression reads of a head is what the careful way finds in it, and only good heads match."""

import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip import build, proven, scan, shapes
from pysips.sip import message as messages
from pysips.sip.headers import USER_AGENT
from pysips.sip.message import Message
from pysips.sip.validate import check

WIRE = Path(__file__).resolve().parent.parent / "wire"
VALID = sorted((WIRE / "valid").glob("*.sip"))
ALL = VALID + sorted((WIRE / "invalid").glob("*.sip"))


def wire(text: str) -> bytes:
    return textwrap.dedent(text).lstrip("\n").replace("\n", "\r\n").encode()


REGISTER = wire("""
    REGISTER sip:example.com SIP/2.0
    Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bK-7-1
    Max-Forwards: 70
    From: "Alice A" <sip:alice@example.com>;tag=a7
    To: <sip:alice@example.com>
    Call-ID: 7@10.0.0.7
    CSeq: 3 REGISTER
    Contact: <sip:alice@10.0.0.7:5060;transport=udp>;expires=3600
    User-Agent: phone/1.0
    Content-Length: 0

""")
RINGING = wire("""
    SIP/2.0 180 Ringing
    Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK77.1, SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK-7-2
    From: <sip:alice@example.com>;tag=a7
    To: <sip:bob@example.com>;tag=b9
    Call-ID: 8@10.0.0.7
    CSeq: 4 INVITE
    Contact: <sip:bob@10.0.0.9:5060>
    Content-Length: 0

""")

pytestmark = pytest.mark.skipif(scan.COMPILED, reason="the compiled build makes no shapes")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    shapes.forget()
    yield
    shapes.forget()


def met_often(data: bytes) -> Message:
    """The message, once it has come so often that its shape is known."""
    for _ in range(shapes.OFTEN + 2):
        check(shapes.read(data))
    return shapes.read(data)


def facts(message: Message) -> tuple[object, ...]:
    """All that the program reads of a head that was checked."""
    return (
        message.text, message.kinds, message.starts, message.body_at, message.odd, message.status, message.method,
        message.uri, message.branch(), message.call_id(), message.cseq(), message.from_tag(), message.to_tag(),
        message.content_length(), message.value(USER_AGENT), message.via and message.via.sent_by,
    )  # fmt: skip


def carefully(data: bytes) -> Message:
    message = messages.read(data)
    check(message)
    return message


def agree(data: bytes) -> None:
    """Either no shape reads it, or it is good and both readers find the same."""
    try:
        known = shapes.read(data)
    except SipError:
        return
    if known.match is not None:
        assert facts(known) == facts(carefully(data))
        assert "user_agent" not in known.match.re.groupindex or known.match["user_agent"] == known.value(USER_AGENT)


@pytest.mark.parametrize("data", [REGISTER, RINGING], ids=["request", "reply"])
def test_a_shape_that_came_often_is_read_by_its_expression(data: bytes) -> None:
    for _ in range(shapes.OFTEN + 1):
        message = shapes.read(data)
        assert message.match is None
        check(message)
    assert shapes.read(data).match is not None
    agree(data)


def test_what_a_register_asks_for_is_told() -> None:
    match = met_often(REGISTER).match
    assert match is not None
    assert match["to_uri"] == "sip:alice@example.com"
    assert match["contact_uri"] == "sip:alice@10.0.0.7:5060;transport=udp"
    assert (match["contact_expires"], match["contact_rest"]) == ("3600", "")


@pytest.mark.parametrize(
    "change",
    [
        (b"branch=z9hG4bK-7-1", b"branch=z9hG4bK"),  # the cookie alone
        (b"rport;", b"rport;rport;"),
        (b"z9hG4bK-7-1", b"z9hG4bK-7-1;branch=z9hG4bK2"),
        (b"10.0.0.7:5060;rport", b"10.0.0.7:0;rport"),
        (b"\"Alice A\"", b"\"Alice"),
        (b";tag=a7", b";tag=a7;tag=a8"),
        (b"CSeq: 3 R", b"CSeq: 4294967296 R"),
        (b"CSeq: 3 R", b"CSeq: 3 OPTIONS R"),
        (b"Max-Forwards: 70", b"Max-Forwards: 256"),
        (b"Content-Length: 0", b"Content-Length: 7"),
        (b"Content-Length: 0", b"Content-Length: -1"),
        (b"Call-ID: 7@", b"Call-ID: 7 @"),
        (b"Call-ID: 7@10.0.0.7", b"Call-ID: "),
        (b";expires=3600", b";expires=3600;expires=1"),
        (b";expires=3600", b";q=2;expires=3600"),
        (b"phone/1.0", b"phone\x01"),
        (b"phone/1.0", b"phone\r1.0"),
        (b"phone/1.0", b"phone\n1.0"),
        (b"sip:example.com SIP", b"sip:example.com:99999 SIP"),
        (b"sip:example.com SIP", b"sip:example.com?a=b SIP"),
        (b"SIP/2.0\r", b"SIP/3.0\r"),
        (b"REGISTER sip:", b"REGISTERS sip:"),
    ],
)  # fmt: skip
def test_what_the_checks_refuse_no_shape_reads(change: tuple[bytes, bytes]) -> None:
    met_often(REGISTER)
    assert change[0] in REGISTER
    message = shapes.read(REGISTER.replace(*change))
    assert message.match is None
    with pytest.raises(SipError):
        check(message)


@pytest.mark.parametrize(
    "change",
    [
        (b"10.0.0.7:5060;rport", b"10.0.0.8:5060;rport"),  # a Via not met before
        (b"phone/1.0", "phöne".encode()),
        (b";expires=3600", b';expires=3600;+sip.instance="<urn:uuid:1>"'),
        (b"sip:alice@example.com>\r", b"tel:+1>\r"),
        (b"To: <", b"To:\r\n <"),
        (b"Call-ID", b"i"),
        (b"phone/1.0", b"phone/1.0 "),
    ],
)
def test_what_no_shape_can_prove_goes_the_careful_way(change: tuple[bytes, bytes]) -> None:
    met_often(REGISTER)
    assert change[0] in REGISTER
    data = REGISTER.replace(*change)
    message = shapes.read(data)
    assert message.match is None
    check(message)
    agree(data)


def test_a_contact_with_more_is_read_once_it_was_found_good() -> None:
    met_often(REGISTER)
    data = REGISTER.replace(b";expires=3600", b';+sip.instance="<urn:uuid:1>";expires=60')
    message = shapes.read(data)
    assert message.match is None
    check(message)
    match = shapes.read(data).match
    assert match is not None
    assert match["contact_uri"] is None
    agree(data)


def test_octets_behind_the_body_are_cut_off_the_careful_way() -> None:
    met_often(REGISTER)
    message = shapes.read(REGISTER + b"more")
    assert message.match is None
    assert message.data() == REGISTER


def test_so_many_shapes_are_known_and_no_more() -> None:
    for number in range(shapes.MOST_SHAPES + 5):
        met_often(REGISTER.replace(b"User-Agent", b"X-%d" % number))
        assert len(shapes.shapes) <= shapes.MOST_SHAPES
        assert all(len(known) <= shapes.MOST_TRIED for known in shapes.by_beginning.values())


def test_a_shape_that_cannot_match_is_made_once() -> None:
    data = REGISTER.replace(b"sip:alice@example.com>\r", b"tel:+1>\r")
    for _ in range(shapes.OFTEN * 5):
        check(shapes.read(data))
    assert len(shapes.shapes) == 1


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_shapes_and_checks_agree_about_every_message(path: Path) -> None:
    data = path.read_bytes()
    for known in VALID:
        try:
            message = messages.read(known.read_bytes())
            check(message)
            check(message)
        except SipError:
            continue
        if message.kinds in proven.proven_kinds and message.via is not None:
            shapes.make(message)
    agree(data)


@given(
    at=st.integers(0, len(REGISTER)),
    cut=st.integers(0, 12),
    new=st.one_of(
        st.binary(max_size=4),
        st.sampled_from([b";", b",", b'"', b"<", b">", b"\r\n", b"\r\n ", b":", b"@", b" ", b"\t", b"=", b"*"]),
    ),
    data=st.sampled_from([REGISTER, RINGING]),
)  # fmt: skip
def test_whatever_is_changed_shapes_and_checks_agree(at: int, cut: int, new: bytes, data: bytes) -> None:
    if not shapes.by_beginning:
        met_often(REGISTER)
        met_often(RINGING)
    agree(data[:at] + new + data[at + cut :])


def test_the_time_of_a_hostile_head_grows_with_its_length_only() -> None:
    met_often(REGISTER)
    long = REGISTER.replace(b";rport", b";x" * 3_500)
    began = time.process_time()
    for _ in range(20):
        assert shapes.read(long).match is None
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("marks", [False, True], ids=["told", "marked"])
@pytest.mark.parametrize("to", [b"", b";tag=t"], ids=["no tag", "a tag"])
def test_a_reply_is_the_same_whoever_read_the_request(to: bytes, marks: bool) -> None:
    data = REGISTER.replace(b"Max-Forwards: 70\r\n", b"Via: SIP/2.0/TCP p;branch=z9hG4bK9\r\nMax-Forwards: 70\r\n")
    data = data.replace(b"To: <sip:alice@example.com>", b"To: <sip:alice@example.com>" + to)
    known, fresh = met_often(data), carefully(data)
    assert known.match is not None
    for status in (100, 200, 404):
        replies = [
            build.reply(
                one, status, "So", "mine", "X: 1\r\n", "ä", build.via_marks(one, "10.0.0.9", 5) if marks else None
            )
            for one in (known, fresh)
        ]
        assert replies[0] == replies[1]
