"""cachedb_mongodb: MongoDB as a store for scripts and for the federation's records.

URLs are `mongodb[:group]://[user:password@]host[:port][,host2…]/database.collection[?options]`. The options are those
of MongoDB's own URIs; `timeoutMS`, `socketTimeoutMS` or `timeout`, in milliseconds, is the time limit of an operation
(1 second without).
"""

import warnings
from typing import Final
from urllib.parse import quote, urlencode

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from pysips.core.cachedb import CacheDb, CacheModule
from pysips.core.cachedb_url import CacheUrl
from pysips.core.exports import param
from pysips.errors import ModuleError
from pysips.sip.via import bracketed

from .store import MongoStore, Place

LIMITS: Final = ("timeoutMS", "socketTimeoutMS", "timeout")
HEARTBEAT: Final = 1000  # milliseconds between two looks at each server
POOL: Final = 20  # connections of a process at most


class CachedbMongodb(CacheModule):
    timeout: int = param(1000, low=1, high=600_000, help="Milliseconds for an operation; an option of the URL wins.")
    exec_threshold: int = param(0, low=0, help="Microseconds; a slower operation is counted and logged. 0: none is.")

    def connect(self, url: CacheUrl) -> CacheDb:
        database, _, collection = url.database.partition(".")
        if not (database and collection):
            raise ModuleError(f"{url.shown}: a URL of mongodb ends with database.collection")
        if not url.hosts:
            raise ModuleError(f"{url.shown} names no host")
        limit = url.seconds(self.timeout / 1000, *LIMITS)
        place = Place(uri_of(url, database), database, collection, options_of(url, limit))
        checked(url, place)
        return MongoStore(place, url, self.services, self.program.caches, limit, self.exec_threshold)


def uri_of(url: CacheUrl, database: str) -> str:
    """The URL in MongoDB's own form, without credentials."""
    hosts = ",".join(bracketed(host) + (f":{port}" if port else "") for host, port in url.hosts)
    options = {name: value for name, value in url.options.items() if name not in LIMITS}
    return f"mongodb://{hosts}/{quote(database)}" + (f"?{urlencode(options)}" if options else "")


def options_of(url: CacheUrl, limit: float) -> dict[str, str | int]:
    """What the driver is told beside the URI: who we are, and that it waits no longer than we do."""
    given = {name.lower() for name in url.options}
    most = max(1, round(limit * 1000))
    made: dict[str, str | int] = {"socketTimeoutMS": most}
    wanted: dict[str, str | int] = {
        "serverSelectionTimeoutMS": most, "connectTimeoutMS": most, "waitQueueTimeoutMS": most,
        "heartbeatFrequencyMS": HEARTBEAT, "maxPoolSize": POOL, "appname": "pysips",
    }  # fmt: skip
    made.update((name, value) for name, value in wanted.items() if name.lower() not in given)
    if url.user:
        made.update(username=url.user, password=url.password)
    return made


def checked(url: CacheUrl, place: Place) -> None:
    """Raises ModuleError for options that MongoDB does not know, or that do not go together."""
    alone = [(name, f"mongodb://host/?{urlencode({name: value})}") for name, value in url.options.items()]
    for name, uri in [*(one for one in alone if one[0] not in LIMITS), ("its options", place.uri)]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                parse_uri(uri)
        except (PyMongoError, ValueError, UserWarning) as problem:
            raise ModuleError(f"{url.shown}: {name}: {problem}") from None
