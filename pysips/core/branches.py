"""The branch set: where a request goes (OpenSIPS calls the added ones its dset).

Branch 0 is the message itself (`ctx.uri`, `ctx.dst` …); others wait in `ctx.branches`, at most 11 (12 in all).
`serialize` sorts them by q into groups, `next_group` loads one group after another (RFC 3261 section 16.6).
"""

from typing import TYPE_CHECKING, Final, final

from pysips.script.values import Value

from .services import Socket

if TYPE_CHECKING:
    from .context import Context

MOST_ADDED: Final = 11
Q_UNSET: Final = -1
HIGHEST_Q: Final = 1000


@final
class Branch:
    """One target: Request-URI, next hop, Path, q (0–1000, -1 unset), flags, sending socket.

    attributes: what `$msg.branch.attr` holds; contact: the id of the binding that it came from, or "".
    """

    __slots__ = ("attributes", "contact", "dst", "flags", "path", "q", "socket", "uri")

    def __init__(
        self, uri: str, dst: str = "", path: str = "", q: int = Q_UNSET, flags: int = 0, socket: Socket | None = None
    ) -> None:
        self.uri: str = uri
        self.dst: str = dst
        self.path: str = path
        self.q: int = q
        self.flags: int = flags
        self.socket: Socket | None = socket
        self.attributes: dict[str, Value] | None = None
        self.contact: str = ""


def append(ctx: "Context", branch: Branch) -> bool:
    """Add a branch; False when the set is full."""
    if len(ctx.branches) >= MOST_ADDED:
        return False
    ctx.branches.append(branch)
    return True


def from_message(ctx: "Context") -> Branch:
    """The message's own branch (branch 0) as a Branch."""
    made = Branch(ctx.request_uri(), ctx.dst, ctx.path, ctx.q, ctx.bflags, ctx.send_socket)
    made.attributes = ctx.attributes
    return made


def to_message(ctx: "Context", branch: Branch) -> None:
    """Make a branch the message's own."""
    ctx.set_uri(branch.uri)
    ctx.dst = branch.dst
    ctx.path = branch.path
    ctx.q = branch.q
    ctx.bflags = branch.flags
    ctx.send_socket = branch.socket
    ctx.attributes = branch.attributes


def all_of(ctx: "Context") -> list[Branch]:
    """Every target, branch 0 first."""
    return [from_message(ctx), *ctx.branches]


def serialize(ctx: "Context", clear: bool, one_by_one: bool) -> None:
    """Move the set into groups of equal q, highest first; `one_by_one` keeps the order and makes groups of one.

    With all q equal there is one group, and the set stays as it is.
    """
    if clear:
        ctx.groups = []
    targets = all_of(ctx)
    if one_by_one:
        groups = [[target] for target in targets]
    else:
        by_q: dict[int, list[Branch]] = {}
        for target in targets:
            by_q.setdefault(target.q, []).append(target)
        groups = [by_q[q] for q in sorted(by_q, reverse=True)]
    if len(groups) < 2:
        return
    ctx.groups = ctx.groups + groups
    ctx.branches = []


def next_group(ctx: "Context") -> int:
    """Load the next group: 1 when more are left, 2 when it was the last, -1 when there was none."""
    if not ctx.groups:
        return -1
    group = ctx.groups[0]
    ctx.groups = ctx.groups[1:]
    to_message(ctx, group[0])
    ctx.branches = group[1:]
    return 1 if ctx.groups else 2


def contacts(ctx: "Context") -> str:
    """`Contact:` and all targets for a redirection, with CRLF: the Request-URI if rewritten, and the branches.

    "" if there is none (`$ds`; RFC 3261 section 8.3).
    """
    targets = list(ctx.branches)
    if ctx.uri:
        targets.insert(0, from_message(ctx))
    if not targets:
        return ""
    return "Contact: " + ", ".join(["<" + one.uri + ">" + q_param(one.q) for one in targets]) + "\r\n"


def q_param(q: int) -> str:
    """`;q=0.5` for 500; "" for none."""
    return "" if q < 0 else ";q=" + q_text(q)


def q_text(q: int) -> str:
    """A q value of 0 to 1000 as SIP writes it: 0, 0.25, 1."""
    if q <= 0 or q >= 1000:
        return "0" if q <= 0 else "1"
    return "0." + str(1000 + q)[1:].rstrip("0")


def q_of(text: str) -> int | None:
    """The q value that `text` is, in thousandths; None for anything but a number from 0 to 1.

    Three digits count, as many more may follow (RFC 3261 section 25.1 has three; OpenSIPS cuts the others off).
    """
    whole, dot, rest = text.strip(" \t").partition(".")
    digits = whole + rest
    if (dot and not rest) or not digits.isascii() or not digits.isdigit():
        return None
    whole = whole.lstrip("0")
    if not whole:
        return int((rest + "000")[:3])
    return HIGHEST_Q if whole == "1" and not rest.strip("0") else None
