"""Replies without state."""

from typing import Final, final

from pysips.core import branches
from pysips.core.answer import send_reply
from pysips.core.context import Context
from pysips.core.log import log
from pysips.core.stats import Counter
from pysips.sip.rewrite import is_one_line

LOWEST: Final = 100
HIGHEST: Final = 699


@final
class Replies:
    """by_class: counts 1xx, 2xx … 6xx; sent: all of them. Both without an effect if `counts` is false."""

    __slots__ = ("by_class", "counts", "sent")

    def __init__(self, by_class: list[Counter], sent: Counter, counts: bool) -> None:
        self.by_class: list[Counter] = by_class
        self.sent: Counter = sent
        self.counts: bool = counts

    def send(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer: 1, or -1 if it could not be sent. An ACK is never answered, and that is well."""
        if ctx.message.method == "ACK":
            return 1
        if not LOWEST <= code <= HIGHEST or not is_one_line(reason):
            log.error("sl:sl_send_reply", f"refused: {code} {reason}")
            return -1
        if 300 <= code < 400:
            headers += branches.contacts(ctx)
        if send_reply(ctx, code, reason, headers, body) < 0:
            return -1
        if self.counts:
            self.by_class[code // 100 - 1].inc()
            self.sent.inc()
        return 1
