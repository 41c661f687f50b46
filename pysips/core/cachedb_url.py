"""URLs of key/value stores: `engine[:group]://[user[:password]@]host[:port][,host2…]/[database][?options]`.

(OpenSIPS manual: the key-value interface.) Facts:
- IPv6 hosts stand in brackets; the last `@` before the last `/` ends the credentials;
- `engine:group://` alone names no server: that is what an engine without one (cachedb_local) takes;
- several hosts are several ways to one store.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

from pysips.errors import ModuleError
from pysips.sip.via import bracketed

LONGEST: Final = 2048
MOST_HOSTS: Final = 64
ENGINE: Final = re.compile(r"([a-z][a-z0-9_+.]*)(?::([^:/@?]*))?://(.*)", re.DOTALL)
HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class CacheUrl:
    """A URL, taken apart. hosts: (host without brackets, port or 0 where none is written); options: the query's."""

    text: str
    engine: str
    group: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    hosts: tuple[tuple[str, int], ...] = ()
    database: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a script calls it: "redis:group", or "redis"."""
        return f"{self.engine}:{self.group}" if self.group else self.engine

    @property
    def shown(self) -> str:
        """For logs: without credentials and options."""
        hosts = ",".join(bracketed(host) + (f":{port}" if port else "") for host, port in self.hosts)
        return f"{self.name}://{hosts}/{self.database}"

    def seconds(self, default: float, *names: str) -> float:
        """A time limit that an option gives, in milliseconds; raises ModuleError for one out of 1 ms to 10 minutes.

        names: the option's names, the first that is given counts.
        """
        for name in names:
            given = self.options.get(name)
            if given is not None:
                if not re.fullmatch(r"[0-9]{1,6}", given) or not 1 <= int(given) <= 600_000:
                    raise ModuleError(f"{self.shown}: {name} is a number of milliseconds, from 1 to 600000")
                return int(given) / 1000
        return default


def read_url(text: str) -> CacheUrl:
    """Take a URL apart; raises ModuleError, in words that show no password."""
    found = ENGINE.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if found is None:
        raise ModuleError("a cachedb_url is engine:group://user:password@host:port/database")
    engine, group, rest = found[1], found[2] or "", found[3]
    rest, question, query = rest.partition("?")
    place, slash, database = rest.rpartition("/")
    if not slash:
        place, database = database, ""
    credentials, _, hosts = place.rpartition("@")
    user, _, password = credentials.partition(":")
    options = dict(parse_qsl(query, keep_blank_values=True)) if question else {}
    return CacheUrl(
        text, engine, group, unquote(user), unquote(password), read_hosts(engine, hosts.strip("/")), database, options
    )


def read_hosts(engine: str, text: str) -> tuple[tuple[str, int], ...]:
    """`host[:port][,…]`; raises ModuleError."""
    if not text:
        return ()
    made: list[tuple[str, int]] = []
    for one in text.split(","):
        found = HOST.fullmatch(one.strip())
        port = int(found[3] or 0) if found is not None else 0
        if found is None or port > 65535 or len(made) == MOST_HOSTS:
            raise ModuleError(f'{engine}: "{one}" in a cachedb_url is no host:port')
        made.append((found[1] or found[2], port))
    return tuple(made)
