"""$branch(…) and $msg.branch.…: the branch set.

$branch counts the added branches from 0. $msg.branch.… counts the message's own as 0 and the added ones from 1;
without an index it means the last one.
"""

from collections.abc import Callable
from typing import Final

from pysips.errors import BadName
from pysips.script.catalogue import Ctx, Getter, Index, Inner, Setter, VariableSpec
from pysips.script.values import Value, number_of, text_of
from pysips.sip.rewrite import is_one_line

from . import branches
from .branches import HIGHEST_Q, Q_UNSET, Branch, q_text
from .flags import FlagNames
from .variable_binding import MODULE, joined, number_at, refused, stored, text_name
from .variables_flags import bits_of, flag_names
from .variables_transport import find_socket

WORDS: Final = ("uri", "duri", "q", "path", "flags", "socket")

Read = Callable[[Branch], Value]
Write = Callable[[Ctx, Branch, Value], bool]
Pick = Callable[[Ctx], Branch | None]


def read_uri(branch: Branch) -> Value:
    return branch.uri


def read_q(branch: Branch) -> Value:
    return "" if branch.q < 0 else q_text(branch.q)


def write_uri(ctx: Ctx, branch: Branch, value: Value) -> bool:
    text = text_of(value)
    if not text or " " in text or not is_one_line(text):
        return False
    branch.uri = text
    return True


def write_hop(ctx: Ctx, branch: Branch, value: Value) -> bool:
    text = text_of(value) or ""
    if is_one_line(text):
        branch.dst = text
    return is_one_line(text)


def write_path(ctx: Ctx, branch: Branch, value: Value) -> bool:
    text = text_of(value) or ""
    if is_one_line(text):
        branch.path = text
    return is_one_line(text)


def write_q(ctx: Ctx, branch: Branch, value: Value) -> bool:
    number = Q_UNSET if value is None else number_of(value)
    if number is None:
        return False
    branch.q = max(Q_UNSET, min(number, HIGHEST_Q))
    return True


def write_socket(ctx: Ctx, branch: Branch, value: Value) -> bool:
    socket = find_socket(ctx, text_of(value) or "") if value is not None else None
    if value is not None and socket is None:
        return False
    branch.socket = socket
    return True


def parts(names: FlagNames) -> tuple[dict[str, Read], dict[str, Write]]:
    """How each field of a branch is read and written."""

    def write_flags(ctx: Ctx, branch: Branch, value: Value) -> bool:
        branch.flags = bits_of(names, text_of(value) or "")
        return True

    reads: dict[str, Read] = {
        "uri": read_uri,
        "duri": lambda branch: branch.dst or None,
        "q": read_q,
        "path": lambda branch: branch.path or None,
        "flags": lambda branch: flag_names(names, branch.flags),
        "socket": lambda branch: None if branch.socket is None else branch.socket.name,
    }
    writes: dict[str, Write] = {
        "uri": write_uri, "duri": write_hop, "q": write_q, "path": write_path, "flags": write_flags,
        "socket": write_socket,
    }  # fmt: skip
    return reads, writes


def pick_added(index: Index) -> Pick:
    """An added branch: the first one without an index."""
    place = number_at(0 if index is None else index)

    def pick(ctx: Ctx) -> Branch | None:
        at, found = place(ctx), ctx.branches
        return found[at] if at is not None and -len(found) <= at < len(found) else None

    return pick


def pick_any(index: Index) -> Callable[[Ctx], int | None]:
    """The place of any branch, counted with the message's own as 0; the last one without an index."""
    place = number_at(-1 if index is None else index)

    def pick(ctx: Ctx) -> int | None:
        at, size = place(ctx), len(ctx.branches) + 1
        return at % size if at is not None and -size <= at < size else None

    return pick


def pick_none(ctx: Ctx) -> None:
    """`[*]` can be read, not set."""


def branch_number(ctx: Ctx, at: int | None) -> Branch | None:
    """The branch at a place of `pick_any`; the message's own comes as a copy."""
    if at is None:
        return None
    return ctx.branches[at - 1] if at else branches.from_message(ctx)


def append(ctx: Ctx, value: Value, op: str) -> int:
    """$branch="sip:…": add a branch"""
    made = Branch("")
    if ctx.message.status or not write_uri(ctx, made, value) or not branches.append(ctx, made):
        return refused("branch", value, "a URI is needed, and room for one more branch")
    return 1


def first_uri(ctx: Ctx) -> Value:
    return ctx.branches[0].uri if ctx.branches else None


def added(names: FlagNames) -> VariableSpec:
    """$branch and $(branch(field)[i])"""
    reads, writes = parts(names)

    def read(inner: Inner, index: Index) -> Getter:
        part = read_uri if inner is None else reads[word(inner)]
        if index == "*":
            return lambda ctx: joined([text_of(part(branch)) or "" for branch in ctx.branches])
        pick = pick_added(index)
        return lambda ctx: None if (branch := pick(ctx)) is None else part(branch)

    def write(inner: Inner, index: Index) -> Setter:
        if inner is None:
            return append
        part, pick = writes[word(inner)], pick_none if index == "*" else pick_added(index)

        def put(ctx: Ctx, value: Value, op: str) -> int:
            branch = pick(ctx)
            if branch is None or not part(ctx, branch, value):
                return refused(f"branch({inner})", value, "no such branch, or not such a value")
            return 1

        return put

    return VariableSpec("branch", MODULE, read, write, "optional", index=True, help="The added branches.")


def word(inner: Inner) -> str:
    """The name of a branch's field; raises BadName."""
    if not isinstance(inner, str) or inner not in WORDS:
        raise BadName(f"a branch has no field {inner}: it has {', '.join(WORDS)}")
    return inner


def any_branch(name: str, part: Read, change: Write) -> VariableSpec:
    """$(msg.branch.uri[i]) and its kin"""

    def read(inner: Inner, index: Index) -> Getter:
        if index == "*":
            return lambda ctx: joined([text_of(part(branch)) or "" for branch in branches.all_of(ctx)])
        pick = pick_any(index)
        return lambda ctx: None if (branch := branch_number(ctx, pick(ctx))) is None else part(branch)

    def write(inner: Inner, index: Index) -> Setter:
        pick = pick_none if index == "*" else pick_any(index)

        def put(ctx: Ctx, value: Value, op: str) -> int:
            at = pick(ctx)
            branch = branch_number(ctx, at)
            if ctx.message.status or branch is None or not change(ctx, branch, value):
                return refused(name, value, "no such branch, or not such a value")
            if at == 0:
                branches.to_message(ctx, branch)
            return 1

        return put

    return VariableSpec(name, MODULE, read, write, index=True, help="A field of a branch, the message's own too.")


def attribute() -> VariableSpec:
    """$(msg.branch.attr(name)[i]): values of the script's own for each branch"""

    def read(inner: Inner, index: Index) -> Getter:
        key, pick = attribute_name(inner), pick_any(index)

        def get(ctx: Ctx) -> Value:
            at = pick(ctx)
            if at is None:
                return None
            kept = ctx.branches[at - 1].attributes if at else ctx.attributes
            return kept.get(key(ctx)) if kept else None

        return get

    def write(inner: Inner, index: Index) -> Setter:
        key, pick = attribute_name(inner), pick_any(index)

        def put(ctx: Ctx, value: Value, op: str) -> int:
            at = pick(ctx)
            if at is None or ctx.message.status:
                return refused("msg.branch.attr", value, "there is no such branch")
            owner = ctx.branches[at - 1] if at else ctx
            if owner.attributes is None:
                owner.attributes = {}
            owner.attributes[key(ctx)] = stored(value)
            return 1

        return put

    return VariableSpec(
        "msg.branch.attr", MODULE, read, write, "required", dynamic=True, index=True, help="A branch's own value."
    )


def attribute_name(inner: Inner) -> Callable[[Ctx], str]:
    if callable(inner):
        getter = inner
        return lambda ctx: text_of(getter(ctx)) or ""
    name = text_name("msg.branch.attr", inner).strip()
    return lambda ctx: name


def branch_variables(names: FlagNames) -> list[VariableSpec]:
    reads, writes = parts(names)
    return [
        added(names),
        VariableSpec(
            "msg.branch", MODULE, lambda inner, index: first_uri, lambda inner, index: append, help="As $branch."
        ),
        *(any_branch(f"msg.branch.{field}", reads[field], writes[field]) for field in WORDS),
        attribute(),
        VariableSpec(
            "msg.branch.last_idx", MODULE, lambda inner, index: lambda ctx: len(ctx.branches), help="The last index."
        ),
    ]
