"""The one place where t_relay waits: the work itself is plain code, and says what it needs."""

from pysips.core.context import Context
from pysips.core.forward import Hop

from .requests import Requests


async def relay(requests: Requests, ctx: Context, flags: int, hop: Hop | None) -> int:
    """t_relay to its end: its code. It nearly never waits."""
    work = requests.relay(ctx, flags, hop)
    if isinstance(work, int):
        return work
    waiting = work.step(None)
    while waiting is not None:
        waiting = work.step(await waiting)
    return work.end()
