"""Database URLs in OpenSIPS' form (manual: db_mysql, db_postgres, db_sqlite).

    mysql://opensips:secret@localhost:3306/opensips?timeout=0.5
    postgres://opensips:secret@[2001:db8::1]/opensips
    sqlite:///var/lib/pysips/pysips.db

As in OpenSIPS nothing is %-decoded, and a password may contain any character: the last "@" ends it.
The part after "?" is ours.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Final, TypedDict

from pysips.errors import ModuleError

LONGEST: Final = 1024  # characters
TIME_LIMITS: Final = (0.05, 3600.0)  # seconds
SCHEME: Final = re.compile("[A-Za-z][A-Za-z0-9_]*")
HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
SECONDS: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
NUMBER: Final = re.compile("[0-9]{1,6}")
NAMES: Final = {"postgresql": "postgres", "mariadb": "mysql", "sqlite3": "sqlite"}


class BadUrl(ModuleError):
    """A database URL that cannot be read. Its password is never in the text."""


@dataclass(frozen=True, slots=True)
class SqlUrl:
    """scheme: "mysql", "postgres", "sqlite" or another module's; host: without brackets, "" if none; port: 0 if none.

    database: its name, or the path of a file. timeout: seconds, 0 if the URL does not say; pool: connections, 0 alike;
    socket: the path (of PostgreSQL: the folder) of a Unix socket; tls_ca: the file of the authorities that may have
    signed the server's certificate, "" for a connection without TLS.
    """

    scheme: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    database: str = ""
    timeout: float = 0.0
    pool: int = 0
    socket: str = ""
    tls_ca: str = ""

    @property
    def shown(self) -> str:
        """For people and logs: without the password and the options."""
        if not self.host and not self.user:
            return f"{self.scheme}://{self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"{self.scheme}://{self.user + '@' if self.user else ''}{host}"
            f"{f':{self.port}' if self.port else ''}/{self.database}"
        )


class Options(TypedDict, total=False):
    """What stands behind the "?" of a URL."""

    timeout: float
    pool: int
    socket: str
    tls_ca: str


def scheme_of(url: str) -> str:
    """The scheme, in small letters and by its OpenSIPS name. Raises BadUrl."""
    word, colon, _ = url.partition("://")
    if not colon or len(url) > LONGEST or not SCHEME.fullmatch(word):
        raise BadUrl("a database URL looks like mysql://user:password@host/database or sqlite:///path")
    return NAMES.get(word.lower(), word.lower())


def parse_url(url: str) -> SqlUrl:
    """Read a URL. Raises BadUrl."""
    scheme = scheme_of(url)
    rest = url.partition("://")[2]
    if "\0" in rest:
        raise BadUrl(f"a {scheme}:// URL with a NUL byte")
    credentials, _, place = rest.rpartition("@")
    place, _, options = place.partition("?")
    given = read_options(scheme, options)
    if scheme == "sqlite":
        path = f"{credentials}@{place}" if credentials else place
        if path.startswith("/"):
            path = "/" + path.lstrip("/")
        if not path.strip("/"):
            raise BadUrl("a sqlite:// URL names the file: sqlite:///var/lib/pysips/pysips.db")
        return SqlUrl(scheme, database=path, **given)
    user, _, password = credentials.partition(":")
    address, slash, database = place.partition("/")
    found = HOST.fullmatch(address)
    if found is None or not slash or not database:
        raise BadUrl(f"a {scheme}:// URL looks like {scheme}://user:password@host:port/database")
    port = int(found["port"] or 0)
    if port > 65535:
        raise BadUrl(f"a {scheme}:// URL with port {port}: it ends at 65535")
    return SqlUrl(scheme, user, password, found["host"].strip("[]"), port, database, **given)


def read_options(scheme: str, text: str) -> Options:
    """`timeout=0.5&pool=4&socket=/run/x.sock&tls_ca=/etc/ca.pem`. Raises BadUrl."""
    given: Options = {}
    for word in text.split("&") if text else ():
        name, _, value = word.partition("=")
        if name == "timeout":
            given["timeout"] = seconds_of(value)
        elif name == "pool":
            if not NUMBER.fullmatch(value) or not 1 <= int(value) <= 100:
                raise BadUrl(f"pool={value} of a {scheme}:// URL: from 1 to 100 connections")
            given["pool"] = int(value)
        elif name == "socket":
            given["socket"] = value
        elif name == "tls_ca":
            given["tls_ca"] = value
        else:
            raise BadUrl(f'a {scheme}:// URL has no option "{name}": timeout, pool, socket, tls_ca')
    return given


def seconds_of(text: str) -> float:
    """A time limit. Raises BadUrl."""
    low, high = TIME_LIMITS
    seconds = float(text) if SECONDS.fullmatch(text) else math.nan
    if not low <= seconds <= high:
        raise BadUrl(f"timeout={text} of a database URL: seconds, from {low:g} to {high:g}")
    return seconds
