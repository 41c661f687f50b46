"""save(): a REGISTER's contacts go into the location table (RFC 3261 section 10.3, OpenSIPS registrar manual).

Facts:
- everything that can be wrong with a request is found before the table is touched, or undoes what was begun: either all
  of its contacts take effect or none (section 10.3, step 7);
- a refused request is answered with what is registered, where the AoR was known by then, and the reason in
  P-Registrar-Error;
- the most contacts of an AoR are counted among the valid ones; `force-registration` makes room by taking the last of
  the list, which is the newest of the lowest q;
- the usual REGISTER has a short way, `serve`: it knows nothing better than the careful one, `serve_carefully`, and
  leaves to it whatever is not plainly right.
"""

from typing import Any, Final, final

from pysips.core.context import Context
from pysips.core.services import RELIABLE, TablesFull
from pysips.core.stats import Counter
from pysips.errors import SipError
from pysips.sip.grammar import PLAIN_URI
from pysips.sip.headers import CALL_ID, CSEQ, REQUIRE, TO
from pysips.sip.message import Message
from pysips.sip.text import split_list
from pysips.sip.uri import parse_uri

from ..usrloc.api import NONE, REPEATED, STALE, Contact, Domain, Location, Work
from .aor import plain_aor
from .asked import Asked, Request, granted, read_request, usual_contact
from .bindings import common_binding, make_bindings, seen_at
from .listing import Gruus, contact_header
from .paths import supports
from .rules import FORCE, NO_REPLY, ONLY_REQUEST, PATH_OFF, Refused, Rules, SaveFlags

OK: Final = 200
LINGER: Final = 10  # seconds that a connection outlives the contacts that came over it
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
class Saver:
    """Does save() for one process. answers: signaling's."""

    __slots__ = ("accepted", "answers", "location", "rejected", "rules")

    def __init__(self, rules: Rules, location: Location, answers: Any, accepted: Counter, rejected: Counter) -> None:
        self.rules: Rules = rules
        self.location: Location = location
        self.answers: Any = answers
        self.accepted: Counter = accepted
        self.rejected: Counter = rejected

    def serve(self, ctx: Context, domain: Domain, flags: SaveFlags, uri: str, tag: str) -> int:
        """Store what the request in `ctx` asks for and answer it: 1, -1 when the answer could not be sent, -2."""
        rules = self.rules
        location = self.location
        now = location.now()
        try:
            asked = usual_contact(ctx.message) if flags.is_usual else None
            if asked is None:
                return self.serve_carefully(ctx, domain, flags, uri, tag)
            to, contact_uri, wanted = asked
            seconds = granted(wanted, rules, flags)
            if seconds == 0 or len(contact_uri) > rules.max_contact_len:
                return self.serve_carefully(ctx, domain, flags, uri, tag)
            aor = plain_aor(uri or to, rules)
            contact = common_binding(ctx, flags, rules, location, tag, now)
            if rules.received_avp:
                contact.received = seen_at(ctx, rules.received_avp)
        except Refused:  # the careful way finds it, too, and says so
            return self.serve_carefully(ctx, domain, flags, uri, tag)
        contact.uri = contact_uri
        contact.expires = now + seconds
        contact.q = rules.default_q
        try:
            contacts = location.register(domain, aor, contact, flags.most)
        except TablesFull as full:
            return self.answer(ctx, flags, self.refused(full, domain, aor, now, None))
        if contacts is None:
            return self.serve_carefully(ctx, domain, flags, uri, tag)
        self.accepted.inc()
        return self.reply(ctx, flags, OK, "OK", contact_header(contacts, now, rules, None), seconds)

    def serve_carefully(self, ctx: Context, domain: Domain, flags: SaveFlags, uri: str, tag: str) -> int:
        """See `serve`."""
        return self.answer(ctx, flags, self.save(ctx, domain, flags, uri, tag))

    def answer(self, ctx: Context, flags: SaveFlags, saved: Saved) -> int:
        """Answer a request once it is stored; see `serve`."""
        return self.reply(ctx, flags, saved.status, saved.reason, self.lines(saved), saved.longest)

    def reply(self, ctx: Context, flags: SaveFlags, status: int, reason: str, lines: str, longest: int) -> int:
        """The same with all that `Saved` says."""
        if self.rules.tcp_flag & ctx.flags and longest and ctx.source.proto in RELIABLE:
            ctx.services.network.keep(ctx.source.connection, longest + LINGER)
        if not flags.bits & NO_REPLY:
            sent: int = self.answers.reply(ctx, status, reason, lines)
            if sent < 0 and status == OK:
                return -1
        return 1 if status == OK else -2

    def lines(self, saved: Saved) -> str:
        """The header lines of a reply: what is registered, and what was wrong."""
        if not saved.info:
            return saved.headers
        text = saved.headers + "P-Registrar-Error: " + saved.info + "\r\n"
        if self.rules.retry_after and saved.status >= 500:
            text += "Retry-After: " + str(self.rules.retry_after) + "\r\n"
        return text

    def save(
        self, ctx: Context, domain: Domain, flags: SaveFlags, uri: str, tag: str, forced: Request | None = None
    ) -> Saved:
        """Store what the request in `ctx` asks for, and tell what to answer.

        uri: the AoR's URI, "" for that of To; tag: an ownership tag; forced: take this for what is asked.
        """
        message = ctx.message
        rules = self.rules
        if flags.rules is not rules:
            flags.settle(rules)
        try:
            check_headers(message)
            request = read_request(message, rules) if forced is None else forced
            aor = plain_aor(uri or to_uri(message), rules)
        except Refused as refused:
            self.rejected.inc()
            return Saved(refused.status, refused.reason, refused.info, refused.headers)
        now = self.location.now()
        gruus = Gruus(aor, now, rules, ctx.source.socket) if rules.gruu and supports(message, "gruu") else None
        path = ""
        longest = 0
        try:
            if request.contacts or request.star:
                common = common_binding(ctx, flags, rules, self.location, tag, now)
                path = common.path
                longest = make_bindings(ctx, request, common, flags, rules)
                contacts = self.change(domain, aor, flags, common, request)
            else:
                contacts = self.stored(domain, aor)
        except SipError as problem:
            return self.refused(problem, domain, aor, now, gruus)
        if flags.bits & ONLY_REQUEST and request.contacts:
            contacts = only_asked(contacts, request)
        saved = Saved(OK, "OK", "", contact_header(contacts, now, rules, gruus))
        saved.longest = longest
        if path and not flags.bits & PATH_OFF and supports(message, "path"):
            saved.headers += "Path: " + path + "\r\n"
        self.accepted.inc()
        return saved

    def stored(self, domain: Domain, aor: str) -> list[Contact]:
        """The contacts of an AoR as they are in the table."""
        record = self.location.read(domain, aor)
        return [] if record is None else record.contacts

    def refused(self, problem: SipError, domain: Domain, aor: str, now: int, gruus: Gruus | None) -> Saved:
        """What to answer when nothing was changed: the problem, and what is registered."""
        self.rejected.inc()
        contacts = contact_header(self.stored(domain, aor), now, self.rules, gruus)
        if isinstance(problem, Refused):
            return Saved(problem.status, problem.reason, problem.info, contacts + problem.headers)
        return Saved(problem.status, problem.reason, "usrloc_contact_insert failed", contacts)

    # -- in the table

    def change(self, domain: Domain, aor: str, flags: SaveFlags, common: Contact, request: Request) -> list[Contact]:
        """Change the AoR as asked, as a whole or not at all; answers all of its contacts. Raises SipError."""
        work = self.location.open(domain, aor, common.modified)
        try:
            if request.star:
                self.remove_all(work, common)
            for asked in request.contacts:
                self.change_one(work, asked, flags, common)
            work.commit()
        except BaseException:
            work.abort()
            raise
        return work.contacts

    def remove_all(self, work: Work, common: Contact) -> None:
        """`Contact: *`; raises Refused for a request that an earlier one overtook (section 10.3, step 6)."""
        for place in range(len(work.contacts)):
            if work.in_order(place, common.callid, common.cseq, self.rules.allow_dup_cseq) == STALE:
                raise Refused(400, "Invalid CSeq number")
        work.clear()

    def change_one(self, work: Work, asked: Asked, flags: SaveFlags, common: Contact) -> None:
        """One contact: add, update or remove it; raises Refused."""
        place = work.find(
            asked.uri, common.callid, common.cseq, self.rules.allow_dup_cseq, flags.matching_mode, flags.matching_param
        )
        contact = asked.contact
        if place == STALE:
            raise Refused(400, "Invalid CSeq number")
        if place == REPEATED or (place == NONE and contact is None):
            return
        if contact is None:
            work.delete(place)
            return
        if len(work.contacts) + int(place == NONE) > flags.most:
            place = self.make_room(work, place, flags.most, flags)
        if place == NONE:
            check_uri(contact.uri)
            work.insert(contact)
            return
        if contact.uri != work.contacts[place].uri:
            check_uri(contact.uri)
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
    if TO not in kinds:
        raise Refused(400, "To header not found")
    if CALL_ID not in kinds:
        raise Refused(400, "Call-ID header not found")
    if CSEQ not in kinds:
        raise Refused(400, "CSeq header not found")
    if REQUIRE in kinds:
        check_require(message)


def check_require(message: Message) -> None:
    """Refuse extensions that we do not have."""
    tags = [tag for value in message.values(REQUIRE) for tag in split_list(value)]
    unknown = [tag for tag in tags if tag and tag.lower() not in UNDERSTOOD]
    if unknown:
        raise Refused(420, "Required extension not supported", "Unsupported: " + ", ".join(unknown) + "\r\n")


def check_uri(uri: str) -> None:
    """Refuse a new contact that no request could be sent to."""
    if PLAIN_URI.fullmatch(uri) is not None:
        return
    try:
        scheme = parse_uri(uri).scheme
    except SipError:
        scheme = ""
    if scheme not in SCHEMES:
        raise Refused(500, "usrloc_contact_insert failed")


def to_uri(message: Message) -> str:
    """The URI of To; raises Refused."""
    line = message.line(message.kinds.find(TO, 1))
    lt = line.find("<") + 1
    gt = line.find(">", lt)
    if lt > 0 and gt > 0 and '"' not in line:
        return line[lt:gt]
    try:
        return message.address(TO).uri
    except SipError:
        raise Refused(400, "Error while parsing AOR") from None


def to_uri_of(message: Message) -> str:
    """The URI of To; "" for a message without a good one."""
    try:
        return to_uri(message) if TO in message.kinds else ""
    except SipError:
        return ""


def only_asked(contacts: list[Contact], request: Request) -> list[Contact]:
    """Those contacts that the request itself named, in its order."""
    found: list[Contact] = []
    for asked in request.contacts:
        for contact in contacts:
            if contact.uri == asked.uri:
                found.append(contact)
                break
    return found
