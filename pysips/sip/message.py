"""A message: one text, its index, and what is asked of it.

Facts:
- the text is the whole message, body too, as `data.decode("utf-8", "surrogateescape")`: it gives back the very bytes.
  For plain ASCII the offsets in the text are those in the bytes;
- nothing is made for a header that nobody asks for. `kinds.find(VIA)` is the look-up of a header, in the order of the
  wire; repeats come by `kinds.find(VIA, k + 1)`;
- every quick look first proves that it may: a fold, a quote or a comma sends it to the careful reader;
- what the script did not touch goes out as it came; what changes is kept in `edits`, never here.

Octets behind the length that Content-Length names are no part of a message that came in a datagram (RFC 3261
section 18.3): they are cut off when it is read.
"""

import re
from typing import Final, final

from pysips.errors import SipError

from . import headers, scan
from .address import Address, address_param, parse_address
from .headers import CALL_ID, CONTENT_LENGTH, CSEQ, FOLD, FROM, LETTERS, OTHER, TO, VIA
from .text import BLANKS, list_spans, number, unfolded
from .via import Via, ViaFacts, parse_via

# RFC 3261 section 7.2: 100 to 699; anything else is no status.
STATUS: Final[dict[str, int]] = {str(_n): _n for _n in range(100, 700)}
MOST_CSEQ: Final = 2**31 - 1  # section 8.1.1.5
MOST_LENGTH: Final = 2**31 - 1

known_lengths: Final[dict[str, int]] = {}  # whole lines of Content-Length that the checks found good, and their number


@final
class Message:
    """A request or a reply as it came.

    text     the whole message
    kinds    one letter a line of the head (`headers.py`): "-VVMFTICmuwcL"; the first line's is "-"
    starts   where each line begins, and where the empty line after the head does
    body_at  where the body begins
    odd      what of the head is not as RFC 3261 wants it: the bits of `scan.py`
    status   of a reply; 0 for a request
    method   of the request line; for a reply that of CSeq ("" if that cannot be read)
    uri_a, uri_b  where the Request-URI stands; both 0 if the first line is no request line
    via      what the topmost Via says but for its branch, if that is known from messages before; else None
    known_…  what was read of the head once; None as long as nobody asked (of Content-Length: -1)
    match    the head as the expression of its shape has read it (`shapes.py`); None for all others
    """

    __slots__ = (
        "body_at", "kinds", "known_branch", "known_call_id", "known_cseq", "known_from_tag", "known_length",
        "known_to_tag", "match", "method", "odd", "starts", "status", "text", "uri_a", "uri_b", "via",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        kinds: str,
        starts: list[int],
        body_at: int,
        odd: int,
        match: re.Match[str] | None = None,
        method: str = "",
        status: int = 0,
    ) -> None:
        self.text = text
        self.kinds = kinds
        self.starts = starts
        self.body_at = body_at
        self.odd = odd
        self.status = status
        self.via: ViaFacts | None = None
        self.known_branch: str | None = None
        self.known_call_id: str | None = None
        self.known_cseq: tuple[int, str] | None = None
        self.known_from_tag: str | None = None
        self.known_length: int = -1
        self.known_to_tag: str | None = None
        self.match: re.Match[str] | None = match
        if match is not None:
            self.method = method
            self.uri_a, self.uri_b = match.span("uri")
            return
        b = starts[1] - 2
        if not odd and text[b - 8 : b] == " SIP/2.0":
            a = text.find(" ")
            if 0 < a < b - 9 and text.find(" ", a + 1) == b - 8 and text.find("/", 0, a) < 0:
                self.method = text[:a]
                self.uri_a = a + 1
                self.uri_b = b - 8
                return
        self.method = ""
        self.uri_a = 0
        self.uri_b = 0
        self.read_first_line(b)

    def read_first_line(self, b: int) -> None:
        """The first line, which ends at b or one behind it, whatever it is. Raises SipError(400) as below."""
        text = self.text
        if self.odd and text[b] != "\r":
            b += 1
        if text.startswith("SIP/2.0 ") or text[:4].upper() == "SIP/":
            self.read_status_line(b)
            return
        a = text.find(" ", 0, b)
        c = text.rfind(" ", 0, b)
        self.method = text[: a if a >= 0 else b]
        if a < 1 or c < a + 2 or text[c + 1 : c + 5].upper() != "SIP/" or text.find(" ", a + 1, c) >= 0:
            self.odd |= scan.ODD_START
            return
        self.uri_a = a + 1
        self.uri_b = c
        if not text.startswith("SIP/2.0", c + 1, b) or b != c + 8:
            self.check_version(c + 1, b)

    def read_status_line(self, end: int) -> None:
        """`SIP/2.0 200 OK`. Raises SipError(400) if there is no status in it: such a reply can only be dropped."""
        text = self.text
        a = text.find(" ", 0, end)
        status = STATUS.get(text[a + 1 : a + 4])
        if a < 0 or status is None or (a + 4 < end and text[a + 4] != " "):
            raise SipError(400, "Bad Status Line")
        self.status = status
        if a != 7 or not text.startswith("SIP/2.0"):
            self.check_version(0, a)
        k = self.kinds.find(CSEQ, 1)
        if k > 0:
            b = self.starts[k + 1] - 2
            method = text[text.rfind(" ", self.starts[k], b) + 1 : b]
            if not method.isalpha() or self.kinds.startswith(FOLD, k + 1):
                value = self.value_at(k)
                method = value[max(value.rfind(" "), value.rfind("\t")) + 1 :]
            self.method = method

    def check_version(self, a: int, b: int) -> None:
        """Note another version than 2.0; the letters may be small ones (RFC 3261 section 7.1)."""
        if self.text[a:b].upper() != "SIP/2.0":
            self.odd |= scan.ODD_VERSION

    # ------------------------------------------------------------------------------------------------ the first line

    @property
    def uri(self) -> str:
        """The Request-URI as it came; "" for a reply."""
        return self.text[self.uri_a : self.uri_b]

    @property
    def reason(self) -> str:
        """The reason phrase of a reply as it came; "" for a request."""
        if not self.status:
            return ""
        line = self.line(0)
        return line[line.find(" ") + 5 :]

    @property
    def version(self) -> str:
        """What the first line says of the protocol: `SIP/2.0`; "" if it says nothing."""
        line = self.line(0)
        if self.status:
            return line[: line.find(" ")]
        return line[self.uri_b + 1 :] if self.uri_b else ""

    # ---------------------------------------------------------------------------------------------------------- lines

    def line_end(self, k: int) -> int:
        """Where line k ends, before its line end."""
        b = self.starts[k + 1] - 2
        if self.odd and self.text[b] != "\r":
            return b + 1
        return b

    def line(self, k: int) -> str:
        """Line k as it came, without its line end and without its continuations."""
        starts = self.starts
        return self.text[starts[k] : self.line_end(k) if self.odd else starts[k + 1] - 2]

    def last(self, k: int) -> int:
        """The number of the last line of the header that begins at line k: k itself, or its last continuation."""
        kinds = self.kinds
        most = len(kinds) - 1
        while k < most and kinds[k + 1] == FOLD:
            k += 1
        return k

    def span(self, k: int) -> tuple[int, int]:
        """Where the header of line k stands, with all its continuations and the line end: what to cut to remove it."""
        return self.starts[k], self.starts[self.last(k) + 1]

    def value_span(self, k: int) -> tuple[int, int]:
        """Where the value of line k stands, folds inside of it included, blanks around it not."""
        text = self.text
        a = self.starts[k]
        b = self.line_end(self.last(k))
        a = text.find(":", a, b) + 1
        if not a:
            return b, b
        while a < b and text[a] in BLANKS:
            a += 1
        while a < b and text[b - 1] in BLANKS:
            b -= 1
        return a, b

    def name(self, k: int) -> str:
        """The name of the header of line k as it came, without the blanks before the colon."""
        line = self.line(k)
        return line.partition(":")[0].rstrip(" \t")

    def value_at(self, k: int) -> str:
        """The value of line k, on one line; "" if there is none."""
        text = self.text
        b = self.starts[k + 1] - 2
        if self.match is None:  # else there is no fold, and nothing is odd
            kinds = self.kinds
            if k + 1 < len(kinds) and kinds[k + 1] == FOLD:
                a, b = self.value_span(k)
                return unfolded(text[a:b])
            if self.odd:
                b = self.line_end(k)
        a = text.find(":", self.starts[k], b) + 1
        return text[a:b].strip(" \t") if a else ""

    # -------------------------------------------------------------------------------------------------------- headers

    def value(self, kind: str) -> str:
        """The value of the first header of this letter, on one line; "" if there is none."""
        k = self.kinds.find(kind, 1)
        return self.value_at(k) if k > 0 else ""

    def values(self, kind: str) -> list[str]:
        """The values of all headers of this letter, one for each header line."""
        found: list[str] = []
        k = self.kinds.find(kind, 1)
        while k > 0:
            found.append(self.value_at(k))
            k = self.kinds.find(kind, k + 1)
        return found

    def find(self, name: str) -> list[int]:
        """The numbers of the lines of a header, by its name in whatever spelling or its compact form."""
        name = headers.normal(name)
        letter = LETTERS.get(name, OTHER)
        kinds = self.kinds
        found: list[int] = []
        k = kinds.find(letter, 1)
        while k > 0:
            if letter != OTHER or headers.normal(self.line(k).partition(":")[0]) == name:
                found.append(k)
            k = kinds.find(letter, k + 1)
        return found

    def header(self, name: str) -> str | None:
        """The value of the first header of this name, on one line; None if there is none."""
        found = self.find(name)
        return self.value_at(found[0]) if found else None

    def call_id(self) -> str:
        """The Call-ID; "" if there is none."""
        known = self.known_call_id
        if known is None:
            match = self.match
            known = self.known_call_id = self.value(CALL_ID) if match is None else match["call_id"]
        return known

    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq. Raises SipError(400) if there is none or it cannot be read (section 20.16)."""
        known = self.known_cseq
        if known is not None:
            return known
        match = self.match
        if match is not None:
            known = self.known_cseq = (int(match["cseq"]), self.method)
            return known
        text = self.value(CSEQ)
        if "\t" in text:
            text = text.replace("\t", " ")
        digits, _, method = text.partition(" ")
        value = number(digits, MOST_CSEQ)
        method = method.strip(" ")
        if value is None or not method:
            raise SipError(400, "Bad CSeq")
        known = self.known_cseq = (value, method)
        return known

    def content_length(self) -> int:
        """Content-Length; -1 if there is none. Raises SipError(400) for a value that is no number (section 20.14)."""
        if self.known_length >= 0:
            return self.known_length
        k = self.kinds.find(CONTENT_LENGTH, 1)
        if k < 0:
            return -1
        if self.match is not None:
            return len(self.text) - self.body_at
        value = number(self.value_at(k), MOST_LENGTH)
        if value is None:
            raise SipError(400, "Bad Content-Length")
        return value

    def param(self, kind: str, name: str) -> str:
        """Parameter `name` (small letters) of the first From, To or other single address; "" without it or its value.

        An address that cannot be read has no parameters.
        """
        kinds = self.kinds
        k = kinds.find(kind, 1)
        if k < 0:
            return ""
        text = self.text
        a = self.starts[k]
        b = self.line_end(k)
        if k + 1 < len(kinds) and kinds[k + 1] == FOLD:
            return address_param(self.value_at(k), name)
        c = text.find(">", a, b) + 1
        if c == b:
            return ""
        # one ">", and no quote behind it: so it stands outside of every quoted string, and ends the URI
        if not c or text.find('"', c, b) >= 0 or text.find(">", c, b) >= 0:
            return address_param(self.value_at(k), name)
        i = text.find(";" + name + "=", c, b)
        if i < 0:
            return address_param(self.value_at(k), name)
        i += len(name) + 2
        j = text.find(";", i, b)
        return text[i : j if j > 0 else b].strip(" \t")

    def from_tag(self) -> str:
        """The tag of From; "" without one."""
        known = self.known_from_tag
        if known is None:
            match = self.match
            known = self.known_from_tag = self.param(FROM, "tag") if match is None else match["from_tag"] or ""
        return known

    def to_tag(self) -> str:
        """The tag of To; "" without one."""
        known = self.known_to_tag
        if known is None:
            match = self.match
            known = self.known_to_tag = self.param(TO, "tag") if match is None else match["to_tag"] or ""
        return known

    def address(self, kind: str) -> Address:
        """The first From, To, Refer-To … taken apart. Raises SipError(400) if it is missing or cannot be read."""
        return parse_address(self.value(kind))

    # ------------------------------------------------------------------------------------------------------------ Via

    def branch(self) -> str:
        """The branch of the topmost Via; "" if there is none."""
        known = self.known_branch
        if known is None:
            match = self.match
            known = self.known_branch = self.read_branch() if match is None else match["branch"]
        return known

    def read_branch(self) -> str:
        """See branch."""
        text = self.text
        kinds = self.kinds
        k = kinds.find(VIA, 1)
        if k < 0:
            return ""
        a = self.starts[k]
        b = self.line_end(k)
        i = text.find(";branch=", a, b)
        if i < 0 or (k + 1 < len(kinds) and kinds[k + 1] == FOLD) or text.find('"', a, b) >= 0:
            return self.careful_branch()
        comma = text.find(",", a, b)
        if comma >= 0:
            if comma < i:
                return self.careful_branch()
            b = comma
        i += 8
        j = text.find(";", i, b)
        return text[i : j if j > 0 else b].strip(" \t")

    def careful_branch(self) -> str:
        """The branch of a topmost Via that is not plain."""
        try:
            return self.top_via().branch
        except SipError:
            return ""

    def top_via(self) -> Via:
        """The topmost Via. Raises SipError(400) if there is none or it cannot be read."""
        a, b = self.top_via_span()
        return parse_via(self.text[a:b])

    def top_via_span(self) -> tuple[int, int]:
        """Where the value of the topmost Via stands, folds in it included. Raises SipError(400) if there is none."""
        k = self.kinds.find(VIA, 1)
        if k < 0:
            raise SipError(400, "No Via")
        a, b = self.value_span(k)
        if self.text.find(",", a, b) < 0:
            return a, b
        return list_spans(self.text, a, b, False)[0]

    def without_top_via(self) -> tuple[int, int]:
        """What to cut so that the topmost Via is gone: its line, or its part of a line with several."""
        k = self.kinds.find(VIA, 1)
        if k < 0:
            raise SipError(400, "No Via")
        text = self.text
        a, b = self.span(k)
        comma = text.find(",", a, b)
        if comma < 0:
            return a, b
        plain = text.startswith("Via: ", a) and text.startswith(", ", comma) and text.find('"', a, comma) < 0
        if plain and text[a + 5] not in BLANKS and text[comma + 2] not in BLANKS:
            return a + 5, comma + 2
        a2, b2 = self.value_span(k)
        spans = list_spans(text, a2, b2, False)
        return (spans[0][0], spans[1][0]) if len(spans) > 1 else (a, b)

    # ----------------------------------------------------------------------------------------------------------- body

    def body(self) -> str:
        """The body as it came; "" if there is none."""
        return self.text[self.body_at :]

    def body_bytes(self) -> bytes:
        """The body's bytes."""
        return self.text[self.body_at :].encode("utf-8", "surrogateescape")

    def body_size(self) -> int:
        """The body's length in bytes."""
        text = self.text
        return len(text) - self.body_at if text.isascii() else len(self.body_bytes())

    def data(self) -> bytes:
        """The bytes of the whole message."""
        return self.text.encode("utf-8", "surrogateescape")


def read(data: bytes) -> Message:
    """The message in a datagram, or one that a stream's framing cut out.

    Raises SipError(400) for what is no message at all (empty, or a reply without a status): it can only be dropped.
    Everything else can be looked at and answered; what is not legal is noted in `odd` and refused by `validate.py`.
    """
    text, kinds, starts, body_at, odd = scan.scan(data)
    message = Message(text, kinds, starts, body_at, odd)
    size = len(text) - body_at
    if size > 0:
        k = kinds.find(CONTENT_LENGTH, 1)
        if k < 0 or known_lengths.get(text[starts[k] : starts[k + 1]]) != size or not text.isascii():
            cut(message)
    return message


def cut(message: Message) -> None:
    """Leave out the octets behind the body (RFC 3261 section 18.3)."""
    k = message.kinds.find(CONTENT_LENGTH, 1)
    length = number(message.value_at(k), MOST_LENGTH) if k > 0 else None
    if length is None or length >= message.body_size():
        return
    body = message.body_bytes()[:length]
    message.text = message.text[: message.body_at] + str(body, "utf-8", "surrogateescape")
