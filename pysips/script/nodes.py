"""The tree of a script: small frozen classes, each with the place where it stands.

Statements yield a number when they run, expressions a value; a few nodes (calls, assignments, `if`) are both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pysips.errors import Complaint, Place


@dataclass(frozen=True, slots=True)
class Node:
    """Anything in the tree."""

    place: Place


# -- values


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal number, wrapped to 32 bits, signed."""

    number: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A literal text, escapes decoded. Whether it is a format is up to whoever takes it."""

    text: str


@dataclass(frozen=True, slots=True)
class Strings(Node):
    """Adjacent texts that stand as one argument: `"a" "b"`."""

    parts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Null(Node):
    """NULL."""


@dataclass(frozen=True, slots=True)
class Address(Node):
    """An IP address or network as a bare literal."""

    text: str


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A bare word as an argument: 2.4's `setflag(NAME)`."""

    text: str


@dataclass(frozen=True, slots=True)
class Transform:
    """`{group.name,arguments}`; arguments is None without a comma."""

    group: str
    name: str
    arguments: str | None


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`$(<context>name(inner)[index]{transform}…)`. inner and index are None when there are none."""

    text: str
    name: str
    inner: str | None = None
    index: str | None = None
    context: str | None = None
    transforms: tuple[Transform, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic and bit operations."""

    left: "Value"
    operator: str
    right: "Value"


@dataclass(frozen=True, slots=True)
class Complement(Node):
    """`~ value`."""

    value: "Value"


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """A variable on the left, always."""

    left: Variable
    operator: str
    right: "Variable | Text | Number | Null | Address"


# -- conditions


@dataclass(frozen=True, slots=True)
class And(Node):
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Or(Node):
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Not(Node):
    inner: "Expression"


@dataclass(frozen=True, slots=True)
class ValueOf(Node):
    """`[value]`: true by its value."""

    value: "Value"


@dataclass(frozen=True, slots=True)
class Block(Node):
    """`{ … }` as an expression."""

    body: "Body"


# -- statements


@dataclass(frozen=True, slots=True)
class Empty(Node):
    """A `;` alone."""


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function. An argument is None where it was left out; brackets is false for 2.4's bare `force_rport;`."""

    name: str
    arguments: "tuple[Argument | None, ...]"
    brackets: bool = True


@dataclass(frozen=True, slots=True)
class RouteCall(Node):
    """`route(name, …)`. A Text with variables in it, or a Variable, names the route at run time."""

    target: Text | Variable
    arguments: "tuple[Argument | None, ...]"


@dataclass(frozen=True, slots=True)
class Return(Node):
    """`return(code, values …)`; no code is 1."""

    values: "tuple[Argument | None, ...]"


@dataclass(frozen=True, slots=True)
class Exit(Node):
    pass


@dataclass(frozen=True, slots=True)
class Drop(Node):
    pass


@dataclass(frozen=True, slots=True)
class Break(Node):
    pass


@dataclass(frozen=True, slots=True)
class Assign(Node):
    target: Variable
    operator: str
    value: "Value | Null"


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: "Expression"
    then: "Body"
    otherwise: "Body | None"


@dataclass(frozen=True, slots=True)
class While(Node):
    condition: "Expression"
    body: "Body"


@dataclass(frozen=True, slots=True)
class For(Node):
    iterator: Variable
    items: Variable
    body: "Body"


@dataclass(frozen=True, slots=True)
class Case(Node):
    """value is None for `default`."""

    value: Number | Text | None
    body: "Body"


@dataclass(frozen=True, slots=True)
class Switch(Node):
    subject: Variable
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Assert(Node):
    condition: "Expression"
    text: str


@dataclass(frozen=True, slots=True)
class Async(Node):
    call: Call
    resume: str
    timeout: int


@dataclass(frozen=True, slots=True)
class Launch(Node):
    call: Call
    resume: str | None
    text: Text | None


Value = Number | Text | Variable | Compare | Call | RouteCall | Binary | Complement
Argument = Number | Text | Strings | Variable | Null | Word
Statement = (
    Empty | Call | RouteCall | Return | Exit | Drop | Break | Assign | If | While | For | Switch | Assert | Async
    | Launch
)  # fmt: skip
Expression = (
    And | Or | Not | ValueOf | Compare | Variable | Number | Call | RouteCall | Assign | If | Block | Exit | Drop
    | Assert | Async | Launch
)  # fmt: skip
Body = tuple[Statement, ...]


# -- top level


@dataclass(frozen=True, slots=True)
class SettingItem(Node):
    """One word of a setting's value; quoted tells `"4"` from `4`."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """`name = item item …`, with a block for blacklists and bonds: one tuple for each bracketed rule or single item."""

    name: str
    items: tuple[SettingItem, ...]
    block: tuple[tuple[SettingItem, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class LoadModule(Node):
    """path: as it stands, "tm.so", "tm", "sl/sl.so", "/usr/lib/…/tm.so"."""

    path: str


@dataclass(frozen=True, slots=True)
class ModParam(Node):
    """module: an extended regular expression over the names of loaded modules."""

    module: str
    name: str
    value: int | str


@dataclass(frozen=True, slots=True)
class RouteBlock(Node):
    """kind: "route", "failure_route" …; extra: a timer's seconds, or 2.4's sync and async."""

    kind: str
    name: str
    extra: int | str | None
    body: Body


Item = Setting | LoadModule | ModParam | RouteBlock


@dataclass(frozen=True, slots=True)
class Script:
    """A whole configuration, in the order in which it stands.

    lines: those of each file, for messages; included: the file and line that an included file was put in at.
    """

    file: str
    items: tuple[Item, ...]
    lines: dict[tuple[str, int], str] = field(default_factory=dict)
    included: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def settings(self) -> list[Setting]:
        return [item for item in self.items if isinstance(item, Setting)]

    @property
    def routes(self) -> list[RouteBlock]:
        return [item for item in self.items if isinstance(item, RouteBlock)]

    def complaint(self, place: Place, message: str, cure: str = "") -> Complaint:
        """A complaint with the source line that it is about."""
        return Complaint(place, message, cure, self.lines.get((place.file, place.line), ""))


def walk(root: Node | tuple[object, ...]) -> Iterator[Node]:
    """A node and everything below it, in the script's order."""
    waiting: list[object] = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            waiting.extend(reversed(one))
        elif isinstance(one, Node):
            yield one
            # a subclass's own slots are its fields but `place`, in their order
            waiting.extend([getattr(one, name) for name in reversed(one.__slots__)])
