"""Runs that wait: started, parked, resumed, absorbed, limited (house rule 9.3).

Facts:
- a route that may wait is a coroutine; starting it costs no task: `send(None)` runs it to its end or to its first
  `Promise`, and whoever completes that promise resumes it;
- from its first real wait on a request stands in a table by (branch, sent-by, method): its retransmissions are
  absorbed, and a CANCEL of it is answered and kept for `tm` ("cancelled" in the context's notes);
- while it waits a run has `$var`s of its own: it sees its own writes only, and publishes them when it ends. Without
  this, two runs of one route with a wait between set and read would mix their callers up.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final, final

from pysips.script.values import Value

from .context import REQUEST, Context
from .services import Promise

CANCELLED: Final = "waiting.cancelled"

Then = Callable[[Context, int], object]
Failed = Callable[[Context, BaseException], object]


def request_key(ctx: Context, method: str = "") -> str:
    """What names a request of a client: branch, sent-by, Call-ID and method (RFC 3261 section 17.2.3)."""
    message = ctx.message
    via = message.top_via()
    return f"{message.branch()} {via.host}:{via.port} {message.call_id()} {method or message.method}"


@final
class Run:
    """One coroutine on its way, with what follows its end."""

    __slots__ = ("coroutine", "ctx", "failed", "key", "runs", "seen", "then")

    def __init__(
        self, runs: "Runs", ctx: Context, coroutine: Coroutine[Promise, None, int], then: Then, failed: Failed
    ) -> None:
        self.runs = runs
        self.ctx = ctx
        self.coroutine = coroutine
        self.then = then
        self.failed = failed
        self.key = ""
        self.seen: dict[str, Value] | None = None

    def step(self) -> None:
        """Run on to the next wait or to the end."""
        try:
            promise = self.coroutine.send(None)
        except StopIteration as end:
            self.leave()
            self.then(self.ctx, end.value)
        except Exception as problem:
            self.leave()
            self.failed(self.ctx, problem)
        else:
            promise.when_done(self.step)

    def leave(self) -> None:
        """The run has ended: publish its variables, and stand in nobody's way."""
        if self.seen is None:
            return
        self.runs.release(self)
        process = self.ctx.program.vars
        for name, value in self.ctx.vars.items():
            if name not in self.seen or self.seen[name] is not value:
                process[name] = value
        self.ctx.vars = process


@final
class Runs:
    """All waiting runs of a worker. most: how many may wait; full: what to do with one more (its answer is 503)."""

    __slots__ = ("count", "full", "most", "requests")

    def __init__(self, most: int, full: Callable[[Context], object]) -> None:
        self.most = most
        self.full = full
        self.count = 0
        self.requests: dict[str, Run] = {}

    def start(self, ctx: Context, result: Any, then: Then, failed: Failed) -> None:
        """Drive what a route answered: a number, or a coroutine. `then(ctx, code)` follows, now or later."""
        if isinstance(result, int):
            then(ctx, result)
            return
        try:
            promise = result.send(None)
        except StopIteration as end:
            code = end.value
        except Exception as problem:
            failed(ctx, problem)
            return
        else:
            run = Run(self, ctx, result, then, failed)
            if self.park(run):
                promise.when_done(run.step)
            return
        then(ctx, code)

    def park(self, run: Run) -> bool:
        """A run waits for the first time; False when too many do, and then it is over."""
        ctx = run.ctx
        if self.count >= self.most:
            run.coroutine.close()
            self.full(ctx)
            return False
        self.count += 1
        run.seen = dict(ctx.vars)
        ctx.vars = dict(ctx.vars)
        if ctx.kind == REQUEST and ctx.message.status == 0:
            run.key = request_key(ctx)
            self.requests[run.key] = run
        return True

    def release(self, run: Run) -> None:
        self.count -= 1
        if run.key and self.requests.get(run.key) is run:
            del self.requests[run.key]

    def absorbs(self, ctx: Context) -> bool:
        """Whether a request is a retransmission of one that waits."""
        return request_key(ctx) in self.requests

    def cancels(self, ctx: Context) -> Context | None:
        """The waiting INVITE that this CANCEL means, now marked as cancelled; None if there is none, or tm has it."""
        run = self.requests.get(request_key(ctx, "INVITE"))
        if run is None or run.ctx.transaction is not None:
            return None
        run.ctx.note(CANCELLED, True)
        return run.ctx
