"""$route $route.name $route.type: where the run is. `ctx.frames` holds `route[x]`, the top route first.

Index 0 is the route that runs, 1 its caller, -1 the top one.
"""

from collections.abc import Callable
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Ctx, Getter, Index, Inner, VariableSpec
from pysips.script.values import Value

from .variable_binding import MODULE, at_index, simple

BETWEEN: Final = " > "
KINDS: Final = {
    1: "request_route", 2: "failure_route", 4: "onreply_route", 8: "branch_route", 16: "error_route",
    32: "local_route", 64: "startup_route", 128: "timer_route", 256: "event_route",
}  # fmt: skip


def route_type(frame: str) -> str:
    return frame.partition("[")[0]


def route_name(frame: str) -> str:
    return frame.partition("[")[2].removesuffix("]")


def read_frames(inner: Inner, index: Index) -> Getter:
    """$route; `[*]` shows the way to it from the top."""
    if index == "*":
        return lambda ctx: BETWEEN.join(ctx.frames) or None
    return at_index(index, lambda ctx: ctx.frames[::-1])


def part_of_frames(name: str, part: Callable[[str], str]) -> VariableSpec:
    """$route.name, $route.type"""

    def read(inner: Inner, index: Index) -> Getter:
        if index == "*":
            raise BadName(f"${name} takes no index [*]")
        return at_index(index, lambda ctx: [part(frame) for frame in reversed(ctx.frames)])

    return VariableSpec(name, MODULE, read, None, index=True, help="Of the route that runs, or of its callers.")


def kind_of_run(ctx: Ctx) -> Value:
    """$rT: `request_route` …, what the top route is"""
    return KINDS.get(ctx.kind)


def route_variables() -> list[VariableSpec]:
    return [
        VariableSpec("route", MODULE, read_frames, None, index=True, help="The route that runs, or its callers."),
        part_of_frames("route.name", route_name),
        part_of_frames("route.type", route_type),
        simple("rT", kind_of_run, None, "2.4: the kind of the top route."),
    ]
