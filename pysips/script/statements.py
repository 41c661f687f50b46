"""Code of statements.

Each statement yields a number. It is asked for in three places: as the result of a route whose last statement it is,
in `$rc` if the script looks at that, and in the local `last` where a loop or switch ends a route. A function's 0, an
`exit`, `drop` or `return(0)` becomes `return 0`, which callers hand on.
"""

import ast
from dataclasses import dataclass
from typing import Final

from . import formats, nodes, pyast, support
from .expressions import Expressions, aborts, spot, starts_with_code, stops
from .facts import Facts
from .names import Names
from .pyast import assign, attribute, call, compare, constant, expression, name, result, walrus, when

BREAK_CODE: Final = -5


@dataclass(slots=True)
class Extra:
    """A block that stands as a condition: a function of its own."""

    title: str
    body: list[ast.stmt]
    waits: bool


class Statements(Expressions):
    """Generates the body of one route."""

    def __init__(self, facts: Facts, names: Names, file: str, waits: bool) -> None:
        super().__init__(facts, names, file)
        self.waits = waits
        self.erring = facts.has_error_route
        self.keeping = False
        self.loops = 0
        self.extras: list[Extra] = []

    def body(self, statements: nodes.Body, last: bool) -> list[ast.stmt]:
        """Statements one after another; `last`: the route ends with them, so every path returns."""
        real = [one for one in statements if not isinstance(one, nodes.Empty)]
        made: list[ast.stmt] = []
        for count, one in enumerate(real, 1):
            tail = last and count == len(real)
            if self.facts.traces:
                made.append(self.at(self.trace(one), one.place))
            ends = isinstance(one, nodes.Exit | nodes.Drop | nodes.Return | nodes.Break | nodes.Async)
            code = self.watched(one, tail) if self.erring and not ends else self.statement(one, tail)
            for statement in code:
                made.append(self.at(statement, one.place))
            if ends:
                return made  # whatever follows is never reached
        if last and not real:
            made.append(result(1))
        return made

    def statement(self, node: nodes.Statement, last: bool) -> list[ast.stmt]:
        match node:
            case nodes.Call() | nodes.RouteCall():
                return self.yields(self.plain_code(node), last, stops=True)
            case nodes.Assign():
                return self.assign(node, last)
            case nodes.If():
                return self.if_statement(node, last)
            case nodes.While() | nodes.For() | nodes.Switch():
                return self.loop(node, last)
            case nodes.Break():
                return [*self.yields(constant(BREAK_CODE), False), ast.Break()]
            case nodes.Exit():
                return [result(0)]
            case nodes.Drop():
                return [assign(constant(True), attribute("ctx", "dropped")), result(0)]
            case nodes.Return():
                return self.return_statement(node)
            case nodes.Assert():
                return self.yields(self.assert_code(node), last, stops=self.facts.asserts)
            case nodes.Async():
                return [result(self.async_code(node))]
            case nodes.Launch():
                return self.yields(self.launch_code(node), last)
        return []

    def watched(self, node: nodes.Statement, last: bool) -> list[ast.stmt]:
        """A statement, and error_route after it if it met an error; that may stop the script."""
        keeping = self.keeping
        self.keeping = keeping or last
        made = self.statement(node, False)
        self.keeping = keeping
        stopped = compare(call(attribute("ctx", "run_error_route")), "==", 0)
        made.append(when(pyast.both(compare(attribute("ctx", "err"), "is not", None), stopped), [result(0)]))
        return [assign(constant(1), name("last")), *made, result(name("last"))] if last else made

    def trace(self, node: nodes.Statement) -> ast.stmt:
        """Tell script_trace of a statement."""
        what, where = constant(described(node)), constant(spot(node.place))
        return expression(call("traced", name("ctx"), name("tell"), what, where))

    def plain_code(self, node: nodes.Call | nodes.RouteCall) -> ast.expr:
        """A call whose code `yields` keeps."""
        return self.call(node) if isinstance(node, nodes.Call) else self.route_call(node)

    def yields(self, code: ast.expr, last: bool, stops: bool = False) -> list[ast.stmt]:
        """The code of a statement, to where it is asked for."""
        if last:
            return [result(code)]
        targets = self.targets()
        if stops:
            if not targets:
                return [when(compare(code, "==", 0), [result(0)])]
            return [assign(code, *targets, name("t")), when(compare(name("t"), "==", 0), [result(0)])]
        if targets:
            return [assign(code, *targets)]
        return [] if isinstance(code, ast.Constant) else [expression(code)]

    def targets(self) -> list[ast.expr]:
        found: list[ast.expr] = [attribute("ctx", "rc")] if self.facts.rc else []
        return [*found, name("last")] if self.keeping else found

    def assign(self, node: nodes.Assign, last: bool) -> list[ast.stmt]:
        code, statement, calls = self.assignment(node)
        if statement is not None:
            made = [statement, *self.stop_checks(calls), *self.yields(constant(1), last)]
            return made
        assert code is not None
        if calls:
            return self.yields(call("code_of", code, *calls), last, stops=True)
        return self.yields(code, last)

    def stop_checks(self, calls: list[ast.expr]) -> list[ast.stmt]:
        """A function inside of a value that said 0 stops the script."""
        return [when(compare(one, "==", 0), [result(0)]) for one in calls]

    # -- if

    def if_statement(self, node: nodes.If, last: bool) -> list[ast.stmt]:
        """A condition, its two branches, and the way out where it stopped the script."""
        made: list[ast.stmt] = []
        if aborts(node.condition) and not starts_with_code(node.condition):
            made.append(assign(constant(1), name("t")))
        test = self.condition(node.condition)
        then = self.body(node.then, last) or self.untaken(1, 1)
        if node.otherwise is not None:
            otherwise = self.body(node.otherwise, last) or self.untaken(0, 1)
        else:
            otherwise = [result(1)] if last else self.untaken(0, 1)
        if self.facts.rc and not last and aborts(node.condition) and (node.otherwise is None or not node.otherwise):
            code = pyast.given(name("t"), constant(0), constant(-1))
            otherwise = [assign(code, attribute("ctx", "rc")), *otherwise[1:]]
        if stops(node.condition):
            otherwise = [when(compare(name("t"), "==", 0), [result(0)], otherwise)]
        made.append(when(test, then, otherwise))
        return made

    def untaken(self, rc: int, kept: int) -> list[ast.stmt]:
        """What an `if` yields whose chosen branch is empty or missing."""
        made = [assign(constant(rc), attribute("ctx", "rc"))] if self.facts.rc else []
        return [*made, assign(constant(kept), name("last"))] if self.keeping else made

    # -- loops

    def loop(self, node: nodes.While | nodes.For | nodes.Switch, last: bool) -> list[ast.stmt]:
        """A loop or switch. At a route's end the code of what ran last is kept for the result."""
        keeping = self.keeping
        self.keeping = keeping or last
        match node:
            case nodes.While():
                made = self.while_loop(node)
            case nodes.For():
                made = self.for_loop(node)
            case nodes.Switch():
                made = self.switch(node)
        self.keeping = keeping
        return [assign(constant(1), name("last")), *made, result(name("last"))] if last else made

    def while_loop(self, node: nodes.While) -> list[ast.stmt]:
        self.loops += 1
        passes = f"passes{self.loops}"
        where = constant(spot(node.place))
        test = self.condition(node.condition)
        ended = self.yields(constant(1), False)
        leave: list[ast.stmt] = [*ended, ast.Break()]
        body = self.body(node.body, False)
        if not body:
            return [*self.before(node.condition), when(test, [], self.stopped(node.condition)), *ended]
        limit = self.facts.max_loops
        told = expression(call(attribute("op", "endless"), constant(limit), where))
        count = [
            when(compare(name(passes), ">=", limit), [told, *leave]),
            ast.AugAssign(ast.Name(passes, ast.Store()), ast.Add(), constant(1)),
        ]
        if not aborts(node.condition):
            whole: ast.stmt = ast.While(test, [*count, *body], ended)
        else:
            leave = [*self.stopped(node.condition), *leave]
            until = [*self.before(node.condition), when(pyast.negated(test), leave)]
            whole = ast.While(constant(True), [*until, *count, *body], [])
        return [assign(constant(0), name(passes)), whole]

    def before(self, condition: nodes.Expression) -> list[ast.stmt]:
        if aborts(condition) and not starts_with_code(condition):
            return [assign(constant(1), name("t"))]
        return []

    def stopped(self, condition: nodes.Expression) -> list[ast.stmt]:
        return [when(compare(name("t"), "==", 0), [result(0)])] if stops(condition) else []

    def for_loop(self, node: nodes.For) -> list[ast.stmt]:
        """Index 0, 1, … until NULL; what is iterated over is read anew each time."""
        where = constant(spot(node.place))
        if node.items.index != "*":
            return self.yields(call(attribute("op", "not_iterable"), where), False)
        self.loops += 1
        index, value = f"i{self.loops}", f"v{self.loops}"
        items = self.names.bind("items", support.Items(formats.binder(node.items, self.names.catalogue)))
        got = walrus(value, call(pyast.member(items, "at"), name("ctx"), name(index)))
        taken = self.take(node.iterator, call("settled", name(value)), spot(node.place))
        step = ast.AugAssign(ast.Name(index, ast.Store()), ast.Add(), constant(1))
        body = self.body(node.body, False)
        test = compare(got, "is not", None)
        ended = self.yields(constant(1), False)
        return [assign(constant(0), name(index)), ast.While(test, [*taken, step, *body], ended)]

    def take(self, iterator: nodes.Variable, value: ast.expr, where: str) -> list[ast.stmt]:
        """Assign the next item to the iterator."""
        var = self.names.var(iterator)
        setter = self.names.bind(f"set_{iterator.text}", var.setter, (id(var), "setter"))
        return [expression(call(attribute("op", "put"), name("ctx"), setter, value, constant("="), constant(where)))]

    def switch(self, node: nodes.Switch) -> list[ast.stmt]:
        """The number of the case that fits, then each body from there on: cases fall through."""
        self.loops += 1
        which = f"case{self.loops}"
        texts: dict[str, int] = {}
        numbers: dict[int, int] = {}
        otherwise = len(node.cases)
        for number, case in enumerate(node.cases):
            if isinstance(case.value, nodes.Text):
                texts.setdefault(support.folded(case.value.text), number)
            elif isinstance(case.value, nodes.Number):
                numbers.setdefault(case.value.number, number)
            else:
                otherwise = number
        read = self.names.read(node.subject)
        tables = [self.names.bind("texts", texts), self.names.bind("numbers", numbers)]
        made = assign(call("chosen", read, *tables, constant(otherwise)), name(which))
        bodies: list[ast.stmt] = []
        for number, case in enumerate(node.cases):
            body = self.body(case.body, False)
            if body:
                bodies.append(self.at(when(compare(name(which), "<=", number), body), case.place))
        if not bodies:
            return [made]
        return [made, ast.For(ast.Name("_", ast.Store()), name("ONCE"), bodies, [])]

    # -- the rest

    def return_statement(self, node: nodes.Return) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        if self.facts.nests:
            values = pyast.tuple_of(*(self.parameter(one) for one in node.values[1:]))
            made.append(assign(values, attribute("ctx", "returned")))
        first = node.values[0] if node.values else None
        if isinstance(first, nodes.Number):
            return [*made, result(first.number)]
        if isinstance(first, nodes.Variable):
            return [*made, result(call("returned", self.names.read(first)))]
        return [*made, result(1)]

    def assert_code(self, statement: nodes.Assert) -> ast.expr:
        """1, or the way to error_route and the script's end."""
        if not self.facts.asserts:
            return constant(BREAK_CODE)
        test = self.condition(statement.condition)
        aborts = constant(self.facts.aborts_on_assert)
        failed = call("assertion_failed", name("ctx"), constant(statement.text), aborts)
        return pyast.given(test, constant(1), failed)

    def async_code(self, node: nodes.Async) -> ast.expr:
        """Begin, and end this script: 0. The resume route follows in a later step."""
        resume = name(self.facts.function_of("route", node.resume))
        begun = pyast.thunk(self.call_unawaited(node.call))
        begun = call(attribute("ctx", "run_async"), begun, resume, constant(node.timeout))
        return ast.Await(call("finished", begun)) if self.waits else call("ended", begun)

    def launch_code(self, node: nodes.Launch) -> ast.expr:
        """Begin, and go on: 1."""
        resume = name(self.facts.function_of("route", node.resume)) if node.resume is not None else constant(None)
        text = self.format(node.text) if node.text is not None else constant(None)
        begun = pyast.thunk(self.call_unawaited(node.call))
        return call(attribute("ctx", "launch"), begun, resume, text)

    def call_unawaited(self, node: nodes.Call) -> ast.expr:
        """A call whose result, a number or something to wait for, is handed on as it is."""
        made = self.call(node)
        inner = made.body if isinstance(made, ast.IfExp) else made
        if isinstance(inner, ast.Await):
            inner = inner.value
        return pyast.given(made.test, inner, made.orelse) if isinstance(made, ast.IfExp) else inner

    def block_code(self, block: nodes.Block | nodes.If) -> ast.expr:
        """`if ({ … })`: the block becomes a function, its last code is the condition."""
        statements = block.body if isinstance(block, nodes.Block) else (block,)
        keeping, self.keeping = self.keeping, False
        title = self.names.free("block")
        waits = self.waits
        self.extras.append(Extra(title, self.body(statements, True), waits))
        self.keeping = keeping
        made: ast.expr = call(title, name("ctx"))
        return ast.Await(made) if waits else made


WORDS: Final = {
    nodes.If: "if",
    nodes.While: "while",
    nodes.For: "for-each",
    nodes.Switch: "switch",
    nodes.Break: "break",
    nodes.Exit: "exit",
    nodes.Drop: "drop",
    nodes.Return: "return",
    nodes.Assert: "assert",
}


def described(node: nodes.Statement) -> str:
    """A statement as script_trace names it: its class and its word."""
    match node:
        case nodes.Call():
            return f"{'core' if node.name in ('xlog', 'xdbg', 'log') else 'module'} {node.name}"
        case nodes.RouteCall():
            return f"route {node.target.text}"
        case nodes.Assign():
            return f"assign {node.operator}"
        case nodes.Async():
            return f"async {node.call.name}"
        case nodes.Launch():
            return f"launch {node.call.name}"
    return f"core {WORDS.get(type(node), '')}"
