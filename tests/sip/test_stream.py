import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.sip.stream import PING, Framer, Unframed

FIRST = b"OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n"
EMPTY = FIRST + b"Content-Length: 0\r\n\r\n"
BODY = FIRST + b"l :\r\n 5\r\n\r\na\r\n\r\nb"[:-1] + b""
BODY = FIRST + b"l :\r\n 5\r\n\r\n" + b"a\r\n\r\n"
LF_ONLY = EMPTY.replace(b"\r\n", b"\n")


def one_by_one(framer: Framer, data: bytes) -> list[bytes]:
    return [item for i in range(len(data)) for item in framer.feed(data[i : i + 1])]


@pytest.mark.parametrize("data", [EMPTY, BODY, LF_ONLY], ids=["empty", "body", "lf"])
def test_a_message_whole_a_byte_at_a_time_and_with_others_behind_it(data: bytes) -> None:
    assert Framer().feed(data) == [data]
    assert one_by_one(Framer(), data) == [data]
    assert Framer().feed(data + EMPTY + BODY + b"OPT") == [data, EMPTY, BODY]
    assert one_by_one(Framer(), data + EMPTY + data) == [data, EMPTY, data]


def test_a_body_that_looks_like_a_request_is_a_body() -> None:
    data = FIRST + b"Content-Length: %d\r\n\r\n" % len(EMPTY) + EMPTY
    assert Framer().feed(data + BODY) == [data, BODY]


def test_keep_alives_between_messages() -> None:
    for feed in (lambda framer, data: framer.feed(data), one_by_one):
        assert feed(Framer(), PING) == [PING]
        assert feed(Framer(), EMPTY + PING + EMPTY) == [EMPTY, PING, EMPTY]
        assert feed(Framer(), b"\r\n" + EMPTY + b"\r\n" + EMPTY) == [EMPTY, EMPTY]
    assert Framer().feed(PING * 1000) == [PING]


def test_a_half_ping_is_no_message_in_work() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n") == []
    assert not framer.waiting
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [PING]
    framer.feed(b"O")
    assert framer.waiting


BAD_LENGTHS = [
    "-1",
    "+5",
    "1e3",
    "5 5",
    "",
    "0x10",
    "\u0665",
    "2147483648",
    "4294967296",
    "4294967328",
    "9" * 20,
    "5\r\nl: 5",
]


@pytest.mark.parametrize("value", [*BAD_LENGTHS, "5\r\nContent-Length : 6"])
def test_a_length_that_is_not_certain_ends_the_stream(value: str) -> None:
    head = FIRST + b"Content-Length: " + value.encode() + b"\r\n\r\n"
    framer = Framer()
    with pytest.raises(Unframed) as caught:
        framer.feed(EMPTY + PING + head + EMPTY)
    assert caught.value.items == [EMPTY, PING]
    assert caught.value.head == head
    assert caught.value.status in (400, 513)
    assert framer.feed(EMPTY) == []
    assert not framer.waiting


def test_without_a_length_there_is_no_end() -> None:
    with pytest.raises(Unframed) as caught:
        Framer().feed(FIRST + b"\r\n")
    assert (caught.value.status, caught.value.head) == (400, FIRST + b"\r\n")


def test_a_length_in_the_body_or_in_another_header_does_not_count() -> None:
    with pytest.raises(Unframed):
        Framer().feed(FIRST + b"X: Content-Length: 5\r\n\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(Unframed):
        Framer().feed(FIRST + b"X:\r\n Content-Length: 5\r\n\r\n12345")


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00", b"\x00", b" OPTIONS", b"\xff", b":"])
def test_what_begins_no_message_ends_the_stream_at_once(data: bytes) -> None:
    with pytest.raises(Unframed):
        Framer().feed(data)


def test_http_on_a_sip_port_is_refused() -> None:
    with pytest.raises(Unframed):
        Framer().feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_head_and_a_body_have_limits() -> None:
    framer = Framer(most_head=100, most_body=10)
    with pytest.raises(Unframed) as caught:
        one_by_one(framer, b"A" * 200)
    assert caught.value.status == 513
    with pytest.raises(Unframed) as caught:
        Framer(most_head=200, most_body=10).feed(FIRST + b"l: 11\r\n\r\n")
    assert (caught.value.status, caught.value.head[:7]) == (513, b"OPTIONS")


@pytest.mark.parametrize("data", [FIRST * 1000, b"a" * 65_000, (FIRST + b"\r") * 900, LF_ONLY * 800, EMPTY * 800])
def test_a_byte_at_a_time_takes_no_longer_than_its_length(data: bytes) -> None:
    began = time.perf_counter()
    one_by_one(Framer(), data[:65_000])
    assert time.perf_counter() - began < 2.0


ITEMS = st.lists(st.sampled_from([EMPTY, BODY, LF_ONLY, PING]), max_size=6)


@given(ITEMS, st.lists(st.integers(1, 40)))
def test_however_the_bytes_are_cut_the_messages_are_the_same(items: list[bytes], cuts: list[int]) -> None:
    data = b"".join(items)
    framer = Framer()
    found: list[bytes] = []
    for size in cuts:
        found += framer.feed(data[:size])
        data = data[size:]
    found += framer.feed(data)
    assert [item for item in found if item != PING] == [item for item in items if item != PING]


@given(
    st.binary()
    | st.lists(st.sampled_from([FIRST, b"\r\n", b"l: 3\r\n", b"\n", b"abc", b"Content-Length:0"])).map(b"".join)
)
def test_any_bytes_are_messages_or_refused(data: bytes) -> None:
    def run(feed: list[bytes]) -> tuple[list[bytes], bool]:
        framer = Framer()
        found: list[bytes] = []
        for piece in feed:
            try:
                found += framer.feed(piece)
            except Unframed as error:
                return found + error.items, True
        return found, False

    whole, broken = run([data])
    single, also = run([data[i : i + 1] for i in range(len(data))])
    assert broken == also
    assert [item for item in whole if item != PING] == [item for item in single if item != PING]
