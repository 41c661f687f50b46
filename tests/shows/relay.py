"""A way to a server that can be made slow or shut: TCP, byte for byte, each answer so much later."""

import asyncio
import contextlib
import threading

from .machines import Machine


class Relay:
    """From `port` of a machine's address to `target` there; in a thread of its own. delay: seconds for each answer."""

    def __init__(self, machine: Machine, host: str, port: int, target: int) -> None:
        self.host, self.port, self.target = host, port, target
        self.delay = 0.0
        self.server: asyncio.Server | None = None
        self.links: set[asyncio.StreamWriter] = set()
        with machine.at():  # a thread is where its maker is
            self.loop = asyncio.new_event_loop()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()
        self.open()

    def open(self) -> None:
        async def listen() -> None:
            self.server = await asyncio.start_server(self.join, self.host, self.port)

        asyncio.run_coroutine_threadsafe(listen(), self.loop).result(10)

    def shut(self) -> None:
        """Nobody is there any more: what was connected ends, and who comes is refused."""

        async def end() -> None:
            if self.server is not None:
                self.server.close()
                self.server = None
            for link in self.links:
                link.transport.abort()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)

    def close(self) -> None:
        self.shut()

        async def end() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection(self.host, self.target)
            self.links |= {writer, there_writer}
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self.carry(reader, there_writer), self.answers(there_reader, writer))
            self.links -= {writer, there_writer}
            there_writer.transport.abort()
        writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.transport.abort()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """In order, each `delay` after it came."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def give() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - self.loop.time()))
                if not data:
                    writer.transport.abort()
                    return
                writer.write(data)

        giver = asyncio.ensure_future(give())
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                waiting.put_nowait((self.loop.time() + self.delay, data))
        waiting.put_nowait((0.0, b""))
        await giver
