"""cache_raw_query: a Redis command as a script writes it, and its reply in rows and columns."""

import re
from typing import Final

from pysips.core.cachedb import CacheError
from pysips.core.exports import Value

from .client import Reply

LONGEST: Final = 65536
MOST_VALUES: Final = 65536
WORD: Final = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']\S*))(?=\s|\Z)")

STATUS: Final = frozenset((
    "SET", "MSET", "HMSET", "SETEX", "PSETEX", "RENAME", "LSET", "LTRIM", "PFMERGE", "RESTORE", "MIGRATE", "FLUSHDB",
    "FLUSHALL", "SCRIPT", "FUNCTION", "CONFIG", "JSON.SET", "JSON.MSET", "JSON.MERGE", "FT.CREATE", "FT.DROPINDEX",
    "PING", "XGROUP",
))  # fmt: skip
"""Commands that answer with a status, of which a script gets nothing."""

REFUSED: Final = frozenset((
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SELECT", "AUTH", "HELLO", "RESET", "QUIT", "MULTI", "EXEC",
    "DISCARD", "WATCH", "UNWATCH", "ASKING", "READONLY", "READWRITE", "SYNC", "PSYNC", "CLIENT",
))  # fmt: skip
"""Commands that change the connection, which others use, too."""


def words_of(text: str) -> list[str]:
    """A command's words; quotes keep blanks together. Raises CacheError."""
    if len(text) > LONGEST:
        raise CacheError(f"a raw query of more than {LONGEST} letters")
    words, place, text = [], 0, text.rstrip()
    while place < len(text):
        found = WORD.match(text, place)
        if found is None:
            raise CacheError("a raw query with a quote that is not closed, or with more behind it than a blank")
        words.append(next(one for one in found.groups() if one is not None))
        place = found.end()
    if len(words) < 2:
        raise CacheError("a raw query has at least two words, as in GET key")
    if words[0].upper() in REFUSED:
        raise CacheError(f"a raw query cannot be {words[0].upper()}: it would change a connection that others share")
    return words


def key_of(words: list[str]) -> str:
    """The key that tells a cluster's node."""
    return words[3] if words[0].upper() in ("EVAL", "EVALSHA", "FCALL") and len(words) > 3 else words[1]


def rows_of(command: str, reply: Reply, columns: int) -> list[list[Value]] | None:
    """A reply as rows of so many columns: an array is filled in row by row, arrays inside of it are left out.

    None for nil; no rows for a status, and where nobody wants any.
    """
    if reply is None:
        return None
    if columns == 0 or (command.upper() in STATUS and reply in (b"OK", b"PONG")):
        return []
    flat = reply[:MOST_VALUES] if isinstance(reply, list) else [reply]
    values = [value_of(one) for one in flat if one is None or isinstance(one, (bytes, int))]
    return [values[first : first + columns] for first in range(0, len(values), columns)]


def value_of(reply: bytes | int | None) -> Value:
    return reply.decode("utf-8", "surrogateescape") if isinstance(reply, bytes) else reply
