"""The loop: datagrams are served inside select(), and nothing that asyncio was asked for comes late."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from pysips.core.services import Promise, Timer
from pysips.runtime.loop import Loop
from pysips.runtime.offload import LoopOffload, driven
from pysips.runtime.wheel import Wheel


class Mailbox:
    """A datagram socket whose owner does something with each message."""

    def __init__(self, work: Callable[[bytes], object]) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.work = work
        self.failures = 0

    def fileno(self) -> int:
        return self.ours.fileno()

    def take(self) -> None:
        self.work(self.ours.recv(100))

    def errors(self) -> None:
        self.failures += 1

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(Wheel(time.monotonic()))
    yield made
    made.close()


def run(loop: Loop, until: Callable[[], bool], seconds: float = 2.0) -> float:
    """Run the loop until something is true; how long that took."""
    began = time.monotonic()

    async def wait() -> None:
        async with asyncio.timeout(seconds):
            while not until():
                await asyncio.sleep(0)

    loop.run_until_complete(wait())
    return time.monotonic() - began


def test_a_datagram_is_served_without_asyncio(loop: Loop) -> None:
    got: list[bytes] = []

    def work(data: bytes) -> None:
        got.append(data)
        if data == b"last":
            loop.stop()

    box = Mailbox(work)
    loop.served.serve(box)
    for data in (b"first", b"last"):
        box.theirs.send(data)
    loop.run_forever()
    assert got == [b"first", b"last"]
    loop.served.leave(box)
    box.close()


def test_what_a_datagram_schedules_happens_at_once(loop: Loop) -> None:
    order: list[str] = []

    def work(data: bytes) -> None:
        order.append("datagram")
        loop.call_soon(order.append, "soon")
        loop.call_later(0.01, order.append, "later")
        loop.call_later(0.02, loop.stop)

    box = Mailbox(work)
    loop.served.serve(box)
    box.theirs.send(b"x")
    loop.call_later(5, loop.stop)
    began = time.monotonic()
    loop.run_forever()
    assert order == ["datagram", "soon", "later"]
    assert time.monotonic() - began < 1
    box.close()


def test_a_run_that_waits_for_a_task_goes_on_in_time(loop: Loop) -> None:
    offload = LoopOffload(loop)
    done: list[float] = []

    async def route() -> int:
        promise = offload.spawn(asyncio.sleep(0.02, 7))
        value: int = await promise
        done.append(time.monotonic())
        loop.stop()
        return value

    results: list[Promise] = []
    box = Mailbox(lambda data: results.append(driven(route())))
    loop.served.serve(box)
    box.theirs.send(b"x")
    began = time.monotonic()
    loop.run_forever()
    assert results[0].value == 7
    assert 0.02 <= done[0] - began < 0.5
    box.close()


def test_other_descriptors_are_asyncios(loop: Loop) -> None:
    got: list[bytes] = []
    here, there = socket.socketpair()
    loop.add_reader(here.fileno(), lambda: got.append(here.recv(10)))
    box = Mailbox(lambda data: there.send(data))
    loop.served.serve(box)
    box.theirs.send(b"through")
    run(loop, lambda: got == [b"through"])
    loop.remove_reader(here.fileno())
    for one in (here, there):
        one.close()
    box.close()


def test_a_failure_ends_neither_the_loop_nor_the_socket(loop: Loop) -> None:
    got: list[bytes] = []

    def work(data: bytes) -> None:
        if data == b"bad":
            raise RuntimeError("a fault of ours")
        got.append(data)

    box = Mailbox(work)
    loop.served.serve(box)
    box.theirs.send(b"bad")
    box.theirs.send(b"good")
    run(loop, lambda: got == [b"good"])
    box.close()


def test_what_was_collected_goes_out_before_the_loop_waits(loop: Loop) -> None:
    collected: list[str] = []
    out: list[str] = []

    def flush() -> None:
        out.extend(collected)
        collected.clear()

    loop.served.flush = flush
    loop.call_soon(collected.append, "from asyncio")
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert out == ["from asyncio"]


def test_a_timeout_ends_though_datagrams_keep_coming(loop: Loop) -> None:
    box = Mailbox(lambda data: box.theirs.send(data))
    loop.served.serve(box)
    box.theirs.send(b"ping-pong for ever")
    loop.call_later(0.05, loop.stop)
    began = time.monotonic()
    loop.run_forever()
    assert time.monotonic() - began < 1
    box.close()


class Bell(Timer):
    """Writes down when it rang, and stops the loop."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self.loop = loop
        self.rang: list[float] = []

    def fire(self) -> None:
        self.rang.append(time.monotonic())
        self.loop.stop()


@pytest.mark.parametrize("seconds", [0.1, 1.2])
def test_timers_fire_in_time_though_nothing_else_wakes_the_loop(loop: Loop, seconds: float) -> None:
    bell = Bell(loop)
    loop.served.wheel.add(bell, seconds)
    began = time.monotonic()
    loop.run_forever()
    assert seconds <= bell.rang[0] - began < seconds + 0.5


def test_a_timer_that_a_late_message_adds_is_not_early(loop: Loop) -> None:
    bell = Bell(loop)
    box = Mailbox(lambda data: loop.served.wheel.add(bell, 0.2))
    loop.served.serve(box)
    sent: list[float] = []

    def send() -> None:
        loop.served.wheel.born -= 1  # a second passes in which nobody wakes the loop
        sent.append(time.monotonic())
        box.theirs.send(b"x")

    loop.call_soon(send)
    loop.run_forever()
    assert 0.2 <= bell.rang[0] - sent[0] < 0.7
    box.close()


def test_a_timer_may_close_what_the_same_poll_found(loop: Loop) -> None:
    here, there = socket.socketpair()
    read: list[bytes] = []
    loop.add_reader(here.fileno(), lambda: read.append(here.recv(10)))

    class Closing(Bell):
        def fire(self) -> None:
            loop.remove_reader(here.fileno())
            super().fire()

    bell = Closing(loop)
    loop.served.wheel.add(bell, 0.0)

    def send_late() -> None:
        loop.served.wheel.born -= 1  # a second passes: both are due when the loop looks
        there.send(b"x")

    loop.call_soon(send_late)
    loop.run_forever()
    assert bell.rang and not read
    here.close()
    there.close()


def test_an_idle_loop_is_woken_once_a_second_at_most(loop: Loop) -> None:
    turns: list[int] = []
    loop.served.turned = lambda: turns.append(1)
    loop.call_later(0.9, loop.stop)
    loop.run_forever()
    assert len(turns) <= 2


def test_blocking_work_runs_in_a_thread_and_brings_its_result(loop: Loop) -> None:
    offload = LoopOffload(loop)
    well, ill = offload.run(sum, [1, 2, 3]), offload.run(int, "x")
    run(loop, lambda: well.done and ill.done)
    assert well.value == 6
    assert isinstance(ill.failure, ValueError)
    offload.close()


def test_a_task_that_fails_or_is_cancelled_fails_its_promise(loop: Loop) -> None:
    offload = LoopOffload(loop)

    async def fail() -> None:
        raise LookupError("no")

    failing, endless = offload.spawn(fail()), offload.spawn(asyncio.sleep(3600))
    run(loop, lambda: failing.done)
    assert isinstance(failing.failure, LookupError)
    offload.close()
    run(loop, lambda: endless.done)
    assert isinstance(endless.failure, asyncio.CancelledError)


def test_a_driven_coroutine_awaits_promises_and_nothing_else(loop: Loop) -> None:
    inner = Promise()

    async def patient() -> int:
        value: int = await inner
        return value + 1

    async def wrong() -> None:
        await asyncio.sleep(1)

    async def broken() -> None:
        raise LookupError("no")

    waiting = driven(patient())
    assert not waiting.done
    inner.complete(1)
    assert waiting.value == 2
    assert isinstance(driven(broken()).failure, LookupError)
    loop.call_soon(loop.stop)
    outcome: list[Promise] = []
    loop.call_soon(lambda: outcome.append(driven(wrong())))
    loop.run_forever()
    assert isinstance(outcome[0].failure, TypeError)
