"""From a path and the command line's wishes to a running server.

The order matters: read and check the script (nothing is touched before that) → log → background → sockets, which may
need root → pid file and run-time folder → root folder, user and group → the supervisor.
"""

import contextlib
import os
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

from pysips import __version__
from pysips.core import loading
from pysips.core.log import NOTICE, log
from pysips.core.options import Options
from pysips.core.program import Program
from pysips.core.services import Socket
from pysips.errors import PysipsError
from pysips.net import steering
from pysips.net.endpoint import check_free, is_here, open_slots, taken_over
from pysips.net.waiting import waiting
from pysips.script.complaints import remark

from . import daemon
from .attendant import Attendant
from .counters import LIVES, PID, Board
from .handover import Mailboxes
from .notify import Notifier
from .ownership import Ownership
from .restart import Legacy, legacy_of
from .server import Seat, Server
from .supervisor import CANNOT_START, Supervisor
from .worker import Worker

DEBUG_LEVEL: Final = 4
DEBUG_WORKERS: Final = 2
MOST_LEVEL: Final = 4


def main(options: Options) -> int:
    """Run a server until it is stopped; its exit code. Raises PysipsError (ConfigError too) if it cannot start."""
    legacy = legacy_of(os.environ)
    if legacy is not None:
        options.inherited = legacy.inherited()
    program = loading.load(options.file, options)
    if legacy is not None and legacy.only_check:
        check_start(program, options, legacy)
        return 0
    begin_log(program, options)
    if options.daemon and options.pid_file:
        other = daemon.alive(Path(options.pid_file))
        if other:
            raise daemon.CannotStart(f"{options.pid_file}: a server runs already, as process {other}")
    herald = daemon.detach(options.to_stderr) if options.daemon and legacy is None else daemon.Herald()
    try:
        code = serve(program, options, herald, legacy)
    except PysipsError as problem:
        if not options.daemon:
            raise
        log.error("boot", str(problem))
        code = problem.exit_code
    herald.say(code)
    return code


def serve(program: Program, options: Options, herald: daemon.Herald, legacy: Legacy | None = None) -> int:
    """Open what is to be opened, or take it over, become who is to be become, and let the supervisor run."""
    known = program.config.globals
    root = options.root_folder or str(known["chroot"] or "")
    if root:
        daemon.check_root(root)
    who = daemon.identity(options.user, options.group)
    daemon.many_descriptors(int(known["open_files_limit"] or 0))
    held = None if legacy is None else (Path(legacy.folder), legacy.lock)
    run = daemon.RunFolder(options.file, program.sockets, root, who, held)
    path, files = run.path, []
    try:
        notifier = Notifier(os.environ)
        server = build(program, options, root, run, legacy)
        log.consumers.share(server.board.log_cells())
        files = pid_files(options, who)
        if root:
            daemon.enter_root(root)
            path = server.folder
        if who is not None:
            daemon.become(who)
        folder = options.work_folder or (
            str(known["workdir"]) if options.daemon or "workdir" in program.config.given else ""
        )
        if folder:
            daemon.enter_folder(folder)

        def started() -> None:
            for line in banner(server):
                log.notice("boot", line)
                if log.level < NOTICE and not options.daemon:
                    print(line, file=sys.stderr, flush=True)
            herald.say(0)
            notifier.ready(f"{server.workers} workers run {program.config.file}")

        supervisor = Supervisor(server, enter, float(known["shutdown_time"] or 0), notifier)
        return supervisor.run(started)
    finally:
        for file in files:
            file.remove()
        daemon.clear_folder(path)


def build(program: Program, options: Options, root: str, run: daemon.RunFolder, legacy: Legacy | None = None) -> Server:
    """Everything that the processes share. Raises CannotListen, CannotStart."""
    statistics = program.statistics
    for name in ("udp_dropped", "udp_failed", "udp_unreachable", "tcp_refused", "tcp_failed"):
        statistics.counter("net", name)
    statistics.counter("net", "tcp_connections", no_reset=True)
    for proto in ("udp", "tcp"):
        statistics.function("net", f"waiting_{proto}", partial(waiting, program.sockets, proto))
    for name in ("dns_total_queries", "dns_slow_queries"):
        statistics.counter("dns", name)
    statistics.counter("net", "handover_dropped")
    statistics.counter("net", "tables_refused")
    workers = number_of_workers(program, options)
    seats = [Seat(slot, slot, f"SIP receiver {slot}") for slot in range(workers)]
    seats.append(Seat(workers, -1, "attendant"))
    spare = open_sockets(program, seats, workers, {} if legacy is None else legacy.sockets)
    owners = Ownership(workers)
    steer(program.sockets, seats[0].sockets, owners)
    path = Path("/") / run.path.relative_to(root) if root else run.path
    started = time.time()
    program.started = started
    server = Server(
        program, seats, workers, Board(len(seats)), Mailboxes(len(seats)), owners, path, run.lock,
        os.pipe(), os.getpid(), started, root, spare=spare,
    )  # fmt: skip
    if legacy is not None:
        keep(server, legacy)
    return server


def open_sockets(
    program: Program, seats: list[Seat], workers: int, fds: dict[str, list[int]]
) -> list[tuple[int, socket.socket]]:
    """Fill the seats with sockets: those of a server before us, by name, or new ones. Its others are closed.

    Answers those for which there are no seats any more. Raises CannotListen.
    """
    backlog, tos = int(program.config.globals["tcp_socket_backlog"] or 10), int(program.config.globals["tos"] or 0)
    names = {where.name for where in [*program.sockets, *program.node_sockets]}
    for fd in [fd for name in fds.keys() - names for fd in fds[name]]:
        os.close(fd)

    def opened(where: Socket, slots: int, tos: int) -> list[socket.socket]:
        if not is_here(where.host):
            log.notice("boot", f"{where.name}: this machine does not have the address now")
        if where.name in fds:
            return taken_over(where, fds[where.name], slots, backlog, tos)
        return open_slots(where, slots, backlog, tos)

    spare = []
    for where in program.sockets:
        made = opened(where, workers, program.tos.get(where.index, tos))
        for seat, sock in zip(seats, made[:workers], strict=False):
            seat.sockets.append(sock)
        spare += [(where.index, sock) for sock in made[workers:]]
    for where in program.node_sockets:
        seats[workers].sockets += opened(where, 1, 0)
    return spare


def steer(wheres: list[Socket], socks: list[socket.socket], owners: Ownership) -> None:
    """Let the kernel give each datagram to the worker that owns its call; `socks` are those of the first one.

    Where it cannot, workers hand over what is not theirs.
    """
    for where, sock in zip(wheres, socks, strict=True):
        if where.proto != "udp":
            continue
        if owners.slots == 1:
            with contextlib.suppress(OSError):  # a server before us may have had more workers
                steering.leave(sock)
            continue
        try:
            steering.steer(sock, owners.prime, owners.slots)
        except OSError as problem:
            log.notice("boot", f"{where.name}: the kernel does not choose workers by Call-ID: {problem.strerror}")


def keep(server: Server, legacy: Legacy) -> None:
    """Let the shared tables of the server before us be ours, if they can be."""
    others, old = legacy.others(server.program, server.workers), Path(legacy.folder)
    if old != server.folder:
        try:
            daemon.move_folder(old, server.folder)
        except OSError as problem:
            others = others or f"the run-time folder ({problem})"
        daemon.clear_folder(old)
        os.close(legacy.lock)
    server.keeps = not others
    if not server.keeps:
        log.notice("boot", f"contacts and other shared records begin anew after the restart; changed: {others}")
        return
    server.lived = legacy.lived
    for seat in server.seats:
        server.board.own(seat.row)[LIVES] = legacy.lived


def check_start(program: Program, options: Options, legacy: Legacy) -> None:
    """Whether this program can take over from a server that runs. Raises CannotListen, CannotStart."""
    daemon.identity(options.user, options.group)
    workers = number_of_workers(program, options)
    ports = {(name.partition(":")[0], name.rpartition(":")[2]) for name in legacy.sockets}
    wanted = [(where, workers) for where in program.sockets] + [(where, 1) for where in program.node_sockets]
    for where, slots in wanted:
        fds = legacy.sockets.get(where.name)
        if fds is None:
            if (where.proto, str(where.port)) not in ports:  # else it is free once that server's is closed
                check_free(where)
        elif slots > len(fds) and legacy.owners[where.name] != os.geteuid():
            raise daemon.CannotStart(f"{where.name}: more workers need sockets that only another user can have")


def number_of_workers(program: Program, options: Options) -> int:
    """House rule 9.1: the largest number that is asked for, but no more than usable cores, and one at least."""
    wanted = options.values.get("pysips_workers", "")
    if wanted:
        if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted[:6]) <= 1000):
            raise daemon.CannotStart(f"pysips_workers is a number from 1 to 1000, not {wanted!r}")
        return int(wanted)
    settings = program.config
    asked = {
        "udp_workers": options.workers_udp or settings.globals["udp_workers"],
        "tcp_workers": options.workers_tcp or settings.globals["tcp_workers"],
    }
    given = [
        int(asked[name] or 0)
        for name, letter in (("udp_workers", options.workers_udp), ("tcp_workers", options.workers_tcp))
        if letter or name in settings.given
    ]
    given += [wish.workers for wish in settings.sockets if wish.workers and wish.proto not in loading.FOR_NODES]
    most = max(given or [int(value or 0) for value in asked.values()])
    if options.debug or settings.globals["debug_mode"]:
        most = DEBUG_WORKERS
    cores = len(os.sched_getaffinity(0))
    log.notice("boot", f"{max(1, min(most, cores))} workers: {most} asked for, {cores} usable cores")
    return max(1, min(most, cores))


def enter(server: Server, seat: Seat) -> int:
    """What a forked process does. Answers its exit code."""
    log.start()
    os.close(server.lock)
    server.program.pid = os.getpid()
    try:
        process = Worker(server, seat) if seat.slot >= 0 else Attendant(server, seat)
    except (PysipsError, OSError) as problem:
        log.error("boot", f"{seat.title} cannot start: {problem}")
        return CANNOT_START
    return process.run()


def pid_files(options: Options, who: tuple[int, int] | None) -> list[daemon.PidFile]:
    """`-P` and `-G`."""
    files = []
    if options.pid_file:
        files.append(daemon.PidFile(options.pid_file, os.getpid()))
    if options.group_file:
        files.append(daemon.PidFile(options.group_file, os.getpgrp(), checks=False))
    for file in files:
        if who is not None:
            os.chown(file.path, *who)
    return files


def begin_log(program: Program, options: Options) -> None:
    """The outputs and levels that script and command line want."""
    settings = program.config
    known = settings.globals
    debug = options.debug or bool(known["debug_mode"])
    level = DEBUG_LEVEL if debug else min(int(known["log_level"] or 0) + options.more_verbose, MOST_LEVEL)
    stderr = bool(known["stderror_enabled"]) or debug or options.to_stderr
    syslog = bool(known["syslog_enabled"])
    if options.daemon and not options.to_stderr and "syslog_enabled" not in settings.given:
        syslog = True  # there is no terminal to write to
    log.configure(
        level=level,
        script_level=DEBUG_LEVEL if debug else int(known["xlog_level"] or 0),
        stderr=stderr,
        syslog=syslog,
        events=bool(known["log_event_enabled"]),
        facility=str(known["syslog_facility"]),
        name=str(known["syslog_name"]),
        prefix=str(known["log_prefix"] or ""),
        stderr_threshold=int(known["stderror_level_filter"] or 0),
        syslog_threshold=int(known["syslog_level_filter"] or 0),
        event_threshold=int(known["log_event_level_filter"] or 0),
        stderr_format=str(known["stderror_log_format"]),
        syslog_format=str(known["syslog_log_format"]),
    )
    for note in settings.notes:
        log.notice("script", remark(note))


def banner(server: Server) -> list[str]:
    """What runs where, for people."""
    board, program = server.board, server.program
    pids = [str(board.own(seat.row)[PID]) for seat in server.seats]
    lines = [f"PySIPS {__version__} runs {program.config.file}"]
    for where in [*program.sockets, *program.node_sockets]:
        text = f"listening on {where.name}"
        if where.advertised_host or where.advertised_port:
            text += f", advertised as {where.sent_by}"
        lines.append(text)
    lines.append(
        f"processes: supervisor {server.supervisor}, workers {' '.join(pids[: server.workers])}, "
        f"attendant {pids[server.workers]}"
    )
    return lines
