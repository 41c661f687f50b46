"""Texts with variables in them, and variables, bound once to what the catalogue has for their names.

Whoever takes a "format" (xlog, a str parameter of a function, `acc`'s log_extra …) gets a function of the run's
context. Everything that can be known beforehand is settled here: names, indexes, transformations.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pysips.errors import BadName, Place

from .catalogue import Catalogue, Ctx, Getter, Index, Inner, Setter, Var, VariableSpec
from .complaints import Wrong, cure_for
from .known import names_of
from .nodes import Text, Transform, Variable
from .values import Value, printed
from .variable import parse_variable, variable_at

NOWHERE: Final = Place("", 0)
Part = str | Variable


def parse_format(text: str, place: Place = NOWHERE) -> list[Part]:
    """The pieces of a format: plain texts and variables. Raises BadName for a `$` that starts no variable."""
    pieces: list[Part] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        if text.startswith("$$", dollar):
            pieces.append(text[at : dollar + 1])
            at = dollar + 2
            continue
        if dollar > at:
            pieces.append(text[at:dollar])
        variable, at = variable_at(text, dollar, place)
        pieces.append(variable)
    if at < len(text):
        pieces.append(text[at:])
    return joined(pieces)


def fixed_name(target: Text | Variable) -> str | None:
    """A route's name in `route(name)`; None if it is known only at run time."""
    return target.text if isinstance(target, Text) and "$" not in target.text else None


def joined(pieces: list[Part]) -> list[Part]:
    """The same with neighbouring texts made one."""
    made: list[Part] = []
    for piece in pieces:
        if isinstance(piece, str) and made and isinstance(made[-1], str):
            made[-1] += piece
        else:
            made.append(piece)
    return made


def bind_format(text: str, catalogue: Catalogue, place: Place = NOWHERE) -> Callable[[Ctx], str]:
    """A function that prints the format for a run; NULL prints `<null>`. Raises BadName."""
    pieces = parse_format(text, place)
    if not any(isinstance(piece, Variable) for piece in pieces):
        plain = "".join(str(piece) for piece in pieces)
        return lambda ctx: plain
    bound = [piece if isinstance(piece, str) else bind(piece, catalogue).get for piece in pieces]
    if len(bound) == 1 and not isinstance(bound[0], str):
        get = bound[0]
        return lambda ctx: printed(get(ctx))

    def write(ctx: Ctx) -> str:
        return "".join([piece if isinstance(piece, str) else printed(piece(ctx)) for piece in bound])

    return write


def bind_variable(text: str, catalogue: Catalogue, place: Place = NOWHERE) -> Var:
    """A variable by its text, `$avp(x)` or `$(avp(x)[0]{s.len})`, and nothing more. Raises BadName."""
    if not text.startswith("$"):
        raise BadName(f"{text!r} is no variable: it has no $")
    return bind(parse_variable(text, place, whole=True), catalogue)


def bind(variable: Variable, catalogue: Catalogue) -> Var:
    """A parsed variable. Raises BadName for unknown names, and for what the variable does not take."""
    constant = constant_of(variable)
    if constant is not None:
        get: Getter = lambda ctx: constant  # noqa: E731
        return Var(variable.text, with_transforms(get, variable.transforms, catalogue), None)
    spec = spec_of(variable, catalogue)
    inner = inner_of(variable, spec, catalogue)
    index = index_of(variable, spec, catalogue)
    get = spec.read(inner, index)
    setter: Setter | None = None
    if variable.context is not None:
        get = in_context(get, variable.context, catalogue)
    elif spec.write is not None and not variable.transforms:
        setter = spec.write(inner, index)
    return Var(variable.text, with_transforms(get, variable.transforms, catalogue), setter)


def binder(variable: Variable, catalogue: Catalogue) -> Callable[[int], Getter]:
    """For `for (… in $(x[*]))`: makes the reader of one index of the variable."""
    return lambda index: bind(replace(variable, index=str(index)), catalogue).get


def constant_of(variable: Variable) -> Value:
    """What is known without a run: `$$`, `$cfg_line` (the statement's last line), `$cfg_file`."""
    if variable.name == "$":
        return "$"
    if variable.name == "cfg_line":
        return variable.place.end_line or variable.place.line
    return variable.place.file if variable.name == "cfg_file" else None


def spec_of(variable: Variable, catalogue: Catalogue) -> VariableSpec:
    """The catalogue's record for a variable's name. Raises BadName with a cure."""
    spec = catalogue.variable(variable.name)
    if spec is not None:
        return spec
    name = variable.name
    shorter = name.rstrip(".")
    if shorter != name and catalogue.variable(shorter) is not None:
        raise Wrong(f"unknown script variable ${name}", f"names may have dots: write $({shorter}).")
    cure = cure_for("variable", name, catalogue, catalogue.variable_names(), "${}")
    raise Wrong(f"unknown script variable ${name}", cure)


def inner_of(variable: Variable, spec: VariableSpec, catalogue: Catalogue) -> Inner:
    """The name in brackets, bound if it is a variable itself."""
    inner = variable.inner
    if inner is None:
        if spec.inner == "required":
            raise BadName(f"${spec.name} needs a name in brackets: ${spec.name}(…)")
        return None
    if spec.inner == "no":
        raise BadName(f"${spec.name} takes no name in brackets")
    if spec.dynamic and inner.startswith("$"):
        return bind_variable(inner, catalogue, variable.place).get
    return inner


def index_of(variable: Variable, spec: VariableSpec, catalogue: Catalogue) -> Index:
    """The index: a number, a word such as "*" or "append", or what a variable says at each run."""
    index = variable.index
    if index is None:
        return None
    if not spec.index:
        raise BadName(f"${spec.name} takes no index")
    if index.startswith("$"):
        return bind_variable(index, catalogue, variable.place).get
    digits = index[1:] if index[:1] in ("-", "+") else index
    if digits.isascii() and digits.isdigit() and len(digits) < 10:
        return int(index)
    return index


def in_context(get: Getter, name: str, catalogue: Catalogue) -> Getter:
    """`$(<reply>…)`: the same variable of another message; NULL if there is none now."""
    find = catalogue.message_context(name)
    if find is None:
        raise Wrong(f"unknown context <{name}>", "<request> and <reply> come with module tm")

    def there(ctx: Ctx) -> Value:
        other = find(ctx)
        return get(other) if other is not None else None

    return there


def with_transforms(get: Getter, transforms: tuple[Transform, ...], catalogue: Catalogue) -> Getter:
    """The getter with its transformations after it; NULL passes through them unchanged."""
    for transform in transforms:
        get = _after(get, transform, catalogue)
    return get


def _after(get: Getter, transform: Transform, catalogue: Catalogue) -> Getter:
    spec = catalogue.transform(transform.group, transform.name)
    written = f"{{{transform.group}.{transform.name}}}"
    if spec is None:
        name = f"{transform.group}.{transform.name}"
        cure = cure_for("transformation", name, catalogue, names_of("transformation"), "{{{}}}")
        raise Wrong(f"unknown transformation {written}", cure)
    apply = spec.bind(transform.arguments, lambda text: bind_variable(text, catalogue).get)

    def changed(ctx: Ctx) -> Value:
        value = get(ctx)
        return None if value is None else apply(ctx, value)

    return changed
