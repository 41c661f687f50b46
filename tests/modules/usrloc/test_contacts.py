"""The location tables: an AoR changes as a whole, the counts stay true, and followers hear of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.services import Clock, Services, TablesFull
from pysips.modules.usrloc.contact_ids import aor_hash, joined, mixed
from pysips.modules.usrloc.contacts import (
    DELETED,
    INSERTED,
    REPEATED,
    STALE,
    UPDATED,
    Domain,
    Follower,
    Location,
)
from pysips.modules.usrloc.matching import BY_CONTACT, BY_CONTACT_AND_CALLID, NONE
from pysips.modules.usrloc.records import Contact
from pysips.testing.tables import MemoryTable

NOW = 1_700_000_000


class StoppedClock(Clock):
    def time(self) -> float:
        return NOW


class Listener(Follower):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def aor_inserted(self, domain: Domain, aor: str) -> None:
        self.heard.append(f"{domain.name} {aor} is new")

    def aor_deleted(self, domain: Domain, aor: str) -> None:
        self.heard.append(f"{domain.name} {aor} is gone")

    def contact_changed(self, domain: Domain, aor: str, what: int, contact: Contact) -> None:
        self.heard.append({INSERTED: "+", UPDATED: "=", DELETED: "-"}[what] + contact.uri)


@pytest.fixture
def tables() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def location(tables: MemoryTable) -> Location:
    services = Services()
    services.tables = tables
    services.clock = StoppedClock()
    return Location(services)


def contact(uri: str, callid: str = "c1", cseq: int = 1, q: int = -1, modified: int = NOW) -> Contact:
    return Contact(uri, 0, NOW + 100, modified, callid, cseq, "ua", q=q)


def insert(location: Location, *contacts: Contact, aor: str = "alice@h") -> None:
    work = location.open(location.domain("location"), aor)
    for one in contacts:
        work.insert(one)
    work.commit()


def uris(location: Location, aor: str = "alice@h") -> list[str]:
    record = location.read(location.domain("location"), aor)
    return [one.uri for one in record.contacts] if record else []


def stored(location: Location, aor: str = "alice@h") -> list[Contact]:
    record = location.read(location.domain("location"), aor)
    return record.contacts if record else []


def test_the_hash_is_that_of_opensips() -> None:
    assert aor_hash("alice@example.com") == 0xAE120BD5
    assert aor_hash("bob@example.com") == 0x56D877B3
    assert aor_hash("") == 0
    assert aor_hash("ü") != aor_hash("u")


def test_contact_ids_hold_the_hash_and_count_up(location: Location) -> None:
    insert(location, contact("sip:a@h"), contact("sip:b@h"), aor="alice@example.com")
    insert(location, contact("sip:c@h"), aor="alice@example.com")
    record = location.read(location.domain("location"), "alice@example.com")
    assert record
    ids = [one.id for one in record.contacts]
    assert {number >> 46 for number in ids} == {0x0BD5}
    assert [number & 0x3FFF for number in ids] == [0, 1, 2]
    assert len({number >> 14 for number in ids}) == 1


def test_nothing_changes_before_the_commit(location: Location) -> None:
    insert(location, contact("sip:a@h"))
    work = location.open(location.domain("location"), "alice@h")
    work.insert(contact("sip:b@h"))
    work.delete(0)
    assert uris(location) == ["sip:a@h"]
    work.abort()
    assert uris(location) == ["sip:a@h"]


def test_a_commit_without_changes_writes_nothing(location: Location, tables: MemoryTable) -> None:
    location.open(location.domain("location"), "alice@h").commit()
    assert tables.commits == 0
    assert tables.writer is None


def test_counts(location: Location, tables: MemoryTable) -> None:
    domain = location.domain("location")
    insert(location, contact("sip:a@h"), contact("sip:b@h"))
    insert(location, contact("sip:a@h"), aor="bob@h")
    assert (location.users(domain), location.contacts(domain)) == (2, 3)
    work = location.open(domain, "alice@h")
    work.replace(0, contact("sip:a@h2"))
    work.commit()
    assert location.counts(domain) == (2, 3)
    work = location.open(domain, "alice@h")
    work.clear()
    work.commit()
    assert location.counts(domain) == (1, 1)
    assert location.counts(location.domain("other")) == (0, 0)


def test_a_full_table_changes_nothing(location: Location, tables: MemoryTable) -> None:
    tables.is_full = True
    work = location.open(location.domain("location"), "alice@h")
    work.insert(contact("sip:a@h"))
    with pytest.raises(TablesFull):
        work.commit()
    tables.is_full = False
    assert uris(location) == []
    assert location.counts(location.domain("location")) == (0, 0)


def test_a_record_that_cannot_be_read_does_not_lock_the_table(location: Location, tables: MemoryTable) -> None:
    tables.put(b"L", b"location\0alice@h", b"nonsense")
    with pytest.raises(Exception, match=r"MessagePack|array"):
        location.open(location.domain("location"), "alice@h")
    assert tables.writer is None


def test_a_replaced_contact_keeps_what_we_know_of_it(location: Location) -> None:
    old = contact("sip:a@h")
    old.latency, old.more = 700, {"k": "v"}
    insert(location, old)
    work = location.open(location.domain("location"), "alice@h")
    work.replace(0, contact("sip:a@h", cseq=2))
    work.commit()
    record = location.read(location.domain("location"), "alice@h")
    assert record
    (found,) = record.contacts
    assert (found.id, found.latency, found.more, found.cseq) == (old.id, 700, {"k": "v"}, 2)


def test_order(location: Location) -> None:
    insert(
        location, contact("sip:a@h", q=500), contact("sip:b@h", q=900), contact("sip:c@h"), contact("sip:d@h", q=500)
    )
    assert uris(location) == ["sip:b@h", "sip:a@h", "sip:d@h", "sip:c@h"]
    work = location.open(location.domain("location"), "alice@h")
    work.replace(1, contact("sip:a@h", q=100))
    work.commit()
    assert uris(location) == ["sip:b@h", "sip:d@h", "sip:a@h", "sip:c@h"]


@pytest.mark.parametrize(
    ("callid", "cseq", "refresh", "age", "answer"),
    [
        ("c1", 6, False, 0, 0),
        ("c1", 5, True, 0, 0),
        ("c1", 5, False, 0, REPEATED),
        ("c1", 5, False, 20, STALE),
        ("c1", 4, True, 0, STALE),
        ("c1", 4, False, 0, STALE),
        ("c2", 1, False, 0, 0),
    ],
)
def test_requests_that_come_late(
    location: Location, callid: str, cseq: int, refresh: bool, age: int, answer: int
) -> None:
    insert(location, contact("sip:a@h", cseq=5, modified=NOW - age))
    work = location.open(location.domain("location"), "alice@h")
    assert work.find("sip:a@h", callid, cseq, refresh) == answer
    assert work.find("sip:b@h", callid, cseq, refresh) == NONE
    work.abort()


def test_followers_hear_what_happened_in_order(location: Location) -> None:
    listener = Listener()
    location.followers.append(listener)
    insert(location, contact("sip:a@h"), contact("sip:b@h"))
    work = location.open(location.domain("location"), "alice@h")
    work.replace(0, contact("sip:a@h", cseq=2))
    work.delete(1)
    work.commit()
    work = location.open(location.domain("location"), "alice@h")
    work.clear()
    work.commit()
    work = location.open(location.domain("location"), "alice@h")
    work.insert(contact("sip:x@h"))
    work.abort()
    assert listener.heard == [
        "location alice@h is new", "+sip:a@h", "+sip:b@h", "=sip:a@h", "-sip:b@h", "-sip:a@h",
        "location alice@h is gone",
    ]  # fmt: skip


def test_the_first_contact_of_an_aor_and_one_that_comes_again_are_registered_at_one_go(
    location: Location, tables: MemoryTable
) -> None:
    listener = Listener()
    location.followers.append(listener)
    domain = location.domain("location")
    assert location.register(domain, "alice@h", contact("sip:a@h"), 1) is not None
    first = stored(location)[0]
    found = location.register(domain, "alice@h", contact("sip:a@h", cseq=2), 1)
    assert found is not None
    assert found == stored(location)
    assert (found[0].id, found[0].cseq, location.counts(domain), tables.commits) == (first.id, 2, (1, 1), 2)
    assert listener.heard == ["location alice@h is new", "+sip:a@h", "=sip:a@h"]


@pytest.mark.parametrize(
    ("again", "most"),
    [
        (contact("sip:b@h"), 9),
        (contact("sip:A@h", cseq=2), 9),
        (contact("sip:a@h"), 9),
        (contact("sip:a@h", cseq=2, q=500), 9),
        (contact("sip:a@h", cseq=2), 1),
    ],
)
def test_what_takes_a_closer_look_is_not_registered_at_one_go(location: Location, again: Contact, most: int) -> None:
    insert(location, contact("sip:a@h"), contact("sip:c@h"))
    before = stored(location)
    assert location.register(location.domain("location"), "alice@h", again, most) is None
    assert stored(location) == before


def test_another_call_id_is_another_contact_where_it_counts(location: Location) -> None:
    insert(location, contact("sip:a@h"))
    again = contact("sip:a@h", callid="c2")
    location.matching_mode = BY_CONTACT_AND_CALLID
    assert location.register(location.domain("location"), "alice@h", again, 9) is None
    location.matching_mode = BY_CONTACT
    assert location.register(location.domain("location"), "alice@h", again, 9) == stored(location)


def test_a_contact_without_room_is_not_registered_at_one_go_either(location: Location, tables: MemoryTable) -> None:
    tables.is_full = True
    with pytest.raises(TablesFull):
        location.register(location.domain("location"), "alice@h", contact("sip:a@h"), 9)
    tables.is_full = False
    assert stored(location) == []
    assert tables.writer is None


ASCII = st.text(st.characters(max_codepoint=127), max_size=40)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(ASCII | ANY | st.just("a" * 600))
def test_the_hash_is_that_of_its_words(aor: str) -> None:
    data = aor.encode("utf-8", "surrogateescape")
    words = sum(mixed(joined(data[at : at + 4])) for at in range(0, len(data), 4)) & 0xFFFF_FFFF
    assert aor_hash(aor) == (words + (words >> 11) + (words >> 13) + (words >> 23)) & 0xFFFF_FFFF
