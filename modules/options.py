"""options: answer OPTIONS that are for this server (RFC 3261 section 11; OpenSIPS manual: options)."""

from typing import Any

from pysips.core.context import Context
from pysips.core.exports import Module, Route, function, needs, param
from pysips.core.log import log
from pysips.errors import ModuleError, SipError
from pysips.sip.rewrite import is_one_line
from pysips.sip.uri import user_of


class Options(Module):
    accept: str = param("*/*", help="Value of Accept; empty: no such header.")
    accept_encoding: str = param("", help="Value of Accept-Encoding; empty: no such header.")
    accept_language: str = param("en", help="Value of Accept-Language; empty: no such header.")
    support: str = param("", help="Value of Supported; empty: no such header.")
    signaling: Any = needs("signaling")

    def configure(self) -> None:
        values = {
            "Accept": self.accept,
            "Accept-Encoding": self.accept_encoding,
            "Accept-Language": self.accept_language,
            "Supported": self.support,
        }
        for value in values.values():
            if not is_one_line(value):
                raise ModuleError(f"a header cannot hold {value!r}")
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in values.items() if value)

    @function("options_reply", routes=Route.REQUEST)
    def reply(self, ctx: Context) -> int:
        """Answer an OPTIONS without a user in its Request-URI with 200, and stop the script; -1 for all others."""
        try:
            user = user_of(ctx.request_uri())
        except SipError:
            user = "?"
        if ctx.message.method != "OPTIONS" or user:
            log.error("options:options_reply", "it answers OPTIONS without a user in the Request-URI, and nothing else")
            return -1
        return 0 if self.signaling.reply(ctx, 200, "OK", self.headers) >= 0 else -1
