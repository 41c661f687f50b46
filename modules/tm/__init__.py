"""tm: stateful requests, forking, failure routes, timers (RFC 3261 sections 16 and 17; OpenSIPS manual: tm).

The table of contents: parameters, functions, variables, commands. The work is in the files named after it: `table`
(what is remembered), `requests` (from clients), `forking` (t_relay), `replies` (from servers, and the timers),
`orphans` (replies for a worker that died), `cancel`, `local` (requests of our own), `waiting` (branches to come),
`runs` (routes' contexts), `variables`, `management`.

Where it differs from OpenSIPS: a retransmitted reply is absorbed and runs no onreply_route again; an INVITE that
was answered by 2xx stays for 64*T1 (RFC 6026), everything else for `wt_timer`; a peer that the network calls
unreachable fails its branch at once.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pysips.core.branches import contacts
from pysips.core.context import BRANCH, FAILURE, Context
from pysips.core.exports import (
    Json,
    MiError,
    Module,
    Regex,
    Route,
    Static,
    Value,
    Var,
    VariableSpec,
    Where,
    function,
    mi,
    modparam,
    param,
    variable,
)
from pysips.core.forward import Hop
from pysips.core.hooks import Taker
from pysips.core.log import log
from pysips.core.program import Program
from pysips.core.services import Promise
from pysips.errors import ModuleError, SipError
from pysips.sip.headers import CALL_ID
from pysips.sip.rewrite import header_lines, is_one_line

from . import driving, inject, local, management, variables
from .api import TmApi
from .arguments import (
    NO_FLAGS,
    NO_LETTERS,
    CancelFlags,
    RelayFlags,
    StatusCode,
    Which,
    cancel_flags,
    relay_argument,
    relay_flags,
    which_replies,
)
from .asyncs import Asyncs
from .cancel import cancel_branches, cancel_wanted
from .keys import complete
from .orphans import Orphans
from .replies import Replies
from .requests import Requests
from .settings import Settings, Stats
from .table import OURSELVES, Client, Observer, Table, Transaction, plan_of
from .variables import client_of, transaction_of

LONGEST = 86400  # seconds that a timer of a transaction may be set to
ARMING = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH | Route.LOCAL


def note_ringing(client: Client, ctx: Context) -> None:
    """The reply at hand counts already when its route asks for a CANCEL."""
    if client.status == 0 and ctx.message.status < 200:
        client.status = ctx.message.status


def renamed(old: str, new: str, seconds: int) -> int:
    """A parameter by its old name; raises ValueError for a time that it cannot have."""
    if not 1 <= seconds <= LONGEST:
        raise ValueError(f"must be from 1 to {LONGEST}, not {seconds}")
    log.warn("tm", f'parameter "{old}" is called "{new}" now')
    return seconds


class Tm(Module, Taker, TmApi):
    fr_timeout: int = param(30, low=1, high=LONGEST, help="Seconds to wait for any reply, and for the ACK.")
    fr_inv_timeout: int = param(120, low=1, high=LONGEST, help="Seconds to wait for the final reply once it rang.")
    wt_timer: int = param(5, low=1, high=3600, help="Seconds for which an ended transaction absorbs what comes late.")
    T1_timer: int = param(500, low=50, high=60000, help="T1 of RFC 3261, in milliseconds.")
    T2_timer: int = param(4000, low=50, high=600000, help="T2 of RFC 3261, in milliseconds.")
    ruri_matching: int = param(1, help="RFC 2543 clients: whether the Request-URI must be the same.")
    via1_matching: int = param(1, help="RFC 2543 clients: whether the top Via must be the same.")
    restart_fr_on_each_reply: int = param(1, help="Whether each provisional reply starts fr_inv_timeout anew.")
    onreply_avp_mode: int = param(0, low=0, high=1, help="1: onreply_route sees the transaction's AVPs.")
    disable_6xx_block: int = param(0, help="1: a 6xx is like any other failure.")
    enable_stats: int = param(1, help="0: no statistics of the group tm.")
    minor_branch_flag: str | None = param(None, help="The branch flag of branches that nobody waits for.")
    auto_100trying: int = param(1, help="Whether an INVITE gets its 100 at once.")
    pass_provisional_replies: int = param(0, help="Whether who sent a request of ours hears of its 1xx.")
    local_request_route: str = param("", help="A route that looks at each request of our own; changes are lost.")
    local_reply_route: str = param("", help="A route that looks at each reply made here; changes are lost.")
    tm_replication_cluster: int = param(0, help="The cluster for anycast: not yet.")

    @modparam("fr_timer", int, help="2.4's old name of fr_timeout.")
    def old_fr_timer(self, seconds: int) -> None:
        self.fr_timeout = renamed("fr_timer", "fr_timeout", seconds)

    @modparam("fr_inv_timer", int, help="2.4's old name of fr_inv_timeout.")
    def old_fr_inv_timer(self, seconds: int) -> None:
        self.fr_inv_timeout = renamed("fr_inv_timer", "fr_inv_timeout", seconds)

    def configure(self) -> None:
        """Before the fork: everything is made but the seed of the branches."""
        if self.tm_replication_cluster:
            raise ModuleError('parameter "tm_replication_cluster": anycast replication is not in PySIPS yet')
        stats = Stats(self.program.statistics)
        settings = self.settings()
        self.table = Table(self.services, settings, stats)
        self.replies = Replies(self.table, self.program)
        self.orphans = Orphans(self.program.tag_prefix)
        self.requests = Requests(self.replies)
        self.uac = local.Local(self.replies, self.program)
        self.approve(self.program)
        self.replies.serving.peek_route = self.local_reply_route
        self.uac.peek_route = self.local_request_route
        self.program.hooks.takers.append(self)
        self.program.hooks.asyncs = Asyncs(self.requests)
        if not self.enable_stats:
            for key in [key for key in self.program.statistics.known if key[0] == "tm"]:
                del self.program.statistics.known[key]

    def approve(self, edition: Program) -> None:
        for name in (self.local_request_route, self.local_reply_route):
            if name and ("route", name) not in edition.routes:
                raise ModuleError(f"there is no route[{name}] to look at local messages")

    def settings(self) -> Settings:
        """The parameters as the work needs them."""
        made = Settings()
        made.fr_timeout = float(self.fr_timeout)
        made.fr_inv_timeout = float(self.fr_inv_timeout)
        made.linger = float(self.wt_timer)
        made.t1 = self.T1_timer / 1000
        made.t2 = self.T2_timer / 1000
        made.ruri_matching = bool(self.ruri_matching)
        made.via1_matching = bool(self.via1_matching)
        made.restart_fr = bool(self.restart_fr_on_each_reply)
        made.reply_avps = bool(self.onreply_avp_mode)
        made.block_6xx = not self.disable_6xx_block
        made.tell_provisional = bool(self.pass_provisional_replies)
        made.auto_100 = bool(self.auto_100trying)
        if self.minor_branch_flag:
            made.minor_flag = self.services.branch_flags.mask(self.minor_branch_flag)
        return made

    async def start(self) -> None:
        self.table.seed()
        if self.services.lives > 1:
            self.orphans.until = self.services.clock.now() + self.fr_inv_timeout

    # -- relaying and answering

    @function("t_relay", routes=Route.REQUEST | Route.FAILURE)
    async def relay(
        self,
        ctx: Context,
        flags: Annotated[RelayFlags | Hop | None, relay_argument] = None,
        outbound_proxy: Annotated[RelayFlags | Hop | None, relay_argument] = None,
    ) -> int:
        """Send the request on, to all branches; flags: no-auto-477, no-dns-failover, pass-reason-hdr, allow-no-cancel.

        1, also for a retransmission (answered again) and for a request that was answered 4xx or 5xx here because it
        could not be sent; -1 for a message that makes no transaction, -3 no destination, -4 bad address, -6 not sent.
        """
        bits = 0
        hop: Hop | None = None
        if flags is not None or outbound_proxy is not None:
            for argument in (flags, outbound_proxy):
                if isinstance(argument, Hop):
                    hop = argument
                elif argument is not None:
                    bits |= argument
        work = self.requests.relay(ctx, bits, hop)
        if isinstance(work, int):
            return work
        waiting = work.step(None)
        return work.end() if waiting is None else await driving.drive(work, waiting)

    @function("t_replicate", routes=Route.REQUEST | Route.FAILURE)
    async def replicate(self, ctx: Context, uri: str, flags: Annotated[RelayFlags, relay_flags] = NO_FLAGS) -> int:
        """Send a copy of the request to a URI; its replies stay here."""
        return await local.replicate(self.requests, ctx, uri, flags)

    @function("t_newtran", routes=Route.REQUEST)
    def new_transaction(self, ctx: Context) -> int:
        """Make the transaction (an INVITE gets its 100); 0 for a retransmission, which is answered again."""
        return self.newtran(ctx)

    def newtran(self, ctx: Context) -> int:
        made = self.requests.newtran_alone(ctx)
        return 1 if made == 2 else -1 if made < 0 else made

    @function("t_reply", routes=Route.REQUEST | Route.FAILURE)
    def answer(self, ctx: Context, code: StatusCode, reason: str) -> int:
        """Answer statefully; makes the transaction if there is none yet. -1 after a final reply."""
        return self.reply(ctx, code, reason)

    @function("t_reply_with_body", routes=Route.REQUEST | Route.FAILURE)
    def answer_with_body(self, ctx: Context, code: StatusCode, reason: str, body: str) -> int:
        """The same with a body; its Content-Type comes by append_to_reply()."""
        return self.reply(ctx, code, reason, body=body)

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "", to_tag: str = "") -> int:
        if not 100 <= code <= 699 or not is_one_line(reason):
            log.error("tm:t_reply", f"refused: {code} {reason}")
            return -1
        if ctx.message.method == "ACK":
            return 0
        if ctx.transaction is None:
            made = self.requests.newtran_alone(ctx)
            if made != 1:
                return made if made == 0 else -1
        if 300 <= code < 400:
            headers += contacts(ctx)
        return self.replies.serving.reply(ctx.transaction, ctx, code, reason, headers, body, to_tag)

    @function("t_reply_by_callid", routes=Route.REQUEST)
    def answer_by_callid(
        self, ctx: Context, code: StatusCode, reason: str, callid: str | None = None, cseq: str | None = None
    ) -> int:
        """Answer an INVITE that is parked here, named by Call-ID and CSeq number (those of this message by default)."""
        try:
            number = cseq if cseq is not None else str(ctx.message.cseq()[0])
        except SipError:
            return -1
        found = self.table.dialogs.get((callid or ctx.message.call_id()) + " " + number.strip())
        return self.replies.serving.reply(found, found.ctx, code, reason) if found is not None else -1

    @function("t_check_trans", routes=Route.REQUEST | Route.BRANCH)
    def check_transaction(self, ctx: Context) -> int:
        """1 for the ACK or CANCEL of a transaction here; a retransmission is answered and the script stops.

        -1 for a new request, -2 for the ACK of a 2xx.
        """
        return self.requests.check(ctx)

    # -- arming routes

    @function("t_on_failure", route_argument=(0, "failure_route"), routes=ARMING)
    def on_failure(self, ctx: Context, failure_route: Annotated[str, Static]) -> int:
        """Run this failure_route when the request fails."""
        self.armed(ctx).on_failure = failure_route
        return 1

    @function("t_on_branch", route_argument=(0, "branch_route"), routes=ARMING & ~Route.LOCAL)
    def on_branch(self, ctx: Context, branch_route: Annotated[str, Static]) -> int:
        """Run this branch_route for each branch before it is sent."""
        self.armed(ctx).on_branch = branch_route
        return 1

    @function("t_on_reply", route_argument=(0, "onreply_route"), routes=ARMING)
    def on_reply(self, ctx: Context, reply_route: Annotated[str, Static]) -> int:
        """Run this onreply_route for each reply; from a branch_route: for each reply of that branch."""
        if ctx.kind == BRANCH:
            client = client_of(ctx)
            if client is not None:
                client.on_reply = reply_route
            return 1
        self.armed(ctx).on_reply = reply_route
        return 1

    def armed(self, ctx: Context) -> Any:
        """Where a route to come is noted: the transaction, or the plan for the one to come."""
        transaction = transaction_of(ctx)
        return transaction if transaction is not None else plan_of(ctx)

    # -- asking

    @function("t_check_status", routes=Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH)
    def check_status(self, ctx: Context, pattern: Regex) -> int:
        """Whether the status at hand ($T_reply_code) matches."""
        if transaction_of(ctx) is None:
            return -1
        return 1 if pattern.matches(str(variables.reply_code(ctx))) else -1

    @function("t_local_replied", routes=Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH)
    def local_replied(self, ctx: Context, reply: Annotated[Which, which_replies]) -> int:
        """Whether all replies, the branch's, or the last one were made here."""
        transaction = transaction_of(ctx)
        if transaction is None:
            return -1
        if reply == "all":
            came = [client for client in transaction.clients[transaction.first :] if client.replied]
            return -1 if came else 1
        client = client_of(ctx) if ctx.kind == FAILURE else None
        if client is not None:
            made_here = not client.replied if reply == "branch" else client.reply is None
            return 1 if made_here else -1
        return 1 if reply == "last" and transaction.relayed == OURSELVES else -1

    @function("t_was_cancelled", routes=Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH)
    def was_cancelled(self, ctx: Context) -> int:
        """Whether the client has cancelled the INVITE."""
        transaction = transaction_of(ctx)
        return 1 if transaction is not None and transaction.cancelled else -1

    # -- changing

    @function("t_cancel_branch", routes=Route.REPLY)
    def cancel_branch(self, ctx: Context, flags: Annotated[CancelFlags, cancel_flags] = NO_LETTERS) -> int:
        """Cancel the reply's branch, all branches (a) or the others (o)."""
        transaction = transaction_of(ctx)
        client = client_of(ctx)
        if transaction is None or client is None or not transaction.invite:
            return -1
        if "a" in flags:
            cancel_branches(transaction, "", client if ctx.message.status >= 200 else None)
            note_ringing(client, ctx)
        elif "o" in flags:
            cancel_branches(transaction, "", client)
        elif ctx.message.status < 200:
            note_ringing(client, ctx)
            cancel_wanted(client, "")
        return 1

    @function("t_flush_flags", routes=Route.REQUEST | Route.BRANCH)
    def flush_flags(self, ctx: Context) -> int:
        """Make the message flags of now those of the transaction."""
        transaction = transaction_of(ctx)
        if transaction is None:
            return -1
        transaction.flags = ctx.flags
        return 1

    @function("t_add_hdrs", routes=Route.REQUEST)
    def add_headers(self, ctx: Context, sip_hdrs: str) -> int:
        """Whole lines for the ACKs and CANCELs of this transaction that are made here."""
        try:
            lines = header_lines(sip_hdrs)
        except ValueError as problem:
            log.error("tm:t_add_hdrs", f"refused: {problem}")
            return -1
        self.armed(ctx).headers = lines
        return 1

    @function("t_add_cancel_reason", routes=Route.REQUEST)
    def add_cancel_reason(self, ctx: Context, reason_hdr: str) -> int:
        """The Reason line of the CANCELs that this CANCEL leads to."""
        try:
            plan_of(ctx).reason = header_lines(reason_hdr)
        except ValueError as problem:
            log.error("tm:t_add_cancel_reason", f"refused: {problem}")
            return -1
        return 1

    # -- branches to come

    @function("t_wait_for_new_branches", routes=Route.REQUEST)
    def wait_for_branches(self, ctx: Context, branches: int = 0) -> int:
        """Keep the transaction open until fr_inv_timeout, or until so many branches came by t_inject_branches."""
        return inject.wait_for_branches(self.requests, ctx, branches)

    @function("t_wait_no_more_branches", routes=Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH)
    def wait_no_more(self, ctx: Context) -> int:
        """Wait for no branches but those that are there."""
        transaction = transaction_of(ctx)
        return inject.wait_no_more(transaction, 0) if transaction is not None else -1

    @function("t_inject_branches", routes=Route.REQUEST | Route.REPLY)
    async def inject_branches(
        self,
        ctx: Context,
        source: Annotated[inject.Source, inject.source],
        flags: Annotated[inject.Flags, inject.flags] = inject.NONE,
    ) -> int:
        """Add the branches of this message to its running transaction; flags: cancel (or c), l for the last ones."""
        return await inject.inject(ctx, flags)

    @function("t_get_branch_idx_by_attr", routes=Route.FAILURE | Route.REPLY | Route.BRANCH)
    def find_branch(
        self, ctx: Context, attr: str, val_str: str | None = None, val_int: int | None = None,
        result: Var | None = None, offset: int = 0,
    ) -> int:  # fmt: skip
        """Find the branch with that attribute (and value, if one is given), from `offset` on."""
        transaction = transaction_of(ctx)
        if transaction is None or offset < 0:
            return -1
        for client in transaction.clients[offset:]:
            value = (client.branch.attributes or {}).get(attr)
            if value is not None and (val_str is None or value == val_str) and (val_int is None or value == val_int):
                return result.set(ctx, client.index) if result is not None else 1
        return -1

    # -- requests of our own

    @function("t_new_request")
    async def new_request(
        self, ctx: Context, method: str, RURI: str, from_: str, to: str, body: str | None = None, avp: str | None = None
    ) -> int:
        """Send a request: from_ and to as "[display] URI", body as "type text"; avp becomes $avp(uac_ctx)."""
        return local.new_request(self.uac, ctx, method, RURI, from_, to, body, avp)

    def request(self, method: str, uri: str, **facts: Any) -> Promise:
        """See TmApi.request."""
        return self.uac.request(method, uri, **facts)

    # -- variables

    @variable("T_reply_code")
    def reply_code(self, ctx: Context) -> Value:
        """The status at hand: of the reply, of the picked one in failure_route, of the last one sent; 0 for none."""
        return variables.reply_code(ctx)

    @variable("T_branch_idx")
    def branch_index(self, ctx: Context) -> Value:
        """The number of the branch in branch, reply and failure routes."""
        return variables.branch_number(ctx)

    @variable("T_ruri")
    def branch_uri(self, ctx: Context) -> Value:
        """The Request-URI that the branch was sent with."""
        client = client_of(ctx)
        return client.branch.uri if client is not None else None

    @variable("T_id")
    def transaction_id(self, ctx: Context) -> Value:
        """The transaction's name, unique in this server."""
        transaction = transaction_of(ctx)
        return management.name_of(transaction, self.services.slot) if transaction is not None else None

    @variable("T_fr_timeout", write="set_fr_timeout")
    def own_fr_timeout(self, ctx: Context) -> Value:
        """fr_timeout of this request."""
        seconds = variables.timeout_of(ctx, False)
        return int(seconds) if seconds >= 0 else self.fr_timeout

    def set_fr_timeout(self, ctx: Context, value: Value) -> int:
        return variables.set_timeout(ctx, value, False)

    @variable("T_fr_inv_timeout", write="set_fr_inv_timeout")
    def own_fr_inv_timeout(self, ctx: Context) -> Value:
        """fr_inv_timeout of this request."""
        seconds = variables.timeout_of(ctx, True)
        return int(seconds) if seconds >= 0 else self.fr_inv_timeout

    def set_fr_inv_timeout(self, ctx: Context, value: Value) -> int:
        return variables.set_timeout(ctx, value, True)

    def variables(self) -> list[VariableSpec]:
        return variables.specs(self.services)

    def contexts(self) -> dict[str, Callable[[Any], Any]]:
        return variables.CONTEXTS

    # -- for other modules

    def transaction(self, ctx: Context) -> Transaction | None:
        """See TmApi: the run's own; for an ACK the INVITE's."""
        found = transaction_of(ctx)
        if found is None and ctx.message.method == "ACK" and ctx.message.status == 0:
            found = self.table.of_request(ctx.message, "INVITE")
        return found

    def watch(self, ctx: Context, observer: Observer) -> None:
        holder = self.armed(ctx)
        if holder.observers is None:
            holder.observers = []
        if observer not in holder.observers:
            holder.observers.append(observer)

    def watch_all(self, observer: Observer) -> None:
        self.table.observers.append(observer)

    # -- for the door

    def take_reply(self, ctx: Context) -> bool:
        return self.replies.take(ctx) or self.orphans.take(ctx)

    def program_of(self, ctx: Context) -> Program | None:
        client = self.table.of_reply(ctx.message)
        return None if client is None or client.transaction is None else client.transaction.ctx.program

    def unreachable(self, proto: str, host: str, port: int) -> None:
        self.replies.nobody_at(proto, host, port)

    def failed(self, ctx: Context) -> bool:
        """The script broke: 500, unless branches are on their way or an answer is out."""
        transaction = transaction_of(ctx)
        if transaction is None or ctx.message.status:
            return False
        if transaction.status < 200 and not transaction.forwarded:
            self.replies.serving.reply(transaction, ctx, 500, "Server Internal Error")
        return True

    def knows(self, ctx: Context) -> bool:
        return complete(ctx.message) and self.table.of_request(ctx.message, ctx.message.method) is not None

    def owing(self) -> int:
        return self.table.owing()

    # -- management

    def mi_call_id(
        self, method: str, ruri: str, headers: str, next_hop: str = "", socket: str = "", body: str = ""
    ) -> str:
        """The Call-ID that the headers of a t_uac_dlg bring; its replies go to the owner of that."""
        return management.header_values(headers)[0].get(CALL_ID, "")

    @mi("t_uac_dlg", full="tm:uac_dlg", where=Where.FIRST, call_id="mi_call_id", seconds=management.MOST_SECONDS)
    async def mi_request(
        self, method: str, ruri: str, headers: str, next_hop: str = "", socket: str = "", body: str = ""
    ) -> Json:
        """Send a request and wait for its final reply."""
        return await management.send_request(self.uac, self.program, method, ruri, headers, next_hop, socket, body)

    @mi("t_uac_cancel", full="tm:uac_cancel", where=Where.EACH)
    def mi_cancel(self, callid: str, cseq: str) -> Json:
        """Cancel an INVITE of our own."""
        return management.cancel_request(self.table, callid, cseq)

    @mi("t_hash", full="tm:hash", where=Where.EACH)
    def mi_hash(self) -> Json:
        """How many transactions there are, by kind."""
        return management.table_load(self.table)

    @mi("t_reply", full="tm:reply", where=Where.EACH)
    def mi_reply(
        self, code: int, reason: str, trans_id: str, to_tag: str, new_headers: str = "", body: str = ""
    ) -> Json:
        """Answer a transaction by its $T_id."""
        found = management.find(self.table, trans_id, self.services.slot)
        if found is None:
            raise MiError(404, "Transaction not found")
        if not 100 <= code <= 699 or not is_one_line(reason):
            raise MiError(400, "Bad code or reason")
        try:
            lines = header_lines(new_headers) if new_headers not in ("", ".") else ""
        except ValueError as problem:
            raise MiError(400, f"Bad headers: {problem}") from None
        if self.replies.serving.reply(found, found.ctx, code, reason, lines, body, to_tag) < 0:
            raise MiError(500, "Transaction has its final reply")
        return "OK"
