"""Shared tables in one process's memory, for tests: the same answers as runtime/tables.py, no file."""

from pysips.core.services import Tables, TablesFull, Transaction

Key = tuple[bytes, bytes]


class MemoryTransaction(Transaction):
    """Changes that are put by until `commit`. A second one before that is a mistake, since it would wait for ever."""

    def __init__(self, tables: "MemoryTable") -> None:
        assert tables.writer is None, "a transaction inside of a transaction"
        tables.writer = self
        self.tables = tables
        self.changes: dict[Key, bytes | None] = {}

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        if (kind, key) in self.changes:
            return self.changes[kind, key]
        return self.tables.records.get((kind, key))

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        self.changes[kind, key] = value

    def delete(self, kind: bytes, key: bytes) -> bool:
        was_there = self.get(kind, key) is not None
        self.changes[kind, key] = None
        return was_there

    def number(self) -> int:
        return self.tables.commits + 1

    def commit(self) -> None:
        self.abort()
        if self.tables.is_full:
            raise TablesFull
        for place, value in self.changes.items():
            if value is None:
                self.tables.records.pop(place, None)
            else:
                self.tables.records[place] = value
        self.tables.commits += 1

    def abort(self) -> None:
        self.tables.writer = None


class MemoryTable(Tables):
    """is_full: let every change fail with TablesFull; commits: how many transactions took effect."""

    def __init__(self) -> None:
        self.records: dict[Key, bytes] = {}
        self.writer: MemoryTransaction | None = None
        self.is_full = False
        self.commits = 0

    def get(self, kind: bytes, key: bytes) -> bytes | None:
        return self.records.get((kind, key))

    def put(self, kind: bytes, key: bytes, value: bytes) -> None:
        transaction = self.begin()
        transaction.put(kind, key, value)
        transaction.commit()

    def delete(self, kind: bytes, key: bytes) -> bool:
        transaction = self.begin()
        was_there = transaction.delete(kind, key)
        transaction.commit()
        return was_there

    def begin(self) -> MemoryTransaction:
        return MemoryTransaction(self)

    def scan(self, kind: bytes, after: bytes = b"", most: int = 500) -> list[tuple[bytes, bytes]]:
        found = sorted(place for place in self.records if place[0] == kind and place[1] > after)
        return [(key, self.records[kind, key]) for kind, key in found[: min(most, 500)]]

    def count(self, kind: bytes) -> int:
        return sum(place[0] == kind for place in self.records)
