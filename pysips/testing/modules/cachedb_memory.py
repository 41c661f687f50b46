"""cachedb_memory: stores for tests; see pysips/testing/cache.py."""

from pysips.core.cachedb import CacheDb, CacheModule
from pysips.core.cachedb_url import CacheUrl
from pysips.testing.cache import MemoryCache


class CachedbMemory(CacheModule):
    def connect(self, url: CacheUrl) -> CacheDb:
        return MemoryCache(url, self.services)
