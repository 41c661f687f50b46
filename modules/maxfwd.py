"""maxfwd: keep requests from looping for ever (RFC 3261 sections 16.3 and 16.6, steps 3; OpenSIPS manual: maxfwd)."""

from typing import Annotated, Final

from pysips.core.context import Context
from pysips.core.exports import By, Module, Route, function, param
from pysips.sip.headers import MAX_FORWARDS
from pysips.sip.hops import count_down
from pysips.sip.text import number

MISSING: Final = -1
UNREADABLE: Final = -2
MOST: Final = 256
HOPS: Final = {str(hops): hops for hops in range(MOST)}


class MaxFwd(Module):
    max_limit: int = param(256, low=1, high=256, help="The largest value let through.")

    def configure(self) -> None:
        # A number as it usually stands there, and the one that goes out instead.
        self.next: dict[str, str] = {str(hops): str(hops - 1) for hops in range(1, self.max_limit + 1)}

    def limit(self, hops: int) -> int:
        """A number of hops; raises ValueError for one out of range."""
        if not 1 <= hops <= self.max_limit:
            raise ValueError(f"{hops} is no number of hops: 1 to {self.max_limit}")
        return hops

    @function("mf_process_maxfwd_header", routes=Route.REQUEST)
    def process(self, ctx: Context, initial: Annotated[int, By("limit")]) -> int:
        """Count Max-Forwards down (1), add it with this value (2), or refuse at zero (-1); -2 for one unreadable."""
        items = ctx.edits.items
        if count_down(ctx.message, items, self.next):
            return 1
        hops, a, b = max_forwards(ctx)
        if hops == MISSING:
            ctx.edits.insert(ctx.message.starts[1], "Max-Forwards: " + str(initial) + "\r\n")
            return 2
        if hops <= 0:
            return -1 if hops == 0 else UNREADABLE
        left = hops - 1 if hops <= self.max_limit else self.max_limit
        if items and (a, b, str(hops)) in items:
            items.remove((a, b, str(hops)))
        items.append((a, b, str(left)))
        return 1

    @function("is_maxfwd_lt", routes=Route.REQUEST | Route.FAILURE | Route.BRANCH)
    def is_less_than(self, ctx: Context, limit: Annotated[int, By("limit")]) -> int:
        """True if the request may travel fewer hops than this; -2 without the header, -3 for one unreadable."""
        hops, _, _ = max_forwards(ctx)
        if hops < 0:
            return hops - 1
        return 1 if hops < limit else -1


def max_forwards(ctx: Context) -> tuple[int, int, int]:
    """Max-Forwards as it will go out, and where its value stands; MISSING or UNREADABLE instead of a number."""
    message = ctx.message
    kinds = message.kinds
    k = kinds.find(MAX_FORWARDS, 1)
    if k < 0:
        return MISSING, 0, 0
    a, b = message.value_span(k)
    text = message.text[a:b]
    for start, end, new in ctx.edits.items:
        if start == a and end == b and new:
            text = new
    hops = HOPS.get(text)
    if hops is None:
        hops = number(text, 65535)
    return UNREADABLE if hops is None else hops, a, b
