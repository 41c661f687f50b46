"""The one place where t_relay waits: the work itself is plain code, and says what it needs."""

from typing import Any

from .requests import Work


async def drive(work: Work, waiting: Any = None) -> int:
    """Work to its end: its code. It nearly never waits. waiting: what its first step answered, if that was taken."""
    if waiting is None:
        waiting = work.step(None)
    while waiting is not None:
        waiting = work.step(await waiting)
    return work.end()
