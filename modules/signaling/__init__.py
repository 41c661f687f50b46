"""signaling: one way to answer, with a transaction where there is one (OpenSIPS manual: signaling)."""

from typing import Any

from pysips.core.context import Context
from pysips.core.exports import Module, Route, function, wants
from pysips.errors import ModuleError

from .answers import Answers


class Signaling(Module):
    tm: Any = wants("tm")
    sl: Any = wants("sl")

    def configure(self) -> None:
        if self.tm is None and self.sl is None:
            raise ModuleError('it needs a module that can answer: loadmodule "tm.so" or loadmodule "sl.so"')
        self.answers = Answers(self.tm, None if self.sl is None else self.sl.replies)

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer: statefully if the request has a transaction, else without state. headers: whole lines."""
        return self.answers.reply(ctx, code, reason, headers, body)

    @function("send_reply", routes=Route.REQUEST | Route.FAILURE | Route.ERROR)
    def send_reply(self, ctx: Context, code: int, reason: str) -> int:
        """Answer the request."""
        return self.answers.reply(ctx, code, reason)
