"""Rows of the federated user location in Redis, in two layouts.

With RedisJSON and RediSearch: as OpenSIPS 3.6 keeps them, so that its nodes and ours use one store. A row is a JSON
document `usrloc:<id>` whose texts have a backslash before each punctuation character, found by a full-text index.

Plain Redis: a row is a hash `usrloc:<id>`, and a set `idx:usrloc:aor:<aor>` holds the ids of an AoR's rows.
- On one server a row and its set are changed in one transaction. In a cluster they live on different nodes, so the set
  is written first and cleaned last: no row is without its place in the set, and an id there without a row is passed
  over.
- OpenSIPS has no rows without RedisJSON, and its index looks at documents only: neither sees the other's.
"""

import json
import re
from typing import Any, Final

from redis.exceptions import ResponseError

from pysips.core.cachedb import CacheError

from .client import Client

AOR: Final = "aor"
PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LONGEST_ID: Final = 1024

Row = dict[str, str]


def text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def escaped(value: str) -> str:
    """A backslash before each punctuation character: RediSearch then takes the whole as one word."""
    return PUNCTUATION.sub(r"\\\1", value)


def unescaped(value: str) -> str:
    return ESCAPED.sub(r"\1", value)


class Rows:
    """One layout on one client. prefix: of rows' keys; index: of the index."""

    def __init__(self, client: Client, prefix: str, index: str, most: int) -> None:
        self.client = client
        self.prefix = prefix
        self.index = index
        self.most = most

    def key(self, id: str) -> str:
        return self.prefix + id

    async def put(self, id: str, row: Row) -> None:
        raise NotImplementedError

    async def remove(self, id: str) -> None:
        raise NotImplementedError

    async def find(self, field: str, value: str) -> list[Row]:
        """By the index where there is one for the field, else by a walk."""
        raise NotImplementedError

    getter: tuple[str, ...] = ()  # the command that reads a key

    def read(self, key: str, reply: Any) -> Row | None:
        """A row out of the getter's reply; None for none, and for what is no row of this layout."""
        raise NotImplementedError

    async def at(self, keys: list[str]) -> list[Row]:
        """The rows at these keys."""
        replies = await self.client.each([(*self.getter, key) for key in keys]) if keys else []
        rows = [self.read(key, reply) for key, reply in zip(keys, replies, strict=True)]
        return [row for row in rows if row is not None]

    async def walk(self, field: str, value: str) -> list[Row]:
        """By looking at every row there is."""
        found: dict[str, Row] = {}
        async for page in self.client.walk(glob_escaped(self.prefix) + "*"):
            for row in await self.at([text(key) for key in page]):
                if row.get(field) == value:
                    found[row["id"]] = row
        return list(found.values())


class PlainRows(Rows):
    """See the file's head."""

    getter = ("HGETALL",)

    def set_of(self, aor: str) -> str:
        return f"{self.index}:{AOR}:{aor}"

    async def put(self, id: str, row: Row) -> None:
        fields = [word for pair in row.items() for word in pair]
        written = ("HSET", self.key(id), *fields)
        if AOR in row:
            await self.client.together(("SADD", self.set_of(row[AOR]), id), written)
        else:
            await self.client.run(*written)

    async def remove(self, id: str) -> None:
        aor = await self.client.run("HGET", self.key(id), AOR)
        if aor is None:
            await self.client.run("DEL", self.key(id))
        else:
            await self.client.together(("DEL", self.key(id)), ("SREM", self.set_of(text(aor)), id))

    async def find(self, field: str, value: str) -> list[Row]:
        if field != AOR:
            return await self.walk(field, value)
        ids = await self.client.run("SMEMBERS", self.set_of(value))
        rows = await self.at([self.key(text(id)) for id in ids[: self.most]])
        return [row for row in rows if row.get(AOR) == value]

    def read(self, key: str, reply: Any) -> Row | None:
        names = [text(one) for one in reply or ()]
        return {**dict(zip(names[::2], names[1::2], strict=True)), "id": key[len(self.prefix) :]} if names else None


class JsonRows(Rows):
    """See the file's head."""

    getter = ("JSON.GET",)

    async def put(self, id: str, row: Row) -> None:
        # home_ip before aor, as OpenSIPS writes them.
        document = {name: escaped(row[name]) for name in sorted(row, reverse=True)}
        await self.client.run("JSON.SET", self.key(id), ".", json.dumps(document, separators=(",", ":")))

    async def remove(self, id: str) -> None:
        await self.client.run("DEL", self.key(id))

    async def find(self, field: str, value: str) -> list[Row]:
        """A full-text index takes no notice of case: rows are compared once more."""
        if not FIELD.fullmatch(field):
            raise CacheError(f"{field} is no field's name")
        wanted = f"@{field}:{escaped(value)}"
        reply = await self.client.run("FT.SEARCH", self.index, wanted, "LIMIT", 0, self.most)
        found = [self.read(text(key), pairs[-1]) for key, pairs in zip(reply[1::2], reply[2::2], strict=True)]
        return [row for row in found if row is not None and row.get(field) == value]

    def read(self, key: str, reply: Any) -> Row | None:
        """The texts of a document, without the backslashes."""
        try:
            values = json.loads(reply or b"")
        except ValueError:
            return None
        if not isinstance(values, dict) or not key.startswith(self.prefix):
            return None
        texts = {name: unescaped(value) for name, value in values.items() if isinstance(value, str)}
        return {**texts, "id": key[len(self.prefix) :]}


def glob_escaped(prefix: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", prefix)


async def rows_of(client: Client, prefix: str, index: str, most: int) -> Rows:
    """The layout that the server can have: documents where it has RedisJSON and the index, which is made if missing."""
    try:
        await client.run("JSON.DEBUG", "HELP")
        await client.run("FT.SEARCH", index, "@aor:x", "LIMIT", 0, 0)
    except ResponseError as problem:
        if "unknown command" in str(problem).lower() or not await made(client, prefix, index):
            return PlainRows(client, prefix, index, most)
    return JsonRows(client, prefix, index, most)


async def made(client: Client, prefix: str, index: str) -> bool:
    """Whether the index is there now: made by us, or by somebody else at the same time."""
    fields = ("$.aor", "AS", "aor", "TEXT", "NOSTEM", "$.home_ip", "AS", "home_ip", "TEXT", "NOSTEM")
    try:
        await client.run("FT.CREATE", index, "ON", "JSON", "PREFIX", 1, prefix, "SCHEMA", *fields)
    except ResponseError as problem:
        return "already exists" in str(problem).lower()
    return True
