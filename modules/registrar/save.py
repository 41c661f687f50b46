"""save(): a REGISTER's contacts go into the location table (RFC 3261 section 10.3, OpenSIPS registrar manual).

Facts:
- everything that can be wrong with a request is found before the table is touched, or undoes what was begun: either all
  of its contacts take effect or none (section 10.3, step 7);
- a refused request is answered with what is registered, where the AoR was known by then, and the reason in
  P-Registrar-Error;
- the most contacts of an AoR are counted among the valid ones; `force-registration` makes room by taking the last of
  the list, which is the newest of the lowest q.
"""

from typing import Final, final

from pysips.core.context import Context
from pysips.core.exports import text_of
from pysips.core.services import Socket
from pysips.errors import SipError
from pysips.sip.headers import ALLOW, CALL_ID, CSEQ, REQUIRE, TO, USER_AGENT
from pysips.sip.message import Message
from pysips.sip.text import split_list

from ..usrloc.api import MEMORY_ONLY as STORED_IN_MEMORY
from ..usrloc.api import NONE, REPEATED, STALE, Contact, Domain, Location, Work
from . import methods
from .aor import octets, plain_aor
from .asked import LONGEST_RECEIVED, Asked, Request, lifetime, methods_of, q_of, read_request
from .listing import Listing
from .paths import path_of, supports
from .rules import (
    FORCE,
    MEMORY_ONLY,
    ONLY_REQUEST,
    PATH,
    PATH_OFF,
    SOCKET_HEADER,
    UNSET,
    Refused,
    Rules,
    SaveFlags,
)

LONGEST_CALLID: Final = 255
LONGEST_USER_AGENT: Final = 254
NO_USER_AGENT: Final = "n/a"
SCHEMES: Final = ("sip", "sips", "tel", "urn")
UNDERSTOOD: Final = ("path", "gruu")  # what a Require may ask of a registrar


@final
class Saved:
    """How a save() went. status: of the reply; info: the P-Registrar-Error, or ""; headers: lines of the reply.

    longest: the longest lifetime of this request's contacts, seconds.
    """

    __slots__ = ("headers", "info", "longest", "reason", "status")

    def __init__(self, status: int, reason: str, info: str, headers: str) -> None:
        self.status: int = status
        self.reason: str = reason
        self.info: str = info
        self.headers: str = headers
        self.longest: int = 0


@final
class Facts:
    """What all contacts of one request share; see usrloc's Contact. from_path: `received`, as the Path has it."""

    __slots__ = (
        "allow", "attr", "callid", "cflags", "cseq", "flags", "from_path", "path", "received", "socket", "tag",
        "user_agent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.callid: str = ""
        self.cseq: int = 0
        self.user_agent: str = NO_USER_AGENT
        self.socket: str = ""
        self.cflags: int = 0
        self.flags: int = 0
        self.allow: int = methods.ALL
        self.path: str = ""
        self.from_path: str = ""
        self.received: str = ""
        self.attr: str = ""
        self.tag: str = ""


@final
class Saver:
    """Does save() for one process."""

    __slots__ = ("location", "rules")

    def __init__(self, rules: Rules, location: Location) -> None:
        self.rules: Rules = rules
        self.location: Location = location

    def save(
        self, ctx: Context, domain: Domain, flags: SaveFlags, uri: str, tag: str, forced: Request | None = None
    ) -> Saved:
        """Store what the request in `ctx` asks for, and tell what to answer.

        uri: the AoR's URI, "" for that of To; tag: an ownership tag; forced: take this for what is asked.
        """
        message = ctx.message
        rules = self.rules
        try:
            check_headers(message)
            request = read_request(message, rules) if forced is None else forced
            aor = plain_aor(uri or to_uri(message), rules)
        except Refused as refused:
            return Saved(refused.status, refused.reason, refused.info, refused.headers)
        listing = Listing(rules, aor, self.location.now(), rules.gruu and supports(message, "gruu"), ctx.source.socket)
        if not request.contacts and not request.star:
            record = self.location.read(domain, aor)
            return Saved(200, "OK", "", listing.header(record.contacts) if record is not None else "")
        try:
            facts = self.facts_of(ctx, flags, tag)
            longest = self.prepare(request, facts, flags, listing.now)
            contacts = self.change(domain, aor, flags, facts, request)
        except SipError as problem:
            return self.refusal(domain, aor, listing, problem)
        if flags.bits & ONLY_REQUEST:
            contacts = only_asked(contacts, request)
        saved = Saved(200, "OK", "", listing.header(contacts))
        saved.longest = longest
        if facts.path and not flags.bits & PATH_OFF and supports(message, "path"):
            saved.headers += "Path: " + facts.path + "\r\n"
        return saved

    def refusal(self, domain: Domain, aor: str, listing: Listing, problem: SipError) -> Saved:
        """What to answer when nothing was changed."""
        info = "usrloc_contact_insert failed"
        headers = ""
        if isinstance(problem, Refused):
            info = problem.info
            headers = problem.headers
        record = self.location.read(domain, aor)
        if record is not None:
            headers = listing.header(record.contacts) + headers
        return Saved(problem.status, problem.reason, info, headers)

    # -- before the table

    def facts_of(self, ctx: Context, flags: SaveFlags, tag: str) -> Facts:
        """What all contacts of the request share; raises Refused."""
        message = ctx.message
        rules = self.rules
        kinds = message.kinds
        facts = Facts()
        facts.callid = message.call_id()
        if len(facts.callid) > LONGEST_CALLID:
            raise Refused(400, "Callid too long")
        try:
            facts.cseq = message.cseq()[0]
        except SipError:
            raise Refused(400, "Invalid CSeq number") from None
        if kinds.find(USER_AGENT, 1) > 0:
            user_agent = message.value(USER_AGENT)
            if user_agent and len(user_agent) <= LONGEST_USER_AGENT:
                facts.user_agent = user_agent
        if kinds.find(ALLOW, 1) > 0:
            facts.allow = methods.allowed(message.values(ALLOW))
        facts.socket = ctx.source.socket.name
        facts.cflags = ctx.bflags
        facts.tag = tag
        bits = flags.bits
        if bits:
            self.facts_by_flags(ctx, bits, facts)
        if rules.received_avp:
            facts.received = avp_text(ctx, rules.received_avp)
            if len(facts.received) > LONGEST_RECEIVED:
                raise Refused(400, "Contact/received too long")
        if rules.attr_avp:
            facts.attr = avp_text(ctx, rules.attr_avp)
        return facts

    def facts_by_flags(self, ctx: Context, bits: int, facts: Facts) -> None:
        """What the flags of save() add; raises Refused."""
        if bits & MEMORY_ONLY:
            facts.flags = STORED_IN_MEMORY
        if bits & PATH:
            facts.path, facts.from_path = path_of(ctx.message, bits)
            if facts.from_path:
                facts.cflags |= self.rules.nat_bflag
        if bits & SOCKET_HEADER:
            socket = self.named_socket(ctx.message)
            if socket is not None:
                facts.socket = socket.name

    def named_socket(self, message: Message) -> Socket | None:
        """Our socket that `sock_hdr_name` names; None without the header, or if it is not ours."""
        value = message.header(self.rules.sock_header) if self.rules.sock_header else None
        return self.location.socket(value.strip().lower()) if value else None

    def prepare(self, request: Request, facts: Facts, flags: SaveFlags, now: int) -> int:
        """Make each contact as it shall be stored; answers the longest lifetime, seconds. Raises Refused."""
        longest = 0
        for asked in request.contacts:
            seconds = lifetime(asked, request, self.rules, flags)
            if seconds == 0:
                continue
            colon = asked.uri.find(":")
            if colon < 0 or asked.uri[:colon].lower() not in SCHEMES:
                raise Refused(500, "usrloc_contact_insert failed")
            asked.contact = Contact(
                asked.uri, 0, now + seconds, now, facts.callid, facts.cseq, facts.user_agent, facts.socket,
                q_of(asked, self.rules), facts.cflags, methods_of(asked, facts.allow), facts.flags,
                facts.from_path or asked.received or facts.received, facts.path, asked.instance, facts.attr, 0,
                facts.tag,
            )  # fmt: skip
            if seconds > longest:
                longest = seconds
        return longest

    # -- in the table

    def change(self, domain: Domain, aor: str, flags: SaveFlags, facts: Facts, request: Request) -> list[Contact]:
        """Change the AoR as asked, as a whole or not at all; answers all of its contacts. Raises SipError."""
        work = self.location.open(domain, aor)
        try:
            if request.star:
                self.remove_all(work, facts)
            for asked in request.contacts:
                self.change_one(work, asked, flags, facts)
            work.commit()
        except BaseException:
            work.abort()
            raise
        return work.contacts

    def remove_all(self, work: Work, facts: Facts) -> None:
        """`Contact: *`; raises Refused for a request that an earlier one overtook (section 10.3, step 6)."""
        for place in range(len(work.contacts)):
            if work.in_order(place, facts.callid, facts.cseq, self.rules.allow_dup_cseq) == STALE:
                raise Refused(400, "Invalid CSeq number")
        work.clear()

    def change_one(self, work: Work, asked: Asked, flags: SaveFlags, facts: Facts) -> None:
        """One contact: add, update or remove it; raises Refused."""
        place = work.find(
            asked.uri, facts.callid, facts.cseq, self.rules.allow_dup_cseq, flags.matching_mode, flags.matching_param
        )
        contact = asked.contact
        if place == STALE:
            raise Refused(400, "Invalid CSeq number")
        if place == REPEATED or (place == NONE and contact is None):
            return
        if contact is None:
            work.delete(place)
            return
        most = self.rules.max_contacts if flags.max_contacts == UNSET else flags.max_contacts
        if most:
            place = self.make_room(work, place, most, flags)
        if place == NONE:
            work.insert(contact)
        else:
            work.replace(place, contact)

    def make_room(self, work: Work, place: int, most: int, flags: SaveFlags) -> int:
        """See that there may be one contact more, or that the one at `place` may be valid again.

        Answers where that one is then; raises Refused if there is no room and none may be made.
        """
        now = work.now
        others = [at for at, contact in enumerate(work.contacts) if at != place and contact.is_valid(now)]
        while len(others) >= most:
            if not flags.bits & FORCE:
                raise Refused(503, "Too many registered contacts")
            last = others.pop()
            work.delete(last)
            if last < place:
                place -= 1
        return place


def check_headers(message: Message) -> None:
    """Refuse what lacks the headers of a REGISTER, or requires what we do not understand (RFC 3261 section 8.2.2.3)."""
    kinds = message.kinds
    if kinds.find(TO, 1) < 0:
        raise Refused(400, "To header not found")
    if kinds.find(CALL_ID, 1) < 0:
        raise Refused(400, "Call-ID header not found")
    if kinds.find(CSEQ, 1) < 0:
        raise Refused(400, "CSeq header not found")
    if kinds.find(REQUIRE, 1) < 0:
        return
    tags = [tag for value in message.values(REQUIRE) for tag in split_list(value)]
    unknown = [tag for tag in tags if tag and tag.lower() not in UNDERSTOOD]
    if unknown:
        raise Refused(420, "Required extension not supported", "Unsupported: " + ", ".join(unknown) + "\r\n")


def to_uri(message: Message) -> str:
    """The URI of To; raises Refused."""
    text = message.text
    k = message.kinds.find(TO, 1)
    a = message.starts[k]
    b = message.line_end(k)
    lt = text.find("<", a, b)
    gt = text.find(">", lt, b)
    if lt > 0 and gt > 0 and text.find('"', a, lt) < 0:
        return text[lt + 1 : gt]
    try:
        return message.address(TO).uri
    except SipError:
        raise Refused(400, "Error while parsing AOR") from None


def avp_text(ctx: Context, name: str) -> str:
    """The newest value of an AVP as text; "" without one."""
    values = ctx.avps.get(name)
    return (text_of(values[-1]) or "") if values else ""


def only_asked(contacts: list[Contact], request: Request) -> list[Contact]:
    """Those contacts that the request itself named, in its order."""
    found: list[Contact] = []
    for asked in request.contacts:
        for contact in contacts:
            if contact.uri == asked.uri:
                found.append(contact)
                break
    return found


__all__ = ["Facts", "Saved", "Saver", "avp_text", "check_headers", "octets", "only_asked", "to_uri"]
