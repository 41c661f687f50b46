"""A collection of MongoDB as key/value store, and as the rows of a federation (OpenSIPS manual: cachedb_mongodb).

    {_id: key, opensips: value}    {_id: key, opensips_counter: number}    {_id: id, aor: …, home_ip: …}

Facts:
- the client is made at its first use in a process, after the fork; all it does is done on the loop;
- the driver counts the time limit, too (`pymongo.timeout`), so that the server ends what nobody waits for;
- the fields by which rows are found get an index, made once by whoever asks first.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pymongo
from bson import json_util
from bson.errors import BSONError
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect, ConnectionFailure, OperationFailure, PyMongoError

from pysips.core.cachedb import CacheError
from pysips.core.cachedb_remote import RemoteCache
from pysips.core.exports import Value
from pysips.core.log import log

VALUE: Final = "opensips"
COUNTER: Final = "opensips_counter"
CURSORS: Final = ("find", "aggregate", "listCollections", "listIndexes")  # commands that answer with documents
MOST_DOCUMENTS: Final = 10_000
LONGEST: Final = 300  # characters of the driver's words in our log

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A collection, and how the driver gets there: a URI without credentials, and options beside it."""

    uri: str
    database: str
    collection: str
    options: Mapping[str, Any]


def command_of(text: str) -> Document:
    """A command of a script, a JSON document; raises CacheError."""
    try:
        found = json_util.loads(text)
    except (ValueError, TypeError, BSONError, RecursionError, OverflowError) as problem:
        raise CacheError(f"mongodb: a query is a command as a JSON document: {problem}") from None
    if not isinstance(found, dict) or not found:
        raise CacheError("mongodb: a query is a command as a JSON document")
    return found


def text_of(document: Mapping[str, Any]) -> str:
    return json.dumps(document, default=json_util.default, ensure_ascii=False)


class MongoStore(RemoteCache):
    """One collection."""

    has_rows = True

    def __init__(self, place: Place, *more: Any) -> None:
        super().__init__(*more)
        self.place = place
        self.client: pymongo.AsyncMongoClient[Document] | None = None
        self.indexed: set[str] = set()
        self.told_expiry = False
        self.when_back(self.indexed.clear)  # it may come back empty

    # -- the client

    async def start(self) -> None:
        """Begin to connect; nobody waits for it."""
        self.begin()

    def database(self) -> AsyncDatabase[Document]:
        if self.stopped:
            raise CacheError(f"{self.url.shown}: this process ends")
        if self.client is None:
            self.client = pymongo.AsyncMongoClient(self.place.uri, **self.place.options)
        return self.client[self.place.database]

    def collection(self) -> AsyncCollection[Document]:
        return self.database()[self.place.collection]

    async def ping(self) -> None:
        with pymongo.timeout(self.timeout):
            await self.database().command("ping")

    async def stop(self) -> None:
        await super().stop()
        client, self.client = self.client, None
        if client is not None:
            await asyncio.wait((asyncio.ensure_future(client.close()),), timeout=self.timeout)

    def explained(self, problem: Exception) -> CacheError:
        """A server that cannot be reached, or is too slow; else what it refuses is the asker's own mistake."""
        away = isinstance(problem, ConnectionFailure | OSError) or (
            isinstance(problem, PyMongoError)
            and (problem.timeout or (isinstance(problem, OperationFailure) and problem.code in AWAY))
        )
        said = (str(problem) or type(problem).__name__)[:LONGEST]
        return CacheError(f"{self.url.shown}: {said}", away)

    async def write(self, operation: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """A write that may be done twice: a server that was started anew has closed the connections we hold."""

        async def work() -> None:
            with pymongo.timeout(self.timeout):
                try:
                    await operation()
                except AutoReconnect as problem:
                    if problem.timeout:
                        raise
                    await operation()

        await self.ask(work)

    # -- keys

    async def store(self, key: str, value: str, expires: int = 0) -> None:
        """Set a key's value. MongoDB forgets documents by an index of its own (TTL), not by what is asked for here."""
        self.tell_expiry(expires)

        await self.write(lambda: self.collection().update_one({"_id": key}, {"$set": {VALUE: value}}, upsert=True))

    async def fetch(self, key: str) -> str | None:
        value = await self.field(key, VALUE)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise CacheError(f"{self.url.shown}: {VALUE} is neither text nor a whole number")

    async def counter(self, key: str) -> int | None:
        value = await self.field(key, COUNTER)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise CacheError(f"{self.url.shown}: {COUNTER} is no whole number")

    async def field(self, key: str, name: str) -> object:
        """One field of a key's document; None where either is not there."""

        async def work() -> object:
            with pymongo.timeout(self.timeout):
                found = await self.collection().find_one({"_id": key}, {name: 1})
            return None if found is None else found.get(name)

        return await self.ask(work)

    async def add(self, key: str, number: int, expires: int = 0) -> int:
        self.tell_expiry(expires)

        async def work() -> object:
            with pymongo.timeout(self.timeout):
                found = await self.collection().find_one_and_update(
                    {"_id": key}, {"$inc": {COUNTER: number}}, {COUNTER: 1},
                    upsert=True, return_document=pymongo.ReturnDocument.AFTER,
                )  # fmt: skip
            return None if found is None else found[COUNTER]

        value = await self.ask(work)
        if not isinstance(value, int):
            raise CacheError(f"{self.url.shown}: {COUNTER} is no whole number")
        return value

    async def remove(self, key: str) -> None:
        await self.write(lambda: self.collection().delete_one({"_id": key}))

    async def raw_query(self, text: str, columns: int) -> list[list[Value]] | None:
        """A command, as a JSON document. Each document of the answer is one row of one column, as JSON.

        A command that has no documents to show answers with one that tells how it went.
        """
        command = command_of(text)
        if columns > 1:
            raise CacheError("mongodb: an answer's documents go into one variable")

        async def work() -> list[Document]:
            database = self.database()
            with pymongo.timeout(self.timeout):
                if next(iter(command)) not in CURSORS:
                    return [await database.command(command)]
                found: list[Document] = []
                async with await database.cursor_command(command) as cursor:
                    async for document in cursor:
                        found.append(document)
                        if len(found) > MOST_DOCUMENTS:
                            raise CacheError(f"mongodb: more than {MOST_DOCUMENTS} documents")
                return found

        documents = await self.ask(work)
        return [[text_of(document)] for document in documents] or None

    def tell_expiry(self, expires: int) -> None:
        if expires and not self.told_expiry:
            self.told_expiry = True
            log.notice("cachedb", f"{self.url.shown}: expiry is for a TTL index of MongoDB; seconds given here are not")

    # -- rows

    async def put_row(self, id: str, row: dict[str, str]) -> None:
        await self.write(lambda: self.collection().update_one({"_id": id}, {"$set": row}, upsert=True))

    async def remove_row(self, id: str) -> None:
        await self.remove(id)

    async def find_rows(self, field: str, value: str) -> list[dict[str, str]]:
        found = await self.rows(field, value, 1)
        if field not in self.indexed:
            self.indexed.add(field)
            self.services.offload.spawn(self.index(field))
        return found

    async def all_rows(self, field: str, value: str) -> list[dict[str, str]]:
        return await self.rows(field, value, 10)

    async def rows(self, field: str, value: str, patience: float) -> list[dict[str, str]]:
        async def work() -> list[Document]:
            with pymongo.timeout(self.timeout * patience):
                return await self.collection().find({field: {"$eq": value}}).to_list()

        return [
            {"id" if name == "_id" else name: str(one) for name, one in document.items() if one is not None}
            for document in await self.ask(work, patience)
        ]

    async def index(self, field: str) -> None:
        """Let the server find rows by a field without reading all; nothing changes where there is such an index."""

        async def work() -> None:
            await self.collection().create_index(field)

        try:
            await self.limited(work, 60)
        except CacheError as problem:
            if self.stopped:
                return
            log.notice("cachedb", f"{problem}; without an index on {field} each look-up reads the whole collection")


AWAY: Final = frozenset((18, 89, 91, 189, 262, 10107, 11600, 11602, 13435, 13436))
"""Codes of a server that cannot answer now: not logged in, shutting down, not the primary, too slow, and their kin."""
