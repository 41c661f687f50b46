"""Requests from clients: new, repeated, ACK and CANCEL (RFC 3261 sections 9.2, 16.10, 17.2)."""

from typing import Any, Final, final

from mypy_extensions import mypyc_attr

from pysips.core.answer import reply_peer
from pysips.core.branches import Branch, from_message
from pysips.core.context import Context, Ending
from pysips.core.forward import Hop, is_blocked, next_hop, outgoing, socket_for, stateless_branch
from pysips.core.log import log
from pysips.core.services import EXISTING, FAILED, Peer, Target
from pysips.core.waiting import CANCELLED
from pysips.errors import SipError
from pysips.sip.message import Message

from .cancel import GAVE_UP, cancel_branches
from .forking import (
    ALLOW_NO_CANCEL,
    CODES,
    FILTERED,
    NO_AUTO_477,
    NO_DESTINATION,
    NO_DNS_FAILOVER,
    NO_SOCKET,
    PASS_REASON,
    SEND_FAILED,
    UNRESOLVABLE,
    WANTS_RELAY,
    Relay,
    excuse,
    never_sent,
    relay_at_once,
)  # fmt: skip
from .keys import complete
from .replies import Replies
from .serving import is_accepted
from .table import OURSELVES, PLAN, Plan, Table, Transaction

# What `newtran` answers beside 1 (new) and 0 (a retransmission, or an ACK that ends here).
PASSING_ACK: Final = 2  # the ACK of a 2xx: to be sent on without state
INCOMPLETE: Final = -9
THERE_ALREADY: Final = -10

E2E_ACK: Final = -2  # what t_check_trans returns for the ACK of a 2xx


@final
class Unanswered(Ending):
    """When the script ends: a transaction that was neither answered nor sent on is let go (t_newtran alone)."""

    __slots__ = ("replies",)

    def __init__(self, replies: Replies) -> None:
        self.replies: Replies = replies

    def script_ended(self, ctx: Context) -> None:
        transaction: Transaction | None = ctx.transaction
        if transaction is None or transaction.forwarded or transaction.held or transaction.status >= 200:
            return
        if transaction.method != "ACK" and log.limited("tm:unanswered", 10.0):
            log.warn("tm", f"the script left a {transaction.method} from {ctx.source} without an answer")
        self.replies.serving.release(transaction)


@mypyc_attr(allow_interpreted_subclasses=True)
class Work:
    """Something that may have to wait: `step` until it answers None, then `end` (see driving.py)."""

    def step(self, brought: Any) -> Any:
        """Go on with what the last wait brought (None at first); what to await next, or None."""
        return None

    def end(self) -> int:
        """Nothing is left to wait for: t_relay's code."""
        return -1


@final
class RelayWork(Work):
    """t_relay of a request with a transaction. fresh: it was made for this t_relay."""

    __slots__ = ("ctx", "flags", "fresh", "relay", "requests", "transaction")

    def __init__(
        self, requests: "Requests", transaction: Transaction, ctx: Context, flags: int, fresh: bool, hop: Hop | None
    ) -> None:
        self.requests: Requests = requests
        self.transaction: Transaction = transaction
        self.ctx: Context = ctx
        self.flags: int = flags
        self.fresh: bool = fresh
        self.relay: Relay = Relay(transaction, ctx, hop)

    def step(self, brought: Any) -> Any:
        return self.relay.step(brought)

    def end(self) -> int:
        requests = self.requests
        transaction = self.transaction
        relay = self.relay
        error = requests.refusal(transaction, self.ctx)  # there may be a CANCEL by now
        if error:
            never_sent(relay)
            return CODES[error]
        if relay.send():
            return 1
        return requests.not_sent(transaction, self.ctx, self.flags, self.fresh, relay.error)


@final
class AckWork(Work):
    """t_relay of the ACK of a 2xx: it goes on without state (section 16.11)."""

    __slots__ = ("asked", "branch", "ctx", "hop", "requests", "targets")

    def __init__(self, requests: "Requests", ctx: Context, hop: Hop | None) -> None:
        self.requests: Requests = requests
        self.ctx: Context = ctx
        self.hop: Hop | None = hop
        self.branch: Branch = from_message(ctx)
        self.targets: list[Target] = []
        self.asked: bool = False

    def step(self, brought: Any) -> Any:
        if self.asked:
            self.targets = brought
            return None
        branch = self.branch
        try:
            hop = self.hop if self.hop is not None and not branch.dst else next_hop(branch)
        except SipError:
            return None
        proto = hop.proto
        if not proto and branch.socket is not None:
            proto = branch.socket.proto
        resolver = self.ctx.services.resolver
        known = resolver.known(hop.host, hop.port, proto)
        if known is None:
            self.asked = True
            return resolver.ask(hop.host, hop.port, proto)
        self.targets = known
        return None

    def end(self) -> int:
        ctx = self.ctx
        branch = self.branch
        services = ctx.services
        error = NO_SOCKET if self.targets else UNRESOLVABLE
        for target in self.targets:
            socket = socket_for(services, target, branch.socket, ctx.source.socket)
            if socket is not None:
                data = outgoing(ctx, branch, socket, stateless_branch(ctx))
                if is_blocked(ctx, target, data):
                    error = FILTERED
                    continue
                connection = EXISTING if branch.flags & services.no_new_request else 0
                peer = Peer(target.proto, target.host, target.port, socket, connection)
                if services.network.send(data, peer) != FAILED:
                    return 1
                services.blacklists.remember(target.proto, target.host, target.port)
                error = SEND_FAILED
        return CODES[error]


@final
class Requests:
    """The work on what clients send to a worker."""

    __slots__ = ("replies", "table", "unanswered")

    def __init__(self, replies: Replies) -> None:
        self.replies: Replies = replies
        self.table: Table = replies.table
        self.unanswered: Unanswered = Unanswered(replies)

    def newtran(self, ctx: Context) -> int:
        """Make the transaction of a request: 1; 0, PASSING_ACK, INCOMPLETE or THERE_ALREADY as above."""
        if ctx.transaction is not None:
            return THERE_ALREADY
        message = ctx.message
        if not complete(message):
            return INCOMPLETE
        table = self.table
        if message.method == "ACK":
            return self.ack(ctx)
        key = table.key_of(message, message.method)
        found = table.servers.get(key)
        if found is not None:
            self.replies.serving.again(found)
            return 0
        made = table.create(ctx, key)
        made.peer = reply_peer(ctx)
        if ctx.extra is not None and ctx.extra.get(CANCELLED):
            made.cancelled = True
        if table.observers:
            made.observers = table.observers + (made.observers or [])
        if made.observers is not None:
            for observer in made.observers:
                observer.created(made, ctx)
        if made.invite and table.settings.auto_100:
            self.replies.serving.trying(made, ctx)
        return 1

    def newtran_alone(self, ctx: Context) -> int:
        """The same for a script that may leave it at that: if it does, the transaction is let go at its end."""
        made = self.newtran(ctx)
        if made == 1:
            ctx.when_ended(self.unanswered)
        return made

    def ack(self, ctx: Context) -> int:
        """An ACK: 0 if it ends here, PASSING_ACK if it goes on."""
        message = ctx.message
        found = self.table.of_request(message, "INVITE")
        if found is not None and not is_accepted(found):
            self.replies.serving.release(found)
            return 0
        found = self.of_dialog(ctx)
        if found is not None and found.relayed == OURSELVES:
            self.replies.serving.release(found)
            return 0
        return PASSING_ACK

    def of_dialog(self, ctx: Context) -> Transaction | None:
        """The INVITE transaction whose 2xx this ACK acknowledges; its observers hear of it."""
        found = self.table.of_dialog(ctx.message)
        if found is not None and found.observers is not None:
            for observer in found.observers:
                observer.acknowledged(found, ctx)
        return found

    def check(self, ctx: Context) -> int:
        """t_check_trans: 1 for the ACK or CANCEL of a transaction here, 0 for a retransmission, E2E_ACK, or -1."""
        message = ctx.message
        if not complete(message):
            return -1
        method = message.method
        if method == "CANCEL":
            return 1 if self.table.of_request(message, "INVITE") is not None else -1
        if ctx.transaction is not None:
            return 1
        if method == "ACK":
            found = self.table.of_request(message, "INVITE")
            if found is not None and not is_accepted(found):
                self.replies.serving.release(found)
                ctx.transaction = found
                return 1
            return E2E_ACK if self.table.of_dialog(message) is not None else -1
        found = self.table.of_request(message, method)
        if found is None:
            return -1
        self.replies.serving.again(found)
        return 0

    # -- t_relay

    def relay(self, ctx: Context, flags: int, hop: Hop | None) -> "Work | int":
        """Begin t_relay (see __init__.py): its code if it is over, else the work to drive on. hop: outbound proxy."""
        transaction: Transaction | None = ctx.transaction
        fresh = transaction is None
        if fresh:
            made = self.newtran(ctx)
            if made == PASSING_ACK:
                return AckWork(self, ctx, hop)
            if made <= 0:
                return 1 if made == 0 else -1
            transaction = ctx.transaction
        assert transaction is not None
        message = ctx.message
        if message.method == "ACK":
            self.replies.serving.release(transaction)
            return 1
        if flags:
            set_flags(transaction, message, flags)
        if not fresh and ctx.request is None:
            transaction.peer = reply_peer(ctx)  # force_rport() may have come since
        if message.method == "CANCEL" and self.cancel(transaction, ctx):
            return 1
        error = self.refusal(transaction, ctx)
        if error:
            return CODES[error]
        error = relay_at_once(transaction, ctx, hop)
        if error == WANTS_RELAY:
            return RelayWork(self, transaction, ctx, flags, fresh, hop)
        return self.not_sent(transaction, ctx, flags, fresh, error) if error else 1

    def not_sent(self, transaction: Transaction, ctx: Context, flags: int, fresh: bool, error: int) -> int:
        """No branch went out: t_relay's code. A transaction that was made for it is answered, if that is wanted."""
        if fresh:
            if not flags & NO_AUTO_477:
                code, reason = excuse(error)
                if self.replies.serving.reply(transaction, ctx, code, reason) > 0:
                    return 1
            ctx.when_ended(self.unanswered)
        return CODES[error]

    def refusal(self, transaction: Transaction, ctx: Context) -> int:
        """Why no branch may begin: NO_DESTINATION, or 0. Cancelled before the first branch: 487."""
        if transaction.cancelled and not transaction.forwarded and transaction.status < 200:
            self.replies.serving.reply(transaction, ctx, 487, "Request Terminated")
        if transaction.cancelled or transaction.no_new_branches or transaction.status >= 200:
            return NO_DESTINATION
        return 0

    # -- CANCEL

    def cancel(self, transaction: Transaction, ctx: Context) -> bool:
        """A CANCEL with its own transaction: answer it and cancel the INVITE's branches; False if there is none."""
        found = self.table.of_request(ctx.message, "INVITE")
        if found is None:
            return False
        self.replies.serving.reply(transaction, ctx, 200, "canceling")
        reason = self.reason(transaction, ctx)
        found.cancelled = True
        if found.observers is not None:
            for observer in found.observers:
                observer.cancelled(found, ctx)
        if found.status >= 200:
            return True
        cancel_branches(found, reason)
        self.end_placeholder(found)
        return True

    def end_placeholder(self, found: Transaction) -> None:
        """A cancelled INVITE with nothing but a placeholder for branches to come ends at once."""
        active = found.clients[found.first :]
        if len(active) == 1 and active[0].phony >= 0 and active[0].status < 200:
            active[0].status = 487
            self.replies.negative(found, active[0], None)

    def reason(self, transaction: Transaction, ctx: Context) -> str:
        """The Reason line for the CANCELs: the script's, the client's if it is to be passed on, or our own."""
        plan: Plan | None = ctx.noted(PLAN)
        if plan is not None and plan.reason:
            return plan.reason
        if transaction.pass_reason:
            message = ctx.message
            lines = [message.text[slice(*message.span(k))] for k in message.find("Reason")]
            if lines:
                return "".join(lines)
        return GAVE_UP


def set_flags(transaction: Transaction, message: Message, flags: int) -> None:
    """Take over the flags of t_relay that last."""
    if flags & NO_DNS_FAILOVER:
        transaction.no_failover = True
    if flags & PASS_REASON:
        transaction.pass_reason = True
    if flags & ALLOW_NO_CANCEL:
        value = message.header("Request-Disposition")
        if value is not None and "no-cancel" in [word.strip().lower() for word in value.split(",")]:
            transaction.multi_200 = True


__all__ = ["E2E_ACK", "PASSING_ACK", "Requests", "Work"]
