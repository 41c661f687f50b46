"""db_postgres: PostgreSQL for other modules (OpenSIPS: db_postgres), `postgres://user:password@host:port/database`.

Behind the URL may stand ?timeout=SECONDS, &pool=CONNECTIONS, &socket=FOLDER of a Unix socket, &tls_ca=FILE.
"""

from typing import Any, Final

import psycopg
from sqlalchemy import TableClause
from sqlalchemy.dialects.postgresql import insert

from pysips.core.exports import Module, modparam, param
from pysips.core.sqldb import TIME_LIMIT, Engine, SqlServer, SqlUrl
from pysips.core.sqldialect import AGAIN, DOWN, WRONG, Dialect, cut, has_news, on_conflict
from pysips.core.sqlengine import SqlEngine

PORT: Final = 5432
SHORTEST_CONNECT: Final = 2  # seconds, by libpq's own rule
# PostgreSQL's appendix "Error Codes": connection, resources, operator, system, authorization, no such database; the
# whole codes are lock_not_available and read_only_sql_transaction.
AWAY: Final = ("08", "53", "57", "58", "28", "3D", "55P03", "25006")
COLLIDED: Final = ("40001", "40P01")  # serialization_failure, deadlock_detected


class Postgres(Dialect):
    driver = "postgresql+psycopg"

    def options(self) -> dict[str, Any]:
        return {"use_native_hstore": False}

    def connect(self) -> Any:
        url = self.url
        tls: dict[str, Any] = {"sslmode": "verify-full", "sslrootcert": url.tls_ca} if url.tls_ca else {}
        return psycopg.connect(
            host=url.socket or url.host or "localhost", port=url.port or PORT, user=url.user or None,
            password=url.password or None, dbname=url.database, connect_timeout=max(SHORTEST_CONNECT, int(self.limit)),
            options=f"-c statement_timeout={int(self.patience * 1000)}", application_name="pysips", **tls,
        )  # fmt: skip

    def judge(self, problem: BaseException) -> int:
        code = getattr(problem, "sqlstate", None)
        if code is None:
            return DOWN if isinstance(problem, (psycopg.OperationalError, psycopg.InterfaceError)) else WRONG
        if code in COLLIDED:
            return AGAIN
        return DOWN if code.startswith(AWAY) else WRONG

    def text(self, problem: BaseException) -> str:
        """PostgreSQL's details show rows: only the first part is told."""
        diagnosis = getattr(problem, "diag", None)
        told = getattr(diagnosis, "message_primary", None)
        return str(told or str(problem) or type(problem).__name__).strip()

    def upsert(self, table: TableClause, keys: list[str], values: list[str]) -> Any:
        return on_conflict(insert(table), keys, values)

    def interrupt(self, connection: Any) -> None:
        if not connection.closed:
            cut(connection.fileno())

    def is_stale(self, connection: Any) -> bool:
        return bool(connection.closed) or has_news(connection.fileno())


class DbPostgres(Module, SqlServer):
    timeout: int = param(0, low=0, high=3600, help="Seconds for an operation; 0: 1, or the URL's timeout.")
    exec_query_threshold: int = param(0, low=0, help="Microseconds from which on an operation is logged; 0: never.")

    @modparam("use_tls", int, help="Only 0: the URL's tls_ca names the authorities of a server with TLS.")
    def use_tls(self, value: int) -> None:
        if value:
            raise ValueError("TLS domains are not here; put ?tls_ca=FILE behind the database URL")

    def limit(self) -> float:
        return float(self.timeout or TIME_LIMIT)

    def engine(self, url: SqlUrl, limit: float, width: int) -> Engine:
        return SqlEngine(Postgres(url, limit), width, self.exec_query_threshold / 1_000_000)

    async def stop(self) -> None:
        await self.program.databases.close("postgres")
