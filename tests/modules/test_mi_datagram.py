"""Management commands in datagrams, over real sockets."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pysips.core.services import Management, Promise, Timer, Timers
from pysips.errors import ConfigError, ModuleError
from pysips.modules.mi_datagram import (
    BAD_JSON,
    Datagrams,
    MiDatagram,
    udp_place,
    udp_socket,
    unix_socket,
)  # fmt: skip
from pysips.testing.story import Story

ASKED = '{"jsonrpc":"2.0","id":7,"method":"ps"}'


class Shop(Management):
    """Answers with `answers`, or repeats the request; "silent" is a notification, "later" waits for the test."""

    def __init__(self) -> None:
        self.size = 0
        self.later: Promise | None = None

    def answer(self, text: str, paged: bool = False) -> Promise:
        promise = Promise()
        asked = json.loads(text)
        if "later" in text:
            self.later = promise
        elif isinstance(asked, dict) and "id" not in asked:
            promise.complete("")
        else:
            promise.complete(json.dumps({"result": "x" * self.size or "OK", "id": asked["id"]}))
        return promise


class Watch(Timers):
    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def add(self, timer: Timer, seconds: float) -> None:
        self.timers.append(timer)

    def ring(self) -> None:
        timers, self.timers = self.timers, []
        for timer in timers:
            timer.fire()


class World:
    """A served socket and a client; both in one process."""

    def __init__(self, made: socket.socket, client: socket.socket, largest: int = 2000, pretty: bool = False) -> None:
        self.shop, self.watch = Shop(), Watch()
        self.server = Datagrams(made, self.shop, self.watch, largest, 0.2, pretty)
        self.client = client
        self.client.setblocking(False)
        self.client.connect(made.getsockname())

    async def hears(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.client, 70_000)

    async def answer(self, asked: str | bytes) -> Any:
        self.client.send(asked.encode() if isinstance(asked, str) else asked)
        return await self.hears()

    def close(self) -> None:
        self.server.close()
        self.client.close()


@pytest.fixture(params=["udp", "unix"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "udp":
        made = udp_socket(socket.AF_INET, ("127.0.0.1", 0))
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        made = unix_socket(tmp_path / "mi", 0o600, None, None)
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.bind(str(tmp_path / "client"))
    world = World(made, client)
    yield world
    world.close()


async def test_a_request_and_its_answer(world: World) -> None:
    assert await world.answer(ASKED) == b'{"result": "OK", "id": 7}'
    assert await world.answer(ASKED + "\n") == b'{"result": "OK", "id": 7}'


async def test_what_is_no_json_is_told_so_as_opensips_does(world: World) -> None:
    for bad in ('{"broken', "", "\xff", "[" * 1999, " " * 3000 + ASKED):
        assert await world.answer(bad.encode("latin-1")) == BAD_JSON


async def test_a_notification_is_not_answered(world: World) -> None:
    world.client.send(b'{"jsonrpc":"2.0","method":"ps"}')
    assert await world.answer(ASKED) == b'{"result": "OK", "id": 7}'


async def test_an_answer_that_comes_later_goes_to_who_asked(world: World) -> None:
    world.client.send(b'{"jsonrpc":"2.0","id":"later"}')
    assert await world.answer(ASKED) == b'{"result": "OK", "id": 7}'
    assert world.shop.later is not None
    world.shop.later.complete('{"late":1}')
    assert await world.hears() == b'{"late":1}'


async def test_an_answer_that_does_not_fit_is_an_error_that_says_so(world: World) -> None:
    world.shop.size = 5000
    answer = json.loads(await world.answer(ASKED))
    assert answer["id"] == 7 and answer["error"]["code"] == 500
    assert "do not fit" in answer["error"]["message"] or "more than fit" in answer["error"]["message"]


async def test_pretty_printing(tmp_path: Path) -> None:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    world = World(udp_socket(socket.AF_INET, ("127.0.0.1", 0)), client, pretty=True)
    assert await world.answer(ASKED) == b'{\n    "result": "OK",\n    "id": 7\n}'
    world.close()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[socket.socket, socket.socket]]:
    made = unix_socket(tmp_path / "mi", 0o600, None, None)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    client.bind(str(tmp_path / "client"))
    yield made, client


async def test_a_client_that_does_not_read_holds_nobody_up(slow: tuple[socket.socket, socket.socket]) -> None:
    world = World(*slow)
    me = world.client.getsockname()
    for number in range(2000):
        world.server.answered('{"n":%d}' % number, me)  # noqa: UP031
        if world.server.waiting:
            break
    waiting = world.server.waiting
    assert waiting == 1  # the client's queue is full
    read = [world.client.recv(100)]
    world.watch.ring()
    assert world.server.waiting == 0
    read += [world.client.recv(100) for _ in range(number)]
    assert json.loads(read[-1]) == {"n": number}
    world.close()


async def test_a_client_that_never_reads_is_given_up(slow: tuple[socket.socket, socket.socket]) -> None:
    world = World(*slow)
    me = world.client.getsockname()
    for number in range(2000):
        world.server.answered('{"n":%d}' % number, me)  # noqa: UP031
    assert world.server.waiting == 100
    for _ in range(10):
        world.watch.ring()
    assert world.server.waiting == 0 and not world.watch.timers
    world.close()


async def test_a_client_without_a_name_cannot_be_answered(slow: tuple[socket.socket, socket.socket]) -> None:
    world = World(*slow)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
        nameless.sendto(ASKED.encode(), slow[0].getsockname())
        assert await world.answer(ASKED) == b'{"result": "OK", "id": 7}'
    world.close()


def test_permissions_of_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "mi"
    for mode, seen in ((0o622, 0o622), (0, 0o600)):
        made = unix_socket(path, mode, os.getuid(), None)  # the second time in the first one's place
        assert stat.S_IMODE(path.stat().st_mode) == seen
        made.close()


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mi"
    path.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        unix_socket(path, 0o600, None, None)
    assert path.read_text() == "mine"


def test_places() -> None:
    assert udp_place("udp:127.0.0.1:8080") == (socket.AF_INET, ("127.0.0.1", 8080))
    assert udp_place("udp:[::1]:8080") == (socket.AF_INET6, ("::1", 8080, 0, 0))
    for bad in ("udp:127.0.0.1", "udp::8080", "udp:127.0.0.1:80", "udp:127.0.0.1:99999", "udp:[127.0.0.1]x:8080"):
        with pytest.raises(ModuleError):
            udp_place(bad)


@pytest.mark.parametrize("params", ["", 'modparam("mi_datagram", "socket_name", "mi")'])
def test_it_needs_a_socket(params: str) -> None:
    with pytest.raises(ConfigError):
        Story(params + "\nroute { exit; }", "mi_datagram")


async def test_only_the_attendant_serves(tmp_path: Path) -> None:
    path = tmp_path / "mi"
    story = Story(f'modparam("mi_datagram", "socket_name", "{path}")\nroute {{ exit; }}', "mi_datagram")
    found = story.program.registry.loaded["mi_datagram"]
    assert isinstance(found, MiDatagram)
    assert not path.exists()
    found.services.slot = -1
    await found.start()
    assert path.is_socket()
    await found.stop()
    assert not path.exists()
