"""$ru $rU $rd …, $ou …, $du …: the Request-URI now and as it came, the next hop, and their parts.

On replies there is no Request-URI: all of these are NULL there.
"""

from collections.abc import Callable
from typing import Final

from pysips.errors import SipError
from pysips.script.catalogue import Ctx, Getter, VariableSpec
from pysips.script.values import Both, Value, number_of, text_of
from pysips.sip.rewrite import is_one_line
from pysips.sip.text import number
from pysips.sip.uri import HIGHEST_PORT, Uri, host_port, parse_uri, user_of

from .branches import HIGHEST_Q, contacts
from .log import log
from .services import DEFAULT_PORTS
from .variable_binding import refused, simple

PROTOCOLS: Final = {"udp": 1, "tcp": 2, "tls": 3, "sctp": 4, "ws": 5, "wss": 6}
OTHER_PROTOCOL: Final = 18


def current(ctx: Ctx) -> Value:
    """$ru; NULL for one that cannot be read, which strict parsing does not let in"""
    uri = ctx.uri or ctx.message.uri or None
    return uri if ctx.program.strict or uri is None else readable(ctx, uri)


def original(ctx: Ctx) -> Value:
    """$ou"""
    uri = ctx.message.uri or None
    return uri if ctx.program.strict or uri is None else readable(ctx, uri)


def readable(ctx: Ctx, uri: str) -> Value:
    """A Request-URI if it can be taken apart."""
    try:
        parse_uri(uri)
    except SipError:
        return unreadable(ctx, uri)
    return uri


def next_hop(ctx: Ctx) -> Value:
    """$du"""
    return ctx.dst or None


def current_user(ctx: Ctx) -> Value:
    """$rU"""
    uri = ctx.uri or ctx.message.uri
    if uri and not ctx.program.strict and readable(ctx, uri) is None:
        return None
    try:
        return user_of(uri) or None if uri else None
    except SipError:
        return unreadable(ctx, uri)


def current_host(ctx: Ctx) -> Value:
    """$rd"""
    uri = ctx.uri or ctx.message.uri
    try:
        return host_port(uri)[0] or None if uri else None
    except SipError:
        return unreadable(ctx, uri)


def unreadable(ctx: Ctx, uri: Value) -> Value:
    """NULL, and an error for a URI that cannot be read."""
    ctx.unreadable("error parsing r-uri", "bad r-uri")
    log.error("core:pv", f"this URI cannot be read: {uri}")
    return None


def part(whole: Getter, wanted: Callable[[Uri], Value]) -> Getter:
    """A part of a URI that a variable holds."""

    def get(ctx: Ctx) -> Value:
        uri = whole(ctx)
        if uri is None:
            return None
        try:
            return wanted(parse_uri(uri))  # type: ignore[arg-type]
        except SipError:
            return unreadable(ctx, uri)

    return get


def user(uri: Uri) -> Value:
    return uri.user or None


def host(uri: Uri) -> Value:
    return uri.host or None


def port(uri: Uri) -> Value:
    """The port: as written a text with a number, else the default one of the transport, a number."""
    if uri.port is not None:
        return Both(str(uri.port), uri.port)
    if uri.scheme == "sips" and uri.transport in ("", "tcp", "tls"):
        return DEFAULT_PORTS["tls"]
    return DEFAULT_PORTS.get(uri.transport, 5060)


def protocol(uri: Uri) -> Value:
    """The transport as written; without one `udp`, or `tls` for sips."""
    written = uri.param("transport")
    if not written:
        written = "tls" if uri.scheme == "sips" else "udp"
    return Both(written, PROTOCOLS.get(written.lower(), OTHER_PROTOCOL))


def set_current(ctx: Ctx, value: Value) -> int:
    """$ru="sip:…": any text that can stand in the first line."""
    text = text_of(value)
    if not text or not is_one_line(text) or " " in text:
        return refused("ru", value, "a URI is needed")
    ctx.set_uri(text)
    return 1


def set_next_hop(ctx: Ctx, value: Value) -> int:
    """$du="sip:…"; NULL or an empty text: let the Request-URI say."""
    text = text_of(value) or ""
    if not is_one_line(text):
        return refused("du", value, "a URI is needed")
    ctx.dst = text
    return 1


def rebuilt(name: str, text: str, user: str | None, host: str, port: int | None) -> str | None:
    """The URI with other parts; None, with a line in the log, if there is no such URI."""
    try:
        uri = parse_uri(text)
        if uri.is_sip:
            return uri.rebuilt(user, uri.password if user else None, host or uri.host, port, uri.params).text
        if uri.scheme == "tel" and user:
            return uri.with_user(user).text
    except SipError:
        pass  # said below
    log.error("core:pv", f"${name}: refused, with it the URI cannot be read or has no such part: {text}")
    return None


def set_user(ctx: Ctx, value: Value) -> int:
    """$rU="…"; NULL or an empty text takes the user off."""
    uri = parts_of(ctx, "rU")
    made = None if uri is None else rebuilt("rU", uri.text, text_of(value) or None, uri.host, uri.port)
    return put_uri(ctx, made)


def set_host(ctx: Ctx, value: Value) -> int:
    """$rd="…"; the port stays."""
    text = text_of(value)
    uri = parts_of(ctx, "rd")
    if not text or uri is None:
        return refused("rd", value, "a host is needed")
    return put_uri(ctx, rebuilt("rd", uri.text, uri.user, text, uri.port))


def set_port(ctx: Ctx, value: Value) -> int:
    """$rp=5080; NULL or an empty text takes the port off."""
    uri = parts_of(ctx, "rp")
    wanted = port_from(value)
    if uri is None or wanted < 0:
        return refused("rp", value, "a port is needed")
    return put_uri(ctx, rebuilt("rp", uri.text, uri.user, uri.host, wanted or None))


def port_from(value: Value) -> int:
    """A port in a value: 0 for none, -1 for what is no port."""
    text = text_of(value)
    if not text:
        return 0
    found = number(text, HIGHEST_PORT)
    return found if found else -1


def parts_of(ctx: Ctx, name: str) -> Uri | None:
    """The Request-URI taken apart, if it is there and can be."""
    try:
        return parse_uri(ctx.request_uri())
    except SipError:
        log.error("core:pv", f"${name}: the Request-URI cannot be read: {ctx.request_uri()}")
        return None


def put_uri(ctx: Ctx, made: str | None) -> int:
    if made is None:
        return -1
    ctx.set_uri(made)
    return 1


def set_hop_host(ctx: Ctx, value: Value) -> int:
    """$dd="…", of a `$du` that is there."""
    uri = hop_of(ctx)
    text = text_of(value)
    if uri is None or not text:
        return refused("dd", value, "a host and a $du are needed")
    made = rebuilt("dd", uri.text, uri.user, text, uri.port)
    ctx.dst = made or ctx.dst
    return 1 if made else -1


def set_hop_port(ctx: Ctx, value: Value) -> int:
    """$dp=5080, of a `$du` that is there."""
    uri = hop_of(ctx)
    wanted = port_from(value)
    if uri is None or wanted < 0:
        return refused("dp", value, "a port and a $du are needed")
    made = rebuilt("dp", uri.text, uri.user, uri.host, wanted or None)
    ctx.dst = made or ctx.dst
    return 1 if made else -1


def hop_of(ctx: Ctx) -> Uri | None:
    """The next hop taken apart; None without one that can be."""
    try:
        return parse_uri(ctx.dst) if ctx.dst else None
    except SipError:
        return None


def q_of_uri(ctx: Ctx) -> Value:
    """$ru_q"""
    return None if ctx.message.status else int(ctx.q)


def set_q_of_uri(ctx: Ctx, value: Value) -> int:
    """$ru_q=500; more than 1000 counts as 1000."""
    wanted = number_of(value)
    if wanted is None:
        return refused("ru_q", value, "a number is needed")
    ctx.q = max(-1, min(wanted, HIGHEST_Q))
    return 1


def destinations(ctx: Ctx) -> Value:
    """$ds: the rewritten Request-URI and the added branches, as a Contact header of a redirection."""
    return contacts(ctx).removesuffix("\r\n") or None


def uri_variables() -> list[VariableSpec]:
    return [
        *(simple(name, current, set_current, "The Request-URI now.") for name in ("ru", "ruri")),
        *(simple(name, current_user, set_user, "Its user part.") for name in ("rU", "ruri.user")),
        *(simple(name, current_host, set_host, "Its host.") for name in ("rd", "ruri.domain")),
        simple("rp", part(current, port), set_port, "Its port, the default one where none is written."),
        simple("rP", part(current, protocol), None, "Its transport."),
        simple("ru_q", q_of_uri, set_q_of_uri, "The q of the message's own branch, in thousandths; -1 unset."),
        *(simple(name, original, None, "The Request-URI as it came.") for name in ("ou", "ouri")),
        simple("oU", part(original, user), None, "The user part of the URI that came."),
        simple("od", part(original, host), None, "The host of the URI that came."),
        simple("op", part(original, port), None, "The port of the URI that came."),
        simple("oP", part(original, protocol), None, "The transport of the URI that came."),
        *(
            simple(name, next_hop, set_next_hop, "The next hop, if it is not the Request-URI.")
            for name in ("du", "duri")
        ),
        simple("dd", part(next_hop, host), set_hop_host, "The host of the next hop."),
        simple("dp", part(next_hop, port), set_hop_port, "The port of the next hop."),
        simple("dP", part(next_hop, protocol), None, "The transport of the next hop."),
        simple("path", lambda ctx: ctx.path or None, None, "The Path that the message will carry as Route."),
        simple("ds", destinations, None, "Request-URI and branches as a Contact header."),
    ]
