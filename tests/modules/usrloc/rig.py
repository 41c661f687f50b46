"""usrloc's tables, the change log, and a database, all in memory: what a server does with them, without one."""

from collections.abc import Coroutine
from typing import Any

from pysips.core.changes import Changes
from pysips.core.flags import FlagNames
from pysips.core.services import Services, Socket
from pysips.modules.usrloc.contacts import Domain, Location
from pysips.modules.usrloc.kept import Kept
from pysips.modules.usrloc.modes import Mode
from pysips.modules.usrloc.records import Contact
from pysips.modules.usrloc.rows import FIELDS, Rows
from pysips.runtime.changes import AttendantReading
from pysips.runtime.offload import driven
from pysips.testing.fakes import FakeClock, FakeOffload
from pysips.testing.tables import MemoryTable

from .database import FakeDatabase

COLUMNS = {field: field for field in FIELDS} | {"user": "username"}
THROUGH = Mode(restart="load-from-sql", sql_write="write-through", db_url="x")
BACK = Mode(restart="load-from-sql", sql_write="write-back", db_url="x")
ONLY = Mode("sql-only", db_url="x")


class Rig:
    """One server's attendant; `other` makes another one on the same database."""

    def __init__(self, mode: Mode = THROUGH, database: FakeDatabase | None = None, **facts: Any) -> None:
        self.database = database or FakeDatabase()
        self.services = Services()
        self.services.tables = self.tables = MemoryTable()
        self.services.clock = self.clock = FakeClock()
        self.services.timers = self.clock.timers
        self.services.offload = FakeOffload()
        self.services.slot = -1
        self.services.sockets += [
            Socket(0, "udp", "10.0.0.1", 5060),
            Socket(1, "tcp", "10.0.0.1", 5070, "sip.home", 5071),
        ]
        self.flags = FlagNames("branch")
        self.location = Location(self.services)
        self.domain = self.location.domain("location")
        self.rows = Rows(self.location, self.flags, facts.pop("columns", COLUMNS), facts.pop("use_domain", True))
        settings = {"interval": 60, "most_ids": 10, "skip_peers": False, "regen": False, "file": None} | facts
        self.kept = Kept(self.services, self.location, self.database, self.rows, mode, **settings)
        self.log = Changes()
        self.kept.follow(self.log)

    def start(self) -> "Rig":
        self.done(self.kept.start())
        self.log.reading = self.reading = AttendantReading(self.log.followers, self.tables, self.clock.timers)
        self.reading.begin()
        return self

    def done(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of what waits for nobody here."""
        promise = driven(work)
        assert promise.done
        if promise.failure is not None:
            raise promise.failure
        return promise.value

    def other(self, mode: Mode = THROUGH, **facts: Any) -> "Rig":
        made = Rig(mode, self.database, **facts)
        made.clock.seconds = self.clock.seconds
        return made

    def contact(self, uri: str, expires: int = 600, **facts: Any) -> Contact:
        now = self.location.now()
        made = Contact(uri, 0, now + expires if expires else 0, now, "call-1", 1, "Phone/1")
        for name, value in facts.items():
            setattr(made, name, value)
        return made

    def insert(self, aor: str, *contacts: Contact, why: int = 1) -> list[int]:
        work = self.location.open(self.domain, aor)
        work.why = why
        for contact in contacts:
            work.insert(contact)
        work.commit()
        return [contact.id for contact in contacts]

    def delete(self, aor: str, place: int = 0, why: int = 1) -> None:
        work = self.location.open(self.domain, aor)
        work.why = why
        work.delete(place)
        work.commit()

    def contacts(self, aor: str, domain: Domain | None = None) -> list[Contact]:
        record = self.location.read(domain or self.domain, aor)
        return [] if record is None else record.contacts

    def stored(self, column: str = "contact") -> list[Any]:
        """A column of all rows."""
        return [row[column] for row in self.database.tables["location"]]
