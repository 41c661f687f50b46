"""Answers into the clients' pipes, without ever waiting for a client.

Facts:
- the client may open its pipe after it has asked: we try for 2 s;
- only a pipe is written to, and only in the reply folder itself: no link is followed;
- a client that reads nothing for 5 s is given up.
"""

import asyncio
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from pysips.core.exports import MiError
from pysips.core.log import log
from pysips.core.paged import Paged
from pysips.core.services import Offload

OPEN_SECONDS: Final = 2.0
WRITE_SECONDS: Final = 5.0
PAUSE: Final = 0.01
PIPE_SIZE: Final = 65536
WIDE: Final = 1 << 20
F_SETPIPE_SZ: Final = 1031  # Linux
MOST_AT_ONCE: Final = 100
CODES: Final = {-32601: 404, -32602: 400}


class Replies:
    """Writes answers; each is a small task of its own."""

    def __init__(self, folder: Path, offload: Offload, indent: str, pretty: bool) -> None:
        self.folder = folder
        self.offload = offload
        self.indent = indent
        self.pretty = pretty
        self.running = 0

    def json(self, name: str, answer: str | Paged) -> None:
        """A JSON-RPC answer; an empty one is none."""
        if isinstance(answer, Paged):
            self.send(name, answer.pages)
        elif answer and self.pretty:
            self.send(name, once(json.dumps(json.loads(answer), indent=4, ensure_ascii=False)))
        elif answer:
            self.send(name, once(answer))

    def lines(self, name: str, result: Any, failure: BaseException | None) -> None:
        """An answer in 2.4's form."""
        if failure is None:
            text = "200 OK\n" + "".join(line + "\n" for line in spelled(result, self.indent))
        elif isinstance(failure, MiError):
            code = failure.code if failure.code > 0 else CODES.get(failure.code, 500)
            text = f"{code} {failure.data or failure}\n"
        else:
            text = "500 Internal error\n"
        self.send(name, once(text + "\n"))

    def send(self, name: str, pages: AsyncIterator[str]) -> None:
        if not name:
            return
        if self.running >= MOST_AT_ONCE:
            log.warn("mi_fifo", "too many clients do not fetch their answers")
            return
        self.running += 1
        self.offload.spawn(self.deliver(name, pages))

    async def deliver(self, name: str, pages: AsyncIterator[str]) -> None:
        """Each page when the client has read the one before it."""
        try:
            pipe = await self.opened(self.folder / name)
            try:
                size = 0
                async for page in pages:
                    data = page.encode("utf-8", "backslashreplace")
                    if size <= PIPE_SIZE < size + len(data):
                        widen(pipe)
                    size += len(data)
                    await written(pipe, data)
            finally:
                os.close(pipe)
        except OSError as problem:
            log.warn("mi_fifo", f"cannot answer in {self.folder / name}: {problem.strerror}")
        finally:
            self.running -= 1

    async def opened(self, path: Path) -> int:
        """The pipe, as soon as its reader is there. Raises OSError."""
        end = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            except OSError as problem:
                if problem.errno not in (errno.ENXIO, errno.ENOENT) or time.monotonic() > end:
                    raise
                await asyncio.sleep(PAUSE)
                continue
            if stat.S_ISFIFO(os.fstat(pipe).st_mode):
                return pipe
            os.close(pipe)
            raise OSError(errno.EPERM, "it is no pipe")


async def once(text: str) -> AsyncIterator[str]:
    """A text that is no longer than one page."""
    yield text


async def written(pipe: int, data: bytes) -> None:
    """Write all of it. Raises OSError, also when the client reads nothing for WRITE_SECONDS."""
    left = memoryview(data)
    end = time.monotonic() + WRITE_SECONDS
    while left:
        try:
            left = left[os.write(pipe, left) :]
            end = time.monotonic() + WRITE_SECONDS
            await asyncio.sleep(0)
        except BlockingIOError:
            if time.monotonic() > end:
                raise OSError(errno.ETIMEDOUT, "the client does not read") from None
            await asyncio.sleep(PAUSE)


def widen(pipe: int) -> None:
    """Let a pipe hold more, so that a long answer needs fewer rounds; without the right to, it stays as it is."""
    try:
        fcntl.fcntl(pipe, F_SETPIPE_SZ, WIDE)
    except OSError as problem:
        log.debug("mi_fifo", f"the pipe keeps its size: {problem.strerror}")


def spelled(value: Any, indent: str, name: str = "", depth: int = 0) -> list[str]:
    """A result as lines `name:: value`; what is inside something else stands further to the right."""
    if isinstance(value, dict):
        here = [f"{indent * depth}{name}::"] if name else []
        inside = depth + 1 if name else depth
        return here + [line for key, one in value.items() for line in spelled(one, indent, key, inside)]
    if isinstance(value, list):
        return [line for one in value for line in item(one, indent, name, depth)]
    if value in ("OK", None) and not name:
        return []
    return [f"{indent * depth}{name}:: {one_line(value)}"]


def item(value: Any, indent: str, name: str, depth: int) -> list[str]:
    """One of a list."""
    if isinstance(value, (dict, list)):
        return [f"{indent * depth}{name}::", *spelled(value, indent, "", depth + 1)]
    return [f"{indent * depth}{name}:: {one_line(value)}"]


def one_line(value: Any) -> str:
    text = str(value) if not isinstance(value, bool) else str(int(value))
    return text.replace("\r", " ").replace("\n", " ")
