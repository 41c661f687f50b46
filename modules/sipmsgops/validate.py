"""sipmsg_validate: is a message as RFC 3261 wants it (OpenSIPS manual: sipmsgops; the same answers).

Letters: s look at SDP, h at every header, m leave Max-Forwards alone, r look at the Request-URI, t at To, f at From,
c at Contact.
"""

from dataclasses import dataclass
from typing import Final

from pysips.core.context import Context
from pysips.errors import SipError
from pysips.sip import validate
from pysips.sip.address import parse_address, parse_addresses
from pysips.sip.headers import (
    CALL_ID,
    CONTACT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CSEQ,
    EXPIRES,
    FROM,
    MAX_FORWARDS,
    PATH,
    TO,
    VIA,
)  # fmt: skip
from pysips.sip.message import Message
from pysips.sip.parts import SDP, mime_of
from pysips.sip.uri import parse_uri

WITH_CONTACT: Final = frozenset(("INVITE", "REGISTER", "UPDATE", "SUBSCRIBE", "REFER"))
NEEDED_BY_STATUS: Final = {  # status → (header, answer)
    405: ("Allow", -16), 407: ("Proxy-Authenticate", -18), 420: ("Unsupported", -19), 401: ("WWW-Authenticate", -20),
}  # fmt: skip
USER_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/%"
)  # RFC 3261 section 25.1: user, escapes included


@dataclass
class Invalid(Exception):
    """What is wrong, and the answer that says so."""

    code: int
    reason: str


def answer(ctx: Context, flags: str) -> Invalid | None:
    """What is wrong with a message; None if nothing is."""
    try:
        check(ctx.message, flags.lower(), ctx.source.proto)
    except Invalid as found:
        return found
    return None


def check(message: Message, flags: str, proto: str) -> None:
    """Raises Invalid for the first thing that is wrong."""
    strict = message.via is not None  # then the checks before the script have found all that is needed
    if not strict:
        need(message, CALL_ID, -3, "message doesn't have callid")
    if proto != "udp" and message.kinds.find(CONTENT_LENGTH, 1) < 0:
        raise Invalid(-4, f"message doesn't have Content Length header for proto {proto}")
    if message.method != "CANCEL":
        check_body(message, "s" in flags)
    if not strict:
        need(message, CSEQ, -7, "no CSeq header")
        need(message, FROM, -8, "no From header")
        need(message, TO, -9, "no To header")
        need(message, VIA, -10, "no Via header")
    if "t" in flags:
        check_address(message, TO, "To", (-22, -23, -29))
    if "f" in flags:
        check_address(message, FROM, "From", (-24, -25, -28))
    if message.status:
        check_reply(message, flags)
    else:
        check_request(message, flags)
    if message.method != "CANCEL" and len(message.text) > message.body_at:
        need(message, CONTENT_TYPE, -21, "no Content-Type header")
    if "h" in flags:
        try:
            validate.check(message)
        except SipError as problem:
            raise Invalid(-2, f"failed to parse headers: {problem.reason}") from None


def need(message: Message, letter: str, code: int, reason: str) -> None:
    if message.kinds.find(letter, 1) < 0:
        raise Invalid(code, reason)


def check_body(message: Message, look_at_sdp: bool) -> None:
    try:
        length = max(message.content_length(), 0)
    except SipError:
        length = -1
    size = message.body_size()
    if length != size:
        raise Invalid(-5, f"invalid body - content length {length} different than actual body {size}")
    if look_at_sdp and size and mime_of(message.value(CONTENT_TYPE)) == SDP and not message.body().startswith("v="):
        raise Invalid(-6, "failed to parse SDP message")


def check_address(message: Message, letter: str, name: str, codes: tuple[int, int, int]) -> None:
    """codes: the address or its URI cannot be read, a bad host, a bad user."""
    try:
        uri = parse_address(message.value(letter)).uri
    except SipError:
        raise Invalid(codes[0], f"failed to parse '{name}' header") from None
    check_uri(uri, name + "' header", codes, f"failed to parse '{name}' header")


def check_uri(text: str, where: str, codes: tuple[int, int, int], unreadable: str) -> None:
    where = where if where == "R-URI" else "'" + where
    try:
        uri = parse_uri(text)
    except SipError:
        raise Invalid(codes[0], unreadable) from None
    if uri.is_sip and not is_host(uri.host):
        raise Invalid(codes[1], f"invalid domain for {where}")
    if uri.user is not None and not USER_CHARACTERS.issuperset(uri.user):
        raise Invalid(codes[2], f"invalid username for {where}")


def is_host(host: str) -> bool:
    """A numeric address, or labels of letters, digits, `-` and `_` with single dots between (RFC 1034, and custom)."""
    if host.startswith("["):
        return True
    labels = host.removesuffix(".").split(".")
    return all(label and not label.startswith("-") and not label.endswith("-") for label in labels)


def check_request(message: Message, flags: str) -> None:
    if "r" in flags:
        check_uri(message.uri, "R-URI", (-11, -12, -27), "failed to parse R-URI")
    if "m" not in flags:
        need(message, MAX_FORWARDS, -13, "no Max-Forwards header")
    if "c" in flags:
        check_contacts(message)
    if message.method != "REGISTER" and message.kinds.find(PATH, 1) > 0:
        raise Invalid(-15, "PATH header supported only for REGISTERs")


def check_reply(message: Message, flags: str) -> None:
    if not message.method:
        raise Invalid(-7, "cseq not parsed properly")
    if message.method == "CANCEL":
        return
    header, code = NEEDED_BY_STATUS.get(message.status, ("", 0))
    if message.status == 423 and message.method == "REGISTER":
        header, code = "Min-Expires", -17
    if header and not message.find(header):
        raise Invalid(code, f"no {header} header in a {message.status}")
    if "c" in flags and 200 <= message.status < 400:
        check_contacts(message)


def check_contacts(message: Message) -> None:
    if message.method not in WITH_CONTACT:
        return
    need(message, CONTACT, -14, "SIP message doesn't have 'Contact' header")
    for value in message.values(CONTACT):
        try:
            contacts = parse_addresses(value)
            for contact in contacts:
                if contact.is_star:
                    check_star(message)
                else:
                    parse_uri(contact.uri)
        except SipError:
            raise Invalid(-26, "failed to parse 'Contact' header") from None


def check_star(message: Message) -> None:
    """`Contact: *` belongs into a REGISTER request with Expires: 0 (RFC 3261 section 10.2.2)."""
    if message.method != "REGISTER" or message.status:
        raise Invalid(-30, "'Contact' header contains '*' only valid for REGISTER request")
    if message.value(EXPIRES) != "0":
        raise Invalid(-30, "'Contact' header with '*' value and an 'Expires' header that is not 0")


__all__ = ["Invalid", "answer", "check"]
