"""Core functions on the branch set (OpenSIPS manual: core functions; dset in its sources)."""

from pysips.sip.rewrite import is_one_line

from . import branches
from .branches import Q_UNSET, Branch
from .context import FAILURE, REQUEST, Context
from .exports import Module, function
from .log import log


class BranchFunctions(Module):
    """Part of the core module; see functions.py."""

    @function("append_msg_branch")
    def append_message_branch(self, ctx: Context, uri: str, q: str = "", flags: str = "") -> int:
        """Add a branch; with the flag "inherite" it takes `$du`, Path, socket, flags and q of the message's own."""
        if flags not in ("", "inherite"):
            log.error("core:append_msg_branch", f'unknown flag "{flags}": it takes "inherite"')
            return -1
        return add(ctx, uri, q, inherit=bool(flags))

    @function("append_branch")
    @function("append_branch_old")
    def append_branch(self, ctx: Context, uri: str = "", q: str = "") -> int:
        """Add a branch with the message's own `$du`, Path, socket and flags.

        Without a URI the message's own branch is copied, and then cleared of all but its Request-URI.
        """
        if uri:
            return add(ctx, uri, q, inherit=True)
        if not branches.append(ctx, branches.from_message(ctx)):
            log.error("core:append_branch", "the branch set is full")
            return -1
        ctx.dst = ctx.path = ""
        ctx.q = Q_UNSET
        ctx.bflags = 0
        ctx.send_socket = None
        return 1

    @function("remove_msg_branch")
    @function("remove_branch")
    def remove_branch(self, ctx: Context, index: int) -> int:
        """Take an added branch out, counted from 0; those behind it move up."""
        if not 0 <= index < len(ctx.branches):
            return -1
        del ctx.branches[index]
        return 1

    @function("move_msg_branch")
    @function("move_branch")
    def move_branch(self, ctx: Context, source: int | None = None, target: int | None = None, keep: str = "") -> int:
        """Put the branch `source` in the place of `target`; "keep" leaves it where it was, too.

        Added branches count from 0; omitted or negative means the message's own.
        """
        a, b = own(source), own(target)
        if a == b:
            return 1
        if not (exists(ctx, a) and exists(ctx, b)):
            return -1
        put(ctx, b, duplicate(take(ctx, a)))
        if a >= 0 and keep != "keep":
            del ctx.branches[a]
        return 1

    @function("swap_msg_branches")
    @function("swap_branches")
    def swap_branches(self, ctx: Context, first: int | None = None, second: int | None = None) -> int:
        """Let two branches change places; numbers as in move_msg_branch."""
        a, b = own(first), own(second)
        if a == b:
            return 1
        if not (exists(ctx, a) and exists(ctx, b)):
            return -1
        one, other = take(ctx, a), take(ctx, b)
        put(ctx, a, other)
        put(ctx, b, one)
        return 1

    @function("serialize_branches")
    def serialize_branches(self, ctx: Context, clear: int, keep_order: int = 0) -> int:
        """Sort the branches by q into groups for next_branches; clear: forget earlier groups.

        keep_order: one by one, in the order in which they stand.
        """
        branches.serialize(ctx, bool(clear), bool(keep_order))
        return 1

    @function("next_branches")
    def next_branches(self, ctx: Context) -> int:
        """Load the next group of branches: 1 more are left, 2 it was the last, -1 there was none."""
        if ctx.kind not in (REQUEST, FAILURE):
            return -1
        return branches.next_group(ctx)


def add(ctx: Context, uri: str, q: str, inherit: bool) -> int:
    """Append a branch of this URI; q: a text from 0 to 1, "" for none."""
    value = branches.q_of(q) if q.strip() else Q_UNSET
    if not uri or not is_one_line(uri) or value is None:
        log.error("core:append_branch", f"refused: {uri} q={q}")
        return -1
    made = branches.from_message(ctx) if inherit else Branch(uri)
    made.uri = uri
    made.attributes = None
    if q or not inherit:
        made.q = value
    if not branches.append(ctx, made):
        log.error("core:append_branch", "the branch set is full")
        return -1
    return 1


def own(index: int | None) -> int:
    """-1 for the message's own branch."""
    return -1 if index is None or index < 0 else index


def exists(ctx: Context, index: int) -> bool:
    """Whether there is such a branch; -1 is always there."""
    return index < len(ctx.branches)


def take(ctx: Context, index: int) -> Branch:
    """A branch by its number; -1: the message's own."""
    return branches.from_message(ctx) if index < 0 else ctx.branches[index]


def put(ctx: Context, index: int, branch: Branch) -> None:
    """Put a branch in a place; -1: make it the message's own."""
    if index < 0:
        branches.to_message(ctx, branch)
    else:
        ctx.branches[index] = branch


def duplicate(branch: Branch) -> Branch:
    """A branch of its own with the same facts."""
    made = Branch(branch.uri, branch.dst, branch.path, branch.q, branch.flags, branch.socket)
    made.attributes = None if branch.attributes is None else dict(branch.attributes)
    made.contact = branch.contact
    return made
