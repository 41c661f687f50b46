"""The only door for messages: request in, reply in.

Order of things: whose is it (9.2) → read → refuse what RFC 3261 forbids (unless `strict_parsing=no`) → the script →
whoever asked to hear of the script's end. No exception of a message's own handling gets past here: it is logged
once, with the peer and the script's line, and a request is answered 500.
"""

from typing import TYPE_CHECKING, Any, Final, final

from pysips.errors import SipError
from pysips.sip.headers import PROXY_REQUIRE
from pysips.sip.message import Message
from pysips.sip.shapes import read
from pysips.sip.validate import check

from . import waiting
from .answer import send_reply
from .context import ERROR, MEDIUM, PARSER, REPLY, REQUEST, Context, ErrorInfo
from .forward import is_local_via, relay_reply
from .log import log
from .services import Peer, Receiver, Services
from .stats import Statistics

if TYPE_CHECKING:
    from .program import Program

SHORTEST: Final = 16  # bytes; less is a keep-alive or noise
QUIET_SECONDS: Final = 10.0  # between two log lines of one kind


def is_readable(message: Message) -> bool:
    """False for what even OpenSIPS drops without a word: no request line, or a topmost Via that is none."""
    if not message.uri_b:
        return False
    try:
        message.top_via()
    except SipError:
        return False
    return True


@final
class CoreStats:
    """The counters that messages move: OpenSIPS' group core, and how many requests were refused with which status."""

    __slots__ = (
        "bad_msg_hdr", "bad_uris", "drop_replies", "drop_requests", "err_replies", "err_requests", "fwd_replies",
        "fwd_requests", "rcv_replies", "rcv_requests", "refused", "slow_messages",
    )  # fmt: skip

    def __init__(self, statistics: Statistics) -> None:
        self.rcv_requests = statistics.counter("core", "rcv_requests")
        self.rcv_replies = statistics.counter("core", "rcv_replies")
        self.fwd_requests = statistics.counter("core", "fwd_requests")
        self.fwd_replies = statistics.counter("core", "fwd_replies")
        self.drop_requests = statistics.counter("core", "drop_requests")
        self.drop_replies = statistics.counter("core", "drop_replies")
        self.err_requests = statistics.counter("core", "err_requests")
        self.err_replies = statistics.counter("core", "err_replies")
        self.bad_uris = statistics.counter("core", "bad_URIs_rcvd")
        self.bad_msg_hdr = statistics.counter("core", "bad_msg_hdr")
        self.slow_messages = statistics.counter("core", "slow_messages")
        self.refused: dict[int, Any] = {
            status: statistics.counter("refused", str(status)) for status in (400, 413, 414, 416, 505, 513)
        }


@final
class Door(Receiver):
    """Takes what the sockets bring to one worker."""

    __slots__ = (
        "main",
        "main_reply",
        "program",
        "runs",
        "services",
        "slot",
        "slots",
        "slow_seconds",
        "stats",
        "strict",
    )

    def __init__(self, services: Services, program: "Program") -> None:
        self.services: Services = services
        self.program: Program = program
        self.stats: CoreStats = program.core_stats
        self.slot: int = services.slot
        self.slots: int = services.slots
        self.strict: bool = program.strict
        self.slow_seconds: float = program.slow_seconds
        self.main: Any = program.routes.get(("route", ""))
        self.main_reply: Any = program.routes.get(("onreply_route", ""))
        self.runs = program.runs = waiting.Runs(program.max_waiting, self.overloaded)

    # -- from outside

    def receive(self, data: bytes, peer: Peer) -> None:
        """Bytes of one message from a socket: ours, or a sibling's."""
        if len(data) < SHORTEST:
            return
        if self.slots > 1:
            slot = self.services.owner_of(data)
            if slot >= 0 and slot != self.slot:
                self.services.network.pass_on(slot, data, peer)
                return
        self.handed(data, peer)

    def handed(self, data: bytes, peer: Peer) -> None:
        """Bytes of one message that is ours."""
        try:
            message = read(data)
        except SipError:
            self.stats.err_requests.inc()
            self.say("unreadable", peer, "what came is no SIP message")
            return
        ctx = Context(self.services, self.program, message, peer, REPLY if message.status else REQUEST)
        started = self.services.clock.now() if self.slow_seconds else 0.0
        try:
            if message.status:
                self.reply(ctx)
            else:
                self.request(ctx)
        except Exception as problem:
            self.failed(ctx, problem)
        if started:
            self.measure(ctx, self.services.clock.now() - started)

    def measure(self, ctx: Context, seconds: float) -> None:
        """Tell of a message that kept the worker busy for longer than `exec_msg_threshold`."""
        if seconds > self.slow_seconds:
            self.stats.slow_messages.inc()
            text = f"a {ctx.message.method} took {int(seconds * 1_000_000)} µs, more than exec_msg_threshold"
            self.say("slow", ctx.source, text)

    def unreachable(self, proto: str, host: str, port: int) -> None:
        """The network says that nobody listens there."""
        for taker in self.program.hooks.takers:
            taker.unreachable(proto, host, port)

    # -- requests

    def request(self, ctx: Context) -> None:
        self.stats.rcv_requests.inc()
        message = ctx.message
        if self.strict:
            if message.match is None:
                try:
                    check(message)
                except SipError as problem:
                    self.refuse(ctx, problem)
                    return
            if PROXY_REQUIRE in message.kinds and self.demands(ctx):
                return
        elif not is_readable(message):
            self.stats.drop_requests.inc()
            return
        if self.runs.requests and self.is_waiting(ctx):
            return
        hooks = self.program.hooks
        for guard in hooks.guards + hooks.ack_guards if message.method == "ACK" else hooks.guards:
            if guard.takes(ctx):
                return
        if self.main is None:
            return
        code = self.main(ctx)
        if isinstance(code, int):  # nothing had to wait
            if ctx.at_end is not None:
                self.request_ended(ctx, code)
        else:
            self.runs.start(ctx, code, self.request_ended, self.failed)

    def demands(self, ctx: Context) -> bool:
        """Answer 420 to a request that demands an extension of its proxies that we have not (section 16.3, step 5)."""
        message = ctx.message
        wanted = ", ".join(message.values(PROXY_REQUIRE))
        if message.method in ("ACK", "CANCEL") or not wanted:
            return False
        self.say("refused", ctx.source, "request refused with 420 Bad Extension")
        send_reply(ctx, 420, "Bad Extension", "Unsupported: " + wanted + "\r\n")
        return True

    def request_ended(self, ctx: Context, code: int) -> None:
        if ctx.at_end is not None:
            for ending in ctx.at_end:
                ending.script_ended(ctx)

    def is_waiting(self, ctx: Context) -> bool:
        """Absorb a retransmission of a run that waits; answer a CANCEL of one."""
        if self.runs.absorbs(ctx):
            return True
        if ctx.message.method == "CANCEL" and self.runs.cancels(ctx) is not None:
            send_reply(ctx, 200, "canceling")
            return True
        return False

    def refuse(self, ctx: Context, problem: SipError) -> None:
        """A request that RFC 3261 forbids, or that cannot be read: for error_route if there is one, else its status."""
        self.stats.err_requests.inc()
        counter = self.stats.refused.get(problem.status)
        if counter is not None:
            counter.inc()
        if "URI" in problem.reason:
            self.stats.bad_uris.inc()
        elif problem.status == 400:
            self.stats.bad_msg_hdr.inc()
        self.say("refused", ctx.source, f"request refused with {problem.status} {problem.reason}")
        route = self.program.routes.get(("error_route", ""))
        if route is not None and problem.status == 400:
            ctx.kind = ERROR
            ctx.err = ErrorInfo(PARSER, MEDIUM, problem.reason, problem.status, problem.reason)
            self.runs.start(ctx, route(ctx), self.request_ended, self.failed)
            return
        try:
            send_reply(ctx, problem.status, problem.reason)
        except SipError:
            self.stats.drop_requests.inc()  # not even a Via to answer to

    def overloaded(self, ctx: Context) -> None:
        """Too many runs wait: this one's answer is 503 (RFC 3261 section 21.5.4)."""
        self.say("waiting", ctx.source, f"more than {self.runs.most} runs wait (max_waiting)")
        if ctx.message.status == 0 and not self.tell_takers(ctx):
            send_reply(ctx, 503, "Service Unavailable", "Retry-After: 10\r\n")

    # -- replies

    def reply(self, ctx: Context) -> None:
        self.stats.rcv_replies.inc()
        if self.strict:
            try:
                check(ctx.message)
            except SipError as problem:
                self.stats.err_replies.inc()
                self.say("reply", ctx.source, f"reply dropped: {problem.reason}")
                return
        if self.program.check_via and not is_local_via(ctx):
            self.stats.drop_replies.inc()
            return
        if self.main_reply is None:
            self.reply_routed(ctx, 1)
        else:
            self.runs.start(ctx, self.main_reply(ctx), self.reply_routed, self.failed)

    def reply_routed(self, ctx: Context, code: int) -> None:
        """The global onreply_route is over: a transaction's, or forwarded without one, or nobody's."""
        if ctx.dropped and ctx.message.status < 200:
            self.stats.drop_replies.inc()
            return
        for taker in self.program.hooks.takers:
            if taker.take_reply(ctx):
                return
        if self.program.forwards_stateless and relay_reply(ctx):
            self.stats.fwd_replies.inc()
        else:
            self.stats.drop_replies.inc()

    # -- trouble

    def failed(self, ctx: Context, problem: BaseException) -> None:
        """An exception came out of a message's handling."""
        if isinstance(problem, SipError) and ctx.kind == REQUEST and ctx.message.status == 0:
            self.refuse(ctx, problem)
            return
        self.stats.err_requests.inc()
        self.program.tell_failure(problem, f"the script failed on a message from {ctx.source}")
        if ctx.message.status or self.tell_takers(ctx):
            return
        try:
            send_reply(ctx, 500, "Server Internal Error")
        except SipError:
            self.stats.drop_requests.inc()

    def tell_takers(self, ctx: Context) -> bool:
        return any(taker.failed(ctx) for taker in self.program.hooks.takers)

    def say(self, key: str, peer: Peer, text: str) -> None:
        """One line of a kind every few seconds: floods shall not fill the disk."""
        if log.limited("core:" + key, QUIET_SECONDS):
            log.warn("core:receive", f"from {peer}: {text}")
