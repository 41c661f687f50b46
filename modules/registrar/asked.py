"""What a REGISTER asks for: its contacts, and for how long (RFC 3261 sections 10.2 and 10.3).

Facts:
- nearly every REGISTER has one Contact with one plain URI and at most a lifetime: `usual_contact` has it in one look;
  what is a little less usual is cut out by finds, and all others are parsed;
- a contact's own `expires` comes before the Expires header; one that is no number counts as the default, as OpenSIPS
  and section 10.2.1.1 say, while an Expires header that is no number is refused;
- `*` must stand alone, and with Expires: 0 (section 10.3, step 6).
"""

import random
from typing import Final, final

from pysips.core import branches
from pysips.errors import SipError
from pysips.sip.address import parse_address, parse_addresses
from pysips.sip.headers import CALL_ID, CONTACT, CSEQ, EXPIRES, FOLD, REQUIRE, TO
from pysips.sip.message import Message
from pysips.sip.plain import expires_end, name_addr
from pysips.sip.text import number, params_of, unquoted

from ..usrloc.api import Contact
from . import methods
from .rules import Refused, Rules, SaveFlags

LONGEST_EXPIRY: Final = 2**32 - 1
LONGEST_RECEIVED: Final = 255  # and an instance
MOST_CONTACTS: Final = 100  # of one request
MOST_DIGITS: Final = 9  # of a lifetime that needs no closer look
NOT_SAID: Final = -1  # a lifetime that the request does not name


@final
class Asked:
    """One contact of a request. expires, q, methods: as written; the functions below give them their defaults.

    instance, received: without quotes; "" without one. contact: as it shall be stored; None to take it off.
    """

    __slots__ = ("contact", "expires", "instance", "methods", "q", "received", "uri")

    def __init__(self, uri: str) -> None:
        self.uri: str = uri
        self.expires: str = ""
        self.q: str = ""
        self.methods: str = ""
        self.instance: str = ""
        self.received: str = ""
        self.contact: Contact | None = None


@final
class Request:
    """All that is asked for. header_expires: the Expires header's seconds, or NOT_SAID; star: all contacts shall go."""

    __slots__ = ("contacts", "header_expires", "star")

    def __init__(self, contacts: list[Asked], header_expires: int, star: bool) -> None:
        self.contacts: list[Asked] = contacts
        self.header_expires: int = header_expires
        self.star: bool = star


def usual_contact(message: Message) -> tuple[str, str, int] | None:
    """Of a usual REGISTER the URI of To, that of its only contact, and for how many seconds that is wanted.

    Usual is one line of Contact with one plain URI in brackets and at most its lifetime, which may be NOT_SAID, and a
    head without gaps in which nothing is required. None for all others. Raises Refused.
    """
    kinds = message.kinds
    match = message.match
    if match is None:
        return usual_lines(message, kinds)
    if CONTACT not in kinds or REQUIRE in kinds:
        return None
    to, uri, rest, digits = match.group("to_uri", "contact_uri", "contact_rest", "contact_expires")
    if uri is None or rest:
        return None
    for_all = header_expires(message) if EXPIRES in kinds else NOT_SAID
    if digits is None:
        return to, uri, for_all
    return None if len(digits) > MOST_DIGITS else (to, uri, int(digits))


def usual_lines(message: Message, kinds: str) -> tuple[str, str, int] | None:
    """The same of a head that no expression has read."""
    k = kinds.find(CONTACT, 1)
    if k < 0 or REQUIRE in kinds or FOLD in kinds or message.odd or kinds.find(CONTACT, k + 1) > 0:
        return None
    if TO not in kinds or CALL_ID not in kinds or CSEQ not in kinds:
        return None
    text = message.text
    starts = message.starts
    end = starts[k + 1] - 2
    uri_at, uri_end = name_addr(text, text.find(":", starts[k]) + 1, end)
    k = kinds.find(TO, 1)
    to_at, to_end = name_addr(text, text.find(":", starts[k]) + 1, starts[k + 1] - 2)
    if uri_end < 0 or to_end < 0:
        return None
    to = text[to_at : to_end - 1]
    uri = text[uri_at : uri_end - 1]
    if uri_end == end:
        return to, uri, header_expires(message)
    at = uri_end + 9
    if expires_end(text, uri_end, end) != end or end - at > MOST_DIGITS:
        return None
    header_expires(message)  # refuses what is no number
    return to, uri, int(text[at:end])


def header_expires(message: Message) -> int:
    """The Expires header's seconds, or NOT_SAID; raises Refused."""
    if EXPIRES not in message.kinds:
        return NOT_SAID
    seconds = number(message.value(EXPIRES), LONGEST_EXPIRY)
    if seconds is None:
        raise Refused(400, "Expires parse error")
    return seconds


def read_request(message: Message, rules: Rules) -> Request:
    """What a request (or a reply to one) asks for; raises Refused."""
    for_all = header_expires(message)
    kinds = message.kinds
    first = kinds.find(CONTACT, 1)
    if first < 0:
        return Request([], for_all, False)
    if kinds.find(CONTACT, first + 1) < 0 and kinds[first + 1 : first + 2] != FOLD:
        asked = plain_contact(message, first)
        if asked is not None and len(asked.uri) <= rules.max_contact_len:
            return Request([asked], for_all, False)
    return careful_request(message, for_all, rules)


def plain_contact(message: Message, k: int) -> Asked | None:
    """The contact of a header line with one URI in brackets and at most `;expires=`; None if there is more to it."""
    line = message.line(k)
    lt = line.find("<")
    gt = line.find(">", lt) + 1
    if lt < 0 or gt == 0 or '"' in line or "," in line or line.count("<") > 1:
        return None
    asked = Asked(line[lt + 1 : gt - 1])
    if gt == len(line):
        return asked
    if line.startswith(";expires=", gt) and line.find(";", gt + 1) < 0:
        asked.expires = line[gt + 9 :]
        return asked
    return None


def careful_request(message: Message, for_all: int, rules: Rules) -> Request:
    """See read_request."""
    headers = message.values(CONTACT)
    stars = [value == "*" for value in headers]
    try:
        found = [[] if star else parse_addresses(value) for value, star in zip(headers, stars, strict=True)]
        if any(address.is_star for addresses in found for address in addresses):
            raise SipError(400, "Bad Contact")  # a star in a list
        contacts = [asked_of(str(address)) for addresses in found for address in addresses]
    except SipError:
        raise Refused(400, "Contact parse error") from None
    if any(not star and not addresses for star, addresses in zip(stars, found, strict=True)):
        raise Refused(400, "Contact parse error")
    if stars[0] and for_all != 0:
        raise Refused(400, "* used in contact and expires is not zero")
    if any(stars) and len(headers) > 1:
        raise Refused(400, "* used in contact and more than 1 contact")
    if len(contacts) > MOST_CONTACTS:
        raise Refused(400, "Too many contacts in one request")
    for asked in contacts:
        if len(asked.uri) > rules.max_contact_len or max(len(asked.received), len(asked.instance)) > LONGEST_RECEIVED:
            raise Refused(400, "Contact/received too long")
    return Request(contacts, for_all, stars[0])


def asked_of(text: str) -> Asked:
    """The contact in `text`, with its parameters. Raises SipError(400)."""
    address = parse_address(text)
    asked = Asked(address.uri)
    for name, value in params_of(address.params):
        if value is None:
            continue
        name = name.lower()
        if name == "expires":
            asked.expires = value
        elif name == "q":
            asked.q = value
        elif name == "methods":
            asked.methods = unquoted(value)
        elif name == "received":
            asked.received = unquoted(value)
        elif name == "+sip.instance":
            asked.instance = unquoted(value)
    return asked


def lifetime(asked: Asked, request: Request, rules: Rules, flags: SaveFlags) -> int:
    """For how many seconds the contact is granted; 0: it is not wanted any longer."""
    wanted = request.header_expires
    if asked.expires:
        own = number(asked.expires, LONGEST_EXPIRY)
        wanted = NOT_SAID if own is None else own
    return granted(wanted, rules, flags)


def granted(wanted: int, rules: Rules, flags: SaveFlags) -> int:
    """The same of what the request wants, which may be NOT_SAID."""
    seconds = rules.default_expires if wanted < 0 else wanted
    if seconds == 0:
        return 0
    if rules.max_deviation:
        seconds += random.randint(-rules.max_deviation, rules.max_deviation)
    if seconds < flags.shortest:
        return flags.shortest
    return seconds if seconds <= flags.longest else flags.longest


def q_of(asked: Asked, rules: Rules) -> int:
    """The contact's q in thousandths, or the default; raises Refused."""
    if not asked.q:
        return rules.default_q
    q = branches.q_of(asked.q)
    if q is None:
        raise Refused(400, "Invalid q param in contact")
    return q


def methods_of(asked: Asked) -> int:
    """The methods that the contact's own parameter names; raises Refused."""
    try:
        return methods.bits_of(asked.methods)
    except SipError:
        raise Refused(400, "Message parse error") from None
