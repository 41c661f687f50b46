import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.scan import ODD_CONTROL, ODD_END, ODD_LINE_END, ODD_NAME, scan, scan_bytes, scan_careful, scan_plain

FIRST = "OPTIONS sip:a@h SIP/2.0\r\n"


def test_one_letter_and_one_offset_a_line() -> None:
    text, kinds, starts, body_at, odd = scan((FIRST + "v: x\r\nX-A: y\r\n z\r\nFROM : f\r\n\r\nbody").encode())
    assert kinds == "-V- F"
    assert [text[a : a + 2] for a in starts] == ["OP", "v:", "X-", " z", "FR", "\r\n"]
    assert text[body_at:] == "body"
    assert odd == 0


@pytest.mark.parametrize(
    ("head", "odd"),
    [
        ("Via: x\nTo: y\n\n", ODD_LINE_END),
        ("Via: x\r\nTo: y\r\n\n", ODD_LINE_END),
        ("Via: x\r\nTo: a\rb\r\n\r\n", ODD_LINE_END),
        ("Via: x\r\nTo: y", ODD_END),
        ("Via: x\r\nTo: y\r\n", ODD_END),
        ("Via: x\r\nTo y\r\n\r\n", ODD_NAME),
        ("Via: x\r\nTo\r\n\r\n", ODD_NAME),
        ("Via: x\r\nv\r\n: y\r\n\r\n", ODD_NAME),
        ("Via: x\r\nT\0: y\r\n\r\n", ODD_NAME | ODD_CONTROL),
        ("Via: x\r\nTo: \x7f\r\n\r\n", ODD_CONTROL),
        ("Via: x\r\nTo: y\r\n\r\n\0\n", 0),
    ],
)
def test_what_is_not_as_it_should_be_is_noted(head: str, odd: int) -> None:
    index = scan((FIRST + head).encode())
    assert index[4] == odd
    assert index[1][:2] == "-V"


def test_the_first_empty_line_ends_the_head_whatever_its_line_end() -> None:
    text, kinds, _, body_at, _ = scan((FIRST + "Via: x\n\nTo: body\r\n\r\n").encode())
    assert (kinds, text[body_at:]) == ("-V", "To: body\r\n\r\n")


def test_nothing_is_no_message() -> None:
    for data in (b"", b"\r\n", b"\n\r\n\r"):
        with pytest.raises(SipError):
            scan(data)


def test_bytes_that_are_no_utf_8_stay() -> None:
    data = FIRST.encode() + b"Subject: \xff\xc3\x28\r\n\r\n\x80"
    assert scan(data)[0].encode("utf-8", "surrogateescape") == data


LINE_ENDS = ["\r\n", "\r", "\n", "\r\n\r\n", "\r\n ", " ", "\t", ":"]
WORDS = [
    "Via",
    "v",
    "From: x",
    "To :",
    "X-Y: z",
    "call-id",
    "cAlL-Id:",
    "L:0",
    "x" * 300,
    "(",
    "Content-Length: 3",
    "\0",
    "\x7f",
]
PIECES = st.sampled_from(LINE_ENDS + WORDS)
MESSAGES = st.lists(PIECES, max_size=30).map("".join)


@given(MESSAGES, st.booleans())
def test_the_readers_agree(text: str, whole: bool) -> None:
    text = FIRST + text + ("\r\n\r\n" if whole else "")
    data = text.encode()
    assert scan_bytes(data, text) == scan_plain(data, text) == scan_careful(data, text)


@given(MESSAGES, st.text())
def test_the_readers_agree_beyond_ascii(text: str, odd: str) -> None:
    data = (FIRST + text + "Subject: " + odd + "\r\n\r\n" + odd).encode("utf-8", "replace")
    text = str(data, "utf-8", "surrogateescape")
    assert scan_plain(data, text) == scan_careful(data, text)


@given(MESSAGES | st.text(), st.booleans())
def test_every_text_has_an_index_or_is_empty(text: str, first: bool) -> None:
    data = ((FIRST if first else "") + text).encode("utf-8", "replace")
    try:
        text, kinds, starts, body_at, odd = scan(data)
    except SipError:
        assert not data.strip(b"\r\n")
        return
    assert len(starts) == len(kinds) + 1
    assert starts == sorted(starts)
    assert starts[-1] < body_at <= len(text)
    assert all(text[a - 1] == "\n" for a in starts[1:])
    if not odd & ODD_END:
        assert text.encode("utf-8", "surrogateescape") == data.lstrip(b"\r\n")


@pytest.mark.parametrize("line", ["a\r\n", "a:b\r\n", " \r\n", "\r", "a: b\n", "X\x01: y\r\n"])
def test_a_datagram_full_of_anything_is_read_in_a_moment(line: str) -> None:
    data = (FIRST + line * (65_000 // len(line))).encode()
    began = time.perf_counter()
    scan(data)
    assert time.perf_counter() - began < 1.0
