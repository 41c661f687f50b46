"""mi_fifo: management commands over a named pipe (OpenSIPS: mi_fifo).

The attendant serves it. A command is `:REPLY:JSON`, or 2.4's `:COMMAND:REPLY` with an argument on each further line
and an empty line at the end; the answer goes into the pipe REPLY in `reply_dir`, which the client made.
"""

from pathlib import Path

from pysips.core.exports import Module, modparam, param

from .pipe import Pipe, PipeSettings
from .replies import Replies

ATTENDANT = -1


class MiFifo(Module):
    is_door = True

    fifo_name: str = param("/tmp/opensips_fifo", help="The pipe that we make and read.")
    fifo_mode: int = param(0o660, low=0, high=0o777, help="Its permissions.")
    reply_dir: str = param("/tmp/", help="The folder of the clients' pipes.")
    reply_indent: str = param("\t", help="What a step inwards looks like in answers of the line form.")
    pretty_printing: bool = param(False, help="Answer with JSON for people.")

    def __init__(self) -> None:
        self.user: int | str | None = None
        self.group: int | str | None = None
        self.pipe: Pipe | None = None

    @modparam("fifo_user", object, help="The pipe's owner, by name or number.")
    def set_user(self, value: int | str) -> None:
        self.user = value

    @modparam("fifo_group", object, help="The pipe's group, by name or number.")
    def set_group(self, value: int | str) -> None:
        self.group = value

    async def start(self) -> None:
        """Raises ModuleError if the pipe cannot be made."""
        if self.services.slot != ATTENDANT:
            return
        replies = Replies(Path(self.reply_dir), self.services.offload, self.reply_indent, bool(self.pretty_printing))
        settings = PipeSettings(Path(self.fifo_name), self.fifo_mode, self.user, self.group)
        self.pipe = Pipe(settings, self.services.management, replies, self.services.timers)
        self.pipe.open()

    async def stop(self) -> None:
        if self.pipe is not None:
            self.pipe.close()
            self.pipe.settings.path.unlink(missing_ok=True)
            self.pipe = None
