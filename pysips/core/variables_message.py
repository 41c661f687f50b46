"""$rm $fu $fd $ft $tu … $ci $cs $ua $hdr(…) $rs $rr $mb …: the message as it came.

From and To have a quick look for the usual `"Name" <uri>;tag=…`; what that cannot prove safe goes to the careful
reader of sip/address.py.
"""

import itertools
from collections.abc import Callable
from typing import Final

from pysips.errors import BadName, SipError
from pysips.script.catalogue import Ctx, Getter, Index, Inner, VariableSpec
from pysips.script.values import Both, Value, text_of
from pysips.sip.headers import CALL_ID, CSEQ, FOLD, FROM, LETTERS, LONG, OTHER, TO, UNSEEN, USER_AGENT, normal
from pysips.sip.message import Message
from pysips.sip.uri import host_port, user_of

from .variable_binding import FALSE, MODULE, TRUE, at_index, listed, simple, unreadable

METHODS: Final[dict[str, Both]] = {
    name: Both(name, 1 << place)
    for place, name in enumerate(
        ("INVITE", "CANCEL", "ACK", "BYE", "INFO", "OPTIONS", "UPDATE", "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY",
         "PRACK", "REFER", "PUBLISH")
    )
}  # fmt: skip
OTHER_METHOD: Final = 1 << 14
message_numbers: Final = itertools.count(1)


def method(ctx: Ctx) -> Value:
    """$rm, of a reply that of CSeq"""
    name = ctx.message.method
    return METHODS.get(name) or (Both(name, OTHER_METHOD) if name else None)


def uri_in(message: Message, kind: str) -> str:
    """The URI of From or To; "" without one. Raises SipError for a header that cannot be read."""
    kinds = message.kinds
    k = kinds.find(kind, 1)
    if k < 0:
        return ""
    text = message.text
    a = message.starts[k]
    b = message.line_end(k)
    c = text.find("<", a, b)
    folded = k + 1 < len(kinds) and kinds[k + 1] == FOLD
    if c < 0 or folded or text.find('"', c, b) >= 0 or text.find("<", c + 1, b) >= 0 or text.find(";", a, c) >= 0:
        return message.address(kind).uri
    quotes = text.count('"', a, c)
    if quotes and (quotes != 2 or text.find("\\", a, c) >= 0):  # perhaps a name that does not end
        return message.address(kind).uri
    d = text.find(">", c, b)
    return text[c + 1 : d] if d > 0 else message.address(kind).uri


def bad_header(ctx: Ctx, kind: str) -> Value:
    """NULL, and an error for a header that cannot be read."""
    return unreadable(ctx, "From" if kind == FROM else "To")


def from_uri(ctx: Ctx) -> Value:
    """$fu"""
    try:
        return uri_in(ctx.message, FROM) or None
    except SipError:
        return bad_header(ctx, FROM)


def from_host(ctx: Ctx) -> Value:
    """$fd"""
    try:
        uri = uri_in(ctx.message, FROM)
        return host_port(uri)[0] or None if uri else None
    except SipError:
        return bad_header(ctx, FROM)


def from_user(ctx: Ctx) -> Value:
    """$fU"""
    try:
        uri = uri_in(ctx.message, FROM)
        return user_of(uri) or None if uri else None
    except SipError:
        return bad_header(ctx, FROM)


def from_tag(ctx: Ctx) -> Value:
    """$ft"""
    return ctx.message.from_tag() or None


def to_uri(ctx: Ctx) -> Value:
    """$tu"""
    try:
        return uri_in(ctx.message, TO) or None
    except SipError:
        return bad_header(ctx, TO)


def to_host(ctx: Ctx) -> Value:
    """$td"""
    try:
        uri = uri_in(ctx.message, TO)
        return host_port(uri)[0] or None if uri else None
    except SipError:
        return bad_header(ctx, TO)


def to_user(ctx: Ctx) -> Value:
    """$tU"""
    try:
        uri = uri_in(ctx.message, TO)
        return user_of(uri) or None if uri else None
    except SipError:
        return bad_header(ctx, TO)


def to_tag(ctx: Ctx) -> Value:
    """$tt"""
    return ctx.message.to_tag() or None


def display(kind: str) -> Getter:
    """The display name, with its quotes."""

    def get(ctx: Ctx) -> Value:
        if not ctx.message.value(kind):
            return None
        try:
            return ctx.message.address(kind).display or None
        except SipError:
            return bad_header(ctx, kind)

    return get


def call_id(ctx: Ctx) -> Value:
    """$ci"""
    return ctx.message.value(CALL_ID) or None


def cseq(ctx: Ctx) -> Value:
    """$cs: the number of CSeq, as text"""
    words = ctx.message.value(CSEQ).split(None, 1)
    return words[0] if words else None


def user_agent(ctx: Ctx) -> Value:
    """$ua"""
    return ctx.message.value(USER_AGENT) or None


def content_length(ctx: Ctx) -> Value:
    """$cl"""
    try:
        length = ctx.message.content_length()
    except SipError:
        return unreadable(ctx, "Content-Length")
    return length if length >= 0 else None


def status(ctx: Ctx) -> Value:
    """$rs"""
    return ctx.message.status or None


def reason(ctx: Ctx) -> Value:
    """$rr"""
    return ctx.message.reason if ctx.message.status else None


def is_request(ctx: Ctx) -> Value:
    return FALSE if ctx.message.status else TRUE


def message_number(ctx: Ctx) -> Value:
    """$mi: numbers are given when they are asked for, and kept with the message"""
    number = ctx.noted("core.mi")
    if number is None:
        number = next(message_numbers)
        ctx.note("core.mi", number)
    return int(number)


def header(inner: Inner, index: Index) -> Getter:
    """$hdr(name): the value of a header line, the first one without an index."""
    if isinstance(inner, str) and index is None:
        return first_header(inner)
    values = header_values(inner)
    return at_index(index, values)


def first_header(name: str) -> Getter:
    """The first header of a constant name: by its letter in the index where it has one, else by its first character."""
    wanted = normal(name)
    letter = LETTERS.get(wanted, OTHER)
    if letter != OTHER:

        def by_letter(ctx: Ctx) -> Value:
            message = ctx.message
            k = message.kinds.find(letter, 1)
            return message.value_at(k) if k > 0 else None

        return by_letter
    if not wanted or wanted in LONG.values():  # its compact form begins with another character
        return lambda ctx: ctx.message.header(name)
    likely = wanted[0] + wanted[0].upper() + UNSEEN

    def by_name(ctx: Ctx) -> Value:
        message: Message = ctx.message
        text, kinds, starts = message.text, message.kinds, message.starts
        k = kinds.find(OTHER, 1)
        while k > 0:
            if text[starts[k]] in likely and normal(message.line(k).partition(":")[0]) == wanted:
                return message.value_at(k)
            k = kinds.find(OTHER, k + 1)
        return None

    return by_name


def header_values(inner: Inner) -> Callable[[Ctx], list[str]]:
    """All values of a header, one for each line."""
    name = header_name(inner)
    return lambda ctx: [ctx.message.value_at(k) for k in ctx.message.find(name(ctx))]


def header_name(inner: Inner) -> Callable[[Ctx], str]:
    """The name in the brackets, constant or of a variable; "" for a NULL, a name that no header has."""
    if isinstance(inner, str):
        constant = inner.strip()
        if not constant:
            raise BadName("a header needs a name")
        return lambda ctx: constant
    getter = inner
    return lambda ctx: text_of(getter(ctx)) or "" if getter is not None else ""


def header_count(inner: Inner, index: Index) -> Getter:
    """$hdrcnt(name)"""
    name = header_name(inner)
    return lambda ctx: len(ctx.message.find(name(ctx)))


def header_names(ctx: Ctx) -> list[str]:
    """$hdr_name"""
    message = ctx.message
    return [message.name(k) for k in range(1, len(message.kinds)) if message.kinds[k] != FOLD]


def message_variables() -> list[VariableSpec]:
    return [
        simple("rm", method, None, "The method; its number is OpenSIPS' id of it."),
        *(simple(name, from_uri, None, "The URI of From.") for name in ("fu", "from")),
        *(simple(name, from_user, None, "The user of From.") for name in ("fU", "from.user")),
        *(simple(name, from_host, None, "The host of From.") for name in ("fd", "from.domain")),
        simple("fn", display(FROM), None, "The display name of From, with its quotes."),
        simple("ft", from_tag, None, "The tag of From."),
        *(simple(name, to_uri, None, "The URI of To.") for name in ("tu", "to")),
        *(simple(name, to_user, None, "The user of To.") for name in ("tU", "to.user")),
        *(simple(name, to_host, None, "The host of To.") for name in ("td", "to.domain")),
        simple("tn", display(TO), None, "The display name of To, with its quotes."),
        simple("tt", to_tag, None, "The tag of To."),
        simple("ci", call_id, None, "The Call-ID."),
        simple("cs", cseq, None, "The number of CSeq, as text."),
        simple("ua", user_agent, None, "The User-Agent."),
        simple("cl", content_length, None, "The Content-Length."),
        simple("rs", status, None, "The status of a reply."),
        simple("rr", reason, None, "The reason phrase of a reply."),
        VariableSpec("hdr", MODULE, header, None, "required", dynamic=True, index=True, help="A header's value."),
        VariableSpec("hdrcnt", MODULE, header_count, None, "required", dynamic=True, help="How many there are."),
        listed("hdr_name", header_names, "The name of a header, by its place."),
        simple("mi", message_number, None, "A number for the message."),
        simple("ml", lambda ctx: len(ctx.message.data()), None, "The message's length in bytes."),
        simple("mb", lambda ctx: ctx.message.text, None, "The whole message as it came."),
        simple("msg.is_request", is_request, None, "true for a request."),
        simple("msg.type", lambda ctx: "reply" if ctx.message.status else "request", None, "request or reply."),
    ]
