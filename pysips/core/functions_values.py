"""Core functions on variables, time, events and status (OpenSIPS manual: core functions)."""

from typing import Annotated

from pysips.script.values import Value, printed

from .avps import values_of
from .context import Context
from .exports import By, Module, Static, Var, function
from .log import log
from .status_reports import NOT_READY, Group


class ValueFunctions(Module):
    """Part of the core module; see functions.py."""

    @function("pv_printf")
    @function("avp_printf")
    def pv_printf(self, ctx: Context, variable: Var, text: str) -> int:
        """Assign a formatted text."""
        return variable.set(ctx, text)

    @function("get_timestamp")
    def get_timestamp(self, ctx: Context, seconds: Var, microseconds: Var) -> int:
        """The time as Unix seconds, and the microseconds within the second."""
        now = ctx.services.clock.time()
        whole = int(now)
        if seconds.set(ctx, whole) < 0:
            return -1
        return microseconds.set(ctx, int((now - whole) * 1_000_000))

    @function("raise_event")
    def raise_event(self, ctx: Context, event: str, attributes: Var | None = None, values: Var | None = None) -> int:
        """Raise an event of the script's own: names and values out of two AVPs, pair by pair from the newest on.

        With one AVP its values are positional: `$param(1)` is the newest.
        """
        return 1 if self.tell(ctx, event, attributes, values) else -1

    def tell(self, ctx: Context, event: str, attributes: Var | None, values: Var | None) -> bool:
        """See raise_event; False where there are fewer values than names."""
        facts: dict[str, Value] = {}
        if attributes is not None and values is not None:
            names, given = values_of(ctx, attributes), values_of(ctx, values)
            if len(given) < len(names):
                return False
            facts = {printed(name): value for name, value in zip(names, given, strict=False)}
        else:
            only = values if attributes is None else attributes
            if only is not None:
                facts = {str(place): value for place, value in enumerate(values_of(ctx, only), 1)}
        ctx.program.events.define(event).tell(facts)
        return True

    @function("subscribe_event")
    def subscribe_event(self, ctx: Context, event: str, socket: str, expire: int = 0) -> int:
        """Tell a socket of an event from now on, for so many seconds (0: always).

        `udp:address:port` and `unix:/path` come with module event_datagram.
        """
        try:
            ctx.program.subscriptions.check(socket)
        except ValueError as problem:
            log.error("core:subscribe_event", str(problem))
            return -1
        if not event or expire < 0:
            return -1
        ctx.program.events.carrier.carry_wish(event, socket, expire)
        return 1

    def status_group_named(self, name: str) -> Group:
        """A group of status reports; raises ValueError."""
        found = self.services.status_reports.find(name)
        if found is None:
            known = ", ".join(group.name for group in self.services.status_reports.groups.values())
            raise ValueError(f'there is no status/report group "{name}": {known}')
        return found

    @function("sr_check_status")
    def sr_check_status(
        self, ctx: Context, group: Annotated[Group, Static, By("status_group_named")], identifier: str = ""
    ) -> int:
        """The status of a group's identifier, "main" by default, or of "all": true if it is ready."""
        found = group.check(identifier)
        return NOT_READY if found is None else found.status
