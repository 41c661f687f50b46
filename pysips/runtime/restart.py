"""A new server in this process: SIGUSR2, or the management command `restart`.

Facts:
- the supervisor has the script checked by a child that is started as the new server will be; if anything is wrong, all
  of it is said and nothing happens;
- then the workers give the answers that they owe, `shutdown_time` at most, and end. What comes for no transaction of
  theirs is kept for their successors (held.py), and when nobody reads any more, by the kernel in the sockets: the
  supervisor has them open all the time;
- when all have ended the supervisor executes the command line that it was started with: its process id stays. A file in
  memory, whose descriptor an environment variable names, has what the new server takes over: the sockets, the lock of
  the run-time folder, and the keys of what others got from us (no secret is in an environment);
- the shared tables stay if what their records mean is what it was, else they begin anew;
- Python's hash differs from process to process: tags and branches that it made are not known again.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from pysips import __version__
from pysips.core.changed import facts
from pysips.core.log import log
from pysips.core.options import Inherited
from pysips.core.program import Program
from pysips.errors import PysipsError
from pysips.script.config import LoadModule, ModParam
from pysips.script.regex import compile_ere

from .counters import LIVES
from .notify import Notifier
from .server import Server

VARIABLE: Final = "PYSIPS_RESTART"
CHECK: Final = "check:"
CHECK_SECONDS: Final = 60.0
KEEPERS: Final = ("usrloc", "cachedb_local", "auth", "clusterer", "nathelper")  # modules with records that are worth it
LONGEST: Final = 200_000  # bytes of what a check says


class NoLegacy(PysipsError):
    """The variable names nothing of ours."""


@dataclass(slots=True)
class Legacy:
    """What a server leaves to its successor.

    sockets: descriptors by the socket's name, one for each slot; owners: the user who opened them; folder, lock: see
    `daemon.RunFolder`; tag_prefix, secret (hexadecimal), branch_flags: see `Inherited`; meaning: see `meaning_of`;
    lived: see `Server`.
    """

    sockets: dict[str, list[int]]
    owners: dict[str, int]
    folder: str
    lock: int
    tag_prefix: str
    secret: str
    branch_flags: dict[str, int]
    meaning: dict[str, str]
    lived: int
    only_check: bool = False

    def inherited(self) -> Inherited:
        return Inherited(self.tag_prefix, bytes.fromhex(self.secret), self.branch_flags)

    def others(self, program: Program, workers: int) -> str:
        """What keeps the shared tables from being this program's, for people; "" if nothing does."""
        now = meaning_of(program, workers)
        return ", ".join(name for name, value in now.items() if self.meaning.get(name) != value)


def meaning_of(program: Program, workers: int) -> dict[str, str]:
    """What the meaning of the records in the shared tables depends on, by names for people; values are digests."""
    found = {"version": __version__, "number of workers": str(workers)}
    for keeper in KEEPERS:
        known: list[Any] = [facts(step) for step in program.config.steps if concerns(step, keeper)]
        module: Any = program.registry.loaded.get(keeper)
        if keeper == "usrloc" and module is not None:
            known += [sorted(module.api.location.domains), program.config.globals["db_default_url"]]
        found[f"parameters of {keeper}"] = blake2b(repr(known).encode("utf-8", "surrogateescape")).hexdigest()
    return found


def concerns(step: LoadModule | ModParam, module: str) -> bool:
    """Whether a `loadmodule` or `modparam` is one of that module's."""
    if isinstance(step, LoadModule):
        return step.name == module
    return bool(compile_ere(f"^({step.modules})$").matches(module))


# -- the new server's side


def legacy_of(environment: Any) -> Legacy | None:
    """What a server before us in this process left; None if there was none. Raises NoLegacy."""
    said = environment.pop(VARIABLE, "")
    if not said:
        return None
    only_check, text = said.startswith(CHECK), said.removeprefix(CHECK)
    try:
        if not re.fullmatch("[0-9]{1,9}", text):
            raise ValueError("no descriptor")
        with open(int(text), "rb") as file:
            made = Legacy(**json.loads(file.read()))
    except (OSError, ValueError, TypeError) as problem:
        raise NoLegacy(f"{VARIABLE} is for a server that restarts itself, not to be set: {problem}") from None
    made.only_check = only_check
    if not only_check:
        for fd in [made.lock, *(fd for fds in made.sockets.values() for fd in fds)]:
            os.set_inheritable(fd, False)
    return made


# -- the old server's side


class Successor:
    """What the supervisor does for a restart. fork: runs a function in a child, and answers its process id."""

    def __init__(self, server: Server, notifier: Notifier, fork: Callable[[Callable[[], int]], int]) -> None:
        self.server = server
        self.notifier = notifier
        self.fork = fork
        self.pid = 0  # of the child that checks
        self.began = 0.0
        self.said = -1
        self.agreed = False  # the script is good: all may end

    def wish(self) -> None:
        """Somebody wants a restart: have the script checked."""
        if self.pid or self.agreed:
            return
        why = self.forbidden()
        if why:
            log.error("restart", f"no restart: {why}")
            return
        log.notice("restart", "a restart is wanted: the script is checked")
        self.notifier.reloading()
        self.said = os.memfd_create("pysips-check")
        self.began = time.monotonic()
        self.pid = self.fork(self.check)

    def forbidden(self) -> str:
        """Why this server cannot restart itself, "" if it can."""
        options, folder = self.server.program.options, Path(self.server.program.start_folder)
        if self.server.root:
            return "its root folder was changed, outside of which it reaches nothing"
        if options.file == "-":
            return "the script came from standard input"
        if not os.access(sys.executable, os.X_OK):
            return f"{sys.executable or 'the interpreter'} is gone, or not for user {os.geteuid()} to run"
        program = sys.orig_argv[1] if len(sys.orig_argv) > 1 else ""
        if program and not program.startswith("-") and not (folder / program).exists():
            return f"{program} is gone"
        return ""

    def check(self) -> int:
        """In a child: be the new server as far as its check goes."""
        for fd in (1, 2):
            os.dup2(self.said, fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self.execute(CHECK, {})
        return 1

    def look(self) -> None:
        """Once in a tick: a check shall end."""
        if self.pid and time.monotonic() > self.began + CHECK_SECONDS:
            os.kill(self.pid, signal.SIGKILL)

    def ended(self, status: int) -> None:
        """The check has ended."""
        self.pid = 0
        os.lseek(self.said, 0, os.SEEK_SET)
        with open(self.said, "rb") as file:
            text = file.read(LONGEST).decode("utf-8", "replace")
        code = os.waitstatus_to_exitcode(status)
        self.agreed = code == 0
        if self.agreed:
            return
        for line in text.splitlines():
            log.error("restart", line)
        how = "is refused, see above" if code > 0 and text else f"could not be checked (code {code})"
        log.error("restart", f"no restart: the script {how}; all goes on as it was")
        self.notifier.ready("a restart was refused: all goes on as it was")

    def give_up(self) -> None:
        """The server stops instead."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def become(self) -> None:
        """Be the new server; all others have ended. Raises OSError if that cannot be."""
        log.notice("restart", "all have ended: the new server takes over")
        self.notifier.alive()
        legacy = legacy_from(self.server)
        handed = [legacy.lock, *(fd for fds in legacy.sockets.values() for fd in fds)]
        before = os.getcwd()
        try:
            for fd in handed:
                os.set_inheritable(fd, True)
            self.execute("", self.notifier.taken)
        finally:
            os.chdir(before)
            for fd in handed:
                os.set_inheritable(fd, False)

    def execute(self, mark: str, more: dict[str, str]) -> None:
        """The command line, once more. Raises OSError; else it does not come back."""
        fd = written(legacy_from(self.server))
        try:
            os.chdir(self.server.program.start_folder)
            sys.stdout.flush()
            sys.stderr.flush()
            os.execve(sys.executable, sys.orig_argv, {**os.environ, **more, VARIABLE: f"{mark}{fd}"})
        finally:
            os.close(fd)


def legacy_from(server: Server) -> Legacy:
    """What there is to be taken over of a server."""
    program, workers = server.program, server.seats[: server.workers]
    sockets = {
        where.name: [seat.sockets[where.index].fileno() for seat in workers]
        + [sock.fileno() for index, sock in server.spare if index == where.index]
        for where in program.sockets
    }
    for where, sock in zip(program.node_sockets, server.seats[server.workers].sockets, strict=True):
        sockets[where.name] = [sock.fileno()]
    return Legacy(
        sockets, {name: os.fstat(fds[0]).st_uid for name, fds in sockets.items()}, str(server.folder), server.lock,
        program.tag_prefix, program.secret.hex(), program.services.branch_flags.masks,
        meaning_of(program, server.workers), max(server.board.own(seat.row)[LIVES] for seat in server.seats),
    )  # fmt: skip


def written(legacy: Legacy) -> int:
    """The inheritable descriptor of a file in memory with all that."""
    fd = os.memfd_create("pysips-restart", 0)
    with open(fd, "wb", closefd=False) as file:
        file.write(json.dumps(asdict(legacy)).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
