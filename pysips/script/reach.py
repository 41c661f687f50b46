"""Which kinds of blocks a route runs in, and whether its functions may stand there.

A `route[x]` runs with the kind of the block that calls it, over any number of route() calls; the resume route of an
async() or launch() as a request's; one that nothing reaches counts as a request's, too.
"""

from collections.abc import Iterator, Mapping

from pysips.errors import Complaint

from . import formats, nodes
from .catalogue import ROUTE_WORDS, Catalogue, FunctionSpec, Route
from .waits import Key, called_key, key_of

Blocks = Mapping[Key, nodes.RouteBlock]
Kinds = dict[Key, dict[Route, str]]  # a route's kinds, and the block that brings each of them


def complaints(script: nodes.Script, blocks: Blocks, catalogue: Catalogue) -> Iterator[Complaint]:
    """A complaint for each function that may not stand where its route runs."""
    kinds = kinds_by_route(script, blocks)
    for block in script.routes:
        running = kinds.get(key_of(block)) or {ROUTE_WORDS.get(block.kind, Route.REQUEST): ""}
        called = block.kind == "route" and key_of(block)[1] != ""
        for one in nodes.walk(block.body):
            spec = catalogue.function(one.name) if isinstance(one, nodes.Call) else None
            if spec is None:
                continue
            for kind, by in running.items():
                if not spec.routes & kind:
                    message, cure = forbidden(spec, kind, by if called else "")
                    yield script.complaint(one.place, message, cure)


def kinds_by_route(script: nodes.Script, blocks: Blocks) -> Kinds:
    """For each route the kinds of blocks that it runs in."""
    found: Kinds = {}
    resumed = {
        called_key(one.resume)
        for block in script.routes
        for one in nodes.walk(block.body)
        if isinstance(one, nodes.Async | nodes.Launch) and one.resume is not None
    }
    for block in script.routes:
        key = key_of(block)
        if key[0] != "route" or key[1] == "" or key in resumed:
            shown = f"{key[0]}[{key[1]}]" if key[1] else key[0]
            spread(key, ROUTE_WORDS.get(block.kind, Route.REQUEST), shown, blocks, found)
    return found


def spread(start: Key, kind: Route, by: str, blocks: Blocks, found: Kinds) -> None:
    """Note a kind for a route and for all that it calls."""
    waiting = [start]
    while waiting:
        key = waiting.pop()
        kinds = found.setdefault(key, {})
        if kind in kinds or key not in blocks:
            continue
        kinds[kind] = by
        for one in nodes.walk(blocks[key].body):
            if isinstance(one, nodes.RouteCall) and (name := formats.fixed_name(one.target)) is not None:
                waiting.append(called_key(name))


def forbidden(spec: FunctionSpec, kind: Route, by: str) -> tuple[str, str]:
    """What to say of a function in a kind of route that it does not know."""
    words = [word for word, known in ROUTE_WORDS.items() if spec.routes & known]
    where = next(word for word, known in ROUTE_WORDS.items() if known is kind)
    reached = f": {by} reaches it by route()" if by else ""
    return f"command <{spec.name}> is not allowed in {where}{reached}", f"it may stand in {', '.join(words)}"
