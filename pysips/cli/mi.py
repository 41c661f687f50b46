"""pysips mi: management commands to a running server, over its FIFO (OpenSIPS: modules/mi_fifo).

A command is `:REPLY:JSON` in the server's pipe; the answer comes in the pipe REPLY, which we make.
"""

import errno
import json
import os
import secrets
import select
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from pysips.core.paged import json_text
from pysips.errors import PysipsError

FIFOS = (
    "/tmp/opensips_fifo",
    "/run/opensips/opensips_fifo",
    "/run/pysips/opensips_fifo",
    "/var/run/opensips/opensips_fifo",
)

# Commands whose parameter at this place is a list: what stands there and behind it becomes that list.
STATISTICS = ("statistics", 0)
LISTS = {
    "get_statistics": STATISTICS, "statistics:get": STATISTICS,
    "list_statistics": STATISTICS, "statistics:list": STATISTICS,
    "reset_statistics": STATISTICS, "statistics:reset": STATISTICS,
    "raise_event": ("params", 1), "evi:raise": ("params", 1),
}  # fmt: skip


QUIET = 0.2  # seconds without another byte after which an answer may be whole


class MiFailed(PysipsError):
    """The command could not be asked, or the server refused it."""

    exit_code = 1


def ask(fifo: Path, reply_folder: Path, method: str, params: object, limit: float) -> Any:
    """Ask a running server; what it answers. Raises MiFailed with the server's own words."""
    reply = reply_folder / f"opensips_fifo_reply_{os.getpid()}_{secrets.token_hex(4)}"
    request: dict[str, object] = {"jsonrpc": "2.0", "id": "1", "method": method}
    if params:
        request["params"] = params
    text = f":{reply.name}:{json.dumps(request)}\n".encode()
    if len(text) > select.PIPE_BUF:
        raise MiFailed(f"the command is longer than {select.PIPE_BUF} bytes, more than a pipe takes in one piece")
    make_reply(reply, fifo)
    reader = os.open(reply, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(fifo, text)
        answer = read(reader, limit)
    finally:
        os.close(reader)
        reply.unlink(missing_ok=True)
    if "error" in answer:
        error = answer["error"]
        detail = f": {error['data']}" if "data" in error else ""
        raise MiFailed(f"{error.get('code')} {error.get('message')}{detail}")
    return answer.get("result")


def make_reply(reply: Path, fifo: Path) -> None:
    """Make the pipe for the answer, for the server's user alone where that is our own."""
    try:
        own = fifo.stat().st_uid == os.geteuid()
        os.mkfifo(reply, 0o600)
        if not own:
            reply.chmod(0o622)
    except OSError as problem:
        raise MiFailed(f"cannot make {reply}: {problem.strerror}") from None


def write(fifo: Path, text: bytes) -> None:
    try:
        pipe = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as problem:
        why = "no server reads it" if problem.errno == errno.ENXIO else problem.strerror
        raise MiFailed(f"{fifo}: {why}") from None
    try:
        os.write(pipe, text)
    except OSError as problem:
        raise MiFailed(f"{fifo}: {problem.strerror}") from None
    finally:
        os.close(pipe)


def read(reader: int, limit: float) -> dict[str, Any]:
    """The JSON object that arrives: its first bytes within so many seconds, and more at least as often.

    It is over when the server closes the pipe, or when it is whole and nothing more comes.
    """
    data = bytearray()
    end = time.monotonic() + limit
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while (left := end - time.monotonic()) > 0:
        if poll.poll(1000 * (min(left, QUIET) if data else left)):
            piece = os.read(reader, 65536)
            if piece:
                data += piece
                end = time.monotonic() + limit
                continue
            if not data:
                time.sleep(0.001)  # nobody has opened it yet, or it was closed without a word
                continue
            whole = parsed_answer(data)
            if whole is None:
                raise MiFailed("the server's answer is cut short")
            return whole
        if data and (whole := parsed_answer(data)) is not None:
            return whole
    raise MiFailed(f"no answer within {limit:g} s")


def parsed_answer(data: bytearray) -> dict[str, Any] | None:
    """The answer, None if it is not whole. Raises MiFailed for something else."""
    if not data.rstrip().endswith((b"}", b"]")):
        return None
    try:
        answer = json.loads(data)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        raise MiFailed("the server's answer is no JSON-RPC")
    return answer


def params_of(words: Sequence[str], method: str = "") -> dict[str, Any] | list[Any]:
    """`name=value ...` by name, anything else in order; `name:=JSON` and JSON lists carry other types than text.

    Where the command takes a list, plain words are enough.
    """
    named: dict[str, Any] = {}
    ordered: list[Any] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.endswith(":") and name[:-1].isidentifier():
            named[name[:-1]] = parsed(value)
        elif equals and name.isidentifier():
            named[name] = value
        else:
            ordered.append(parsed(word) if word.startswith("[") else word)
    if named and ordered:
        raise click.UsageError("give all parameters by name, or none")
    name, at = LISTS.get(method, ("", 0))
    if isinstance(named.get(name), str):
        named[name] = [named[name]]
    if name and len(ordered) > at and not isinstance(ordered[at], list):
        ordered[at:] = [ordered[at:]]
    return named or ordered


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise click.UsageError(f"{text!r} is no JSON: {problem}") from None


def find_fifo(given: str | None) -> Path:
    """The FIFO to use: as given, by $PYSIPS_FIFO, or the first of the usual places that is one."""
    given = given or os.environ.get("PYSIPS_FIFO")
    for place in [given] if given else FIFOS:
        path = Path(place)
        if path.exists() and stat.S_ISFIFO(path.stat().st_mode):
            return path
    raise MiFailed(f"no FIFO at {given or ', '.join(FIFOS)}; does the server run with mi_fifo?")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
@click.option("-f", "--fifo", metavar="PATH", help="The server's FIFO (mi_fifo's fifo_name).")
@click.option("--reply-dir", default="/tmp", metavar="FOLDER", show_default=True, help="mi_fifo's reply_dir.")
@click.option(
    "--timeout",
    default=5.0,
    metavar="SECONDS",
    show_default=True,
    help="How long to wait for the answer, or more of it.",
)
@click.argument("method", metavar="COMMAND")
@click.argument("words", metavar="[PARAMETER]...", nargs=-1, type=click.UNPROCESSED)
def command(fifo: str | None, reply_dir: str, timeout: float, method: str, words: tuple[str, ...]) -> int:
    """Ask a running server: `pysips mi which` lists its commands.

    PARAMETERs are values in order or name=value; name:=JSON carries a number, list or object.
    """
    answer = ask(find_fifo(fifo), Path(reply_dir), method, params_of(words, method), timeout)
    click.echo(answer if isinstance(answer, str) else for_people(answer))
    return 0


def for_people(answer: Any) -> str:
    """JSON in lines. Python's own writer takes five times as long, but knows bytes that are no UTF-8."""
    try:
        return msgspec.json.format(json_text(answer), indent=4)
    except msgspec.DecodeError:
        return json.dumps(answer, indent=4, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
