"""Registrations on their way to other nodes, in versions 2 to 5; the ids of contacts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.bin_interface import BadPacket
from pysips.modules.usrloc.contact_ids import ContactId, aor_hash
from pysips.modules.usrloc.packets import (
    BY_PARAMETERS,
    OF_VERSION_2,
    AorDelete,
    AorInsert,
    ContactDelete,
    ContactInsert,
    ContactUpdate,
    Matching,
    Message,
    Registration,
    decode,
    decode_chunk,
    encode,
    encode_chunk,
)

INT = st.integers(-(2**31), 2**31 - 1)
WORD = st.integers(0, 2**32 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
ID = st.integers(0, 2**64 - 1)
TEXT = st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))
MATCHING = st.builds(Matching, st.integers(-1, 1)) | st.builds(
    Matching, st.just(BY_PARAMETERS), st.lists(TEXT, max_size=3).map(tuple)
)
REGISTRATION = st.builds(
    Registration, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, LONG, INT, TEXT, INT, WORD, WORD, TEXT, WORD, LONG
)
MESSAGES = st.one_of(
    st.builds(AorInsert, TEXT, TEXT, WORD, WORD, TEXT),
    st.builds(AorDelete, TEXT, TEXT),
    st.builds(ContactInsert, TEXT, TEXT, TEXT, ID, REGISTRATION, TEXT, MATCHING),
    st.builds(ContactUpdate, TEXT, TEXT, TEXT, ID, REGISTRATION, TEXT, MATCHING),
    st.builds(ContactDelete, TEXT, TEXT, TEXT, TEXT, INT, MATCHING),
)
VERSIONS = st.integers(2, 5)


def carried(message: Message, version: int) -> Message:
    """What of a message this version has a place for."""
    if isinstance(message, AorInsert):
        return message if version >= 5 else replace(message, kv_store="")
    if isinstance(message, AorDelete):
        return message
    if version < 3:
        message = replace(message, matching=OF_VERSION_2)
    if isinstance(message, ContactDelete):
        return message
    if version < 3 and isinstance(message, ContactInsert):
        message = replace(message, kv_store="")
    flags = {"cflag_bits": 0} if version >= 4 else {"cflags": ""}
    return replace(message, registration=replace(message.registration, **flags))


@given(MESSAGES, VERSIONS)
def test_every_version_carries_what_it_has_a_place_for(message: Message, version: int) -> None:
    assert decode(message.TYPE, version, encode(message, version)) == carried(message, version)


@given(MESSAGES, VERSIONS)
def test_a_chunk_of_a_synchronisation_is_an_aor_or_a_contact(message: Message, version: int) -> None:
    if isinstance(message, AorInsert | ContactInsert):
        data = encode_chunk(message, version)
        assert data[0] == int(isinstance(message, ContactInsert))
        assert decode_chunk(version, data) == carried(message, version)


@given(st.integers(-1, 7), VERSIONS, st.binary(max_size=150))
def test_hostile_fields_are_read_or_refused(kind: int, version: int, data: bytes) -> None:
    try:
        decode(kind, version, data)
    except BadPacket:
        pass
    try:
        decode_chunk(version, data)
    except BadPacket:
        pass


@given(MESSAGES, VERSIONS, st.data())
def test_fields_that_were_cut_or_have_a_tail_are_refused(message: Message, version: int, data: st.DataObject) -> None:
    whole = encode(message, version)
    for changed in (whole[: data.draw(st.integers(0, len(whole) - 1))], whole + b"x"):
        with pytest.raises(BadPacket):
            decode(message.TYPE, version, changed)


@pytest.mark.parametrize("version", [-1, 0, 1, 6])
def test_versions_that_there_are_not_are_refused(version: int) -> None:
    with pytest.raises(BadPacket, match="version"):
        encode(AorDelete("location", "alice"), version)
    with pytest.raises(BadPacket, match="version"):
        decode(2, version, encode(AorDelete("location", "alice"), 5))
    with pytest.raises(BadPacket, match="version"):
        decode_chunk(version, b"")


def test_a_way_to_match_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadPacket, match="match"):
        decode(5, 5, encode(ContactDelete("location", "a", "sip:a@b", "c", 1, Matching(7)), 5))


def test_the_hash_of_an_aor_is_that_of_real_nodes() -> None:
    assert aor_hash("alice@example.com") == 0xAE120BD5
    assert aor_hash("bob@example.com") == 1_457_026_995
    assert aor_hash("") == 0


def test_an_id_has_the_labels_and_the_low_half_of_the_hash() -> None:
    made = ContactId.of("alice@example.com", 0, 2396)
    assert made.number == 213_146_926_114_146_652
    assert ContactId.split(made.number) == made == ContactId(0x0BD5, 0, 2396)


@given(TEXT, st.integers(0, 2**40), st.integers(0, 2**20))
def test_an_id_is_split_into_what_it_was_made_of_and_counters_begin_anew(aor: str, label: int, clabel: int) -> None:
    made = ContactId.of(aor, label, clabel)
    assert ContactId.split(made.number) == made
    assert (made.label, made.clabel) == (label % 2**32, clabel % 2**14)
    assert made.number < 2**62
