"""What 2.4's uri asks a database: whether a URI is an account's, and whose (OpenSIPS 2.4: modules/uri, db_checks)."""

from dataclasses import dataclass
from typing import Final

from pysips.core.context import Context
from pysips.core.log import log
from pysips.core.sqldb import Database, Row, SqlError, Value, is_storable
from pysips.core.stats import Counter
from pysips.errors import SipError
from pysips.sip.uri import parse_uri

from ..auth.api import AuthApi

INTERNAL: Final = -1
NO_CREDENTIALS: Final = -2
NO_USER: Final = -4
NOT_THERE: Final = -5
NO_ANSWER: Final = -8
SPOOFED: Final = -9
NO_MATCH: Final = -10
EVERY: Final = 60.0  # seconds between two lines about one failure


@dataclass(frozen=True, slots=True)
class Table:
    """is_mapping: a table like `uri`, which says who may use which user; else one like `subscriber`."""

    name: str
    user: str
    domain: str
    uri_user: str
    is_mapping: bool
    use_domain: bool


class Questions:
    """database: None where none is set; good, bad: what is counted of questions about credentials."""

    def __init__(self, database: Database | None, table: Table, auth: AuthApi | None, good: Counter, bad: Counter):
        self.database = database
        self.table = table
        self.auth = auth
        self.good = good
        self.bad = bad

    async def may_use(self, ctx: Context, letter: str) -> int:
        """Whether the credentials that were found good may be used for the user of To or From."""
        try:
            user = parse_uri(ctx.message.address(letter).uri).user
        except SipError:
            return INTERNAL
        asked = self.auth.proved(ctx) if self.auth is not None else None
        if asked is None:
            log.error("uri", "no credentials were found good before: call www_authorize or proxy_authorize first")
            self.bad.inc()
            return NO_CREDENTIALS
        if not user:
            return NO_USER
        credentials = asked.credentials
        if not self.table.is_mapping:
            return self.counted(user.lower() == credentials.user.lower(), NO_MATCH)
        table = self.table
        domain = credentials.domain or credentials.realm
        wanted = [(table.user, credentials.user), (table.domain, domain), (table.uri_user, user)]
        try:
            return self.counted(bool(await self.rows(wanted)), SPOOFED)
        except SqlError as problem:
            return unanswered(problem, NO_ANSWER)

    def counted(self, is_good: bool, otherwise: int) -> int:
        (self.good if is_good else self.bad).inc()
        return 1 if is_good else otherwise

    async def exists(self, uri: str) -> int:
        """Whether a URI is an account's."""
        try:
            return 1 if await self.of_uri(uri) else NOT_THERE
        except SipError:
            return INTERNAL
        except SqlError as problem:
            return unanswered(problem, NO_USER)

    async def of_uri(self, uri: str) -> list[Row]:
        """The accounts, user and domain, of a URI. Raises SipError, SqlError."""
        parts = parse_uri(uri)
        table = self.table
        wanted = [(table.uri_user if table.is_mapping else table.user, parts.user or "")]
        if table.use_domain:
            wanted.append((table.domain, parts.host))
        return await self.rows(wanted)

    async def rows(self, wanted: list[tuple[str, str]]) -> list[Row]:
        """Raises SqlError."""
        if self.database is None:
            raise SqlError('uri has no database: set its "db_url"')
        if not all(is_storable(value) for _, value in wanted):
            return []
        where: list[tuple[str, str, Value]] = [(column, "=", value) for column, value in wanted]
        return await self.database.select(self.table.name, [self.table.user, self.table.domain], where, most=1)


def unanswered(problem: SqlError, code: int) -> int:
    if log.limited("uri:unanswered", EVERY):
        log.error("uri", str(problem))
    return code
