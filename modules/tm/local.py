"""Requests of our own, and copies of others (OpenSIPS: t_uac, t_replicate, local_route; RFC 3261 section 8.1).

Facts:
- a request is written whole, with our Via, and local_route may then change it and where it goes;
- its Call-ID is one that this worker owns, so that replies and requests of its dialog come here;
- the one who asked gets a promise; 408 without a reply means that nobody answered.
"""

import os
from typing import TYPE_CHECKING, Final, final

from pysips.core.branches import Branch
from pysips.core.context import LOCAL, REQUEST, Context
from pysips.core.exports import Value
from pysips.core.forward import hop_of, socket_for
from pysips.core.services import FAILED, Peer, Promise, Socket, Target
from pysips.errors import SipError
from pysips.sip import build
from pysips.sip.headers import is_token
from pysips.sip.message import read
from pysips.sip.rewrite import header_lines, is_one_line
from pysips.sip.text import quoted
from pysips.sip.via import bare

from .api import Answer
from .driving import drive
from .forking import NO_DNS_FAILOVER, send_first
from .replies import Replies
from .requests import Requests
from .serving import looked
from .table import Client, Observer, Transaction

if TYPE_CHECKING:
    from pysips.core.program import Program

FIRST_CSEQ: Final = 10
NOT_SENT: Final = 477
UNRESOLVABLE: Final = 476
UAC_CTX: Final = "uac_ctx"


class Facts:
    """What a request of ours says, checked: no text of it can begin a line of its own."""

    def __init__(
        self, method: str, uri: str, from_: str, to: str, call_id: str, cseq: int, headers: str, body: str
    ) -> None:
        """Raises ValueError."""
        if not is_token(method):
            raise ValueError(f'"{method}" is no method')
        for text in (uri, from_, to, call_id):
            if not text or not is_one_line(text):
                raise ValueError("a URI, From, To or Call-ID is empty or has a line end in it")
        self.method = method
        self.uri = uri
        self.from_ = from_
        self.to = to
        self.call_id = call_id
        self.cseq = cseq
        self.headers = header_lines(headers) if headers else ""
        self.body = body

    def text(self, via: str, agent: str) -> str:
        return build.request(
            self.method, self.uri, self.from_, self.to, self.call_id, self.cseq, agent + self.headers, self.body, via
        )


class Local:
    """Sends the requests of a worker."""

    def __init__(self, replies: Replies, program: "Program") -> None:
        self.replies = replies
        self.table = replies.table
        self.program = program
        self.peek_route = ""

    def request(
        self, method: str, uri: str, *, from_: str, to: str, headers: str = "", body: str = "", next_hop: str = "",
        socket: Socket | None = None, call_id: str = "", cseq: int = FIRST_CSEQ, from_tag: str = "",
        observer: Observer | None = None, avps: dict[str, list[Value]] | None = None,
    ) -> Promise:  # fmt: skip
        """See TmApi.request; raises ValueError for text that cannot stand in a request."""
        tagged = from_value(from_) + ";tag=" + (from_tag or os.urandom(8).hex())
        facts = Facts(method, uri, tagged, from_value(to), call_id or self.new_call_id(), cseq, headers, body)
        promise = Promise()
        sending = Sending(self, facts, next_hop or uri, socket, promise, observer, avps)
        try:
            sending.resolve()
        except SipError:
            promise.complete(Answer(UNRESOLVABLE, None))
        return promise

    def new_call_id(self) -> str:
        """A Call-ID that this worker owns (house rule 9.2)."""
        services = self.program.services
        while True:
            made = os.urandom(12).hex()
            if services.slots < 2 or services.slot < 0 or services.call_slot(made) == services.slot:
                return made


def from_value(text: str) -> str:
    """A From or To value of `URI`, `<URI>`, `display URI` or a whole name-addr; raises ValueError for an empty one."""
    text = text.strip()
    if not text:
        raise ValueError("From and To need a URI")
    if text.endswith(">") or "<" in text:
        return text
    display, _, uri = text.rpartition(" ")
    display = display.strip()
    if not display:
        return "<" + uri + ">"
    plain = display.startswith('"') or all(is_token(word) for word in display.split())
    return (display if plain else quoted(display)) + " <" + uri + ">"


@final
class Sending:
    """One request of ours on its way out: resolved, through local_route, sent."""

    __slots__ = (
        "avps", "client", "facts", "local", "next_hop", "observer", "promise", "socket", "target", "targets",
        "transaction", "waits",
    )  # fmt: skip

    def __init__(
        self, local: Local, facts: Facts, next_hop: str, socket: Socket | None, promise: Promise,
        observer: Observer | None, avps: dict[str, list[Value]] | None,
    ) -> None:  # fmt: skip
        self.local: Local = local
        self.facts: Facts = facts
        self.next_hop: str = next_hop
        self.socket: Socket | None = socket
        self.promise: Promise = promise
        self.observer: Observer | None = observer
        self.avps: dict[str, list[Value]] | None = avps
        self.targets: list[Target] = []
        self.target: int = 0  # the number of the one that it is written for
        self.client: Client | None = None
        self.transaction: Transaction | None = None
        self.waits: Promise | None = None

    def fail(self, code: int) -> None:
        """It does not go out."""
        transaction = self.transaction
        if transaction is not None:
            self.local.table.remove(transaction)
        self.promise.complete(Answer(code, None))

    def resolve(self) -> None:
        """Find out where to, first of all. Raises SipError for a URI that leads nowhere."""
        hop = hop_of(self.next_hop)
        proto = hop.proto or (self.socket.proto if self.socket is not None else "")
        resolver = self.local.program.services.resolver
        known = resolver.known(hop.host, hop.port, proto)
        if known is not None:
            self.write(known)
        else:
            self.waits = resolver.ask(hop.host, hop.port, proto)
            self.waits.when_done(self.resolved)

    def resolved(self) -> None:
        waits = self.waits
        if waits is None or waits.failure is not None:
            self.fail(UNRESOLVABLE)
        else:
            self.write(waits.value)

    def write(self, targets: list[Target]) -> None:
        """Write it for its first target, and let local_route see it."""
        local = self.local
        program = local.program.latest.program
        self.targets = targets
        found = self.reachable(targets, self.socket)
        if found is None:
            self.fail(NOT_SENT if targets else UNRESOLVABLE)
            return
        target, socket = found
        branch_id = local.table.next_branch()
        text = self.facts.text(via_value(socket, branch_id), program.user_agent_line)
        message = read(text.encode("utf-8", "surrogateescape"))
        host = bare(socket.advertised_host or socket.host)
        ctx = Context(program.services, program, message, Peer(socket.proto, host, socket.port, socket), LOCAL)
        ctx.dst = self.next_hop
        ctx.send_socket = self.socket
        if self.avps:
            ctx.avps = dict(self.avps)
        transaction = self.transaction = local.table.create_local(ctx)
        transaction.promise = self.promise
        if local.table.observers or self.observer is not None:
            own = [self.observer] if self.observer is not None else []
            transaction.observers = local.table.observers + own
            for observer in transaction.observers:
                observer.created(transaction, ctx)
        client = self.client = Client(transaction, Branch(message.uri), branch_id, 0, transaction.invite)
        client.peer = Peer(target.proto, target.host, target.port, socket)
        route = program.routes.get(("local_route", ""))
        if route is None:
            self.send(ctx)
            return
        try:
            result = route(ctx)
        except Exception as problem:
            self.route_broke(ctx, problem)
            return
        program.runs.start(ctx, result, self.route_ended, self.route_broke)

    def reachable(self, targets: list[Target], forced: Socket | None) -> tuple[Target, Socket] | None:
        """The first target that a socket of ours can reach."""
        for place, target in enumerate(targets):
            socket = socket_for(self.local.program.services, target, forced, None)
            if socket is not None:
                self.target = place
                return target, socket
        return None

    def route_broke(self, ctx: Context, problem: BaseException) -> None:
        ctx.program.tell_failure(problem, "the local_route failed")
        self.route_ended(ctx, -1)

    def route_ended(self, ctx: Context, code: int) -> None:
        """local_route is over: it may have sent the request elsewhere."""
        where = ctx.dst or ctx.request_uri()
        if where == self.next_hop and ctx.send_socket is self.socket:
            self.send(ctx)
            return
        try:
            hop = hop_of(where)
        except SipError:
            self.fail(UNRESOLVABLE)
            return
        proto = hop.proto or (ctx.send_socket.proto if ctx.send_socket is not None else "")
        resolver = ctx.services.resolver
        known = resolver.known(hop.host, hop.port, proto)
        if known is not None:
            self.redirect(ctx, known)
        else:
            self.waits = resolver.ask(hop.host, hop.port, proto)
            self.waits.when_done(lambda: self.redirected(ctx))

    def redirected(self, ctx: Context) -> None:
        waits = self.waits
        self.redirect(ctx, [] if waits is None or waits.failure is not None else waits.value)

    def redirect(self, ctx: Context, targets: list[Target]) -> None:
        """Send it to the targets that local_route chose, with the Via of the socket that reaches them."""
        found = self.reachable(targets, ctx.send_socket)
        client = self.client
        if found is None or client is None:
            self.fail(NOT_SENT if targets else UNRESOLVABLE)
            return
        target, socket = found
        peer = client.peer
        if peer is not None and socket is not peer.socket:
            a, b = ctx.message.top_via_span()
            ctx.edits.replace(a, b, via_value(socket, client.id))
        client.peer = Peer(target.proto, target.host, target.port, socket)
        self.targets = targets
        self.send(ctx)

    def send(self, ctx: Context) -> None:
        """Out with it, and wait for the answer; nobody answers an ACK."""
        transaction = self.transaction
        client = self.client
        if transaction is None or client is None or client.peer is None:
            return
        table = self.local.table
        message = ctx.message
        edits = ctx.edits.copy()
        if ctx.uri:
            edits.replace(message.uri_a, message.uri_b, ctx.uri)
        client.data = edits.write(message.text)
        client.branch = Branch(ctx.request_uri(), ctx.dst, ctx.path, ctx.q, ctx.bflags, ctx.send_socket)
        if self.local.peek_route:
            self.peek(transaction.ctx.program, client.data, client.peer)
        ctx.edits.remove(*message.without_top_via())  # branches of a failure_route get a Via of their own
        ctx.dst = ""
        transaction.flags = ctx.flags
        transaction.forwarded = True
        transaction.clients.append(client)
        table.clients[client.id] = client
        if transaction.method == "ACK":
            self.send_ack(client.data, client.peer)
            return
        if len(self.targets) > 1:
            client.targets, client.target, client.edits = self.targets, self.target, ctx.edits
        if not send_first(client, ctx, ctx.edits):
            self.fail(NOT_SENT)

    def send_ack(self, data: bytes, peer: Peer) -> None:
        """Nobody answers an ACK."""
        local = self.local
        if self.transaction is not None:
            local.table.remove(self.transaction)
        sent = local.table.services.network.send(data, peer)
        self.promise.complete(Answer(200 if sent != FAILED else NOT_SENT, None))

    def peek(self, program: "Program", data: bytes, peer: Peer) -> None:
        """Let `local_request_route` look at what goes out; what it changes is lost."""
        route = program.routes.get(("route", self.local.peek_route))
        if route is not None:
            program.start(Context(program.services, program, read(data), peer, REQUEST), route, looked)


def via_value(socket: Socket, branch_id: str) -> str:
    """The value of our Via."""
    return "SIP/2.0/" + socket.proto.upper() + " " + socket.sent_by + ";branch=" + branch_id


def new_request(
    local: Local, ctx: Context, method: str, uri: str, from_: str, to: str, body: str | None, avp: str | None
) -> int:
    """t_new_request: 1 when it was sent or is being resolved, -1 when it cannot be."""
    headers, text = "", ""
    if body:
        kind, _, text = body.partition(" ")
        headers = "Content-Type: " + kind + "\r\n"
    avps: dict[str, list[Value]] | None = {UAC_CTX: [avp]} if avp is not None else None
    try:
        sent = local.request(method, uri, from_=from_, to=to, headers=headers, body=text, avps=avps)
    except ValueError:
        return -1
    return -1 if sent.done and sent.value[1] is None and sent.value[0] in (NOT_SENT, UNRESOLVABLE) else 1


async def replicate(requests: Requests, ctx: Context, uri: str, flags: int) -> int:
    """t_replicate: send a copy to a URI, the branches of the message too; what they answer stays here."""
    if ctx.transaction is None:
        made = requests.newtran_alone(ctx)
        if made != 1:
            return made if made == 0 else -1
    transaction: Transaction = ctx.transaction
    transaction.local = True
    ctx.dst = uri
    work = requests.relay(ctx, flags & NO_DNS_FAILOVER, None)
    return work if isinstance(work, int) else await drive(work)


__all__ = ["Facts", "Local", "from_value", "new_request", "replicate", "via_value"]
