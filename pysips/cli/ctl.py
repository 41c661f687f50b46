"""pysipsctl: management commands alone, for cron jobs, hooks and habits; it may be linked as `opensipsctl`.

`pysipsctl fifo COMMAND [ARGUMENT]...` is 2.4's form (OpenSIPS: scripts/opensipsctl): it writes lines into the pipe and
prints the lines of the answer, so it also speaks to a real server of 2.4. `pysipsctl COMMAND ...` is `pysips mi`.

The pipe is found as opensipsctl finds it: by OSIPS_FIFO in the file that $osipsctlrc names, else in
/etc/opensips/opensipsctlrc, /usr/local/etc/opensips/opensipsctlrc and ~/.opensipsctlrc, of which the last one counts;
then by the environment's OSIPS_FIFO; then in the usual places. These files are read, never run.
"""

import os
import re
import secrets
import select
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from .mi import MiFailed, find_fifo, make_reply, write
from .mi import command as json_command

RC_FILES: Final = ("/etc/opensips/opensipsctlrc", "/usr/local/etc/opensips/opensipsctlrc", "~/.opensipsctlrc")
ASSIGNED: Final = re.compile(r"^[ \t]*(?:export[ \t]+)?OSIPS_FIFO=(.*)$", re.MULTILINE)
WELL: Final = "200 "
LARGEST_RC: Final = 1 << 20


def ask_lines(fifo: Path, reply_folder: Path, method: str, words: Sequence[str], limit: float) -> list[str]:
    """Ask in 2.4's form; the lines of the answer. Raises MiFailed with the server's own words."""
    for word in (method, *words):
        if not word or "\n" in word or "\r" in word:
            raise MiFailed("an argument is empty or has a line end in it: 2.4's form has no place for that")
    reply = reply_folder / f"osips_rply_{os.getpid()}_{secrets.token_hex(4)}"
    text = "".join(f"{line}\n" for line in (f":{method}:{reply.name}", *words, "")).encode("utf-8", "surrogateescape")
    if len(text) > select.PIPE_BUF:
        raise MiFailed(f"the command is longer than {select.PIPE_BUF} bytes, more than a pipe takes in one piece")
    make_reply(reply, fifo)
    reader = os.open(reply, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(fifo, text)
        first, *rest = read_lines(reader, limit)
    finally:
        os.close(reader)
        reply.unlink(missing_ok=True)
    if not first.startswith(WELL):
        raise MiFailed(first)
    while rest and not rest[-1]:
        rest.pop()
    return rest


def read_lines(reader: int, limit: float) -> list[str]:
    """The answer's lines, at least one; it is over when the server closes the pipe. Raises MiFailed."""
    data, end = bytearray(), time.monotonic() + limit
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while (left := end - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            break
        piece = os.read(reader, 65536)
        if piece:
            data += piece
        elif data:
            return data.decode("utf-8", "replace").split("\n")
        else:
            time.sleep(0.001)  # nobody has opened it yet
    raise MiFailed(f"no answer within {limit:g} s")


def from_files(environment: Mapping[str, str]) -> str | None:
    """OSIPS_FIFO as opensipsctl would find it; None if nobody sets it."""
    named = environment.get("osipsctlrc", "")
    files = [named] if named and Path(named).is_file() else RC_FILES
    found = environment.get("OSIPS_FIFO")
    for name in files:
        try:
            text = Path(name).expanduser().read_text("utf-8", "replace")[:LARGEST_RC]
        except (OSError, RuntimeError):
            continue  # it is not there, or not for us; a user without a home has none
        for assignment in ASSIGNED.finditer(text):
            found = value_of(assignment[1]) or found
    return found


def value_of(text: str) -> str:
    """What stands behind the = of a shell's assignment: its first word, without quotes and comments."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return ""
    return os.path.expandvars(words[0]) if words else ""


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
@click.option("-f", "--fifo", metavar="PATH", help="The server's FIFO (mi_fifo's fifo_name).")
@click.option("--reply-dir", default="/tmp", metavar="FOLDER", show_default=True, help="mi_fifo's reply_dir.")
@click.option("--timeout", default=5.0, metavar="SECONDS", show_default=True, help="How long to wait for the answer.")
@click.argument("method", metavar="COMMAND")
@click.argument("words", metavar="[ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def fifo_command(fifo: str | None, reply_dir: str, timeout: float, method: str, words: tuple[str, ...]) -> int:
    """Ask a running server as 2.4's opensipsctl does: `fifo nh_enable_ping 1`."""
    given = fifo or os.environ.get("PYSIPS_FIFO") or from_files(os.environ)
    for line in ask_lines(find_fifo(given), Path(reply_dir), method, words, timeout):
        click.echo(line)
    return 0


def split(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether the first word that is no option (nor an option's value) is `fifo`, and the rest without it."""
    takes = {option for one in fifo_command.params if isinstance(one, click.Option) for option in one.opts}
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in takes else 1
    if at < len(arguments) and arguments[at] == "fifo":
        return True, [*arguments[:at], *arguments[at + 1 :]]
    return False, list(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; its exit code."""
    from .main import told

    is_fifo, rest = split(sys.argv[1:] if arguments is None else arguments)
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "pysipsctl"
    return told(fifo_command, f"{name} fifo", rest) if is_fifo else told(json_command, name, rest)
