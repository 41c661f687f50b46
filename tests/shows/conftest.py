"""Servers, SIPps and phones that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import Server

from .baresip import Baresip
from .sipp import Sipp

CALLS = (Path(__file__).parent / "calls.cfg").read_text("utf-8")


@pytest.fixture
def calls(serve: Callable[..., Server]) -> Server:
    """A server with calls.cfg."""
    return serve(CALLS)


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[Callable[..., Sipp]]:
    """`sipp(scenario, port, …)`, started."""
    started: list[Sipp] = []

    def start(scenario: str, port: int, **more: object) -> Sipp:
        one = Sipp(tmp_path / f"sipp{len(started)}", scenario, port, **more)  # type: ignore[arg-type]
        started.append(one)
        return one.start()

    yield start
    for one in started:
        one.close()


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Callable[..., Baresip]]:
    """`phone(user, number, …)`: a baresip that has registered."""
    started: list[Baresip] = []

    def start(user: str, number: int, **more: object) -> Baresip:
        started.append(Baresip(tmp_path, user, number, **more))  # type: ignore[arg-type]
        return started[-1].registered()

    yield start
    for one in started:
        one.close()
