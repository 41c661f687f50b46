"""cachedb_memory: a store in one process's memory, for tests: down or held up when they say so.

It is loaded as pysips.modules.cachedb_memory, by a script whose `mpath` names this folder; see pysips/testing/cache.py.
"""

from pysips.core.cachedb import CacheDb, CacheError, CacheModule
from pysips.core.cachedb_url import CacheUrl
from pysips.core.services import Clock, Promise, Services
from pysips.script.values import Value


class CachedbMemory(CacheModule):
    def connect(self, url: CacheUrl) -> CacheDb:
        return MemoryCache(url, self.services)


class MemoryCache(CacheDb):
    """values: by key, with when they are over; rows: by id; done: what was asked, in order, as "put_row alice…"."""

    has_rows = True

    def __init__(self, url: CacheUrl, services: Services) -> None:
        super().__init__(url)
        self.services = services
        self.values: dict[str, tuple[str, float]] = {}
        self.rows: dict[str, dict[str, str]] = {}
        self.answers: dict[str, list[list[Value]] | None] = {}  # what raw queries bring
        self.done: list[str] = []
        self.down = False
        self.held: list[Promise] | None = None

    @property
    def is_up(self) -> bool:
        return not self.down

    @property
    def clock(self) -> Clock:
        return self.services.clock

    # -- what a test does to it

    def go_down(self) -> None:
        """From now on every operation fails at once."""
        self.down = True

    def come_back(self) -> None:
        """It answers again, and who wanted to know is told."""
        self.down = False
        for callback in self.callbacks:
            callback()

    def hold(self) -> None:
        """From now on operations wait."""
        self.held = []

    def release(self) -> None:
        """Those that wait go on, in order, and no others wait."""
        waiting, self.held = self.held or [], None
        for promise in waiting:
            promise.complete()

    async def asked(self, operation: str, key: str) -> None:
        """The beginning of every operation."""
        if self.held is not None:
            promise = Promise()
            self.held.append(promise)
            await promise
        if self.down:
            raise CacheError("memory does not answer", is_down=True)
        self.done.append(f"{operation} {key}")

    # -- keys

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        await self.asked("store", key)
        self.values[key] = (value, self.clock.time() + expires if expires else 0.0)

    def get(self, key: str) -> str | None:
        value, until = self.values.get(key, (None, 0.0))
        return None if 0 < until <= self.clock.time() else value

    async def fetch(self, key: str) -> str | None:
        await self.asked("fetch", key)
        return self.get(key)

    async def counter(self, key: str) -> int | None:
        await self.asked("counter", key)
        value = self.get(key)
        return None if value is None else int(value)

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        await self.asked("add", key)
        new = int(self.get(key) or 0) + number
        self.values[key] = (str(new), self.clock.time() + expires if expires else 0.0)
        return new

    async def remove(self, key: str) -> None:
        await self.asked("remove", key)
        self.values.pop(key, None)

    async def raw_query(self, text: str, columns: int) -> list[list[Value]] | None:
        await self.asked("raw_query", text)
        return self.answers.get(text)

    # -- rows

    async def put_row(self, id: str, row: dict[str, str]) -> None:
        await self.asked("put_row", id)
        self.rows[id] = dict(row)

    async def remove_row(self, id: str) -> None:
        await self.asked("remove_row", id)
        self.rows.pop(id, None)

    async def find_rows(self, field: str, value: str) -> list[dict[str, str]]:
        await self.asked("find_rows", value)
        return [{**row, "id": id} for id, row in self.rows.items() if row.get(field) == value]

    async def all_rows(self, field: str, value: str) -> list[dict[str, str]]:
        return await self.find_rows(field, value)
