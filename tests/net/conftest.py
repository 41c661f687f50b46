"""Fixtures of the tests of transports."""

from collections.abc import AsyncIterator

import pytest

from .tcp_world import World


@pytest.fixture(params=["127.0.0.1", "::1"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made = World(request.param)
    yield made
    made.close()


@pytest.fixture
async def one_world() -> AsyncIterator[World]:
    made = World("127.0.0.1")
    yield made
    made.close()
