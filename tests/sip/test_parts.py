import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.parts import MOST_PARTS, Part, joined, mime_of, parts_of

MIXED = "multipart/mixed;boundary=abc"


def test_a_type_is_compared_without_blanks_case_and_parameters() -> None:
    assert mime_of(" Application / SDP ;charset=utf-8") == "application/sdp"
    assert mime_of("") == ""


def test_a_plain_body_is_one_part_and_no_body_is_none() -> None:
    assert parts_of("application/sdp", "") == []
    (part,) = parts_of("application/sdp;x=y", "v=0")
    assert (part.mime, part.content, part.headers) == (
        "application/sdp",
        "v=0",
        "Content-Type: application/sdp;x=y\r\n",
    )


def test_parts_have_headers_and_content_and_their_place() -> None:
    body = (
        "preamble\r\n--abc\r\nc: Text/Plain\r\nX: y\r\n\r\none\r\n\r\n--abc \r\n\r\ntwo\r\n--abc--\r\n"
        "epilogue\r\n--abc\r\nno"
    )
    parts = parts_of('multipart/mixed;boundary="abc"', body)
    assert [(part.mime, part.content) for part in parts] == [("text/plain", "one\r\n"), ("text/plain", "two")]
    assert parts[0].headers == "c: Text/Plain\r\nX: y\r\n"
    assert [body[part.a : part.b] for part in parts] == ["one\r\n", "two"]


def test_a_longer_boundary_is_another_one() -> None:
    body = "--abc\r\n\r\none\r\n--abcd\r\nstill one\r\n--abc--"
    assert [part.content for part in parts_of(MIXED, body)] == ["one\r\n--abcd\r\nstill one"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/mixed", "--abc\r\n\r\none\r\n--abc--"),
        ("multipart/mixed;boundary=", "--\r\n\r\none\r\n----"),
        (MIXED, "the boundary never comes"),
        (MIXED, "not --abc at the begin of a line"),
    ],
)
def test_what_cannot_be_taken_apart_is_one_part(kind: str, body: str) -> None:
    assert [part.content for part in parts_of(kind, body)] == [body]


def test_a_last_part_without_an_end_reaches_to_the_end() -> None:
    assert [part.content for part in parts_of(MIXED, "--abc\r\n\r\none\r\n--abc\r\n\r\ntw")] == ["one", "tw"]
    assert [part.content for part in parts_of(MIXED, "--abc\n\none\n--abc--")] == ["one"]


def test_parameters_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(SipError):
        parts_of('multipart/mixed;boundary="abc', "x")


@pytest.mark.parametrize(
    "body", ["--abc\r\n" * 9_000, "--abc" * 13_000, "--abc\r\n" + "a:b\r\n" * 13_000, "-" * 65_000]
)
def test_any_body_is_taken_apart_in_a_moment(body: str) -> None:
    began = time.perf_counter()
    assert len(parts_of(MIXED, body)) <= MOST_PARTS
    assert time.perf_counter() - began < 1.0


CONTENTS = st.text(alphabet="ab-\r\n:", max_size=20).filter(lambda text: "--abc" not in text)


@given(st.lists(CONTENTS, min_size=1, max_size=4))
def test_what_was_joined_is_taken_apart_again(contents: list[str]) -> None:
    parts = [Part("text/plain", "Content-Type: text/plain\r\n", content) for content in contents]
    assert [part.content for part in parts_of(MIXED, joined(parts, "abc"))] == contents
