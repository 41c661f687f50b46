"""Everything that is wrong with a script's names, arity, types and places, all of it at once.

Facts (script-language reference, section 5). A function inside `route[x]` is judged by the blocks that reach it, by
route() calls too; one that nothing reaches counts as a request's.
"""

from collections.abc import Iterator

from pysips.errors import BadName, Complaint, Place

from . import arguments, formats, nodes, operations, reach
from .catalogue import ROUTE_WORDS, Catalogue, FunctionSpec
from .complaints import cure_for, did_you_mean
from .regex import BadRegex, compile_ere
from .waits import Key, called_key, key_of

NAMED = frozenset({"failure_route", "branch_route", "event_route", "timer_route"})
UNNAMED = frozenset({"error_route", "local_route", "startup_route"})
ITERATORS = frozenset({"var", "avp", "json"})
MAX_ROUTE_PARAMETERS = 8
LEVEL_LETTERS = "ACEWNID"
LEVELS = "L_ALERT L_CRIT L_ERR L_WARN L_NOTICE L_INFO L_DBG"
NO_COMMANDS = {
    "continue": "there is no continue: put the rest of the loop into an if",
    "NULL": "NULL stands only right of =, == and !=",
    "null": "NULL stands only right of =, == and !=",
    "else": "an else stands right after the statement or block of its if",
    "case": "case belongs into the block of a switch",
    "default": "default belongs into the block of a switch",
}
FOLDING = frozenset({"xlog", "xdbg"})  # functions whose adjacent strings are one


def check(script: nodes.Script, catalogue: Catalogue, complaints: list[Complaint]) -> None:
    """Add all complaints about a script to the list."""
    Check(script, catalogue, complaints).run()


class Check:
    """One script against one catalogue."""

    def __init__(self, script: nodes.Script, catalogue: Catalogue, complaints: list[Complaint]) -> None:
        self.script = script
        self.catalogue = catalogue
        self.complaints = complaints
        self.defined: dict[Key, nodes.RouteBlock] = {}
        self.bound: dict[str, BadName | None] = {}

    def complain(self, place: Place, message: str, cure: str = "") -> None:
        self.complaints.append(self.script.complaint(place, message, cure))

    def tell(self, place: Place, problem: BadName) -> None:
        self.complain(place, str(problem), getattr(problem, "cure", ""))

    def run(self) -> None:
        for block in self.script.routes:
            self.heading(block)
        for block in self.script.routes:
            for one in nodes.walk(block.body):
                self.node(one)
            self.breaks(block.body, 0)
        self.complaints += reach.complaints(self.script, self.defined, self.catalogue)

    # -- headings

    def heading(self, block: nodes.RouteBlock) -> None:
        """Name, seconds and body of a route; the same route twice."""
        key = key_of(block)
        kind, name = key
        if kind in NAMED and not name:
            self.complain(block.place, f"a {kind} needs a name", f"write {kind}[NAME] {{ … }}")
        elif kind in UNNAMED and name:
            self.complain(block.place, f"{kind} takes no name", f"write {kind} {{ … }}")
        elif kind not in ROUTE_WORDS:
            self.complain(block.place, f"there is no {kind} any more", did_you_mean(kind, ROUTE_WORDS))
        elif key in self.defined and kind != "timer_route":
            first = self.defined[key].place
            shown = f"{kind}[{name}]" if name else kind
            self.complain(block.place, f"{shown} is defined twice", f"the first one is at {first.file}:{first.line}")
        self.defined.setdefault(key, block)
        if kind == "timer_route" and not (isinstance(block.extra, int) and block.extra > 0):
            self.complain(block.place, "a timer_route needs its seconds", "write timer_route[NAME, 30] { … }")
        elif kind == "event_route" and block.extra not in (None, "sync", "async"):
            self.complain(block.place, f"event_route knows sync and async, not {block.extra}")
        elif kind not in ("timer_route", "event_route") and block.extra is not None:
            self.complain(block.place, f"{kind} takes a name only")
        if not block.body:
            self.complain(block.place, "a route needs at least one statement", "a ';' alone is one")

    # -- single nodes

    def node(self, one: nodes.Node) -> None:
        match one:
            case nodes.Call():
                self.call(one)
            case nodes.Variable():
                self.variable(one)
            case nodes.RouteCall():
                self.route_call(one)
            case nodes.Assign():
                self.target(one.target)
            case nodes.Compare():
                self.comparison(one)
            case nodes.For():
                self.iterator(one)
            case nodes.Switch():
                self.switch(one)
            case nodes.Async():
                self.begin(one)
            case nodes.Launch():
                self.launch(one)
            case nodes.Return():
                if len(one.values) > MAX_ROUTE_PARAMETERS + 1:
                    self.complain(one.place, f"return takes a code and at most {MAX_ROUTE_PARAMETERS} values")
            case nodes.Block():
                self.block(one)

    def variable(self, variable: nodes.Variable) -> None:
        """Bind it for the sake of its complaints; the same text once."""
        if not variable.name:
            return
        if variable.text not in self.bound:
            try:
                formats.bind(variable, self.catalogue)
                self.bound[variable.text] = None
            except BadName as problem:
                self.bound[variable.text] = problem
        found = self.bound[variable.text]
        if found is not None:
            self.tell(variable.place, found)

    def target(self, variable: nodes.Variable) -> None:
        """What stands left of a `=`."""
        if not variable.name or (self.catalogue.variable(variable.name) is None and variable.name != "$"):
            return
        if variable.transforms:
            self.complain(variable.place, "transformations not accepted in left side of assignment")
            return
        try:
            setter = formats.bind(variable, self.catalogue).setter
        except BadName:
            return  # said of the variable already
        if setter is None:
            self.complain(variable.place, f"invalid left operand in assignment: {variable.text} is read-only")

    def comparison(self, compare: nodes.Compare) -> None:
        if isinstance(compare.right, nodes.Text) and compare.operator in ("=~", "!~"):
            try:
                compile_ere(compare.right.text)
            except BadRegex as problem:
                self.complain(compare.right.place, str(problem))
        elif isinstance(compare.right, nodes.Address):
            try:
                operations.network_of(compare.right.text)
            except ValueError:
                self.complain(compare.right.place, f"{compare.right.text} is no IP address or network")
        if isinstance(compare.right, nodes.Null | nodes.Address) and compare.operator not in ("==", "!="):
            what = "NULL" if isinstance(compare.right, nodes.Null) else "an address"
            self.complain(compare.place, f"syntax error: {compare.operator} with {what}", "== and != compare with it")
        elif isinstance(compare.right, nodes.Number) and compare.operator in ("=~", "!~"):
            self.complain(compare.place, f"syntax error: {compare.operator} with a number", "quote the expression")

    def iterator(self, loop: nodes.For) -> None:
        if loop.iterator.name not in ITERATORS:
            self.complain(loop.iterator.place, f"bad for-iterator {loop.iterator.text}", "it is a $var, $avp or $json")
        else:
            self.target(loop.iterator)

    def switch(self, switch: nodes.Switch) -> None:
        if not any(case.value is not None for case in switch.cases):
            self.complain(switch.place, "a switch needs at least one case")
        for case in switch.cases[:-1]:
            if case.value is None:
                self.complain(case.place, "default must be the last one of a switch")

    def breaks(self, body: nodes.Body, loops: int) -> None:
        """`break` stands only inside a loop or switch."""
        for one in body:
            match one:
                case nodes.Break():
                    if not loops:
                        self.complain(one.place, "break outside of while, for and switch", "return ends a route")
                case nodes.If():
                    self.breaks(one.then, loops)
                    self.breaks(one.otherwise or (), loops)
                case nodes.While() | nodes.For():
                    self.breaks(one.body, loops + 1)
                case nodes.Switch():
                    for case in one.cases:
                        self.breaks(case.body, loops + 1)

    def block(self, block: nodes.Block) -> None:
        """A block as a condition is a function of its own: what leaves the route cannot stand in it."""
        for one in nodes.walk(block.body):
            if isinstance(one, nodes.Return):
                self.complain(one.place, "return cannot stand in a condition's block", "exit and drop can")
        self.breaks(block.body, 0)

    # -- routes

    def route_call(self, call: nodes.RouteCall) -> None:
        if len(call.arguments) > MAX_ROUTE_PARAMETERS:
            self.complain(call.place, f"a route takes at most {MAX_ROUTE_PARAMETERS} parameters")
        for argument in call.arguments:
            if argument is None:
                self.complain(call.place, "a parameter of a route cannot be left out", "write NULL")
            elif isinstance(argument, nodes.Word):
                self.complain(argument.place, f"bare word <{argument.text}>", f'quote it: "{argument.text}"')
            elif isinstance(argument, nodes.Strings):
                self.complain(argument.place, "two strings side by side", "missing ','?")
        name = formats.fixed_name(call.target)
        if name is not None:
            self.route_name(call.place, "route", name)
        elif isinstance(call.target, nodes.Text):
            self.format(call.target)

    def route_name(self, place: Place, kind: str, name: str) -> None:
        """A route that is named must be there."""
        if (called_key(name) if kind == "route" else (kind, name)) not in self.defined:
            others = [one for known, one in self.defined if known == kind and one]
            self.complain(place, f"{kind}[{name}] is not defined", did_you_mean(name, others))

    def resume(self, place: Place, name: str) -> None:
        self.route_name(place, "route", name)

    def begin(self, begun: nodes.Async) -> None:
        """async() makes a transaction."""
        self.resume(begun.place, begun.resume)
        if "tm" not in self.catalogue.modules():
            self.complain(begun.place, "async() needs module tm", 'loadmodule "tm.so"')

    def launch(self, launch: nodes.Launch) -> None:
        if launch.resume is not None:
            self.resume(launch.place, launch.resume)
        if isinstance(launch.text, nodes.Text):
            self.format(launch.text)

    def format(self, text: nodes.Text) -> None:
        """A text with variables in it."""
        try:
            for piece in formats.parse_format(text.text, text.place):
                if isinstance(piece, nodes.Variable):
                    self.variable(piece)
        except BadName as problem:
            self.tell(text.place, problem)

    # -- functions

    def call(self, call: nodes.Call) -> None:
        spec = self.catalogue.function(call.name)
        if spec is None:
            cure = NO_COMMANDS.get(call.name) or cure_for(
                "function", call.name, self.catalogue, self.catalogue.function_names()
            )
            hint = "" if call.name in NO_COMMANDS else ", missing loadmodule?"
            self.complain(call.place, f"unknown command <{call.name}>{hint}", cure)
            return
        if not call.brackets and call.name not in arguments.BARE_WORDS:
            self.complain(call.place, f"bare word <{call.name}> found, command calls need '()'", f"write {call.name}()")
            return
        try:
            pairs = arguments.matched(spec, call)
        except BadName as problem:
            self.tell(call.place, problem)
            return
        for number, (parameter, argument) in enumerate(pairs, 1):
            if argument is None:
                continue
            if isinstance(argument, nodes.Strings) and call.name not in FOLDING:
                self.complain(argument.place, "two strings side by side", "missing ','?")
                continue
            try:
                item = arguments.ready(parameter, argument, number, call.name)
                for variable in self.named(item):
                    self.variable(variable)
                if parameter.kind == "var" and item.variable is not None and item.variable.transforms:
                    self.complain(argument.place, f"{item.variable.text} has transformations and cannot be set")
            except BadName as problem:
                self.tell(argument.place, problem)
        self.route_of_argument(spec, call)
        if call.name == "xlog":
            self.xlog(call)

    def named(self, item: arguments.Ready) -> Iterator[nodes.Variable]:
        for piece in [item.variable, *item.format]:
            if isinstance(piece, nodes.Variable):
                yield piece

    def route_of_argument(self, spec: FunctionSpec, call: nodes.Call) -> None:
        """`t_on_failure("x")`: failure_route[x] must be there."""
        if spec.route_argument is None or spec.route_argument[0] >= len(call.arguments):
            return
        position, kind = spec.route_argument
        given = call.arguments[position]
        if isinstance(given, nodes.Text) and "$" not in given.text and given.text:
            self.route_name(given.place, kind, given.text)

    def xlog(self, call: nodes.Call) -> None:
        """The level letter, and a text at all."""
        first, last = call.arguments[0], call.arguments[-1]
        if len(call.arguments) == 2 and isinstance(first, nodes.Text) and "$" not in first.text:
            letter = first.text[2:3]
            if letter not in LEVEL_LETTERS or not letter:
                self.complain(first.place, f"bad xlog level {first.text!r}", f"one of {LEVELS}")
        if isinstance(last, nodes.Text) and not last.text:
            self.complain(last.place, "xlog with an empty text")
