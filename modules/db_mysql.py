"""db_mysql: MySQL and MariaDB for other modules (OpenSIPS: db_mysql), `mysql://user:password@host:port/database`.

The host "localhost" without a port means the server's Unix socket where there is one, as MySQL's own clients have it.
Behind the URL may stand ?timeout=SECONDS, &pool=CONNECTIONS, &socket=PATH of a Unix socket, &tls_ca=FILE.
"""

import ssl
from pathlib import Path
from typing import Any, Final

from pymysql.connections import Connection
from pymysql.constants import CLIENT, ER
from pymysql.err import InterfaceError
from sqlalchemy import TableClause
from sqlalchemy.dialects.mysql import insert

from pysips.core.exports import Module, event, modparam, param
from pysips.core.sqldb import TIME_LIMIT, Database, Engine, SqlServer, SqlUrl
from pysips.core.sqldialect import AGAIN, DOWN, WRONG, Dialect, cut, has_news
from pysips.core.sqlengine import SqlEngine

PORT: Final = 3306
LATIN1: Final = "latin1"
SOCKETS: Final = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")
CLIENT_ERRORS: Final = range(2000, 3000)  # of the connection, not of the server
READ_ONLY: Final = 1290
OUT_OF_RESOURCES: Final = 1041
COMMIT_FAILED: Final = 1180
AWAY: Final = frozenset(
    (
        ER.CON_COUNT_ERROR, OUT_OF_RESOURCES, ER.SERVER_SHUTDOWN, ER.DISK_FULL, COMMIT_FAILED, ER.LOCK_WAIT_TIMEOUT,
        ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.BAD_DB_ERROR, READ_ONLY, ER.QUERY_INTERRUPTED,
    )
)  # fmt: skip


class Connected(Connection):  # type: ignore[misc]
    """A connection that takes TLS where the server has it, as MySQL's own clients do.

    PyMySQL would read all authorities of the system each time, 20 ms, and then ask none of them: without tls_ca the
    server's certificate is not looked at. Many connections at once, when a server is back, would hold everybody up.
    """

    def _create_ssl_ctx(self, sslp: Any) -> Any:
        if sslp:
            return super()._create_ssl_ctx(sslp)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class MySql(Dialect):
    """is_raw: the database's characters are latin1, and hold bytes as they come, as OpenSIPS writes and reads them."""

    driver = "mysql+pymysql"
    is_raw = False

    def connect(self) -> Any:
        connection = self.connect_to(self.url)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT @@character_set_database")
                self.is_raw = cursor.fetchone() == (LATIN1,)
                if self.is_raw:
                    cursor.execute("SET NAMES latin1")
                    connection.charset = LATIN1  # what SQLAlchemy sets again
                    connection.encoding = LATIN1  # each byte a character; PyMySQL's own choice lacks five of them
        except BaseException:
            connection.close()
            raise
        return connection

    def value(self, value: Any) -> Any:
        return value.encode("utf-8", "surrogateescape").decode(LATIN1) if self.is_raw and type(value) is str else value

    def told(self, value: Any) -> Any:
        return value.encode(LATIN1).decode("utf-8", "surrogateescape") if self.is_raw and type(value) is str else value

    def connect_to(self, url: SqlUrl) -> Any:
        return Connected(
            host=url.host or "localhost", port=url.port or PORT, user=url.user, password=url.password,
            database=url.database, unix_socket=socket_of(url) or None, charset="utf8mb4",
            client_flag=CLIENT.FOUND_ROWS, connect_timeout=self.limit, read_timeout=self.patience,
            write_timeout=self.patience, ssl={"ca": url.tls_ca, "check_hostname": True} if url.tls_ca else None,
        )  # fmt: skip

    def judge(self, problem: BaseException) -> int:
        code = problem.args[0] if problem.args else 0
        if isinstance(problem, InterfaceError) or code in CLIENT_ERRORS or code in AWAY:
            return DOWN
        return AGAIN if code == ER.LOCK_DEADLOCK else WRONG

    def text(self, problem: BaseException) -> str:
        return ": ".join(str(one) for one in problem.args) or type(problem).__name__

    def upsert(self, table: TableClause, keys: list[str], values: list[str]) -> Any:
        statement = insert(table)
        return statement.on_duplicate_key_update({name: statement.inserted[name] for name in values or keys[:1]})

    def interrupt(self, connection: Any) -> None:
        if (descriptor := descriptor_of(connection)) >= 0:
            cut(descriptor)

    def is_stale(self, connection: Any) -> bool:
        return (descriptor := descriptor_of(connection)) < 0 or has_news(descriptor)


def socket_of(url: SqlUrl) -> str:
    """The Unix socket to use, "" for TCP."""
    if url.socket or url.host != "localhost" or url.port:
        return url.socket
    return next((path for path in SOCKETS if Path(path).exists()), "")


def descriptor_of(connection: Any) -> int:
    """Of a connection's socket, for which PyMySQL has no public name; -1 if it is closed."""
    own = getattr(connection, "_sock", None)
    return -1 if own is None else int(own.fileno())


class DbMysql(Module, SqlServer):
    timeout_interval: int = param(0, low=0, high=3600, help="Seconds for an operation; 0: 1, or the URL's timeout.")
    exec_query_threshold: int = param(0, low=0, help="Microseconds from which on an operation is logged; 0: never.")

    connection = event("E_MYSQL_CONNECTION", "url", "status")

    @modparam("use_tls", int, help="Only 0: the URL's tls_ca names the authorities of a server with TLS.")
    def use_tls(self, value: int) -> None:
        if value:
            raise ValueError("TLS domains are not here; put ?tls_ca=FILE behind the database URL")

    def limit(self) -> float:
        return float(self.timeout_interval or TIME_LIMIT)

    def engine(self, url: SqlUrl, limit: float, width: int) -> Engine:
        return SqlEngine(MySql(url, limit), width, self.exec_query_threshold / 1_000_000)

    def changed(self, database: Database) -> None:
        self.connection(database.url.shown, "connected" if database.is_up else "disconnected")

    async def stop(self) -> None:
        await self.program.databases.close("mysql")
