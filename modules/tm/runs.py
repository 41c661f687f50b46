"""The contexts in which routes of a transaction run: branch_route, failure_route, onreply_route.

Facts:
- a branch_route sees the request with the branch's destination; what it edits goes out on that branch only;
- a failure_route sees the request as it was received (Request-URI, no `$du`, no branch flags), with the edits that
  the request route made, and with the message flags and AVPs of the transaction (OpenSIPS: fake_req);
- an onreply_route sees the reply; flags are the transaction's, branch flags the branch's.
"""

from pysips.core.branches import Branch, to_message
from pysips.core.context import BRANCH, FAILURE, REPLY, Context

from .table import Client, Transaction


def derived(ctx: Context, kind: int) -> Context:
    """A context of the same request for another route; edits made there stay there, notes and AVPs are shared."""
    if ctx.extra is None:
        ctx.extra = {}
    made = Context(ctx.services, ctx.program, ctx.message, ctx.source, kind)
    made.edits = ctx.edits.copy()
    made.flags = ctx.flags
    made.avps = ctx.avps
    made.vars = ctx.vars
    made.transaction = ctx.transaction
    made.request = ctx
    made.to_tag = ctx.to_tag
    made.reply_headers = ctx.reply_headers
    made.via_flags = ctx.via_flags
    made.advertised_host = ctx.advertised_host
    made.advertised_port = ctx.advertised_port
    made.extra = ctx.extra
    made.groups = ctx.groups
    return made


def branch_context(ctx: Context, branch: Branch, index: int) -> Context:
    """For the branch_route of one branch."""
    made = derived(ctx, BRANCH)
    to_message(made, branch)
    made.branch_index = index
    return made


def failure_context(transaction: Transaction, client: Client) -> Context:
    """For the failure_route, with the branch whose reply was picked."""
    made = derived(transaction.ctx, FAILURE)
    made.flags = transaction.flags
    made.avps = transaction.avps
    made.vars = made.program.vars
    made.branch_index = client.index
    return made


def enter_reply(transaction: Transaction, client: Client, ctx: Context) -> None:
    """Make the context of a reply that of its transaction's onreply_route."""
    ctx.kind = REPLY
    ctx.program = transaction.ctx.program
    ctx.transaction = transaction
    ctx.request = transaction.ctx
    ctx.branch_index = client.index
    ctx.flags = transaction.flags
    ctx.bflags = client.branch.flags
    if transaction.table.settings.reply_avps:
        ctx.avps = transaction.avps


def leave_reply(transaction: Transaction, client: Client, ctx: Context) -> None:
    """Keep what the onreply_route changed of the flags."""
    transaction.flags = ctx.flags
    transaction.ctx.flags = ctx.flags
    client.branch.flags = ctx.bflags
