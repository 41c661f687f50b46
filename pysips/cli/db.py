"""pysips db: make the tables of a database, or bring those of an older OpenSIPS up to date (its opensipsdbctl).

pysips db create --url mysql://opensips:opensipsrw@localhost/opensips
pysips db create --url sqlite:///var/lib/pysips/pysips.db location
pysips db migrate --url postgres://opensips:opensipsrw@localhost/opensips subscriber
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from pysips.errors import PysipsError

LIMIT: Final = 3600.0  # seconds for a statement: a big table takes its time
DEFAULTS: Final = ("location", "subscriber", "acc", "missed_calls", "clusterer", "clusterer_bridge", "cachedb")

url_option = click.option(
    "--url", required=True, envvar="PYSIPS_DB_URL", show_envvar=True, help="As db_url has it: scheme://user:password@…"
)
version_option = click.option(
    "--version-table", default="version", show_default=True, help="As db_version_table has it."
)


class DbFailed(PysipsError):
    """A database that cannot be brought into shape."""

    exit_code = 1


@click.group()
def command() -> None:
    """Make or update the tables of a database; their layouts are OpenSIPS' own.

    A password on the command line can be seen by others: PYSIPS_DB_URL in the environment cannot.
    """


@command.command()
@url_option
@version_option
@click.argument("tables", nargs=-1, metavar="[NAME[=TABLE][:VERSION]]...")
def create(url: str, version_table: str, tables: Sequence[str]) -> int:
    """Make tables that are not there, each with its line in the table of versions.

    Without names: location, subscriber, acc, missed_calls, clusterer, clusterer_bridge, cachedb. "home=location" is a
    table of another name with that layout, "subscriber:7" is the layout of OpenSIPS 2.4 to 3.1.
    """
    wishes = [read_wish(text) for text in tables or DEFAULTS]
    with closing(Work.on(url, version_table, is_new=True)) as work:
        work.make_versions()
        for wish in wishes:
            click.echo(f"{wish.name}: {work.create(wish)}")
    return 0


@command.command()
@url_option
@version_option
@click.argument("tables", nargs=-1, metavar="[NAME[=TABLE]]...")
def migrate(url: str, version_table: str, tables: Sequence[str]) -> int:
    """Bring tables to the newest layout: columns are added or made wider, none is removed, no row is lost.

    Without names: all tables that are there.
    """
    wishes = [read_wish(text) for text in tables or DEFAULTS]
    with closing(Work.on(url, version_table, is_new=False)) as work:
        for wish in wishes if tables else [one for one in wishes if work.has(one.name)]:
            click.echo(f"{wish.name}: {work.migrate(wish)}")
    return 0


@dataclass(frozen=True)
class Wish:
    """A table by its name in the database, and its layout."""

    name: str
    layout: Any


def read_wish(text: str) -> Wish:
    """`NAME[=TABLE][:VERSION]`. Raises DbFailed."""
    from pysips.core.sqltables import LAYOUTS, layouts_of

    rest, _, version = text.partition(":")
    name, _, table = rest.partition("=")
    known = layouts_of(table or name)
    if not known:
        every = ", ".join(sorted({one.table for one in LAYOUTS}))
        raise DbFailed(f'no layout is known for table "{table or name}": {every}')
    found = [one for one in known if not version or str(one.version) == version]
    if not found:
        every = ", ".join(str(one.version) for one in known)
        raise DbFailed(f'table "{table or name}" has no version {version}: {every}')
    return Wish(name, found[0])


class Work:
    """A database under work. Everything waits: this is for the command line."""

    def __init__(self, engine: Any, scheme: str, version_table: str) -> None:
        self.engine = engine
        self.scheme = scheme
        self.version_table = version_table

    @classmethod
    def on(cls, url: str, version_table: str, is_new: bool) -> "Work":
        """Open a database. is_new: a SQLite file that is not there is made. Raises PysipsError."""
        from pysips.core.registry import Registry
        from pysips.core.services import Services
        from pysips.core.sqldb import SqlServer
        from pysips.core.sqlurl import parse_url
        from pysips.core.stats import Cells, Statistics

        read = parse_url(url)
        module = Registry(Services(), Statistics(Cells())).load(f"db_{read.scheme}")
        if not isinstance(module, SqlServer):
            raise DbFailed(f"db_{read.scheme} serves no SQL databases")
        if read.scheme == "sqlite" and is_new:
            make_file(Path(read.database))
        return cls(module.engine(read, LIMIT, 1), read.scheme, version_table)

    def close(self) -> None:
        self.engine.close()

    def ask(self, work: Any) -> Any:
        """Raises SqlError."""
        return self.engine.perform(work, self.engine.attempt())

    def inspector(self) -> Any:
        """A fresh look at what is there. Raises SqlError where the server cannot be reached."""
        import sqlalchemy

        from pysips.core.sqlwork import Ping

        self.ask(Ping())
        return sqlalchemy.inspect(self.engine.engine)

    def has(self, table: str) -> bool:
        return bool(self.inspector().has_table(table))

    def version(self, table: str) -> int | None:
        from pysips.core.sqlwork import Select

        rows = self.ask(Select(self.version_table, ["table_version"], [("table_name", "=", table)]))
        return rows[0][0] if rows else None

    def note(self, table: str, version: int) -> None:
        """Write a table's line in the table of versions."""
        from pysips.core.sqlwork import Batch, Delete, Insert, Value

        row: dict[str, Value] = {"table_name": table, "table_version": version}
        self.ask(Batch([Delete(self.version_table, [("table_name", "=", table)]), Insert(self.version_table, row)]))

    def run(self, statements: Sequence[str]) -> None:
        from pysips.core.sqlwork import Query

        for statement in statements:
            self.ask(Query(statement))

    # -- the two commands

    def make_versions(self) -> None:
        from pysips.core.sqltables import VERSION, statements

        if not self.has(self.version_table):
            self.run(statements(VERSION, self.scheme, self.version_table))

    def create(self, wish: Wish) -> str:
        """Make a table; answers what was done. Raises DbFailed, SqlError."""
        from pysips.core.sqltables import statements

        if not self.has(wish.name):
            self.run(statements(wish.layout, self.scheme, wish.name))
            self.note(wish.name, wish.layout.version)
            return f"made, version {wish.layout.version}"
        found = self.version(wish.name)
        if found is None:
            if self.changes(wish):
                raise DbFailed(f'table "{wish.name}" is there, without a version, and has another layout')
            self.note(wish.name, wish.layout.version)
            return f"is there; it has its line in table {self.version_table} now, version {wish.layout.version}"
        if found < wish.layout.version:
            cure = f"pysips db migrate --url URL {wish.name}"
            raise DbFailed(f'table "{wish.name}" is there with the older version {found}: {cure}')
        return f"is there, version {found}"

    def migrate(self, wish: Wish) -> str:
        """Bring a table to its newest layout; answers what was done. Raises DbFailed, SqlError."""
        from pysips.core.sqltables import layouts_of

        if not self.has(wish.name):
            raise DbFailed(f'there is no table "{wish.name}": pysips db create --url URL {wish.name}')
        found = self.version(wish.name) if self.has(self.version_table) else None
        known = [one.version for one in layouts_of(wish.layout.table)]
        if found not in known:
            what = "no version" if found is None else f"version {found}"
            every = ", ".join(str(one) for one in known)
            raise DbFailed(f'table "{wish.name}" has {what}, and only {every} can be brought up to date')
        changes = self.changes(wish)
        self.run(changes)
        if found != wish.layout.version:
            self.note(wish.name, wish.layout.version)
        done = f"{len(changes)} columns changed, version {found} is {wish.layout.version} now"
        return done if changes or found != wish.layout.version else f"is up to date, version {found}"

    def changes(self, wish: Wish) -> list[str]:
        """What a table lacks of its layout, as SQL: columns that are not there, or too narrow."""
        from pysips.core.sqltables import add_column, table_of, widen_column

        there = {column["name"].lower(): column["type"] for column in self.inspector().get_columns(wish.name)}
        made = []
        for column in table_of(wish.layout, self.scheme, wish.name).columns:
            if column.name not in there:
                made.append(add_column(column, self.scheme))
            elif self.scheme != "sqlite" and is_narrow(there[column.name], column.type):
                made.append(widen_column(column, self.scheme))
        return made


def is_narrow(there: Any, wanted: Any) -> bool:
    """Whether a text column holds fewer characters than it should. (SQLite's hold any number.)"""
    has = getattr(there, "length", None)
    needs = getattr(wanted, "length", None)
    if has is None or "CHAR" not in type(there).__name__.upper():
        return False
    return "TEXT" in type(wanted).__name__.upper() or (needs is not None and has < needs)


def make_file(path: Path) -> None:
    """A SQLite database that is not there begins as an empty file. Raises DbFailed."""
    try:
        path.touch(0o640)
    except OSError as problem:
        raise DbFailed(f"{path}: {problem.strerror}") from None
