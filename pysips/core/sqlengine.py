"""The engine of all `db_*` modules: SQLAlchemy Core over a blocking driver. Everything here runs in threads.

Each operation is a transaction of its own (the connections are in autocommit mode: one round trip). A statement is
made once for each shape (table, columns, conditions) and kept.
"""

import threading
import time
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from .log import log
from .sqldialect import AGAIN, DOWN, Dialect
from .sqlstatements import Statements, marked
from .sqlwork import Attempt, Batch, Engine, Operation, Ping, Query, Row, Select, SqlError, Value, Work

TRIES: Final = 3  # of a transaction that another one stood in the way of


class Cut(Attempt):
    """An attempt whose connection can be cut when the time is over."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self.dialect = dialect
        self.lock = threading.Lock()
        self.connection: Any = None

    def hold(self, connection: Any) -> None:
        """This driver's connection does the work. Raises SqlError if the time is over."""
        with self.lock:
            if self.given_up:
                raise SqlError("no answer in time", is_down=True)
            self.connection = connection

    def release(self) -> None:
        with self.lock:
            self.connection = None

    def give_up(self) -> None:
        with self.lock:
            self.given_up = True
            if self.connection is not None:
                self.dialect.interrupt(self.connection)


class SqlEngine(Engine):
    """width: connections, to which one for probes comes; slow: seconds from which on work is logged, 0 for never."""

    def __init__(self, dialect: Dialect, width: int, slow: float = 0.0) -> None:
        self.dialect = dialect
        self.slow = slow
        self.statements = Statements(dialect)
        self.engine = sa.create_engine(
            dialect.driver + "://", creator=dialect.connect, poolclass=QueuePool, pool_size=width + 1, max_overflow=0,
            pool_timeout=dialect.limit, pool_reset_on_return=None, isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True, hide_parameters=True, **dialect.options(),
        )  # fmt: skip
        sa.event.listen(self.engine, "checkout", self.check)

    def check(self, connection: Any, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        """A connection that the server has closed is made anew before its use."""
        if self.dialect.is_stale(connection):
            raise sa.exc.DisconnectionError

    def attempt(self) -> Attempt:
        return Cut(self.dialect)

    def close(self) -> None:
        self.engine.dispose()

    def perform(self, work: Work, attempt: Attempt) -> Any:
        """See Engine."""
        began = time.monotonic()
        try:
            for left in range(TRIES - 1, -1, -1):
                try:
                    return self.connected(work, attempt)
                except sa.exc.DBAPIError as problem:
                    if not left or problem.orig is None or self.dialect.judge(problem.orig) != AGAIN:
                        raise
        except SqlError:
            raise
        except Exception as problem:
            raise self.told(problem) from None
        finally:
            self.note_slow(work, time.monotonic() - began)

    def connected(self, work: Work, attempt: Attempt) -> Any:
        """Do it over a connection out of the pool."""
        pool = self.engine.pool
        try:
            connection = self.engine.connect()
        except Exception as problem:
            raise SqlError(self.said(problem), is_down=True) from None
        with connection:
            try:
                if isinstance(attempt, Cut):
                    attempt.hold(connection.connection.dbapi_connection)
                return self.done(connection, work)
            except sa.exc.DBAPIError:
                if attempt.given_up:
                    connection.invalidate()
                raise
            finally:
                if isinstance(attempt, Cut):
                    attempt.release()
                if self.engine.pool is not pool:
                    connection.invalidate()  # closed meanwhile: nobody would take it out of the old pool again

    def done(self, connection: sa.Connection, work: Work) -> Any:
        if isinstance(work, Batch):
            return self.batch(connection, work.operations)
        if isinstance(work, Query):
            return self.query(connection, work)
        if isinstance(work, Ping):
            connection.exec_driver_sql("SELECT 1").all()
            return None
        statement, parameters = self.statements.of(work)
        result = connection.execute(statement, parameters)
        return self.rows_of(result) if isinstance(work, Select) else result.rowcount

    def query(self, connection: sa.Connection, work: Query) -> list[Row]:
        """Raw SQL; without values nothing in it is a mark of the driver's."""
        text = self.dialect.value(work.text)
        if work.values:
            text = marked(text, connection.dialect.paramstyle)
            values = tuple(self.dialect.value(value) for value in work.values)
            result = connection.exec_driver_sql(text, values)
        else:
            result = connection.execution_options(no_parameters=True).exec_driver_sql(text)
        return self.rows_of(result) if result.returns_rows else []

    def rows_of(self, result: "sa.CursorResult[Any]") -> list[Row]:
        """Rows of plain values."""
        told = self.dialect.told
        return [tuple(plain(told(value)) for value in row) for row in result]

    def batch(self, connection: sa.Connection, operations: Sequence[Operation]) -> None:
        """One transaction; neighbours of one shape go together."""
        connection.exec_driver_sql(self.dialect.begin)
        try:
            made = [self.statements.of(operation) for operation in operations]
            for statement, group in groupby(made, key=lambda one: one[0]):
                together = [parameters for _, parameters in group]
                if any(isinstance(value, list) for value in together[0].values()):
                    for parameters in together:  # an "in" is written out for each
                        connection.execute(statement, parameters)
                else:
                    connection.execute(statement, together if len(together) > 1 else together[0])
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            self.roll_back(connection)
            raise

    def roll_back(self, connection: sa.Connection) -> None:
        """Nothing of a transaction stays; a connection that cannot do that is closed, which comes to the same."""
        try:
            if not connection.invalidated:
                connection.exec_driver_sql("ROLLBACK")
        except sa.exc.DBAPIError:
            connection.invalidate()

    # -- what went wrong

    def told(self, problem: Exception) -> SqlError:
        """An error for those who asked: never with a password, or with the values of a row."""
        origin = problem.orig if isinstance(problem, sa.exc.DBAPIError) else None
        if origin is None:
            return SqlError(self.said(problem), isinstance(problem, sa.exc.TimeoutError))
        is_lost = isinstance(problem, sa.exc.DBAPIError) and problem.connection_invalidated
        return SqlError(self.said(problem), is_lost or self.dialect.judge(origin) in (DOWN, AGAIN))

    def said(self, problem: Exception) -> str:
        if isinstance(problem, sa.exc.DBAPIError) and problem.orig is not None:
            text = self.dialect.text(problem.orig)
        else:
            text = f"{type(problem).__name__}: {problem}"
        password = self.dialect.url.password
        return (text.replace(password, "***") if password else text).strip()

    def note_slow(self, work: Work, seconds: float) -> None:
        if self.slow and seconds >= self.slow:
            table = getattr(work, "table", "")
            what = f"{type(work).__name__.lower()} {table}".strip()
            log.warn("db", f"{self.dialect.url.shown}: {what} took {int(seconds * 1_000_000)} µs")


def plain(value: Any) -> Value:
    """A driver's value as one of ours."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if value is None or isinstance(value, (int, float, str, bytes)):
        return value
    if isinstance(value, timedelta) or not isinstance(value, date):
        return str(value)
    return value if hasattr(value, "hour") else str(value)  # type: ignore[return-value]
