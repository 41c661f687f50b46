import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip import grammar, proven, valid_values
from pysips.sip.message import known_lengths, read
from pysips.sip.uri import parse_uri
from pysips.sip.validate import check

GOOD = """\
INVITE sip:b@h SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK1
Max-Forwards: 70
From: "A" <sip:a@h>;tag=f1
To: <sip:b@h>
Call-ID: c1@192.0.2.1
CSeq: 7 INVITE
Contact: <sip:a@192.0.2.1:5070>;expires=60;q=0.5
Content-Length: 0

"""


def verdict(text: str) -> int:
    """The status that a message is refused with, 0 for none."""
    data = text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
    try:
        check(read(data))
    except SipError as error:
        assert error.reason.isprintable()
        return error.status
    return 0


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def forget() -> None:
    for known in (
        proven.proven_kinds,
        proven.proven_methods,
        proven.proven_uris,
        proven.proven_cseqs,
        proven.proven_hops,
        known_lengths,
        proven.proven_vias,
        proven.proven_addresses,
        proven.proven_contacts,
    ):
        known.clear()


FINE = [
    ("CSeq: 7 INVITE", "CSeq: 0007\t INVITE"),
    ("CSeq: 7", "CSeq: 2147483647"),
    ("Max-Forwards: 70\n", ""),
    ("Max-Forwards: 70", "Max-Forwards: 0068"),
    ("Content-Length: 0\n", ""),
    ("branch=z9hG4bK1", "branch=old"),
    (";branch=z9hG4bK1", ""),
    ("branch=z9hG4bK1", "branch=z9hG4bK-.!%66*_+`'~=="),
    ("branch=z9hG4bK1", 'x="a, b;c";branch=z9hG4bK1'),
    ("To: <sip:b@h>", "To: sip:b@h;tag=1"),
    ("To: <sip:b@h>", "To: B <tel:+1;phone-context=x>"),
    ("To: <sip:b@h>", "To:\n <sip:b@h>\n ;x"),
    ("To: <sip:b@h>", "To: Zoë <unknown:scheme>"),
    ("tag=f1", 'tag=f1;x=">;tag=no"'),
    ("q=0.5", 'q=1.000;+sip.instance="<urn:uuid:1>"'),
    ("Contact: <sip:a@192.0.2.1:5070>;expires=60;q=0.5", "Contact: *"),
    ("sip:b@h SIP", "sip:%62@[2001:db8::1]:5060;transport=tcp SIP"),
    ("sip:b@h SIP", "urn:service:sos SIP"),
    ("Content-Length: 0", "Expires: abc\nDate: never\nSubject:\nContent-Length: 0"),
]


@pytest.mark.parametrize(("old", "new"), FINE)
def test_what_rfc_3261_allows_passes_carefully_and_by_memory(old: str, new: str) -> None:
    forget()
    assert verdict(changed(old, new)) == 0
    assert verdict(changed(old, new)) == 0
    assert verdict(changed(old, new).replace("z9hG4bK1", "z9hG4bK2").replace("f1", "f2")) == 0


REFUSED = [
    *[
        ("CSeq: 7 INVITE", "CSeq: " + value)
        for value in ("", "7", "INVITE", "x INVITE", "+7 INVITE", "7 BYE", "7 invite")
    ],
    ("CSeq: 7", "CSeq: 2147483648"),
    *[("Max-Forwards: 70", "Max-Forwards: " + value) for value in ("", "256", "-1", "+1", "7 0", "\u0667")],
    *[
        ("Length: 0", "Length: " + value)
        for value in ("1", "-1", "+0", "0x0", "", "0 0", "4294967296", "9" * 20, "\u0660")
    ],
    *[("Call-ID: c1@192.0.2.1", "Call-ID: " + value) for value in ("", "a b", "a\tb", "\udcff")],
    *[
        ("branch=z9hG4bK1", value)
        for value in ("branch=z9hG4bK", "branch=", "branch=z9hG4bK1;branch=z9hG4bK2", "branch=a b")
    ],
    *[
        ("192.0.2.1:5070;rport", value)
        for value in ("192.0.2.1:0;rport", ";rport", "h;;rport", "h;r port", "h;rport=;x")
    ],
    *[("UDP 192", value) for value in ("U(P 192", "192", "UDP, 192")],
    *[
        ("To: <sip:b@h>", "To: " + value)
        for value in ("", "<sip:b@h", "sip:b@h>", '"B <sip:b@h>', "<sip:b @h>", "< sip:b@h>")
    ],
    *[
        ("To: <sip:b@h>", "To: " + value)
        for value in ("B, C <sip:b@h>", "<sip:b@h:0>", "<b@h>", "<>", "sip:b@h?x=y", "<sip:b@h>x")
    ],
    *[
        ("To: <sip:b@h>", "To: <sip:b@h>" + value)
        for value in (";", ";tag=", ";;tag=1", ";tag=1;TAG=2", ';x="', ";a=b c", ";=")
    ],
    *[("To: <sip:b@h>", "To: <sip:b@h>," + value) for value in ("", "<sip:c@h>")],
    *[("q=0.5", value) for value in ("q=9.9", "q=-1", "q=1.001", "q=0.1234", "q=", "q=.5", "q")],
    *[
        ("Contact: <sip:a@192.0.2.1:5070>", "Contact: " + value)
        for value in ("%", "*,<sip:x>", "<sip:a?b", "sip:a?b=c", ",", "*;x=1")
    ],
    (";rport;branch=z9hG4bK1", ";"),
    (";q=0.5", ";q=0.5;"),
    ("sip:b@h SIP", "sip:b@h?x=y SIP"),
    ("sip:b@h SIP", "sip:b@h:99999 SIP"),
    ("sip:b@h SIP", "<sip:b@h> SIP"),
    ("INVITE sip", "INV(ITE sip"),
    ("INVITE sip", "I" * 200 + " sip"),
    ("To: <sip:b@h>", "To: <sip:b@h>\nt: <sip:b@h>"),
    ("Max-Forwards: 70", "Max-Forwards: 70\nMax-Forwards: 70"),
    ("To: <sip:b@h>", "Subject: \x01\nTo: <sip:b@h>"),
    ("To: <sip:b@h>", "Subject: " + "x" * 20_000 + "\nTo: <sip:b@h>"),
    ("Content-Length: 0", "X: y\n" * 1100 + "Content-Length: 0"),
    ("Contact: <sip:a@192.0.2.1:5070>", "Contact: " + "<sip:x>," * 600 + "<sip:y>"),
]


@pytest.mark.parametrize(("old", "new"), REFUSED)
def test_what_rfc_3261_forbids_is_400_at_first_sight_and_after_good_ones(old: str, new: str) -> None:
    forget()
    assert verdict(changed(old, new)) == 400
    assert verdict(GOOD) == 0
    assert verdict(changed(old, new)) == 400


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_no_mandatory_header_may_be_missing(name: str) -> None:
    forget()
    without = "\n".join(line for line in GOOD.split("\n") if not line.startswith(name + ":"))
    assert verdict(without) == 400


def test_statuses_of_their_own() -> None:
    assert verdict(changed("SIP/2.0\nVia", "SIP/3.0\nVia")) == 505
    assert verdict(changed("sip:b@h SIP", "sip:" + "b" * 9000 + "@h SIP")) == 414


def test_a_control_character_may_stand_in_a_quoted_pair_only() -> None:
    assert verdict(changed('"A"', '"A\\\x00\\\x7f"')) == 0
    assert verdict(changed('"A"', '"A\\\\\x00"')) == 400
    assert verdict(changed('"A"', '"A\x00"')) == 400
    assert verdict(changed('"A"', "A\\\x01")) == 400
    assert verdict(changed("INVITE sip", "INV\x01ITE sip")) == 400


def test_replies_are_checked_too() -> None:
    reply = changed("INVITE sip:b@h SIP/2.0", "SIP/2.0 200 OK")
    assert verdict(reply) == 0
    assert verdict(reply.replace("CSeq: 7 INVITE", "CSeq: 7 BYE")) == 0
    assert verdict(reply.replace("CSeq: 7 INVITE", "CSeq: 7")) == 400
    assert verdict(reply.replace("Via: ", "Vi: ")) == 400
    assert verdict(reply.replace("branch=z9hG4bK1", "branch=z9hG4bK1, SIP/2.0/UDP h;branch=z9hG4bK2")) == 0
    assert verdict(reply.replace("branch=z9hG4bK1", "branch=z9hG4bK1, SIP/2.0/UDP")) == 400


def test_what_is_remembered_has_a_limit() -> None:
    for i in range(proven.MOST_PROVEN + 10):
        proven.remember(proven.proven_uris, f"sip:{i}@h")
    assert len(proven.proven_uris) <= proven.MOST_PROVEN
    proven.remember(proven.proven_uris, "x" * 1000)
    assert "x" * 1000 not in proven.proven_uris


PLACES = st.integers(0, len(GOOD) - 1)
WORDS = [";branch=z9hG4bK", ";tag=", "\n ", "z9hG4bK", '">', "", "rport"]
SCRAPS = st.sampled_from([*'<>"\\,;:=@?% \t*1aZ\x00\n', *WORDS])


@settings(max_examples=400)
@given(st.lists(st.tuples(PLACES, st.integers(0, 3), SCRAPS), min_size=1, max_size=3))
def test_memory_never_lets_pass_what_the_careful_look_refuses(edits: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for at, cut, new in edits:
        text = text[:at] + new + text[at + cut :]
    if not text.strip("\n"):
        return
    try:
        read(text.replace("\n", "\r\n").encode())
    except SipError:
        return
    forget()
    careful = verdict(text)
    assert verdict(GOOD) == 0
    assert verdict(GOOD.replace("z9hG4bK1", "z9hG4bKx").replace("f1", "f9")) == 0
    assert verdict(text) == careful
    assert verdict(text) == careful


@pytest.mark.parametrize(
    "line",
    [
        "To: " + '"' * 60_000,
        "To: <sip:a>" + ";a" * 30_000,
        "Contact: " + "<sip:a>," * 7_500,
        "Via: SIP/2.0/UDP h" + ";" * 60_000,
        "Via: " + "SIP/2.0/UDP h," * 4_000,
        "To: <sip:" + "%" * 60_000 + ">",
        'To: "' + "\\a" * 30_000 + '" <sip:a>',
        "To: " + "a " * 30_000 + "<sip:a>",
        "Subject: \x01" + '"\\' * 30_000,
        "Subject: " + '"\x01' * 30_000,
        "Subject: " + '"\\\x01"' * 15_000,
        "\n ".join(["Contact: <sip:a>"] + [",<sip:a>"] * 5_000),
    ],
    ids=range(12),
)
def test_the_largest_datagrams_are_judged_in_a_moment(line: str) -> None:
    text = GOOD.replace("Contact: <sip:a@192.0.2.1:5070>;expires=60;q=0.5", line)
    forget()
    began = time.perf_counter()
    verdict(text)
    message = read(text.replace("\n", "\r\n").encode())
    message.branch(), message.to_tag(), message.from_tag()
    assert time.perf_counter() - began < 1.0


@settings(max_examples=200)
@given(st.from_regex(grammar.PLAIN_CONTACT, fullmatch=True))
def test_what_is_plain_passes_the_careful_look(value: str) -> None:
    if len(value) < proven.LONGEST_PROVEN:
        assert not valid_values.check_contact(value)


@settings(max_examples=200)
@given(st.from_regex(grammar.PLAIN_URI, fullmatch=True))
def test_plain_uris_can_be_read_and_have_no_headers(value: str) -> None:
    assert not parse_uri(value).headers
