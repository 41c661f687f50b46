"""async(): begin something slow, end the script, go on in another route with the same transaction.

Facts (OpenSIPS: async statement):
- the transaction is made first, so that retransmissions are absorbed and an INVITE has its 100;
- what is begun runs as a run of its own; the resume route follows with its result in `$rc`;
- outside of request and onreply routes there is nothing to end: the call is awaited where it stands.
"""

from collections.abc import Callable
from typing import Any, Final, final

from pysips.core.context import REPLY, REQUEST, Context, Ending
from pysips.core.services import Timer

from .replies import PARKED
from .requests import Requests
from .table import Transaction

TIMED_OUT: Final = -2

Call = Callable[[], Any]
Resume = Callable[[Context], Any]


@final
class Patience(Timer):
    """The timeout of an async(): the resume route follows without a result."""

    __slots__ = ("job",)

    def __init__(self, job: "Job") -> None:
        self.due = 0
        self.at = 0
        self.job: Job = job

    def fire(self) -> None:
        self.job.ended(self.job.ctx, TIMED_OUT)


@final
class Job:
    """One async() on its way."""

    __slots__ = ("asyncs", "ctx", "endings", "left", "patience", "resume")

    def __init__(self, asyncs: "Asyncs", ctx: Context, resume: Resume) -> None:
        # What is to be done at the script's end waits for the resume route's.
        self.endings: list[Ending] = ctx.at_end or []
        ctx.at_end = None
        self.left: bool = False  # whether the script that began it is over
        self.asyncs: Asyncs = asyncs
        self.ctx: Context = ctx
        self.resume: Resume | None = resume
        self.patience: Patience | None = None

    def broke(self, ctx: Context, problem: BaseException) -> None:
        ctx.program.tell_failure(problem, "what async() began failed")
        self.ended(ctx, -1)

    def ended(self, ctx: Context, code: int) -> None:
        """The result is there, or patience is over: the resume route, once."""
        resume, self.resume = self.resume, None
        if resume is None:
            return
        if self.patience is not None:
            self.patience.due = 0
        ctx.rc = code
        try:
            result = resume(ctx)
        except Exception as problem:
            self.resume_broke(ctx, problem)
            return
        ctx.program.runs.start(ctx, result, self.resumed, self.resume_broke)

    def resume_broke(self, ctx: Context, problem: BaseException) -> None:
        ctx.program.tell_failure(problem, "the route after async() failed")
        transaction: Transaction | None = ctx.transaction
        if ctx.kind == REQUEST and transaction is not None and not transaction.forwarded and transaction.status < 200:
            self.asyncs.requests.replies.serving.reply(transaction, ctx, 500, "Server Internal Error")
        self.resumed(ctx, -1)

    def resumed(self, ctx: Context, code: int) -> None:
        """The resume route is over: what the end of the script asks for."""
        transaction: Transaction | None = ctx.transaction
        if transaction is not None:
            transaction.held -= 1
        for ending in self.endings:
            ctx.when_ended(ending)
        if not self.left:
            ctx.note(PARKED, None)
            return  # it did not wait at all, and the end of the script follows
        if ctx.kind == REPLY:
            self.asyncs.requests.replies.unpark(ctx)
        elif ctx.at_end is not None:
            for ending in ctx.at_end:
                ending.script_ended(ctx)


@final
class Asyncs:
    """What `hooks.asyncs` is."""

    __slots__ = ("requests",)

    def __init__(self, requests: Requests) -> None:
        self.requests: Requests = requests

    def run_async(self, ctx: Context, call: Call, resume: Resume, timeout: int) -> Any:
        """Begin `call`; 0 ends the script. Where nothing can be ended: both in place, one after the other."""
        if ctx.kind == REQUEST and ctx.transaction is None and ctx.message.method != "ACK":
            made = self.requests.newtran(ctx)
            if made <= 0:
                return 0
        transaction: Transaction | None = ctx.transaction
        if transaction is None or ctx.kind not in (REQUEST, REPLY):
            return self.in_place(ctx, call, resume)
        transaction.held += 1
        if ctx.kind == REQUEST:
            ctx.when_ended(self.requests.unanswered)
        ctx.note(PARKED, True)
        job = Job(self, ctx, resume)
        if timeout > 0:
            job.patience = Patience(job)
            ctx.services.timers.add(job.patience, float(timeout))
        try:
            begun = call()
        except Exception as problem:
            job.broke(ctx, problem)
        else:
            ctx.program.runs.start(ctx, begun, job.ended, job.broke)
        job.left = True
        return 0

    def in_place(self, ctx: Context, call: Call, resume: Resume) -> Any:
        result = call()
        if not isinstance(result, int):
            return self.in_place_waiting(ctx, result, resume)
        ctx.rc = result
        after = resume(ctx)
        return 0 if isinstance(after, int) else after

    async def in_place_waiting(self, ctx: Context, begun: Any, resume: Resume) -> int:
        ctx.rc = await begun
        after = resume(ctx)
        if not isinstance(after, int):
            await after
        return 0
