"""Contacts on their way into SQL: the follower of the change log that writes OpenSIPS' table `location`.

Facts:
- it works in the attendant, as soon as somebody waits (write-through) or every `timer_interval` (write-back); lines of
  many AoRs are one transaction of the database;
- a row is named by its contact's id, and writing it twice changes nothing, so after any failure the same lines are
  simply written again; while the database is away they stay in the log, one for each AoR;
- rows that the database refuses for themselves (too long for an old layout, say) are left out with a line in the log:
  they hold up nobody else;
- a database that is too slow for many rows at once gets fewer.
"""

from typing import Final

from pysips.core.changes import Change, ChangeFollower, NotNow
from pysips.core.log import log
from pysips.core.sqldb import Database, Delete, Operation, SqlError, Upsert

from .contacts import Location
from .lines import DELETED, LOADED, PEER, AorChange, change_of
from .records import MEMORY_ONLY, Record
from .rows import Rows

NAME: Final = "usrloc-sql"
MOST: Final = 200  # AoRs in one transaction
FEWEST: Final = 5
LOOK_SECONDS: Final = 1.0  # of write-through, where nobody waits


class SqlWriter(ChangeFollower):
    """pace: seconds between two looks; most_ids: contacts deleted by one statement; skip_peers: what other nodes said
    is theirs to write."""

    def __init__(
        self, location: Location, database: Database, rows: Rows, pace: float, most_ids: int, skip_peers: bool
    ) -> None:
        super().__init__(NAME, pace, MOST)
        self.location = location
        self.database = database
        self.rows = rows
        self.most_ids = most_ids
        self.skipped = LOADED | (PEER if skip_peers else 0)  # lines.py's reasons that are no business of the database
        self.ready = False  # the tables have been loaded, or need not be

    async def apply(self, changes: list[Change]) -> None:
        """Write the lines; raises NotNow while the database is away."""
        if not self.ready:
            raise NotNow
        works = [self.operations(change_of(one)) for one in changes]
        try:
            await self.write([one for work in works for one in work])
        except SqlError as problem:
            if problem.is_down:
                self.most = max(FEWEST, self.most // 2)
                raise NotNow from None
            for work in works:
                await self.write_alone(work)
        self.most = min(MOST, self.most * 2)

    async def write(self, operations: list[Operation]) -> None:
        if operations:
            await self.database.batch(operations)

    async def write_alone(self, operations: list[Operation]) -> None:
        """The rows of one AoR, so that one that is refused does not keep the others away."""
        try:
            await self.write(operations)
        except SqlError as problem:
            if problem.is_down:
                raise NotNow from None
            if log.limited("usrloc:refused", 1.0):
                log.error("usrloc", f"the database does not take the contacts of an AoR: {problem}")

    # -- what is to be written

    def operations(self, change: AorChange) -> list[Operation]:
        """What a line means for the table's rows."""
        record = self.location.read(self.location.domain(change.table), change.aor)
        if change.dirty:
            return self.anew(change, record)
        gone = [
            id for id, (what, why) in change.entries.items() if what == DELETED and not self.is_skipped(why)
        ]  # fmt: skip
        made: list[Operation] = []
        for at in range(0, len(gone), self.most_ids):
            made.append(Delete(change.table, [(self.rows.id, "in", gone[at : at + self.most_ids])]))
        if record is not None:
            made += self.written(change, record)
        return made

    def written(self, change: AorChange, record: Record) -> list[Operation]:
        """The rows of those contacts that the line names."""
        made: list[Operation] = []
        for contact in record.contacts:
            entry = change.entries.get(contact.id)
            named = change.dirty or (entry is not None and not self.is_skipped(entry[1]))
            if named and not contact.flags & MEMORY_ONLY:
                row = self.rows.values(change.aor, record, contact)
                made.append(Upsert(change.table, {self.rows.id: contact.id}, row))
        return made

    def anew(self, change: AorChange, record: Record | None) -> list[Operation]:
        """All rows of an AoR are taken out, and those of its contacts put in."""
        owner = [(column, "=", value) for column, value in self.rows.owner(change.aor).items()]
        made: list[Operation] = [Delete(change.table, owner)]
        return made if record is None else made + self.written(change, record)

    def is_skipped(self, why: int) -> bool:
        """Whether nobody but those whose changes are not ours to write had a part in it."""
        return why & ~self.skipped == 0


def mark_dirty(location: Location, table: str, aors: list[str]) -> None:
    """Let all rows of some AoRs be written anew (`ul_sync`). At most some hundred. Raises TablesFull."""
    if location.log is None:
        return
    domain = location.domain(table)
    transaction = location.services.tables.begin()
    try:
        for aor in aors:
            key = domain.prefix + aor.encode("utf-8", "surrogateescape")
            line = AorChange(True)
            line.dirty = True
            location.written = location.log.note(transaction, key, line.value())
        transaction.commit()
    except BaseException:
        transaction.abort()
        raise
