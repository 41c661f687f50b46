"""The way to a store: connected at the first need, given up when it fails, over to the next host of the URL's list."""

import asyncio
from typing import Any

from redis.exceptions import RedisError

from .client import Client, Counters, Settings, open_client


class Link:
    """One for each URL and process."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self.settings = settings
        self.counters = counters
        self.turn = 0  # which host is tried next
        self.current: Client | None = None
        self.connecting: asyncio.Task[Client] | None = None
        self.closed = False

    async def client(self) -> Client:
        """The client, connected; several who ask at once share one attempt. For a task.

        Raises what the last host's attempt raised. Whoever gives up waiting does not end the attempt.
        """
        if self.closed:
            raise ConnectionError("the process ends")
        if self.current is not None:
            return self.current
        if self.connecting is None or self.connecting.done():
            self.connecting = asyncio.ensure_future(self.connect())
            self.connecting.add_done_callback(seen)
        return await asyncio.shield(self.connecting)

    async def connect(self) -> Client:
        """Try each host once, each for so long."""
        hosts = self.settings.hosts
        problem: Exception = TimeoutError("no host")
        for _ in hosts:
            host, port = hosts[self.turn % len(hosts)]
            try:
                async with asyncio.timeout(self.settings.connect_timeout):
                    self.current = await open_client(self.settings, self.counters, host, port)
                return self.current
            except (OSError, RedisError) as other:
                problem = other
                self.turn += 1
        raise problem

    def give_up(self) -> Client | None:
        """The client failed: the next one who asks connects anew, to the next host. Answers what is to be closed."""
        failed, self.current = self.current, None
        self.turn += failed is not None
        return failed

    async def close(self) -> None:
        self.closed = True
        if self.connecting is not None:
            self.connecting.cancel()
            await asyncio.wait((self.connecting,))
        if self.current is not None:
            await self.current.close()
            self.current = None


def seen(task: "asyncio.Task[Any]") -> None:
    """Its failure is whoever's who waits; nobody may be left to."""
    if not task.cancelled():
        task.exception()
