"""$ct, $ai, $re, $rt, $pu …, $di …: addresses in Contact, identity and diversion headers."""

from collections.abc import Callable
from typing import Final

from pysips.errors import SipError
from pysips.script.catalogue import Ctx, Getter, Index, Inner, VariableSpec
from pysips.script.values import Value
from pysips.sip.address import Address, parse_address, parse_addresses
from pysips.sip.headers import CONTACT
from pysips.sip.text import list_spans, unquoted
from pysips.sip.uri import parse_uri

from .variable_binding import MODULE, at_index, bind_field, joined, number_at, simple, unreadable

CONTACT_FIELDS: Final = ("name", "uri", "q", "expires", "methods", "received", "params")

Part = Callable[[Address], str | None]


def contacts(ctx: Ctx) -> list[Address]:
    """The addresses of all Contact headers; none of a header that cannot be read."""
    found: list[Address] = []
    for value in ctx.message.values(CONTACT):
        try:
            found += parse_addresses(value)
        except SipError:
            unreadable(ctx, "Contact")
            return []
    return found


def contact_texts(ctx: Ctx) -> list[str]:
    """The contacts as written, with their parameters."""
    found: list[str] = []
    for value in ctx.message.values(CONTACT):
        try:
            found += [value[a:b] for a, b in list_spans(value, 0, len(value)) if a < b]
        except SipError:
            unreadable(ctx, "Contact")
            return []
    return found


def contact_part(name: str) -> Part:
    """A part of a contact: its name with its quotes, its URI, its parameters as written, or one of them."""
    if name == "name":
        return lambda address: address.display or None
    if name == "uri":
        return lambda address: None if address.is_star else address.uri
    if name == "params":
        return lambda address: address.params or None
    return lambda address: unquoted(address.param(name) or "") or None


def contact_field(inner: Inner, index: Index) -> Getter:
    """$ct.fields(uri), $(ct.fields(q)[1])"""
    part = PARTS[bind_name(inner)]
    if index == "*":
        return lambda ctx: joined([part(address) or "" for address in contacts(ctx)])
    place = number_at(0 if index is None else index)

    def get(ctx: Ctx) -> Value:
        found = contacts(ctx)
        at = place(ctx)
        try:
            return part(found[at]) if at is not None and -len(found) <= at < len(found) else None
        except SipError:
            return None

    return get


PARTS: Final = {name: contact_part(name) for name in CONTACT_FIELDS}


def bind_name(inner: Inner) -> str:
    """The name of a contact's field; raises BadName."""
    bind_field("ct.fields", inner, CONTACT_FIELDS, lambda name: lambda ctx: None)
    return str(inner)


def first_address(header: str, part: Callable[[Address], Value]) -> Getter:
    """Something of the first address in a header; NULL without it, or where it cannot be read."""

    def get(ctx: Ctx) -> Value:
        value = ctx.message.header(header)
        if not value:
            return None
        try:
            a, b = list_spans(value, 0, len(value))[0]
            return part(parse_address(value[a:b]))
        except (SipError, IndexError):
            return unreadable(ctx, header)

    return get


def uri(address: Address) -> Value:
    return address.uri or None


def user(address: Address) -> Value:
    return parse_uri(address.uri).user or None


def host(address: Address) -> Value:
    return parse_uri(address.uri).host or None


def display(address: Address) -> Value:
    return address.display or None


def param(name: str) -> Callable[[Address], Value]:
    """A header parameter without its quotes."""
    return lambda address: unquoted(address.param(name) or "") or None


PREFERRED: Final = "P-Preferred-Identity"


def header_variables() -> list[VariableSpec]:
    return [
        VariableSpec(
            "ct", MODULE, lambda inner, index: at_index(index, contact_texts), None, index=True,
            help="A contact with its parameters.",
        ),
        VariableSpec(
            "ct.fields", MODULE, contact_field, None, "required", index=True, help="A part of a contact.",
        ),
        simple("ai", first_address("P-Asserted-Identity", uri), None, "The URI of P-Asserted-Identity."),
        simple("re", first_address("Remote-Party-ID", uri), None, "The URI of Remote-Party-ID."),
        simple("rt", first_address("Refer-To", uri), None, "The URI of Refer-To."),
        simple("pu", first_address(PREFERRED, uri), None, "The URI of P-Preferred-Identity."),
        simple("pU", first_address(PREFERRED, user), None, "The user of P-Preferred-Identity."),
        simple("pd", first_address(PREFERRED, host), None, "The host of P-Preferred-Identity."),
        simple("pn", first_address(PREFERRED, display), None, "The name of P-Preferred-Identity, with its quotes."),
        simple("di", first_address("Diversion", uri), None, "The URI of the first Diversion."),
        simple("dir", first_address("Diversion", param("reason")), None, "Its reason."),
        simple("dip", first_address("Diversion", param("privacy")), None, "Its privacy."),
    ]  # fmt: skip
