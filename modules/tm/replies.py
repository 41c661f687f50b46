"""Replies from downstream and the time they take: onreply_route, failure_route, the decision (RFC 3261 section 16.7).

Facts:
- only the branches of the newest t_relay compete: a failure_route has dealt with the older ones; a 6xx wins at once;
- routes of one transaction run one after the other: what comes while one waits is kept in order;
- a repeated reply is absorbed here (section 17.1), a repeated negative one acknowledged again;
- a branch that gives up counts as 408; what it says later is acknowledged here and goes no further, but for a 2xx
  that comes when the final reply is out: the callee has a call, and its caller must know (section 16.7 step 5).
"""

from typing import TYPE_CHECKING, Final, final

from pysips.core.context import Context
from pysips.core.services import RELIABLE
from pysips.sip.transaction import (
    ACKNOWLEDGE,
    PASS,
    REPEAT,
    RESEND,
    TERMINATED,
    heard,
)  # fmt: skip

from .acks import acknowledge, acknowledge_success
from .cancel import ELSEWHERE, NO_ANSWER, cancel_branches, cancel_client, cancel_wanted
from .choice import UNDECIDED, is_elsewhere, pick
from .forking import SEND_FAILED, excuse, failover, retarget
from .reasons import reason_of
from .runs import enter_reply, failure_context, leave_reply
from .serving import Serving
from .settings import Stats
from .table import Client, Machine, Table, Transaction

if TYPE_CHECKING:
    from pysips.core.program import Program

SOON: Final = 0.001  # a timer that fires this much early is on time
MOST_QUEUED: Final = 64  # replies that wait for a route of their transaction
PARKED: Final = "tm.parked"  # a reply's context: its onreply_route has begun an async()
PARKED_IN: Final = "tm.parked_in"  # and is over; 1 for the branch's route, 0 for the transaction's


@final
class Replies(Machine):
    """The work on replies and timers of a worker's transactions."""

    __slots__ = ("program", "serving", "stats", "table")

    def __init__(self, table: Table, program: "Program") -> None:
        self.table: Table = table
        self.serving: Serving = Serving(table, program)
        self.stats: Stats = table.stats
        self.program: Program = program
        table.machine = self

    # -- what comes from downstream

    def take(self, ctx: Context) -> bool:
        """A reply came: True if it belongs to a transaction of ours."""
        client = self.table.of_reply(ctx.message)
        if client is None:
            return False
        self.stats.received_replies.inc()
        transaction = client.transaction
        if transaction is None:
            return False
        if not transaction.busy:
            self.matched(transaction, client, ctx)
        elif len(transaction.queue) < MOST_QUEUED:
            transaction.queue.append((client, ctx))  # beyond that its sender will repeat what matters
        return True

    def matched(self, transaction: Transaction, client: Client, ctx: Context) -> None:
        """A reply of a branch, in its turn."""
        message = ctx.message
        status = message.status
        if transaction.invite and message.method == "CANCEL":
            if client.cancel is not None:
                client.cancel.due = 0
            return
        todo = client.step(heard(status))
        if todo & ACKNOWLEDGE:
            acknowledge(transaction, client, message)
        if not todo & PASS:
            return
        client.replied = True
        if status >= 200:
            client.due = 0
            if status < 300 and transaction.invite and (transaction.local or transaction.peer is None):
                acknowledge_success(transaction, client, message)
        observers = transaction.observers
        if observers is not None:
            for observer in observers:
                observer.reply_came(transaction, ctx)
        if not client.on_reply and not transaction.on_reply:
            self.routed(transaction, client, ctx)
            return
        enter_reply(transaction, client, ctx)
        if client.on_reply:
            self.run(transaction, ctx, client.on_reply, True)
        else:
            self.run(transaction, ctx, transaction.on_reply, False)

    def run(self, transaction: Transaction, ctx: Context, name: str, of_branch: bool) -> None:
        """Run an onreply_route; what follows comes now or when it has waited."""
        route = transaction.ctx.program.routes.get(("onreply_route", name))
        if route is None:
            self.after_route(ctx, of_branch)
            return
        transaction.busy = True
        then = self.branch_route_ended if of_branch else self.reply_route_ended
        broke = self.branch_route_broke if of_branch else self.reply_route_broke
        try:
            result = route(ctx)
        except Exception as problem:
            broke(ctx, problem)
            return
        self.program.runs.start(ctx, result, then, broke)

    def branch_route_ended(self, ctx: Context, code: int) -> None:
        self.after_route(ctx, True)

    def branch_route_broke(self, ctx: Context, problem: BaseException) -> None:
        self.program.tell_failure(problem, "an onreply_route failed")
        self.after_route(ctx, True)

    def reply_route_ended(self, ctx: Context, code: int) -> None:
        self.after_route(ctx, False)

    def reply_route_broke(self, ctx: Context, problem: BaseException) -> None:
        self.program.tell_failure(problem, "an onreply_route failed")
        self.after_route(ctx, False)

    def after_route(self, ctx: Context, of_branch: bool) -> None:
        """An onreply_route is over: the transaction's follows the branch's, then the reply itself."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None or transaction.state == TERMINATED:
            return
        if ctx.extra is not None and ctx.extra.get(PARKED):
            ctx.extra[PARKED_IN] = 1 if of_branch else 0
            return
        client = transaction.clients[ctx.branch_index]
        dropped = ctx.dropped and ctx.message.status < 200
        if of_branch and not dropped and transaction.on_reply:
            ctx.dropped = False
            self.run(transaction, ctx, transaction.on_reply, False)
            return
        leave_reply(transaction, client, ctx)
        transaction.busy = False
        if not dropped:
            self.routed(transaction, client, ctx)
        self.drain(transaction)

    def unpark(self, ctx: Context) -> None:
        """What an onreply_route began by async() is over, and so is the route that followed."""
        ctx.note(PARKED, None)
        of_branch: int = ctx.noted(PARKED_IN) or 0
        self.after_route(ctx, of_branch == 1)

    def drain(self, transaction: Transaction) -> None:
        """Take what came while a route waited."""
        while transaction.queue and not transaction.busy:
            client, ctx = transaction.queue.pop(0)
            if ctx is not None:
                self.matched(transaction, client, ctx)
            elif client.transaction is None:
                continue
            elif client.status >= 200:
                self.negative(transaction, client, None)
            else:
                self.give_up(transaction, client)

    def routed(self, transaction: Transaction, client: Client, ctx: Context) -> None:
        """A reply whose routes have run: what becomes of it."""
        status = ctx.message.status
        before = client.status
        if status < 200:
            if client.cancel_asked or (transaction.cancelled and client.cancel is None and transaction.invite):
                client.status = status if before == 0 else before
                cancel_client(client, "")
            self.provisional(transaction, client, ctx, before)
        elif status < 300:
            self.success(transaction, client, ctx)
        else:
            self.negative(transaction, client, ctx)

    def provisional(self, transaction: Transaction, client: Client, ctx: Context, before: int) -> None:
        """1xx: goes up but for 100, and moves the end of patience (timer C)."""
        status = ctx.message.status
        if transaction.status >= 200 or before >= 200:
            return
        client.status = status
        if status != 100:
            self.serving.up(transaction, client, ctx)
        settings = self.table.settings
        peer = client.peer
        if client.state == TERMINATED or peer is None:
            return
        restart = settings.restart_fr or (before < status and (status >= 180 or before == 0))
        services = self.table.services
        if transaction.invite:
            client.wait = 0.0
            if restart:
                patience = transaction.invite_timeout()
                client.deadline = services.clock.now() + patience
                services.timers.add(client, patience)
        elif peer.proto not in RELIABLE:
            client.wait = settings.t2

    def success(self, transaction: Transaction, client: Client, ctx: Context) -> None:
        """2xx: goes up at once, also a second one of an INVITE, or one that crosses our CANCEL after the final reply.

        The first one has the other branches cancelled.
        """
        if transaction.status >= 200:
            if transaction.invite and not transaction.local:
                client.status = ctx.message.status
                self.serving.up(transaction, client, ctx)
                if transaction.multi_200:
                    self.settle_multi(transaction)
            return
        if client.status >= 300:
            return  # we gave up on it, and other branches run
        client.status = ctx.message.status
        client.data = b""  # an accepted branch is never cancelled nor acknowledged by us
        self.serving.up(transaction, client, ctx)
        if transaction.multi_200 and not self.all_final(transaction):
            return
        cancel_branches(transaction, ELSEWHERE, client)
        self.serving.finish(transaction, client.status, False)

    def all_final(self, transaction: Transaction) -> bool:
        """Whether every branch of the newest t_relay has its final reply."""
        active = transaction.clients[transaction.first :]
        return not [client for client in active if client.data and client.status < 200]

    def settle_multi(self, transaction: Transaction) -> None:
        """End a transaction that lets all branches answer, when all did (RFC 3841 section 9.1, no-cancel)."""
        if transaction.state != TERMINATED and transaction.due == 0 and self.all_final(transaction):
            self.serving.finish(transaction, transaction.status, False)

    def negative(self, transaction: Transaction, client: Client, ctx: Context | None) -> None:
        """300–699 from downstream, or one that was made up (`ctx` None, `client.status` set): keep it, and decide."""
        if ctx is not None:
            if client.status >= 200:
                return
            client.status = ctx.message.status
            client.reply = ctx
        if transaction.status >= 200:
            if transaction.multi_200:
                self.settle_multi(transaction)
            return
        self.decide(transaction, client)

    def decide(self, transaction: Transaction, client: Client) -> None:
        """A branch failed: wait for the others, try elsewhere, let failure_route try, or answer."""
        if client.status >= 600 and self.table.settings.block_6xx:
            cancel_branches(transaction, "", client)
            transaction.no_new_branches = True
            picked = client
        else:
            index = pick(transaction)
            if index == UNDECIDED:
                return
            picked = transaction.clients[index] if index >= 0 else client
            cancel_branches(transaction, "", picked)  # minor branches
        transaction.picked = picked.index
        if is_elsewhere(picked):
            self.remember(picked)
            if failover(picked):
                return
        if transaction.observers is not None:
            for observer in transaction.observers:
                observer.failing(transaction, picked.status)
        if transaction.on_failure:
            self.run_failure(transaction, picked)
        else:
            self.answer_with(transaction, picked)

    # -- failure_route

    def run_failure(self, transaction: Transaction, picked: Client) -> None:
        """Run the armed failure_route, once; what follows comes now or when it has waited."""
        route = transaction.ctx.program.routes.get(("failure_route", transaction.on_failure))
        transaction.on_failure = ""
        transaction.before = len(transaction.clients)
        ctx = failure_context(transaction, picked)
        if route is None:
            self.answer_with(transaction, picked)
            return
        transaction.busy = True
        try:
            result = route(ctx)
        except Exception as problem:
            self.failure_broke(ctx, problem)
            return
        self.program.runs.start(ctx, result, self.failure_ended, self.failure_broke)

    def failure_broke(self, ctx: Context, problem: BaseException) -> None:
        self.program.tell_failure(problem, "a failure_route failed")
        self.failure_ended(ctx, -1)

    def failure_ended(self, ctx: Context, code: int) -> None:
        """failure_route is over: it answered, or began new branches, or the picked reply goes up."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None or transaction.state == TERMINATED:
            return
        transaction.flags = ctx.flags
        transaction.ctx.flags = ctx.flags
        transaction.ctx.groups = ctx.groups
        transaction.busy = False
        if ctx.at_end is not None:
            for ending in ctx.at_end:
                ending.script_ended(ctx)
        if transaction.status < 200 and not self.has_new(transaction):
            self.answer_with(transaction, transaction.clients[transaction.picked])
        self.drain(transaction)

    def has_new(self, transaction: Transaction) -> bool:
        """Whether failure_route began branches."""
        new = transaction.clients[transaction.before :]
        return bool([client for client in new if client.data or client.phony >= 0])

    # -- to the client

    def answer_with(self, transaction: Transaction, picked: Client) -> None:
        """The picked negative reply is the transaction's: send it up, or make it."""
        ctx = picked.reply
        transaction.picked = picked.index
        if ctx is not None:
            status = self.serving.up(transaction, picked, ctx)
            self.serving.finish(transaction, status, False)
        elif transaction.peer is None or transaction.local:
            self.serving.local_end(transaction, picked.status, None)
        else:
            status = picked.status
            reason = excuse(SEND_FAILED)[1] if status == SEND_FAILED else reason_of(status)
            self.serving.reply(transaction, transaction.ctx, status, reason)

    # -- time

    def client_timer(self, client: Client) -> None:
        """Timers A, B, C, E and F of a branch."""
        transaction = client.transaction
        if transaction is None:
            return
        services = self.table.services
        left = client.deadline - services.clock.now()
        if left <= SOON:
            if transaction.busy:
                transaction.queue.append((client, None))
            else:
                self.give_up(transaction, client)
            return
        peer = client.peer
        if client.wait <= 0.0 or peer is None or peer.proto in RELIABLE:
            services.timers.add(client, left)
            return
        if client.step(REPEAT) & RESEND:
            services.network.send(client.data, peer)
            self.stats.request_retransmissions[min(client.repeated, 3)].inc()
            client.repeated += 1
        client.wait = min(2 * client.wait, self.table.settings.t2)
        services.timers.add(client, client.wait if client.wait < left else left)

    def give_up(self, transaction: Transaction, client: Client) -> None:
        """No final reply in time: 408 for the branch, and a CANCEL if it ever rang (section 16.8)."""
        if client.status >= 200:
            return
        if transaction.status >= 200:
            if transaction.multi_200:
                cancel_wanted(client, NO_ANSWER)
                client.status = 408
                self.settle_multi(transaction)
            return
        if client.status > 0 and transaction.invite:
            self.stats.fr_inv_timeouts.inc()
        else:
            self.stats.fr_timeouts.inc()
        if transaction.invite:
            cancel_wanted(client, NO_ANSWER)
        client.status = 408
        self.negative(transaction, client, None)

    def unreachable(self, client: Client) -> None:
        """The network cannot deliver a branch that nobody answered yet: its next target, or 477 for it."""
        transaction = client.transaction
        if transaction is None or client.status > 0 or client.replied:
            return
        client.due = 0
        self.remember(client)
        if retarget(client, transaction):
            return
        client.targets = None
        client.status = SEND_FAILED
        if transaction.busy:
            transaction.queue.append((client, None))
        else:
            self.negative(transaction, client, None)

    def remember(self, client: Client) -> None:
        """Nobody shall be sent there for a while, if the script wants that (`disable_dns_blacklist=no`)."""
        peer = client.peer
        if peer is not None and client.transaction is not None and not client.transaction.no_failover:
            self.table.services.blacklists.remember(peer.proto, peer.host, peer.port)

    def nobody_at(self, proto: str, host: str, port: int) -> None:
        """The network says that nobody listens there: the branches that wait for a first word from there fail."""
        for client in list(self.table.clients.values()):
            peer = client.peer
            if client.status > 0 or peer is None or peer.host != host or peer.port != port or peer.proto != proto:
                continue
            self.unreachable(client)

    def server_timer(self, transaction: Transaction) -> None:
        self.serving.timer(transaction)
