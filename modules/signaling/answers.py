"""The choice between an answer with a transaction and one without."""

from typing import Any, final

from pysips.core.context import Context

from ..sl.api import Replies


@final
class Answers:
    """tm: the module, if it is loaded; stateless: sl's, if that is loaded. One of them is there."""

    __slots__ = ("stateless", "tm")

    def __init__(self, tm: Any, stateless: Replies | None) -> None:
        self.tm: Any = tm
        self.stateless: Replies | None = stateless

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer: statefully if the request has a transaction, else without state. headers: whole lines."""
        stateless = self.stateless
        if stateless is not None and (self.tm is None or not self.has_transaction(ctx)):
            return stateless.send(ctx, code, reason, headers, body)
        return int(self.tm.reply(ctx, code, reason, headers, body))

    def has_transaction(self, ctx: Context) -> bool:
        """A quick look, since an ACK alone has one of which its context does not know; tm says the rest."""
        if ctx.transaction is None and ctx.message.method != "ACK":
            return False
        return self.tm.transaction(ctx) is not None
