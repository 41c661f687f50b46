"""Which credentials may use which URIs: a table like `uri`, asked by the script (OpenSIPS: modules/auth_db, checks)."""

from typing import Final

from pysips.core.sqldb import Database, Row, is_storable

from .accounts import where_of

NO_ANSWER: Final = -8  # the codes of OpenSIPS' checks.c
NO_CREDENTIALS: Final = -2
NO_USER: Final = -4
NOT_THERE: Final = -5
SPOOFED: Final = -9
INTERNAL: Final = -1


class Mappings:
    """user, domain: the columns of who authenticates; uri_user: that of the user in the URI."""

    def __init__(self, database: Database, user: str, domain: str, uri_user: str, use_domain: bool) -> None:
        self.database = database
        self.user = user
        self.domain = domain
        self.uri_user = uri_user
        self.use_domain = use_domain

    async def allows(self, table: str, user: str, domain: str, uri_user: str) -> bool:
        """Whether an account may be used for a URI's user. Raises SqlError."""
        if not is_storable(user + domain + uri_user):
            return False
        where = where_of((self.user, user), (self.domain, domain), (self.uri_user, uri_user))
        return bool(await self.database.select(table, [self.user], where, most=1))

    async def account(self, table: str, uri_user: str, uri_domain: str) -> Row | None:
        """The account (user, domain) for a URI; None if there is none. Raises SqlError."""
        if not is_storable(uri_user + uri_domain):
            return None
        named = [(self.uri_user, uri_user)]
        if self.use_domain:
            named.append((self.domain, uri_domain))
        rows = await self.database.select(table, [self.user, self.domain], where_of(*named), most=1)
        return rows[0] if rows else None
