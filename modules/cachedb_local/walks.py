"""Walks through all records, in pieces between which everything else goes on: the sweep, and keys by shell patterns."""

import asyncio
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Final

from pysips.core.services import Promise, Services, Tables

from .store import BATCH, KIND, MARK, Entry, decode, placed, remove_over

LONGEST_PATTERN: Final = 256
MOST_STARS: Final = 8  # each may try every length of a key


def pieces(tables: Tables, start: bytes = b"") -> Iterator[list[tuple[bytes, Entry]]]:
    """All records whose place begins with `start`, some at a time: the caller lets others run between them."""
    last = start
    while True:
        page = tables.scan(KIND, last, BATCH)
        found = [(place, decode(raw)) for place, raw in page if place.startswith(start) and place != MARK]
        yield found
        if len(page) < BATCH or not page[-1][0].startswith(start):
            return
        last = page[-1][0]


def pause(services: Services) -> Promise:
    """What a run, a timer or a command awaits to let others run."""
    return services.offload.spawn(asyncio.sleep(0))


async def sweep(services: Services) -> int:
    """Remove what has expired; answers how many."""
    removed = 0
    for piece in pieces(services.tables):
        now = services.clock.time()
        over = [place for place, entry in piece if entry.is_over(now)]
        if over:
            removed += remove_over(services.tables, over, now)
        await pause(services)
    return removed


def pattern(text: str) -> Callable[[str], object]:
    """Whether a whole key fits a shell pattern; raises ValueError for one that would take long."""
    text = re.sub(r"\*+", "*", text)
    if len(text) > LONGEST_PATTERN or text.count("*") > MOST_STARS:
        raise ValueError(f"a pattern has at most {LONGEST_PATTERN} letters and {MOST_STARS} stars")
    return re.compile(translate(text)).match


async def matching(services: Services, collection: str, glob: str) -> list[tuple[bytes, Entry]]:
    """The valid records of a collection whose keys fit; raises ValueError."""
    fits = pattern(glob)
    found: list[tuple[bytes, Entry]] = []
    for piece in pieces(services.tables, placed(collection, b"")):
        now = services.clock.time()
        for place, entry in piece:
            if not entry.is_over(now) and fits(entry.key.decode("utf-8", "surrogateescape")):
                found.append((place, entry))
        await pause(services)
    return found


async def remove_matching(services: Services, collection: str, glob: str) -> int:
    """Remove the records of a collection whose keys fit; answers how many. Raises ValueError."""
    places = [place for place, _ in await matching(services, collection, glob)]
    for first in range(0, len(places), BATCH):
        transaction = services.tables.begin()
        for place in places[first : first + BATCH]:
            transaction.delete(KIND, place)
        transaction.commit()
        await pause(services)
    return len(places)
