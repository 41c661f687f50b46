"""The FIFO: what clients write into it, and what they find in their own pipes."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.core.exports import MiError
from pysips.core.paged import Paged
from pysips.core.services import Management, Offload, Promise, Timer, Timers
from pysips.errors import ModuleError
from pysips.modules.mi_fifo.commands import MOST, Commands, Request
from pysips.modules.mi_fifo.pipe import Pipe, PipeSettings
from pysips.modules.mi_fifo.replies import MOST_AT_ONCE, PIPE_SIZE, WIDE, Replies, spelled

PS = '{"jsonrpc":"2.0","id":1,"method":"ps"}'


def fed(*pieces: bytes) -> list[Request]:
    commands = Commands()
    return [request for piece in pieces for request in commands.feed(piece)]


def test_a_json_command_needs_no_line_end_and_bears_one() -> None:
    assert fed(f":reply:{PS}".encode()) == [Request("reply", json=PS)]
    assert fed(f":reply:{PS}\n\n".encode(), f"\n:r2: {PS}\r\n".encode()) == [
        Request("reply", json=PS), Request("r2", json=PS),
    ]  # fmt: skip


def test_several_commands_in_one_write() -> None:
    assert [one.reply for one in fed(f":a:{PS}:b:{PS}\n:c:{PS}".encode())] == ["a", "b", "c"]


def test_a_command_in_pieces() -> None:
    whole = f":reply:{PS}".encode()
    for cut in range(1, len(whole)):
        assert fed(whole[:cut], whole[cut:]) == [Request("reply", json=PS)]


def test_a_broken_command_does_not_keep_the_next_one_waiting() -> None:
    for broken in (":a:{", ":a:[[[", ":ul_dump:reply\nword", ':a:{"x'):
        assert fed(f"{broken}\n:b:{PS}\n".encode()) == [Request("b", json=PS)]


def test_braces_and_colons_inside_strings_end_nothing() -> None:
    text = r'{"jsonrpc":"2.0","id":":x:{","method":"a\"}]","params":{"b":[1,{"c":"}"}]}}'
    assert fed(f":r:{text}:s:{PS}".encode()) == [Request("r", json=text), Request("s", json=PS)]


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "../x", "a b", "a\0b", "x" * 300, "ä"])
def test_a_reply_name_that_may_not_be_is_not_used(name: str) -> None:
    found = fed(f":{name}:{PS}".encode(), f":good:{PS}".encode())
    assert [one.reply for one in found] == (["", "good"] if name == "" else ["good"])


@pytest.mark.parametrize(
    "rubbish",
    [
        b"hello\n", b":\n", b"::\n", b"\0\0\0", b":r:nonsense", b":r:{]}\n", b':r:{"a":}\n', b":r:{\xff}\n",
        b":r:" + b"[" * 20_000 + b"]" * 20_000 + b"\n", b":no-second-colon\n",
    ],
)  # fmt: skip
def test_rubbish_takes_no_good_command_along(rubbish: bytes) -> None:
    assert fed(rubbish, f":good:{PS}".encode()) == [Request("good", json=PS)]


def test_a_truncated_command_again_and_again_leaves_nothing() -> None:
    commands = Commands()
    for _ in range(1000):
        assert commands.feed(b':r:{"jsonrpc":"2.0","id":"1') == []
    assert len(commands.buffer) < 100
    assert commands.feed(f":good:{PS}".encode()) == [Request("good", json=PS)]


@pytest.mark.parametrize("filler", [b"x", b'"', b'\\"', b"[", b'["', b":"])
def test_a_huge_command_is_dropped_in_no_time(filler: bytes) -> None:
    commands = Commands()
    commands.feed(b":r:{")
    for _ in range(20):
        commands.feed(filler * (65_536 // len(filler)))
        assert len(commands.buffer) <= MOST
    commands.give_up()
    assert commands.feed(f":good:{PS}".encode()) == [Request("good", json=PS)]


def test_the_line_form_of_2_4() -> None:
    assert fed(b":ps:reply\n\n") == [Request("reply", command="ps")]
    assert fed(b":ul_show_contact:reply\nlocation\nalice@b\n\n") == [
        Request("reply", command="ul_show_contact", words=("location", "alice@b"))
    ]
    assert fed(b":get_statistics:r\nall\n", b"\n:ps:s\n\n") == [
        Request("r", command="get_statistics", words=("all",)), Request("s", command="ps"),
    ]  # fmt: skip
    assert fed(b":ps:../r\n\n:ps:r\r\n\r\n") == [Request("r", command="ps")]


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    commands = Commands()
    for piece in pieces:
        commands.feed(piece)
    commands.give_up()
    assert commands.feed(f"\n:good:{PS}".encode())[-1:] == [Request("good", json=PS)]


def test_results_as_lines() -> None:
    result = {"Processes": [{"ID": 0, "Type": "a"}, {"ID": 1}], "n": 5, "names": ["x", "y"], "sub": {"k": "two\nlines"}}
    assert spelled(result, "\t") == [
        "Processes::", "\tID:: 0", "\tType:: a", "Processes::", "\tID:: 1", "n:: 5", "names:: x", "names:: y",
        "sub::", "\tk:: two lines",
    ]  # fmt: skip
    assert spelled("OK", "\t") == []
    assert spelled(["a", "b"], "\t") == [":: a", ":: b"]


class Shop(Management):
    """Answers with what it was asked, page by page if that is a number of pages."""

    def answer(self, text: str, paged: bool = False) -> Promise:
        promise = Promise()
        request = json.loads(text)
        if paged and isinstance(request.get("params"), int):
            promise.complete(Paged(pages(request["params"])))
            return promise
        promise.complete(json.dumps({"result": request.get("params")}) if "id" in request else "")
        return promise

    def call(self, method: str, words: list[str]) -> Promise:
        promise = Promise()
        if method == "nix":
            promise.fail(MiError(-32601, "Method not found"))
        elif method == "refuse":
            promise.fail(MiError(404, "AOR not found"))
        else:
            promise.complete({"method": method, "words": words})
        return promise

    made = -1  # the newest page


async def pages(count: int) -> AsyncIterator[str]:
    """So many of them, each longer than a pipe is wide."""
    for number in range(count):
        Shop.made = number
        yield str(number % 10) * PIPE_SIZE


class Tasks(Offload):
    def __init__(self) -> None:
        self.running: set[asyncio.Future[Any]] = set()

    def spawn(self, work: Awaitable[Any]) -> Promise:
        task = asyncio.ensure_future(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return Promise()


class Watch(Timers):
    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def add(self, timer: Timer, seconds: float) -> None:
        self.timers = [timer]

    def ring(self) -> None:
        self.timers[0].fire()


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tasks = Tasks()
        self.watch = Watch()
        self.replies = Replies(folder, self.tasks, "\t", pretty=False)
        self.settings = PipeSettings(folder / "run" / "fifo", 0o622)
        self.pipe = Pipe(self.settings, Shop(), self.replies, self.watch)

    def write(self, data: str) -> None:
        writer = os.open(self.settings.path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, data.encode())
        os.close(writer)

    async def answer(self, name: str, data: str) -> str:
        """What a client finds in its pipe."""
        os.mkfifo(self.folder / name)
        reader = os.open(self.folder / name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            self.write(data)
            got = b""
            async with asyncio.timeout(5):
                while True:
                    await asyncio.sleep(0.001)
                    try:
                        piece = os.read(reader, 65_536)
                    except BlockingIOError:
                        continue
                    if not piece and got and not self.tasks.running:
                        return got.decode()
                    got += piece
        finally:
            os.close(reader)
            (self.folder / name).unlink()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    made.pipe.open()
    yield made
    made.pipe.close()
    for task in made.tasks.running:
        task.cancel()


def ask(params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x", "params": params})


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_client_gets_its_answer_and_nothing_behind_it(world: World) -> None:
    assert await world.answer("r1", f":r1:{ask(['a'])}") == '{"result": ["a"]}'
    assert await world.answer("r2", f":r2:{ask(['b'])}\n") == '{"result": ["b"]}'


async def test_a_client_of_2_4_gets_lines(world: World) -> None:
    assert await world.answer("r", ":ps:r\na\n\n") == "200 OK\nmethod:: ps\nwords:: a\n\n"
    assert await world.answer("r", ":nix:r\n\n") == "404 Method not found\n\n"
    assert await world.answer("r", ":refuse:r\n\n") == "404 AOR not found\n\n"


async def test_an_answer_larger_than_a_pipe_arrives_whole(world: World) -> None:
    world.replies.json("big", "x" * 300_000)
    os.mkfifo(world.folder / "big")
    got = b""
    reader = os.open(world.folder / "big", os.O_RDONLY | os.O_NONBLOCK)
    async with asyncio.timeout(5):
        while len(got) < 300_000:
            await asyncio.sleep(0.001)
            try:
                got += os.read(reader, 65_536)
            except BlockingIOError:
                continue
    os.close(reader)
    await until(lambda: not world.tasks.running)


async def test_a_page_is_made_when_the_client_has_read_the_ones_before_it(world: World) -> None:
    os.mkfifo(world.folder / "r")
    reader = os.open(world.folder / "r", os.O_RDONLY | os.O_NONBLOCK)
    world.write(f":r:{ask(100)}")
    await until(lambda: Shop.made > 0)
    await asyncio.sleep(0.05)
    assert Shop.made * PIPE_SIZE <= WIDE, "who reads nothing has no pages waiting but those in the pipe"
    got = bytearray()
    async with asyncio.timeout(30):
        while len(got) < 100 * PIPE_SIZE:
            await asyncio.sleep(0.001)
            try:
                got += os.read(reader, 1 << 20)
            except BlockingIOError:
                continue
    os.close(reader)
    assert got == b"".join(str(number % 10).encode() * PIPE_SIZE for number in range(100))


async def test_only_pipes_are_written_to(world: World) -> None:
    (world.folder / "file").write_text("mine")
    os.mkfifo(world.folder / "there")
    (world.folder / "link").symlink_to(world.folder / "there")
    for name in ("file", "link"):
        world.write(f":{name}:{ask(1)}")
    await until(lambda: not world.tasks.running and world.replies.running == 0)
    assert (world.folder / "file").read_text() == "mine"


async def test_clients_that_do_not_come_are_bounded(world: World) -> None:
    for number in range(3 * MOST_AT_ONCE):
        world.replies.json(f"nobody{number}", "x")
    assert world.replies.running == MOST_AT_ONCE


async def test_opening_and_closing_the_pipe_empty_is_nothing(world: World) -> None:
    for _ in range(3):
        world.write("")
    assert await world.answer("r", f":r:{ask('x')}") == '{"result": "x"}'


@pytest.mark.parametrize("how", ["removed", "replaced by a pipe"])
async def test_a_pipe_that_somebody_took_away_is_made_again(world: World, how: str) -> None:
    world.settings.path.unlink()
    if how != "removed":
        os.mkfifo(world.settings.path)
    world.watch.ring()
    assert stat.S_IMODE(world.settings.path.stat().st_mode) == 0o622
    assert await world.answer("r", f":r:{ask('x')}") == '{"result": "x"}'


async def test_a_file_in_the_pipes_place_is_left_alone_until_it_goes(world: World) -> None:
    world.settings.path.unlink()
    world.settings.path.write_text("mine")
    world.watch.ring()
    assert world.settings.path.read_text() == "mine"
    world.settings.path.unlink()
    world.watch.ring()
    assert await world.answer("r", f":r:{ask('x')}") == '{"result": "x"}'


async def test_half_a_command_is_given_up(world: World) -> None:
    world.write(':r:{"half":')
    await until(lambda: bool(world.pipe.commands.buffer))
    world.watch.ring()
    assert world.pipe.commands.buffer
    world.watch.ring()
    assert not world.pipe.commands.buffer


async def test_what_cannot_be_a_pipe_is_said(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settings.path.parent.mkdir()
    world.settings.path.write_text("mine")
    with pytest.raises(ModuleError, match="cannot make the FIFO"):
        world.pipe.open()
    world.settings.user = "nobody-of-that-name"
    world.settings.path.unlink()
    with pytest.raises(ModuleError, match="nobody-of-that-name"):
        world.pipe.open()


async def test_a_pipe_of_an_earlier_server_is_replaced(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settings.path.parent.mkdir()
    os.mkfifo(world.settings.path)
    world.pipe.open()
    assert await world.answer("r", f":r:{ask('x')}") == '{"result": "x"}'
    world.pipe.close()
