"""Whether Via, From, To and Contact follow the grammar (RFC 3261 section 25), for validate.py.

Each has a quick look, `is_known_…` or `known_…`, and a careful one, `check_…`, which raises SipError(400).
"""

from typing import Final

from pysips.errors import SipError

from .address import Address, parse_address, parse_addresses
from .grammar import DISPLAY_TOKENS, GEN_VALUE, PLAIN_CONTACT, Q_VALUE, QUOTED_STRING, is_token
from .headers import CONTACT, FOLD, VIA
from .limits import LONGEST_URI, MOST_CONTACTS, MOST_VIAS
from .message import Message
from .plain import expires_end, is_value, name_addr
from .proven import (
    LONGEST_PROVEN,
    MOST_PROVEN,
    proven_addresses,
    proven_contacts,
    proven_uris,
    proven_vias,
    remember,
    whole_line,
)
from .text import BLANKS, list_spans, next_outside
from .uri import parse_uri
from .via import COOKIE, ViaFacts, parse_via

BRANCH: Final = ";branch=" + COOKIE


def is_known_via(message: Message, a: int, b: int, is_top: bool) -> bool:
    """True if text[a:b] is one Via that was found good with another branch; what the topmost one says is kept."""
    text = message.text
    i = text.find(BRANCH, a, b)
    if i < 0:
        return False
    j = text.find(";", i + 15, b)
    if j < 0:
        j = b
    facts = proven_vias.get(text[a:i] + text[j:b])
    branch = text[i + 8 : j]
    if facts is None or not is_rfc_3261(branch):
        return False
    if is_top:
        message.via = facts
        message.known_branch = branch
    return True


def is_rfc_3261(branch: str) -> bool:
    """Whether a branch that begins with the cookie goes on, with what may stand in a parameter's value."""
    return len(branch) > 7 and (branch.isalnum() or is_value(branch))


def check_vias(message: Message) -> None:
    """Every Via (section 20.42): the sender's address and well-formed parameters."""
    kinds = message.kinds
    text = message.text
    count = 0
    k = kinds.find(VIA, 1)
    while k > 0:
        b = message.line_end(k)
        at = text.find(":", message.starts[k], b) + 1
        if text.find('"', at, b) >= 0 or kinds.startswith(FOLD, k + 1):
            at, b = message.value_span(k)
            for start, end in list_spans(text, at, b, False) or [(at, b)]:
                check_via(text[start:end])
                count += 1
        else:
            while at <= b:
                comma = text.find(",", at, b)
                end = comma if comma >= 0 else b
                if not is_known_via(message, at, end, not count):
                    check_via(text[at:end])
                count += 1
                at = end + 1
        if count > MOST_VIAS:
            raise SipError(400, "Too Many Via Values")
        k = kinds.find(VIA, k + 1)


def check_via(text: str) -> None:
    """The careful look at one Via value."""
    via = parse_via(text)
    if text.rstrip(BLANKS).endswith(";"):
        raise SipError(400, "Bad Parameter in Via")
    branch = check_params(";" + via.params if via.params else "", "Via").get("branch", "-")
    if branch == COOKIE:
        raise SipError(400, "Bad Branch")
    i = text.find(BRANCH)
    if i >= 0 and '"' not in text and "\n" not in text:
        j = text.find(";", i + 15)
        rest = text[:i] + (text[j:] if j >= 0 else "")
        if len(rest) <= LONGEST_PROVEN:
            if len(proven_vias) >= MOST_PROVEN:
                proven_vias.clear()
            proven_vias[rest] = ViaFacts(via)


def known_tag(message: Message, k: int) -> str | None:
    """The tag of From or To in line k, "" without one; None if the line is not known to be good.

    Good is what is plain, and what the careful look has found good up to the tag.
    """
    text = message.text
    a = message.starts[k]
    b = message.starts[k + 1] - 2
    end = name_addr(text, text.find(":", a, b) + 1, b)[1]
    if b - a > LONGEST_PROVEN or end < 0:
        end = text.rfind(">;tag=", a, b) + 1 or b
        if text[a:end] not in proven_addresses:
            return None
    if end == b:
        return ""
    if text.find(";tag=", end, b) != end:
        return None
    tag = text[end + 5 : b]
    return tag if tag.isalnum() or is_token(tag) else None


def is_known_contact(text: str, a: int, b: int) -> bool:
    """Whether text[a:b], a line of Contact with its line end, is known to be good, or plain as above."""
    at = text.find(":", a, b) + 1
    if b - a <= LONGEST_PROVEN:
        end = name_addr(text, at, b - 2)[1]
        if end == b - 2 or (end > 0 and expires_end(text, end, b - 2) == b - 2):
            return True
    line = text[a:b]
    if line in proven_contacts:
        return True
    if b - a > LONGEST_PROVEN or PLAIN_CONTACT.fullmatch(text, at, b - 2) is None:
        return False
    remember(proven_contacts, line)
    return True


def check_tagged(message: Message, k: int, name: str) -> None:
    """From or To in line k (section 20.20): one address, at most one tag."""
    text = message.text
    a = message.starts[k]
    gt = text.rfind(">", a, message.line_end(k)) + 1
    value = message.value_at(k)
    address = parse_address(value)
    check_address(value, address, name)
    if gt > 0 and address.bracketed and value.rfind(">") == address.uri_a + len(address.uri):  # the last ">" closes it
        remember(proven_addresses, text[a:gt])


def check_address(text: str, address: Address, name: str) -> dict[str, str]:
    """The display name, the URI and the parameters of an address in `text`; gives the latter by name."""
    display = address.display
    if display.startswith('"'):
        if not display.endswith('"'):
            raise SipError(400, "Bad Display Name in " + name)
    elif display and DISPLAY_TOKENS.fullmatch(display) is None:
        raise SipError(400, "Bad Display Name in " + name)
    if len(address.uri) > LONGEST_URI:
        raise SipError(400, "URI Too Long in " + name)
    if not address.bracketed and ("?" in address.uri or "," in address.uri):
        raise SipError(400, "URI Without Brackets in " + name)
    uri = address.uri
    if uri not in proven_uris:
        try:
            headers = parse_uri(uri).headers
        except SipError:
            raise SipError(400, "Bad URI in " + name) from None
        if not headers:
            remember(proven_uris, uri)
    if text[address.end - 1] == ";":
        raise SipError(400, "Bad Parameter in " + name)
    return check_params(";" + address.params if address.params else "", name)


def check_contacts(message: Message, k: int) -> None:
    """All Contact headers, from line k on (section 20.10): addresses with a q value, or `*` alone."""
    kinds = message.kinds
    several = kinds.find(CONTACT, k + 1) > 0
    while k > 0:
        line = whole_line(message, k)
        if line not in proven_contacts:
            star = check_contact(message.value_at(k))
            if star and several:
                raise SipError(400, "Bad Contact")
            if line and not star:
                remember(proven_contacts, line)
        k = kinds.find(CONTACT, k + 1)


def check_contact(value: str) -> bool:
    """The addresses of one Contact header; True if it is `*`."""
    contacts = parse_addresses(value)
    if len(contacts) > MOST_CONTACTS:
        raise SipError(400, "Too Many Contacts")
    if not contacts and value:
        raise SipError(400, "Bad Contact")
    for contact in contacts:
        if contact.is_star:
            if len(contacts) > 1 or contact.params:
                raise SipError(400, "Bad Contact")
            return True
        q = check_address(value, contact, "Contact").get("q")
        if q is not None and Q_VALUE.fullmatch(q) is None:
            raise SipError(400, "Bad q Value in Contact")
    return False


def check_params(params: str, name: str) -> dict[str, str]:
    """The parameters of `;a=b;c` by name in small letters. Each has a name that is a token and comes once."""
    found: dict[str, str] = {}
    end = len(params)
    at = 0
    while at < end:
        stop = next_outside(params, ";", at + 1, end, False)
        key, equal, value = params[at + 1 : stop].partition("=")
        key = key.strip(BLANKS).lower()
        value = value.strip(BLANKS)
        if not is_token(key) or key in found:
            raise SipError(400, "Bad Parameter in " + name)
        if equal and GEN_VALUE.fullmatch(value) is None and QUOTED_STRING.fullmatch(value) is None:
            raise SipError(400, "Bad Parameter in " + name)
        found[key] = value
        at = stop
    return found
