"""Which stored contact a registering one is."""

import pytest

from pysips.modules.usrloc.matching import BY_CONTACT, BY_CONTACT_AND_CALLID, BY_PARAM, NONE, find_contact, outline_of
from pysips.modules.usrloc.records import DELETED, Contact


def contacts(*uris: str, callid: str = "c1") -> list[Contact]:
    return [Contact(uri, 0, 0, 0, callid, 1, "ua") for uri in uris]


@pytest.mark.parametrize(
    ("stored", "uri", "place"),
    [
        ("sip:a@h", "sip:a@h", 0),
        ("sip:a@h", "sip:a@H", 0),
        ("sip:a@h", "sip:A@h", NONE),
        ("sip:a@h", "sips:a@h", NONE),
        ("sip:a@h", "sip:a@h:5060", NONE),
        ("sip:a@h", "SIP:%61@h", 0),
        ("sip:a@h;x=1", "sip:a@h", 0),
        ("sip:a@h;x=1", "sip:a@h;X=1;y=2", 0),
        ("sip:a@h;x=1", "sip:a@h;x=2", NONE),
        ("sip:a@h;transport=tcp", "sip:a@h", NONE),
        ("sip:a@h?b=c", "sip:a@h", NONE),
        ("sip:a;x@h", "sip:a;y@h", NONE),
        ("tel:+49-123", "tel:+49123", 0),
        ("nonsense", "nonsense2", NONE),
    ],
)
def test_by_contact(stored: str, uri: str, place: int) -> None:
    assert find_contact(contacts(stored), uri, "other", BY_CONTACT, "") == place


def test_the_same_text_goes_before_an_equal_one() -> None:
    assert find_contact(contacts("sip:a@H", "sip:a@h"), "sip:a@h", "c1", BY_CONTACT, "") == 1


def test_by_contact_and_call_id() -> None:
    stored = [*contacts("sip:a@h"), *contacts("sip:a@h", callid="c2"), *contacts("sip:b@H", callid="c2")]
    assert find_contact(stored, "sip:a@h", "c2", BY_CONTACT_AND_CALLID, "") == 1
    assert find_contact(stored, "sip:b@h", "c2", BY_CONTACT_AND_CALLID, "") == 2
    assert find_contact(stored, "sip:a@h", "c3", BY_CONTACT_AND_CALLID, "") == NONE


def test_by_a_parameter() -> None:
    stored = contacts("sip:a@h1;line=x", "sip:b@h2;line=y")
    assert find_contact(stored, "sip:c@h3;LINE=y", "c1", BY_PARAM, "line") == 1
    assert find_contact(stored, "sip:c@h3;line=z", "c1", BY_PARAM, "line") == NONE
    assert find_contact(stored, "sip:c@h3", "c1", BY_PARAM, "line") == 0, "one without it matches everything"
    assert find_contact([], "sip:c@h3", "c1", BY_PARAM, "line") == NONE


def test_a_deleted_contact_matches_nothing() -> None:
    stored = contacts("sip:a@h")
    stored[0].expires = DELETED
    for mode in (BY_CONTACT, BY_CONTACT_AND_CALLID, BY_PARAM):
        assert find_contact(stored, "sip:a@h", "c1", mode, "line") == NONE


@pytest.mark.parametrize(
    ("uri", "outline"),
    [
        ("sip:Al@H.example:5070;x=1?y=2", "sip:al@h.example:5070"),
        ("sip:h;x@y", "sip:h;x@y"),
        ("sips:h", "sips:h"),
        ("sip:%61@h", ""),
        ("tel:1", ""),
    ],
)
def test_outlines(uri: str, outline: str) -> None:
    assert outline_of(uri) == outline
