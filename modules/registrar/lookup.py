"""lookup(): where a user's phones are (RFC 3261 section 16.5, OpenSIPS registrar manual).

Facts:
- the first contact becomes the Request-URI, the others branches, in the order of the record: by falling q;
- the next hop is the first URI of the contact's Path, or else where it was `received`, or the URI itself;
- q, branch flags and the sending socket come with the contact;
- a contact is called only while it is valid, and only if it has the request's method where that is asked for;
- in a federation, with `global`, each other site where the AoR is at home follows: as a branch with the AoR for its
  Request-URI and the site's SIP address for its next hop, without anything of a local contact, from the socket of our
  own SIP address. The site that the request came from is left out, or calls would go round.
"""

from typing import Final, final

from pysips.core.branches import Branch, append
from pysips.core.context import Context
from pysips.core.exports import Value
from pysips.core.forward import first_uri
from pysips.core.log import log
from pysips.core.services import Socket
from pysips.core.stats import Counter
from pysips.sip.uri import escaped_user

from ..usrloc.api import Contact, Domain, Homes, Location, place_of, uri_of
from . import methods
from .aor import Aor, aor_of
from .rules import (
    BRANCH,
    METHOD_FILTER,
    NO_BRANCHES,
    SORT_BY_LATENCY,
    TO_BRANCHES_ONLY,
    LookupFlags,
    Refused,
    Rules,
)

FOUND: Final = 1
NOT_FOUND: Final = -1
NO_METHOD: Final = -2
FAILED: Final = -3


@final
class Finder:
    """Does lookup() for one process. homes: other sites, None outside of a federation; dropped: branches too many."""

    __slots__ = ("dropped", "homes", "location", "rules")

    def __init__(self, rules: Rules, location: Location, dropped: Counter, homes: Homes | None = None) -> None:
        self.rules: Rules = rules
        self.location: Location = location
        self.dropped: Counter = dropped
        self.homes: Homes | None = homes

    def lookup(
        self, ctx: Context, domain: Domain, flags: LookupFlags, uri: str, sites: dict[str, list[str]] | None = None
    ) -> int:
        """Send the request to the contacts of an AoR: FOUND, NOT_FOUND, NO_METHOD or FAILED.

        uri: the AoR's, "" for the Request-URI; sites: where else each AoR is at home, by its name.
        """
        bits = flags.bits
        forced = ctx.send_socket
        wanted = [uri or ctx.request_uri()]
        if bits & BRANCH:
            wanted += [branch.uri for branch in ctx.branches]
            ctx.branches = []
        result = NOT_FOUND
        is_set = bits & TO_BRANCHES_ONLY != 0
        for each in wanted:
            try:
                aor = aor_of(each, self.rules)
            except Refused as refused:
                log.error("registrar", f"lookup: {refused.info}: {each}")
                return FAILED
            code = self.expand(ctx, domain, flags, aor, is_set)
            if sites and not (code == FOUND and bits & NO_BRANCHES):
                others = self.remote(ctx, flags, aor, sites.get(aor.name, []), is_set or code == FOUND, forced)
                code = FOUND if others else code
            if code == FOUND:
                result = FOUND
                is_set = True
                if bits & NO_BRANCHES:
                    break
            elif result != FOUND and code < result:
                result = code
        return result

    def expand(self, ctx: Context, domain: Domain, flags: LookupFlags, aor: Aor, is_set: bool) -> int:
        """Add the contacts of one AoR; is_set: the Request-URI stays as it is."""
        record = self.location.read(domain, aor.name)
        if record is None:
            return NOT_FOUND
        now = self.location.now()
        contacts: list[Contact] = []
        code = self.select(ctx, flags, aor, record.contacts, now, contacts)
        if flags.bits & SORT_BY_LATENCY:
            contacts.sort(key=by_latency)
        for contact in contacts:
            if is_set:
                self.add(ctx, contact)
            else:
                self.put(ctx, contact)
                is_set = True
            if flags.bits & NO_BRANCHES:
                break
        return code

    def select(
        self, ctx: Context, flags: LookupFlags, aor: Aor, stored: list[Contact], now: int, contacts: list[Contact]
    ) -> int:
        """Put the contacts that may be called into `contacts`; answers FOUND, NOT_FOUND or NO_METHOD."""
        bits = flags.bits
        method = methods.BITS.get(ctx.message.method, methods.OTHER) if bits & METHOD_FILTER else 0
        code = NOT_FOUND
        for contact in stored:
            if contact.expires and contact.expires <= now:
                continue
            if method and not contact.methods & method:
                if code == NOT_FOUND:
                    code = NO_METHOD
                continue
            if flags.user_agent is not None and not flags.user_agent.matches(contact.user_agent):
                code = NOT_FOUND if code == NO_METHOD else code
                continue
            if flags.max_latency and contact.latency > flags.max_latency:
                continue
            if aor.instance:
                if contact.instance[1:-1] != aor.instance:
                    continue
                if aor.callid and (contact.callid != aor.callid or is_outdated(contact, stored, now)):
                    continue
            code = FOUND
            contacts.append(contact)
            if aor.instance:
                break
        return code

    def put(self, ctx: Context, contact: Contact) -> None:
        """Make a contact the request's own target."""
        ctx.set_uri(contact.uri)
        if contact.path:
            ctx.path = contact.path
            ctx.dst = first_uri(contact.path)
        elif contact.received:
            ctx.dst = contact.received
        ctx.q = contact.q
        ctx.bflags |= contact.cflags
        if contact.socket:
            socket = self.location.socket(contact.socket)
            if socket is not None:
                ctx.send_socket = socket
        if self.rules.attr_avp:
            ctx.attributes = self.attributes(ctx, contact, ctx.attributes)

    def add(self, ctx: Context, contact: Contact) -> None:
        """Make a contact one more branch."""
        dst = first_uri(contact.path) if contact.path else contact.received
        socket = self.location.socket(contact.socket) if contact.socket else None
        branch = Branch(contact.uri, dst, contact.path, contact.q, contact.cflags, socket)
        if self.rules.attr_avp:
            branch.attributes = self.attributes(ctx, contact, None)
        self.append(ctx, branch)

    def remote(
        self, ctx: Context, flags: LookupFlags, aor: Aor, homes: list[str], is_set: bool, forced: Socket | None
    ) -> int:
        """Add other sites; answers how many. forced: the socket that the script wants, None for ours of the site."""
        user, at, host = aor.name.rpartition("@")
        uri = "sip:" + (escaped_user(user) + "@" + host if at else host)
        socket = forced
        if socket is None and self.homes is not None:
            socket = self.homes.socket()
        added = 0
        for home in homes:
            if is_source(ctx, home):
                continue
            dst = uri_of(home)
            if is_set:
                self.append(ctx, Branch(uri, dst, socket=socket))
            else:
                ctx.set_uri(uri)
                ctx.dst = dst
                ctx.path = ""
                ctx.send_socket = socket
                is_set = True
            added += 1
            if flags.bits & NO_BRANCHES:
                break
        return added

    def append(self, ctx: Context, branch: Branch) -> None:
        """One more branch, as long as there is room."""
        if append(ctx, branch):
            return
        self.dropped.inc()
        if log.limited("registrar:room", 1.0):
            log.warn("registrar", f"lookup: no room for another branch, {branch.dst or branch.uri} is not called")

    def attributes(self, ctx: Context, contact: Contact, attributes: dict[str, Value] | None) -> dict[str, Value]:
        """A branch's attributes with the contact's own; the AVP gets it too, as its last value (up to OpenSIPS 3.6)."""
        name = self.rules.attr_avp
        ctx.avps.setdefault(name, []).insert(0, contact.attr)
        made = {} if attributes is None else attributes
        made[name] = contact.attr
        return made


def is_source(ctx: Context, home: str) -> bool:
    """Whether a request came from that site. Its port counts only if the site's address names one, and over UDP."""
    host, port = place_of(home)
    source = ctx.source
    return host == source.host and (port in (0, source.port) or source.proto != "udp")


def by_latency(contact: Contact) -> tuple[bool, int]:
    """The quickest first, unknown ones last."""
    return contact.latency == 0, contact.latency


def is_outdated(contact: Contact, contacts: list[Contact], now: int) -> bool:
    """Whether a temporary GRUU of this contact is over: the phone registered anew (RFC 5627 section 5.4)."""
    for other in contacts:
        if other.is_valid(now) and other.instance == contact.instance and other.modified > contact.modified:
            return True
    return False
