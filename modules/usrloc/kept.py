"""What `usrloc` does with its SQL database, in each of the server's processes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pysips.core.changes import Changes
from pysips.core.log import log
from pysips.core.services import Services
from pysips.core.sqldb import Database, SqlError
from pysips.errors import ModuleError, PysipsError

from .contacts import RECORDS, Domain, Location, aor_of_key
from .embedded import make_tables
from .fetching import Fetcher
from .lines import EXPIRED
from .loading import PAGE, Gate, Loader, WrongTable
from .modes import Mode
from .rows import Rows
from .storage import LOOK_SECONDS, NAME, SqlWriter, mark_dirty

Result = TypeVar("Result")


class Kept:
    """The database of one server's contacts. file: the embedded one, or None; interval: `timer_interval`."""

    def __init__(
        self, services: Services, location: Location, database: Database, rows: Rows, mode: Mode, interval: int,
        most_ids: int, skip_peers: bool, regen: bool, file: Path | None,
    ) -> None:  # fmt: skip
        self.services = services
        self.location = location
        self.database = database
        self.mode = mode
        self.file = file
        self.gate = Gate(services)
        pace = LOOK_SECONDS if mode.waits_for_sql else float(interval)
        self.writer = SqlWriter(location, database, rows, pace, most_ids, skip_peers)
        self.loader = Loader(location, database, rows, self.writer, regen)
        self.loader.loads = mode.loads_sql
        self.fetcher = Fetcher(location, database, rows) if mode.is_sql_only else None
        self.interval = interval
        self.swept = 0.0
        if mode.is_sql_only:
            self.writer.skipped |= EXPIRED

    def follow(self, changes: Changes) -> None:
        """Take part in the change log."""
        changes.follow(self.writer)
        self.location.log = changes

    async def start(self) -> None:
        """In the attendant: load; in a worker: wait for that. Raises PysipsError."""
        if self.services.slot >= 0:
            await self.gate.wait()
            return
        if self.file is not None:
            await self.make_file()
        if self.gate.is_open():
            self.loader.loads = False  # an attendant that was replaced finds the contacts in the shared tables
        try:
            await self.loader.load()
        except SqlError as problem:
            if not problem.is_down:
                raise WrongTable(f"contacts cannot be loaded: {problem}") from None
            log.error("usrloc", f"contacts are loaded once the database answers: {problem}")
        self.gate.open()

    async def make_file(self) -> None:
        """The embedded database. Raises ModuleError."""
        assert self.file is not None
        columns = self.writer.rows.columns
        try:
            await make_tables(self.file, self.database, list(self.location.domains), columns)
        except (OSError, PysipsError) as problem:
            raise ModuleError(
                f"contacts cannot be kept in {self.file}: {problem}; set db_url, or $STATE_DIRECTORY to a folder"
            ) from None

    async def second(self) -> None:
        """Once a second in the attendant: load as soon as a database that was away is back, delete expired rows."""
        await self.load_late()
        now = self.services.clock.now()
        if self.fetcher is not None and now >= self.swept + self.interval:
            self.swept = now
            await self.fetcher.sweep()

    async def load_late(self) -> None:
        """See `second`."""
        if self.writer.ready or not self.database.is_up:
            return
        try:
            await self.loader.load()
        except PysipsError as problem:
            if log.limited("usrloc:late", 60.0):
                log.error("usrloc", f"contacts could not be loaded: {problem}")
        else:
            if self.location.log is not None:
                self.location.log.reading.wake(NAME)

    async def written(self) -> bool:
        """Wait until the database has this process's last change; False if it cannot, or is late."""
        place, self.location.written = self.location.written, b""
        changes = self.location.log
        if not place or changes is None:
            return True
        return bool(await changes.reading.reached(NAME, place))

    async def changed(self, domain: Domain, aor: str, work: Callable[[], Result]) -> Result:
        """Do `work`, which may change an AoR, as the mode wants it: upon what the database says, and waiting for it."""

        async def done() -> Result:
            result = work()
            if self.mode.waits_for_sql:
                await self.written()
            return result

        if self.fetcher is None or not aor:
            return await done()
        result: Result = await self.fetcher.with_aor(domain, aor, done)
        return result

    def wake(self) -> None:
        """Let the database have what waits for it."""
        if self.location.log is not None:
            self.location.log.reading.wake(NAME)

    async def sync(self, domain: Domain, aor: str) -> None:
        """Write an AoR, or all of a table, anew; rows of contacts that are not here are deleted. Raises SqlError."""
        if aor:
            mark_dirty(self.location, domain.name, [aor])
        else:
            await self.sync_table(domain)
        self.wake()

    async def sync_table(self, domain: Domain) -> None:
        """Some hundred AoRs at a time; others run between them."""
        tables, after = self.services.tables, domain.prefix
        while True:
            found = tables.scan(RECORDS, after, PAGE)
            keys = [key for key, _ in found if key.startswith(domain.prefix)]
            if not keys:
                break
            mark_dirty(self.location, domain.name, [aor_of_key(domain, key) for key in keys])
            after = keys[-1]
            await self.services.offload.spawn(asyncio.sleep(0))
        await self.loader.drop_strays(domain)

    async def fetch_all(self, domain: Domain) -> None:
        """In sql-only: read all of a table, as far as the database can be asked."""
        if self.fetcher is None:
            return
        try:
            await self.fetcher.fetch_all(domain)
        except SqlError as problem:
            log.error("usrloc", f"contacts cannot be read: {problem}")
