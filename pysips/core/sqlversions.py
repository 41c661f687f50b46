"""Whether a table has the layout that a module wants, by OpenSIPS' table `version` (its db_check_table_version)."""

from typing import final

from pysips.errors import ModuleError

from .log import log
from .services import Promise
from .sqldb import Database
from .sqlwork import Select, SqlError


async def require(database: Database, table: str, *versions: int) -> None:
    """Check a table, in `Module.start()`. versions: those that will do, the usual one first. Raises ModuleError.

    A server that is down keeps nobody from starting: the table is looked at when the server is back, and what is
    wrong with it is said in the log.
    """
    try:
        found = await database.version(table)
    except SqlError as problem:
        if not problem.is_down:
            raise ModuleError(unknown(database, table, str(problem))) from None
        database.when_back(Later(database, table, versions).look)
        return
    if wrong := complaint(database, table, found, versions):
        raise ModuleError(wrong)


@final
class Later:
    """A look at a table when its server is back; once."""

    def __init__(self, database: Database, table: str, versions: tuple[int, ...]) -> None:
        self.database = database
        self.table = table
        self.versions = versions
        self.has_looked = False

    def look(self) -> None:
        if not self.has_looked:
            wanted = [("table_name", "=", self.table)]
            promise = self.database.call(Select(self.database.version_table, ["table_version"], wanted))
            promise.when_done(lambda: self.told(promise))

    def told(self, promise: Promise) -> None:
        """What is wrong goes into the log; a server that is down again is waited for again."""
        problem = promise.failure
        if isinstance(problem, SqlError) and problem.is_down:
            return
        self.has_looked = True
        if problem is not None:
            log.error("db", unknown(self.database, self.table, str(problem)))
            return
        found = promise.value[0][0] if promise.value else None
        if wrong := complaint(self.database, self.table, found, self.versions):
            log.error("db", wrong)


def complaint(database: Database, table: str, found: int | None, versions: tuple[int, ...]) -> str:
    """What is wrong with a table, and the cure; "" if nothing is."""
    if found in versions:
        return ""
    wanted = " or ".join(str(version) for version in versions)
    if found is None:
        what = f'{database.url.shown}: table "{database.version_table}" says nothing of "{table}"'
        return f"{what}: {cure('create', table)}"
    what = f'{database.url.shown}: table "{table}" has version {found}, wanted is {wanted}'
    return f"{what}: {cure('migrate', table)}" if found < max(versions) else f"{what}: it is of a newer PySIPS"


def unknown(database: Database, table: str, problem: str) -> str:
    return f'the version of table "{table}" cannot be read ({problem}): {cure("create", table)}'


def cure(command: str, table: str) -> str:
    return f"pysips db {command} --url URL {table}"
