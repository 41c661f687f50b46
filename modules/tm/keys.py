"""What names a transaction and a dialog (RFC 3261 section 17.2.3)."""

from pysips.core.answer import POSITIVE
from pysips.errors import SipError
from pysips.sip.headers import CALL_ID, FROM, TO, VIA
from pysips.sip.message import Message
from pysips.sip.via import COOKIE, ViaFacts

from .settings import Settings


def request_key(message: Message, settings: Settings) -> str:
    """What names a transaction, but for the method (section 17.2.3): branch and sent-by, or what RFC 2543 had instead.

    Raises SipError(400) for a request that lacks what it takes.
    """
    known = message.via
    if known is not None:
        return message.branch() + " " + known.sent_by + " "
    return careful_key(message, settings)


def careful_key(message: Message, settings: Settings) -> str:
    """The same for a Via that is not known, and for clients of RFC 2543."""
    via = message.top_via()
    branch = via.branch
    if branch.startswith(COOKIE):
        return branch + " " + ViaFacts(via).sent_by + " "
    key = message.call_id() + " " + str(message.cseq()[0]) + " " + message.from_tag() + " "
    if settings.ruri_matching:
        key += message.uri + " "
    if settings.via1_matching:
        a, b = message.top_via_span()
        key += message.text[a:b] + " "
    return key


def branch_stem(prefix: str, key: str) -> str:
    """The branch parameters that we make for a transaction, up to their number: the same in every process."""
    return COOKIE + prefix + str(hash(key) & POSITIVE) + "."


def dialog_key(message: Message) -> str:
    """What an INVITE and the ACK of its 2xx have in common: Call-ID and CSeq number."""
    return message.call_id() + " " + str(message.cseq()[0])


def complete(message: Message) -> bool:
    """Whether a request has the headers without which there is no transaction: Via, From, To, Call-ID, CSeq."""
    if message.via is not None:
        return True  # only the checks set it, when they have seen all of these
    kinds = message.kinds
    if kinds.find(VIA, 1) < 0 or kinds.find(FROM, 1) < 0 or kinds.find(TO, 1) < 0 or kinds.find(CALL_ID, 1) < 0:
        return False
    try:
        message.cseq()
    except SipError:
        return False
    return True
