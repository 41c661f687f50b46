"""What a script uses as a whole, so that code is generated only for what it looks at."""

import re
from typing import Final

from . import formats, nodes
from .catalogue import Catalogue, FunctionSpec
from .literals import number
from .waits import Key, called_key, calls_of, key_of, waiting_routes

DEFAULT_LOOPS: Final = 10_000
USED: Final = r"\$\(?\s*(?:<\w+>)?{}(?![\w])"


class Facts:
    """Facts of one script, and the names of its generated functions."""

    def __init__(self, script: nodes.Script, catalogue: Catalogue) -> None:
        self.script = script
        self.catalogue = catalogue
        self.blocks = numbered(script.routes)
        self.bodies: dict[Key, nodes.Body] = {key: block.body for key, block in self.blocks.items()}
        self.waiting = waiting_routes(self.bodies, catalogue)
        self.functions: dict[Key, str] = {}
        self.called: set[str] = set()
        edges: dict[Key, set[Key]] = {}
        dynamic = False
        for key, body in self.bodies.items():
            functions, routes, by_name = calls_of(body)
            self.called |= functions
            edges[key] = {called_key(one) for one in routes}
            dynamic = dynamic or by_name
        self.has_error_route = ("error_route", "") in self.bodies
        self.traces = "script_trace" in self.called
        self.texts = "\n".join(texts_of(script))
        anything = "s.eval" in self.texts
        self.rc = anything or self.uses("rc") or self.uses("retcode")
        self.frames = anything or self.uses("route")
        self.recursive = dynamic or has_cycle(edges) or longest(edges) > 90
        self.nests = self.recursive or anything or self.uses("param") or self.uses("return")
        self.max_loops = self.setting("max_while_loops", DEFAULT_LOOPS)
        self.asserts = bool(self.setting("enable_asserts", 0))
        self.aborts_on_assert = bool(self.setting("abort_on_assert", 0))

    def uses(self, variable: str) -> bool:
        """Whether a variable is named anywhere, in code, strings or module parameters."""
        return re.search(USED.format(re.escape(variable)), self.texts) is not None

    def setting(self, name: str, default: int) -> int:
        """The last value of a numeric global."""
        found = default
        for setting in self.script.settings:
            if setting.name == name and setting.items:
                value = number(setting.items[0].text)
                found = default if value is None else value
        return found

    def spec(self, function: str) -> FunctionSpec:
        """The record of a function that check.py has found."""
        spec = self.catalogue.function(function)
        if spec is None:
            raise LookupError(f"unknown command <{function}>: the script was not checked")
        return spec

    def function_of(self, kind: str, name: str) -> str:
        """The generated function of a route."""
        key = called_key(name) if kind == "route" else (kind, name)
        return self.functions[key]

    def call_waits(self, node: nodes.RouteCall) -> bool:
        """Whether a call of a route has to be awaited."""
        fixed = formats.fixed_name(node.target)
        if fixed is None:
            return any(kind == "route" for kind, _ in self.waiting)
        return called_key(fixed) in self.waiting


def numbered(blocks: list[nodes.RouteBlock]) -> dict[Key, nodes.RouteBlock]:
    """Routes by key. Timer routes may repeat a name: the second is "name 2"."""
    found: dict[Key, nodes.RouteBlock] = {}
    for block in blocks:
        kind, name = key = key_of(block)
        count = 1
        while key in found and kind == "timer_route":
            count += 1
            key = (kind, f"{name} {count}")
        found[key] = block
    return found


def texts_of(script: nodes.Script) -> list[str]:
    """Every text of a script in which a variable may stand."""
    found = []
    for item in script.items:
        if isinstance(item, nodes.ModParam):
            if isinstance(item.value, str) and "$" in item.value:
                found.append(item.value)
        elif isinstance(item, nodes.RouteBlock):
            for one in nodes.walk(item.body):
                if isinstance(one, nodes.Variable) or (isinstance(one, nodes.Text) and "$" in one.text):
                    found.append(one.text)
    return found


def has_cycle(edges: dict[Key, set[Key]]) -> bool:
    """Whether routes can call themselves, directly or not: take away what calls nothing that is left."""
    left = {key: set(called) & edges.keys() for key, called in edges.items()}
    while True:
        done = {key for key, called in left.items() if not called}
        if not done:
            return bool(left)
        left = {key: called - done for key, called in left.items() if key not in done}


def longest(edges: dict[Key, set[Key]]) -> int:
    """How deep calls can go where there is no cycle."""
    depth = dict.fromkeys(edges, 0)
    for _ in range(len(edges) if not has_cycle(edges) else 0):
        changed = False
        for key, called in edges.items():
            reach = max((depth.get(one, 0) + 1 for one in called), default=0)
            if reach > depth[key]:
                depth[key], changed = reach, True
        if not changed:
            break
    return max(depth.values(), default=0)
