"""The Request-URI's parameters, tel URIs, E.164 numbers (sipmsgops; 2.4's module uri has them too)."""

from pysips.core.context import Context
from pysips.core.log import log
from pysips.errors import SipError
from pysips.sip.headers import FROM
from pysips.sip.uri import Uri, is_plain, parse_uri


def current(ctx: Context) -> Uri | None:
    """The current Request-URI taken apart; None if it cannot be."""
    try:
        return parse_uri(ctx.request_uri())
    except SipError:
        return None


def has_param(ctx: Context, name: str, value: str) -> int:
    """Whether there is a parameter: with this value, or ("") without any. Names are compared without regard to case."""
    uri = current(ctx)
    found = uri.param(name.lower()) if uri is not None else None
    return 1 if found is not None and found == value else -1


def add_param(ctx: Context, param: str) -> int:
    """Put `name` or `name=value` behind the parameters."""
    uri = current(ctx)
    param = param.removeprefix(";")
    if uri is None or not uri.is_sip or not param or not is_plain(param) or "?" in param or "@" in param:
        log.error("sipmsgops:ruri_add_param", f"refused: {param}")
        return -1
    params = uri.params + ";" + param if uri.params else param
    return put(ctx, uri, params)


def delete_param(ctx: Context, name: str) -> int:
    """Take a parameter out; -1 if it is not there."""
    uri = current(ctx)
    if uri is None or not uri.is_sip or uri.param(name.lower()) is None:
        return -1
    return put(ctx, uri, uri.without_param(name).params)


def put(ctx: Context, uri: Uri, params: str) -> int:
    """Make the URI with these parameters the Request-URI."""
    try:
        ctx.set_uri(uri.rebuilt(uri.user, uri.password, uri.host, uri.port, params).text)
    except SipError:
        return -1
    return 1


def tel_to_sip(ctx: Context) -> int:
    """`tel:+1` becomes `sip:+1@HOST;user=phone`, HOST being From's (RFC 3261 section 19.1.6); others stay."""
    uri = ctx.request_uri()
    if not uri.lower().startswith("tel:"):
        return 1
    try:
        host = parse_uri(ctx.message.address(FROM).uri).host
    except SipError:
        host = ""
    if not host:
        log.error("sipmsgops:ruri_tel2sip", "From has no host")
        return -1
    ctx.set_uri("sip:" + uri[4:] + "@" + host + ";user=phone")
    return 1


def is_e164(text: str) -> int:
    """Whether a URI's user is `+` and 2 to 15 digits."""
    try:
        user = parse_uri(text).user or ""
    except SipError:
        return -1
    digits = user[1:]
    well = user.startswith("+") and 2 <= len(digits) <= 15 and digits.isascii() and digits.isdigit()
    return 1 if well else -1
