import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.address import address_param
from pysips.sip.headers import CONTACT, FROM, TO, VIA
from pysips.sip.message import Message, read
from pysips.sip.scan import ODD_START, ODD_VERSION


def message(*lines: str, first: str = "INVITE sip:b@h SIP/2.0", body: str = "") -> Message:
    return read(("\r\n".join((first, *lines)) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape"))


def test_a_request_line() -> None:
    found = message("Via: x")
    assert (found.method, found.uri, found.status, found.version, found.odd) == ("INVITE", "sip:b@h", 0, "SIP/2.0", 0)


def test_a_status_line() -> None:
    found = message("CSeq: 7  BYE", first="SIP/2.0 486 Busy Here")
    assert (found.status, found.reason, found.method, found.uri, found.version) == (
        486,
        "Busy Here",
        "BYE",
        "",
        "SIP/2.0",
    )
    assert message(first="SIP/2.0 200 ").reason == ""
    assert message(first="SIP/2.0 200").status == 200


NO_FIRST_LINES = """\
hello world
OPTIONS
OPTIONS sip:a
OPTIONS  sip:a SIP/2.0
OPTIONS sip:a b SIP/2.0
OPTIONS sip:a 2.0
 OPTIONS sip:a SIP/2.0
OPTIONS\tsip:a\tSIP/2.0
GET / HTTP/1.1
OPTIONS sip:a SIP/2.0 |""".replace("|", "").split("\n")


@pytest.mark.parametrize("first", NO_FIRST_LINES)
def test_a_first_line_that_is_none_leaves_no_uri(first: str) -> None:
    found = message("Via: x", first=first)
    assert found.odd & ODD_START
    assert found.uri == ""


def test_another_version_is_noted_and_small_letters_are_not() -> None:
    assert message(first="OPTIONS sip:a SIP/3.0").odd & ODD_VERSION
    assert message(first="SIP/2.1 200 OK").odd & ODD_VERSION
    assert message(first="OPTIONS sip:a sip/2.0").odd == 0
    assert message(first="sip/2.0 200 OK").odd == 0


@pytest.mark.parametrize(
    "first", ["SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 2000 x", "SIP/2.0 +20 x", "SIP/2.0 ٢٠٠ x", "SIP/"]
)
def test_a_reply_without_a_status_is_no_message(first: str) -> None:
    with pytest.raises(SipError):
        message(first=first)


def test_headers_are_found_by_letter_by_name_and_by_compact_form() -> None:
    found = message("v: 1", "Via : 2", "X-Secret\t: s", "Subject: a", " b", "x-SECRET: t")
    assert found.value(VIA) == "1"
    assert found.values(VIA) == ["1", "2"]
    assert found.find("VIA") == found.find("v") == [1, 2]
    assert found.find("X-Secret") == [3, 6]
    assert found.header("s") == "a b"
    assert found.header("X-None") is None
    assert found.name(3) == "X-Secret"
    assert found.value(CONTACT) == ""


def test_a_name_with_controls_or_a_fold_before_the_colon_is_found_too() -> None:
    found = message("X-Secret\x0b: v", "X-Other", " : w")
    assert found.find("X-Secret") == [1]
    assert found.find("X-Other") == [2]
    assert found.header("X-Other") == "w"


def test_the_span_of_a_header_is_what_to_cut() -> None:
    found = message("A: 1", "B: 2", "\t3", "C: 4")
    a, b = found.span(2)
    assert found.text[a:b] == "B: 2\r\n\t3\r\n"
    a, b = found.value_span(2)
    assert found.text[a:b] == "2\r\n\t3"


def test_lf_only_messages_are_read_the_same() -> None:
    found = read(b"INVITE sip:b@h SIP/2.0\nTo: <sip:b>;tag=1\nSubject: a\n b\nVia: SIP/2.0/UDP h;branch=z\n\nbody")
    assert (found.uri, found.line(1), found.to_tag(), found.header("subject")) == (
        "sip:b@h",
        "To: <sip:b>;tag=1",
        "1",
        "a b",
    )
    assert (found.branch(), found.body()) == ("z", "body")


def test_cseq() -> None:
    assert message("CSeq: 0009\r\n\t INVITE").cseq() == (9, "INVITE")
    for value in ("", "1", "x INVITE", "2147483648 INVITE", "+1 INVITE", "1_0 INVITE", "-1 INVITE", "INVITE 1"):
        with pytest.raises(SipError):
            message("CSeq: " + value).cseq()


def test_content_length() -> None:
    assert message("l: 0").content_length() == 0
    assert message("To: x").content_length() == -1
    for value in ("", "-1", "+5", "1e3", "5 5", "0x10", "٥", "99999999999999999999", "4294967296"):
        with pytest.raises(SipError):
            message("Content-Length: " + value).content_length()


def test_octets_behind_the_body_are_cut_off_and_counted_in_bytes() -> None:
    assert message("l: 3", body="abcdef").body() == "abc"
    assert message("l: 2", body="äb").body() == "ä"
    assert message("l: 9", body="abc").body() == "abc"
    assert message("l: x", body="abc").body() == "abc"
    assert message("l: 1", body="äb").data()[-1:] == "ä".encode()[:1]
    assert message(body="äb").body_size() == 3


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:a@h>;tag=1", "1"),
        ("sip:a@h;tag=1", "1"),
        ("<sip:a@h;tag=no>", ""),
        ("<sip:a@h;tag=no> ; x=y ; TAG = 1 ;z", "1"),
        ('"a;tag=no" <sip:a@h>', ""),
        ('"a>;tag=no" <sip:a@h>;tag=1', "1"),
        ('<sip:a@h>;x=">;tag=no";tag=1', "1"),
        ('<sip:a@h>;x=";tag=no"', ""),
        ("<sip:a@h>;tag", ""),
        ("<sip:a@h>;xtag=no", ""),
        ("<sip:a@h>\r\n ;\r\n tag = 1", "1"),
        ('"open <sip:a@h>;x="', ""),
    ],
)
def test_the_tag_is_the_headers_own(value: str, tag: str) -> None:
    assert message("From: " + value).from_tag() == tag
    assert message("t: " + value).to_tag() == tag


@pytest.mark.parametrize(
    ("value", "branch"),
    [
        ("SIP/2.0/UDP h;branch=z1", "z1"),
        ("SIP/2.0/UDP h;rport;branch=z1;x", "z1"),
        ("SIP/2.0/UDP h;branch=z1, SIP/2.0/UDP h;branch=z2", "z1"),
        ("SIP/2.0/UDP h, SIP/2.0/UDP h;branch=z2", ""),
        ("SIP/2.0/UDP h ; Branch = z1 , x", "z1"),
        ('SIP/2.0/UDP h;x=";branch=no,";branch=z1', "z1"),
        ("SIP/2.0/UDP h;\r\n branch=z1", "z1"),
        ("SIP/2.0/UDP h", ""),
        ("nonsense", ""),
    ],
)
def test_the_branch_is_that_of_the_topmost_via(value: str, branch: str) -> None:
    assert message("To: x", "Via: " + value, "Via: SIP/2.0/UDP l;branch=last").branch() == branch


def test_the_topmost_via_goes_with_its_line_or_its_part_of_it() -> None:
    for lines, rest in (
        (("Via: SIP/2.0/UDP a;x=1", "To: t"), "To: t\r\n\r\n"),
        (("Via: SIP/2.0/UDP a;\r\n x=1", "Via: SIP/2.0/UDP b"), "Via: SIP/2.0/UDP b\r\n\r\n"),
        (('Via: SIP/2.0/UDP a;x=",", SIP/2.0/UDP b', "To: t"), "Via: SIP/2.0/UDP b\r\nTo: t\r\n\r\n"),
    ):
        found = message(*lines)
        a, b = found.without_top_via()
        assert (found.text[:a] + found.text[b:]).partition("\r\n")[2] == rest
        assert found.top_via().host == "a"


def test_without_a_via_there_is_none() -> None:
    found = message("To: x")
    assert found.branch() == ""
    with pytest.raises(SipError):
        found.top_via()
    with pytest.raises(SipError):
        found.without_top_via()


VALUES = st.text(alphabet='";,=<> \\tagTAG1:')


@given(VALUES)
def test_the_quick_look_for_a_tag_says_what_the_careful_one_says(value: str) -> None:
    for text in ("<sip:a@h>" + value, '"x" <sip:a@h>;tag=1' + value, '"x>" <sip:a@h>;' + value, "sip:a@h;" + value):
        found = message("From: " + text)
        assert found.from_tag() == address_param(text, "tag")


@given(st.text(alphabet='";,=<> \\branchz:'))
def test_the_quick_look_for_a_branch_says_what_the_careful_one_says(value: str) -> None:
    for text in ("SIP/2.0/UDP h" + value, "SIP/2.0/UDP h;branch=z9" + value, "SIP/2.0/UDP h;x" + value + ";branch=z8"):
        found = message("Via: " + text)
        assert found.branch() == found.careful_branch()


NAMES = st.sampled_from(["Via", "v", "To", "X-A", "Subject", "s", "Contact", "CSeq"])
TEXTS = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]))


@given(st.lists(st.tuples(NAMES, TEXTS)), st.binary())
def test_what_goes_in_comes_out(lines: list[tuple[str, str]], body: bytes) -> None:
    head = "INVITE sip:b@h SIP/2.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    data = head.encode() + b"\r\n" + body
    found = read(data)
    assert found.data() == data
    assert found.body_bytes() == body
    assert [found.value_at(k + 1) for k in range(len(lines))] == [value.strip(" \t") for _, value in lines]


@given(st.binary() | st.text(alphabet="INVTE sip:/2.0\r\n\t;v=<>").map(str.encode))
def test_any_datagram_is_a_message_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except SipError:
        return
    found.branch(), found.from_tag(), found.to_tag(), found.call_id(), found.body(), found.version, found.reason
    for k in range(len(found.kinds)):
        found.line(k), found.value_at(k), found.name(k), found.span(k), found.value_span(k)
    for kind in (FROM, TO, CONTACT):
        found.values(kind), found.param(kind, "tag")
