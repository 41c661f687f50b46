"""auth_db: digest authentication with passwords out of a database (OpenSIPS manual: auth_db)."""

from typing import Annotated, Any, Final

from pysips.core.avps import push
from pysips.core.context import Context
from pysips.core.exports import By, Module, Route, Var, function, needs, param, wants
from pysips.core.log import log
from pysips.core.sqldb import Row, SqlError
from pysips.core.sqlversions import require
from pysips.errors import ModuleError, SipError
from pysips.sip import digest
from pysips.sip.headers import AUTHORIZATION, FROM, PROXY_AUTHORIZATION, TO
from pysips.sip.uri import parse_uri

from ..auth.api import GRANTED, USER_UNKNOWN, Asked, AuthApi
from .accounts import Accounts, Columns, wanted_of
from .mappings import INTERNAL, NO_ANSWER, NO_CREDENTIALS, NO_USER, NOT_THERE, SPOOFED, Mappings

SUBSCRIBER_VERSIONS: Final = (8, 7)
URI_VERSION: Final = 2
ATTENDANT: Final = -1
EVERY: Final = 60.0  # seconds between two lines about one failure
ASKING: Final = Route.REQUEST | Route.FAILURE | Route.LOCAL

AccountTable = Annotated[str, By("account_table")]
AccountTableOrNone = Annotated[str | None, By("account_table")]
UriTable = Annotated[str, By("uri_table")]


class AuthDb(Module):
    db_url: str = param("", help='The database; "": db_default_url.')
    user_column: str = param("username", help="The column of user names.")
    domain_column: str = param("domain", help="The column of domains.")
    password_column: str = param("ha1", help="The column of HA1s by MD5; with calculate_ha1=1 that of passwords.")
    password_column_2: str = param("", help="The column of HA1s by MD5 of names with a domain; ha1b in tables of 2.4.")
    hash_column_sha256: str = param("ha1_sha256", help="The column of HA1s by SHA-256.")
    hash_column_sha512t256: str = param("ha1_sha512t256", help="The column of HA1s by SHA-512-256.")
    uri_user_column: str = param("username", help="The column of a uri table with who authenticates.")
    uri_domain_column: str = param("domain", help="Its column of domains.")
    uri_uriuser_column: str = param("uri_user", help="Its column of the users in URIs.")
    calculate_ha1: int = param(0, help="1: password_column holds passwords; 0: columns hold HA1s.")
    use_domain: int = param(1, help="1: a user is looked for with the domain.")
    load_credentials: str = param("", help='What to put into AVPs of who is let in: "$avp(name)=column;column".')
    skip_version_check: int = param(0, help="1: tables of other layouts will do.")
    auth: AuthApi = needs("auth")
    uri: Any = wants("uri")

    def __init__(self) -> None:
        self.tables: dict[str, tuple[int, ...]] = {}

    # -- life

    def configure(self) -> None:
        database = self.program.databases.open(self.db_url)
        hashes = {
            "md5": self.password_column, "sha256": self.hash_column_sha256, "sha512_256": self.hash_column_sha512t256
        }  # fmt: skip
        columns = Columns(self.user_column, self.domain_column, hashes, self.password_column_2)
        try:
            self.wanted = wanted_of(self.load_credentials)
        except ValueError as problem:
            raise ModuleError(f"load_credentials: {problem}") from None
        plain, use_domain = self.calculate_ha1 == 1, self.use_domain != 0
        self.accounts = Accounts(database, columns, plain, use_domain, self.wanted)
        self.mappings = Mappings(
            database, self.uri_user_column, self.uri_domain_column, self.uri_uriuser_column, use_domain
        )

    async def start(self) -> None:
        """Refuse tables of another layout; a database that is down keeps nobody from starting.

        Workers ask, too: the first question of a process costs it a connection and the loading of a driver, which no
        caller shall wait for.
        """
        if self.services.slot != ATTENDANT:
            await self.accounts.warm(list(self.tables))
        elif not self.skip_version_check:
            for table, versions in self.tables.items():
                await require(self.accounts.database, table, *versions)

    def account_table(self, name: str) -> str:
        """Note a table of accounts that the script names."""
        self.tables.setdefault(name, SUBSCRIBER_VERSIONS)
        return name

    def uri_table(self, name: str) -> str:
        """Note a table of URIs."""
        self.tables.setdefault(name, (URI_VERSION,))
        return name

    # -- credentials

    @function("www_authorize", routes=Route.REQUEST)
    async def www_authorize(self, ctx: Context, realm: str, table: AccountTable) -> int:
        """Whether Authorization proves the password of an account: 1; -1 no such account, -2 a wrong password, -3 a
        stale nonce, -4 no credentials. What cannot be read is answered 400, a database that is away 500; then the
        script ends. realm: "" is the host of To in a REGISTER, else that of From."""
        return await self.authorize(ctx, realm, table, AUTHORIZATION)

    @function("proxy_authorize", routes=Route.REQUEST)
    async def proxy_authorize(self, ctx: Context, realm: str, table: AccountTable) -> int:
        """The same for Proxy-Authorization; realm: "" is the host of From."""
        return await self.authorize(ctx, realm, table, PROXY_AUTHORIZATION)

    async def authorize(self, ctx: Context, realm: str, table: str, letter: str) -> int:
        asked = self.auth.look(ctx, realm, letter)
        if isinstance(asked, int):
            return asked
        credentials = asked.credentials
        algorithm = credentials.algorithm or digest.MD5
        try:
            row = await self.accounts.find(table, credentials, algorithm, asked.realm)
        except SqlError as problem:
            return self.auth.failed(ctx, "accounts cannot be read", str(problem))
        if row is None:
            self.auth.judge(ctx, asked, None)  # takes as long as for an account that is there
            return USER_UNKNOWN
        code = self.auth.judge(ctx, asked, self.secret(row, asked, algorithm))
        if code == GRANTED:
            self.tell(ctx, row)
        return code

    def secret(self, row: Row, asked: Asked, algorithm: digest.Algorithm) -> str | None:
        """The HA1 of an account; None if it has none for this algorithm."""
        kept = row[0]
        text = kept.decode("utf-8", "replace") if isinstance(kept, bytes) else str(kept or "")
        if self.calculate_ha1 == 1:  # an empty column is no password
            return digest.ha1(algorithm, asked.credentials.username, asked.realm, text) if text else None
        text = text.rstrip(" ")  # PostgreSQL fills up
        if len(text) == algorithm.digits:
            return text
        if log.limited(f"auth_db:{algorithm.name}", EVERY):
            log.error("auth_db", f"an account has no HA1 for {algorithm.name} ({algorithm.digits} digits)")
        return None

    def tell(self, ctx: Context, row: Row) -> None:
        """What the script wants to know of an account."""
        for one, value in zip(self.wanted, row[1:], strict=True):
            if isinstance(value, int | str) and value != "":
                push(ctx, one.avp, value)

    # -- questions

    @function("db_does_uri_exist", routes=ASKING)
    async def does_uri_exist(self, ctx: Context, uri: str | None = None, table: AccountTableOrNone = None) -> int:
        """Whether the user of a URI has an account: 1; -5 if not, -4 if the database cannot say, -1 for no URI.

        Without arguments it is that of module uri, which scripts of 2.4 load."""
        if uri is None or table is None:
            return await self.of_module_uri(ctx)
        try:
            parts = parse_uri(uri)
            return 1 if await self.accounts.has(table, parts.user or "", parts.host) else NOT_THERE
        except SipError:
            return INTERNAL
        except SqlError as problem:
            return self.unanswered(problem, NO_USER)

    async def of_module_uri(self, ctx: Context) -> int:
        if self.uri is not None:
            return int(await self.uri.does_uri_exist(ctx))
        log.error("auth_db", "db_does_uri_exist takes a URI and a table; without them it needs module uri")
        return INTERNAL

    @function("db_is_to_authorized", routes=Route.REQUEST)
    async def is_to_authorized(self, ctx: Context, table: UriTable) -> int:
        """Whether the credentials that were found good may be used for the user of To: 1; -9 if not, -2 without such
        credentials, -4 without a user, -8 if the database cannot say, -1 for a To that cannot be read."""
        return await self.is_authorized(ctx, table, TO)

    @function("db_is_from_authorized", routes=Route.REQUEST)
    async def is_from_authorized(self, ctx: Context, table: UriTable) -> int:
        """The same for From."""
        return await self.is_authorized(ctx, table, FROM)

    async def is_authorized(self, ctx: Context, table: str, letter: str) -> int:
        try:
            uri_user = parse_uri(ctx.message.address(letter).uri).user
        except SipError:
            return INTERNAL
        asked = self.auth.proved(ctx)
        if asked is None:
            log.error("auth_db", "no credentials were found good before: call www_authorize or proxy_authorize first")
            return NO_CREDENTIALS
        if not uri_user:
            return NO_USER
        credentials = asked.credentials
        try:
            domain = credentials.domain or credentials.realm
            return 1 if await self.mappings.allows(table, credentials.user, domain, uri_user) else SPOOFED
        except SqlError as problem:
            return self.unanswered(problem, NO_ANSWER)

    @function("db_get_auth_id", routes=ASKING)
    async def get_auth_id(self, ctx: Context, table: UriTable, uri: str, auth: Var, realm: Var) -> int:
        """Put the account and its domain for a URI into variables: 1; -4 if there is none, -8 if the database cannot
        say, -1 for no URI with a user."""
        try:
            parts = parse_uri(uri)
            if not parts.user:
                return INTERNAL
            row = await self.mappings.account(table, parts.user, parts.host)
        except SipError:
            return INTERNAL
        except SqlError as problem:
            return self.unanswered(problem, NO_ANSWER)
        if row is None:
            return NO_USER
        return 1 if auth.set(ctx, str(row[0])) > 0 and realm.set(ctx, str(row[1])) > 0 else INTERNAL

    def unanswered(self, problem: SqlError, code: int) -> int:
        if log.limited("auth_db:unanswered", EVERY):
            log.error("auth_db", str(problem))
        return code
