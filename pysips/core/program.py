"""A checked and compiled script: its routes by kind and name, its modules, its own names and addresses.

`load` goes through all stages and collects every complaint of every stage before it gives up:
read → parse → configuration → modules and their parameters → names and types → compile → the modules' own checks.
"""

import os
import traceback
from collections.abc import Callable
from typing import Any, Final

from pysips import __version__
from pysips.errors import BadName, Complaint, ConfigError, ModuleError, Place
from pysips.script import check, compile, config, nodes, parse, source
from pysips.script.values import Value
from pysips.sip.message import Message, read

from . import waiting
from .addresses import addresses_of
from .context import EVENT, REQUEST, STARTUP, TIMER, Context
from .events import Events
from .functions import Core
from .hooks import Hooks
from .log import log
from .options import Options
from .receive import QUIET_SECONDS, CoreStats
from .registry import Registry
from .services import DEFAULT_PORTS, Peer, Services, Socket
from .stats import Cells, Statistics

DUMMY: Final = (
    b"DUMMY sip:user@dummy.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\nFrom: <sip:from@dummy.com>;tag=1\r\n"
    b"To: <sip:to@dummy.com>\r\nCall-ID: dummy-1\r\nCSeq: 1 DUMMY\r\nContent-Length: 0\r\n\r\n"
)


class Program:
    """Everything that a worker needs of a script. Read-only after the fork, save `vars`."""

    def __init__(self, script: nodes.Script, settings: config.Config, options: Options) -> None:
        self.script = script
        self.config = settings
        self.options = options
        self.services = Services()
        self.statistics = Statistics(Cells())
        self.core_stats = CoreStats(self.statistics)
        self.events = Events()
        self.hooks = Hooks()
        self.registry = Registry(self.services, self.statistics)
        self.compiled: compile.Compiled | None = None
        self.routes: dict[tuple[str, str], Callable[[Context], Any]] = {}
        self.vars: dict[str, Value] = {}
        self.secret = os.urandom(32)
        self.runs: waiting.Runs = waiting.Runs(1, _no_answer)
        self.dummy: Message = read(DUMMY)
        self.started = 0.0
        self.pid = os.getpid()
        self.sockets: list[Socket] = self.services.sockets
        self.own_hosts: set[str] = set()
        self.own_names: set[tuple[str, int]] = set()
        self.subdomains: list[str] = []
        self.read_globals()

    def read_globals(self) -> None:
        """The globals that a message's way asks for, as plain attributes."""
        known = self.config.globals
        self.strict = bool(known["strict_parsing"])
        self.check_via = bool(known["check_via"])
        self.sip_warning = bool(known["sip_warning"])
        self.translate_503 = not known["disable_503_translation"]
        self.max_waiting = int(known["max_waiting"])
        system = os.uname()
        signature = f"PySIPS ({__version__} ({system.machine}/{system.sysname.lower()}))"
        header = str(known["server_header"] or f"Server: {signature}")
        self.server_line = header.rstrip("\r\n") + "\r\n" if known["server_signature"] else ""
        agent = str(known["user_agent_header"] or f"User-Agent: {signature}")
        self.user_agent_line = agent.rstrip("\r\n") + "\r\n" if known["server_signature"] else ""
        self.forwards_stateless = known["disable_stateless_fwd"] == 0

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
        """Our socket of that transport, address and port (0: any); the advertised address counts too."""
        bare = host.strip("[]").lower()
        for socket in self.sockets:
            if (not proto or socket.proto == proto) and port in (0, socket.port, socket.advertised_port):
                if bare in (socket.host, socket.advertised_host.lower()) or bare == socket.tag:
                    return socket
        return None

    # -- running routes

    def route(self, kind: str, name: str = "") -> Callable[[Context], Any] | None:
        return self.routes.get((kind, name))

    def dummy_context(self, kind: int, peer: Peer | None = None) -> Context:
        """A context without a real message, for timers, events and start-up."""
        nobody = peer or Peer("udp", "0.0.0.0", 0, self.sockets[0] if self.sockets else Socket(0, "udp", "0.0.0.0", 0))
        return Context(self.services, self, self.dummy, nobody, kind)

    def run_alone(self, kind: str, name: str, params: dict[str, Value] | None = None) -> None:
        """Run a startup_route, timer_route or event_route with a dummy request."""
        route = self.routes.get((kind, name))
        if route is None:
            return
        ctx = self.dummy_context({"startup_route": STARTUP, "timer_route": TIMER}.get(kind, EVENT))
        if params:
            ctx.params = params
        self.start(ctx, route, _nothing)

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
        """Log an exception once in a while, with the script's own lines in its traceback."""
        if log.limited("core:failure", QUIET_SECONDS):
            log.error("core:program", what + ":")
            for line in "".join(traceback.format_exception(problem)).rstrip().split("\n"):
                log.error("core:program", line)

    def start(self, ctx: Context, route: Callable[[Context], Any], then: waiting.Then) -> None:
        """Run a route to its end, now or later; a failure is logged, and `then` follows with -1."""
        try:
            self.runs.start(ctx, route(ctx), then, _logged)
        except Exception as problem:
            _logged(ctx, problem)
            then(ctx, -1)


def _nothing(ctx: Context, code: int) -> None:
    """Nothing follows."""


def _no_answer(ctx: Context) -> None:
    """There is no worker yet: nobody to answer."""


def _logged(ctx: Context, problem: BaseException) -> None:
    ctx.program.tell_failure(problem, "a route failed")


def load(path: str, options: Options) -> Program:
    """Read, check and compile a script with its modules; raises ConfigError with all that is wrong."""
    return load_source(source.of_file(path, options.preprocessor), options)


def load_source(text: source.Source, options: Options) -> Program:
    """The same for a text already read."""
    script, complaints = parse.parse_source(text)
    settings = config.read(script, complaints)
    program = Program(script, settings, options)
    load_modules(program, complaints)
    make_sockets(program, complaints)
    check.check(script, program.registry, complaints)
    if complaints:
        raise ConfigError(complaints)
    program.compiled = compile.compile_script(script, program.registry)
    program.routes = program.compiled.routes
    if settings.globals["disable_stateless_fwd"] is None:
        program.forwards_stateless = program.compiled.calls("forward")
    for sentence in program.registry.configure(program):
        complaints.append(Complaint(Place(text.file, 1), sentence))
    if complaints:
        raise ConfigError(complaints)
    return program


def load_modules(program: Program, complaints: list[Complaint]) -> None:
    """`mpath`, `loadmodule` and `modparam`, in the script's order."""
    registry = program.registry
    registry.add("core", Core())
    for step in program.config.steps:
        try:
            if isinstance(step, config.LoadModule):
                registry.load(step.name)
            elif isinstance(step, config.ModParam):
                registry.set_param(step.modules, step.name, step.value)
        except (ModuleError, BadName) as problem:
            complaints.append(Complaint(step.place, str(problem)))
    for sentence in registry.tie():
        complaints.append(Complaint(Place(program.script.file, 1), f"failed to solve module dependencies: {sentence}"))


def make_sockets(program: Program, complaints: list[Complaint]) -> None:
    """`socket=`, `-l`, `alias=` and the advertised addresses."""
    settings = program.config
    known = settings.globals
    for wanted in settings.sockets:
        try:
            hosts = addresses_of(wanted.host)
        except ModuleError as problem:
            complaints.append(Complaint(wanted.place, str(problem)))
            continue
        if f"proto_{wanted.proto}" not in program.registry.loaded:
            complaints.append(
                Complaint(
                    wanted.place, f"no module handles protocol {wanted.proto}",
                    f'loadmodule "proto_{wanted.proto}.so"',
                )  # fmt: skip
            )
        default = DEFAULT_PORTS.get(wanted.proto, 5060)
        for host in hosts:
            for port, advertised_port in wanted.ports or ((default, 0),):
                advertised = wanted.advertised_host or str(known["advertised_address"] or program.options.advertised)
                made = Socket(
                    len(program.sockets), wanted.proto, host, port, advertised,
                    advertised_port or int(known["advertised_port"] or 0), wanted.tag, wanted.anycast,
                )  # fmt: skip
                program.sockets.append(made)
                program.own(host, port)
                if made.advertised_host or made.advertised_port:
                    program.own(made.advertised_host or host, made.advertised_port or port)
    for alias in settings.aliases:
        program.own(alias.host, alias.port)
        if alias.subdomains:
            program.subdomains.append(alias.host.lower())
    if not program.sockets:
        complaints.append(
            Complaint(Place(program.script.file, 1), "no socket to listen on", "socket=udp:127.0.0.1:5060 (or -l udp:127.0.0.1:5060)")
        )
