"""{uri.…}, {nameaddr.…} and {via.…}: the parts of what stands in SIP headers."""

from collections.abc import Callable
from typing import Final

from pysips.errors import SipError
from pysips.script.catalogue import Apply, Ctx, Getter, Read, TransformSpec
from pysips.script.values import Value, text_of
from pysips.sip.address import Address, parse_addresses
from pysips.sip.text import list_spans, params_of, unquoted
from pysips.sip.uri import Uri, parse_uri
from pysips.sip.via import Via, parse_via

from .transform_arguments import NUMBER, a_text, failed, given, number_from, parsed, transform, variable_end
from .transform_lists import find, pairs

SCHEMES: Final = ("sip", "sips", "tel")
SERVICE: Final = ("urn:service:", "urn:nena:service:")
SHORTEST_VIA: Final = 3


def uri_of(text: str) -> Uri:
    """The URI that a text is; raises ValueError."""
    try:
        uri = parse_uri(text)
    except SipError:
        raise ValueError("no URI") from None
    if uri.scheme not in SCHEMES and not text.startswith(SERVICE):
        raise ValueError("no URI of a scheme with parts")
    return uri


def uri_part(name: str, part: Callable[[Uri], str | int | None]) -> TransformSpec:
    """One part of a URI, NULL where it is missing or empty."""
    return transform("uri", name, lambda text: part(uri_of(text)) or None, help=f"The {name} of a URI.")


def uri_param_value(name: str) -> TransformSpec:
    """The value of one well-known parameter, NULL where it has none."""
    wanted = "user" if name == "uparam" else name
    return uri_part(name, lambda uri: uri.param(wanted))


def uri_param(text: str, name: str) -> str | None:
    """Any parameter of a URI: empty where it has no value, NULL where it is missing."""
    params = uri_of(text).params
    return find(pairs(params), name) if params else None


URIS: Final[list[TransformSpec]] = [
    uri_part("user", lambda uri: uri.user),
    uri_part("passwd", lambda uri: uri.password),
    uri_part("host", lambda uri: uri.host),
    uri_part("domain", lambda uri: uri.host),
    uri_part("port", lambda uri: uri.port),
    uri_part("params", lambda uri: uri.params),
    uri_part("headers", lambda uri: uri.headers),
    uri_part("schema", lambda uri: uri.text[: len(uri.scheme)]),
    *(uri_param_value(name) for name in ("transport", "ttl", "uparam", "maddr", "method", "lr", "r2")),
    transform("uri", "param", uri_param, (a_text,)),
]


def address_param(address: Address, name: str) -> str | None:
    """A header parameter by its exact name, without quotes; NULL where it is missing or has no value."""
    value = next((value for each, value in params_of(address.params) if each == name), None)
    return unquoted(value) or None if value else None


def address_length(address: Address) -> int:
    """The bytes of the name and URI, without the parameters."""
    size = address.uri_a - address.start + len(address.uri.encode("utf-8", "surrogateescape")) + address.bracketed
    extra = address.display.encode("utf-8", "surrogateescape")
    return size + len(extra) - len(address.display)


ADDRESS_PARTS: Final[dict[str, Callable[..., str | int | None]]] = {
    "name": lambda address: address.display or None,
    "uri": lambda address: address.uri or None,
    "len": address_length,
    "params": lambda address: address.params or None,
    "param": address_param,
}


def nameaddr(name: str, index: Callable[[Read], int | Getter]) -> TransformSpec:
    """{nameaddr.name} or {nameaddr.INDEX.name}; `index` binds the position in the list."""
    part = ADDRESS_PARTS[name]
    what = f"nameaddr.{name}"
    kinds = (a_text,) if name == "param" else ()

    def bind(arguments: str | None, read: Read) -> Apply:
        bound = parsed(what, arguments, read, kinds, len(kinds))
        place = index(read)

        def apply(ctx: Ctx, value: Value) -> Value:
            text = text_of(value)
            if text is None:
                return None
            try:
                found = parse_addresses(text)
                if not found:
                    raise ValueError("no address")
                at = place if isinstance(place, int) else number_from(place(ctx))
                return part(found[at], *given(bound, ctx)) if -len(found) <= at < len(found) else None
            except (ValueError, SipError) as problem:
                return failed(what, problem, text)

        return apply

    return TransformSpec("nameaddr", name, "core", bind, f"The {name} of an address.")


def indexed_nameaddr(name: str) -> TransformSpec | None:
    """The transformation `1.uri`, `-1.name`, `$var(i).uri` of the group nameaddr; None if there is none."""
    index, _, part = name.rpartition(".")
    index, part = index.strip(), part.strip().lower()
    if part not in ADDRESS_PARTS or not index:
        return None
    if index[0] == "$":
        return nameaddr(part, lambda read: read(index)) if variable_end(index, 0) == len(index) else None
    found = NUMBER.fullmatch(index)
    if found is None or not 0 < len(found[2]) < 10:
        return None
    return nameaddr(part, lambda read: int(found[1] + found[2]))


def via_of(text: str) -> tuple[Via, str]:
    """The first Via value in a text, and its comment; raises ValueError."""
    if len(text) < SHORTEST_VIA:
        raise ValueError("no Via")
    try:
        a, b = list_spans(text, 0, len(text))[0]
        value = text[a:b]
        value, comment = without_comment(value)
        return parse_via(value), comment
    except (SipError, IndexError):
        raise ValueError("no Via") from None


def without_comment(value: str) -> tuple[str, str]:
    """A value without the `(comment)` at its end, and the comment."""
    whole = value.rstrip()
    start = whole.rfind("(")
    if start < 0 or whole.find(")", start) != len(whole) - 1:
        return value, ""
    return whole[:start].rstrip(), whole[start + 1 : -1]


def via_part(name: str, part: Callable[[Via, str], str | int | None]) -> TransformSpec:
    """One part of a Via, NULL where it is missing or empty."""
    return transform("via", name, lambda text: part(*via_of(text)) or None, help=f"The {name} of a Via.")


def via_param(text: str, name: str) -> str | None:
    """A parameter of a Via, whatever the name's case: empty without a value, NULL where it is missing."""
    try:
        return via_of(text)[0].param(name.lower())
    except SipError as problem:
        raise ValueError(str(problem)) from None


def known_param(name: str) -> TransformSpec:
    """A well-known parameter, NULL where it is missing or has no value."""
    return transform("via", name, lambda text: via_param(text, name) or None, help=f"The {name} of a Via.")


VIAS: Final[list[TransformSpec]] = [
    via_part("name", lambda via, comment: via.protocol.partition("/")[0]),
    via_part("version", lambda via, comment: via.protocol.partition("/")[2]),
    via_part("transport", lambda via, comment: via.transport),
    via_part("host", lambda via, comment: via.host),
    via_part("domain", lambda via, comment: via.host),
    via_part("port", lambda via, comment: via.port),
    via_part("params", lambda via, comment: via.params),
    via_part("comment", lambda via, comment: comment),
    *(known_param(name) for name in ("branch", "received", "rport")),
    transform("via", "param", via_param, (a_text,)),
]
SIP_PARTS: Final = [*URIS, *(nameaddr(name, lambda read: 0) for name in ADDRESS_PARTS), *VIAS]
