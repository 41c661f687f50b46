"""Nothing that a peer sends raises anything but SipError: the recorded messages, spoilt in every way."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip import build, parts, sdp
from pysips.sip.address import parse_addresses
from pysips.sip.edits import Edits
from pysips.sip.headers import CONTACT, CONTENT_TYPE, FROM, RECORD_ROUTE, ROUTE, TO, VIA
from pysips.sip.message import Message, read
from pysips.sip.scan import scan_bytes, scan_careful, scan_plain
from pysips.sip.stream import Framer, Unframed
from pysips.sip.uri import aor_of, equal, host_port, parse_uri
from pysips.sip.validate import check
from pysips.sip.via import parse_vias, reply_to

WIRE = Path(__file__).resolve().parent.parent / "wire"
RECORDED = [path.read_bytes() for path in sorted(WIRE.glob("*/*.sip")) if path.stat().st_size < 5_000]
SCRAPS = st.sampled_from([bytes([n]) for n in b'\r\n\t <>"\\,;:=@?%[]*\x00\x7f\xff0a']) | st.binary(max_size=3)
CUTS = st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 40), SCRAPS), max_size=4)


def spoilt(data: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, new in cuts:
        at = int(where * len(data))
        data = data[:at] + new + data[at + length :]
    return data


def use(message: Message) -> None:
    """Everything that a server does with what it has read."""
    for ask in (message.cseq, message.content_length, message.top_via, message.without_top_via):
        tried(ask)
    text = message.text
    tried(lambda: message.address(FROM))
    for value in message.values(VIA):
        tried(lambda value=value: [reply_to(via) for via in parse_vias(value)])
    for kind in (FROM, TO, CONTACT, ROUTE, RECORD_ROUTE):
        for value in message.values(kind):
            tried(lambda value=value: [parse_uri(each.uri).param("lr") for each in parse_addresses(value)])
            tried(lambda value=value: [each.param("q") for each in parse_addresses(value)])
    tried(lambda: parts.parts_of(message.value(CONTENT_TYPE), message.body()))
    for line in sdp.lines_of(text, message.body_at, len(text)):
        sdp.address_of(text, line), sdp.port_of(text, line)
    for look in (host_port, aor_of, parse_uri):
        tried(lambda look=look: look(message.uri))
    equal(message.uri, message.uri + "x")
    edits = Edits()
    for k in range(1, len(message.kinds)):
        edits.remove(*message.span(k))
    assert len(edits.write(text)) <= len(message.data())
    if message.status:
        return
    again = read(build.reply(message, 400, "Bad", "tag").encode("utf-8", "surrogateescape"))
    assert again.status == 400
    assert again.values(VIA) == [value.rstrip("\r \t") for value in message.values(VIA)]  # Via gets a proper line end
    assert again.call_id() == message.call_id()
    tried(lambda: build.reply(message, 200, "OK", marks=build.via_marks(message, "192.0.2.7", 7)))
    tried(lambda: read(build.cancel(text).encode("utf-8", "surrogateescape")))
    tried(lambda: read(build.ack(text, again).encode("utf-8", "surrogateescape")))


def tried(ask: object) -> None:
    assert callable(ask)
    try:
        ask()
    except SipError as error:
        assert 400 <= error.status < 700


@pytest.mark.parametrize("data", RECORDED, ids=range(len(RECORDED)))
def test_every_recorded_message_can_be_used(data: bytes) -> None:
    try:
        message = read(data)
    except SipError:
        return
    use(message)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(RECORDED), CUTS)
def test_every_spoilt_message_is_read_or_refused(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    data = spoilt(data, cuts)
    try:
        message = read(data)
    except SipError:
        return
    use(message)
    try:
        check(message)
    except SipError as error:
        assert error.status in (400, 414, 505)
        return
    if not message.status:  # what passed can be answered and followed
        parse_uri(message.uri), message.cseq(), message.top_via(), message.address(FROM), message.address(TO)
        build.via_marks(message, "192.0.2.7", 7, True)
        assert build.cancel(message.text).startswith("CANCEL ")


@settings(max_examples=300)
@given(st.sampled_from(RECORDED), CUTS)
def test_both_readers_agree_on_every_spoilt_message(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    data = bytes(byte & 127 for byte in spoilt(data, cuts)).lstrip(b"\r\n")
    if data:
        text = data.decode()
        assert scan_bytes(data, text) == scan_plain(data, text) == scan_careful(data, text)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(RECORDED), max_size=3), CUTS)
def test_a_spoilt_stream_is_cut_into_messages_or_ends(items: list[bytes], cuts: list[tuple[float, int, bytes]]) -> None:
    data = spoilt(b"".join(items), cuts)
    framer = Framer()
    try:
        found = framer.feed(data)
    except Unframed as error:
        found = error.items
        assert error.status in (400, 513)
    assert sum(len(item) for item in found) <= len(data)
    for item in found:
        tried(lambda item=item: use(read(item)))
