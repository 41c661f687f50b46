"""Runs that wait: parked, resumed, absorbed, limited, with variables of their own."""

from types import SimpleNamespace
from typing import Any

import pytest

from pysips.core.context import REQUEST, Context
from pysips.core.services import Peer, Promise, Services, Socket
from pysips.core.waiting import CANCELLED, Runs
from pysips.sip.message import read

PROGRAM = SimpleNamespace(vars={})


def request(method: str = "INVITE", branch: str = "z9hG4bK1") -> Context:
    text = (
        f"{method} sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch={branch}\r\n"
        f"From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
    peer = Peer("udp", "127.0.0.1", 5070, Socket(0, "udp", "127.0.0.1", 5060))
    return Context(Services(), PROGRAM, read(text.encode()), peer, REQUEST)  # type: ignore[arg-type]


class Story:
    """Runs, and what came of them."""

    def __init__(self, most: int = 10) -> None:
        self.ended: list[tuple[Context, int]] = []
        self.broken: list[BaseException] = []
        self.refused: list[Context] = []
        self.runs = Runs(most, self.refused.append)

    def start(self, ctx: Context, result: Any) -> None:
        self.runs.start(ctx, result, lambda c, code: self.ended.append((c, code)), lambda c, p: self.broken.append(p))


@pytest.fixture(autouse=True)
def fresh_variables() -> None:
    PROGRAM.vars.clear()


def test_a_plain_route_and_one_that_need_not_wait_end_at_once() -> None:
    story, ctx = Story(), request()
    brought = Promise()
    brought.complete(3)

    async def route() -> int:
        return int(await brought)

    story.start(ctx, 7)
    story.start(ctx, route())
    assert [code for _, code in story.ended] == [7, 3]
    assert story.runs.count == 0


def test_a_waiting_run_goes_on_when_its_promise_is_kept() -> None:
    story, ctx, promise = Story(), request(), Promise()

    async def route() -> int:
        return int(await promise) + 1

    story.start(ctx, route())
    assert (story.ended, story.runs.count) == ([], 1)
    promise.complete(4)
    assert story.ended == [(ctx, 5)]
    assert story.runs.count == 0


def test_a_failure_brought_by_the_promise_is_raised_where_it_is_awaited() -> None:
    story, promise = Story(), Promise()

    async def route() -> int:
        try:
            return int(await promise)
        except TimeoutError:
            raise ValueError("the script's own") from None

    story.start(request(), route())
    promise.fail(TimeoutError())
    assert [str(problem) for problem in story.broken] == ["the script's own"]
    assert story.runs.count == 0


def test_a_retransmission_of_a_waiting_request_is_absorbed_and_another_request_is_not() -> None:
    story, promise = Story(), Promise()

    async def route() -> int:
        await promise
        return 1

    story.start(request(), route())
    assert story.runs.absorbs(request())
    assert not story.runs.absorbs(request(branch="z9hG4bK2"))
    promise.complete()
    assert not story.runs.absorbs(request())


def test_a_cancel_of_a_waiting_invite_is_kept_for_it() -> None:
    story, ctx, promise = Story(), request(), Promise()

    async def route() -> int:
        await promise
        return 1

    story.start(ctx, route())
    assert story.runs.cancels(request("CANCEL", "z9hG4bK2")) is None
    assert story.runs.cancels(request("CANCEL")) is ctx
    assert ctx.noted(CANCELLED) is True


def test_one_more_than_may_wait_is_refused_and_its_run_is_over() -> None:
    story, promise, over = Story(most=1), Promise(), []

    async def route(name: str) -> int:
        try:
            await promise
        finally:
            over.append(name)
        return 1

    refused = request(branch="z9hG4bK2")
    story.start(request(), route("first"))
    story.start(refused, route("second"))
    assert (story.refused, over) == ([refused], ["second"])
    promise.complete()
    assert over == ["second", "first"]
    assert len(story.ended) == 1


def test_two_waiting_runs_do_not_see_each_other_s_variables_and_publish_them_at_their_end() -> None:
    story, seen = Story(), []
    promises = {"alice": Promise(), "bob": Promise()}

    async def route(ctx: Context, name: str) -> int:
        ctx.vars["caller"] = name
        await promises[name]
        seen.append(ctx.vars["caller"])
        ctx.vars["last"] = name
        return 1

    for number, name in enumerate(promises):
        ctx = request(branch=f"z9hG4bK{number}")
        story.start(ctx, route(ctx, name))
    promises["alice"].complete()
    assert PROGRAM.vars == {"caller": "bob", "last": "alice"}
    promises["bob"].complete()
    assert seen == ["alice", "bob"]
    assert PROGRAM.vars["last"] == "bob"
