"""auth: digest authentication, with passwords from variables or by other modules (OpenSIPS manual: auth).

Challenges, nonces and credentials are here; auth_db asks a database for the password.
"""

from typing import Annotated, Any, Final, NewType

from pysips.core.avps import avp_name
from pysips.core.context import Context
from pysips.core.exports import By, Module, Route, Var, function, needs, param, text_of, timer
from pysips.core.head_edits import remove_headers
from pysips.core.log import log
from pysips.errors import BadName, ModuleError, SipError
from pysips.sip import digest
from pysips.sip.headers import AUTHORIZATION, PROXY_AUTHORIZATION
from pysips.sip.rewrite import is_one_line

from . import rpid
from .api import AuthApi
from .asked import PROVED, STALE, USER_UNKNOWN, Asked, Asking
from .nonces import QOPS, Nonces

NO_ALGORITHM: Final = ()
OLD_QOPS: Final = {0: "", 1: digest.AUTH, "0": "", "1": digest.AUTH}  # as 2.4 spells them

Algorithms = NewType("Algorithms", tuple[digest.Algorithm, ...])
QopText = Annotated[int | str, By("qops")]
AlgorithmText = Annotated[Algorithms | None, By("algorithms")]


class Auth(Module):
    secret: str | None = param(None, help="The key of nonces, for servers that take each other's; else it is random.")
    nonce_expire: int = param(30, low=1, high=86_400, help="Seconds for which a nonce is good.")
    disable_nonce_check: int = param(0, help="1: a nonce is good until it ends, not once only.")
    realm_prefix: str = param("", help="Cut from the front of a realm that is read from a request.")
    username_spec: str | None = param(None, help="The variable with the user name, for pv_www_authorize and its kin.")
    password_spec: str | None = param(None, help="The variable with the password, or with its HA1.")
    calculate_ha1: int = param(0, help="1: password_spec holds a password; 0: the HA1.")
    rpid_avp: str = param("$avp(rpid)", help="The AVP with the text of a Remote-Party-ID.")
    rpid_prefix: str = param("", help="What stands before that text.")
    rpid_suffix: str = param(";party=calling;id-type=subscriber;screen=yes", help="What stands behind it.")
    signaling: Any = needs("signaling")

    def __init__(self) -> None:
        self.shared = AuthApi()
        self.username: Var | None = None
        self.password: Var | None = None

    @property
    def api(self) -> AuthApi:
        return self.shared

    def configure(self) -> None:
        secret = (self.secret or "").encode() or self.program.secret
        self.nonces = Nonces(self.services, secret, self.nonce_expire, self.disable_nonce_check == 0)
        self.asking = self.shared.asking = Asking(self.nonces, self.signaling, self.realm_prefix)
        self.username = self.variable("username_spec")
        self.password = self.variable("password_spec")
        name = avp_name(self.rpid_avp) if self.rpid_avp and self.rpid_avp != "NULL" else ""
        if name is None:
            raise ModuleError(f'parameter "rpid_avp" wants an AVP, $avp(name), not "{self.rpid_avp}"')
        self.rpid_name = name

    def variable(self, parameter: str) -> Var | None:
        """The variable that a parameter names; raises ModuleError."""
        text = getattr(self, parameter)
        if not text:
            return None
        try:
            return self.bound(text)
        except BadName as problem:
            raise ModuleError(f"{parameter}: {problem}") from None

    @timer(5)
    async def sweep(self) -> None:
        """Forget used nonces that are over anyway."""
        await self.nonces.sweep()

    # -- how arguments are read

    def qops(self, value: int | str) -> str:
        """The qop of a challenge; raises ValueError."""
        if isinstance(value, str):
            value = ",".join(word.strip().lower() for word in value.split(","))
        qop = OLD_QOPS.get(value, value)
        if qop not in QOPS:
            raise ValueError(f'qop is "auth", "auth-int", both with a comma, or none, not "{value}"')
        return str(qop)

    def algorithms(self, text: str) -> Algorithms:
        """The algorithms of a list; raises ValueError."""
        found = set()
        for word in text.split(",") if text.strip() else ():
            algorithm = digest.BY_NAME.get(word.strip().lower())
            if algorithm is None:
                known = ", ".join(one.name for one in digest.ALGORITHMS)
                raise ValueError(f'"{word.strip()}" is no algorithm: {known}')
            found.add(algorithm)
        return Algorithms(tuple(one for one in digest.STRONGEST_FIRST if one in found))

    # -- challenges

    @function("www_challenge", routes=Route.REQUEST)
    def www_challenge(
        self, ctx: Context, realm: str, qop: QopText = "", algorithms: AlgorithmText = None
    ) -> int:  # fmt: skip
        """Answer 401 with a challenge for each algorithm, MD5 where none is named; the script ends.

        realm: "" is the host of To in a REGISTER, else that of From; qop: auth, auth-int or both. The strongest
        algorithm stands first (RFC 8760 section 2.3); phones that look at the first challenge alone and know only MD5,
        as baresip 1.0 and sipsak do, want no other.
        """
        return self.challenge(ctx, realm, str(qop), algorithms, AUTHORIZATION)

    @function("proxy_challenge", routes=Route.REQUEST)
    def proxy_challenge(
        self, ctx: Context, realm: str, qop: QopText = "", algorithms: AlgorithmText = None
    ) -> int:  # fmt: skip
        """The same by 407; realm: "" is the host of From."""
        return self.challenge(ctx, realm, str(qop), algorithms, PROXY_AUTHORIZATION)

    def challenge(self, ctx: Context, realm: str, qop: str, algorithms: Algorithms | None, letter: str) -> int:
        try:
            realm = realm or self.asking.realm_of(ctx, letter)
        except SipError:
            return self.asking.answer(ctx, 400, "Bad Request")
        if not is_one_line(realm):
            log.error("auth", "a challenge's realm that would leave its line is refused")
            return -1
        if algorithms and not qop and algorithms != (digest.MD5,):
            qop = digest.AUTH  # RFC 8760 wants one with the newer algorithms, RFC 7616 with -sess
        wanted = algorithms or (digest.MD5,)
        stale = ctx.noted(STALE) == letter
        code, reason, name = (
            (401, "Unauthorized", "WWW-Authenticate") if letter == AUTHORIZATION
            else (407, "Proxy Authentication Required", "Proxy-Authenticate")
        )  # fmt: skip
        lines = [
            f"{name}: {digest.challenge(realm, nonce, qop, stale, algorithm if algorithms else None)}\r\n"
            for algorithm, nonce in zip(wanted, self.nonces.make(wanted, qop), strict=True)
        ]
        return -1 if self.asking.answer(ctx, code, reason, "".join(lines)) else 0

    # -- credentials

    @function("pv_www_authorize", routes=Route.REQUEST)
    def pv_www_authorize(self, ctx: Context, realm: str) -> int:
        """Whether Authorization proves the password in a variable: 1; -1 another user, -2 a wrong password, -3 a stale
        nonce, -4 no credentials. What cannot be read is answered 400, and the script ends."""
        return self.pv_authorize(ctx, realm, AUTHORIZATION)

    @function("pv_proxy_authorize", routes=Route.REQUEST)
    def pv_proxy_authorize(self, ctx: Context, realm: str) -> int:
        """The same for Proxy-Authorization."""
        return self.pv_authorize(ctx, realm, PROXY_AUTHORIZATION)

    def pv_authorize(self, ctx: Context, realm: str, letter: str) -> int:
        asked = self.asking.look(ctx, realm, letter)
        if isinstance(asked, int):
            return asked
        username, password = read(ctx, self.username), read(ctx, self.password)
        if not username or not password:
            return self.asking.failed(ctx, "username_spec or password_spec is not set, or its variable is empty")
        credentials = asked.credentials
        if username.lower() != credentials.username.lower():
            self.asking.judge(ctx, asked, None)  # takes as long as for a user who exists
            return USER_UNKNOWN
        if self.calculate_ha1 == 1 and credentials.algorithm is not None:
            password = digest.ha1(credentials.algorithm, credentials.username, asked.realm, password)
        return self.asking.judge(ctx, asked, password)

    @function("consume_credentials", routes=Route.REQUEST)
    def consume_credentials(self, ctx: Context) -> int:
        """Take the credentials that were found good out of the request; -1 if there are none."""
        asked: Asked | None = ctx.noted(PROVED)
        if asked is None:
            if ctx.message.method not in ("ACK", "CANCEL"):
                log.error("auth", "consume_credentials: no credentials were found good before")
            return -1
        remove_headers(ctx, [asked.line])
        return 1

    # -- Remote-Party-ID

    @function("is_rpid_user_e164", routes=Route.REQUEST)
    def is_rpid_user_e164(self, ctx: Context) -> int:
        """Whether the URI in rpid_avp has an E.164 number for its user."""
        return rpid.is_number(ctx, self.rpid_name)

    @function("append_rpid_hf", routes=Route.REQUEST | Route.FAILURE | Route.BRANCH)
    def append_rpid_hf(self, ctx: Context, prefix: str | None = None, suffix: str | None = None) -> int:
        """Add a Remote-Party-ID with what rpid_avp holds; prefix and suffix replace the parameters', both or none."""
        if (prefix is None) != (suffix is None):
            log.error("auth", "append_rpid_hf takes a prefix and a suffix, or neither")
            return -1
        if prefix is None or suffix is None:
            prefix, suffix = self.rpid_prefix, self.rpid_suffix
        return rpid.append(ctx, self.rpid_name, prefix, suffix)


def read(ctx: Context, variable: Var | None) -> str:
    """A variable's text, "" for NULL."""
    return "" if variable is None else text_of(variable.get(ctx)) or ""
