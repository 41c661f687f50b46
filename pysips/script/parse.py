"""Script text → nodes, by the grammar in grammar.lark; syntax errors said for people, all of a file at once."""

import sys
from functools import cache
from importlib.resources import files
from typing import Any, Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from lark.tree import Meta

from pysips.errors import BadName, Complaint, ConfigError, Place

from . import literals, nodes, source
from .mistakes import Mistakes
from .source import Source
from .variable import parse_variable

# 2.4 names the branch before the flag: setbflag(1, FLAG). Later versions name a flag by a text, never by a number.
BRANCH_FLAG_CALLS: Final = frozenset(
    ("setbflag", "resetbflag", "isbflagset", "setbranchflag", "resetbranchflag", "isbranchflagset")
)
DEEPEST: Final = 20_000  # frames: an `else if` of some thousand branches nests as deep


@cache
def grammar() -> Lark:
    """The parser, built once in a process (some 80 ms)."""
    text = files(__package__).joinpath("grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer="contextual", propagate_positions=True, maybe_placeholders=True)


def parse(text: str, file: str) -> nodes.Script:
    """Parse a script's text; `file` names it in messages and is where relative includes are looked for.

    Raises ConfigError with every syntax error.
    """
    script, complaints = parse_source(source.of_text(text, file))
    if complaints:
        raise ConfigError(complaints)
    return script


def parse_source(read: Source) -> tuple[nodes.Script, list[Complaint]]:
    """As much of the script as can be understood, and all that is wrong with the rest."""
    mistakes = Mistakes(read, Token)
    tree = None
    if not read.complaints:
        try:
            tree = grammar().parse(read.text, on_error=mistakes.recover)
        except UnexpectedInput:
            pass  # said already: nothing could be saved
    builder = Builder(read)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST))
    try:
        items = builder.items(tree) if tree is not None else ()
    finally:
        sys.setrecursionlimit(limit)
    lines = dict(zip(read.origin, read.lines, strict=True))
    complaints = read.complaints + mistakes.complaints + builder.complaints
    complaints.sort(key=lambda one: (one.place.line, one.place.column))
    return nodes.Script(read.file, items, lines, read.included), complaints


class Builder:
    """Makes nodes of a tree, bottom up: one method for each rule, called with the rule's position and children."""

    def __init__(self, read: Source) -> None:
        self.source = read
        self.complaints: list[Complaint] = []

    def items(self, tree: "Tree[Token]") -> tuple[nodes.Item, ...]:
        made = [self.build(child) for child in tree.children if isinstance(child, Tree)]
        return tuple(made)

    def build(self, tree: "Tree[Token]") -> Any:
        children = [self.build(child) if isinstance(child, Tree) else child for child in tree.children]
        return getattr(self, tree.data)(self.place(tree.meta), *children)

    def place(self, at: Meta | Token) -> Place:
        if isinstance(at, Meta) and at.empty:
            return self.source.place(1)
        return self.source.place(at.line or 1, at.column or 1, at.end_line or 0, at.end_column or 0)

    def complain(self, place: Place, message: str, cure: str = "") -> None:
        shown = next((line for line, where in zip(self.source.lines, self.source.origin, strict=True)
                      if where == (place.file, place.line)), "")  # fmt: skip
        self.complaints.append(Complaint(place, message, cure, shown))

    # -- top level

    def setting(self, place: Place, name: Token, *rest: Any) -> nodes.Setting:
        block = next((one for one in rest if isinstance(one, tuple)), None)
        items = tuple(self.item(one) for one in rest if isinstance(one, Token))
        return nodes.Setting(place, str(name), items, block)

    def setting_block(self, place: Place, *items: Any) -> tuple[tuple[nodes.SettingItem, ...], ...]:
        return tuple(one if isinstance(one, tuple) else (self.item(one),) for one in items if one is not None)

    def setting_rule(self, place: Place, *items: Token) -> tuple[nodes.SettingItem, ...]:
        return tuple(self.item(one) for one in items)

    def item(self, token: Token) -> nodes.SettingItem:
        quoted = token.type == "STRING"
        return nodes.SettingItem(self.place(token), literals.string(token) if quoted else str(token), quoted)

    def loadmodule(self, place: Place, _: Token, path: Token) -> nodes.LoadModule:
        return nodes.LoadModule(place, literals.string(path))

    def modparam(self, place: Place, _: Token, module: Token, name: Token, value: int | str) -> nodes.ModParam:
        return nodes.ModParam(place, literals.string(module), literals.string(name), value)

    def modparam_value(self, place: Place, *parts: Any) -> int | str:
        if isinstance(parts[0], nodes.Number):
            return parts[0].number
        return "".join(literals.string(one) if one.type == "STRING" else str(one) for one in parts)

    def route_block(
        self, place: Place, kind: Token, name: Token | None, extra: Token | None, body: nodes.Block
    ) -> nodes.RouteBlock:
        more: int | str | None = None
        if extra is not None:
            value = literals.number(extra) if extra.type == "NUMBER" else None
            more = str(extra) if value is None else value
        return nodes.RouteBlock(self.place(kind), str(kind), self.text_of(name), more, body.body)

    def text_of(self, token: Token | None) -> str:
        if token is None:
            return ""
        return literals.string(token) if token.type == "STRING" else str(token)

    # -- statements

    def block(self, place: Place, *body: nodes.Statement) -> nodes.Block:
        return nodes.Block(place, body)

    def body(self, place: Place, one: nodes.Statement | nodes.Block) -> nodes.Body:
        return one.body if isinstance(one, nodes.Block) else (one,)

    def null_stm(self, place: Place) -> nodes.Empty:
        return nodes.Empty(place)

    def if_stm(
        self, place: Place, _: Token, condition: nodes.Expression, then: nodes.Body, otherwise: nodes.Body | None
    ) -> nodes.If:
        return nodes.If(place, condition, then, otherwise)

    def while_stm(self, place: Place, _: Token, condition: nodes.Expression, body: nodes.Body) -> nodes.While:
        return nodes.While(place, condition, body)

    def for_stm(
        self, place: Place, _: Token, iterator: nodes.Variable, items: nodes.Variable, body: nodes.Body
    ) -> nodes.For:
        return nodes.For(place, iterator, items, body)

    def switch_stm(self, place: Place, _: Token, subject: nodes.Variable, *cases: nodes.Case) -> nodes.Switch:
        return nodes.Switch(place, subject, cases)

    def case(self, place: Place, _: Token, value: nodes.Number | nodes.Text, *body: nodes.Statement) -> nodes.Case:
        return nodes.Case(place, value, body)

    def default(self, place: Place, _: Token, *body: nodes.Statement) -> nodes.Case:
        return nodes.Case(place, None, body)

    def break_stm(self, place: Place, _: Token) -> nodes.Break:
        return nodes.Break(place)

    def return_stm(self, place: Place, _: Token, values: Any) -> nodes.Return:
        return nodes.Return(place, values or ())

    def return_value(self, place: Place, *values: Any) -> tuple[Any, ...]:
        return () if values == (None,) else values

    def exit_stm(self, place: Place, _: Token) -> nodes.Exit:
        return nodes.Exit(place)

    def drop_stm(self, place: Place, _: Token) -> nodes.Drop:
        return nodes.Drop(place)

    def assign(self, place: Place, target: nodes.Variable, operator: Token, value: nodes.Value) -> nodes.Assign:
        return nodes.Assign(place, target, str(operator), value)

    def assert_stm(self, place: Place, _: Token, condition: nodes.Expression, text: Token | None) -> nodes.Assert:
        return nodes.Assert(place, condition, self.text_of(text))

    def async_stm(self, place: Place, _: Token, call: nodes.Call, resume: Token, timeout: Token | None) -> nodes.Async:
        return nodes.Async(place, call, self.text_of(resume), literals.number(timeout or "0") or 0)

    def launch_stm(
        self, place: Place, _: Token, call: nodes.Call, resume: Token | None, text: nodes.Text | None
    ) -> nodes.Launch:
        return nodes.Launch(place, call, self.text_of(resume) if resume is not None else None, text)

    # -- calls

    def call(self, place: Place, name: Token, *arguments: Any) -> nodes.Call:
        if name in BRANCH_FLAG_CALLS and len(arguments) == 2 and isinstance(arguments[0], nodes.Number):
            arguments = (arguments[1], arguments[0])
        return nodes.Call(place, str(name), () if arguments == (None,) else arguments)

    def bare(self, place: Place, name: Token) -> nodes.Call:
        return nodes.Call(place, str(name), (), brackets=False)

    def word(self, place: Place, name: Token) -> nodes.Word:
        return nodes.Word(place, str(name))

    def bare_text(self, place: Place, text: Token) -> nodes.Text:
        return nodes.Text(place, str(text))

    def strings(self, place: Place, *parts: Token) -> nodes.Text | nodes.Strings:
        texts = tuple(self.string(self.place(one), one) for one in parts)
        return texts[0] if len(texts) == 1 else nodes.Strings(place, texts)

    def route_call(self, place: Place, _: Token, target: Any, *arguments: Any) -> nodes.RouteCall:
        if isinstance(target, Token):
            target = nodes.Text(self.place(target), self.text_of(target))
        return nodes.RouteCall(place, target, arguments)

    # -- expressions

    def and_exp(self, place: Place, left: nodes.Expression, right: nodes.Expression) -> nodes.And:
        return nodes.And(place, left, right)

    def or_exp(self, place: Place, left: nodes.Expression, right: nodes.Expression) -> nodes.Or:
        return nodes.Or(place, left, right)

    def not_exp(self, place: Place, inner: nodes.Expression) -> nodes.Not:
        return nodes.Not(place, inner)

    def value_exp(self, place: Place, value: nodes.Value) -> nodes.ValueOf:
        return nodes.ValueOf(place, value)

    def compare(self, place: Place, left: nodes.Variable, operator: Token, right: Any) -> nodes.Compare:
        return nodes.Compare(place, left, str(operator), right)

    def binary(self, place: Place, left: nodes.Value, operator: Token, right: nodes.Value) -> nodes.Binary:
        return nodes.Binary(place, left, str(operator), right)

    def complement(self, place: Place, value: nodes.Value) -> nodes.Complement:
        return nodes.Complement(place, value)

    def null(self, place: Place, _: Token) -> nodes.Null:
        return nodes.Null(place)

    def address(self, place: Place, text: Token) -> nodes.Address:
        return nodes.Address(place, str(text))

    def string(self, place: Place, text: Token) -> nodes.Text:
        return nodes.Text(place, literals.string(text))

    def snumber(self, place: Place, sign: Token | None, digits: Token) -> nodes.Number:
        return nodes.Number(place, literals.number(f"{sign or ''}{digits}") or 0)

    def variable(self, place: Place, token: Token) -> nodes.Variable:
        try:
            return parse_variable(token, place)
        except BadName as problem:
            self.complain(place, str(problem))
            return nodes.Variable(place, str(token), "")
