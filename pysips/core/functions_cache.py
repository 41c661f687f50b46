"""Core functions and management commands on key/value stores: cache_store, cache_fetch … (OpenSIPS manual: cachedb).

A store is named by engine and group, "redis:group1". Return codes: 1, -1 for a failure, -2 for a key that is not there;
a variable is left as it was unless there is a value for it. A run waits for stores behind a network, not for
cachedb_local.
"""

from collections.abc import Awaitable
from typing import Annotated, Any, Final, TypeVar

from pysips.errors import SipError

from .avps import avp_name, push
from .cachedb import FAILED, NOT_FOUND, CacheDb, CacheError
from .context import Context
from .exports import By, Json, MiError, Module, NoExpand, Value, Var, function, mi
from .log import log

INVALID: Final = -32602
COMPLAINTS: Final = 10.0  # seconds between two lines about the same operation of the same store
Answer = TypeVar("Answer")


class CacheFunctions(Module):
    """Part of the core module; see functions.py."""

    @function("cache_store")
    async def cache_store(self, ctx: Context, cachedb_id: str, attr: str, value: str, timeout: int = 0) -> int:
        """Set a key's value; timeout: seconds until it is forgotten, 0 for ever."""
        try:
            await self.store_of(cachedb_id, attr, timeout).store(attr, value, timeout)
        except (CacheError, SipError) as problem:
            return told("store", cachedb_id, problem)
        return 1

    @function("cache_fetch")
    async def cache_fetch(self, ctx: Context, cachedb_id: str, attr: str, result: Var) -> int:
        """Put a key's value into a variable; -2 if there is none."""
        try:
            value = await self.store_of(cachedb_id, attr).fetch(attr)
        except (CacheError, SipError) as problem:
            return told("fetch", cachedb_id, problem)
        return NOT_FOUND if value is None else result.set(ctx, value)

    @function("cache_counter_fetch")
    async def cache_counter_fetch(self, ctx: Context, cachedb_id: str, attr: str, result: Var) -> int:
        """Put the number that cache_add and cache_sub keep into a variable; -2 if there is none."""
        try:
            value = await self.store_of(cachedb_id, attr).counter(attr)
        except (CacheError, SipError) as problem:
            return told("counter_fetch", cachedb_id, problem)
        return NOT_FOUND if value is None else result.set(ctx, value)

    @function("cache_add")
    async def cache_add(
        self, ctx: Context, cachedb_id: str, attr: str, increment: int, expires: int, new_value: Var | None = None
    ) -> int:
        """Add to a number in one step, and put the new one into a variable."""
        return await self.added(ctx, "add", cachedb_id, attr, increment, expires, new_value)

    @function("cache_sub")
    async def cache_sub(
        self, ctx: Context, cachedb_id: str, attr: str, decrement: int, expires: int, new_value: Var | None = None
    ) -> int:
        """Subtract from a number in one step, and put the new one into a variable."""
        return await self.added(ctx, "sub", cachedb_id, attr, -decrement, expires, new_value)

    async def added(
        self, ctx: Context, what: str, id: str, key: str, number: int, expires: int, result: Var | None
    ) -> int:
        """See cache_add."""
        try:
            value = await self.store_of(id, key, expires).add(key, number, expires)
        except (CacheError, SipError) as problem:
            return told(what, id, problem)
        return 1 if result is None else result.set(ctx, value)

    @function("cache_remove")
    async def cache_remove(self, ctx: Context, cachedb_id: str, attr: str) -> int:
        """Forget a key; it need not be there."""
        try:
            await self.store_of(cachedb_id, attr).remove(attr)
        except (CacheError, SipError) as problem:
            return told("remove", cachedb_id, problem)
        return 1

    def variables_in(self, text: str) -> tuple[Var, ...]:
        """`$avp(a);$avp(b)`; raises BadName."""
        return tuple(self.bound(one.strip()) for one in text.split(";") if one.strip())

    @function("cache_raw_query")
    async def cache_raw_query(
        self, ctx: Context, cachedb_id: str, raw_query: str,
        result: Annotated[tuple[Var, ...], NoExpand, By("variables_in")] = (),
    ) -> int:  # fmt: skip
        """Ask a store in its own language; each column goes into its AVP, the first row on top. -2: nothing found."""
        try:
            rows = await self.store_of(cachedb_id, raw_query).raw_query(raw_query, len(result))
        except (CacheError, SipError) as problem:
            return told("raw_query", cachedb_id, problem)
        if rows is None:
            return NOT_FOUND
        for row in reversed(rows):
            for variable, value in zip(result, row, strict=False):
                put(ctx, variable, value)
        return 1

    def store_of(self, id: str, key: str, expires: int = 0) -> CacheDb:
        """The store of that name; raises CacheError for none, for an empty key, and for a time before now."""
        found = self.program.caches.named(id)
        if found is None:
            raise CacheError(f'no cachedb_url gives a store "{id}"')
        if not key:
            raise CacheError("the key is empty")
        if expires < 0:
            raise CacheError(f"{expires} seconds until it is forgotten")
        return found

    # -- management

    @mi("cache_store", full="cache:store")
    async def mi_store(self, system: str, attr: str, value: str, expire: int = 0) -> Json:
        """Set a key's value in a store, for so many seconds."""
        given(system, attr, value)
        await done(self.stored(system, attr, value, expire), "store")
        return "OK"

    async def stored(self, system: str, attr: str, value: str, expire: int) -> None:
        await self.store_of(system, attr, expire).store(attr, value, expire)

    @mi("cache_fetch", full="cache:fetch")
    async def mi_fetch(self, system: str, attr: str) -> Json:
        """A key's value in a store."""
        given(system, attr)
        value = await done(self.fetched(system, attr), "fetch")
        if not value:
            raise MiError(400, "Value not found")
        return {"key": attr, "value": value}

    async def fetched(self, system: str, attr: str) -> str | None:
        return await self.store_of(system, attr).fetch(attr)

    @mi("cache_remove", full="cache:remove")
    async def mi_remove(self, system: str, attr: str) -> Json:
        """Forget a key in a store."""
        given(system, attr)
        await done(self.removed(system, attr), "remove")
        return "OK"

    async def removed(self, system: str, attr: str) -> None:
        await self.store_of(system, attr).remove(attr)


def put(ctx: Context, variable: Var, value: Value) -> None:
    """Push to an AVP, NULL too, so that rows stay beside one another; assign to any other variable."""
    name = avp_name(variable.name)
    if name is None:
        variable.set(ctx, value)
    else:
        push(ctx, name, value)


def given(*values: str) -> None:
    """Complain of an empty parameter, in OpenSIPS' words."""
    for value, what in zip(values, ("memory cache id", "attribute name", "value"), strict=False):
        if not value:
            raise MiError(INVALID, "Invalid params", f"Empty {what}")


async def done(work: Awaitable[Answer], what: str) -> Answer:
    """Its answer, or the failure that OpenSIPS tells, with the reason beside it."""
    try:
        return await work
    except (CacheError, SipError) as problem:
        raise MiError(500, f"Cache {what} command failed", str(problem)) from None


def told(what: str, id: str, problem: Any) -> int:
    """Log a failure, once in a while for each store and operation; answers the script's code."""
    if log.limited(f"cachedb:{what} {id}", COMPLAINTS):
        log.error(f"core:cache_{what}", str(problem))
    return problem.code if isinstance(problem, CacheError) else FAILED
