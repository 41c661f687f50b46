"""Management commands: JSON-RPC's rules, parameters, and answers merged from several processes."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import pytest

from pysips.core.exports import Json, MiError, Module, Where, mi, mi_specs
from pysips.core.paged import Paged
from pysips.core.services import Promise
from pysips.core.stats import Statistics
from pysips.runtime.handover import Handover, Mailboxes
from pysips.runtime.mi import Mi, merged
from pysips.runtime.wheel import Wheel


class Commands(Module):
    name = "shop"

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.late = Promise()

    @mi("echo")
    def echo(self, text: str, count: int = 1, loud: bool = False) -> Json:
        return {"text": text * count + ("!" if loud else "")}

    @mi("pick", full="shop:choose")
    def pick(self, names: list[str]) -> Json:
        return list(names)

    @mi("refuse")
    def refuse(self) -> Json:
        raise MiError(404, "AOR not found")

    @mi("break")
    def fail(self) -> Json:
        raise RuntimeError("a fault of ours")

    @mi("patient")
    async def patient(self) -> Json:
        value: int = await self.late
        return value

    @mi("impatient")
    async def impatient(self) -> Json:
        await self.late
        raise MiError(500, "too late")

    @mi("bytes")
    def odd(self) -> Json:
        return "a\udcff\u00e4\n"

    @mi("count", where=Where.EACH)
    def count(self) -> Json:
        return {"calls": self.number, "who": [self.number], "name": "x"}

    @mi("first", where=Where.FIRST)
    def first(self) -> Json:
        if self.number == 99:
            raise MiError(400, "not me", ["detail"])
        return self.number

    def third(self, call: str) -> str:
        return call

    @mi("of_call", where=Where.FIRST, call_id="third", seconds=30)
    def of_call(self, call: str) -> Json:
        return self.number

    @mi("move", recipes=(("here", "there"), ("here", "over", "there")))
    def move(self, here: int, there: int, over: int = 0) -> Json:
        return [here, over, there]

    @mi("long")
    def long(self, pages: int = 3) -> Paged:
        return Paged(numbers(pages))

    @mi("_inner")
    def inner(self) -> Json:
        return "hidden"


async def numbers(count: int) -> AsyncIterator[str]:
    """A list of so many numbers, each a page; 13 breaks."""
    yield "["
    for number in range(count):
        if number == 13:
            raise RuntimeError("a fault of ours")
        await asyncio.sleep(0)
        yield ("," if number else "") + str(number)
    yield "]"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Worlds are closed after each test."""
    yield
    while World.opened:
        World.opened.pop().close()


class World:
    """An attendant and two workers. opened: the sockets of all worlds of a test."""

    opened: ClassVar[list[socket.socket]] = []

    def __init__(self) -> None:
        self.boxes = Mailboxes(3)
        self.opened.extend(self.boxes.readers + self.boxes.writers)
        self.wheels = [Wheel() for _ in range(3)]
        dropped = Statistics().counter("net", "dropped")
        self.lines = [Handover(self.boxes, seat, [], self.wheels[seat], dropped) for seat in range(3)]
        self.modules = [Commands(seat + 1) for seat in range(3)]
        self.all = [
            Mi(mi_specs(module), slot, 2, line, lambda call_id: len(call_id) % 2)
            for module, slot, line in zip(self.modules, (0, 1, -1), self.lines, strict=True)
        ]
        self.mi = self.all[2]

    def turn(self) -> None:
        for _ in range(4):
            for line in self.lines:
                line.flush()
            for line in self.lines:
                line.take()

    def ask(self, method: str, params: Any = None, **more: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": "7", "method": method, **more}
        if params is not None:
            request["params"] = params
        return self.raw(json.dumps(request))

    def raw(self, text: str) -> Any:
        promise = self.mi.answer(text)
        self.turn()
        assert promise.done
        return json.loads(promise.value) if promise.value else None


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    for one in made.boxes.readers + made.boxes.writers:
        one.close()


def test_an_answer_has_opensips_order_of_keys_and_no_blanks(world: World) -> None:
    promise = world.mi.answer('{"jsonrpc":"2.0","id":"17","method":"echo","params":{"text":"hi"}}')
    assert promise.value == '{"jsonrpc":"2.0","result":{"text":"hi"},"id":"17"}'


async def arrived(promise: Promise) -> Any:
    async with asyncio.timeout(5):
        while not promise.done:
            await asyncio.sleep(0)
    if promise.failure is not None:
        raise promise.failure
    return promise.value


LONG = '{"jsonrpc":"2.0","method":"long","params":[PAGES],"id":"x"}'


async def test_an_answer_in_pages_is_whole_but_for_whoever_takes_pages(world: World) -> None:
    whole = '{"jsonrpc":"2.0","result":[0,1,2],"id":"x"}'
    assert await arrived(world.mi.answer(LONG.replace("PAGES", "3"))) == whole
    paged = world.mi.answer(LONG.replace("PAGES", "3"), paged=True).value
    assert [page async for page in paged.pages] == [
        '{"jsonrpc":"2.0","result":',
        "[",
        "0",
        ",1",
        ",2",
        "]",
        ',"id":"x"}',
    ]
    assert await arrived(world.mi.call("long", ["2"])) == [0, 1]
    assert await arrived(world.mi.ask_attendant("long", {"pages": 1})) == [0]
    assert world.mi.answer('{"jsonrpc":"2.0","method":"long"}', paged=True).value == ""


async def test_pages_asked_of_another_process_come_whole(world: World) -> None:
    answer = world.all[0].ask_attendant("long", {"pages": 2})
    for _ in range(10):
        world.turn()
        await asyncio.sleep(0)
    assert answer.value == [0, 1]


async def test_a_page_that_breaks_is_an_internal_error(world: World) -> None:
    answer = json.loads(await arrived(world.mi.answer(LONG.replace("PAGES", "20"))))
    assert answer["error"]["code"] == -32603
    with pytest.raises(MiError, match="Internal error"):
        await arrived(world.mi.call("long", ["20"]))


@pytest.mark.parametrize("number", ["17", 17, 1.5, None])
def test_an_id_is_echoed_with_its_type(world: World, number: Any) -> None:
    assert world.ask("echo", ["x"], id=number)["id"] == number


def test_a_notification_is_done_and_not_answered(world: World) -> None:
    assert world.raw('{"jsonrpc":"2.0","method":"echo","params":["x"]}') is None


@pytest.mark.parametrize(
    "text, code",
    [
        ("", -32700), ("{", -32700), ("nonsense", -32700), ("[" * 20_000 + "]" * 20_000, -32700),
        ("[" * 100_000, -32700), ("1" * 10_000, -32700), ("[]", -32600), ("7", -32600), ("{}", -32600),
        ('[{"jsonrpc":"2.0","id":1,"method":"echo"}]', -32600), ('{"id":1,"method":"echo"}', -32600),
        ('{"jsonrpc":"1.0","id":1,"method":"echo"}', -32600), ('{"jsonrpc":"2.0","id":1}', -32600),
        ('{"jsonrpc":"2.0","id":1,"method":7}', -32600), ('{"jsonrpc":"2.0","id":[],"method":"echo"}', -32600),
        ('{"jsonrpc":"2.0","id":true,"method":"echo"}', -32600), ('{"jsonrpc":"2.0","id":1,"method":"nix"}', -32601),
        ('{"jsonrpc":"2.0","id":1,"method":"echo","params":"x"}', -32600),
        ('{"jsonrpc":"2.0","id":1,"method":"echo","params":7}', -32600),
    ],
)  # fmt: skip
def test_what_is_no_request_is_told_so(world: World, text: str, code: int) -> None:
    assert world.raw(text)["error"]["code"] == code


@pytest.mark.parametrize(
    "params, data",
    [
        ([], "Too few or too many parameters"), (["a", 1, True, "b"], "Too few or too many parameters"),
        ({}, "Too few or too many parameters"), ({"words": "a"}, "Named parameters do not match"),
        ([7], "Bad type for parameter 'text'"), (["a", "x"], "Bad type for parameter 'count'"),
        ({"text": "a", "count": "1_0"}, "Bad type for parameter 'count'"),
        ({"text": "a", "count": "9" * 30}, "Bad type for parameter 'count'"), ([[]], "Bad type for parameter 'text'"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_told_so(world: World, params: Any, data: str) -> None:
    assert world.ask("echo", params)["error"] == {"code": -32602, "message": "Invalid params", "data": data}


def test_parameters_come_by_name_or_position_and_numbers_as_text(world: World) -> None:
    assert world.ask("echo", ["a", "3", 1])["result"] == {"text": "aaa!"}
    assert world.ask("echo", {"count": 2, "text": "b"})["result"] == {"text": "bb"}
    assert world.ask("pick", [["a", "b"]])["result"] == ["a", "b"]
    assert world.ask("pick", ["a"])["error"]["data"] == "Bad type for parameter 'names'"
    assert world.ask("refuse", {})["error"] == world.ask("refuse", [])["error"] == world.ask("refuse")["error"]


def test_both_names_of_a_command_answer_and_are_listed(world: World) -> None:
    assert world.ask("shop:choose", [["a"]])["result"] == ["a"]
    assert {"pick", "shop:choose", "echo", "shop:echo"} <= set(world.mi.names())
    assert not any(name.startswith("_") for name in world.mi.names())


def test_a_commands_own_failure_keeps_its_code(world: World) -> None:
    assert world.ask("refuse")["error"] == {"code": 404, "message": "AOR not found"}


def test_a_fault_of_ours_is_an_internal_error(world: World) -> None:
    assert world.ask("break")["error"] == {"code": -32603, "message": "Internal error"}


def test_a_command_may_wait(world: World) -> None:
    for method in ("patient", "impatient"):
        promise = world.mi.answer(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}))
        assert not promise.done
        world.modules[2].late.complete(5)
        assert promise.done
        world.modules[2].late = Promise()
        assert ('"result":5' in promise.value) is (method == "patient")


def test_any_text_can_be_sent(world: World) -> None:
    promise = world.mi.answer('{"jsonrpc":"2.0","id":1,"method":"bytes"}')
    promise.value.encode()
    assert json.loads(promise.value)["result"] == "a\udcff\u00e4\n"


def test_each_worker_is_asked_and_the_answers_are_merged(world: World) -> None:
    assert world.ask("count")["result"] == {"calls": 3, "who": [1, 2], "name": "x"}


def test_the_first_worker_is_asked_and_its_failure_is_ours(world: World) -> None:
    assert world.ask("first")["result"] == 1
    world.modules[0].number = 99
    assert world.ask("first")["error"] == {"code": 400, "message": "not me", "data": ["detail"]}


def test_a_worker_and_the_attendant_itself_have_the_attendant_do_something(world: World) -> None:
    for one in world.all:
        promise = one.ask_attendant("echo", {"text": "a", "count": 2})
        world.turn()
        assert promise.value == {"text": "aa"}
    unknown = world.all[0].ask_attendant("nothing", {})
    assert isinstance(unknown.failure, MiError)


def test_a_command_may_name_all_its_recipes_itself(world: World) -> None:
    assert world.ask("move", [1, 3])["result"] == [1, 0, 3]
    assert world.ask("move", [1, 2, 3])["result"] == [1, 2, 3]


def test_a_worker_that_is_silent_is_left_out_after_two_seconds(world: World) -> None:
    world.lines[1].commands = None
    promise = world.mi.answer('{"jsonrpc":"2.0","id":1,"method":"count"}')
    world.turn()
    assert not promise.done
    world.wheels[2].advance(43)
    assert json.loads(promise.value)["result"]["calls"] == 1


def test_if_nobody_answers_the_command_fails(world: World) -> None:
    for line in world.lines[:2]:
        line.commands = None
    promise = world.mi.answer('{"jsonrpc":"2.0","id":1,"method":"count"}')
    world.turn()
    world.wheels[2].advance(43)
    assert json.loads(promise.value)["error"]["code"] == 500


def test_words_go_by_position_and_a_list_takes_the_rest(world: World) -> None:
    assert world.mi.call("echo", ["a", "2"]).value == {"text": "aa"}
    assert world.mi.call("pick", ["a", "b", "c"]).value == ["a", "b", "c"]
    assert isinstance(world.mi.call("nix", []).failure, MiError)
    assert isinstance(world.mi.call("pick", []).failure, MiError)


@pytest.mark.parametrize(
    "answers, result",
    [
        ([1, 2], 3), ([[1], [2]], [1, 2]), (["OK", "OK"], "OK"), ([True, True], True), ([None, None], None),
        ([{"a": {"b": 1}}, {"a": {"b": 2}, "c": "x"}], {"a": {"b": 3}, "c": "x"}), ([{"a": 1}], {"a": 1}),
    ],
)  # fmt: skip
def test_merging(answers: list[Json], result: Json) -> None:
    assert merged(answers) == result


def test_what_is_about_a_call_is_done_by_its_owner() -> None:
    world = World()
    assert [world.ask("of_call", [call])["result"] for call in ("one", "four", "")] == [2, 1, 1]
