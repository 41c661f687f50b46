"""event_route: a name that scripts before 3.6 load; event routes are the core's (OpenSIPS 2.4 manual: event_route)."""

from dataclasses import dataclass
from typing import Annotated

from pysips.core.context import Context
from pysips.core.exports import By, Module, NoExpand, Route, Var, function


@dataclass(frozen=True)
class Wanted:
    """A parameter of an event by its name, or ("") by its place, and where its value goes."""

    name: str
    variable: Var


Listed = list[Wanted]


class EventRoute(Module):
    def wanted(self, text: str) -> Listed:
        """`source=$avp(src);$avp(second)`; raises ValueError and BadName."""
        found = []
        for item in text.split(";"):
            name, equal, variable = item.partition("=")
            if not equal:
                name, variable = "", item
            found.append(Wanted(name.strip(), self.bound(variable.strip())))
        return found

    @function("fetch_event_params", routes=Route.REQUEST | Route.EVENT)
    def fetch(self, ctx: Context, parameters: Annotated[Listed, NoExpand, By("wanted")]) -> int:
        """Put the parameters of the event into variables: -1 if one is not there."""
        given = ctx.params
        values = list(given.values()) if isinstance(given, dict) else list(given)
        for place, one in enumerate(parameters):
            if one.name:
                if not isinstance(given, dict) or one.name not in given:
                    return -1
                value = given[one.name]
            elif place < len(values):
                value = values[place]
            else:
                return -1
            if one.variable.set(ctx, value) < 0:
                return -1
        return 1
