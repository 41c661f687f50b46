"""Which routes can reach a function that waits: only these become `async def`."""

from collections.abc import Mapping

from . import formats, nodes
from .catalogue import Catalogue

Key = tuple[str, str]  # (kind, name); the main route is ("route", "")


def key_of(block: nodes.RouteBlock) -> Key:
    """How a route is named from outside; `route[0]` is the main route, `onreply_route[0]` the global one."""
    unnamed = block.name == "0" and block.kind in ("route", "onreply_route")
    return block.kind, "" if unnamed else block.name


def called_key(name: str) -> Key:
    """The route that `route(name)` calls."""
    return "route", "" if name == "0" else name


def calls_of(root: nodes.Node | tuple[object, ...]) -> tuple[set[str], set[str], bool]:
    """Functions called and awaited, routes called by name, and whether a route is called by a name at run time."""
    functions: set[str] = set()
    routes: set[str] = set()
    dynamic = False
    launched: set[int] = set()
    for one in nodes.walk(root):
        if isinstance(one, nodes.Launch):
            launched.add(id(one.call))
        elif isinstance(one, nodes.Call) and id(one) not in launched:
            functions.add(one.name)
        elif isinstance(one, nodes.RouteCall):
            fixed = formats.fixed_name(one.target)
            dynamic = dynamic or fixed is None
            if fixed is not None:
                routes.add(fixed)
    return functions, routes, dynamic


def waiting_routes(bodies: Mapping[Key, nodes.Body], catalogue: Catalogue) -> set[Key]:
    """The keys of all routes that may wait, found by going round until nothing changes."""
    reached = {key: calls_of(body) for key, body in bodies.items()}
    waiting: set[Key] = set()
    for key, (functions, _, _) in reached.items():
        specs = (catalogue.function(function) for function in functions)
        if any(spec is not None and spec.waits for spec in specs):
            waiting.add(key)
    while True:
        by_name = any(kind == "route" for kind, _ in waiting)
        more = {
            key
            for key, (_, routes, dynamic) in reached.items()
            if key not in waiting and ((dynamic and by_name) or any(called_key(one) in waiting for one in routes))
        }
        if not more:
            return waiting
        waiting |= more
