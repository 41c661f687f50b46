"""Nodes → Python syntax trees → functions.

Each route becomes one function of the context, `route(ctx) -> int`, where 0 means that the script stops; one that can
reach a function that waits is `async def`. Code carries the script's own file and line, so that a traceback reads
`File "opensips.cfg", line 8, in route[relay]`.

Of the context the code uses: `vars` (`$var`), `rc`, `params`, `returned`, `depth`, `frames`, `kind`, `dropped`,
`err` and `run_error_route()`, `assertion_failed(text)`, `run_async(call, resume, timeout)` and
`launch(call, resume, text)`; these last where the script has them. Everything else goes through the catalogue.
"""

import ast
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import nodes, pyast, support
from .catalogue import Catalogue, Ctx
from .facts import Facts
from .names import Names
from .pyast import attribute, call, constant, expression
from .statements import Statements
from .waits import Key

WITHOUT_ERROR_ROUTE = ("error_route", "onreply_route", "local_route")
RouteFunction = Callable[[Ctx], Any]


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer_route: the name in `Compiled.routes`, and how often it runs."""

    name: str
    seconds: int


@dataclass(slots=True)
class Compiled:
    """A script's routes, ready to run.

    routes: by (kind, name), the main route is ("route", ""), the global onreply_route ("onreply_route", "").
    waits: whether a route is a coroutine function. timers: a name that is used twice is "name" and "name 2".
    """

    routes: dict[Key, RouteFunction] = field(default_factory=dict)
    waits: dict[Key, bool] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    trees: dict[Key, list[ast.stmt]] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()

    def calls(self, function: str) -> bool:
        """Whether the script calls a function anywhere."""
        return function in self.functions

    def source_of(self, kind: str | None = None, name: str = "") -> str:
        """The Python of one route, or of all. kind may be a whole title: "relay", "route[relay]", "failure_route[x]".

        Raises LookupError, with the titles that there are, for one that is not there.
        """
        if name:
            wanted = [key for key in self.trees if key == (kind, name)]
        else:
            wanted = [key for key in self.trees if kind in (None, title(key), key[1] or title(key))]
        if not wanted:
            raise LookupError(f"there is no {kind}: {', '.join(title(key) for key in self.trees)}")
        return "\n\n\n".join(f"# {title(key)}\n{written(self.trees[key])}" for key in wanted)


def compile_script(script: nodes.Script, catalogue: Catalogue, tell: support.Tell = support.tell_standard) -> Compiled:
    """Compile a script that check.py found good. tell: takes messages at run time, with OpenSIPS' levels."""
    facts = Facts(script, catalogue)
    names = Names(catalogue, tell)
    compiled = Compiled(functions=all_calls(script))
    for key in facts.bodies:
        facts.functions[key] = names.free(f"{key[0]}_{key[1]}")
    callable_by_name: dict[str, RouteFunction] = {}
    names.globals["routes"] = callable_by_name
    for key, block in facts.blocks.items():
        waits = key in facts.waiting
        trees = route_trees(facts, names, key, block, waits)
        compiled.trees[key] = trees
        compiled.waits[key] = waits
        compiled.routes[key] = functions_of(trees, title(key), block.place.file, names.globals)
        if key[0] == "route":
            callable_by_name[key[1] or "0"] = compiled.routes[key]
        elif key[0] == "timer_route":
            compiled.timers.append(Timer(key[1], block.extra if isinstance(block.extra, int) else 0))
        elif key[0] == "event_route":
            compiled.events.append(key[1])
    return compiled


def all_calls(script: nodes.Script) -> frozenset[str]:
    """Every function that a script names."""
    return frozenset(
        one.name for block in script.routes for one in nodes.walk(block.body) if isinstance(one, nodes.Call)
    )


def title(key: Key) -> str:
    """`route[relay]`, `route`, `failure_route[x]`."""
    kind, route_name = key
    return f"{kind}[{route_name}]" if route_name else kind


def route_trees(facts: Facts, names: Names, key: Key, block: nodes.RouteBlock, waits: bool) -> list[ast.stmt]:
    """The function of one route, after those of blocks in its conditions."""
    code = Statements(facts, names, block.place.file, waits)
    code.erring = facts.has_error_route and block.kind not in WITHOUT_ERROR_ROUTE
    body = code.body(block.body, last=True)
    if facts.frames:
        shown = title((block.kind, "" if key[1] == "" else block.name))
        push = expression(call(attribute("ctx", "frames", "append"), constant(shown)))
        pop = expression(call(attribute("ctx", "frames", "pop")))
        body = [push, ast.Try(body, [], [], [pop])]
    trees = [pyast.function(extra.title, extra.body, extra.waits) for extra in code.extras]
    trees.append(pyast.function(facts.functions[key], body, waits))
    for tree in trees:
        pyast.at(tree, block.place)
        ast.fix_missing_locations(tree)
    return trees


def functions_of(trees: list[ast.stmt], shown: str, file: str, known: dict[str, Any]) -> RouteFunction:
    """Compile the functions of a route into the globals; the last one is the route itself."""
    code = compile(ast.Module(trees, []), file, "exec")
    made: RouteFunction | None = None
    for constant_value in code.co_consts:
        if isinstance(constant_value, types.CodeType):
            renamed = constant_value.replace(co_name=shown, co_qualname=shown)
            made = types.FunctionType(renamed, known, shown)
            known[constant_value.co_name] = made
    assert made is not None
    return made


def written(trees: list[ast.stmt]) -> str:
    return "\n\n".join(ast.unparse(tree) for tree in trees)
