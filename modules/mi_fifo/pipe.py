"""The pipe itself: made, watched, read.

Facts:
- we hold a writing end ourselves: without one, each client that closes would look like the end;
- whoever removes or replaces the pipe gets a new one within a second;
- something else than a pipe in its place is never touched.
"""

import asyncio
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pysips.core import owner
from pysips.core.log import log
from pysips.core.services import Management, Timer, Timers
from pysips.errors import ModuleError

from .commands import Commands, Request
from .replies import Replies

LOOK_SECONDS: Final = 0.5
PIECE: Final = 65_536


@dataclass(slots=True)
class PipeSettings:
    """user, group: whose it shall be, by name or number; None: ours."""

    path: Path
    mode: int
    user: int | str | None = None
    group: int | str | None = None


class Pipe(Timer):
    """The pipe, and the look every half second whether it is still there."""

    def __init__(self, settings: PipeSettings, management: Management, replies: Replies, timers: Timers) -> None:
        super().__init__()
        self.settings = settings
        self.management = management
        self.replies = replies
        self.timers = timers
        self.commands = Commands()
        self.loop = asyncio.get_running_loop()
        self.reader = -1
        self.writer = -1
        self.waited = 0  # looks since the last bytes came

    # -- life

    def open(self) -> None:
        """Make it and read from it. Raises ModuleError."""
        path = self.settings.path
        try:
            self.make()
            self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            self.writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (OSError, KeyError) as problem:
            self.close()
            raise ModuleError(f"cannot make the FIFO {path}: {getattr(problem, 'strerror', None) or problem}") from None
        self.loop.add_reader(self.reader, self.readable)
        self.timers.add(self, LOOK_SECONDS)

    def make(self) -> None:
        """A fresh pipe with its owner and permissions. Raises OSError, KeyError for an unknown user."""
        settings = self.settings
        path = settings.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_fifo() and not path.is_symlink():
            path.unlink()
        os.mkfifo(path, 0o600)
        owner.give(path, settings.user, settings.group)
        path.chmod(settings.mode)

    def close(self) -> None:
        self.due = 0
        if self.reader >= 0:
            self.loop.remove_reader(self.reader)
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)
        self.reader = self.writer = -1

    def fire(self) -> None:
        """Look whether it is still ours, and whether half a command waits in vain."""
        self.timers.add(self, LOOK_SECONDS)
        self.waited += 1
        if self.waited > 1 and self.commands.buffer:
            self.commands.give_up()
        if self.is_there():
            return
        log.notice("mi_fifo", f"the FIFO {self.settings.path} was removed or replaced: it is made again")
        self.close()
        try:
            self.open()
        except ModuleError as problem:
            if log.limited("mi_fifo:again", 60.0):
                log.error("mi_fifo", str(problem))
            self.timers.add(self, LOOK_SECONDS)

    def is_there(self) -> bool:
        """Whether the path still leads to the pipe that we read."""
        if self.reader < 0:
            return False
        try:
            there = os.lstat(self.settings.path)
        except OSError:
            return False
        ours = os.fstat(self.reader)
        return stat.S_ISFIFO(there.st_mode) and (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    # -- commands

    def readable(self) -> None:
        try:
            data = os.read(self.reader, PIECE)
        except BlockingIOError:
            return
        self.waited = 0
        for request in self.commands.feed(data):
            self.perform(request)

    def perform(self, request: Request) -> None:
        """Do it; the answer follows when it is there."""
        if request.json:
            answer = self.management.answer(request.json, paged=not self.replies.pretty)
            answer.when_done(lambda: self.replies.json(request.reply, answer.value))
        else:
            result = self.management.call(request.command, list(request.words))
            result.when_done(lambda: self.replies.lines(request.reply, result.value, result.failure))
