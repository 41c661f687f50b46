"""Rows of accounting on their way into SQL (acc; OpenSIPS' tables `acc` and `missed_calls`).

Facts:
- nobody waits for a row: it waits in this process, and goes with others in one transaction a moment later;
- while the database is away or slow rows wait, up to a bound, and are written once it is back;
- a transaction that got no answer may still have been done: before it is tried again its first row is looked for;
- a row that the database refuses is tried once more as its columns can hold it: shorter, in plain ASCII;
- a row that cannot be written at all is a line in the log, with all its values: it is not lost without a trace.
"""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Final, final

from pysips.core.driven import driven
from pysips.core.log import harmless, log
from pysips.core.services import Promise, Services, Timer
from pysips.core.sqldb import Database, Insert, SqlError, Value, is_storable

LINGER: Final = 0.1  # seconds in which other rows may join
PAUSE: Final = 1.0  # seconds until the next try; what a server still has in hand is done by then
MOST: Final = 200  # rows of a transaction
FEWEST: Final = 5
LAST_SECONDS: Final = 0.8  # at the end of the process
LINES: Final = 2_000  # that the log takes without losing one; then it gets the time to write them
FLUSH_SECONDS: Final = 0.1

Row = dict[str, Value]


@final
class RowWriter(Timer):
    """The rows of one process. bound: how many may wait; widths: what a column holds at least, in characters."""

    __slots__ = (
        "bound", "database", "has_said", "idle", "is_working", "most", "services", "uncertain", "waiting", "widths",
    )  # fmt: skip

    def __init__(self, database: Database, services: Services, bound: int, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.database = database
        self.services = services
        self.bound = bound
        self.widths = widths
        self.waiting: deque[Insert] = deque()
        self.uncertain = 0  # of the first rows: they were sent, and nothing was heard of them
        self.most = MOST
        self.is_working = False
        self.idle = Promise()
        self.has_said = False  # that rows wait
        database.when_back(self.again)

    def put(self, table: str, row: Row) -> None:
        """Take a row; it is written a moment later."""
        made = Insert(table, {column: storable(value) for column, value in row.items()})
        if len(self.waiting) >= self.bound:
            if log.limited("acc:full", 60.0):
                log.error("acc", f"{self.bound} rows wait for the database: more go to the log, and nowhere else")
            write_down(made)
            return
        self.waiting.append(made)
        if not self.is_working and not self.due:
            self.services.timers.add(self, LINGER)

    def again(self) -> None:
        """The database answers again."""
        if self.waiting and not self.is_working:
            self.services.timers.add(self, PAUSE)

    def fire(self) -> None:
        """Write what waits."""
        if self.is_working or not self.waiting:
            return
        if not self.database.is_up:
            self.say_away(self.database.problem)
            return  # again() comes
        self.is_working = True
        work = driven(self.write())
        work.when_done(lambda: self.ended(work))

    def ended(self, work: Promise) -> None:
        """Nothing waits any more, or it must wait on."""
        self.is_working = False
        problem = work.failure
        if problem is None:
            if self.has_said:
                self.has_said = False
                log.notice("acc", f"all rows of accounting are in {self.database.url.shown} now")
            self.idle.complete()
            return
        self.say_away(str(problem))
        if not isinstance(problem, SqlError):
            log.error("acc", f"writing rows failed: {type(problem).__name__}: {problem}")
        self.services.timers.add(self, PAUSE)
        if not self.database.is_up:
            self.idle.complete()  # whoever waits for the end need not wait on

    def say_away(self, problem: str) -> None:
        """Once for each time that the database is away."""
        if not self.has_said:
            self.has_said = True
            log.error("acc", f"rows of accounting wait for the database, at most {self.bound}: {problem}")

    async def write(self) -> None:
        """Until nothing waits. Raises SqlError: the database is away."""
        while self.waiting:
            await self.settle()
            page = list(islice(self.waiting, self.most))
            if not page:
                return
            self.uncertain = len(page)
            try:
                await self.database.batch(page)
            except SqlError as problem:
                if problem.is_down:
                    self.most = max(FEWEST, self.most // 2)
                    raise
                self.uncertain = 0
                await self.write_each(len(page))
            else:
                self.done(len(page))
                self.most = min(MOST, self.most * 2)

    async def settle(self) -> None:
        """Was a transaction of which nothing was heard done? If its first row is there all are. Raises SqlError."""
        if not self.uncertain:
            return
        first = self.waiting[0]
        alike = sum(one == first for one in islice(self.waiting, self.uncertain))
        where = [(column, "=", value) for column, value in first.row.items()]
        try:
            found = await self.database.select(first.table, list(first.row), where, most=alike)
        except SqlError as problem:
            if problem.is_down:
                raise
            found = []
        if len(found) >= alike:
            self.done(self.uncertain)
        self.uncertain = 0

    async def write_each(self, count: int) -> None:
        """The first rows one by one, so that one that is refused keeps no other away. Raises SqlError."""
        for _ in range(min(count, len(self.waiting))):
            row = self.waiting[0]
            self.uncertain = 1
            problem = await self.refusal(row)
            if problem is not None:
                problem = await self.refusal(Insert(row.table, self.fitted(row.row)))
            if problem is not None:
                if log.limited("acc:refused", 1.0):
                    log.error("acc", f"the database does not take a row of accounting: {problem}")
                write_down(row)
            self.done(1)

    async def refusal(self, row: Insert) -> SqlError | None:
        """Why a row is not taken. Raises SqlError if the database is away."""
        try:
            await self.database.batch([row])
        except SqlError as problem:
            if problem.is_down:
                raise
            return problem
        return None

    def fitted(self, row: Mapping[str, Value]) -> Row:
        """A row as OpenSIPS' layout can hold it."""
        return {column: fitted(value, self.widths.get(column, 0)) for column, value in row.items()}

    def done(self, count: int) -> None:
        """The first rows are no longer ours."""
        for _ in range(min(count, len(self.waiting))):
            self.waiting.popleft()
        self.uncertain = 0

    async def finish(self) -> None:
        """The process ends: write what waits, or put it into the log when the time is over."""
        if not self.waiting:
            return
        self.fire()
        if self.is_working:
            self.idle = Promise()
            self.services.timers.add(Deadline(self.idle), LAST_SECONDS)
            await self.idle
        if self.waiting:
            log.error("acc", f"{len(self.waiting)} rows of accounting are not in the database: they follow here")
        for number, row in enumerate(self.waiting, 1):
            write_down(row)
            if number % LINES == 0:
                log.flush(FLUSH_SECONDS)
        self.waiting.clear()
        self.uncertain = 0


@final
class Deadline(Timer):
    """The end of a wait."""

    __slots__ = ("promise",)

    def __init__(self, promise: Promise) -> None:
        super().__init__()
        self.promise = promise

    def fire(self) -> None:
        self.promise.complete()


def storable(value: Value) -> Value:
    """A value as any database can hold it."""
    return harmless(value).replace("\0", "") if isinstance(value, str) and not is_storable(value) else value


def fitted(value: Value, width: int) -> Value:
    """A text in ASCII and at most so wide (0: any width)."""
    if not isinstance(value, str):
        return value
    plain = value.encode("ascii", "replace").decode("ascii")
    return plain[:width] if width else plain


def write_down(row: Insert) -> None:
    """A row that is in no database, as a line in the log."""
    values = ";".join(column + "=" + str(value) for column, value in row.row.items())
    log.error("acc", harmless(f"ACC: row of {row.table}: {values}"))
