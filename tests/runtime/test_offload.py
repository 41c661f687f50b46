"""Coroutines that await promises beside asyncio's futures."""

import asyncio

import pytest

from pysips.core.services import Promise
from pysips.runtime.offload import Mixed


async def test_promises_and_futures_in_one_coroutine() -> None:
    promise = Promise()

    async def work() -> str:
        await asyncio.sleep(0)
        first = await promise
        await asyncio.sleep(0)
        return f"{first} and done"

    asyncio.get_running_loop().call_later(0.01, promise.complete, "told")
    assert await Mixed(work()) == "told and done"


async def test_failures_come_through() -> None:
    promise = Promise()

    async def work() -> None:
        try:
            await promise
        except ValueError:
            raise KeyError from None

    asyncio.get_running_loop().call_soon(promise.fail, ValueError())
    with pytest.raises(KeyError):
        await Mixed(work())


async def test_a_task_that_is_cancelled_lets_its_coroutine_clean_up() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await Promise()
        finally:
            ended.append("cleaned")

    async def task() -> None:
        await Mixed(work())

    running = asyncio.ensure_future(task())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == ["cleaned"]
