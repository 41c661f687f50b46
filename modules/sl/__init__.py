"""sl: replies without state (RFC 3261 sections 8.2.7 and 16.11; OpenSIPS manual: sl).

The ACK of a negative answer that was given here names the very tag that this server gives to its request, and no
script has anything to do for it: it is absorbed, unless a transaction waits for it.
"""

from typing import Any

from pysips.core import answer
from pysips.core.context import Context
from pysips.core.exports import Module, Route, counter, function, param, wants
from pysips.core.hooks import Guard
from pysips.core.stats import Counter
from pysips.errors import SipError

from .replies import Replies

UNKNOWN_ERROR = (500, "Server error occurred", 1)


class Sl(Module):
    enable_stats: int = param(1, help="Count replies by class.")
    tm: Any = wants("tm")

    replies_1xx: Counter = counter("1xx_replies")
    replies_2xx: Counter = counter("2xx_replies")
    replies_3xx: Counter = counter("3xx_replies")
    replies_4xx: Counter = counter("4xx_replies")
    replies_5xx: Counter = counter("5xx_replies")
    replies_6xx: Counter = counter("6xx_replies")
    sent_replies: Counter = counter("sent_replies")
    sent_errors: Counter = counter("sent_err_replies")
    received_acks: Counter = counter("received_ACKs")

    def configure(self) -> None:
        by_class = [
            self.replies_1xx, self.replies_2xx, self.replies_3xx, self.replies_4xx, self.replies_5xx, self.replies_6xx
        ]  # fmt: skip
        self.replies = Replies(by_class, self.sent_replies, self.enable_stats != 0)
        self.program.hooks.ack_guards.append(AckFilter(self))

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer without state: 1, or -1 if it could not be sent. An ACK is never answered, and that is well."""
        return self.replies.send(ctx, code, reason, headers, body)

    @function("sl_send_reply", routes=Route.REQUEST | Route.ERROR)
    def sl_send_reply(self, ctx: Context, code: int, reason: str) -> int:
        """Answer the request without state."""
        return self.replies.send(ctx, code, reason)

    @function("sl_reply_error", routes=Route.REQUEST)
    def sl_reply_error(self, ctx: Context) -> int:
        """Answer with what went wrong last: the error of a message that cannot be read, else 500."""
        code, reason, number = UNKNOWN_ERROR
        if ctx.err is not None and ctx.err.code:
            code, reason, number = ctx.err.code, ctx.err.reason, ctx.err.code
        sent = self.reply(ctx, code, f"{reason} ({number}/SL)")
        if sent > 0 and self.enable_stats:
            self.sent_errors.inc()
        return sent


class AckFilter(Guard):
    """See the file's head."""

    def __init__(self, module: Sl) -> None:
        self.module = module

    def takes(self, ctx: Context) -> bool:
        tag = ctx.message.to_tag()
        try:
            if not tag or tag != answer.local_tag(ctx):
                return False
        except SipError:
            return False
        tm = self.module.tm
        if tm is not None and tm.transaction(ctx) is not None:
            return False
        if self.module.enable_stats:
            self.module.received_acks.inc()
        return True
