"""The one place where t_relay waits: the work itself is plain code, and says what it needs."""

from .requests import Work


async def drive(work: Work) -> int:
    """Work to its end: its code. It nearly never waits."""
    waiting = work.step(None)
    while waiting is not None:
        waiting = work.step(await waiting)
    return work.end()
