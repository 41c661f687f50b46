"""A store in one process's memory, for tests: down or held up when they say so.

    mpath="{MODULES}"  loadmodule "cachedb_memory.so"  modparam("cachedb_memory", "cachedb_url", "memory:g://")

`open_memory(story.program, "memory:g://")` is the store. The module itself is modules/cachedb_memory.py.
"""

from pathlib import Path
from typing import Final, cast

from pysips.core.program import Program

from .modules.cachedb_memory import MemoryCache

MODULES: Final = str(Path(__file__).parent / "modules")
"""What `mpath` names in a script that loads cachedb_memory."""


def open_memory(program: Program, url: str) -> MemoryCache:
    """The store of a memory: URL. Its class comes by way of `mpath`, so that isinstance would not know it."""
    found = program.caches.open(url)
    assert type(found).__name__ == MemoryCache.__name__
    return cast(MemoryCache, found)
