"""$au $aU $ad $ar $adu $auth.…, $Au, $challenge.…: credentials and challenges (RFC 7616, RFC 3261 section 22)."""

from typing import Final

from pysips.errors import SipError
from pysips.script.catalogue import Ctx, Getter, VariableSpec
from pysips.script.values import Value
from pysips.sip import digest
from pysips.sip.headers import AUTHORIZATION, FROM, PROXY_AUTHORIZATION
from pysips.sip.text import unquoted
from pysips.sip.uri import parse_uri

from .log import log
from .variable_binding import simple, unreadable

CREDENTIALS: Final = {
    "ar": "realm", "adu": "uri", "an": "nonce", "auth.nonce": "nonce", "auth.resp": "response",
    "auth.cnonce": "cnonce", "auth.opaque": "opaque", "auth.alg": "algorithm", "auth.qop": "qop", "auth.nc": "nc",
    "aU": "username",
}  # fmt: skip
CHALLENGES: Final = ("algorithm", "realm", "nonce", "opaque", "qop", "ik", "ck")
AUTHORIZED: Final = "auth.authorized"  # (user, realm) that an authentication module found good and noted


def digest_params(value: str) -> dict[str, str]:
    """The parameters of a Digest header, names in small letters, quotes taken off; none of another scheme.

    Raises SipError(400) for what cannot be read.
    """
    return {name: unquoted(text) for name, text in (digest.parameters(value) or {}).items()}


def credentials(ctx: Ctx) -> dict[str, str]:
    """Those of Proxy-Authorization, else of Authorization; none in ACK and CANCEL, which cannot be challenged."""
    message = ctx.message
    if message.method in ("ACK", "CANCEL"):
        return {}
    value = message.value(PROXY_AUTHORIZATION) or message.value(AUTHORIZATION)
    if not value:
        return {}
    try:
        return digest_params(value)
    except SipError:
        unreadable(ctx, "Authorization")
        return {}


def credential(name: str) -> Getter:
    """One parameter of the credentials."""
    return lambda ctx: credentials(ctx).get(name) or None


def auth_user(ctx: Ctx) -> Value:
    """$au: the username up to its @"""
    return credentials(ctx).get("username", "").partition("@")[0] or None


def auth_domain(ctx: Ctx) -> Value:
    """$ad: the username behind its @"""
    return credentials(ctx).get("username", "").partition("@")[2] or None


def accounting_user(ctx: Ctx) -> Value:
    """$Au: authorised credentials as user@realm, else user@host of From"""
    good = ctx.noted(AUTHORIZED)
    if good is not None:
        return f"{good[0]}@{good[1]}"
    try:
        uri = parse_uri(ctx.message.address(FROM).uri)
    except SipError:
        return unreadable(ctx, "From")
    return f"{uri.user or ''}@{uri.host}"


def challenge(name: str) -> Getter:
    """One parameter of the challenge in a 401 or 407."""

    def get(ctx: Ctx) -> Value:
        header = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}.get(ctx.message.status)
        value = ctx.message.header(header) if header else None
        if not value:
            return None
        try:
            return digest_params(value).get(name) or None
        except SipError:
            log.error("core:pv", "the challenge cannot be read")
            return None

    return get


def auth_variables() -> list[VariableSpec]:
    return [
        simple("au", auth_user, None, "The user of the credentials, up to an @."),
        simple("ad", auth_domain, None, "What stands behind that @."),
        *(simple(name, credential(param), None, f"{param} of the credentials.") for name, param in CREDENTIALS.items()),
        simple("Au", accounting_user, None, "Who is to be billed: user@realm."),
        *(simple(f"challenge.{name}", challenge(name), None, f"{name} of the challenge.") for name in CHALLENGES),
    ]
