"""save() in an onreply_route: we stand before another registrar, and keep what it granted (OpenSIPS registrar manual).

The contact of the REGISTER is stored for as long as the upstream's 200 says. `mcontact_avp` has the contact as the
script sent it upstream; where the reply names that one, the phone gets its own back.
"""

from pysips.core.context import Context
from pysips.core.log import log
from pysips.errors import SipError
from pysips.sip.address import Address, address_at
from pysips.sip.headers import CONTACT
from pysips.sip.message import Message
from pysips.sip.text import list_spans, number
from pysips.sip.uri import equal

from ..usrloc.api import Domain
from .asked import LONGEST_EXPIRY, Asked, Request, lifetime, read_request
from .bindings import avp_text
from .rules import Refused, SaveFlags
from .save import Saver, check_headers


def save(saver: Saver, ctx: Context, domain: Domain, flags: SaveFlags, uri: str, tag: str) -> int:
    """Store what the reply in `ctx` grants to its request: 1; -1 without a transaction or for a broken message, -2."""
    asking = ctx.request
    if asking is None:
        log.error("registrar", "save() on a reply needs the transaction of its REGISTER")
        return -1
    try:
        check_headers(asking.message)
        request = read_request(asking.message, saver.rules)
        granted = addresses(ctx.message)
    except (Refused, SipError):
        return -1
    if not request.contacts and not request.star:
        return 1
    forced = None
    if request.contacts:
        first = request.contacts[0]
        sent = avp_text(ctx, saver.rules.mcontact_avp) if saver.rules.mcontact_avp else ""
        forced = granted_binding(first, sent or first.uri, granted)
        if sent:
            give_back(ctx, sent, first.uri, granted)
        if forced is None and lifetime(first, request, saver.rules, flags):
            log.info("registrar", "the reply does not name the contact, what was asked for is stored")
    saved = saver.save(asking, domain, flags, uri, tag, forced)
    return 1 if saved.status == 200 else -2


def addresses(message: Message) -> list[Address]:
    """The contacts of a message, each with its place in the whole text. Raises SipError(400)."""
    found = []
    k = message.kinds.find(CONTACT, 1)
    while k > 0:
        spans = list_spans(message.text, *message.value_span(k))
        found += [address_at(message.text, a, b) for a, b in spans if a < b]
        k = message.kinds.find(CONTACT, k + 1)
    return found


def granted_binding(first: Asked, sent: str, granted: list[Address]) -> Request | None:
    """The request's first contact with the lifetime that the reply gives it; None if the reply does not name it."""
    for address in granted:
        expires = address.param("expires")
        if expires and equal(address.uri, sent):
            if number(expires, LONGEST_EXPIRY) is None:
                return None
            made = Asked(first.uri)
            made.expires, made.q, made.methods = expires, first.q, first.methods
            made.instance, made.received = first.instance, first.received
            return Request([made], 0, False)
    return None


def give_back(ctx: Context, sent: str, original: str, granted: list[Address]) -> None:
    """Write the phone's own contact in the place of the one that was sent upstream."""
    for address in granted:
        if equal(address.uri, sent):
            ctx.edits.replace(address.uri_a, address.uri_a + len(address.uri), original)
