"""What is asked of an SQL database, as values, and the blocking engine that answers it (see core/sqldb.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pysips.errors import PysipsError

Value = None | int | float | str | bytes | datetime
Row = tuple[Value, ...]
Where = Sequence[tuple[str, str, Any]]
"""(column, operator, value), all of which must hold; operators: = < > <= >= != in. None with = and != means NULL."""

OPERATORS: Final = ("=", "<", ">", "<=", ">=", "!=", "in")


class SqlError(PysipsError):
    """An operation failed. is_down: the server is away or too slow; else the operation itself is at fault."""

    def __init__(self, text: str, is_down: bool = False) -> None:
        super().__init__(text)
        self.is_down = is_down


def is_storable(text: str) -> bool:
    """Whether a database can hold a text: bytes that are no UTF-8, and NUL, are in no column."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


@dataclass(frozen=True, slots=True)
class Select:
    """most: rows, 0 for all; order: columns with commas between, " desc" behind one turns it round."""

    table: str
    columns: Sequence[str]
    where: Where = ()
    order: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class Insert:
    table: str
    row: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Update:
    table: str
    where: Where
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Delete:
    table: str
    where: Where = ()


@dataclass(frozen=True, slots=True)
class Upsert:
    """The row with these keys (which a unique index covers) gets these values, and is made if it is not there."""

    table: str
    keys: Mapping[str, Value]
    values: Mapping[str, Value]


Operation = Insert | Update | Delete | Upsert


@dataclass(frozen=True, slots=True)
class Batch:
    """All of them, in this order, or none."""

    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class Query:
    """SQL as it stands; each `?` outside of quotes takes one of the values, if there are any."""

    text: str
    values: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Ping:
    """Whether the server answers at all."""


Work = Select | Operation | Batch | Query | Ping


class Engine:
    """What a `db_*` module brings: a blocking driver. `perform` and `close` are called in threads."""

    def attempt(self) -> "Attempt":
        """A fresh one for each `perform`."""
        return Attempt()

    def perform(self, work: Work, attempt: "Attempt") -> Any:
        """Do it: rows of a Select or Query, the count of an Update or Delete, else None. Raises SqlError."""
        raise NotImplementedError

    def close(self) -> None:
        """Close idle connections; they are opened again if somebody asks on."""


class Attempt:
    """One call of an engine, seen from both sides. give_up() is called on the loop when the time is over."""

    def __init__(self) -> None:
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True
