"""The transactions of a worker: what each one remembers, and how messages find theirs.

Facts:
- a `Transaction` is the server transaction of a request with all the client transactions (`Client`, OpenSIPS: uac,
  branch) that serve it: RFC 3261 section 16.7 calls the whole a response context, OpenSIPS a cell;
- requests find it by the top Via's branch and sent-by and the method (section 17.2.3), those of RFC 2543 clients,
  whose branch has no magic cookie, by Call-ID, CSeq, From tag, Request-URI and Via;
- replies find their client transaction by the branch that we made (section 17.1.3);
- an ACK of a 2xx is a transaction of its own (section 17.1); it finds the INVITE's by Call-ID and CSeq number;
- each client transaction has one timer, the server transaction another; whatever is over is cancelled by `due = 0`;
- when a transaction ends it lets go of its clients and they of it, so that memory never waits for the collector.
"""

import os
from typing import Any, Final, final

from mypy_extensions import mypyc_attr

from pysips.core.branches import Branch
from pysips.core.context import Context
from pysips.core.exports import Value
from pysips.core.services import Peer, Services, Target, Timer
from pysips.sip.edits import Edits
from pysips.sip.message import Message
from pysips.sip.transaction import (
    CALLING,
    EVENTS,
    INVITE_CLIENT_TABLE,
    INVITE_SERVER_TABLE,
    NON_INVITE_CLIENT_TABLE,
    NON_INVITE_SERVER_TABLE,
    NOTHING,
    PROCEEDING,
    TERMINATED,
    TRYING,
)
from pysips.sip.via import COOKIE

from .keys import branch_stem, dialog_key, request_key
from .settings import Settings, Stats

NOBODY: Final = -1  # `relayed`: nothing was sent upstream
OURSELVES: Final = -2  # `relayed`: the last reply was made here


@mypyc_attr(allow_interpreted_subclasses=True)
class Observer:
    """Told what happens to a transaction (OpenSIPS: TMCB callbacks). Override what you want to hear of."""

    def created(self, transaction: "Transaction", ctx: Context) -> None:
        """A request made a new transaction."""

    def forwarding(self, transaction: "Transaction", ctx: Context) -> None:
        """A branch is about to be written out; `ctx` is the branch's own and may be edited (TMCB_REQUEST_FWDED)."""

    def reply_came(self, transaction: "Transaction", ctx: Context) -> None:
        """A reply came from downstream, before its onreply_route (TMCB_RESPONSE_IN)."""

    def reply_passing(self, transaction: "Transaction", ctx: Context) -> None:
        """A reply from downstream is about to go upstream; `ctx.edits` may be added to (TMCB_RESPONSE_FWDED)."""

    def answered(self, transaction: "Transaction", code: int, reply: Message | None) -> None:
        """A reply went upstream; reply: the message from downstream, None for one made here (TMCB_RESPONSE_OUT).

        The 2xx to an INVITE that is only repeated (with a To tag that was told) passes without it.
        For a request of our own: a reply came, or None with 408 for none at all (TMCB_LOCAL_COMPLETED).
        """

    def failing(self, transaction: "Transaction", code: int) -> None:
        """All branches failed, before failure_route; `code` would go upstream (TMCB_ON_FAILURE)."""

    def acknowledged(self, transaction: "Transaction", ctx: Context) -> None:
        """The ACK of a 2xx came (TMCB_E2EACK_IN)."""

    def cancelled(self, transaction: "Transaction", ctx: Context) -> None:
        """The client's CANCEL came (TMCB_E2ECANCEL_IN)."""

    def ended(self, transaction: "Transaction") -> None:
        """The transaction is forgotten (TMCB_TRANS_DELETED)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Machine:
    """What the timers of a table's transactions call; `replies.py` is it. (Calls go down only, timers go up.)"""

    def client_timer(self, client: "Client") -> None:
        """A client's timer fired: repeat the request, or give up."""

    def unreachable(self, client: "Client") -> None:
        """A branch on a connection did not go out."""

    def server_timer(self, transaction: "Transaction") -> None:
        """A transaction's timer fired: repeat the reply, or end."""


@final
class Plan:
    """What a script arms for the transaction to come (`t_on_failure` before `t_relay`); times in seconds, -1 unset."""

    __slots__ = (
        "fr_inv_timeout",
        "fr_timeout",
        "headers",
        "observers",
        "on_branch",
        "on_failure",
        "on_reply",
        "reason",
    )

    def __init__(self) -> None:
        self.on_failure: str = ""
        self.on_reply: str = ""
        self.on_branch: str = ""
        self.fr_timeout: float = -1.0
        self.fr_inv_timeout: float = -1.0
        self.headers: str = ""
        self.reason: str = ""
        self.observers: list[Observer] | None = None


PLAN: Final = "tm.plan"


def plan_of(ctx: Context) -> Plan:
    """The plan of a message that has no transaction yet, made if need be."""
    plan: Plan | None = ctx.noted(PLAN)
    if plan is None:
        plan = Plan()
        ctx.note(PLAN, plan)
    return plan


@final
class Client(Timer):
    """A client transaction: one branch on its way (RFC 3261 section 17.1).

    state: of the machine in sip/transaction.py; id: our Via branch; data: what was sent ("" if nothing could be);
    status: of the last reply, or of the final one that we made up (408, 477);
    replied: whether anything came from downstream at all; reply: the context of the last final reply, None for one
    made up; wait: until the next repetition; deadline: when we give up, on the services' clock; targets: where else
    the name led (DNS failover); edits: what the branch changed, kept only while there is another target.
    """

    __slots__ = (
        "avps", "branch", "cancel", "cancel_asked", "data", "deadline", "edits", "id", "index", "invite", "on_reply",
        "peer", "phony", "repeated", "replied", "reply", "state", "status", "target", "targets", "transaction", "wait",
    )  # fmt: skip

    def __init__(self, transaction: "Transaction", branch: Branch, branch_id: str, index: int, invite: bool) -> None:
        self.due = 0
        self.at = 0
        self.transaction: Transaction | None = transaction
        self.branch: Branch = branch
        self.id: str = branch_id
        self.index: int = index
        self.invite: bool = invite
        self.state: int = CALLING
        self.data: bytes = b""
        self.peer: Peer | None = None
        self.status: int = 0
        self.replied: bool = False
        self.reply: Context | None = None
        self.wait: float = 0.0
        self.repeated: int = 0
        self.deadline: float = 0.0
        self.on_reply: str = ""
        self.targets: list[Target] | None = None
        self.target: int = 0
        self.edits: Edits | None = None
        self.cancel: Timer | None = None
        self.cancel_asked: bool = False
        self.phony: int = -1
        self.avps: dict[str, list[Value]] | None = None

    def step(self, event: int) -> int:
        """Take the machine's arrow for what happened; what is to be done, as bits."""
        arrow = (INVITE_CLIENT_TABLE if self.invite else NON_INVITE_CLIENT_TABLE)[self.state * EVENTS + event]
        if arrow < 0:
            return NOTHING
        self.state = arrow >> 8
        return arrow & 255

    def fire(self) -> None:
        transaction = self.transaction
        if transaction is not None:
            transaction.table.machine.client_timer(self)


@final
class Transaction(Timer):
    """See the file's head.

    Who: key, by which requests find it; ctx, the run of the request; message; method; peer, where replies go; id;
    local: replies stay here (a request of ours, or a replica).
    Where it stands: state of the server machine in sip/transaction.py; status and bytes (last) of the last reply sent;
    relayed: by which client; clients, from `first` on those of the newest t_relay (the older ones are all final);
    picked: whose failure was chosen; accepting: a 2xx made here is repeated until its ACK; cancelled; forwarded.
    Routes: on_failure, on_reply, on_branch; flags and avps that they share; building: the branch whose branch_route
    runs; before: how many clients there were when failure_route began; busy: a route waits, and what comes
    meanwhile is kept in `queue` as (client, reply's context or None); held: how many async() will go on with it.
    observers: who is told what happens; told: the To tags of the 2xx that they know of.
    """

    __slots__ = (
        "accepting", "avps", "before", "building", "busy", "cancelled", "clients", "ctx", "deadline", "dialog_key",
        "first", "flags", "forwarded", "fr_inv_timeout", "fr_timeout", "headers", "held", "id", "invite", "key", "last",
        "local", "message", "method", "multi_200", "no_failover", "no_new_branches", "observers", "on_branch",
        "on_failure", "on_reply", "pass_reason", "peer", "picked", "promise", "queue", "relayed", "state", "status",
        "table", "to_tag", "told", "wait",
    )  # fmt: skip

    def __init__(self, table: "Table", ctx: Context, method: str) -> None:
        self.due = 0
        self.at = 0
        self.table: Table = table
        self.id: int = 0
        self.key: str = ""
        self.dialog_key: str = ""
        self.ctx: Context = ctx
        self.message: Message = ctx.message
        self.method: str = method
        self.invite: bool = method == "INVITE"
        self.peer: Peer | None = None
        self.status: int = 0
        self.last: bytes = b""
        self.state: int = PROCEEDING if self.invite else TRYING
        self.wait: float = 0.0
        self.deadline: float = 0.0
        self.clients: list[Client] = []
        self.first: int = 0
        self.picked: int = -1
        self.relayed: int = NOBODY
        self.to_tag: str = ""
        self.on_failure: str = ""
        self.on_reply: str = ""
        self.on_branch: str = ""
        self.fr_timeout: float = -1.0
        self.fr_inv_timeout: float = -1.0
        self.headers: str = ""
        self.avps: dict[str, list[Value]] = ctx.avps
        self.flags: int = 0
        self.cancelled: bool = False
        self.no_new_branches: bool = False
        self.no_failover: bool = False
        self.multi_200: bool = False
        self.pass_reason: bool = False
        self.local: bool = False
        self.forwarded: bool = False
        self.accepting: bool = False
        self.before: int = 0
        self.building: Client | None = None
        self.held: int = 0
        self.busy: bool = False
        self.queue: list[tuple[Client, Context | None]] = []
        self.observers: list[Observer] | None = None
        self.told: list[str] | None = None
        self.promise: Any = None

    def branch_id(self, index: int) -> str:
        """The branch parameter of its branch number `index`: by its key, and so the same in every process.

        If this worker dies, its replacement makes the same one of the client's next retransmission, and whoever was
        asked before sees a retransmission, too, and no second call.
        """
        if self.local:
            return self.table.next_branch()
        return branch_stem(self.ctx.program.tag_prefix, self.key) + str(index)

    def step(self, event: int) -> int:
        """Take the server machine's arrow for what happened; what is to be done, as bits."""
        arrow = (INVITE_SERVER_TABLE if self.invite else NON_INVITE_SERVER_TABLE)[self.state * EVENTS + event]
        if arrow < 0:
            return NOTHING
        self.state = arrow >> 8
        return arrow & 255

    def fire(self) -> None:
        self.table.machine.server_timer(self)

    def answer_timeout(self) -> float:
        """Seconds to wait for any reply."""
        return self.fr_timeout if self.fr_timeout >= 0 else self.table.settings.fr_timeout

    def invite_timeout(self) -> float:
        """Seconds to wait for the final reply to an INVITE that has a provisional one."""
        return self.fr_inv_timeout if self.fr_inv_timeout >= 0 else self.table.settings.fr_inv_timeout


@final
class Table:
    """All transactions of a worker. See `request_key`, `dialog_key`; clients are found by our branch."""

    __slots__ = (
        "asked", "asked_dialog", "asked_key", "branch_counter", "branch_seed", "clients", "dialogs", "id_counter",
        "machine", "observers", "servers", "services", "settings", "stats",
    )  # fmt: skip

    def __init__(self, services: Services, settings: Settings, stats: Stats) -> None:
        self.services: Services = services
        self.settings: Settings = settings
        self.stats: Stats = stats
        self.machine: Machine = Machine()
        self.servers: dict[str, Transaction] = {}
        self.clients: dict[str, Client] = {}
        self.dialogs: dict[str, Transaction] = {}
        self.observers: list[Observer] = []
        self.asked: Message | None = None
        self.asked_key: str = ""
        self.asked_dialog: str = ""
        self.branch_counter: int = 0
        self.branch_seed: str = ""
        self.id_counter: int = 0
        self.seed()

    def seed(self) -> None:
        """Branches of this process that nobody else makes: to be called after the fork."""
        self.branch_seed = COOKIE + os.urandom(6).hex() + "."

    def next_branch(self) -> str:
        """A branch parameter that was never used before."""
        self.branch_counter += 1
        return self.branch_seed + str(self.branch_counter)

    # -- finding

    def key_of(self, message: Message, method: str) -> str:
        """The key of a message; a script asks for the same one several times (t_check_trans, t_relay)."""
        if message is not self.asked:
            self.asked = message
            self.asked_key = request_key(message, self.settings)
            self.asked_dialog = ""
        return self.asked_key + method

    def dialog_of(self, message: Message) -> str:
        """The dialog key of a message, remembered likewise."""
        if message is not self.asked:
            self.key_of(message, "")
        if not self.asked_dialog:
            self.asked_dialog = dialog_key(message)
        return self.asked_dialog

    def of_request(self, message: Message, method: str) -> Transaction | None:
        """The transaction of a request with that method: a retransmission's own, an ACK's or a CANCEL's INVITE."""
        return self.servers.get(self.key_of(message, method))

    def of_dialog(self, message: Message) -> Transaction | None:
        """The INVITE transaction that an ACK of a 2xx belongs to (section 13.2.2.4)."""
        found = self.dialogs.get(self.dialog_of(message))
        if found is None or found.status < 200 or found.status > 299:
            return None
        return found if found.message.from_tag() == message.from_tag() else None

    def of_reply(self, message: Message) -> Client | None:
        """The client transaction of a reply: our branch, and the method of the request or its CANCEL's."""
        client = self.clients.get(message.branch())
        if client is None:
            return None
        transaction = client.transaction
        if transaction is None:
            return None
        if message.method == transaction.method or (transaction.invite and message.method == "CANCEL"):
            return client
        return None

    # -- coming and going

    def create(self, ctx: Context, key: str) -> Transaction:
        """A transaction for a request that has none; the script's plans become its own."""
        made = Transaction(self, ctx, ctx.message.method)
        self.id_counter += 1
        made.id = self.id_counter
        made.key = key
        self.servers[key] = made
        if made.invite:
            made.dialog_key = self.dialog_of(ctx.message)
            self.dialogs[made.dialog_key] = made
        if ctx.extra is not None:
            plan: Plan | None = ctx.extra.get(PLAN)
            if plan is not None:
                made.on_failure = plan.on_failure
                made.on_reply = plan.on_reply
                made.on_branch = plan.on_branch
                made.fr_timeout = plan.fr_timeout
                made.fr_inv_timeout = plan.fr_inv_timeout
                made.headers = plan.headers
                made.observers = plan.observers
        ctx.transaction = made
        self.stats.uas.inc()
        self.stats.inuse.inc()
        return made

    def create_local(self, ctx: Context) -> Transaction:
        """A transaction for a request of our own: no client waits above, nothing finds it but replies."""
        made = Transaction(self, ctx, ctx.message.method)
        self.id_counter += 1
        made.id = self.id_counter
        made.local = True
        made.key = "local " + str(made.id)
        self.servers[made.key] = made
        ctx.transaction = made
        self.stats.uac.inc()
        self.stats.inuse.inc()
        return made

    def remove(self, transaction: Transaction) -> None:
        """Forget a transaction: nothing finds it any more, no timer of it runs, and no cycle is left behind."""
        if transaction.state == TERMINATED:
            return
        transaction.state = TERMINATED
        transaction.due = 0
        if self.servers.get(transaction.key) is transaction:
            del self.servers[transaction.key]
        if transaction.dialog_key and self.dialogs.get(transaction.dialog_key) is transaction:
            del self.dialogs[transaction.dialog_key]
        for client in transaction.clients:
            client.due = 0
            if client.cancel is not None:
                client.cancel.due = 0
                client.cancel = None
            self.clients.pop(client.id, None)
            client.transaction = None
            client.reply = None
        self.stats.inuse.dec()
        if transaction.observers is not None:
            for observer in transaction.observers:
                observer.ended(transaction)
            transaction.observers = None
        transaction.clients = []
        transaction.queue = []
        transaction.ctx.transaction = None

    def owing(self) -> int:
        """How many transactions still owe their client a final reply."""
        return sum([1 for one in self.servers.values() if one.status < 200 and not one.local])
