"""Around the server: background, pid file, user and group, root folder, the run-time folder and its lock."""

import errno
import fcntl
import grp
import hashlib
import os
import pwd
import re
import resource
import stat
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pysips
from pysips.core.log import log
from pysips.core.services import Socket
from pysips.errors import PysipsError

DESCRIPTORS: Final = 65_536


class CannotStart(PysipsError):
    """The server cannot start: said in one line."""


# -- the background


class Herald:
    """Tells whoever called us how the start went; in the background the caller waits for just that.

    Closed without a word (we died), it means failure. keeps_stderr: log lines go there, also from the background.
    """

    def __init__(self, pipe: int | None = None, keeps_stderr: bool = False) -> None:
        self.pipe = pipe
        self.keeps_stderr = keeps_stderr

    def say(self, code: int) -> None:
        """0: the server runs; else its exit code. In the background standard output and error are let go now."""
        if self.pipe is None:
            return
        os.write(self.pipe, bytes((code,)))
        os.close(self.pipe)
        self.pipe = None
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (1,) if self.keeps_stderr else (1, 2):
            os.dup2(nowhere, fd)
        os.close(nowhere)


def detach(keeps_stderr: bool = False) -> Herald:
    """Go to the background: the caller's process ends here, with 0 once the server runs, or with its failure's code."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        said = os.read(reader, 1)
        os._exit(said[0] if said else 255)
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    return Herald(writer, keeps_stderr)


# -- pid file


class PidFile:
    """A file with a number in it, of whoever runs now. Raises CannotStart if a live server has it."""

    def __init__(self, path: str, number: int, checks: bool = True) -> None:
        self.path = Path(path).absolute()
        other = alive(self.path) if checks else 0
        if other:
            raise CannotStart(f"{self.path}: a server runs already, as process {other}")
        try:
            self.path.write_text(f"{number}\n")
        except OSError as problem:
            raise CannotStart(f"cannot write {self.path}: {problem.strerror}") from None
        self.number = number

    def remove(self) -> None:
        """Take it away, unless it is somebody else's by now, or beyond our rights."""
        try:
            if self.path.read_text().strip() == str(self.number):
                self.path.unlink()
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM):
                log.warn("daemon", f"cannot remove {self.path}: {problem.strerror}")


def alive(path: Path) -> int:
    """The live process that a pid file names, or 0."""
    try:
        text = path.read_text()[:20].strip()
    except OSError:
        return 0
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) in (0, os.getpid()):
        return 0
    try:
        os.kill(int(text), 0)
    except ProcessLookupError:
        return 0
    except PermissionError:
        return int(text)
    return int(text)


# -- rights


def identity(user: str, group: str) -> tuple[int, int] | None:
    """The numbers of a user and a group by name or number; None if neither is given. Raises CannotStart."""
    if not user and not group:
        return None
    uid, gid = os.getuid(), os.getgid()
    if user:
        try:
            entry = pwd.getpwuid(int(user)) if user.isascii() and user.isdigit() else pwd.getpwnam(user)
        except KeyError:
            raise CannotStart(f"there is no user {user}") from None
        uid, gid = entry.pw_uid, entry.pw_gid
    if group:
        try:
            gid = (grp.getgrgid(int(group)) if group.isascii() and group.isdigit() else grp.getgrnam(group)).gr_gid
        except KeyError:
            raise CannotStart(f"there is no group {group}") from None
    return uid, gid


def become(who: tuple[int, int]) -> None:
    """Give up root's rights for good. Raises CannotStart."""
    uid, gid = who
    try:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as problem:
        if (os.getuid(), os.getgid()) != who:
            raise CannotStart(f"cannot become user {uid}, group {gid}: {problem.strerror}") from None


def check_root(folder: str) -> None:
    """Whether a folder can be our root: Python loads what it needs when it needs it, also years after the start.

    Raises CannotStart, which names the folders that have to be mounted there.
    """
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    places = {Path(sysconfig.get_path(name)) for name in names} | {Path(pysips.__file__).parent}
    outermost = sorted(str(one) for one in places if not places.intersection(one.parents))
    missing = [place for place in outermost if not Path(folder + place).is_dir()]
    if missing:
        raise CannotStart(
            f"{folder} cannot be the root folder (chroot): Python loads modules while the server runs, so "
            f"{' and '.join(missing)} have to be in it, and the system's libraries (mount --bind)"
        )


def enter_root(folder: str) -> None:
    """chroot. Raises CannotStart."""
    try:
        os.chroot(folder)
        os.chdir("/")
    except OSError as problem:
        raise CannotStart(f"cannot make {folder} the root folder: {problem.strerror}") from None


def enter_folder(folder: str) -> None:
    """The working folder. Raises CannotStart."""
    try:
        os.chdir(folder)
    except OSError as problem:
        raise CannotStart(f"cannot work in {folder}: {problem.strerror}") from None


def many_descriptors(asked: int = 0) -> None:
    """As many open files as are asked for (`open_files_limit`), else as many as we may have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = asked or (DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS))
    if soft >= wanted:
        return
    try:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted, hard if hard == resource.RLIM_INFINITY else max(wanted, hard))
        )
    except (OSError, ValueError) as problem:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        log.warn("daemon", f"no {wanted} open files (open_files_limit) but {hard}: {problem}")


# -- the run-time folder


class RunFolder:
    """The folder of one server's run-time files; locked as long as the server runs. Raises CannotStart.

    held: path and lock of the folder of a server that restarted as this one; it stays if the name does.
    """

    def __init__(
        self, file: str, sockets: list[Socket], root: str = "", owner: tuple[int, int] | None = None,
        held: tuple[Path, int] | None = None,
    ) -> None:  # fmt: skip
        name = server_name(file, sockets)
        if held is not None and held[0].name == name:
            self.path, self.lock = held
            return
        while True:
            self.path = self.make(name, root, owner)
            try:
                self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # a server that stopped meanwhile took the folder away
            if owner is not None:
                os.fchown(self.lock, *owner)
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CannotStart(f"a server with this script and these sockets runs already ({self.path})") from None
            if os.fstat(self.lock).st_nlink:
                return
            os.close(self.lock)  # or the file

    def make(self, name: str, root: str, owner: tuple[int, int] | None) -> Path:
        problems = []
        for base in places(root):
            try:
                return private_folder(base, name, owner)
            except OSError as problem:
                problems.append(f"{base}: {problem.strerror or problem}")
        raise CannotStart("no place for run-time files: " + "; ".join(problems))


def clear_folder(path: Path) -> None:
    """Take the run-time folder of a server that stops away, as far as its rights go; the lock is held until then."""
    try:
        for file in sorted(path.iterdir(), key=lambda file: file.name == "lock"):
            file.unlink()
        path.rmdir()
    except OSError as problem:
        if problem.errno not in (errno.ENOENT, errno.EACCES, errno.EPERM):
            log.warn("daemon", f"cannot remove {path}: {problem.strerror}")


def move_folder(old: Path, new: Path) -> None:
    """Bring all of a server's files to where its successor has them. Raises OSError."""
    for file in old.iterdir():
        if file.name != "lock":
            file.replace(new / file.name)


def server_name(file: str, sockets: list[Socket]) -> str:
    """Script and sockets make a server: one name for each pair of them."""
    facts = "\n".join([str(Path(file).absolute()), *[one.name for one in sockets]])
    stem = "".join(c if c.isalnum() else "_" for c in Path(file).stem)[:32] or "stdin"
    return f"{stem}-{hashlib.blake2b(facts.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}"


def places(root: str) -> Iterator[Path]:
    """Where run-time files may be, best first."""
    if root:
        yield Path(root) / "run/pysips"
        return
    yield Path("/run/pysips")
    own = os.environ.get("XDG_RUNTIME_DIR")
    if own:
        yield Path(own) / "pysips"
    last = Path(tempfile.gettempdir()) / f"pysips-{os.getuid()}"
    log.notice("daemon", f"run-time files are in {last}: neither /run/pysips nor XDG_RUNTIME_DIR can be written")
    yield last


def private_folder(base: Path, name: str, owner: tuple[int, int] | None) -> Path:
    """Make base/name, for us alone. Raises OSError, also if somebody else has it already."""
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = base / name
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or (os.getuid() != 0 and status.st_uid != os.getuid()):
        raise OSError(errno.EPERM, f"{folder} is somebody else's")
    folder.chmod(0o700)
    if owner is not None:
        os.chown(folder, *owner)
    trial = folder / "trial"
    trial.touch()
    trial.unlink()
    return folder
