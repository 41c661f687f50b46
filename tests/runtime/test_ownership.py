"""Everything of one call goes to one worker, however its Call-ID is written."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.runtime.ownership import Ownership, careful

HEAD = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"Call-ID: f81d4fae@host",
        b"Call-ID:f81d4fae@host",
        b"Call-ID:   f81d4fae@host \t",
        b"i: f81d4fae@host",
        b"I:f81d4fae@host",
        b"CALL-ID : f81d4fae@host",
        b"call-id\t: f81d4fae@host",
        b"Call-ID:\r\n f81d4fae@host",
        b"Call-ID:\r\n\tf81d4fae@host\r\n  ",
    ],
)
def test_every_spelling_of_a_call_id_names_the_same_worker(line: bytes) -> None:
    owners = Ownership(1000)
    wanted = owners.call_slot("f81d4fae@host")
    for rest in (b"\r\nTo: <sip:a@b>\r\n\r\n", b"\r\n\r\nCall-ID: other\r\n\r\n", b""):
        assert owners.owner_of(HEAD + line + rest) == wanted
    assert owners.owner_of((HEAD + line + b"\r\n\r\n").replace(b"\r\n", b"\n")) == wanted
    assert owners.owner_of(b"\r\n\r\n" + HEAD + line + b"\r\n\r\n") == wanted


def test_a_call_id_in_the_body_is_none() -> None:
    assert Ownership(5).owner_of(HEAD + b"\r\nCall-ID: in-the-body\r\n\r\n") == -1
    body = b"i: mine\r\n\r\nNOTIFY sip:a@b SIP/2.0\r\nCall-ID: other\r\n\r\n"
    assert careful(HEAD + body) == b"mine"
    owners = Ownership(1000)
    assert owners.owner_of(HEAD + body) == owners.call_slot("mine")


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\0" * 20, b"hello world, this is no message", HEAD])
def test_what_has_no_call_id_has_no_owner(data: bytes) -> None:
    assert Ownership(4).owner_of(data) == -1


@given(st.binary(max_size=300))
def test_any_bytes_have_an_owner_or_none(data: bytes) -> None:
    assert -1 <= Ownership(3).owner_of(data) < 3


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t "), min_size=1, max_size=60))
def test_text_and_bytes_agree(call_id: str) -> None:
    owners = Ownership(1_000_003)
    data = HEAD + b"Call-ID: " + call_id.encode() + b"\r\n\r\n"
    assert owners.owner_of(data) == owners.call_slot(data.decode("utf-8", "surrogateescape")[len(HEAD) + 9 : -4])


def test_undecodable_bytes_agree_too() -> None:
    owners = Ownership(1_000_003)
    assert owners.owner_of(HEAD + b"Call-ID: a\xff\xfe\r\n\r\n") == owners.call_slot("a\udcff\udcfe")


def test_calls_are_spread_over_all_workers() -> None:
    owners = Ownership(4)
    spread = Counter(owners.call_slot(f"{number}@10.0.0.1") for number in range(4000))
    assert all(800 < spread[slot] < 1200 for slot in range(4))


def test_each_server_has_a_key_of_its_own() -> None:
    calls = [f"{number}@host" for number in range(64)]
    one, other = Ownership(2), Ownership(2)
    assert [one.call_slot(call) for call in calls] != [other.call_slot(call) for call in calls]


def test_a_huge_message_is_looked_through_in_no_time() -> None:
    assert Ownership(2).owner_of(HEAD + b"X: \r\n" * 12_000) == -1
    assert Ownership(2).owner_of(HEAD + b"i\r\n :" * 12_000) == -1
