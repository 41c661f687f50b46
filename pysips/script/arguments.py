"""Arguments of script functions: what a parameter takes, and the code that hands it over.

Facts (script-language reference, sections 2 and 6):
- int takes a number or a variable, and 2.4's quoted number or quoted variable; str a string or a variable; var a
  variable, bare or quoted (2.4); a static str only a literal;
- a number without quotes is as good as one in quotes where a str parameter means bits or the like: `t_relay(0x02)`;
- a string for a str parameter is a format, unless the parameter does not expand;
- a variable that is NULL or has no number where one is wanted makes the call -1 without running it.
"""

import ast
from dataclasses import dataclass, field
from typing import Any

from pysips.errors import BadName

from . import formats, literals, nodes, pyast
from .catalogue import FunctionSpec, Parameter
from .complaints import Wrong
from .names import Names
from .regex import BadRegex, compile_ere
from .variable import parse_variable

# Functions that 2.4 and 3.0 knew as statements: a bare word in their brackets names a flag, and some go without.
FLAG_WORDS = frozenset({
    "setflag", "resetflag", "isflagset", "setbflag", "resetbflag", "isbflagset", "setbranchflag", "resetbranchflag",
    "isbranchflagset", "setsflag", "resetsflag", "issflagset",
})  # fmt: skip
BARE_WORDS = frozenset({
    "force_rport", "add_rport", "add_local_rport", "force_local_rport", "revert_uri", "append_branch", "resetdsturi",
    "resetduri", "isdsturiset", "isduriset", "force_tcp_alias", "add_tcp_alias", "forward", "next_branches",
})  # fmt: skip


@dataclass(slots=True)
class Handed:
    """The code of one argument, and what must hold for the call to be made at all."""

    code: ast.expr
    guard: ast.expr | None = None


@dataclass(slots=True)
class Ready:
    """An argument after the look at its parameter: either a constant, or a variable, or a format."""

    constant: Any = None
    variable: nodes.Variable | None = None
    format: list[formats.Part] = field(default_factory=list)


def matched(spec: FunctionSpec, call: nodes.Call) -> list[tuple[Parameter, nodes.Argument | None]]:
    """Each parameter with its argument. Raises Wrong for too many, too few and left out ones."""
    given = list(call.arguments)
    most = len(spec.parameters)
    if len(given) > most and not (given == [None] and most == 0):
        raise Wrong(f"too many parameters for command <{spec.name}>", f"it takes {counted(most)}")
    needed = max(spec.minimum, sum(not one.optional for one in spec.parameters))
    if len(given) < needed:
        raise Wrong(f"too few parameters for command <{spec.name}>", f"it needs {counted(needed)}: {usage(spec)}")
    given += [None] * (len(spec.parameters) - len(given))
    for parameter, argument in zip(spec.parameters, given, strict=False):
        if argument is None and not parameter.optional:
            message = f"mandatory parameter omitted for command <{spec.name}>"
            raise Wrong(message, f"parameter {parameter.name} is needed: {usage(spec)}")
    return list(zip(spec.parameters, given, strict=False))


def counted(number: int) -> str:
    return "no parameters" if number == 0 else f"{number} parameter{'s' if number > 1 else ''}"


def usage(spec: FunctionSpec) -> str:
    """`f(a, b[, c])`."""
    text = ""
    for one in spec.parameters:
        word = (", " if text else "") + one.name
        text += f"[{word}]" if one.optional else word
    return f"{spec.name}({text})"


def ready(parameter: Parameter, argument: nodes.Argument, number: int, function: str) -> Ready:
    """What an argument means for its parameter. Raises Wrong or BadName."""
    if isinstance(argument, nodes.Strings):
        argument = nodes.Text(argument.place, "".join(part.text for part in argument.parts))
    where = f"param [{number}] ({parameter.name}) of <{function}>"
    if isinstance(argument, nodes.Null):
        raise Wrong(f"{where} cannot be NULL", "leave it out, or use a variable")
    if isinstance(argument, nodes.Word):
        if function not in FLAG_WORDS:
            raise Wrong(f"bare word <{argument.text}> as {where}", f'quote it: "{argument.text}"')
        argument = nodes.Text(argument.place, argument.text)
    if isinstance(argument, nodes.Number) and function in FLAG_WORDS and parameter.kind == "str":
        argument = nodes.Text(argument.place, str(argument.number))
    if isinstance(argument, nodes.Variable):
        return _from_variable(parameter, argument, where)
    if isinstance(argument, nodes.Number):
        return _from_number(parameter, argument, where)
    return _from_text(parameter, argument, where)


def _from_variable(parameter: Parameter, argument: nodes.Variable, where: str) -> Ready:
    if parameter.static:
        raise Wrong(f"{where} does not support variables", "give a literal")
    return Ready(variable=argument)


def _from_number(parameter: Parameter, argument: nodes.Number, where: str) -> Ready:
    if parameter.kind in ("int", "value"):
        return Ready(constant=converted(parameter, argument.number, where))
    if parameter.kind == "str" and parameter.convert is not None:
        return Ready(constant=converted(parameter, str(argument.number), where))
    wanted = {"var": "a variable", "regex": "a regular expression"}.get(parameter.kind, "a string or variable")
    raise Wrong(f"{where} expected to be {wanted}", f'quote it: "{argument.number}"' if wanted[2] == "s" else "")


def _from_text(parameter: Parameter, argument: nodes.Text, where: str) -> Ready:
    text = argument.text
    if parameter.kind == "var":
        return Ready(variable=quoted_variable(argument, where))
    if parameter.kind == "int":
        return _number_in_quotes(parameter, argument, where)
    if parameter.kind == "regex" and not parameter.expand:
        return Ready(constant=regex(text, where))
    if not parameter.expand or "$" not in text:
        return Ready(constant=regex(text, where) if parameter.kind == "regex" else converted(parameter, text, where))
    pieces = _pieces(argument, parameter, where)
    variables = [piece for piece in pieces if isinstance(piece, nodes.Variable)]
    if not variables:
        plain = "".join(str(piece) for piece in pieces)
        return Ready(constant=regex(plain, where) if parameter.kind == "regex" else converted(parameter, plain, where))
    if parameter.static:
        raise Wrong(f"{where} does not support formatted strings", "give a literal without variables")
    return Ready(format=pieces)


def _pieces(argument: nodes.Text, parameter: Parameter, where: str) -> list[formats.Part]:
    """The pieces of a format. A regular expression may end in `$`, which names no variable."""
    try:
        return formats.parse_format(argument.text, argument.place)
    except BadName as problem:
        if parameter.kind == "regex" or parameter.convert is not None:
            return [argument.text]
        raise Wrong(f"{problem}, in {where}", getattr(problem, "cure", "")) from None


def _number_in_quotes(parameter: Parameter, argument: nodes.Text, where: str) -> Ready:
    value = literals.number(argument.text.strip())
    if value is not None:
        return Ready(constant=converted(parameter, value, where))
    if argument.text.strip().startswith("$"):
        return Ready(variable=quoted_variable(argument, where))
    raise Wrong(f"{where} expected to be an integer or variable", "")


def quoted_variable(argument: nodes.Text, where: str) -> nodes.Variable:
    """2.4's `"$avp(x)"`."""
    text = argument.text.strip()
    if not text.startswith("$"):
        raise Wrong(f"{where} expected to be a variable", "write $var(name) or $avp(name), without quotes")
    return parse_variable(text, argument.place, whole=True)


def converted(parameter: Parameter, value: Any, where: str) -> Any:
    """A literal in the form that the function wants."""
    if parameter.convert is None:
        return value
    try:
        return parameter.convert(value)
    except (ValueError, BadName) as problem:
        raise Wrong(f"{where}: {problem}") from None


def regex(text: str, where: str) -> Any:
    try:
        return compile_ere(text, lines=True)
    except BadRegex as problem:
        raise Wrong(f"{where}: {problem}") from None


class Arguments:
    """Makes the code of arguments; `temporary` gives the name of a fresh local."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.temporaries = 0

    def temporary(self) -> str:
        self.temporaries += 1
        return f"a{self.temporaries}"

    def handed(self, parameter: Parameter, argument: nodes.Argument | None, number: int, call: nodes.Call) -> Handed:
        """The code of one argument."""
        if argument is None:
            return Handed(self.names.value(f"default_{call.name}_{parameter.name}", parameter.default))
        item = ready(parameter, argument, number, call.name)
        where = f"{call.place.file}:{call.place.line}"
        if parameter.kind == "format":
            pieces: list[formats.Part] = item.format or [item.variable or item.constant]
            return Handed(self.names.format_function(pieces))
        if item.variable is not None:
            return self.from_variable(parameter, item.variable, where)
        if item.format:
            return self.later(parameter, self.names.format(item.format), where)
        return Handed(self.names.value(f"c_{call.name}_{parameter.name}", item.constant))

    def from_variable(self, parameter: Parameter, variable: nodes.Variable, where: str) -> Handed:
        """A variable: itself for var, its number or text for the others."""
        if parameter.kind == "var":
            var = self.names.var(variable)
            return Handed(self.names.bind(f"var_{variable.text}", var, var))
        value = self.names.read(variable)
        if parameter.kind == "value":
            return self.guarded(value) if parameter.convert is None else self.later(parameter, value, where)
        value = pyast.call("number_of" if parameter.kind == "int" else "text_of", value)
        return self.later(parameter, value, where)

    def later(self, parameter: Parameter, value: ast.expr, where: str) -> Handed:
        """What is known only at run time, converted there if need be."""
        if parameter.kind == "regex":
            return self.guarded(pyast.call(pyast.attribute("op", "pattern_of"), value, pyast.constant(where)))
        if parameter.convert is not None:
            convert = self.names.bind(f"to_{parameter.name}", parameter.convert, parameter.convert)
            value = pyast.call(pyast.attribute("op", "converted"), convert, value, pyast.constant(where))
            return self.guarded(value, pyast.name("FAILED"))
        return Handed(value) if is_printed(value) else self.guarded(value)

    def guarded(self, value: ast.expr, bad: ast.expr | None = None) -> Handed:
        """NULL, or another bad value, makes the call -1."""
        temporary = self.temporary()
        return Handed(pyast.name(temporary), pyast.compare(pyast.walrus(temporary, value), "is not", bad))


def is_printed(value: ast.expr) -> bool:
    """Code of a format: it never is NULL."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id == "printed"
    return isinstance(value, ast.JoinedStr)
