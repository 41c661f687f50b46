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

Limits (a message beyond them is refused with the status): 1,024 header lines, 128 Via values, a header of 16,384
characters, a name of 255, a method of 128, Contact with 512 addresses (400); a Request-URI of 8,192 characters (414).

A good message costs little: its lines, as far as they repeat from message to message (header letters, Request-URI,
CSeq, From and To up to the tag, Via but for the branch …), are looked up among those that the careful checks have
passed before. What is not there goes through them, or is of a plain shape that they would let pass (an address of a
user not met before), and is remembered if it is short.
"""

from typing import Final

from pysips.errors import SipError

from . import scan
from .address import Address, parse_address, parse_addresses
from .grammar import (
    CONTROL,
    DISPLAY_TOKENS,
    GEN_VALUE,
    PLAIN_CONTACT,
    PLAIN_NAME_ADDR,
    PLAIN_URI,
    Q_VALUE,
    QUOTED_PAIR,
    QUOTED_STRING,
    is_token,
)
from .headers import CALL_ID, CONTACT, CONTENT_LENGTH, CSEQ, FOLD, FROM, MAX_FORWARDS, TO, VIA
from .message import Message
from .message import known_lengths as proven_lengths
from .text import BLANKS, list_spans, next_outside, number, quoted_end
from .uri import parse_uri
from .via import COOKIE, ViaFacts, parse_via

BRANCH: Final = ";branch=" + COOKIE
MOST_LINES: Final = 1024
MOST_VIAS: Final = 128
MOST_CONTACTS: Final = 512
LONGEST_HEADER: Final = 16_384
LONGEST_METHOD: Final = 128
LONGEST_URI: Final = 8_192
MOST_HOPS: Final = 255

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

# What was found good, as it stands in the message; when there is too much of it all is forgotten.
MOST_PROVEN: Final = 8_192
LONGEST_PROVEN: Final = 256
# Lines of From, To, Call-ID, CSeq, Max-Forwards, Content-Length, Via, Contact; -1: none; the last two: 0 for several.
Places = tuple[int, int, int, int, int, int, int, int]
proven_kinds: Final[dict[str, Places]] = {}  # letters without a fold, and where the headers are that come once
proven_methods: Final[set[str]] = set()
proven_uris: Final[set[str]] = set()
proven_cseqs: Final[dict[str, tuple[int, str]]] = {}  # whole lines, and what they say
proven_hops: Final[set[str]] = set()  # whole lines
proven_vias: Final[dict[str, ViaFacts]] = {}  # values without their branch, and what they say
proven_addresses: Final[set[str]] = set()  # From and To up to the ">"
proven_contacts: Final[set[str]] = set()  # whole lines


def remember(proven: set[str], text: str) -> None:
    """Note that `text` is good."""
    if len(text) <= LONGEST_PROVEN:
        if len(proven) >= MOST_PROVEN:
            proven.clear()
        proven.add(text)


def check(message: Message) -> None:
    """Raises SipError, with the status to answer and the reason, for a message that RFC 3261 forbids."""
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


def whole_line(message: Message, k: int) -> str:
    """Line k with its line end; "" if it is continued or longer than what is remembered."""
    a, b = message.span(k)
    return message.text[a:b] if message.last(k) == k and b - a <= LONGEST_PROVEN else ""


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


# ---------------------------------------------------------------------------------------------------------------- Via


def is_known_via(message: Message, a: int, b: int, is_top: bool) -> bool:
    """True if text[a:b] is one Via that was found good with another branch; what the topmost one says is kept."""
    text = message.text
    i = text.find(BRANCH, a, b)
    if i < 0:
        return False
    j = text.find(";", i + 15, b)
    if j < 0:
        j = b
    facts = proven_vias.get(text[a:i] + text[j:b])
    branch = text[i + 8 : j]
    if facts is None or not is_rfc_3261(branch):
        return False
    if is_top:
        message.via = facts
        message.known_branch = branch
    return True


def is_rfc_3261(branch: str) -> bool:
    """Whether a branch that begins with the cookie goes on, with what may stand in a parameter's value."""
    if len(branch) == 7:
        return False
    return branch.isalnum() or branch.replace("-", "").replace(".", "").isalnum() or is_value(branch)


def is_value(text: str) -> bool:
    """See GEN_VALUE."""
    return GEN_VALUE.fullmatch(text) is not None


def check_vias(message: Message) -> None:
    """Every Via (section 20.42): the sender's address and well-formed parameters."""
    kinds = message.kinds
    text = message.text
    count = 0
    k = kinds.find(VIA, 1)
    while k > 0:
        b = message.line_end(k)
        at = text.find(":", message.starts[k], b) + 1
        if text.find('"', at, b) >= 0 or kinds.startswith(FOLD, k + 1):
            at, b = message.value_span(k)
            for start, end in list_spans(text, at, b, False) or [(at, b)]:
                check_via(text[start:end])
                count += 1
        else:
            while at <= b:
                comma = text.find(",", at, b)
                end = comma if comma >= 0 else b
                if not is_known_via(message, at, end, not count):
                    check_via(text[at:end])
                count += 1
                at = end + 1
        if count > MOST_VIAS:
            raise SipError(400, "Too Many Via Values")
        k = kinds.find(VIA, k + 1)


def check_via(text: str) -> None:
    """The careful look at one Via value."""
    via = parse_via(text)
    if text.rstrip(BLANKS).endswith(";"):
        raise SipError(400, "Bad Parameter in Via")
    branch = check_params(";" + via.params if via.params else "", "Via").get("branch", "-")
    if branch == COOKIE:
        raise SipError(400, "Bad Branch")
    i = text.find(BRANCH)
    if i >= 0 and '"' not in text and "\n" not in text:
        j = text.find(";", i + 15)
        rest = text[:i] + (text[j:] if j >= 0 else "")
        if len(rest) <= LONGEST_PROVEN:
            if len(proven_vias) >= MOST_PROVEN:
                proven_vias.clear()
            proven_vias[rest] = ViaFacts(via)


# ---------------------------------------------------------------------------------------------------------- addresses


def known_tag(message: Message, k: int) -> str | None:
    """The tag of From or To in line k, "" without one; None if the line is not known to be good."""
    text = message.text
    a = message.starts[k]
    b = message.starts[k + 1] - 2
    gt = text.rfind(">;tag=", a, b) + 1
    tag = ""
    if gt:
        tag = text[gt + 5 : b]
        if not tag.isalnum() and not is_token(tag):
            return None
        b = gt
    return tag if text[a:b] in proven_addresses or is_plain_address(text, a, b) else None


def is_plain_address(text: str, a: int, b: int) -> bool:
    """Whether text[a:b], a From or To up to its ">", is plain enough to be good without taking it apart."""
    if b - a > LONGEST_PROVEN or PLAIN_NAME_ADDR.fullmatch(text, text.find(":", a, b) + 1, b) is None:
        return False
    remember(proven_addresses, text[a:b])
    return True


def is_known_contact(text: str, a: int, b: int) -> bool:
    """Whether text[a:b], a line of Contact with its line end, is known to be good, or plain as above."""
    line = text[a:b]
    if line in proven_contacts:
        return True
    if b - a > LONGEST_PROVEN or PLAIN_CONTACT.fullmatch(line, line.find(":") + 1, b - a - 2) is None:
        return False
    remember(proven_contacts, line)
    return True


def check_tagged(message: Message, k: int, name: str) -> None:
    """From or To in line k (section 20.20): one address, at most one tag."""
    text = message.text
    a = message.starts[k]
    gt = text.rfind(">", a, message.line_end(k)) + 1
    value = message.value_at(k)
    address = parse_address(value)
    check_address(value, address, name)
    if gt > 0 and address.bracketed and value.rfind(">") == address.uri_a + len(address.uri):  # the last ">" closes it
        remember(proven_addresses, text[a:gt])


def check_address(text: str, address: Address, name: str) -> dict[str, str]:
    """The display name, the URI and the parameters of an address in `text`; gives the latter by name."""
    display = address.display
    if display.startswith('"'):
        if not display.endswith('"'):
            raise SipError(400, "Bad Display Name in " + name)
    elif display and DISPLAY_TOKENS.fullmatch(display) is None:
        raise SipError(400, "Bad Display Name in " + name)
    if len(address.uri) > LONGEST_URI:
        raise SipError(400, "URI Too Long in " + name)
    if not address.bracketed and ("?" in address.uri or "," in address.uri):
        raise SipError(400, "URI Without Brackets in " + name)
    uri = address.uri
    if uri not in proven_uris:
        try:
            headers = parse_uri(uri).headers
        except SipError:
            raise SipError(400, "Bad URI in " + name) from None
        if not headers:
            remember(proven_uris, uri)
    if text[address.end - 1] == ";":
        raise SipError(400, "Bad Parameter in " + name)
    return check_params(";" + address.params if address.params else "", name)


def check_contacts(message: Message, k: int) -> None:
    """All Contact headers, from line k on (section 20.10): addresses with a q value, or `*` alone."""
    kinds = message.kinds
    several = kinds.find(CONTACT, k + 1) > 0
    while k > 0:
        line = whole_line(message, k)
        if line not in proven_contacts:
            star = check_contact(message.value_at(k))
            if star and several:
                raise SipError(400, "Bad Contact")
            if line and not star:
                remember(proven_contacts, line)
        k = kinds.find(CONTACT, k + 1)


def check_contact(value: str) -> bool:
    """The addresses of one Contact header; True if it is `*`."""
    contacts = parse_addresses(value)
    if len(contacts) > MOST_CONTACTS:
        raise SipError(400, "Too Many Contacts")
    if not contacts and value:
        raise SipError(400, "Bad Contact")
    for contact in contacts:
        if contact.is_star:
            if len(contacts) > 1 or contact.params:
                raise SipError(400, "Bad Contact")
            return True
        q = check_address(value, contact, "Contact").get("q")
        if q is not None and Q_VALUE.fullmatch(q) is None:
            raise SipError(400, "Bad q Value in Contact")
    return False


def check_params(params: str, name: str) -> dict[str, str]:
    """The parameters of `;a=b;c` by name in small letters. Each has a name that is a token and comes once."""
    found: dict[str, str] = {}
    end = len(params)
    at = 0
    while at < end:
        stop = next_outside(params, ";", at + 1, end, False)
        key, equal, value = params[at + 1 : stop].partition("=")
        key = key.strip(BLANKS).lower()
        value = value.strip(BLANKS)
        if not is_token(key) or key in found:
            raise SipError(400, "Bad Parameter in " + name)
        if equal and GEN_VALUE.fullmatch(value) is None and QUOTED_STRING.fullmatch(value) is None:
            raise SipError(400, "Bad Parameter in " + name)
        found[key] = value
        at = stop
    return found
