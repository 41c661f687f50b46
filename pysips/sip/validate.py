"""What RFC 3261 forbids, found before the script runs, with the status to answer.

OpenSIPS lets nearly anything reach the script; `strict_parsing=no` does the same here by not calling `check`. What is
refused, each by its own reason phrase:

- 400: a first line that is no request line; a version other than 2.0 is 505;
- 400: a line end that is no CRLF, a head without an end, a header without a colon or whose name is no token, a control
  character outside of a quoted pair;
- 400: Via, From, To, Call-ID or CSeq missing; a header there twice that may be there once; an empty Call-ID or one
  with blanks; CSeq of 2**31 and above or of another method than the request; Max-Forwards over 255 or no number;
  Content-Length that is no number or more than there is;
- 400: a Request-URI, Via, From, To or Contact that does not follow the grammar: open quotes and brackets, blanks in a
  URI, a port of 0 or above 65535, a display name that needs quotes, a parameter twice or without a name, a q value
  above 1, `*` beside other contacts, headers in a Request-URI, a branch that is the cookie alone.

What only means something to a user of the message is the script's: an unknown scheme (416) or method, Require (420),
Max-Forwards 0 (483), Date, Expires, Content-Type, and headers that are read later, Route and Record-Route among them.
Characters outside ASCII are let through in display names and texts.

A message beyond limits.py is refused as well: with 400, and for a long Request-URI with 414.

A good message costs little: its lines, as far as they repeat from message to message (header letters, Request-URI,
CSeq, From and To up to the tag, Via but for the branch …), are looked up among those that the careful checks have
passed before. What is not there goes through them, or is of a plain shape that they would let pass (an address of a
user not met before), and is remembered if it is short.
"""

from typing import Final

from pysips.errors import SipError

from . import scan
from .grammar import CONTROL, PLAIN_URI, QUOTED_PAIR, is_token
from .headers import CALL_ID, CONTACT, CONTENT_LENGTH, CSEQ, FOLD, FROM, MAX_FORWARDS, TO, VIA
from .limits import LONGEST_HEADER, LONGEST_METHOD, LONGEST_URI, MOST_HOPS, MOST_LINES
from .message import Message
from .message import known_lengths as proven_lengths
from .proven import (
    LONGEST_PROVEN,
    MOST_PROVEN,
    proven_cseqs,
    proven_hops,
    proven_kinds,
    proven_methods,
    proven_uris,
    remember,
    whole_line,
)
from .shapes import learn
from .text import number, quoted_end
from .uri import parse_uri
from .valid_values import check_contacts, check_tagged, check_vias, is_known_contact, is_known_via, known_tag

REQUIRED: Final = (("V", "Via"), ("F", "From"), ("T", "To"), ("I", "Call-ID"), ("C", "CSeq"))
SINGLE: Final = (
    ("F", "From"),
    ("T", "To"),
    ("I", "Call-ID"),
    ("C", "CSeq"),
    ("M", "Max-Forwards"),
    ("L", "Content-Length"),
    ("c", "Content-Type"),
    ("E", "Expires"),
    ("o", "Event"),
    ("t", "Refer-To"),
    ("b", "Referred-By"),
    ("x", "Session-Expires"),
)


def check(message: Message) -> None:
    """Raises SipError, with the status to answer and the reason, for a message that RFC 3261 forbids."""
    if message.match is not None:
        return
    if message.odd:
        check_oddities(message)
    places = proven_kinds.get(message.kinds)
    if places is None or message.odd:
        check_all(message)
        return
    text = message.text
    starts = message.starts
    method = message.method
    from_, to, call_id, cseq, hops, length, via, contact = places
    if starts[-1] > LONGEST_HEADER:
        check_lengths(message)
    if not message.status and (method not in proven_methods or text[message.uri_a : message.uri_b] not in proven_uris):
        check_request_line(message)
    b = starts[call_id + 1] - 2
    value = text[text.find(":", starts[call_id], b) + 1 : b].strip(" \t")
    if not value or not value.isprintable() or " " in value:
        raise SipError(400, "Bad Call-ID")
    message.known_call_id = value
    known = proven_cseqs.get(text[starts[cseq] : starts[cseq + 1]])
    if known is not None and known[1] == method:
        message.known_cseq = known
    else:
        check_cseq(message)
    if hops > 0 and text[starts[hops] : starts[hops + 1]] not in proven_hops:
        check_hops(message)
    if length > 0:
        size = len(text) - message.body_at
        if size == proven_lengths.get(text[starts[length] : starts[length + 1]]):
            message.known_length = size
        else:
            check_length(message)
    if not via or not is_known_via(message, text.find(":", starts[via]) + 1, starts[via + 1] - 2, True):
        check_vias(message)
    tag = known_tag(message, from_)
    if tag is None:
        check_tagged(message, from_, "From")
    message.known_from_tag = tag
    tag = known_tag(message, to)
    if tag is None:
        check_tagged(message, to, "To")
    message.known_to_tag = tag
    if contact >= 0 and (not contact or not is_known_contact(text, starts[contact], starts[contact + 1])):
        check_contacts(message, message.kinds.find(CONTACT, 1))
    learn(message)


def check_all(message: Message) -> None:
    """The same, with nothing known of the head yet."""
    kinds = message.kinds
    check_kinds(kinds)
    check_lengths(message)
    if not message.status:
        check_request_line(message)
    call_id = message.call_id()
    if not call_id or not call_id.isprintable() or " " in call_id:
        raise SipError(400, "Bad Call-ID")
    check_cseq(message)
    check_hops(message)
    check_length(message)
    check_vias(message)
    check_tagged(message, kinds.find(FROM, 1), "From")
    check_tagged(message, kinds.find(TO, 1), "To")
    k = kinds.find(CONTACT, 1)
    if k > 0:
        check_contacts(message, k)
    if FOLD not in kinds and len(kinds) <= LONGEST_PROVEN:
        if len(proven_kinds) >= MOST_PROVEN:
            proven_kinds.clear()
        proven_kinds[kinds] = (
            kinds.find(FROM, 1),
            kinds.find(TO, 1),
            kinds.find(CALL_ID, 1),
            kinds.find(CSEQ, 1),
            kinds.find(MAX_FORWARDS, 1),
            kinds.find(CONTENT_LENGTH, 1),
            only(kinds, VIA),
            only(kinds, CONTACT),
        )


def only(kinds: str, kind: str) -> int:
    """The line of the only header of this letter; -1 if there is none, 0 if there are several."""
    return kinds.find(kind, 1) if kinds.count(kind, 1) < 2 else 0


# ----------------------------------------------------------------------------------------------------------- the head


def check_oddities(message: Message) -> None:
    """What the reader of the head has noted."""
    odd = message.odd
    if odd & scan.ODD_START:
        raise SipError(400, "Bad Request Line")
    if odd & scan.ODD_VERSION:
        raise SipError(505, "Version Not Supported")
    if odd & scan.ODD_LINE_END:
        raise SipError(400, "Bad Line End")
    if odd & scan.ODD_END:
        raise SipError(400, "No End of Headers")
    if odd & scan.ODD_NAME:
        raise SipError(400, "Bad Header Line")
    if odd & scan.ODD_CONTROL:
        check_controls(message)


def check_controls(message: Message) -> None:
    """A control character may stand in a quoted pair, and a quoted pair in a quoted string."""
    if CONTROL.search(message.line(0)) is not None:
        raise SipError(400, "Control Character in Request Line")
    for k in range(1, len(message.kinds)):
        line = message.line(k)
        if CONTROL.search(line) is not None and CONTROL.search(outside_pairs(line)) is not None:
            raise SipError(400, "Control Character in " + shown(message.name(k)))


def outside_pairs(line: str) -> str:
    """The line without the quoted pairs of its quoted strings."""
    parts: list[str] = []
    at = 0
    while True:
        quote = line.find('"', at)
        end = quoted_end(line, quote, len(line)) if quote >= 0 else -1
        if end < 0:
            return "".join(parts) + line[at:]
        parts.append(line[at:quote])
        parts.append(QUOTED_PAIR.sub("", line[quote:end]))
        at = end


def shown(name: str) -> str:
    """A header's name in a reason phrase: a token, or not at all."""
    return name if is_token(name) and len(name) <= 64 else "Header"


def check_kinds(kinds: str) -> None:
    """The headers that must be there, and the ones that may be there once (RFC 3261 table 2, section 7.3.1)."""
    if len(kinds) > MOST_LINES:
        raise SipError(400, "Too Many Headers")
    if kinds[1:2] == FOLD:
        raise SipError(400, "Bad Header Line")
    for kind, name in REQUIRED:
        if kinds.find(kind, 1) < 0:
            raise SipError(400, "Missing " + name)
    for kind, name in SINGLE:
        if kinds.count(kind, 1) > 1:
            raise SipError(400, "Several " + name + " Headers")


def check_lengths(message: Message) -> None:
    """No header, folds included, longer than `LONGEST_HEADER`."""
    for k in range(1, len(message.kinds)):
        if message.kinds[k] != FOLD:
            a, b = message.span(k)
            if b - a > LONGEST_HEADER:
                raise SipError(400, shown(message.name(k)) + " Too Long")


def check_request_line(message: Message) -> None:
    """Method and Request-URI (sections 7.1 and 19.1.1)."""
    method = message.method
    if method not in proven_methods:
        if len(method) > LONGEST_METHOD or not is_token(method):
            raise SipError(400, "Bad Method")
        remember(proven_methods, method)
    uri = message.text[message.uri_a : message.uri_b]
    if uri not in proven_uris:
        if len(uri) > LONGEST_URI:
            raise SipError(414, "Request-URI Too Long")
        if PLAIN_URI.fullmatch(uri) is None and parse_uri(uri).headers:
            raise SipError(400, "Headers in Request-URI")
        remember(proven_uris, uri)


def check_cseq(message: Message) -> None:
    """A number below 2**31 and the method of the request (sections 8.1.1.5 and 20.16)."""
    cseq = message.cseq()
    if cseq[1] != message.method or not is_token(cseq[1]):
        raise SipError(400, "Bad CSeq Method")
    line = whole_line(message, message.kinds.find(CSEQ, 1))
    if line:
        if len(proven_cseqs) >= MOST_PROVEN:
            proven_cseqs.clear()
        proven_cseqs[line] = cseq


def check_hops(message: Message) -> None:
    """Max-Forwards is 0 to 255 (section 20.22)."""
    k = message.kinds.find(MAX_FORWARDS, 1)
    if k < 0:
        return
    if number(message.value_at(k), MOST_HOPS) is None:
        raise SipError(400, "Bad Max-Forwards")
    line = whole_line(message, k)
    if line:
        remember(proven_hops, line)


def check_length(message: Message) -> None:
    """Content-Length is a number, and as much body is there (section 18.3)."""
    length = message.content_length()
    if length > message.body_size():
        raise SipError(400, "Body Shorter Than Content-Length")
    if length < 0:
        return
    line = whole_line(message, message.kinds.find(CONTENT_LENGTH, 1))
    if line:
        if len(proven_lengths) >= MOST_PROVEN:
            proven_lengths.clear()
        proven_lengths[line] = length
