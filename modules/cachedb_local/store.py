"""A collection of keys in the shared tables: every process sees it at once, and nothing waits.

Facts:
- a record is found by its collection and key; it also holds both, since the table hashes long ones;
- an expired record counts as missing, and is removed when somebody writes it, or by the sweep;
- counters are decimal texts under the same keys; adding is one transaction, so that no two are lost in one another.
"""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from pysips.core.cachedb import CacheDb, CacheError, Meter
from pysips.core.cachedb_url import CacheUrl
from pysips.core.services import Services, Tables

KIND: Final = b"V"  # the kind of these records in the shared table
MARK: Final = b"\0read"  # among them, whether the file was read; no collection's name is empty
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,10}")
LOWEST: Final = -(2**31)
HIGHEST: Final = 2**31 - 1
NO_NUMBER: Final = -3
BATCH: Final = 200  # records in one transaction

Answer = TypeVar("Answer")


class Entry(msgspec.Struct, array_like=True, gc=False):
    """expires: Unix seconds, 0 for ever. key, value: UTF-8, with any other bytes as they came."""

    collection: str
    key: bytes
    value: bytes
    expires: float = 0.0

    def is_over(self, now: float) -> bool:
        return 0.0 < self.expires <= now


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode


def placed(collection: str, key: bytes) -> bytes:
    """Where a key of a collection stands in the table."""
    return collection.encode() + b"\0" + key


def octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def integer(value: bytes) -> int | None:
    """A counter's number: 32 bits as the script's own; None for anything else."""
    text = value.decode("latin-1").strip()
    if not NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if LOWEST <= number <= HIGHEST else None


class LocalCache(CacheDb):
    """One collection. changed: called after each change."""

    def __init__(
        self, url: CacheUrl, services: Services, collection: str, meter: Meter, changed: Callable[[], object]
    ) -> None:
        super().__init__(url)
        self.services = services
        self.collection = collection
        self.meter = meter
        self.changed = changed

    @property
    def tables(self) -> Tables:
        return self.services.tables

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        self.metered(self.put, octets(key), octets(value), expires)

    async def fetch(self, key: str) -> str | None:
        entry = self.metered(self.get, octets(key))
        return None if entry is None else entry.value.decode("utf-8", "surrogateescape")

    async def counter(self, key: str) -> int | None:
        entry = self.metered(self.get, octets(key))
        if entry is None:
            return None
        number = integer(entry.value)
        if number is None:
            raise CacheError(f"the value of {key} is no integer", code=NO_NUMBER)
        return number

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        """What is there keeps its expiry."""
        return self.metered(self.reckon, octets(key), number, expires)

    async def remove(self, key: str) -> None:
        self.metered(self.delete, octets(key))

    # -- the same, at once

    def metered(self, work: Callable[..., Answer], *arguments: object) -> Answer:
        began = self.meter.began()
        try:
            return work(*arguments)
        finally:
            self.meter.ended(began)

    def put(self, key: bytes, value: bytes, expires: int) -> None:
        entry = Entry(self.collection, key, value, self.until(expires))
        self.tables.put(KIND, placed(self.collection, key), encode(entry))
        self.changed()

    def get(self, key: bytes) -> Entry | None:
        return self.valid(self.tables.get(KIND, placed(self.collection, key)))

    def delete(self, key: bytes) -> None:
        self.tables.delete(KIND, placed(self.collection, key))
        self.changed()

    def reckon(self, key: bytes, number: int, expires: int) -> int:
        place = placed(self.collection, key)
        transaction = self.tables.begin()
        entry = self.valid(transaction.get(KIND, place)) or Entry(self.collection, key, b"0", self.until(expires))
        old = integer(entry.value)
        if old is None or not LOWEST <= old + number <= HIGHEST:
            transaction.abort()
            raise CacheError("a counter of " + ("no integer" if old is None else "more than 32 bits"))
        entry.value = str(old + number).encode()
        transaction.put(KIND, place, encode(entry))
        transaction.commit()
        self.changed()
        return old + number

    def valid(self, raw: bytes | None) -> Entry | None:
        """The record, if there is one that has not expired."""
        entry = None if raw is None else decode(raw)
        return None if entry is None or entry.is_over(self.services.clock.time()) else entry

    def until(self, expires: int) -> float:
        return self.services.clock.time() + expires if expires > 0 else 0.0


def remove_over(tables: Tables, places: list[bytes], now: float) -> int:
    """Remove those of these records that have expired, in one transaction; answers how many."""
    removed = 0
    transaction = tables.begin()
    for place in places:
        raw = transaction.get(KIND, place)
        if raw is not None and decode(raw).is_over(now):
            transaction.delete(KIND, place)
            removed += 1
    transaction.commit()
    return removed
