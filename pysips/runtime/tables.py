"""Tables that all processes share, in one LMDB file. Nothing else imports lmdb.

Facts, each from an experiment (house rule 9.4):
- one unnamed table, a prefix byte for each kind of record: opening a named one takes the write lock, and a handle that
  was opened in a read transaction dies with it;
- a process stopped inside a write transaction blocks all writers (the supervisor's watchdog ends it); a killed
  one does not: the lock is a robust mutex, and the next writer takes it over;
- a reader that was killed or stopped keeps old pages and lets the file grow: no read transaction outlives a call
  here, a long scan comes in pieces of 500, and `tidy` clears the slots of dead readers;
- the map is one fixed TiB (it takes 10 kB of memory) and never grown. It is written in place (`writemap`), with room.py
  before it, where the disk can promise its pages, else by system calls; all processes do the same, which shows in the
  file's length. A full disk or map is TablesFull, an alarm and a counter, and nothing else;
- keys end at 511 bytes: of longer ones the first 400 stand as they are, and a hash stands for the rest;
- the file is opened after the fork, never before it.
"""

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, final

import lmdb

from pysips.core.log import log
from pysips.core.services import Tables, TablesFull, Transaction
from pysips.core.stats import Counter
from pysips.errors import PysipsError

from .room import PAGES_A_RECORD, Room, allocate

MAP_SIZES: Final = (1 << 40, 1 << 36, 1 << 32)
MAX_READERS: Final = 1024
LONGEST_KEY: Final = 510  # and one byte for the kind
KEPT: Final = 400
AT_ONCE: Final = 500
FILE: Final = "tables"
FIRST_BYTES: Final = 65_536  # of the file: what making it writes


class NoTables(PysipsError):
    """The shared tables cannot be made or opened."""


def stored(kind: bytes, key: bytes) -> bytes:
    """A key as it stands in the file."""
    if len(key) > LONGEST_KEY:
        key = key[:KEPT] + b"\xff" + blake2b(key, digest_size=32).digest()
    return kind + key


def after_kind(kind: bytes) -> bytes:
    """The first key behind all those of a kind."""
    return bytes((kind[0] + 1,))


def open_environment(folder: Path, create: bool, in_place: bool, sizes: tuple[int, ...] = MAP_SIZES) -> Any:
    """Open the file with the first of these sizes that can be had; raises NoTables.

    A limit on address space (`ulimit -v`) makes do with a smaller map, the same in each process.
    """
    problem: Exception | None = None
    for size in sizes:
        try:
            return lmdb.open(
                str(folder / FILE), map_size=size, subdir=False, create=create, max_dbs=0, max_readers=MAX_READERS,
                sync=False, metasync=False, writemap=in_place, readahead=False, mode=0o600,
            )  # fmt: skip
        except (lmdb.MemoryError, MemoryError) as too_large:
            problem = too_large
        except lmdb.Error as other:
            raise NoTables(f"cannot open the shared tables in {folder}: {other}") from None
    raise NoTables(f"cannot open the shared tables in {folder}: {problem}") from None


def is_in_place(folder: Path) -> bool:
    """Whether the tables are written through the map: their file is as long as the map then."""
    try:
        return (folder / FILE).stat().st_size >= MAP_SIZES[-1]
    except OSError:
        return False  # opening it says why


def make(folder: Path) -> None:
    """Wipe what an earlier server left and make the file. Raises NoTables. For a short-lived process of its own."""
    try:
        environment = made_in_place(folder)
    except (OSError, NoTables):  # no such promises here, or no file of that length
        remove(folder)
        environment = open_environment(folder, True, False)
    with environment.begin(write=True) as transaction:
        transaction.put(b"\x00made by", str(os.getpid()).encode())
    environment.close()


def made_in_place(folder: Path) -> Any:
    """A fresh file that can be written through the map. Raises OSError, NoTables."""
    remove(folder)
    environment = open_environment(folder, True, True)
    fd = os.open(folder / FILE, os.O_RDWR | os.O_CLOEXEC)
    try:
        allocate(fd, 0, FIRST_BYTES)
    except OSError:
        environment.close()
        raise
    finally:
        os.close(fd)
    return environment


def remove(folder: Path) -> None:
    """Remove the files; whoever has them open keeps what he has. Raises OSError."""
    for file in (folder / FILE, folder / (FILE + "-lock")):
        file.unlink(missing_ok=True)


@final
class LmdbTransaction(Transaction):
    """A write transaction; see `core.services.Transaction`. asked: how often it asked for room."""

    __slots__ = ("asked", "raw", "room", "tables")

    def __init__(self, tables: "LmdbTables", raw: Any) -> None:
        self.tables: LmdbTables = tables
        self.room: Room | None = tables.room
        self.raw: Any = raw
        self.asked: int = 0

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        found: bytes | None = self.raw.get(kind + key if len(key) <= LONGEST_KEY else stored(kind, key))
        return found

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        try:
            room = self.room
            if room is not None:
                room.left -= PAGES_A_RECORD + (len(value) >> 12)
                if room.left < 0:
                    self.ask(room, PAGES_A_RECORD + (len(value) >> 12))
            self.raw.put(kind + key if len(key) <= LONGEST_KEY else stored(kind, key), value)
        except (lmdb.Error, OSError) as problem:
            self.raw.abort()
            raise self.tables.full(problem) from None

    def delete(self, kind: bytes, key: bytes) -> bool:
        try:
            room = self.room
            if room is not None:  # even to delete, pages are written anew
                room.left -= PAGES_A_RECORD
                if room.left < 0:
                    self.ask(room, PAGES_A_RECORD)
            return bool(self.raw.delete(stored(kind, key)))
        except (lmdb.Error, OSError) as problem:
            self.raw.abort()
            raise self.tables.full(problem) from None

    def ask(self, room: Room, pages: int) -> None:
        """Too little was left for so many pages. Raises OSError."""
        self.asked += 1
        room.ask(pages, self.asked)

    def number(self) -> int:
        return int(self.raw.id())

    def commit(self) -> None:
        try:
            self.raw.commit()
        except lmdb.Error as problem:
            raise self.tables.full(problem) from None

    def abort(self) -> None:
        self.raw.abort()


@final
class LmdbTables(Tables):
    """The shared tables of one process.

    refused: counts the records that found no room; writers: how many processes write these tables; room: what may be
    written in place; None where that is left to system calls.
    """

    __slots__ = ("environment", "refused", "room")

    def __init__(self, folder: Path, refused: Counter, writers: int = 1, sizes: tuple[int, ...] = MAP_SIZES) -> None:
        in_place = is_in_place(folder)
        self.environment: Any = open_environment(folder, False, in_place, sizes)
        self.refused: Counter = refused
        self.room: Room | None = None
        if in_place:
            self.room = Room(self.environment, os.open(folder / FILE, os.O_RDWR | os.O_CLOEXEC), writers)

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        with self.environment.begin() as transaction:
            found: bytes | None = transaction.get(stored(kind, key))
        return found

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        one = self.begin()
        one.put(kind, key, value)
        one.commit()

    def delete(self, kind: bytes, key: bytes) -> bool:
        one = self.begin()
        found = one.delete(kind, key)
        one.commit()
        return found

    def begin(self) -> LmdbTransaction:
        try:
            return LmdbTransaction(self, self.environment.begin(write=True))
        except lmdb.Error as problem:
            raise self.full(problem) from None

    def scan(self, kind: bytes, after: bytes = b"", most: int = AT_ONCE) -> list[tuple[bytes, bytes]]:
        """A page of records; see `core.services.Tables.scan`. At most 500, whatever is asked."""
        found: list[tuple[bytes, bytes]] = []
        start, end = stored(kind, after), after_kind(kind)
        with self.environment.begin() as transaction, transaction.cursor() as cursor:
            if not cursor.set_range(start):
                return found
            most = min(most, AT_ONCE)
            for key, value in cursor:
                if key >= end or len(found) == most:
                    break
                if key != start:
                    found.append((key[1:], value))
        return found

    def count(self, kind: bytes) -> int:
        """How many records of a kind there are: a walk, so for statistics and people."""
        total, start, end = 0, kind, after_kind(kind)
        while True:
            with self.environment.begin() as transaction, transaction.cursor() as cursor:
                if not cursor.set_range(start):
                    return total
                seen = 0
                for key in cursor.iternext(keys=True, values=False):
                    if key >= end:
                        return total + seen
                    if seen == AT_ONCE:
                        start = key
                        break
                    seen += 1
                else:
                    return total + seen
            total += seen

    def tidy(self) -> int:
        """Clear the slots of readers that died; answers how many. After a process's death, and every 5 s."""
        return int(self.environment.reader_check())

    def close(self) -> None:
        self.environment.close()
        if self.room is not None:
            self.room.close()

    def full(self, problem: Exception) -> TablesFull:
        """There is no room: count it, raise the alarm, and answer 500."""
        self.refused.inc()
        if log.limited("tables:full", 60.0):
            log.alert("tables", f"the shared tables take no more records: {problem}")
        return TablesFull()
