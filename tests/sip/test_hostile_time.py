"""A message takes time in proportion to its length, whatever is repeated in it."""

import time

import pytest

from pysips.errors import SipError
from pysips.sip import build
from pysips.sip.message import read
from pysips.sip.validate import check
from tests.sip.test_hostile import use

LENGTH = 16_000  # nearly the longest header that is read
NAMES = ["Via", "From", "To", "Contact", "Route", "Call-ID", "CSeq", "Content-Length", "Content-Type", "X"]
UNITS = [
    " ", "\t", '"', '""', ",", ", ", ";", "; ", ";a", "=", "<", "<>", ">", "(", "()", "\\", '\\"', "%", "%41", "@", ":",
    "[", "é", "\0", "0", "a", "a,", '"a",', "<sip:a>,", "sip:", "\r\n ", "\r\n\t,", "\n", "\r\ni:", "\r\nX:a",
    "\r\nVia: ",
]  # fmt: skip
HEADERS = {
    "Via": "SIP/2.0/UDP h;branch=z9hG4bK1", "From": "<sip:a@b>;tag=1", "To": "<sip:c@d>", "Call-ID": "1",
    "CSeq": "1 INVITE", "Max-Forwards": "70",
}  # fmt: skip


def request(name: str, value: str, uri: str = "sip:c@d", body: str = "") -> bytes:
    """An INVITE with this value of this header, or this URI or body."""
    headers = {**HEADERS, name: value} if name else HEADERS
    lines = "".join([f"{one}: {text}\r\n" for one, text in headers.items()])
    return f"INVITE {uri} SIP/2.0\r\n{lines}\r\n{body}".encode()


def seconds(data: bytes) -> float:
    """The processor's time for all that a server does with a message."""
    begun = time.process_time()
    try:
        message = read(data)
    except SipError:
        return time.process_time() - begun
    try:
        check(message)
    except SipError as problem:
        build.reply(message, 400, problem.reason, "tag")
    else:
        use(message)
    return time.process_time() - begun


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["", "x", '"'], ids=["open", "letter", "quote"])
def test_no_header_makes_a_message_slow(name: str, end: str) -> None:
    for unit in UNITS:
        value = HEADERS.get(name, "a") + ";p=" + (unit * LENGTH)[:LENGTH] + end
        assert seconds(request(name, value)) < 1, repr(unit)
        assert seconds(request(name, (unit * LENGTH)[:LENGTH] + end)) < 1, repr(unit)


def test_no_request_uri_and_no_body_makes_a_message_slow() -> None:
    for unit in UNITS:
        run = (unit * 60_000)[:60_000]
        assert seconds(request("", "", uri="sip:" + run[:8_000] + "x")) < 1, repr(unit)
        assert seconds(request("Content-Type", "multipart/mixed;boundary=a", body="--a\r\n" + run)) < 1, repr(unit)
        assert seconds(request("Content-Type", "application/sdp", body="v=0\r\nm=" + run)) < 1, repr(unit)
