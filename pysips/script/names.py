"""The globals of compiled code: every function, variable, format and constant that a script uses, bound once."""

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from . import formats, nodes, pyast, support
from .catalogue import Catalogue, FunctionSpec, Var
from .operations import Operations
from .values import number_of, printed, text_of

HELPERS: Final[tuple[Callable[..., Any], ...]] = (
    support.same, support.ordered, support.found, support.settled, support.returned, support.code_of,
    support.unless_stopped, support.as_value, support.drop, support.noted, support.chosen, support.nested,
    support.nested_waiting, support.ended, support.finished, support.assertion_failed, support.traced, text_of,
    number_of, printed,
)  # fmt: skip
NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_]+")
CONSTANTS: Final = (int, str, bool, type(None))


class Names:
    """What the generated functions see as their globals."""

    def __init__(self, catalogue: Catalogue, tell: support.Tell) -> None:
        self.catalogue = catalogue
        self.globals: dict[str, Any] = {helper.__name__: helper for helper in HELPERS}
        self.globals |= {"op": Operations(tell), "FAILED": support.FAILED, "ONCE": support.ONCE, "tell": tell}
        self.known: dict[object, str] = {}
        self.taken: dict[str, int] = {}
        self.variables: dict[tuple[object, ...], Var] = {}

    def bind(self, wish: str, value: object, key: object = None) -> ast.expr:
        """A name for a value; the same key, or else the same object, gets the same name."""
        identity = (wish, key) if key is not None else id(value)
        found = self.known.get(identity)
        if found is None:
            found = self.known[identity] = self.free(wish)
            self.globals[found] = value
        return pyast.name(found)

    def free(self, wish: str) -> str:
        """A name that is not taken yet, near to the wish."""
        base = NOT_PLAIN.sub("_", wish).strip("_") or "x"
        count = self.taken.get(base, 0) + 1
        name = base if count == 1 else f"{base}_{count}"
        while name in self.globals:
            count += 1
            name = f"{base}_{count}"
        self.taken[base] = count
        self.globals[name] = None
        return name

    def value(self, wish: str, value: object) -> ast.expr:
        """A constant as it stands, or a name for anything else."""
        return pyast.constant(value) if type(value) in CONSTANTS else self.bind(wish, value)

    def function(self, spec: FunctionSpec) -> ast.expr:
        return self.bind(f"f_{spec.name}", spec.call, spec.name)

    def var(self, variable: nodes.Variable) -> Var:
        """The variable bound to the catalogue; equal ones once."""
        here = variable.place.end_line if "cfg_" in variable.text else 0
        key = (variable.text, variable.name, here)
        found = self.variables.get(key)
        if found is None:
            found = self.variables[key] = formats.bind(variable, self.catalogue)
        return found

    def read(self, variable: nodes.Variable) -> ast.expr:
        """An expression that reads a variable. `$var(x)` and `$rc` are read where they are kept."""
        constant = formats.constant_of(variable)
        if constant is not None and not variable.transforms:
            return pyast.constant(constant)
        if is_plain_var(variable):
            return pyast.call(pyast.attribute("ctx", "vars", "get"), pyast.constant(variable.inner))
        if variable.name in ("rc", "retcode") and not variable.transforms:
            return pyast.attribute("ctx", "rc")
        var = self.var(variable)
        return pyast.call(self.bind(f"v_{variable.text}", var.get, var), pyast.name("ctx"))

    def format(self, parts: Iterable[formats.Part]) -> ast.expr:
        """A format as an f-string of its variables."""
        pieces: list[ast.expr] = []
        for part in parts:
            if isinstance(part, str):
                pieces.append(pyast.constant(part))
            else:
                shown = pyast.call("printed", self.read(part))
                pieces.append(ast.FormattedValue(shown, -1, None))
        if len(pieces) == 1 and isinstance(pieces[0], ast.FormattedValue):
            return pieces[0].value
        return ast.JoinedStr(pieces)

    def format_function(self, parts: Iterable[formats.Part]) -> ast.expr:
        """A function of the context that prints a format, for who may not want it every time."""
        tree = ast.Expression(pyast.function_of_ctx(self.format(parts)))
        code = compile(ast.fix_missing_locations(tree), "<format>", "eval")
        return self.bind("format", eval(code, self.globals))


def is_plain_var(variable: nodes.Variable) -> bool:
    """`$var(name)` without index, context or transformation."""
    return (
        variable.name == "var" and variable.inner is not None and variable.index is None
        and variable.context is None and not variable.transforms
    )  # fmt: skip
