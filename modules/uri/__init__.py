"""uri: questions about URIs, as scripts of 2.4 ask them (OpenSIPS 2.4 manual: uri).

Later scripts find them in sipmsgops, and those that ask a database in auth_db. What asks an AAA server comes with it.
"""

from typing import Final

from pysips.core.context import Context
from pysips.core.exports import Module, Route, Var, counter, function, param, wants
from pysips.core.sqldb import Database, NoDatabase, SqlError
from pysips.core.sqlversions import require
from pysips.core.stats import Counter
from pysips.errors import SipError
from pysips.sip import digest
from pysips.sip.headers import AUTHORIZATION, FROM, PROXY_AUTHORIZATION, TO

from ..auth.api import AuthApi
from ..sipmsgops.api import add_param, delete_param, has_param, is_e164, tel_to_sip
from .database import INTERNAL, NO_ANSWER, NO_USER, Questions, Table, unanswered

REQUESTS = Route.REQUEST | Route.FAILURE | Route.BRANCH | Route.LOCAL
VERSIONS: Final = {"subscriber": (8, 7), "uri": (2,)}
ATTENDANT: Final = -1


class UriModule(Module):
    db_url: str = param("", help='The database; "": db_default_url.')
    db_table: str = param("", help='"": uri with use_uri_table=1, else subscriber.')
    user_column: str = param("username", help="The column of who authenticates.")
    domain_column: str = param("domain", help="The column of domains.")
    uriuser_column: str = param("uri_user", help="The column of the users in URIs.")
    use_uri_table: int = param(0, help="1: the table says who may use which user; 0: users are accounts.")
    use_domain: int = param(0, help="1: URIs are looked for with their domain.")
    auth: AuthApi | None = wants("auth")

    positive: Counter = counter("positive checks")
    negative: Counter = counter("negative_checks")

    def configure(self) -> None:
        database: Database | None = None
        try:
            database = self.program.databases.open(self.db_url)
        except NoDatabase:
            if self.db_url or self.use_uri_table:
                raise
        kind = "uri" if self.use_uri_table else "subscriber"
        table = Table(
            self.db_table or kind, self.user_column, self.domain_column, self.uriuser_column, self.use_uri_table != 0,
            self.use_domain != 0,
        )  # fmt: skip
        self.versions = VERSIONS[kind]
        self.questions = Questions(database, table, self.auth, self.positive, self.negative)

    async def start(self) -> None:
        """Refuse a table of another layout; a database that is down keeps nobody from starting."""
        if self.db_url and self.services.slot == ATTENDANT and self.questions.database is not None:
            await require(self.questions.database, self.questions.table.name, *self.versions)

    @function("db_check_to", routes=Route.REQUEST)
    async def check_to(self, ctx: Context) -> int:
        """Whether the credentials that were found good may be used for the user of To: 1; -2 without such credentials,
        -4 without a user, -8 if the database cannot say, -9 or -10 if not."""
        return await self.questions.may_use(ctx, TO)

    @function("db_check_from", routes=Route.REQUEST)
    async def check_from(self, ctx: Context) -> int:
        """The same for From."""
        return await self.questions.may_use(ctx, FROM)

    @function("db_does_uri_exist", routes=REQUESTS)
    async def does_uri_exist(self, ctx: Context) -> int:
        """Whether the Request-URI is an account's: 1; -5 if not, -4 if the database cannot say."""
        return await self.questions.exists(ctx.request_uri())

    @function("db_get_auth_id", routes=Route.REQUEST | Route.LOCAL)
    async def get_auth_id(self, ctx: Context, uri: str, auth: Var, realm: Var) -> int:
        """Put the account and its domain for a URI into variables: 1; -4 if there is none, -8 if the database cannot
        say."""
        try:
            found = await self.questions.of_uri(uri)
        except SipError:
            return INTERNAL
        except SqlError as problem:
            return unanswered(problem, NO_ANSWER)
        if not found:
            return NO_USER
        return 1 if auth.set(ctx, str(found[0][0])) > 0 and realm.set(ctx, str(found[0][1])) > 0 else INTERNAL

    @function("has_totag", routes=REQUESTS | Route.REPLY)
    def has_to_tag(self, ctx: Context) -> int:
        """Whether To has a tag: the request belongs to a dialog."""
        return 1 if ctx.message.to_tag() else -1

    @function("uri_param", routes=REQUESTS)
    def uri_param(self, ctx: Context, name: str, value: str = "") -> int:
        """Whether the Request-URI has a parameter: with this value, or without one."""
        return has_param(ctx, name, value)

    @function("add_uri_param", routes=Route.REQUEST)
    def add_uri_param(self, ctx: Context, param: str) -> int:
        """Put a parameter into the Request-URI."""
        return add_param(ctx, param)

    @function("del_uri_param", routes=REQUESTS)
    def delete_uri_param(self, ctx: Context, name: str) -> int:
        """Take a parameter out of the Request-URI."""
        return delete_param(ctx, name)

    @function("tel2sip", routes=REQUESTS)
    def tel_to_sip(self, ctx: Context) -> int:
        """Make a SIP URI of a tel URI."""
        return tel_to_sip(ctx)

    @function("is_uri_user_e164", routes=REQUESTS)
    def is_e164(self, ctx: Context, uri: str) -> int:
        """Whether a URI's user is an E.164 number."""
        return is_e164(uri)

    @function("is_user", routes=Route.REQUEST | Route.LOCAL)
    def is_user(self, ctx: Context, name: str) -> int:
        """Whether the credentials of the request are those of this user name."""
        return 1 if name and name == credentials_user(ctx) else -1


def credentials_user(ctx: Context) -> str:
    """The user name of the first credentials, the proxy's before the others; "" without any."""
    for letter in (PROXY_AUTHORIZATION, AUTHORIZATION):
        try:
            credentials = digest.read(ctx.message.value(letter))
        except SipError:
            return ""
        if credentials is not None:
            return credentials.username
    return ""
