"""usrloc's lines in the change log: what became of an AoR's contacts, told once and together."""

from pysips.core.changes import LINES
from pysips.core.changes import change_of as line_of
from pysips.modules.usrloc.lines import (
    DELETED,
    EXPIRED,
    INSERTED,
    LOCAL,
    MOST_GONE,
    PEER,
    UPDATED,
    AorChange,
    change_of,
)

from .rig import Rig


def lines(rig: Rig) -> list[AorChange]:
    return [change_of(line_of(place, line)) for place, line in rig.tables.scan(LINES)]


def test_what_happened_is_told_together() -> None:
    rig = Rig()
    (first,) = rig.insert("alice@h", rig.contact("sip:a@1"))
    (second,) = rig.insert("alice@h", rig.contact("sip:a@2"))
    work = rig.location.open(rig.domain, "alice@h")
    work.replace(1, rig.contact("sip:a@2"))
    work.delete(0)
    work.commit()
    (line,) = lines(rig)
    assert (line.table, line.aor, line.was_there, line.dirty) == ("location", "alice@h", False, False)
    assert line.entries == {first: (DELETED, LOCAL), second: (INSERTED, LOCAL)}
    assert [contact.uri for contact in line.gone] == ["sip:a@1"]


def test_reasons_add_up() -> None:
    rig = Rig()
    (id,) = rig.insert("alice@h", rig.contact("sip:a@1"), why=PEER)
    rig.delete("alice@h", why=EXPIRED)
    (line,) = lines(rig)
    assert line.entries == {id: (DELETED, PEER | EXPIRED)}
    assert line.whys() == PEER | EXPIRED


def test_a_follower_that_has_seen_a_line_gets_a_fresh_one() -> None:
    rig = Rig().start()
    (id,) = rig.insert("alice@h", rig.contact("sip:a@1"))
    rig.clock.advance(2)
    work = rig.location.open(rig.domain, "alice@h")
    work.replace(0, rig.contact("sip:a@1"))
    work.commit()
    (line,) = lines(rig)
    assert (line.was_there, line.entries) == (True, {id: (UPDATED, LOCAL)})


def test_of_many_that_are_gone_the_oldest_are_forgotten_and_the_line_is_dirty() -> None:
    rig = Rig()
    for number in range(MOST_GONE + 5):
        rig.insert("alice@h", rig.contact(f"sip:a@{number}"))
        rig.delete("alice@h")
    (line,) = lines(rig)
    assert (line.dirty, len(line.gone), len(line.entries)) == (True, MOST_GONE, MOST_GONE)
    assert line.gone[-1].uri == f"sip:a@{MOST_GONE + 4}"


def test_bytes_that_are_no_text() -> None:
    rig = Rig()
    odd = b"sip:\xff@1".decode("utf-8", "surrogateescape")
    rig.insert(odd, rig.contact(odd))
    rig.delete(odd)
    (line,) = lines(rig)
    assert (line.aor, line.gone[0].uri) == (odd, odd)


def test_nobody_follows_nothing_is_written() -> None:
    rig = Rig()
    rig.location.log = None
    rig.insert("alice@h", rig.contact("sip:a@1"))
    assert rig.tables.count(LINES) == 0
