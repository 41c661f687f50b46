"""A Redis store: keys, counters, raw queries, rows."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from redis import exceptions

from pysips.core.cachedb import CacheError
from pysips.core.cachedb_remote import RemoteCache
from pysips.core.cachedb_url import CacheUrl
from pysips.core.exports import Value
from pysips.core.services import Services

from . import raw, rows
from .client import Client, packed
from .link import Link

if TYPE_CHECKING:
    from pysips.core.cachedb import Caches

NUMBER: Final = re.compile(rb"[+-]?[0-9]{1,19}")
SWEEP_PATIENCE: Final = 30.0  # times the limit, for a walk through all rows
AWAY: Final = (
    exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, exceptions.ClusterError,
    exceptions.ClusterDownError, exceptions.RedisClusterException, OSError,
)  # fmt: skip
Answer = TypeVar("Answer")


class RedisCache(RemoteCache):
    """names: prefix of rows' keys, name of their index, how many rows a query brings at most."""

    has_rows = True

    def __init__(
        self, url: CacheUrl, services: Services, caches: "Caches", link: Link, names: tuple[str, str, int],
        threshold: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(url, services, caches, link.settings.timeout, threshold)
        self.link = link
        self.names = names
        self.layout: tuple[Client, rows.Rows] | None = None

    # -- what RemoteCache wants to know

    async def ping(self) -> None:
        client = await self.link.client()
        for node in client.nodes():
            await client.ping(node)

    def explained(self, problem: Exception) -> CacheError:
        text = str(problem) or type(problem).__name__
        return CacheError(f"{self.url.shown}: {text}", isinstance(problem, AWAY))

    def went_down(self) -> None:
        failed = self.link.give_up()
        if failed is not None:
            self.services.offload.spawn(failed.close())

    async def stop(self) -> None:
        await super().stop()
        await self.link.close()

    async def asked(self, work: Callable[[Client], Awaitable[Answer]], patience: float = 1.0) -> Answer:
        """Do the work with a connected client; see RemoteCache.ask."""

        async def connected() -> Answer:
            return await work(await self.link.client())

        return await self.ask(connected, patience)

    # -- keys

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        words = ("SET", key, value, "EX", expires) if expires > 0 else ("SET", key, value)
        await self.asked(lambda client: client.run(*words))

    async def fetch(self, key: str) -> str | None:
        found = await self.asked(lambda client: client.run("GET", key))
        return None if found is None else rows.text(found)

    async def counter(self, key: str) -> int | None:
        found = await self.asked(lambda client: client.run("GET", key))
        if found is None:
            return None
        if not NUMBER.fullmatch(found):
            raise CacheError(f"the value of {key} is no integer")
        return int(found)

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        """The expiry is set anew each time."""
        added = ("INCRBY", key, number) if number >= 0 else ("DECRBY", key, -number)
        commands = [added, ("EXPIRE", key, expires)] if expires > 0 else [added]
        replies = await self.asked(lambda client: client.together(*commands))
        return int(replies[0])

    async def remove(self, key: str) -> None:
        await self.asked(lambda client: client.run("DEL", key))

    async def raw_query(self, text: str, columns: int) -> list[list[Value]] | None:
        words = raw.words_of(text)
        key = packed((raw.key_of(words),))[0]
        reply = await self.asked(lambda client: client.send(key, packed(words)))
        return raw.rows_of(words[0], reply, columns)

    # -- rows

    async def rows(self, client: Client) -> rows.Rows:
        """The layout of this client's server; asked for once for each connection."""
        if self.layout is None or self.layout[0] is not client:
            prefix, index, most = self.names
            self.layout = (client, await rows.rows_of(client, prefix, index, most))
        return self.layout[1]

    async def put_row(self, id: str, row: dict[str, str]) -> None:
        async def work(client: Client) -> None:
            await (await self.rows(client)).put(id, row)

        await self.asked(work)

    async def remove_row(self, id: str) -> None:
        async def work(client: Client) -> None:
            await (await self.rows(client)).remove(id)

        await self.asked(work)

    async def find_rows(self, field: str, value: str) -> list[dict[str, str]]:
        async def work(client: Client) -> list[dict[str, str]]:
            return await (await self.rows(client)).find(field, value)

        return await self.asked(work)

    async def all_rows(self, field: str, value: str) -> list[dict[str, str]]:
        async def work(client: Client) -> list[dict[str, str]]:
            return await (await self.rows(client)).walk(field, value)

        return await self.asked(work, SWEEP_PATIENCE)
