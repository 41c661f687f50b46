"""Key/value stores behind one interface, whichever module serves them (OpenSIPS: cachedb).

A module `cachedb_<engine>` is a `CacheModule`, and makes one `CacheDb` for each URL. Scripts name a store by its engine
and group, "redis:group1"; modules open one by its URL.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pysips.errors import ModuleError, PysipsError
from pysips.script.values import Value

from .cachedb_url import CacheUrl, read_url
from .exports import Module, modparam
from .log import log

if TYPE_CHECKING:
    from .program import Program
    from .services import Clock
    from .stats import Counter

FAILED: Final = -1
NOT_FOUND: Final = -2
SLOW_LOGGED: Final = 60.0  # seconds between two lines about slow operations of a store


class CacheError(PysipsError):
    """An operation failed. is_down: the server cannot be reached, or is too slow; code: what a script gets."""

    def __init__(self, message: str, is_down: bool = False, code: int = FAILED) -> None:
        super().__init__(message)
        self.is_down = is_down
        self.code = code


class CacheDb:
    """One store. Its operations raise only CacheError; those that an engine lacks say so.

    Await them in a run, a timer, or whatever else `driven` drives. expires: seconds, 0 for ever.
    has_rows: whether the row operations are there, which the federation keeps its records by: a row is a few named
    texts under an id, and is found by the value of one of them.
    """

    has_rows: bool = False

    def __init__(self, url: CacheUrl) -> None:
        self.url = url
        self.callbacks: list[Callable[[], object]] = []

    @property
    def is_up(self) -> bool:
        """Whether the store answered when it was asked last."""
        return True

    def when_back(self, callback: Callable[[], object]) -> None:
        """Call back, on the loop, each time that the store answers again after it was down."""
        self.callbacks.append(callback)

    async def start(self) -> None:
        """In each process, after the fork, in a task. A store also works, and connects, when it is used before that."""

    async def stop(self) -> None:
        """Let go of connections; must work after a half-done start."""

    # -- keys

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        """Set a key's value and expiry, whatever they were."""
        raise self.lacks("store")

    async def fetch(self, key: str) -> str | None:
        """A key's value; None if there is none."""
        raise self.lacks("fetch")

    async def counter(self, key: str) -> int | None:
        """The number that `add` keeps; None if there is none."""
        raise self.lacks("counter_fetch")

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        """Add to a number, which is 0 where there is none, in one step; answers the new one."""
        raise self.lacks("add")

    async def remove(self, key: str) -> None:
        """Forget a key; one that is not there is no mistake."""
        raise self.lacks("remove")

    async def raw_query(self, text: str, columns: int) -> list[list[Value]] | None:
        """The store's own language; rows of at most `columns` values, none where there is nothing to tell.

        None: the store found nothing.
        """
        raise self.lacks("raw_query")

    # -- rows

    async def put_row(self, id: str, row: dict[str, str]) -> None:
        """Write a row, whether it is there or not."""
        raise self.lacks("rows")

    async def remove_row(self, id: str) -> None:
        """Remove a row; one that is not there is no mistake."""
        raise self.lacks("rows")

    async def find_rows(self, field: str, value: str) -> list[dict[str, str]]:
        """The rows whose field has this value, each with its "id" where the store has one. By index, for calls."""
        raise self.lacks("rows")

    async def all_rows(self, field: str, value: str) -> list[dict[str, str]]:
        """The same by any field, for sweeps: it may walk through the whole store."""
        raise self.lacks("rows")

    def lacks(self, operation: str) -> CacheError:
        return CacheError(f"{self.url.engine}: {operation} is not supported")


class CacheModule(Module):
    """The base of the modules cachedb_*: `connect` makes a store of a URL.

    Order of loading does not matter to who opens a URL: `connect` is called once all parameters are set, before the
    fork, and does not talk to the server.
    """

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.made: list[CacheDb] = []

    @modparam("cachedb_url", help="A store for the script: engine:group://user:password@host:port/database.")
    def add_url(self, value: str) -> None:
        self.urls.append(value)

    @property
    def engine(self) -> str:
        """What its URLs begin with."""
        return self.name.removeprefix("cachedb_")

    def read_url(self, text: str) -> CacheUrl:
        """Take a URL apart; raises ModuleError."""
        return read_url(text)

    def connect(self, url: CacheUrl) -> CacheDb:
        """Make a store, without talking to it; raises ModuleError for a URL that makes no sense."""
        raise NotImplementedError

    def configure(self) -> None:
        for text in self.urls:
            self.program.caches.name(text)

    async def start(self) -> None:
        for store in self.made:
            await store.start()

    async def stop(self) -> None:
        for store in self.made:
            await store.stop()


class Meter:
    """Counts a store's operations, and those that took longer than so many microseconds (0: none did)."""

    def __init__(self, caches: "Caches", url: CacheUrl, threshold: int) -> None:
        self.caches = caches
        self.url = url
        self.threshold = threshold

    @property
    def clock(self) -> "Clock":
        return self.caches.program.services.clock

    def began(self) -> float:
        return self.clock.now()

    def ended(self, began: float) -> None:
        """One more operation, and maybe a slow one."""
        self.caches.queries.inc()
        if self.threshold <= 0:
            return
        taken = (self.clock.now() - began) * 1_000_000
        if taken > self.threshold:
            self.caches.slow.inc()
            if log.limited(f"cachedb:slow {self.url.name}", SLOW_LOGGED):
                log.warn("cachedb", f"{self.url.shown} took {round(taken)} us, more than {self.threshold}")


class Caches:
    """All stores of a program. queries, slow: the statistics of group cachedb."""

    def __init__(self, program: "Program") -> None:
        self.program = program
        self.opened: dict[str, CacheDb] = {}
        self.names: dict[str, CacheDb] = {}
        self.queries: Counter = program.statistics.counter("cachedb", "cdb_total_queries")
        self.slow: Counter = program.statistics.counter("cachedb", "cdb_slow_queries")

    def open(self, url: str) -> CacheDb:
        """The store of a URL, the same one for the same URL. Before the fork; never talks to it.

        Raises ModuleError for a bad URL, and for one whose module is not loaded.
        """
        found = self.opened.get(url)
        if found is None:
            module = self.module_of(url)
            found = self.opened[url] = module.connect(module.read_url(url))
            module.made.append(found)
        return found

    def name(self, url: str) -> CacheDb:
        """Open a URL of a module's own `cachedb_url`: scripts know it by engine and group. Raises ModuleError."""
        found = self.open(url)
        self.names.setdefault(found.url.name, found)
        return found

    def named(self, id: str) -> CacheDb | None:
        """What a script means by "redis:group1", or by "redis" (the URL without a group); None for nothing."""
        return self.names.get(id)

    def module_of(self, url: str) -> CacheModule:
        """The module that serves a URL; raises ModuleError that names it, if it is not loaded."""
        engine = url.strip().partition(":")[0]
        module = self.program.registry.loaded.get(f"cachedb_{engine}")
        if not isinstance(module, CacheModule):
            read_url(url)
            raise ModuleError(f'no module serves {engine}: URLs: loadmodule "cachedb_{engine}.so"')
        return module
