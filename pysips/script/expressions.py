"""Code of values and conditions.

Conditions become plain Python expressions. Whatever may fail or stop the script leaves its code in the local `t`:
a call its result (0 stops the script), a comparison 1, -1, or None for an error. Both aborts are falsy, all other codes
are truthy. So `a or b` reads `a or t and b`, `not` is pushed inwards, and after a condition that came out false
`t == 0` says that the script must stop. A comparison that cannot fail does not touch `t`.
"""

import ast

from pysips.errors import Place

from . import formats, nodes, operations, pyast, support
from .arguments import Arguments, matched
from .facts import Facts
from .names import Names, is_plain_var
from .pyast import Located, attribute, call, compare, constant, given, name, walrus
from .regex import compile_ere

STOPPING = (
    nodes.Call
    | nodes.RouteCall
    | nodes.Assign
    | nodes.If
    | nodes.Block
    | nodes.Exit
    | nodes.Drop
    | nodes.Assert
    | nodes.Async
)


class Expressions:
    """The part of a route's code generator that deals with values and conditions."""

    def __init__(self, facts: Facts, names: Names, file: str) -> None:
        self.facts = facts
        self.file = file
        self.names = names
        self.arguments = Arguments(names)

    def at(self, node: Located, place: Place) -> Located:
        """The node with its place; what an included file brought into this route stands where it is included."""
        while place.file != self.file and place.file in self.facts.script.included:
            file, line = self.facts.script.included[place.file]
            place = Place(file, line)
        return pyast.at(node, place)

    # -- calls

    def block_code(self, block: nodes.Block | nodes.If) -> ast.expr:
        """The call of a block that stands as a condition; the statements' part makes it."""
        raise NotImplementedError

    def async_code(self, statement: nodes.Async) -> ast.expr:
        raise NotImplementedError

    def launch_code(self, statement: nodes.Launch) -> ast.expr:
        raise NotImplementedError

    def assert_code(self, statement: nodes.Assert) -> ast.expr:
        raise NotImplementedError

    def call(self, node: nodes.Call) -> ast.expr:
        """The code of a function call: a number."""
        spec = self.facts.spec(node.name)
        handed = [
            self.arguments.handed(parameter, argument, number, node)
            for number, (parameter, argument) in enumerate(matched(spec, node), 1)
        ]
        made: ast.expr = call(self.names.function(spec), name("ctx"), *(one.code for one in handed))
        self.at(made, node.place)
        if spec.waits:
            made = self.at(ast.Await(made), node.place)
        guards = [one.guard for one in handed if one.guard is not None]
        return given(pyast.both(*guards), made, constant(-1)) if guards else made

    def route_call(self, node: nodes.RouteCall) -> ast.expr:
        """`route(name, …)`: a direct call, or a look-up by name at run time."""
        fixed = formats.fixed_name(node.target)
        waits = self.facts.call_waits(node)
        nests = self.facts.nests or fixed is None
        route: ast.expr = name("r") if fixed is None else name(self.facts.function_of("route", fixed))
        made: ast.expr
        if nests:
            params = pyast.tuple_of(*(self.parameter(one) for one in node.arguments))
            made = call("nested_waiting" if waits else "nested", name("ctx"), route, params)
        else:
            made = call(route, name("ctx"))
        self.at(made, node.place)
        if waits:
            made = self.at(ast.Await(made), node.place)
        where = constant(spot(node.place))
        if self.facts.recursive:
            deep = compare(attribute("ctx", "depth"), ">=", support.MAX_DEPTH)
            made = given(deep, call(attribute("op", "too_deep"), where), made)
        if fixed is None:
            known = compare(walrus("r", self.route_named(node)), "is not", None)
            made = given(known, made, call(attribute("op", "no_route"), name("ctx"), name("n"), where))
        return made

    def route_named(self, node: nodes.RouteCall) -> ast.expr:
        """The route function of a name at run time, None for an unknown one; the name stays in `n`."""
        target = node.target
        value = self.names.read(target) if isinstance(target, nodes.Variable) else self.format(target)
        return call(attribute("routes", "get"), walrus("n", call("text_of", value)))

    def parameter(self, argument: nodes.Argument | None) -> ast.expr:
        """A route call's parameter, evaluated at the call; texts are no formats here."""
        if isinstance(argument, nodes.Variable):
            return self.stored(argument)
        if isinstance(argument, nodes.Number):
            return constant(argument.number)
        return constant(argument.text if isinstance(argument, nodes.Text) else None)

    def code(self, node: nodes.Call | nodes.RouteCall) -> ast.expr:
        """The code of either call, kept as `$rc` if the script looks at that."""
        made = self.call(node) if isinstance(node, nodes.Call) else self.route_call(node)
        return call("noted", name("ctx"), made) if self.facts.rc else made

    def format(self, text: nodes.Text) -> ast.expr:
        return self.names.format(formats.parse_format(text.text, text.place))

    # -- values

    def value(self, node: nodes.Value | nodes.Null, calls: list[ast.expr]) -> ast.expr:
        """The code of a value. Codes of calls inside are kept in locals, whose names go to `calls`."""
        where = constant(spot(node.place))
        match node:
            case nodes.Number():
                return constant(node.number)
            case nodes.Text():
                return constant(node.text)
            case nodes.Variable():
                return self.stored(node)
            case nodes.Null():
                return constant(None)
            case nodes.Compare():
                made, fails = self.comparison(node)
                return call("as_value", made) if fails else given(made, constant(1), constant(0))
            case nodes.Call() | nodes.RouteCall():
                kept = self.arguments.temporary()
                calls.append(name(kept))
                return walrus(kept, self.code(node))
            case nodes.Complement():
                return call(attribute("op", "complement"), self.value(node.value, calls), where)
        left, right = self.value(node.left, calls), self.value(node.right, calls)
        if node.operator == "+":
            has_text = constant(isinstance(node.right, nodes.Variable))
            return call(attribute("op", "plus"), left, right, has_text, where)
        return call(attribute("op", "arithmetic"), left, constant(node.operator), right, where)

    def stored(self, variable: nodes.Variable) -> ast.expr:
        """A variable's value as an assignment keeps it; what stands in `$var` has that form already."""
        read = self.names.read(variable)
        return read if is_plain_var(variable) or isinstance(read, ast.Constant) else call("settled", read)

    # -- assignments

    def assignment(self, node: nodes.Assign) -> tuple[ast.expr | None, ast.stmt | None, list[ast.expr]]:
        """An assignment as code that gives 1 or -1, or as a statement that cannot fail; and the calls in its value."""
        calls: list[ast.expr] = []
        value = self.value(node.value, calls)
        sign, where = node.operator, constant(spot(node.place))
        if sign not in ("=", ":="):
            current = self.names.read(node.target)
            value = call(attribute("op", "compound"), current, constant(sign[:-1]), value, where)
            sign = "="
        fails = may_fail(value)
        if is_plain_var(node.target):
            kept = pyast.item(attribute("ctx", "vars"), str(node.target.inner))
            if not fails:
                return None, pyast.assign(value, kept), calls
            return call(attribute("op", "keep"), name("ctx"), constant(node.target.inner), value, where), None, calls
        var = self.names.var(node.target)
        setter = self.names.bind(f"set_{node.target.text}", var.setter, (id(var), "setter"))
        made = call(attribute("op", "put"), name("ctx"), setter, value, constant(sign), where)
        return self.at(made, node.place), None, calls

    def assignment_code(self, node: nodes.Assign) -> ast.expr:
        """The same as one expression, for conditions."""
        code, statement, calls = self.assignment(node)
        if statement is not None and isinstance(statement, ast.Assign):
            where = constant(spot(node.place))
            code = call(attribute("op", "keep"), name("ctx"), constant(node.target.inner), statement.value, where)
        assert code is not None
        if calls:
            code = call("code_of", code, *calls)
        return call("noted", name("ctx"), code) if self.facts.rc else code

    # -- conditions

    def condition(self, node: nodes.Expression, wanted: bool = True) -> ast.expr:
        """True if the condition is (wanted) or is not (not wanted) fulfilled; never true for an error or a stop."""
        match node:
            case nodes.Not():
                return self.condition(node.inner, not wanted)
            case nodes.And() | nodes.Or():
                left, right = self.condition(node.left, wanted), self.condition(node.right, wanted)
                if isinstance(node, nodes.And) is wanted:
                    return pyast.both(left, right)
                return pyast.either(left, pyast.both(name("t"), right) if aborts(node.left) else right)
            case nodes.Number():
                return constant((node.number != 0) is wanted)
            case nodes.Variable():
                read = self.names.read(node)
                return read if wanted else pyast.negated(read)
            case nodes.Compare():
                made, fails = self.comparison(node)
                if not fails:
                    return made if wanted else pyast.negated(made)
                return compare(walrus("t", made), "==", 1 if wanted else -1)
            case nodes.ValueOf():
                return self.value_condition(node, wanted)
        return compare(walrus("t", self.elementary(node)), ">" if wanted else "<", 0)

    def elementary(self, node: nodes.Expression) -> ast.expr:
        """The code of a statement that stands as a condition."""
        match node:
            case nodes.Call() | nodes.RouteCall():
                return self.code(node)
            case nodes.Assign():
                return self.assignment_code(node)
            case nodes.If() | nodes.Block():
                return self.block_code(node)
            case nodes.Assert():
                return self.assert_code(node)
            case nodes.Drop():
                return call("drop", name("ctx"))
            case nodes.Async():
                return self.async_code(node)
            case nodes.Launch():
                return self.launch_code(node)
        return constant(0)  # exit

    def value_condition(self, node: nodes.ValueOf, wanted: bool) -> ast.expr:
        """`[value]`."""
        calls: list[ast.expr] = []
        value = self.value(node.value, calls)
        made: ast.expr = call(attribute("op", "truth"), value, constant(spot(node.place)))
        if calls:
            made = call("unless_stopped", made, *calls)
        return compare(walrus("t", made), "==", 1 if wanted else -1)

    # -- comparisons

    def comparison(self, node: nodes.Compare) -> tuple[ast.expr, bool]:
        """The code of a comparison and whether it can fail: then 1, -1 or None, else a truth value."""
        read, sign, right = self.names.read(node.left), node.operator, node.right
        where = constant(spot(node.place))
        match right:
            case nodes.Null():
                return compare(read, "is" if sign == "==" else "is not", None), False
            case nodes.Number():
                return call(attribute("op", "with_number"), read, constant(sign), constant(right.number), where), True
            case nodes.Text():
                return self.text_comparison(read, sign, right.text), False
            case nodes.Address():
                network = self.names.bind("net", operations.network_of(right.text), right.text)
                return call(attribute("op", "in_network"), read, network, constant(sign == "!="), where), True
        other = self.names.read(right)
        if sign in ("=~", "!~"):
            return call(attribute("op", "match"), read, other, constant(sign == "!~"), where), True
        return call(attribute("op", "variables"), read, constant(sign), other, where), True

    def text_comparison(self, read: ast.expr, sign: str, text: str) -> ast.expr:
        """A variable and a literal text; this cannot fail."""
        if sign in ("=~", "!~"):
            made: ast.expr = call("found", read, self.names.bind("re", compile_ere(text), ("re", text)))
            return made if sign == "=~" else pyast.negated(made)
        low = constant(support.folded(text))
        if sign not in ("==", "!="):
            order = self.names.bind("order", operations.ORDERS[sign], sign)
            made = call("ordered", read, order, low)
            return made
        kept = self.arguments.temporary()
        made = pyast.either(compare(walrus(kept, read), "==", text), call("same", name(kept), low))
        return made if sign == "==" else pyast.negated(made)


def may_fail(value: ast.expr) -> bool:
    """Whether the code of a value can give FAILED: operations can, and comparisons."""
    if not isinstance(value, ast.Call):
        return False
    function = value.func
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id == "op"
    return isinstance(function, ast.Name) and function.id == "as_value"


def aborts(node: nodes.Expression) -> bool:
    """Whether a condition can end in an error or stop the script, so that `t` may be falsy after it."""
    match node:
        case nodes.And() | nodes.Or():
            return aborts(node.left) or aborts(node.right)
        case nodes.Not():
            return aborts(node.inner)
        case nodes.Compare():
            return fallible(node)
    return not isinstance(node, nodes.Number | nodes.Variable)


def fallible(node: nodes.Compare) -> bool:
    """Whether a comparison can meet a value that it cannot compare."""
    return not isinstance(node.right, nodes.Null | nodes.Text)


def stops(node: nodes.Expression) -> bool:
    """Whether a condition can stop the script."""
    match node:
        case nodes.And() | nodes.Or():
            return stops(node.left) or stops(node.right)
        case nodes.Not():
            return stops(node.inner)
        case nodes.ValueOf():
            return any(isinstance(one, nodes.Call | nodes.RouteCall) for one in nodes.walk(node))
    return isinstance(node, STOPPING)


def starts_with_code(node: nodes.Expression) -> bool:
    """Whether the first thing that a condition does is to set `t`."""
    match node:
        case nodes.And() | nodes.Or():
            return starts_with_code(node.left)
        case nodes.Not():
            return starts_with_code(node.inner)
    return aborts(node)


def spot(place: Place) -> str:
    """A place as messages at run time name it."""
    return f"{place.file}:{place.line}"
