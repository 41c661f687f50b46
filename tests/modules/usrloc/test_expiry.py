"""Expired contacts leave, a share of the table at a time."""

import pytest

from pysips.core.services import Services
from pysips.core.stats import Statistics
from pysips.modules.usrloc.contacts import Location
from pysips.modules.usrloc.expiry import SLICE, Expiry
from pysips.modules.usrloc.records import Contact
from pysips.testing.tables import MemoryTable

from .clock import NOW, MovingClock


class Table:
    def __init__(self) -> None:
        services = Services()
        services.tables = self.tables = MemoryTable()
        services.clock = self.clock = MovingClock()
        self.location = Location(services)
        self.expired = Statistics().counter("usrloc", "location-expires")
        self.expiry = Expiry(self.location, 60, {"location": self.expired})

    def insert(self, aor: str, *lifetimes: int) -> None:
        work = self.location.open(self.location.domain("location"), aor)
        for k, seconds in enumerate(lifetimes):
            expires = self.clock.at + seconds if seconds else 0
            work.insert(Contact(f"sip:{k}@h", 0, expires, self.clock.at, "c1", 1, "ua"))
        work.commit()

    def after(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.at += 1
            self.expiry.second()

    def left(self, aor: str) -> list[str]:
        record = self.location.read(self.location.domain("location"), aor)
        return [contact.uri for contact in record.contacts] if record else []


@pytest.fixture
def table() -> Table:
    return Table()


def test_what_is_over_leaves_within_the_interval(table: Table) -> None:
    table.insert("alice@h", 30, 0, 300)
    table.insert("bob@h", 30)
    table.after(60 + 30)
    assert table.left("alice@h") == ["sip:1@h", "sip:2@h"]
    assert table.left("bob@h") == []
    assert table.location.counts(table.location.domain("location")) == (1, 2)
    assert table.expired.get() == 2


def test_nothing_leaves_early_and_nothing_is_written_for_it(table: Table) -> None:
    table.insert("alice@h", 300)
    commits = table.tables.commits
    table.after(200)
    assert table.left("alice@h") == ["sip:0@h"]
    assert table.tables.commits == commits


def test_a_large_table_is_looked_through_in_shares(table: Table) -> None:
    for k in range(60 * SLICE // 10):
        table.insert(f"user{k:05}@h", 1)
    table.clock.at += 60
    table.expiry.second()
    assert table.expired.get() == SLICE
    table.after(1)
    assert table.expired.get() == 2 * SLICE
    table.after(58)
    assert table.location.counts(table.location.domain("location")) == (0, 0)


def test_one_that_was_refreshed_in_the_meantime_stays(table: Table) -> None:
    table.insert("alice@h", 30)
    table.clock.at += 60
    found = table.tables.scan(b"L")
    work = table.location.open(table.location.domain("location"), "alice@h")
    refreshed = Contact("sip:0@h", 0, table.clock.at + 100, table.clock.at, "c1", 2, "ua")
    work.replace(0, refreshed)
    work.commit()
    table.expiry.clean(table.location.domain("location"), "alice@h")
    assert found
    assert table.left("alice@h") == ["sip:0@h"]


def test_tables_of_other_names_too(table: Table) -> None:
    work = table.location.open(table.location.domain("other"), "x\udce9@h")
    work.insert(Contact("sip:0@h", 0, NOW + 1, NOW, "c1", 1, "ua"))
    work.commit()
    table.after(61)
    assert table.tables.count(b"L") == 0
