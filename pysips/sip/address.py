"""`"Name" <uri>;params`: the values of From, To, Contact, Route, Record-Route, Path (RFC 3261 section 20.10).

Facts:
- without angle brackets every parameter is the header's; inside of them it is the URI's (section 20);
- a comma, semicolon or question mark in a URI needs the brackets;
- a display name is a quoted string or tokens with blanks between them; what else stands there is kept as it is, and
  refused by `validate.py`;
- Contact may be `*`.
"""

from typing import final

from pysips.errors import SipError

from .text import BLANKS, list_spans, param_value, quoted_end, trimmed, unfolded, unquoted


@final
class Address:
    """One address.

    display     the name before the URI as written, quotes and all; "" without one
    uri         the URI's text as written; "*" for the Contact that means all
    params      what stands behind the first `;` after the URI, as written
    bracketed   whether the URI stands between `<` and `>`
    start, end  where the address stands in the text it was taken from, blanks around it not included
    uri_a       where the URI begins in that text
    """

    __slots__ = ("bracketed", "display", "end", "params", "start", "uri", "uri_a")

    def __init__(self, display: str, uri: str, params: str, bracketed: bool, start: int, end: int, uri_a: int) -> None:
        self.display = display
        self.uri = uri
        self.params = params
        self.bracketed = bracketed
        self.start = start
        self.end = end
        self.uri_a = uri_a

    def __str__(self) -> str:
        text = (self.display + " " if self.display else "") + ("<" + self.uri + ">" if self.bracketed else self.uri)
        return text + ";" + self.params if self.params else text

    @property
    def name(self) -> str:
        """The display name without its quotes."""
        return unquoted(self.display)

    @property
    def is_star(self) -> bool:
        """True for `Contact: *` (section 10.2.2)."""
        return self.uri == "*" and not self.bracketed

    def param(self, name: str) -> str | None:
        """The value of the header parameter `name` (small letters) as written; "" without a value, None if absent.

        Raises SipError(400) if the parameters cannot be read.
        """
        return param_value(self.params, name) if self.params else None


def parse_address(text: str) -> Address:
    """The one address in `text`. Raises SipError(400) if there is none."""
    a, b = trimmed(text, 0, len(text))
    return address_at(text, a, b)


def address_at(text: str, a: int, b: int) -> Address:
    """The address in text[a:b], which neither begins nor ends with a blank. Raises SipError(400)."""
    at = a
    if text[a : a + 1] == '"':
        at = quoted_end(text, a, b)
        if at < 0:
            raise SipError(400, "Unclosed Quote")
    lt = text.find("<", at, b)
    semicolon = text.find(";", at, b)
    if lt < 0 or 0 <= semicolon < lt:
        return plain_address(text, a, b, semicolon)
    if at > a and text[at:lt].strip(BLANKS):
        raise SipError(400, "Bad Display Name")
    gt = text.find(">", lt, b)
    if gt < 0:
        raise SipError(400, "Unclosed Angle Bracket")
    after = gt + 1
    while after < b and text[after] in BLANKS:
        after += 1
    if after < b and text[after] != ";":
        raise SipError(400, "Bad Address")
    display = unfolded(text[a:lt].strip(BLANKS))
    return Address(display, text[lt + 1 : gt], unfolded(text[after + 1 : b]), True, a, b, lt + 1)


def plain_address(text: str, a: int, b: int, semicolon: int) -> Address:
    """An address without brackets: its parameters are the header's."""
    c = semicolon if semicolon >= 0 else b
    uri = text[a:c].rstrip(BLANKS)
    if not uri or '"' in uri or ">" in uri or "<" in uri:
        raise SipError(400, "Bad Address")
    for blank in BLANKS:
        if blank in uri:
            raise SipError(400, "Bad Address")
    return Address("", uri, unfolded(text[c + 1 : b]), False, a, b, a)


def parse_addresses(text: str) -> list[Address]:
    """The addresses of a list with commas, each with its place. Empty elements are left out. Raises SipError(400)."""
    return [address_at(text, a, b) for a, b in list_spans(text, 0, len(text)) if a < b]


def address_param(text: str, name: str) -> str:
    """Parameter `name` (small letters) of the address in `text`; "" if it is absent or the address is unreadable."""
    try:
        return parse_address(text).param(name) or ""
    except SipError:
        return ""
