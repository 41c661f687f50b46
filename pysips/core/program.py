"""A checked and compiled script: its routes by kind and name, its modules, its own names and addresses.

`core/loading.py` makes it.
"""

import copy
import os
import traceback
import weakref
from collections.abc import Callable
from typing import Any, Final

from pysips import __version__
from pysips.script import compile, config, nodes
from pysips.script.values import Value
from pysips.sip.message import Message, read

from . import log_events, status_reports, waiting
from .cachedb import Caches
from .changes import Changes
from .context import ASSERTION, ERROR, EVENT, LOCAL, REPLY, REQUEST, SERIOUS, STARTUP, TIMER, Context, ErrorInfo
from .events import Events, Values
from .hooks import Hooks
from .log import log
from .log_events import LOG_EVENT
from .options import Options
from .receive import QUIET_SECONDS, CoreStats
from .registry import Registry
from .services import Peer, Services, Socket
from .sqldb import Databases
from .stats import Cells, Statistics
from .subscriptions import Subscriptions

DUMMY: Final = (
    b"DUMMY sip:user@dummy.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\nFrom: <sip:from@dummy.com>;tag=1\r\n"
    b"To: <sip:to@dummy.com>\r\nCall-ID: dummy-1\r\nCSeq: 1 DUMMY\r\nContent-Length: 0\r\n\r\n"
)


class Latest:
    """Which edition of a program new work begins with."""

    def __init__(self, program: "Program") -> None:
        self.program = program


class Program:
    """Everything that a worker needs of a script. Read-only after the fork, save `vars`.

    `reload_routes` makes another edition of it (`edition`), with routes of its own and all else in common. A context's
    program is the edition that it began with, `latest.program` the one for what begins now.
    """

    def __init__(self, script: nodes.Script, settings: config.Config, options: Options) -> None:
        self.script = script
        self.config = settings
        self.latest = Latest(self)
        self.start_folder = os.getcwd()  # where the script's path and those of its files begin
        self.options = options
        self.services = Services()
        self.statistics = Statistics(Cells())
        self.core_stats = CoreStats(self.statistics)
        self.statistics.function("core", "timestamp", self.age)
        self.events = Events()
        self.services.status_reports.raise_by(self.events.define(status_reports.EVENT, status_reports.PARAMETERS))
        self.subscriptions = Subscriptions(self.services)
        self.events.carrier.deliver = self.deliver
        self.events.carrier.subscribe = self.subscriptions.subscribe
        self.hooks = Hooks()
        self.databases = Databases(self)
        self.changes = Changes()
        self.registry = Registry(self.services, self.statistics)
        self.caches = Caches(self)
        self.compiled = compile.Compiled()
        self.routes: dict[tuple[str, str], Callable[[Context], Any]] = {}
        self.has_error_route = False
        self.vars: dict[str, Value] = {}
        self.tag_prefix = os.urandom(6).hex() + "-"  # what makes our tags and stateless branches ours
        self.secret = os.urandom(32)  # for the keys of modules whose work outlives a restart
        if options.inherited is not None:
            self.tag_prefix, self.secret = options.inherited.tag_prefix, options.inherited.secret
            self.services.branch_flags.masks.update(options.inherited.branch_flags)
        self.runs: waiting.Runs = waiting.Runs(1, _no_answer)
        self.dummy: Message = read(DUMMY)
        self.started = 0.0
        self.pid = os.getpid()
        self.sockets: list[Socket] = self.services.sockets
        self.node_sockets: list[Socket] = []  # for other nodes of a cluster, not for SIP
        self.bonds: dict[str, Socket] = self.services.bonds
        self.tos: dict[int, int] = {}  # of sockets that have their own, by number
        self.own_hosts: set[str] = set()
        self.own_names: set[tuple[str, int]] = set()
        self.subdomains: list[str] = []
        self.read_globals()

    def read_globals(self) -> None:
        """The globals that a message's way asks for, as plain attributes."""
        known = self.config.globals
        self.strict = bool(known["strict_parsing"])
        self.check_via = bool(known["check_via"]) or self.options.check_via
        self.sip_warning = bool(known["sip_warning"])
        self.translate_503 = not known["disable_503_translation"]
        self.slow_seconds = int(known["exec_msg_threshold"] or 0) / 1_000_000
        self.max_waiting = int(known["max_waiting"] or 0)
        system = os.uname()
        signature = f"PySIPS ({__version__} ({system.machine}/{system.sysname.lower()}))"
        header = str(known["server_header"] or f"Server: {signature}")
        self.server_line = header.rstrip("\r\n") + "\r\n" if known["server_signature"] else ""
        agent = str(known["user_agent_header"] or f"User-Agent: {signature}")
        self.user_agent_line = agent.rstrip("\r\n") + "\r\n" if known["server_signature"] else ""
        self.forwards_stateless = known["disable_stateless_fwd"] == 0

    def edition(self, script: nodes.Script) -> "Program":
        """The same program with the routes of another script, which `take_routes` is to bring."""
        made = copy.copy(self)
        made.script = script
        return made

    def take_routes(self, compiled: compile.Compiled) -> None:
        """Have these routes. Once a script forwards without transactions, replies to that may come later on, too."""
        self.compiled = compiled
        self.routes = compiled.routes
        self.has_error_route = ("error_route", "") in compiled.routes
        if self.config.globals["disable_stateless_fwd"] is None:
            self.forwards_stateless = self.forwards_stateless or compiled.calls("forward")
        if compiled.routes:
            # Routes and their globals, which all share, hold each other: without this a reload would leave megabytes
            # until the next full collection. Whoever runs a route has its program by the context.
            shared = next(iter(compiled.routes.values())).__globals__
            weakref.finalize(self, shared.clear).atexit = False

    def age(self) -> int:
        """For how many seconds the server has been running."""
        return int(self.services.clock.time() - self.started)

    # -- our own names

    def own(self, host: str, port: int) -> None:
        """Take a name as ours; port 0: whatever the port."""
        bare = host.strip("[]").lower()
        self.own_hosts.add(bare)
        self.own_names.add((bare, port))

    def is_myself(self, host: str, port: int = 0) -> bool:
        """Whether a host (and port, if given) is one of our sockets, advertised addresses or aliases."""
        bare = host.strip("[]").lower()
        if bare in self.own_hosts:
            return port == 0 or (bare, port) in self.own_names or (bare, 0) in self.own_names
        return any(bare.endswith("." + domain) for domain in self.subdomains)

    def find_socket(self, proto: str, host: str, port: int) -> Socket | None:
        """Our socket of that transport, address and port (0: any); the advertised address counts too.

        A bond is found as "bond" and its name.
        """
        if proto == "bond":
            return self.bonds.get(host)
        bare = host.strip("[]").lower()
        for socket in self.sockets:
            fits = (not proto or socket.proto == proto) and port in (0, socket.port, socket.advertised_port)
            if fits and bare in (socket.host, socket.advertised_host.lower(), socket.tag):
                return socket
        return None

    # -- running routes

    def route(self, kind: str, name: str = "") -> Callable[[Context], Any] | None:
        return self.routes.get((kind, name))

    def dummy_context(self, kind: int, peer: Peer | None = None) -> Context:
        """A context without a real message, for timers, events and start-up."""
        nobody = peer or Peer("udp", "0.0.0.0", 0, self.sockets[0] if self.sockets else Socket(0, "udp", "0.0.0.0", 0))
        return Context(self.services, self, self.dummy, nobody, kind)

    def run_alone(
        self, kind: str, name: str, params: dict[str, Value] | None = None, then: waiting.Then | None = None
    ) -> None:
        """Run a startup_route, timer_route or event_route with a dummy request; `then` follows if there is one."""
        program = self.latest.program
        route = program.routes.get((kind, name))
        if route is None:
            return
        ctx = program.dummy_context({"startup_route": STARTUP, "timer_route": TIMER}.get(kind, EVENT))
        if params:
            ctx.params = params
        self.start(ctx, route, then or _nothing)

    def deliver(self, name: str, values: Values) -> None:
        """An event has come to where events are dealt with: its route runs, and subscribers are told."""
        if name == LOG_EVENT:
            log_events.deliver(self, values)
            return
        self.run_alone("event_route", name, values)
        self.subscriptions.tell(name, values)

    def assertion_failed(self, ctx: Context, text: str) -> None:
        """See Context.assertion_failed."""
        log.crit("core:assert", f"ASSERTION FAILED - {text}")
        ctx.err = ErrorInfo(ASSERTION, SERIOUS, "assertion failed", 500, "server error")
        self.run_error_route(ctx)

    def run_error_route(self, ctx: Context) -> int:
        """See Context.run_error_route. One that waits goes on by itself: what interrupted it is not held up."""
        route = ctx.program.routes.get(("error_route", ""))
        if route is None or ctx.kind in (ERROR, REPLY, LOCAL):
            return 1
        kind, ctx.kind = ctx.kind, ERROR
        ended: list[int] = []

        def over(ctx: Context, code: int) -> None:
            ended.append(code)
            ctx.err, ctx.kind = None, kind

        self.start(ctx, route, over)
        return ended[0] if ended else 1

    def launch(self, call: Callable[[], Any], resume: Callable[[Context], Any] | None, text: Value) -> int:
        """Begin `call` with a context of its own; `resume` follows with the text as its first parameter. Always 1."""
        ctx = self.dummy_context(REQUEST)
        ctx.params = (text,)

        def report(ended: Context, code: int) -> None:
            ended.rc = code
            if resume is not None:
                self.start(ended, resume, _nothing)

        self.start(ctx, lambda _: call(), report)
        return 1

    def tell_failure(self, problem: BaseException, what: str) -> None:
        """Log an exception once in a while for each place of the script, with the script's lines in its traceback."""
        if log.limited("core:failure at " + place_of(problem), QUIET_SECONDS):
            log.error("core:program", what + ":")
            for line in "".join(traceback.format_exception(problem)).rstrip().split("\n"):
                log.error("core:program", line)

    def start(self, ctx: Context, route: Callable[[Context], Any], then: waiting.Then) -> None:
        """Run a route to its end, now or later; a failure is logged, and `then` follows with -1."""

        def broke(ctx: Context, problem: BaseException) -> None:
            _logged(ctx, problem)
            then(ctx, -1)

        try:
            result = route(ctx)
        except Exception as problem:
            broke(ctx, problem)
            return
        self.runs.start(ctx, result, then, broke)


def place_of(problem: BaseException) -> str:
    """FILE:LINE of the script that an exception came out of, as deep as the script reaches; "" if it was in none."""
    place = ""
    frame = problem.__traceback__
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if not file.endswith(".py"):
            place = file + ":" + str(frame.tb_lineno)
        frame = frame.tb_next
    return place


def _nothing(ctx: Context, code: int) -> None:
    """Nothing follows."""


def _no_answer(ctx: Context) -> None:
    """There is no worker yet: nobody to answer."""


def _logged(ctx: Context, problem: BaseException) -> None:
    ctx.program.tell_failure(problem, "a route failed")
