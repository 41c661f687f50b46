"""The server side of a transaction: what goes to the client, and how long it is remembered (RFC 3261 section 17.2).

Facts:
- a final reply to INVITE is repeated until its ACK (timers G and H), a 2xx made here too; challenges are not repeated;
- an INVITE that was answered by 2xx stays for 64*T1 (timer L of RFC 6026), everything else for `wt_timer`;
- a 503 from downstream goes up as 500 (section 16.7 step 6), unless `disable_503_translation` is set.
"""

from typing import TYPE_CHECKING, Final, final

from pysips.core.answer import reply_text
from pysips.core.context import REPLY, Context
from pysips.core.services import EXISTING, FAILED, RELIABLE, Peer
from pysips.sip.message import Message, read
from pysips.sip.transaction import COMPLETED, HEARD_ACK, HEARD_AGAIN, PROCEEDING, TERMINATED, sent

from .api import Answer
from .cancel import cancel_branches
from .settings import Stats
from .table import OURSELVES, Client, Table, Transaction

if TYPE_CHECKING:
    from pysips.core.program import Program

TRYING_REASON: Final = "Giving it a try"
STATUS_AT: Final = 8  # "SIP/2.0 503 …"
STATUS_END: Final = 11
SOON: Final = 0.001  # a timer that fires this much early is on time
MOST_TOLD: Final = 64  # 2xx of different To tags that observers are told of


@final
class Serving:
    """The work on the client's side of a worker's transactions. peek_route: `local_reply_route`."""

    __slots__ = ("peek_route", "program", "stats", "table")

    def __init__(self, table: Table, program: "Program") -> None:
        self.table: Table = table
        self.stats: Stats = table.stats
        self.program: Program = program
        self.peek_route: str = ""

    def up(self, transaction: Transaction, client: Client, ctx: Context) -> int:
        """Send a reply from downstream to the client: without our Via, with the script's edits. The status sent.

        A 2xx after a negative reply goes by: what is repeated until the ACK, and whose it is, stay as they are.
        """
        message = ctx.message
        status = message.status
        late = transaction.status >= 300
        if not late:
            transaction.relayed = client.index
        observers = transaction.observers
        peer = transaction.peer
        if peer is None or transaction.local:
            transaction.status = status
            if status >= 200:
                self.local_end(transaction, status, message)
            elif observers is not None and self.table.settings.tell_provisional:
                for observer in observers:
                    observer.answered(transaction, status, message)
            return status
        if observers is not None:
            for observer in observers:
                observer.reply_passing(transaction, ctx)
        text = message.text
        a, b = message.without_top_via()
        if status == 503 and self.program.translate_503:
            status = translated(ctx)
        if ctx.edits.items:
            edits = ctx.edits.copy()
            edits.remove(a, b)
            data = edits.write(text)
        else:
            data = (text[:a] + text[b:]).encode("utf-8", "surrogateescape")
        if not late:
            if transaction.status < 200:
                self.stats.completed(status)
            transaction.status = status
            transaction.last = data
            transaction.step(sent(status))
        if self.table.services.no_new_reply:
            peer = self.on_open_connection(transaction, peer)
        self.stats.relayed_replies.inc()  # before it is sent: who hears it may ask for the count at once
        self.table.services.network.send(data, peer)
        if observers is not None and not is_repeated(transaction, message):
            for observer in observers:
                observer.answered(transaction, status, message)
        return status

    def reply(
        self, transaction: Transaction, ctx: Context, code: int, reason: str, headers: str = "", body: str = "",
        to_tag: str = "",
    ) -> int:  # fmt: skip
        """Answer a transaction ourselves: 1, or -1 if it has its final reply already. `ctx`: the script's headers."""
        peer = transaction.peer
        if transaction.status >= 200 or peer is None:
            return -1
        text = reply_text(ctx, code, reason, to_tag or transaction.to_tag, headers, body)
        if to_tag and not transaction.to_tag:
            transaction.to_tag = to_tag
        data = text.encode("utf-8", "surrogateescape")
        transaction.last = data
        transaction.status = code
        transaction.relayed = OURSELVES
        transaction.step(sent(code))
        self.stats.local_replies.inc()
        self.stats.completed(code)
        if self.table.services.no_new_reply:
            transaction.flags |= ctx.flags
            peer = self.on_open_connection(transaction, peer)
        if self.peek_route:
            self.peek(transaction.ctx.program, data, peer)
        went = self.table.services.network.send(data, peer)
        if code >= 200:
            cancel_branches(transaction, "", None)
            self.finish(transaction, code, True)
        if transaction.observers is not None:
            for observer in transaction.observers:
                observer.answered(transaction, code, None)
        return 1 if went != FAILED else -1

    def on_open_connection(self, transaction: Transaction, peer: Peer) -> Peer:
        """Where replies go if the request has the flag that forbids to open a connection for them."""
        if peer.connection >= 0 and transaction.flags & self.table.services.no_new_reply:
            peer = Peer(peer.proto, peer.host, peer.port, peer.socket, -peer.connection or EXISTING)
            transaction.peer = peer
        return peer

    def peek(self, program: "Program", data: bytes, peer: Peer) -> None:
        """Let `local_reply_route` look at a reply made here; what it changes is lost."""
        route = program.routes.get(("route", self.peek_route))
        if route is not None:
            ctx = Context(self.table.services, program, read(data), peer, REPLY)
            program.start(ctx, route, looked)

    def trying(self, transaction: Transaction, ctx: Context) -> None:
        """100 for a fresh INVITE (section 17.2.1)."""
        self.reply(transaction, ctx, 100, TRYING_REASON)

    def finish(self, transaction: Transaction, status: int, ours: bool) -> None:
        """The final reply is out: stop what runs downstream, and wait for the ACK or for stragglers."""
        for client in transaction.clients:
            client.due = 0
        if transaction.state == TERMINATED:
            return
        services = self.table.services
        settings = self.table.settings
        peer = transaction.peer
        if not transaction.invite or peer is None or transaction.local:
            services.timers.add(transaction, settings.linger)
            return
        if status >= 300:
            if status == 401 or status == 407:  # no repetition of challenges (RFC 3261 section 26.3.2.4)
                services.timers.add(transaction, settings.linger)
                return
            self.repeat_until_ack(transaction, peer.proto not in RELIABLE)
        elif ours:
            transaction.accepting = True
            self.repeat_until_ack(transaction, True)
        else:
            services.timers.add(transaction, 64 * settings.t1)  # timer L of RFC 6026

    def repeat_until_ack(self, transaction: Transaction, repeats: bool) -> None:
        """Timers G and H: the final reply again at T1, 2 T1 … T2, until the ACK or fr_timeout."""
        services = self.table.services
        patience = transaction.answer_timeout()
        transaction.deadline = services.clock.now() + patience
        transaction.wait = self.table.settings.t1 if repeats else patience
        services.timers.add(transaction, min(transaction.wait, patience))

    def release(self, transaction: Transaction) -> None:
        """The ACK came, or the script left the transaction alone: stay for stragglers only (timer I)."""
        transaction.step(HEARD_ACK)
        transaction.accepting = False
        transaction.wait = 0.0
        if transaction.state != TERMINATED:
            for client in transaction.clients:
                client.due = 0
            settings = self.table.settings
            seconds = 64 * settings.t1 if is_accepted(transaction) else settings.linger
            self.table.services.timers.add(transaction, seconds)

    def again(self, transaction: Transaction) -> None:
        """A request came once more: the last reply, once more."""
        transaction.step(HEARD_AGAIN)
        if transaction.last and transaction.peer is not None:
            self.table.services.network.send(transaction.last, transaction.peer)

    def local_end(self, transaction: Transaction, status: int, message: Message | None) -> None:
        """A request of our own, or one that was replicated, has its final answer."""
        transaction.status = status
        self.stats.completed(status)
        self.finish(transaction, status, False)
        if transaction.observers is not None:
            for observer in transaction.observers:
                observer.answered(transaction, status, message)
        promise = transaction.promise
        if promise is not None:
            transaction.promise = None
            promise.complete(Answer(status, message))

    def timer(self, transaction: Transaction) -> None:
        """Timers G and H, or the end of lingering (I, J, L)."""
        services = self.table.services
        if transaction.accepting or (transaction.invite and transaction.state == COMPLETED and transaction.wait > 0.0):
            left = transaction.deadline - services.clock.now()
            if left > SOON:
                if transaction.peer is not None:
                    services.network.send(transaction.last, transaction.peer)
                    self.stats.reply_retransmissions.inc()
                transaction.wait = min(2 * transaction.wait, self.table.settings.t2)
                services.timers.add(transaction, transaction.wait if transaction.wait < left else left)
                return
        if transaction.busy or transaction.held:
            services.timers.add(transaction, self.table.settings.linger)
        elif transaction.wait >= 0.0 and still_open(transaction):
            transaction.wait = -1.0  # once
            services.timers.add(transaction, 64 * self.table.settings.t1)
        else:
            self.table.remove(transaction)


def looked(ctx: Context, code: int) -> None:
    """Nothing follows a look."""


def translated(ctx: Context) -> int:
    """Make a 503 from downstream a 500, unless the script has written another status over it."""
    if not [a for a, _, _ in ctx.edits.items if a < STATUS_END]:
        ctx.edits.replace(STATUS_AT, STATUS_END, "500")
    return 500


def still_open(transaction: Transaction) -> bool:
    """Whether an INVITE branch that rang has still no final reply, so that its last words must be acknowledged."""
    return transaction.invite and bool([one for one in transaction.clients if one.state == PROCEEDING])


def is_repeated(transaction: Transaction, message: Message) -> bool:
    """Whether the observers know of this 2xx to an INVITE already: its callee repeats it until the ACK comes."""
    if not transaction.invite or message.status < 200 or message.status > 299:
        return False
    tag = message.to_tag()
    if transaction.told is None:
        transaction.told = [tag]
        return False
    if tag in transaction.told or len(transaction.told) == MOST_TOLD:
        return True
    transaction.told.append(tag)
    return False


def is_accepted(transaction: Transaction) -> bool:
    """Whether an INVITE was answered by 2xx (RFC 6026)."""
    return transaction.invite and 200 <= transaction.status < 300
