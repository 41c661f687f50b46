"""Python syntax trees in short: the few shapes that compiled routes are made of."""

import ast
from collections.abc import Sequence
from typing import TypeVar

from pysips.errors import Place

Located = TypeVar("Located", ast.expr, ast.stmt)
CTX = "ctx"
COMPARISONS: dict[str, ast.cmpop] = {
    "==": ast.Eq(), "!=": ast.NotEq(), "<": ast.Lt(), ">": ast.Gt(), "<=": ast.LtE(), ">=": ast.GtE(),
    "is": ast.Is(), "is not": ast.IsNot(), "in": ast.In(), "not in": ast.NotIn(),
}  # fmt: skip


def name(text: str) -> ast.Name:
    return ast.Name(text, ast.Load())


def constant(value: object) -> ast.Constant:
    return ast.Constant(value)  # type: ignore[arg-type]


def attribute(of: str, *path: str) -> ast.expr:
    """`ctx.vars.get` …"""
    found: ast.expr = name(of)
    for word in path:
        found = ast.Attribute(found, word, ast.Load())
    return found


def member(of: ast.expr, word: str) -> ast.expr:
    """`of.word`."""
    return ast.Attribute(of, word, ast.Load())


def call(function: ast.expr | str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(name(function) if isinstance(function, str) else function, list(arguments), [])


def compare(left: ast.expr, sign: str, right: ast.expr | object) -> ast.Compare:
    other = right if isinstance(right, ast.expr) else constant(right)
    return ast.Compare(left, [COMPARISONS[sign]], [other])


def walrus(target: str, value: ast.expr) -> ast.NamedExpr:
    """`(target := value)`."""
    return ast.NamedExpr(ast.Name(target, ast.Store()), value)


def both(*parts: ast.expr) -> ast.expr:
    """`a and b`, flat."""
    return _joined(ast.And, parts)


def either(*parts: ast.expr) -> ast.expr:
    """`a or b`, flat."""
    return _joined(ast.Or, parts)


def _joined(kind: type[ast.And] | type[ast.Or], parts: Sequence[ast.expr]) -> ast.expr:
    flat: list[ast.expr] = []
    for part in parts:
        if isinstance(part, ast.BoolOp) and isinstance(part.op, kind):
            flat += part.values
        else:
            flat.append(part)
    return flat[0] if len(flat) == 1 else ast.BoolOp(kind(), flat)


def negated(part: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), part)


def given(test: ast.expr, yes: ast.expr, no: ast.expr) -> ast.IfExp:
    return ast.IfExp(test, yes, no)


def tuple_of(*parts: ast.expr) -> ast.expr:
    return ast.Tuple(list(parts), ast.Load())


def expression(value: ast.expr) -> ast.stmt:
    return ast.Expr(value)


def assign(value: ast.expr, *targets: ast.expr) -> ast.stmt:
    """Targets are names or attributes as `attribute` makes them."""
    return ast.Assign([stored(one) for one in targets], value)


def stored(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        target.ctx = ast.Store()
    return target


def item(of: ast.expr, key: str) -> ast.expr:
    return ast.Subscript(of, constant(key), ast.Load())


def when(test: ast.expr, then: list[ast.stmt], otherwise: list[ast.stmt] | None = None) -> ast.stmt:
    return ast.If(test, then or [ast.Pass()], otherwise or [])


def result(value: ast.expr | int) -> ast.stmt:
    return ast.Return(constant(value) if isinstance(value, int) else value)


def function(title: str, body: list[ast.stmt], waits: bool) -> ast.stmt:
    """`def title(ctx)`, or `async def`."""
    kind = ast.AsyncFunctionDef if waits else ast.FunctionDef
    return kind(title, _arguments(CTX), body or [ast.Pass()], [], None)


def thunk(value: ast.expr) -> ast.expr:
    """`lambda: value`."""
    return ast.Lambda(_arguments(), value)


def function_of_ctx(value: ast.expr) -> ast.expr:
    """`lambda ctx: value`."""
    return ast.Lambda(_arguments(CTX), value)


def _arguments(*names: str) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[], args=[ast.arg(one) for one in names], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None,
        defaults=[],
    )  # fmt: skip


def at(node: Located, place: Place) -> Located:
    """The node with the script's own place, so that tracebacks show the script."""
    node.lineno = place.line
    node.col_offset = place.column - 1
    node.end_lineno = max(place.end_line, place.line)
    node.end_col_offset = max(place.end_column - 1, 0)
    if node.end_lineno == node.lineno:
        node.end_col_offset = max(node.end_col_offset, node.col_offset)
    return node
