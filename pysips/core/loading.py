"""From a script's text to a Program: every stage, and every complaint of every stage before it gives up.

read → parse → configuration → modules and their parameters → sockets → names and types → compile → the modules' own
checks.
"""

from typing import Final

from pysips.errors import BadName, Complaint, ConfigError, ModuleError, Place
from pysips.script import check, compile, config, nodes, parse, source
from pysips.script.sockets import BadValue, Bond, SocketWish, parse_listener

from . import changed
from .addresses import addresses_of, names_of
from .blacklists import ScriptBlacklists
from .functions import Core
from .log import harmless, log
from .options import Options
from .program import Program
from .services import DEFAULT_PORTS, Services, Socket, bond_of

FOR_NODES: Final = ("bin", "bins")  # sockets that carry no SIP


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
    make_limits(program, complaints)
    check.check(script, program.registry, complaints)
    if complaints:
        raise ConfigError(complaints)
    program.take_routes(compile.compile_script(script, program.registry, told))
    for name in program.compiled.events:
        program.events.route(name)
    for sentence in program.registry.configure(program):
        complaints.append(Complaint(Place(text.file, 1), sentence))
    if complaints:
        raise ConfigError(complaints)
    return program


def load_again(text: source.Source, running: Program) -> Program:
    """A new edition of a program that runs, out of a changed script: other routes, and all else as it is.

    Raises ConfigError for whatever is wrong, and by name for what only a restart can change. The flags that only the
    new script names are there afterwards: see `FlagsKept`.
    """
    script, complaints = parse.parse_source(text)
    changed.settings(running.config, config.read(script, complaints), script, complaints)
    running.services.reloading = True
    try:
        return compiled_again(script, running, complaints)
    finally:
        running.services.reloading = False


def compiled_again(script: nodes.Script, running: Program, complaints: list[Complaint]) -> Program:
    """The rest of `load_again`, during which the modules know that they are running."""
    check.check(script, running.registry, complaints)
    if complaints:
        raise ConfigError(complaints)
    edition = running.edition(script)
    edition.take_routes(compile.compile_script(script, running.registry, told))
    for sentence in running.registry.approve(edition):
        complaints.append(Complaint(Place(script.file, 1), sentence))
    if complaints:
        raise ConfigError(complaints)
    return edition


class FlagsKept:
    """The names of flags as they are now: a script that is not taken shall leave none behind, or bits would differ."""

    def __init__(self, services: Services) -> None:
        self.kept = [(one, dict(one.masks)) for one in (services.message_flags, services.branch_flags)]

    def restore(self) -> None:
        for flags, masks in self.kept:
            flags.masks = masks


def told(level: int, text: str) -> None:
    """What a running script says of its own mistakes, under log_level."""
    if level <= log.level:
        log.put(level, "core:script", harmless(text))


def load_modules(program: Program, complaints: list[Complaint]) -> None:
    """`mpath`, `loadmodule` and `modparam`, in the script's order."""
    registry = program.registry
    registry.add("core", Core())
    for path in program.config.module_paths:
        registry.search(path)
    for step in program.config.steps:
        try:
            if isinstance(step, config.LoadModule):
                registry.load(step.name)
            else:
                for remark in registry.set_param(step.modules, step.name, step.value):
                    program.config.note(program.script.complaint(step.place, remark))
        except (ModuleError, BadName) as problem:
            complaints.append(program.script.complaint(step.place, str(problem)))
    try:
        registry.load_implied(program)
    except ModuleError as problem:
        complaints.append(Complaint(Place(program.script.file, 1), str(problem)))
    for sentence in registry.tie():
        complaints.append(Complaint(Place(program.script.file, 1), f"failed to solve module dependencies: {sentence}"))


def make_sockets(program: Program, complaints: list[Complaint]) -> None:
    """`socket=`, `-l`, `alias=` and the advertised addresses."""
    settings = program.config
    wishes = list(settings.sockets)
    command_line = Place("command line", 1)
    for listener in program.options.listeners:
        try:
            wishes.append(parse_listener(listener, command_line))
        except BadValue as problem:
            complaints.append(Complaint(command_line, f"-l {listener}: {problem}", problem.cure))
    for wish in wishes:
        make_socket(program, wish, complaints)
    for bond in settings.bonds:
        make_bond(program, bond, complaints)
    if settings.globals["auto_aliases"]:
        for socket in program.sockets:
            for name in names_of(socket.host):
                program.own(name, socket.port)
    for alias in settings.aliases:
        program.own(alias.host, alias.port)
        if alias.subdomains:
            program.subdomains.append(alias.host.lower())
    if not wishes and not settings.bonds:
        cure = "socket=udp:127.0.0.1:5060 (or -l udp:127.0.0.1:5060)"
        complaints.append(Complaint(Place(program.script.file, 1), "no socket to listen on", cure))


def make_limits(program: Program, complaints: list[Complaint]) -> None:
    """Where nothing is sent to, and for what no connection is opened: `dst_blacklist`, `tcp_no_new_conn_*`."""
    known, services = program.config.globals, program.services
    services.by_route = bool(known["mhomed"])
    lists = services.blacklists = ScriptBlacklists(not known["disable_dns_blacklist"], services)
    for wish in program.config.blacklists:
        try:
            lists.make(wish)
        except ValueError as problem:
            complaints.append(program.script.complaint(wish.place, str(problem)))
    branch, reply = known["tcp_no_new_conn_bflag"], known["tcp_no_new_conn_rplflag"]
    if branch:
        services.no_new_request = services.branch_flags.mask(str(branch))
    if reply:
        services.no_new_reply = services.message_flags.mask(str(reply))


def make_socket(program: Program, wish: SocketWish, complaints: list[Complaint]) -> None:
    """One `socket=`: as many sockets as it has addresses and ports."""
    known = program.config.globals

    def complain(message: str, cure: str = "") -> None:
        complaints.append(program.script.complaint(wish.place, message, cure))

    if f"proto_{wish.proto}" not in program.registry.loaded:
        complain(f"no module handles protocol {wish.proto}", f'loadmodule "proto_{wish.proto}.so"')
    if wish.proxy_in or wish.proxy_out:
        complain("proxy_protocol is known to OpenSIPS 4.0, not in PySIPS yet")
    try:
        hosts = addresses_of(wish.host)
    except ModuleError as problem:
        complain(str(problem))
        return
    sockets = program.node_sockets if wish.proto in FOR_NODES else program.sockets
    general = program.options.advertised or str(known["advertised_address"] or "")
    for host in hosts:
        for port, advertised_port in wish.ports or ((default_port(program, wish.proto), 0),):
            made = Socket(
                len(sockets), wish.proto, host, port, wish.advertised_host or general,
                advertised_port or int(known["advertised_port"] or 0), wish.tag, wish.anycast,
            )  # fmt: skip
            sockets.append(made)
            if wish.tos >= 0 and sockets is program.sockets:
                program.tos[made.index] = wish.tos
            program.own(host, port)
            if made.advertised_host or made.advertised_port:
                program.own(made.advertised_host or host, made.advertised_port or port)
            if wish.subdomains:
                program.subdomains.append((made.advertised_host or host).lower())


def make_bond(program: Program, bond: Bond, complaints: list[Complaint]) -> None:
    """A `socket=bond:NAME { … }`; its members must be sockets of ours."""
    members = []
    for text in bond.members:
        wish = parse_listener(text, bond.place)
        port = wish.ports[0][0] if wish.ports else default_port(program, wish.proto)
        found = program.find_socket(wish.proto, wish.host, port)
        if found is not None:
            members.append(found)
        else:
            message = f'bond {bond.name}: "{text}" is none of the sockets that the script listens on'
            complaints.append(program.script.complaint(bond.place, message, f"socket={text}"))
    if bond.name in program.bonds:
        complaints.append(program.script.complaint(bond.place, f"bond {bond.name} is there twice"))
    program.bonds[bond.name] = bond_of(bond.name, tuple(members))


def default_port(program: Program, proto: str) -> int:
    """The port of a socket that names none: its module's parameter (`udp_port`), or the protocol's own."""
    module = program.registry.loaded.get(f"proto_{proto}")
    return int(getattr(module, "default_port", 0) or DEFAULT_PORTS.get(proto, 5060))
