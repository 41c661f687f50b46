"""rr: Record-Route and the following of route sets (RFC 3261 sections 16.4, 16.6 and 16.12; OpenSIPS manual: rr)."""

from typing import Annotated

from pysips.core.context import Context
from pysips.core.exports import By, Module, Regex, Route, function, param, variable
from pysips.core.log import log
from pysips.sip.uri import is_plain

from .api import RrApi
from .loose import Follower
from .record import RecordRoute, add_param, put, tag_part, user_part

WRITING = Route.REQUEST | Route.FAILURE | Route.BRANCH


class Rr(Module):
    append_fromtag: int = param(1, help="Put the From tag into Record-Route, for is_direction.")
    enable_double_rr: int = param(1, help="Two Record-Routes where a request leaves by another socket.")
    add_username: int = param(0, help="Put the Request-URI's user into Record-Route.")
    enable_socket_mismatch_warning: int = param(1, help="Say so when a second Route names no socket of ours.")

    def configure(self) -> None:
        self.follower = Follower(bool(self.enable_double_rr), bool(self.enable_socket_mismatch_warning))

    @property
    def api(self) -> RrApi:
        return RrApi()

    @function("record_route", routes=WRITING)
    def record_route(self, ctx: Context, params: str = "") -> int:
        """Stay in the dialog's way; params: more of them, `;name=value`."""
        return self.record(ctx, params, [])

    @function("record_route_preset", routes=WRITING)
    def record_route_preset(self, ctx: Context, address: str, second: str = "") -> int:
        """The same with an address of the script's choice, or two, the way out first."""
        if second and not self.enable_double_rr:
            log.error("rr:record_route_preset", "a second address needs enable_double_rr")
            return -1
        if not is_plain(address) or not is_plain(second):
            log.error("rr:record_route_preset", f"refused: {address} {second}")
            return -1
        return self.record(ctx, "", [address, second] if second else [address])

    def record(self, ctx: Context, params: str, presets: list[str]) -> int:
        """See record_route and record_route_preset."""
        if params and not is_param(params):
            log.error("rr:record_route", f"refused as parameters: {params}")
            return -1
        user = user_part(ctx) if self.add_username else ""
        tag = tag_part(ctx) if self.append_fromtag else ""
        if put(ctx, RecordRoute(user, tag, params, presets, True, bool(self.enable_double_rr))):
            return 1
        log.error("rr:record_route", "the request has our Record-Route already")
        return -1

    @function("add_rr_param", routes=WRITING)
    def add_rr_param(self, ctx: Context, param: str) -> int:
        """Put a parameter, `;name=value`, into Record-Route, now or when there is one."""
        if not is_param(param):
            log.error("rr:add_rr_param", f"refused as parameter: {param}")
            return -1
        add_param(ctx, param)
        return 1

    @function("loose_route", routes=Route.REQUEST)
    def loose_route(self, ctx: Context) -> int:
        """Follow the route set: true if it says where the request goes."""
        return self.follower.follow(ctx)

    @function("check_route_param", routes=Route.REQUEST)
    def check_route_param(self, ctx: Context, expression: Regex) -> int:
        """True if the parameters of our own Route, which loose_route took off, match."""
        params = self.api.params(ctx)
        return 1 if params and expression.matches(params) else -1

    def direction(self, word: str) -> str:
        """ "upstream" or "downstream"; raises ValueError for anything else."""
        chosen = word.lower()
        if not self.append_fromtag:
            raise ValueError("is_direction needs append_fromtag=1")
        if chosen not in ("upstream", "downstream"):
            raise ValueError(f'"{word}" is no direction: "upstream" or "downstream"')
        return chosen

    @function("is_direction", routes=Route.REQUEST)
    def is_direction(self, ctx: Context, direction: Annotated[str, By("direction")]) -> int:
        """Whether the request goes from the caller ("downstream") or from the callee ("upstream")."""
        return 1 if self.api.is_upstream(ctx) == (direction == "upstream") else -1

    @variable("rr_params")
    def rr_params(self, ctx: Context) -> str | None:
        """The parameters of our own Route, which loose_route took off; NULL without any."""
        return self.api.params(ctx)[1:] or None


def is_param(text: str) -> bool:
    """Whether a text can stand among a URI's parameters: `;name=value;other`."""
    return text.startswith(";") and is_plain(text) and "?" not in text
