"""The layouts of OpenSIPS' database tables, as data, with the numbers that its table `version` has for them.

Sources: OpenSIPS' database schema documentation, 2.4 to 4.0. A database made by its own tools fits, and the other way
round. What a number means changed only for `subscriber` in this time (8 in 3.2: two more hashes, no ha1b); `location`
got a wider contact under the same number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

EARLIEST: Final = "1900-01-01 00:00:01"


@dataclass(frozen=True, slots=True)
class Column:
    """kind: "key" (counts up by itself), "bigkey", "int", "unsigned", "bigint", "text", "date", "real", "char", or
    "exact" (a text in which capital and small letters differ, and all characters are possible).

    size: characters of a char; default: as SQL prints it without quotes, None for none.
    """

    name: str
    kind: str
    size: int = 0
    default: str | None = None
    null: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """unique, indexes: (name, columns)."""

    table: str
    version: int
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, tuple[str, ...]], ...] = ()
    indexes: tuple[tuple[str, tuple[str, ...]], ...] = ()


def char(name: str, size: int, default: str | None = "", null: bool = False) -> Column:
    return Column(name, "char", size, default, null)


def maybe(name: str, size: int) -> Column:
    """A text that may be NULL, and is by default."""
    return char(name, size, None, null=True)


def number(name: str, default: int | None = 0, kind: str = "int", null: bool = False) -> Column:
    return Column(name, kind, 0, None if default is None else str(default), null)


KEY: Final = Column("id", "key")
VERSION: Final = Layout(
    "version", 0, (char("table_name", 32, None), number("table_version")), (("t_name_idx", ("table_name",)),)
)
LOCATION: Final = Layout(
    "location",
    1013,
    (
        Column("contact_id", "bigkey"), char("username", 64), maybe("domain", 64), Column("contact", "text"),
        maybe("received", 255), maybe("path", 255), number("expires", None, "unsigned"),
        Column("q", "real", default="1.0"), char("callid", 255, "Default-Call-ID"), number("cseq", 13),
        Column("last_modified", "date", default=EARLIEST), number("flags"), maybe("cflags", 255),
        char("user_agent", 255), maybe("socket", 64), number("methods", None, null=True), maybe("sip_instance", 255),
        Column("kv_store", "text", 512, null=True), maybe("attr", 255),
    ),
)  # fmt: skip
SUBSCRIBER: Final = Layout(
    "subscriber",
    8,
    (
        KEY, char("username", 64), char("domain", 64), char("password", 25), char("ha1", 64), char("ha1_sha256", 64),
        char("ha1_sha512t256", 64),
    ),
    (("account_idx", ("username", "domain")),),
    (("username_idx", ("username",)),),
)  # fmt: skip
SUBSCRIBER_7: Final = Layout(
    "subscriber",
    7,
    (
        KEY, char("username", 64), char("domain", 64), char("password", 25), char("email_address", 64),
        char("ha1", 64), char("ha1b", 64), maybe("rpid", 64),
    ),
    (("account_idx", ("username", "domain")),),
    (("username_idx", ("username",)),),
)  # fmt: skip
URI: Final = Layout(
    "uri",
    2,
    (
        KEY, char("username", 64), char("domain", 64), char("uri_user", 64),
        Column("last_modified", "date", default=EARLIEST),
    ),
    (("account_idx", ("username", "domain", "uri_user")),),
)  # fmt: skip
CLUSTERER: Final = Layout(
    "clusterer",
    4,
    (
        KEY, number("cluster_id", None), number("node_id", None), char("url", 64, None), number("state", 1),
        number("no_ping_retries", 3), number("priority", 50), maybe("sip_addr", 64), maybe("flags", 64),
        maybe("description", 64),
    ),
    (("clusterer_idx", ("cluster_id", "node_id")),),
)  # fmt: skip
BRIDGE: Final = Layout(
    "clusterer_bridge",
    1,
    (
        KEY, number("cluster_a", None), number("cluster_b", None), maybe("send_shtag", 32),
        Column("dst_node_csv", "text", null=True),
    ),
    (("clusterer_bridge_idx", ("cluster_a", "cluster_b")),),
)  # fmt: skip
CACHEDB: Final = Layout(
    "cachedb",
    2,
    (
        KEY, char("keyname", 255, None), Column("value", "text", 512), number("counter"),
        number("expires", 0, "unsigned"),
    ),
    (("cachedbsql_keyname_idx", ("keyname",)),),
)  # fmt: skip
ACC: Final = Layout(
    "acc",
    7,
    (
        KEY, char("method", 16), char("from_tag", 64), char("to_tag", 64), char("callid", 64), char("sip_code", 3),
        char("sip_reason", 32), Column("time", "date"), number("duration", 0, "unsigned"),
        number("ms_duration", 0, "unsigned"), number("setuptime", 0, "unsigned"), Column("created", "date", null=True),
    ),
    (),
    (("callid_idx", ("callid",)),),
)  # fmt: skip
MISSED_CALLS: Final = Layout(
    "missed_calls",
    5,
    tuple(column for column in ACC.columns if column.name not in ("duration", "ms_duration")),
    (),
    (("callid_idx", ("callid",)),),
)
USERLOCATION: Final = Layout(
    "userlocation",
    1,
    (Column("id", "exact", 384), Column("aor", "exact", 320), Column("home_ip", "exact", 64)),
    (("id_idx", ("id",)),),
    (("aor_idx", ("aor",)), ("home_ip_idx", ("home_ip",))),
)
"""A federation's records: which site knows an address of record. Ours; OpenSIPS keeps them in no SQL database."""

LAYOUTS: Final[tuple[Layout, ...]] = (
    LOCATION, SUBSCRIBER, SUBSCRIBER_7, URI, ACC, MISSED_CALLS, CLUSTERER, BRIDGE, CACHEDB, USERLOCATION
)  # fmt: skip
DIALECTS: Final[dict[str, Callable[[], sa.Dialect]]] = {
    "mysql": mysql.dialect, "postgres": postgresql.dialect, "sqlite": sqlite.dialect,
}  # fmt: skip


def layouts_of(table: str) -> list[Layout]:
    """The layouts of a table, the newest first; [] for a table that is not known."""
    found = [one for one in (*LAYOUTS, VERSION) if one.table == table]
    return sorted(found, key=lambda one: one.version, reverse=True)


def type_of(column: Column, scheme: str) -> Any:
    """OpenSIPS' own type of a column in one dialect."""
    is_mysql, is_sqlite = scheme == "mysql", scheme == "sqlite"
    match column.kind:
        case "key":
            return mysql.INTEGER(display_width=10, unsigned=True) if is_mysql else sa.Integer()
        case "bigkey":
            return mysql.BIGINT(display_width=10, unsigned=True) if is_mysql else whole(is_sqlite)
        case "int":
            return sa.Integer()
        case "unsigned":
            # PostgreSQL has no unsigned numbers; OpenSIPS' own tables end in 2038 there.
            return mysql.INTEGER(display_width=10, unsigned=True) if is_mysql else whole(is_sqlite)
        case "text":
            return mysql.TEXT(length=column.size or None) if is_mysql else sa.Text()
        case "date":
            return sa.DateTime()
        case "exact":
            exactly = mysql.VARCHAR(column.size, charset="utf8mb4", collation="utf8mb4_bin")
            return exactly if is_mysql else sa.VARCHAR(column.size)
        case "real":
            return mysql.FLOAT(precision=10, scale=2) if is_mysql else sa.REAL()
    return sa.VARCHAR(column.size) if scheme == "postgres" else sa.CHAR(column.size)


def whole(is_sqlite: bool) -> Any:
    return sa.Integer() if is_sqlite else sa.BigInteger()


def table_of(layout: Layout, scheme: str, name: str = "") -> sa.Table:
    """SQLAlchemy's table of a layout. name: if the table is to have another one, "location2"."""
    table = name or layout.table
    other = f"{table}_" if table != layout.table else ""
    made: list[Any] = []
    for column in layout.columns:
        is_key = column.kind in ("key", "bigkey")
        default = None if column.default is None else sa.text(quoted(column))
        made.append(
            sa.Column(
                column.name, type_of(column, scheme), primary_key=is_key, autoincrement=is_key, nullable=column.null,
                server_default=default,
            )
        )  # fmt: skip
    # PostgreSQL and SQLite want the names of indexes to be their own in the whole schema.
    apart = f"{table}_" if scheme != "mysql" else other
    made += [sa.UniqueConstraint(*columns, name=apart + index) for index, columns in layout.unique]
    made += [sa.Index(apart + index, *columns) for index, columns in layout.indexes]
    options: dict[str, Any] = {"mysql_engine": "InnoDB", "sqlite_autoincrement": True}
    return sa.Table(table, sa.MetaData(), *made, **options)


def quoted(column: Column) -> str:
    return f"'{column.default}'" if column.kind in ("char", "date", "text", "real") else str(column.default)


def statements(layout: Layout, scheme: str, name: str = "") -> list[str]:
    """What makes a table of a layout in one dialect: CREATE TABLE and the indexes."""
    dialect = DIALECTS[scheme]()
    table = table_of(layout, scheme, name)
    made: list[Any] = [sa.schema.CreateTable(table), *(sa.schema.CreateIndex(one) for one in table.indexes)]
    return [str(one.compile(dialect=dialect)).strip() for one in made]


def add_column(column: "sa.Column[Any]", scheme: str) -> str:
    """What adds a column to a table that has rows."""
    dialect = DIALECTS[scheme]()
    preparer = dialect.identifier_preparer
    described = dialect.ddl_compiler(dialect, None).get_column_specification(column)  # type: ignore[arg-type]
    return f"ALTER TABLE {preparer.format_table(column.table)} ADD COLUMN {described}"


def widen_column(column: "sa.Column[Any]", scheme: str) -> str:
    """What gives a column its layout's type; not for SQLite, whose columns have no width."""
    dialect = DIALECTS[scheme]()
    preparer = dialect.identifier_preparer
    table = preparer.format_table(column.table)
    if scheme == "mysql":
        described = dialect.ddl_compiler(dialect, None).get_column_specification(column)  # type: ignore[arg-type]
        return f"ALTER TABLE {table} MODIFY COLUMN {described}"
    kind = column.type.compile(dialect)
    return f"ALTER TABLE {table} ALTER COLUMN {preparer.format_column(column)} TYPE {kind}"
