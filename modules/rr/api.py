"""What other modules may use of rr: `rr: RrApi = needs("rr")` (OpenSIPS: rr_binds)."""

from pysips.core.context import Context
from pysips.sip.uri import pairs

from .loose import PARAMS
from .record import add_param


class RrApi:
    """Questions about the Route that loose_route took off, and parameters for our Record-Route."""

    def add_param(self, ctx: Context, param: str) -> None:
        """Put `;name=value` into our Record-Route, made already or to come."""
        add_param(ctx, param)

    def params(self, ctx: Context) -> str:
        """The parameters of our own Route as they came, with the first `;`; "" without any."""
        found: str | None = ctx.noted(PARAMS)
        return found or ""

    def param(self, ctx: Context, name: str) -> str | None:
        """One of them; None if it is not there."""
        params = self.params(ctx)
        return pairs(params[1:], ";").get(name.lower()) if params else None

    def is_upstream(self, ctx: Context) -> bool:
        """Whether the request goes from the callee to the caller: our Route's ftag is not its From tag."""
        tag = self.param(ctx, "ftag")
        return bool(tag) and bool(ctx.message.from_tag()) and tag != ctx.message.from_tag()
