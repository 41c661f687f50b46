"""What a request asks to be let in with: its realm, the credentials for it, and whether they prove anything.

The order of the checks and their codes are OpenSIPS' (modules/auth, api.h): 1 authorised, -1 no such user, -2 wrong
password, -3 stale nonce, -4 no credentials, -5 an error; 0 once an answer went out, which ends the script.
"""

from dataclasses import dataclass
from typing import Any, Final

from pysips.core.context import Context
from pysips.core.log import log
from pysips.core.services import TablesFull
from pysips.core.variables_auth import AUTHORIZED
from pysips.errors import SipError
from pysips.sip import digest
from pysips.sip.headers import AUTHORIZATION, FROM, TO
from pysips.sip.uri import parse_uri

from .nonces import Nonces

GRANTED: Final = 1
ANSWERED: Final = 0
USER_UNKNOWN: Final = -1
INVALID_PASSWORD: Final = -2
STALE_NONCE: Final = -3
NO_CREDENTIALS: Final = -4
AUTH_ERROR: Final = -5

STALE: Final = "auth.stale"  # notes of a request: the letter of the header whose nonce was stale
PROVED: Final = "auth.proved"  # and the Asked that was granted
NOBODY: Final = "nobody"  # whose secret is hashed for users that do not exist
EVERY: Final = 60.0  # seconds between two lines about one thing


@dataclass(frozen=True, slots=True)
class Asked:
    """Credentials that wait for their secret. letter, line: their header; realm: that they are for."""

    credentials: digest.Credentials
    letter: str
    line: int
    realm: str


class Asking:
    """signaling: who answers; realm_prefix: cut from the front of realms that are read from a request."""

    def __init__(self, nonces: Nonces, signaling: Any, realm_prefix: str) -> None:
        self.nonces = nonces
        self.signaling = signaling
        self.realm_prefix = realm_prefix

    def look(self, ctx: Context, realm: str, letter: str) -> "Asked | int":
        """Find a request's credentials for a realm ("": read from the request) and use their nonce; or a code."""
        if ctx.message.method in ("ACK", "CANCEL"):
            return GRANTED  # neither can be challenged (RFC 3261 section 22.1)
        try:
            realm = realm or self.realm_of(ctx, letter)
            asked = find(ctx, realm, letter)
            if asked is None:
                return NO_CREDENTIALS
            if missing := asked.credentials.lacks():
                raise SipError(400, f"Credentials Without {missing}")
        except SipError as problem:
            log.info("auth", f"{ctx.source}: credentials that cannot be read: {problem}")
            return self.answer(ctx, 400, "Bad Request")
        try:
            stale = self.nonces.take(ctx, asked.credentials)
        except TablesFull:
            return self.failed(ctx, "there is no room for used nonces")
        if stale:
            log.info("auth", f"{ctx.source}: the nonce {stale}")
            ctx.note(STALE, letter)
            return STALE_NONCE
        return asked

    def realm_of(self, ctx: Context, letter: str) -> str:
        """The host of From; in a REGISTER to its registrar that of To. Raises SipError."""
        of_to = ctx.message.method == "REGISTER" and letter == AUTHORIZATION
        host = parse_uri(ctx.message.address(TO if of_to else FROM).uri).host
        return host.removeprefix(self.realm_prefix)

    def judge(self, ctx: Context, asked: Asked, secret: str | None) -> int:
        """Whether credentials come from who knows the secret, an HA1. None: there is no such user, or no secret."""
        message = ctx.message
        body = message.body_bytes() if asked.credentials.qop.lower() == digest.AUTH_INT else b""
        proved = digest.proves(asked.credentials, NOBODY if secret is None else secret, message.method, body)
        if secret is None or not proved:
            return INVALID_PASSWORD
        credentials = asked.credentials
        ctx.note(AUTHORIZED, (credentials.username, credentials.realm))
        ctx.note(PROVED, asked)
        return GRANTED

    def answer(self, ctx: Context, code: int, reason: str, headers: str = "") -> int:
        """Answer the request: 0, which ends the script, or -5 where that was not possible."""
        if self.signaling.reply(ctx, code, reason, headers) < 0:
            log.error("auth", f"the answer {code} {reason} could not be sent")
            return AUTH_ERROR
        return ANSWERED

    def failed(self, ctx: Context, what: str, why: str = "") -> int:
        """Nothing can be said of the credentials now: 500."""
        if log.limited("auth:" + what, EVERY):
            log.error("auth", what + (": " + why if why else ""))
        return self.answer(ctx, 500, "Server Internal Error")


def find(ctx: Context, realm: str, letter: str) -> Asked | None:
    """The first credentials for a realm that have an algorithm we know. Raises SipError for what cannot be read."""
    message = ctx.message
    k = message.kinds.find(letter, 1)
    while k > 0:
        credentials = digest.read(message.value_at(k))
        if (
            credentials is not None and credentials.algorithm is not None
            and credentials.realm.lower() == realm.lower()
        ):  # fmt: skip
            return Asked(credentials, letter, k, realm)
        k = message.kinds.find(letter, k + 1)
    return None
