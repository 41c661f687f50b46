import pytest

from pysips.sip.sdp import MOST_LINES, Line, address_of, lines_of, port_of, sections

SDP = """\
v=0\r
o=- 1 1 IN IP4 10.0.0.1\r
s=-\r
c=IN IP4 224.2.1.1/127/3\r
t=0 0\r
nonsense\r
m=audio 49170/2 RTP/AVP 0\r
a=rtpmap\r
m=video 0 RTP/AVP 31\n\
c=IN ip6 2001:db8::1"""


def test_a_description_is_a_session_and_its_media() -> None:
    session, media = sections(SDP, 0, len(SDP))
    assert "".join(line.letter for line in session) == "vosct"
    assert ["".join(line.letter for line in each.lines) for each in media] == ["ma", "mc"]
    assert SDP[media[0].start : media[0].end].startswith("m=audio")
    assert SDP[media[0].start : media[0].end].endswith("a=rtpmap\r\n")
    assert media[1].end == len(SDP)


def test_addresses_and_ports_have_their_places() -> None:
    session, media = sections(SDP, 0, len(SDP))
    places = [address_of(SDP, line) for line in (session[1], session[3], media[1].lines[1])]
    assert [(SDP[a:b], kind) for a, b, kind in places] == [
        ("10.0.0.1", "IP4"),
        ("224.2.1.1", "IP4"),
        ("2001:db8::1", "IP6"),
    ]
    a, b = port_of(SDP, media[0].lines[0])
    assert SDP[a:b] == "49170"


@pytest.mark.parametrize("text", ["c=IN IP4", "c=", "o=- 1 1 IN IP4", "c=IN ATM x", "s=IN IP4 x", "c=   "])
def test_a_line_without_an_address_has_none(text: str) -> None:
    assert address_of(text, lines_of(text, 0, len(text))[0]) == (0, 0, "")


@pytest.mark.parametrize("text", ["m=", "m=audio", "a=audio 5"])
def test_a_line_without_a_port_has_none(text: str) -> None:
    assert port_of(text, lines_of(text, 0, len(text))[0]) == (0, 0)


def test_the_description_ends_where_its_part_does() -> None:
    text = "--b\r\nv=0\r\ns=x\r\n--b--"
    found: list[Line] = lines_of(text, 5, text.index("\r\n--b--"))
    assert [text[line.a : line.b] for line in found] == ["0", "x"]


def test_more_lines_than_anybody_needs_are_left_alone() -> None:
    text = "a=1\n" * 20_000
    assert len(lines_of(text, 0, len(text))) == MOST_LINES
