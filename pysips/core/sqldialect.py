"""What differs between SQL servers: how to connect, what an error means, how a row is inserted or updated.

A `db_*` module brings one; `core/sqlengine.py` does the rest.
"""

import os
import select
import socket
from typing import Any, Final

from sqlalchemy import TableClause

from .sqlurl import SqlUrl

MORE: Final = 0.5  # seconds

DOWN: Final = 1  # the server is away, or cannot work now
AGAIN: Final = 2  # two transactions stood in each other's way: the loser tries again at once
WRONG: Final = 3  # the operation itself is at fault


class Dialect:
    """driver: SQLAlchemy's name; begin: the statement that begins a transaction; limit: seconds for an operation.

    patience: seconds after which driver and server give an operation up by themselves, as whoever asked has long done.
    """

    driver = ""
    begin = "BEGIN"

    def __init__(self, url: SqlUrl, limit: float) -> None:
        self.url = url
        self.limit = limit
        self.patience = limit + MORE

    def options(self) -> dict[str, Any]:
        """More arguments for SQLAlchemy's `create_engine`."""
        return {}

    def connect(self) -> Any:
        """A new connection of the driver. Raises the driver's errors."""
        raise NotImplementedError

    def judge(self, problem: BaseException) -> int:
        """DOWN, AGAIN or WRONG, of a driver's error."""
        raise NotImplementedError

    def text(self, problem: BaseException) -> str:
        """What a driver's error says, without values of rows."""
        return str(problem)

    def value(self, value: Any) -> Any:
        """A value as the driver takes it."""
        return value

    def told(self, value: Any) -> Any:
        """A value of a row as it is meant."""
        return value

    def upsert(self, table: TableClause, keys: list[str], values: list[str]) -> Any:
        """INSERT of these columns, or UPDATE of `values` where the keys are there; the row itself is added later."""
        raise NotImplementedError

    def interrupt(self, connection: Any) -> None:
        """Let a thread that waits for this connection go on with an error. Called in another thread."""
        raise NotImplementedError

    def is_stale(self, connection: Any) -> bool:
        """Whether an idle connection was closed by the server."""
        return False


def on_conflict(statement: Any, keys: list[str], values: list[str]) -> Any:
    """The upsert of PostgreSQL and SQLite."""
    if not values:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in values}
    )


def cut(descriptor: int) -> None:
    """End both directions of a connection that another thread reads from; the descriptor stays that thread's."""
    own = socket.socket(fileno=os.dup(descriptor))
    try:
        own.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the server was quicker
    finally:
        own.close()


def has_news(descriptor: int) -> bool:
    """Whether something can be read: a server says nothing unasked but goodbye."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))
