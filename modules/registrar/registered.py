"""Questions to the location table: is_registered() and its kin (OpenSIPS registrar manual).

Without an AoR they ask for that of From, in a REGISTER for that of To. An expired contact does not count for
is_registered(); the others look at everything that is stored, as OpenSIPS does.
"""

import ipaddress

from pysips.core.avps import values_of
from pysips.core.context import Context
from pysips.core.exports import Value, Var, number_of, text_of
from pysips.core.log import log
from pysips.errors import SipError
from pysips.sip.headers import FROM
from pysips.sip.uri import parse_uri

from ..usrloc.api import Contact, Domain, Location, Record
from .aor import plain_aor
from .asked import lifetime, read_request
from .rules import Refused, Rules, SaveFlags
from .save import to_uri_of

NO_FLAGS = SaveFlags()
YES = 1
NO = -1
FAILED = -2


class Questions:
    """Answers them for one process."""

    def __init__(self, rules: Rules, location: Location) -> None:
        self.rules = rules
        self.location = location

    def record(self, ctx: Context, domain: Domain, uri: str) -> Record | None:
        """The record that is asked about; raises Refused if its AoR cannot be told."""
        return self.location.read(domain, plain_aor(self.uri(ctx, uri), self.rules))

    def uri(self, ctx: Context, uri: str) -> str:
        """The URI of the AoR that is asked about; "" if it cannot be told, which stands for no AoR."""
        if uri:
            return uri
        if ctx.message.method == "REGISTER":
            return to_uri_of(ctx.message)
        try:
            return ctx.message.address(FROM).uri
        except SipError:
            return ""

    def is_registered(self, ctx: Context, domain: Domain, uri: str) -> int:
        """YES if the AoR has a valid contact. The first one's attribute goes into `attr_avp`."""
        try:
            record = self.record(ctx, domain, uri)
        except Refused as refused:
            return failed("is_registered", refused, NO)
        now = self.location.now()
        for contact in record.contacts if record is not None else ():
            if contact.is_valid(now):
                if self.rules.attr_avp:
                    ctx.avps.setdefault(self.rules.attr_avp, []).insert(0, contact.attr)
                return YES
        return NO

    def is_contact_registered(self, ctx: Context, domain: Domain, uri: str, contact: str, callid: str) -> int:
        """YES if the AoR has that contact, that Call-ID, or both in one; neither: the request's first contact."""
        try:
            record = self.record(ctx, domain, uri)
            if not contact and not callid:
                contact = self.first_contact(ctx)
        except Refused as refused:
            return failed("is_contact_registered", refused, NO)
        if record is None or not (contact or callid):
            return NO
        found = any(
            (not contact or one.uri == contact) and (not callid or one.callid == callid) for one in record.contacts
        )
        return YES if found else NO

    def first_contact(self, ctx: Context) -> str:
        """The URI of the first contact of the request that is not being removed; "" without one. Raises Refused."""
        request = read_request(ctx.message, self.rules)
        for asked in request.contacts:
            if lifetime(asked, request, self.rules, NO_FLAGS):
                return asked.uri
        return ""

    def is_ip_registered(self, ctx: Context, domain: Domain, uri: str, address: Var, port: Var | None) -> int:
        """YES if a contact of the AoR is at one of the addresses (and, if given, at the port that goes with it)."""
        try:
            record = self.record(ctx, domain, uri)
        except Refused as refused:
            return failed("is_ip_registered", refused, FAILED)
        wanted = places(values_of(ctx, address), values_of(ctx, port) if port is not None else [])
        for contact in record.contacts if record is not None else ():
            where = place_of(contact)
            if where is not None and any(host == where[0] and number in (0, where[1]) for host, number in wanted):
                return YES
        return NO


def failed(function: str, refused: Refused, code: int) -> int:
    """Log why a question could not be answered."""
    log.error("registrar", f"{function}: {refused.info}")
    return code


def places(addresses: list[Value], ports: list[Value]) -> list[tuple[str, int]]:
    """The addresses in their one spelling, each with its port; 0 for any."""
    found = []
    for at, value in enumerate(addresses):
        host = one_spelling(text_of(value) or "")
        port = number_of(ports[at]) if at < len(ports) else 0
        if host:
            found.append((host, port or 0))
    return found


def place_of(contact: Contact) -> tuple[str, int] | None:
    """Where a contact is: address and port; None if it has no numeric one."""
    try:
        uri = parse_uri(contact.received or contact.uri)
    except SipError:
        return None
    host = one_spelling(uri.host)
    return (host, uri.port or (5061 if uri.scheme == "sips" else 5060)) if host else None


def one_spelling(host: str) -> str:
    """A numeric address as it is usually written; "" for anything else."""
    try:
        return str(ipaddress.ip_address(host.strip("[] ")))
    except ValueError:
        return ""
