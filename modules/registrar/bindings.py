"""The bindings that a request makes: what it asks for, with all that is known of who asks.

Facts:
- the Call-ID, CSeq, User-Agent, Path and so on of a request are those of all its contacts, so one contact is made of
  them first, and the others are its copies;
- where a phone was seen: what the Path says comes before the contact's own `received`, and that before `received_avp`.
"""

from copy import copy
from typing import Final

from pysips.core.context import Context
from pysips.core.exports import text_of
from pysips.core.services import Socket
from pysips.errors import SipError
from pysips.sip.headers import ALLOW, USER_AGENT
from pysips.sip.message import Message
from pysips.sip.rewrite import is_one_line

from ..usrloc.api import MEMORY_ONLY as STORED_IN_MEMORY
from ..usrloc.api import Contact, Location
from . import methods
from .asked import LONGEST_RECEIVED, Request, lifetime, methods_of, q_of
from .paths import path_of
from .rules import MEMORY_ONLY, PATH, SOCKET_HEADER, Refused, Rules, SaveFlags

LONGEST_CALLID: Final = 255
LONGEST_USER_AGENT: Final = 254
NO_USER_AGENT: Final = "n/a"


def common_binding(ctx: Context, flags: SaveFlags, rules: Rules, location: Location, tag: str, now: int) -> Contact:
    """What all contacts of the request in `ctx` share, without a URI and a lifetime; raises Refused."""
    message = ctx.message
    kinds = message.kinds
    callid = message.call_id()
    if len(callid) > LONGEST_CALLID:
        raise Refused(400, "Callid too long")
    try:
        cseq = message.cseq()[0]
    except SipError:
        raise Refused(400, "Invalid CSeq number") from None
    user_agent = ""
    if USER_AGENT in kinds:
        match = message.match
        user_agent = message.value(USER_AGENT) if match is None else match["user_agent"]
    if not user_agent or len(user_agent) > LONGEST_USER_AGENT:
        user_agent = NO_USER_AGENT
    made = Contact("", 0, 0, now, callid, cseq, user_agent, ctx.source.socket.name, -1, ctx.bflags)
    if ALLOW in kinds:
        made.methods = methods.allowed(message.values(ALLOW))
    if tag:
        made.tag = tag
    if flags.bits:
        apply_flags(made, message, flags.bits, rules, location)
    if rules.attr_avp:
        made.attr = avp_text(ctx, rules.attr_avp)
    return made


def apply_flags(made: Contact, message: Message, bits: int, rules: Rules, location: Location) -> None:
    """What the flags of save() add; raises Refused."""
    if bits & MEMORY_ONLY:
        made.flags = STORED_IN_MEMORY
    if bits & PATH:
        made.path, made.received = path_of(message, bits)
        if made.received:
            made.cflags |= rules.nat_bflag
    if bits & SOCKET_HEADER:
        socket = named_socket(message, rules, location)
        if socket is not None:
            made.socket = socket.name


def named_socket(message: Message, rules: Rules, location: Location) -> Socket | None:
    """Our socket that `sock_hdr_name` names; None without the header, or if it is not ours."""
    value = message.header(rules.sock_header) if rules.sock_header else None
    return location.socket(value.strip().lower()) if value else None


def make_bindings(ctx: Context, request: Request, common: Contact, flags: SaveFlags, rules: Rules) -> int:
    """Make each contact as it shall be stored; answers the longest lifetime, seconds. Raises Refused."""
    longest = 0
    seen = seen_at(ctx, rules.received_avp) if rules.received_avp else ""
    for asked in request.contacts:
        seconds = lifetime(asked, request, rules, flags)
        if seconds == 0:
            continue
        made: Contact = copy(common) if len(request.contacts) > 1 else common
        made.uri = asked.uri
        made.expires = made.modified + seconds
        made.q = q_of(asked, rules)
        made.received = common.received or asked.received or seen
        made.instance = asked.instance
        if asked.methods:
            made.methods = methods_of(asked)
        asked.contact = made
        if seconds > longest:
            longest = seconds
    return longest


def seen_at(ctx: Context, name: str) -> str:
    """Where the script says in an AVP that the phone was seen; raises Refused."""
    seen = avp_text(ctx, name)
    if len(seen) > LONGEST_RECEIVED or not is_one_line(seen):
        raise Refused(400, "Contact/received too long")
    return seen


def avp_text(ctx: Context, name: str) -> str:
    """The newest value of an AVP as text; "" without one."""
    values = ctx.avps.get(name)
    return (text_of(values[-1]) or "") if values else ""
