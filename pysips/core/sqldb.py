"""SQL databases for modules: `db_*` modules serve them, all others ask (OpenSIPS: its database API, db.h).

    database = self.program.databases.open(self.db_url)         # in configure(): connects nowhere
    rows = await database.select("subscriber", ["ha1"], [("username", "=", user)])

Facts:
- every operation ends within the time limit (1 s, or the URL's `timeout`), in a result or in `SqlError`, and nothing
  else; the work itself is done by threads (`services.offload`);
- a server that cannot be reached, or answers nobody in time, opens the circuit: from then on every operation fails at
  once (`SqlError.is_down`), while one probe a second finds the server back and calls whoever asked by `when_back`;
- an operation that was too slow may still have been done by the server: whoever repeats it must be content with that;
- connections are opened at the first use in a process, at most as many as `db_max_async_connections`; operations
  beyond that wait their turn, and the wait counts for their time limit;
- methods may be awaited in script runs, timers and management commands, and in `Module.start()` and `stop()`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, final

from pysips.errors import ModuleError

from .circuit import Circuit
from .driven import driven
from .log import log
from .services import Promise, Services, Timer
from .sqlurl import SqlUrl, parse_url, scheme_of
from .sqlwork import (
    Attempt,
    Batch,
    Delete,
    Engine,
    Insert,
    Operation,
    Ping,
    Query,
    Row,
    Select,
    SqlError,
    Update,
    Upsert,
    Value,
    Where,
    Work,
    is_storable,
)  # fmt: skip

if TYPE_CHECKING:
    from .program import Program

__all__ = [
    "Attempt", "Database", "Databases", "Delete", "Engine", "Insert", "NoDatabase", "Operation", "Row", "SqlError",
    "SqlServer", "SqlUrl", "Update", "Upsert", "Value", "Where", "is_storable",
]  # fmt: skip

TIME_LIMIT: Final = 1.0  # seconds
MOST_WAITING: Final = 10_000  # operations that wait for a connection
TOLD_AT_ONCE: Final = 10  # of them, when the server is found to be away: a millisecond or two


class NoDatabase(ModuleError):
    """No module serves a database URL."""


@final
class Call(Timer):
    """One operation on its way: waiting for a connection, then in a thread. Its timer is the time limit."""

    __slots__ = ("asked", "attempt", "database", "is_over", "outcome", "work")

    def __init__(self, database: "Database", work: Work) -> None:
        super().__init__()
        self.database = database
        self.work = work
        self.asked = database.services.clock.now()
        self.outcome = Promise()
        self.attempt: Attempt | None = None
        self.is_over = False  # no thread works for it any more

    def begin(self) -> None:
        """A connection is free."""
        database = self.database
        database.busy += 1
        self.attempt = database.engine.attempt()
        promise = database.services.offload.run(database.engine.perform, self.work, self.attempt)
        promise.when_done(lambda: self.ended(promise))

    def ended(self, promise: Promise) -> None:
        """The thread is done; maybe too late."""
        self.due = 0
        self.is_over = True
        self.database.busy -= 1
        if not self.outcome.done:
            self.database.heard(self, promise.value, promise.failure)
        self.database.next()

    def fire(self) -> None:
        """The time is over."""
        if self.attempt is not None:
            self.attempt.give_up()
        self.database.late(self)


@final
class Probe(Timer):
    """Asks a server that is down whether it is back, once a second."""

    __slots__ = ("database",)

    def __init__(self, database: "Database") -> None:
        super().__init__()
        self.database = database

    def fire(self) -> None:
        self.database.probe()


class Database:
    """One database as one process sees it. Made by `Databases.open`."""

    def __init__(self, url: SqlUrl, services: Services, engine: Engine, limit: float = TIME_LIMIT, width: int = 10):
        self.url = url
        self.services = services
        self.engine = engine
        self.limit = url.timeout or limit
        self.width = url.pool or width
        self.version_table = "version"
        self.busy = 0
        self.waiting: deque[Call] = deque()
        self.circuit = Circuit(0.0)
        self.problem = ""
        self.answered = 0.0  # when it last answered
        self.prober = Probe(self)
        self.probing: Call | None = None
        self.watchers: list[Callable[[], object]] = []
        self.changed: Callable[[Database], object] = _nobody

    @property
    def is_up(self) -> bool:
        """False from a failure on until a probe has found the server back."""
        return not self.circuit.is_open

    def when_back(self, callback: Callable[[], object]) -> None:
        """Call back, each time, when the server answers again after it was down."""
        self.watchers.append(callback)

    # -- operations; each raises SqlError

    async def select(
        self, table: str, columns: Sequence[str], where: Where = (), order: str = "", most: int = 0
    ) -> list[Row]:
        """Rows, each a tuple of the columns asked for."""
        rows: list[Row] = await self.call(Select(table, columns, where, order, most))
        return rows

    async def insert(self, table: str, row: Mapping[str, Value]) -> None:
        await self.call(Insert(table, row))

    async def update(self, table: str, where: Where, values: Mapping[str, Value]) -> int:
        """How many rows were found."""
        count: int = await self.call(Update(table, where, values))
        return count

    async def delete(self, table: str, where: Where) -> int:
        """How many rows are gone; () deletes all."""
        count: int = await self.call(Delete(table, where))
        return count

    async def upsert(self, table: str, keys: Mapping[str, Value], values: Mapping[str, Value]) -> None:
        """Update the row with these keys, which a unique index covers, or insert it."""
        await self.call(Upsert(table, keys, values))

    async def batch(self, operations: Sequence[Operation]) -> None:
        """All of them in one transaction."""
        await self.call(Batch(operations))

    async def query(self, text: str, values: Sequence[Value] = ()) -> list[Row]:
        """Raw SQL, each `?` of which takes a value; [] if it gives no rows."""
        rows: list[Row] = await self.call(Query(text, values))
        return rows

    async def version(self, table: str) -> int | None:
        """The layout's number of a table by OpenSIPS' table `version`; None if that says nothing of it."""
        rows = await self.select(self.version_table, ["table_version"], [("table_name", "=", table)])
        return None if not rows or not isinstance(rows[0][0], int) else rows[0][0]

    # -- their way

    def call(self, work: Work) -> Promise:
        """Begin; the promise brings the result, or SqlError."""
        call = Call(self, work)
        if self.circuit.is_open:
            call.outcome.fail(SqlError(f"{self.url.shown} is down: {self.problem}", is_down=True))
            return call.outcome
        if self.busy >= self.width and len(self.waiting) >= MOST_WAITING:
            call.outcome.fail(SqlError(f"{self.url.shown}: too many operations at once", is_down=True))
            return call.outcome
        self.services.timers.add(call, self.limit)
        if self.busy < self.width:
            call.begin()
        else:
            self.waiting.append(call)
        return call.outcome

    def next(self) -> None:
        """A connection is free again."""
        while self.waiting and self.busy < self.width:
            call = self.waiting.popleft()
            if not call.outcome.done:
                call.begin()

    def heard(self, call: Call, value: Any, failure: BaseException | None) -> None:
        """An operation has its outcome."""
        call.due = 0
        if failure is None:
            self.answered = self.services.clock.now()
            if self.circuit.worked(self.answered):
                self.back()
            call.outcome.complete(value)
            return
        problem = failure if isinstance(failure, SqlError) else SqlError(f"{type(failure).__name__}: {failure}")
        if problem.is_down:
            self.down(str(problem))
        call.outcome.fail(SqlError(f"{self.url.shown}: {problem}", problem.is_down))

    def late(self, call: Call) -> None:
        """An operation's time is over. If the server answered others meanwhile it is busy, and not down."""
        problem = f"no answer within {self.limit:g} s"
        if self.answered <= call.asked:
            self.down(problem)
        call.outcome.fail(SqlError(f"{self.url.shown}: {problem}", is_down=True))

    def down(self, problem: str) -> None:
        """The server is away: whoever waits for a connection learns it now, and the probes begin."""
        self.problem = problem
        if not self.circuit.failed(self.services.clock.now()):
            return
        log.error("db", f"{self.url.shown} is down: {problem}; asked again every {self.circuit.pause:g} s")
        self.services.timers.add(self.prober, self.circuit.pause)
        self.changed(self)
        waiting, self.waiting = self.waiting, deque()
        driven(self.turn_away(waiting, problem))

    async def turn_away(self, waiting: deque[Call], problem: str) -> None:
        """Tell those who wait, some at a time: their runs go on at once, and others want the loop, too."""
        told = 0
        for call in waiting:
            if call.outcome.done:
                continue
            if told == TOLD_AT_ONCE:
                told = 0
                await self.services.offload.spawn(asyncio.sleep(0))
            told += 1
            call.due = 0
            call.outcome.fail(SqlError(f"{self.url.shown} is down: {problem}", is_down=True))

    def probe(self) -> None:
        """Ask whether the server is back; a probe of before that still hangs is waited for."""
        if not self.circuit.is_open:
            return
        self.services.timers.add(self.prober, self.circuit.pause)
        if self.probing is None or self.probing.is_over:
            self.probing = call = Call(self, Ping())
            self.services.timers.add(call, self.limit)
            call.begin()

    def back(self) -> None:
        """The server answers again."""
        self.prober.due = 0
        log.notice("db", f"{self.url.shown} answers again")
        self.changed(self)
        for callback in list(self.watchers):
            callback()


def _nobody(database: Database) -> None:
    """Nobody wants to know."""


class SqlServer:
    """What a `db_*` module hands to `Databases.serve`."""

    def engine(self, url: SqlUrl, limit: float, width: int) -> Engine:
        """Make an engine for a URL, without connecting. Raises ModuleError."""
        raise NotImplementedError

    def limit(self) -> float:
        """The time limit where the URL names none."""
        return TIME_LIMIT

    def changed(self, database: Database) -> None:
        """A server is down, or back (`is_up`)."""


class Databases:
    """All databases of a process, by URL."""

    def __init__(self, program: "Program") -> None:
        self.program = program
        self.opened: dict[str, Database] = {}

    def open(self, url: str) -> Database:
        """The database of a URL, the same for equal URLs; "" is `db_default_url`. Connects nowhere.

        Call it from `configure()` on. Raises ModuleError: a bad URL, or no loaded module that serves its scheme.
        """
        known = self.program.config.globals
        url = url or str(known["db_default_url"] or "")
        if not url:
            raise NoDatabase("no database is named: set db_url, or db_default_url for all modules")
        if url not in self.opened:
            self.opened[url] = self.make(parse_url(url))
        return self.opened[url]

    def make(self, url: SqlUrl) -> Database:
        server = self.server_of(url.scheme)
        limit = url.timeout or server.limit()
        width = url.pool or max(1, int(self.program.config.globals["db_max_async_connections"] or 0))
        made = Database(url, self.program.services, server.engine(url, limit, width), limit, width)
        made.version_table = str(self.program.config.globals["db_version_table"] or "version")
        made.changed = server.changed
        return made

    def server_of(self, scheme: str) -> SqlServer:
        """The loaded module that serves a scheme. Raises NoDatabase."""
        module = self.program.registry.loaded.get(f"db_{scheme}")
        if isinstance(module, SqlServer):
            return module
        raise NoDatabase(f'no loaded module serves {scheme}:// databases: loadmodule "db_{scheme}.so"')

    async def close(self, scheme: str) -> None:
        """Close idle connections to databases of a scheme, and probe no more; whoever asks later opens new ones."""
        for database in self.opened.values():
            if database.url.scheme == scheme:
                database.prober.due = 0
                await self.program.services.offload.run(database.engine.close)

    def serves(self, url: str) -> bool:
        """Whether a URL is one of a scheme that a loaded module serves."""
        try:
            self.server_of(scheme_of(url))
        except ModuleError:
            return False
        return True
