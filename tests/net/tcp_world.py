"""What the tests of TCP share: a `Tcp` with time, timers and siblings of our own, and its peers."""

import asyncio
import socket
from collections.abc import Callable

from pysips.core.services import PENDING, Peer, Receiver, Socket, Tables, Watcher
from pysips.core.stats import Statistics
from pysips.net.endpoint import open_one
from pysips.net.tcp import Tcp
from pysips.net.tcp_settings import TcpCounters, TcpSettings
from pysips.testing.fakes import FakeClock

OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bK1%s\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 5\r\n\r\nhello"
)
MESSAGE = OPTIONS % b""


class Shelf(Tables):
    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        return self.held.get(kind + key)

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        self.held[kind + key] = value

    def delete(self, kind: bytes, key: bytes) -> bool:
        return self.held.pop(kind + key, None) is not None

    def scan(self, kind: bytes, after: bytes = b"", most: int = 500) -> list[tuple[bytes, bytes]]:
        return sorted((key[1:], value) for key, value in self.held.items() if key[:1] == kind and key[1:] > after)


class Lines:
    """The other workers."""

    def __init__(self) -> None:
        self.said: list[tuple[object, ...]] = []
        self.watchers: list[Watcher | None] = []

    def send(self, seat: int, connection: int, data: bytes, watcher: Watcher | None) -> int:
        self.watchers.append(watcher)
        self.said.append(("send", seat, connection, data))
        return PENDING

    def close_at(self, seat: int, connection: int) -> None:
        self.said.append(("close", seat, connection))

    def keep_at(self, seat: int, connection: int, seconds: int) -> None:
        self.said.append(("keep", seat, connection, seconds))

    def alias_at(self, seat: int, connection: int, port: int) -> None:
        self.said.append(("alias", seat, connection, port))

    def gone(self, proto: str, host: str, port: int) -> None:
        self.said.append(("gone", proto, host, port))


class Heard(Receiver):
    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Peer]] = []
        self.gone: list[tuple[str, str, int]] = []
        self.fails = False

    def unreachable(self, proto: str, host: str, port: int) -> None:
        self.gone.append((proto, host, port))

    def receive(self, data: bytes, peer: Peer) -> None:
        self.messages.append((data, peer))
        if self.fails:
            raise RuntimeError("a fault of ours")


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.bind((host, 0))
        port: int = trial.getsockname()[1]
        return port


class World:
    """A worker's TCP with one listening socket."""

    def __init__(self, host: str) -> None:
        self.settings = TcpSettings()
        self.time = FakeClock()
        self.tables = Shelf()
        self.lines = Lines()
        self.heard = Heard()
        named = Statistics()
        self.counters = TcpCounters(*[named.counter("tcp", name) for name in ("open", "refused", "failed")])
        self.tcp = Tcp(
            asyncio.get_running_loop(), 1, 2, self.settings, self.heard, self.time.timers, self.time, self.tables,
            self.lines, self.counters, 1_700_000_000,
        )  # fmt: skip
        self.where = Socket(0, "tcp", host, free_port(host))
        self.listener = open_one(self.where, False, 50)
        self.tcp.listening.listen(self.listener, self.where)
        self.writers: list[asyncio.StreamWriter] = []

    def close(self) -> None:
        self.tcp.close_all()
        self.listener.close()
        for writer in self.writers:
            writer.close()

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        before = len(self.tcp.connections) + self.counters.refused.get()
        reader, writer = await asyncio.open_connection(self.where.host, self.where.port)
        self.writers.append(writer)
        await until(lambda: len(self.tcp.connections) + self.counters.refused.get() > before)
        return reader, writer

    async def heard_messages(self, count: int) -> list[bytes]:
        await until(lambda: len(self.heard.messages) >= count)
        return [data for data, _ in self.heard.messages]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)
