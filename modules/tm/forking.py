"""t_relay: the branches of a request, each through its branch_route, to its targets, and out (RFC 3261 section 16.6).

Facts:
- all branches are prepared before the first one is sent, so that no reply comes between them;
- a `Relay` goes on step by step: it answers with what it has to wait for (a name, a branch_route that waits) and is
  called again with what that brought. Numeric and known targets never wait, and then it is one step;
- a target that cannot be sent to is followed by the next one of the same name, unless that is forbidden;
- what fails altogether is named by OpenSIPS' error number, from which the reply and t_relay's return code come.
"""

from typing import Any, Final, final

from pysips.core.branches import Branch, all_of, from_message
from pysips.core.context import FAILURE, Context
from pysips.core.forward import Hop, is_blocked, next_hop, outgoing, socket_for
from pysips.core.log import log
from pysips.core.services import EXISTING, FAILED, RELIABLE, Peer, Promise, Socket, Target, Watcher
from pysips.errors import SipError
from pysips.sip.edits import Edits

from .runs import branch_context
from .table import Client, Observer, Table, Transaction

# Flags of t_relay, as OpenSIPS numbers them.
NO_AUTO_477: Final = 2
NO_DNS_FAILOVER: Final = 4
PASS_REASON: Final = 8
ALLOW_NO_CANCEL: Final = 16

# What can go wrong, as OpenSIPS numbers it.
GENERIC: Final = 1
NO_SOCKET: Final = 7
NO_DESTINATION: Final = 18
FILTERED: Final = 473
SEND_FAILED: Final = 477
UNRESOLVABLE: Final = 476
BAD_SCHEME: Final = 416

# What t_relay returns for it.
CODES: Final[dict[int, int]] = {
    GENERIC: -1,
    NO_SOCKET: -6,
    NO_DESTINATION: -3,
    FILTERED: -5,
    SEND_FAILED: -6,
    UNRESOLVABLE: -4,
    BAD_SCHEME: -4,
}

MOST_BRANCHES: Final = 96  # of one transaction, over all its t_relays

# What `relay_at_once` answers besides 0 (sent) and SEND_FAILED: it takes a Relay.
WANTS_RELAY: Final = -1

ROUTE: Final = 0
ROUTED: Final = 1
ASKED: Final = 2


@final
class SendWatch(Watcher):
    """Hears that a branch on a connection did not go out after all."""

    __slots__ = ("client",)

    def __init__(self, client: Client) -> None:
        self.client: Client = client

    def send_failed(self) -> None:
        client = self.client
        transaction = client.transaction
        if transaction is not None and client.status == 0:
            transaction.table.machine.unreachable(client)


@final
class Ready:
    """A branch that is ready to go: its client transaction, the context and edits that it is written with."""

    __slots__ = ("client", "ctx", "edits")

    def __init__(self, client: Client, ctx: Context, edits: Edits) -> None:
        self.client: Client = client
        self.ctx: Context = ctx
        self.edits: Edits = edits


@final
class Relay:
    """One t_relay on its way; see the file's head. hop: an outbound proxy for all branches without a `$du`."""

    __slots__ = (
        "at", "branch", "branches", "ctx", "edits", "error", "hop", "phase", "ready", "route_ctx", "table",
        "transaction",
    )  # fmt: skip

    def __init__(self, transaction: Transaction, ctx: Context, hop: Hop | None) -> None:
        self.transaction: Transaction = transaction
        self.table: Table = transaction.table
        self.ctx: Context = ctx
        self.hop: Hop | None = hop
        self.branches: list[Branch] = all_of(ctx)
        self.at: int = 0
        self.phase: int = ROUTE
        self.branch: Branch = self.branches[0]
        self.route_ctx: Context = ctx
        self.edits: Edits = ctx.edits
        self.ready: list[Ready] = []
        self.error: int = GENERIC
        ctx.branches = []

    def step(self, brought: Any) -> Any:
        """Go on with what the last wait brought (None at first); what to await next, or None when all is done."""
        while self.at < len(self.branches):
            if self.phase == ROUTE:
                waiting = self.enter_branch()
                if waiting is not None:
                    return waiting
            if self.phase == ROUTED and not self.leave_branch():
                self.next_branch()
                continue
            if self.phase == ROUTED:
                self.phase = ASKED
                brought = self.ask()
                if isinstance(brought, Promise):
                    return brought
            self.aim(brought)
            self.next_branch()
        return None

    def next_branch(self) -> None:
        self.transaction.building = None
        self.at += 1
        self.phase = ROUTE

    def enter_branch(self) -> Any:
        """Begin with a branch: run its branch_route. Answers the run if it waits."""
        transaction = self.transaction
        ctx = self.ctx
        branch = self.branch = self.branches[self.at]
        self.phase = ROUTED
        self.route_ctx = ctx
        self.edits = ctx.edits
        clients = transaction.clients
        client = Client(transaction, branch, transaction.branch_id(len(clients)), len(clients), transaction.invite)
        transaction.building = client
        if not transaction.on_branch and transaction.observers is None:
            return None
        self.route_ctx = branch_context(ctx, branch, client.index)
        route = ctx.program.routes.get(("branch_route", transaction.on_branch)) if transaction.on_branch else None
        if route is not None:
            result = route(self.route_ctx)
            if not isinstance(result, int):
                return result
        return None

    def leave_branch(self) -> bool:
        """The branch_route is over: False if it dropped the branch. The branch is what it made of it."""
        transaction = self.transaction
        ctx = self.route_ctx
        if len(transaction.clients) >= MOST_BRANCHES:
            log.error("tm:t_relay", f"more than {MOST_BRANCHES} branches for one request")
            return False
        if ctx is self.ctx:
            return True
        self.ctx.flags = ctx.flags
        if ctx.dropped:
            return False
        observers: list[Observer] | None = transaction.observers
        if observers is not None:
            for observer in observers:
                observer.forwarding(transaction, ctx)
        self.branch = from_message(ctx)
        self.branch.contact = self.branches[self.at].contact
        self.edits = ctx.edits
        return True

    def ask(self) -> Any:
        """Where the branch's next hop is: list[Target], or a promise of it. A URI that leads nowhere gives []."""
        branch = self.branch
        resolver = self.table.services.resolver
        try:
            hop = self.hop if self.hop is not None and not branch.dst else next_hop(branch)
        except SipError as problem:
            self.error = BAD_SCHEME if problem.status == 416 else UNRESOLVABLE
            return []
        proto = hop.proto
        if not proto and branch.socket is not None:
            proto = branch.socket.proto
        known = resolver.known(hop.host, hop.port, proto)
        return known if known is not None else resolver.ask(hop.host, hop.port, proto)

    def aim(self, targets: list[Target]) -> None:
        """Give the branch its first target that a socket of ours can reach, and write its request."""
        transaction = self.transaction
        client = transaction.building
        if client is None or not targets:
            if self.error != BAD_SCHEME:
                self.error = UNRESOLVABLE
            return
        client.branch = self.branch
        if len(targets) > 1 and not transaction.no_failover:
            client.targets = targets
        client.target = -1
        error = next_target(client, targets, self.route_ctx, self.edits)
        if error:
            self.error = error
            return
        client.index = len(transaction.clients)
        transaction.clients.append(client)
        self.ready.append(Ready(client, self.route_ctx, self.edits))

    def send(self) -> int:
        """Send what is ready: how many branches went out."""
        transaction = self.transaction
        if self.ctx.kind == FAILURE and self.ready:
            transaction.first = keep_phony(transaction, self.ready[0].client.index)
        sent = 0
        for ready in self.ready:
            if send_first(ready.client, ready.ctx, ready.edits):
                sent += 1
            else:
                self.error = SEND_FAILED
        self.ready = []
        if sent:
            transaction.forwarded = True
            transaction.flags = self.ctx.flags
        return sent


def relay_at_once(transaction: Transaction, ctx: Context, hop: Hop | None) -> int:
    """What nearly every t_relay is, a `Relay` in one go: one branch without a route of its own, to a known target.

    0 when it is out, SEND_FAILED when nothing took it, WANTS_RELAY (and nothing has changed) for all else.
    """
    index = len(transaction.clients)
    if (
        ctx.branches
        or ctx.kind == FAILURE
        or transaction.on_branch
        or transaction.observers is not None
        or index >= MOST_BRANCHES
    ):
        return WANTS_RELAY
    branch = from_message(ctx)
    try:
        way = hop if hop is not None and not branch.dst else next_hop(branch)
    except SipError:
        return WANTS_RELAY
    proto = way.proto
    if not proto and branch.socket is not None:
        proto = branch.socket.proto
    targets = ctx.services.resolver.known(way.host, way.port, proto)
    if not targets:
        return WANTS_RELAY
    client = Client(transaction, branch, transaction.branch_id(index), index, transaction.invite)
    if len(targets) > 1 and not transaction.no_failover:
        client.targets = targets
    client.target = -1
    if next_target(client, targets, ctx, ctx.edits):
        return WANTS_RELAY
    transaction.clients.append(client)
    if not send_first(client, ctx, ctx.edits):
        return SEND_FAILED
    transaction.forwarded = True
    transaction.flags = ctx.flags
    return 0


def never_sent(work: Relay) -> None:
    """Leave the prepared branches out: the request was cancelled or answered while a name was asked for."""
    for ready in work.ready:
        ready.client.data = b""


def keep_phony(transaction: Transaction, index: int) -> int:
    """Where the active branches begin when a new set begins at `index`: with the placeholder before it, if any."""
    if index > 0 and transaction.clients[index - 1].phony >= 0:
        return index - 1
    return index


def next_target(client: Client, targets: list[Target], ctx: Context, edits: Edits) -> int:
    """Aim a branch at its next target that a socket of ours can reach and no blacklist has, and write its request.

    0, or NO_SOCKET or FILTERED if there is none.
    """
    services = ctx.services
    error = NO_SOCKET
    while client.target + 1 < len(targets):
        client.target += 1
        target = targets[client.target]
        socket: Socket | None = socket_for(services, target, client.branch.socket, ctx.source.socket)
        if socket is not None:
            connection = EXISTING if client.branch.flags & services.no_new_request else 0
            client.peer = Peer(target.proto, target.host, target.port, socket, connection)
            client.data = outgoing(ctx, client.branch, socket, client.id, edits)
            if not services.blacklists.active or not is_blocked(ctx, target, client.data):
                return 0
            error = FILTERED
    return error


def send_first(client: Client, ctx: Context, edits: Edits) -> bool:
    """Send a branch for the first time, to the first of its targets that takes it."""
    transaction = client.transaction
    if transaction is None:
        return False
    table = transaction.table
    while True:
        peer = client.peer
        if peer is None:
            return False
        reliable = peer.proto in RELIABLE
        watcher = SendWatch(client) if reliable else None
        table.clients[client.id] = client
        if table.services.network.send(client.data, peer, watcher) != FAILED:
            start(client, transaction, reliable)
            if client.targets is not None:
                client.edits = edits
            return True
        table.services.blacklists.remember(peer.proto, peer.host, peer.port)
        if client.targets is None or next_target(client, client.targets, ctx, edits):
            del table.clients[client.id]
            client.data = b""
            return False


def start(client: Client, transaction: Transaction, reliable: bool) -> None:
    """Start the timer of a branch that was sent: for its repetition, or for the end of patience."""
    table = transaction.table
    services = table.services
    patience = transaction.answer_timeout()
    client.deadline = services.clock.now() + patience
    if reliable:
        services.timers.add(client, patience)
    else:
        wait = table.settings.t1
        client.wait = wait
        services.timers.add(client, wait if wait < patience else patience)


def retarget(client: Client, transaction: Transaction) -> bool:
    """Send a branch that could not be delivered to its next target; False without one."""
    targets = client.targets
    edits = client.edits
    if targets is None or edits is None or next_target(client, targets, transaction.ctx, edits):
        return False
    return send_first(client, transaction.ctx, edits)


def failover(client: Client) -> bool:
    """DNS failover (RFC 3263 section 4.3): a new branch, a copy of this one, to the next target; False without one."""
    transaction = client.transaction
    targets = client.targets
    edits = client.edits
    if transaction is None or targets is None or edits is None or transaction.no_failover:
        return False
    if transaction.cancelled or transaction.no_new_branches or len(transaction.clients) >= MOST_BRANCHES:
        return False
    index = len(transaction.clients)
    made = Client(transaction, client.branch, transaction.branch_id(index), index, client.invite)
    made.targets = targets
    made.target = client.target
    made.on_reply = client.on_reply
    made.avps = client.avps
    client.targets = None
    if next_target(made, targets, transaction.ctx, edits):
        return False
    transaction.clients.append(made)
    return send_first(made, transaction.ctx, edits)


def excuse(error: int) -> tuple[int, str]:
    """Status and reason of the reply when no branch could be sent."""
    if error == SEND_FAILED:
        return 477, "Send failed (477/TM)"
    if error == FILTERED:
        return 473, "Filtered destination (473/TM)"
    if error == UNRESOLVABLE:
        return 476, "Unresolvable destination (476/TM)"
    if error == BAD_SCHEME:
        return 416, "Unsupported URI Scheme"
    if error == NO_DESTINATION:
        return 500, "No destination available (18/TM)"
    return 500, "Server error occurred (" + str(error) + "/TM)"
