"""Operations as statements of SQLAlchemy: one for each shape, made once, with the values beside it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from .sqldialect import Dialect
from .sqlwork import OPERATORS, Delete, Insert, Operation, Select, SqlError, Update, Upsert, Where

MOST_SHAPES: Final = 1000
Parameters = dict[str, Any]
Shape = tuple[Any, ...]


class Statements:
    """Statements by shape. Used by several threads: two may make the same one, which does no harm."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.made: dict[Shape, sa.Executable] = {}

    def of(self, work: Select | Operation) -> tuple[sa.Executable, Parameters]:
        """The statement of an operation, the same object for the same shape. Raises SqlError."""
        parameters: Parameters = {}
        match work:
            case Select(table, columns, where, order, most):
                shape: Shape = ("select", table, tuple(columns), self.shape_of(where, parameters), order, most)
            case Insert(table, row):
                shape = ("insert", table, tuple(row))
                self.fill(parameters, "v", list(row.values()))
            case Update(table, where, values):
                shape = ("update", table, self.shape_of(where, parameters), tuple(values))
                self.fill(parameters, "v", list(values.values()))
            case Delete(table, where):
                shape = ("delete", table, self.shape_of(where, parameters))
            case Upsert(table, keys, values):
                shape = ("upsert", table, tuple(keys), tuple(values))
                self.fill(parameters, "v", [*keys.values(), *values.values()])
        statement = self.made.get(shape)
        if statement is None:
            if len(self.made) >= MOST_SHAPES:
                self.made.clear()
            statement = self.made[shape] = self.make(shape)
        return statement, parameters

    def fill(self, parameters: Parameters, letter: str, values: Sequence[Any]) -> None:
        for number, value in enumerate(values):
            parameters[f"{letter}{number}"] = self.dialect.value(value)

    def shape_of(self, where: Where, parameters: Parameters) -> Shape:
        """(column, operator, whether it is NULL) of each condition; its value goes into the parameters."""
        shape = []
        for number, (column, operator, value) in enumerate(where):
            if operator not in OPERATORS:
                raise SqlError(f'"{operator}" is no operator: {" ".join(OPERATORS)}')
            if operator == "in":
                parameters[f"w{number}"] = [self.dialect.value(one) for one in value]
            elif value is not None:
                parameters[f"w{number}"] = self.dialect.value(value)
            shape.append((column, operator, value is None))
        return tuple(shape)

    def make(self, shape: Shape) -> sa.Executable:
        kind, name, *rest = shape
        if kind == "select":
            columns, where, order, most = rest
            return select_of(table_of(name, columns), columns, where, order, most)
        if kind == "insert":
            return sa.insert(table_of(name, rest[0])).values(marks(rest[0]))
        if kind == "update":
            where, columns = rest
            return sa.update(table_of(name, columns)).values(marks(columns)).where(*conditions(where))
        if kind == "delete":
            return sa.delete(table_of(name, ())).where(*conditions(rest[0]))
        keys, values = rest
        upsert = self.dialect.upsert(table_of(name, [*keys, *values]), list(keys), list(values))
        made: sa.Insert = upsert.values(marks([*keys, *values]))
        return made


def table_of(name: str, columns: Sequence[str]) -> sa.TableClause:
    """`table` or `schema.table`."""
    schema, _, bare = name.rpartition(".")
    return sa.table(bare, *(sa.column(column) for column in dict.fromkeys(columns)), schema=schema or None)


def marks(columns: Sequence[str]) -> dict[str, Any]:
    """A place for the value of each column. It has no type: the value goes to the driver as it is."""
    return {column: sa.bindparam(f"v{number}", type_=sa.types.NullType()) for number, column in enumerate(columns)}


def select_of(table: sa.TableClause, columns: Sequence[str], where: Shape, order: str, most: int) -> "sa.Select[Any]":
    statement = sa.select(*(table.c[column] for column in columns)).where(*conditions(where))
    for word in filter(None, (part.strip() for part in order.split(","))):
        name, _, way = word.partition(" ")
        ordered: sa.ColumnClause[Any] = sa.column(name)
        statement = statement.order_by(ordered.desc() if way.strip().lower() == "desc" else ordered)
    return statement.limit(most) if most else statement


COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": lambda column, mark: column == mark,
    "!=": lambda column, mark: column != mark,
    "<": lambda column, mark: column < mark,
    ">": lambda column, mark: column > mark,
    "<=": lambda column, mark: column <= mark,
    ">=": lambda column, mark: column >= mark,
}


def conditions(where: Shape) -> list[Any]:
    made: list[Any] = []
    for number, (name, operator, is_null) in enumerate(where):
        column: Any = sa.column(name)
        if operator == "in":
            made.append(column.in_(sa.bindparam(f"w{number}", type_=sa.types.NullType(), expanding=True)))
        elif is_null:
            made.append(column.is_not(None) if operator == "!=" else column.is_(None))
        else:
            made.append(COMPARISONS[operator](column, sa.bindparam(f"w{number}", type_=sa.types.NullType())))
    return made


def marked(text: str, style: str) -> str:
    """Raw SQL with `?` marks, as a driver wants it: `?` (qmark) or `%s`. What is quoted stays as it is."""
    if style == "qmark":
        return text
    made: list[str] = []
    quote = ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        made.append("%%" if letter == "%" else "%s" if letter == "?" and not quote else letter)
    return "".join(made)
