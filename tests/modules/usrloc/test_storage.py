"""Contacts on their way into SQL, and back at the start."""

import pytest

from pysips.core.changes import LINES
from pysips.core.services import Services
from pysips.modules.usrloc import store
from pysips.modules.usrloc.contact_ids import ContactId
from pysips.modules.usrloc.lines import EXPIRED, LOADED, PEER
from pysips.modules.usrloc.loading import Gate, WrongTable
from pysips.modules.usrloc.modes import Mode
from pysips.modules.usrloc.records import MEMORY_ONLY
from pysips.modules.usrloc.storage import FEWEST, MOST

from .database import FakeDatabase
from .rig import BACK, ONLY, THROUGH, Rig


def fitting(aor: str, number: int = 1) -> int:
    return ContactId.of(aor, 99, number).number


# -- writing


def test_write_through_is_there_when_somebody_waits() -> None:
    rig = Rig(THROUGH).start()
    rig.insert("alice@h", rig.contact("sip:a@1"))
    assert rig.done(rig.kept.written()) is True
    assert rig.stored() == ["sip:a@1"]


def test_write_back_is_there_with_the_interval() -> None:
    rig = Rig(BACK, interval=60).start()
    rig.clock.advance(59)
    rig.insert("alice@h", rig.contact("sip:a@1"))
    assert rig.stored() == []
    rig.clock.advance(2)
    assert rig.stored() == ["sip:a@1"]
    assert rig.tables.count(LINES) == 0


def test_changes_and_ends_of_contacts() -> None:
    rig = Rig().start()
    rig.insert("alice@h", rig.contact("sip:a@1"), rig.contact("sip:a@2"))
    work = rig.location.open(rig.domain, "alice@h")
    work.replace(1, rig.contact("sip:a@2", attr="new"))
    work.delete(0)
    work.commit()
    rig.clock.advance(2)
    assert (rig.stored(), rig.stored("attr")) == (["sip:a@2"], ["new"])
    rig.delete("alice@h", why=EXPIRED)
    rig.clock.advance(2)
    assert rig.stored() == []


def test_memory_only_contacts_stay_in_memory() -> None:
    rig = Rig().start()
    rig.insert("alice@h", rig.contact("sip:a@1", flags=MEMORY_ONLY), rig.contact("sip:a@2"))
    rig.clock.advance(2)
    assert rig.stored() == ["sip:a@2"]


def test_the_store_of_an_aor_is_written_with_its_contacts() -> None:
    first = Rig().start()
    first.insert("alice@h", first.contact("sip:a@1"))
    first.clock.advance(1)
    store.put(first.location, first.domain, "alice@h", "colour", "red")
    first.clock.advance(1)
    second = first.other().start()
    assert store.get(second.location, second.domain, "alice@h", "colour") == "red"
    store.remove(second.location, second.domain, "alice@h", "colour")
    second.clock.advance(1)
    assert second.stored("kv_store") == [None]


def test_many_aors_are_one_transaction() -> None:
    rig = Rig(BACK).start()
    for number in range(100):
        rig.insert(f"u{number}@h", rig.contact("sip:a@1"))
    rig.clock.advance(60)
    assert (len(rig.stored()), rig.database.batches) == (100, 1)


def test_many_that_are_gone_are_few_statements() -> None:
    rig = Rig(BACK, most_ids=10).start()
    rig.insert("alice@h", *[rig.contact(f"sip:a@{n}") for n in range(25)])
    rig.clock.advance(60)
    work = rig.location.open(rig.domain, "alice@h")
    work.clear()
    work.commit()
    rig.database.statements = 0
    rig.clock.advance(60)
    assert (rig.stored(), rig.database.statements) == ([], 3)


def test_a_row_that_is_refused_holds_up_nobody() -> None:
    rig = Rig(BACK).start()
    (id,) = rig.insert("alice@h", rig.contact("sip:a@1"))
    rig.database.refused.add(id)
    rig.insert("bob@h", rig.contact("sip:b@1"))
    rig.clock.advance(60)
    assert (rig.stored(), rig.tables.count(LINES)) == (["sip:b@1"], 0)


def test_what_a_database_missed_is_made_up_for() -> None:
    rig = Rig().start()
    rig.insert("gone@h", rig.contact("sip:g@1"))
    rig.clock.advance(1)
    rig.database.away = True
    rig.insert("alice@h", rig.contact("sip:a@1"))
    assert rig.done(rig.kept.written()) is False
    rig.delete("gone@h")
    rig.clock.advance(5)
    assert rig.kept.writer.most == FEWEST
    rig.database.away = False
    rig.clock.advance(1)
    assert (rig.stored(), rig.kept.writer.most > FEWEST) == (["sip:a@1"], True)
    for number in range(MOST):
        rig.insert(f"u{number}@h", rig.contact("sip:u@1"))
    rig.clock.advance(10)
    assert rig.kept.writer.most == MOST


def test_an_aor_that_changed_too_often_is_written_anew() -> None:
    rig = Rig().start()
    rig.insert("alice@h", rig.contact("sip:old@1"))
    rig.clock.advance(1)
    rig.database.away = True
    rig.delete("alice@h")
    for number in range(60):
        rig.insert("alice@h", rig.contact(f"sip:a@{number}"))
        rig.delete("alice@h")
    rig.insert("alice@h", rig.contact("sip:last@1"))
    rig.database.away = False
    rig.clock.advance(2)
    assert rig.stored() == ["sip:last@1"]


@pytest.mark.parametrize(("skip", "rows"), [(False, ["sip:a@1"]), (True, [])])
def test_what_other_nodes_said(skip: bool, rows: list[str]) -> None:
    rig = Rig(skip_peers=skip).start()
    rig.insert("alice@h", rig.contact("sip:a@1"), why=PEER)
    rig.insert("bob@h", rig.contact("sip:b@1"), why=LOADED)
    rig.clock.advance(2)
    assert rig.stored() == rows


def test_ul_sync_sets_the_rows_right() -> None:
    rig = Rig().start()
    rig.insert("alice@h", rig.contact("sip:a@1"))
    rig.insert("bob@h", rig.contact("sip:b@1"))
    rig.clock.advance(1)
    stray = {**rig.database.tables["location"][0], "contact_id": 7, "contact": "sip:stray@1"}
    rig.database.tables["location"][0]["contact"] = "sip:changed@1"
    rig.database.tables["location"].append(stray)
    rig.done(rig.kept.sync(rig.domain, "alice@h"))
    assert sorted(rig.stored()) == ["sip:a@1", "sip:b@1"]
    rig.database.tables["location"].clear()
    rig.database.tables["location"].append({**stray, "username": "nobody"})
    rig.done(rig.kept.sync(rig.domain, ""))
    rig.clock.advance(1)
    assert sorted(rig.stored()) == ["sip:a@1", "sip:b@1"]


# -- loading


def test_a_restart_finds_everything() -> None:
    first = Rig().start()
    for number in range(450):
        first.insert(f"u{number}@h", first.contact("sip:a@1", q=500), first.contact("sip:a@2", q=900))
    first.clock.advance(5)
    second = first.other().start()
    assert second.location.counts(second.domain) == (450, 900)
    assert second.contacts("u7@h") == first.contacts("u7@h")
    (id,) = second.insert("u7@h", second.contact("sip:a@3"))
    assert id not in [contact.id for contact in first.contacts("u7@h")]
    assert second.tables.count(LINES) == 1, "what is loaded is no change"


def test_what_is_not_loaded() -> None:
    rig = Rig()
    row = {
        "contact_id": 0,
        **rig.rows.values("alice@h", rig.location.open(rig.domain, "alice@h").record, rig.contact("sip:a@1")),
    }
    rig.tables.writer = None
    now = rig.location.now()
    rig.database.tables["location"] = [
        {**row, "contact_id": fitting("alice@h", 1), "expires": now - 1},
        {**row, "contact_id": fitting("bob@h", 2), "contact": "sip:other@1"},
        {**row, "contact_id": fitting("alice@h", 3), "contact": ""},
        {**row, "contact_id": fitting("alice@h", 4), "contact": "sip:ever@1", "expires": 0},
    ]
    rig.start()
    assert [contact.uri for contact in rig.contacts("alice@h")] == ["sip:ever@1"]
    assert "sip:a@1" not in rig.stored(), "an expired row is deleted"
    assert "sip:other@1" in rig.stored(), "one that does not fit is left alone"


def test_an_id_that_does_not_fit_is_made_anew_where_the_script_wants_it() -> None:
    first = Rig().start()
    first.insert("alice@h", first.contact("sip:a@1"))
    first.clock.advance(1)
    first.database.tables["location"][0]["contact_id"] = wrong = fitting("bob@h")
    second = first.other(regen=True).start()
    (contact,) = second.contacts("alice@h")
    assert contact.id != wrong
    assert second.stored("contact_id") == [], "the old row is gone"
    second.done(second.kept.sync(second.domain, "alice@h"))
    assert second.stored("contact_id") == [contact.id]


def test_a_database_that_comes_late() -> None:
    """What was learned meanwhile counts more than an old row of the same contact."""
    first = Rig().start()
    first.insert("alice@h", first.contact("sip:a@1", attr="old"))
    first.insert("bob@h", first.contact("sip:b@1"))
    first.clock.advance(1)
    first.database.away = True
    second = first.other().start()
    assert Gate(second.services).is_open(), "workers serve"
    second.insert("alice@h", second.contact("sip:a@1", attr="new"))
    second.clock.advance(5)
    second.done(second.kept.second())
    assert second.contacts("bob@h") == []
    first.database.away = False
    second.done(second.kept.second())
    second.clock.advance(1)
    assert [contact.attr for contact in second.contacts("alice@h")] == ["new"]
    assert second.contacts("bob@h")
    assert sorted(second.stored("attr"), key=str) == [None, "new"]


def test_a_new_attendant_does_not_load_again() -> None:
    rig = Rig().start()
    rig.database.tables["location"].append({"contact_id": 1})
    rig.done(rig.kept.start())
    assert rig.location.counts(rig.domain) == (0, 0)


@pytest.mark.parametrize(
    ("version", "sentence"), [(None, "pysips db create"), (1012, "has version 1012, wanted is 1013")]
)
def test_a_table_that_we_do_not_know(version: int | None, sentence: str) -> None:
    rig = Rig()
    rig.database.versions = {} if version is None else {"location": version}
    with pytest.raises(WrongTable, match=sentence):
        rig.start()


def test_federation_may_be_combined_with_sql() -> None:
    mode = Mode("federation-cachedb", "load-from-sql", "write-back", 1, "redis:g://h", "x")
    first = Rig(mode).start()
    first.insert("alice@h", first.contact("sip:a@1"))
    first.clock.advance(60)
    assert Rig(mode, first.database).start().contacts("alice@h") != []


def test_a_worker_waits_for_the_gate() -> None:
    rig = Rig()
    rig.services.slot = 0
    gate = Gate(rig.services)
    assert not gate.is_open()
    gate.open()
    rig.done(rig.kept.start())
    assert rig.location.counts(rig.domain) == (0, 0)


# -- sql-only


def test_the_database_is_the_truth() -> None:
    one = Rig(ONLY).start()
    other = one.other(ONLY).start()

    def add(rig: Rig, uri: str) -> None:
        rig.done(rig.kept.changed(rig.domain, "alice@h", lambda: rig.insert("alice@h", rig.contact(uri))))

    add(one, "sip:a@1")
    add(other, "sip:a@2")
    assert [contact.uri for contact in other.contacts("alice@h")] == ["sip:a@1", "sip:a@2"]
    assert len({contact.id for contact in other.contacts("alice@h")}) == 2
    fetcher = one.kept.fetcher
    assert fetcher is not None
    one.done(fetcher.fetch(one.domain, "alice@h"))
    assert one.contacts("alice@h") == other.contacts("alice@h")
    other.database.tables["location"].clear()
    one.done(fetcher.fetch(one.domain, "alice@h"))
    assert one.location.counts(one.domain) == (0, 0)


def test_while_it_is_away_the_copy_answers_and_what_it_missed_counts_more() -> None:
    rig = Rig(ONLY).start()
    fetcher = rig.kept.fetcher
    assert fetcher is not None
    rig.done(rig.kept.changed(rig.domain, "alice@h", lambda: rig.insert("alice@h", rig.contact("sip:a@1"))))
    rig.database.away = True
    rig.done(rig.kept.changed(rig.domain, "alice@h", lambda: rig.insert("alice@h", rig.contact("sip:a@2"))))
    assert len(rig.contacts("alice@h")) == 2
    rig.database.away = False
    rig.done(fetcher.fetch(rig.domain, "alice@h"))
    assert len(rig.contacts("alice@h")) == 2, "the database has not got the second one yet"
    rig.clock.advance(1)
    assert sorted(rig.stored()) == ["sip:a@1", "sip:a@2"]


def test_a_stale_copy_that_expires_does_not_delete_a_live_row() -> None:
    one = Rig(ONLY).start()
    other = one.other(ONLY).start()
    one.done(one.kept.changed(one.domain, "alice@h", lambda: one.insert("alice@h", one.contact("sip:a@1", 60))))
    fetcher = other.kept.fetcher
    assert fetcher is not None
    other.done(fetcher.fetch(other.domain, "alice@h"))
    one.database.tables["location"][0]["expires"] += 600  # refreshed at `one`
    other.clock.advance(61)
    other.delete("alice@h", why=EXPIRED)
    other.clock.advance(2)
    assert other.stored() == ["sip:a@1"]
    other.clock.advance(600)
    other.done(other.kept.second())
    assert other.stored() == [], "its time is over"


def test_one_worker_at_a_time_changes_an_aor() -> None:
    rig = Rig(ONLY)
    fetcher = rig.kept.fetcher
    assert fetcher is not None
    key = b"location\0alice@h"
    now = rig.services.clock.time()
    assert fetcher.take(key, b"one", now + 2)
    assert not fetcher.take(key, b"two", now + 2)
    fetcher.release(key, b"two")
    assert not fetcher.take(key, b"two", now + 2), "it is not theirs to give back"
    fetcher.release(key, b"one")
    assert fetcher.take(key, b"two", now + 2)
    rig.clock.advance(5)
    assert fetcher.take(key, b"three", rig.services.clock.time() + 2), "who died holds nobody up"


def test_workers_without_a_database_do_not_wait() -> None:
    assert Services().slot == 0
    rig = Rig(database=FakeDatabase())
    rig.location.log = None
    assert rig.done(rig.kept.written()) is True
