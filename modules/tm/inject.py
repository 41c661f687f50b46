"""Branches that come later: t_wait_for_new_branches and t_inject_branches (push notification, event routing).

A transaction that waits for branches has a placeholder among them (OpenSIPS: phony): a client without a request,
whose timer is fr_inv_timeout. `Client.phony` is how many branches it waits for, 0 for any number, -1 for a real one.
"""

from typing import Final, NewType

from pysips.core.branches import Branch
from pysips.core.context import Context

from .cancel import ELSEWHERE, cancel_wanted
from .forking import Relay, never_sent
from .requests import Requests
from .runs import derived
from .table import Client, Transaction

Source = NewType("Source", str)
Flags = NewType("Flags", str)
NONE: Final = Flags("")


def source(text: str) -> Source:
    """Where the branches come from; raises ValueError."""
    word = text.strip().lower()
    if word in ("msg", "message"):
        return Source("msg")
    if word in ("event", "events"):
        raise ValueError("branches out of events are not in PySIPS yet")
    raise ValueError(f'"{text}" is not msg')


def flags(text: str) -> Flags:
    """`cancel`, or the letters c and l; raises ValueError."""
    word = text.strip().lower()
    if word == "cancel":
        return Flags("c")
    if word.strip("cl"):
        raise ValueError(f'"{text}": cancel, or c and l')
    return Flags(word)


def wait_for_branches(requests: Requests, ctx: Context, most: int) -> int:
    """Put a placeholder among the branches: 1, or -1."""
    if ctx.transaction is None:
        made = requests.newtran(ctx)
        if made != 1:
            return made if made == 0 else -1
    transaction: Transaction = ctx.transaction
    if transaction.status >= 200 or most < 0:
        return -1
    made_client = Client(
        transaction,
        Branch(ctx.request_uri()),
        transaction.branch_id(len(transaction.clients)),
        len(transaction.clients),
        transaction.invite,
    )
    # OpenSIPS counts the placeholder among the branches that it waits for.
    made_client.phony = most + 1 if most else 0
    transaction.clients.append(made_client)
    transaction.forwarded = True
    patience = transaction.invite_timeout()
    made_client.deadline = requests.table.services.clock.now() + patience
    requests.table.services.timers.add(made_client, patience)
    return 1


def wait_no_more(transaction: Transaction, extra: int) -> int:
    """Let the placeholder wait for the branches that are there and `extra` more: 1, or -1 without one."""
    for client in transaction.clients[transaction.first :]:
        if client.phony >= 0:
            client.phony = len(transaction.clients) - transaction.first + extra
            return 1
    return -1


async def inject(ctx: Context, how: Flags) -> int:
    """Send the message's branches as new ones of its transaction: 1, -1 without one, -2 after its end, -3 not sent."""
    transaction: Transaction | None = ctx.transaction
    if transaction is None:
        return -1
    if transaction.status >= 200 or transaction.cancelled or transaction.no_new_branches:
        return -2
    request = transaction.ctx
    made = derived(request, request.kind)
    if ctx.message.status:
        if not ctx.branches:
            return -1
        first, *others = ctx.branches
        ctx.branches = []
        made.set_uri(first.uri)
        made.dst, made.path, made.bflags, made.send_socket = first.dst, first.path, first.flags, first.socket
        made.branches = others
    else:
        made.uri, made.dst, made.path, made.q = ctx.uri, ctx.dst, ctx.path, ctx.q
        made.bflags, made.send_socket, made.branches = ctx.bflags, ctx.send_socket, ctx.branches
    open_ones = [client for client in transaction.clients[transaction.first :] if client.status < 200]
    work = Relay(transaction, made, None)
    if "l" in how:
        wait_no_more(transaction, len(work.branches))
    waiting = work.step(None)
    while waiting is not None:
        waiting = work.step(await waiting)
    if transaction.status >= 200:
        never_sent(work)
        return -2
    sent = work.send()
    if "c" in how:
        for client in open_ones:
            cancel_wanted(client, ELSEWHERE)
    return 1 if sent else -3


__all__ = ["NONE", "Flags", "Source", "flags", "inject", "source", "wait_for_branches", "wait_no_more"]
