"""enable_restart_persistency: the collections in a file, which the next start reads.

Facts:
- the attendant writes it whole, in a thread, a few seconds after a change and at the end; a crash of the machine
  or `kill -9` of the server loses what changed since;
- a file is written beside and moved into place, so that there is always a whole one;
- workers wait for the attendant to have read it before they take their first message.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from pysips.core.log import log
from pysips.core.services import Services
from pysips.errors import ModuleError

from .store import BATCH, KIND, MARK, Entry, encode, placed
from .walks import pieces

FORMAT: Final = "pysips cachedb_local 1"
PATIENCE: Final = 30.0


class File(msgspec.Struct, array_like=True):
    format: str
    entries: list[Entry]


def write(path: Path, entries: list[Entry]) -> None:
    """Put a whole file in place; raises OSError."""
    beside = path.with_name(path.name + ".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.msgpack.encode(File(FORMAT, entries)))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read(path: Path) -> list[Entry]:
    """What is in the file, nothing if there is none. One that cannot be read is put aside, and said."""
    try:
        found = msgspec.msgpack.decode(path.read_bytes(), type=File)
        if found.format == FORMAT:
            return found.entries
        problem: Exception = ValueError(f"its format is {found.format!r}")
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, ValueError) as other:
        problem = other
    log.error("cachedb_local", f"{path} cannot be read, and is kept as {path.name}.bad: {problem}")
    with contextlib.suppress(OSError):
        path.replace(path.with_name(path.name + ".bad"))
    return []


async def load(path: Path, services: Services, collections: set[str]) -> int:
    """Bring the file's records into the tables, once in a server's life; answers how many. For a task."""
    tables, now = services.tables, services.clock.time()
    if tables.get(KIND, MARK) is not None:
        return 0
    loop = asyncio.get_running_loop()
    entries = await loop.run_in_executor(None, read, path)
    wanted = [one for one in entries if one.collection in collections and not one.is_over(now)]
    for first in range(0, len(wanted), BATCH):
        transaction = tables.begin()
        for entry in wanted[first : first + BATCH]:
            transaction.put(KIND, placed(entry.collection, entry.key), encode(entry))
        transaction.commit()
        await asyncio.sleep(0)
    tables.put(KIND, MARK, b"1")
    return len(wanted)


async def loaded(services: Services) -> None:
    """Wait until the attendant has read the file. For a task."""
    last = services.clock.now() + PATIENCE
    while services.tables.get(KIND, MARK) is None:
        if services.clock.now() > last:
            raise ModuleError("the file of cachedb_local was not read in time")
        await asyncio.sleep(0.02)


async def collected(services: Services) -> list[Entry]:
    """All valid records. For a task."""
    found: list[Entry] = []
    for piece in pieces(services.tables):
        now = services.clock.time()
        found += [entry for _, entry in piece if not entry.is_over(now)]
        await asyncio.sleep(0)
    return found


async def save(path: Path, services: Services) -> None:
    """Write all valid records; raises OSError. For a task."""
    entries = await collected(services)
    await asyncio.get_running_loop().run_in_executor(None, write, path, entries)
