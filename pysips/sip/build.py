"""What we say ourselves: replies, ACK for a negative answer, CANCEL, fresh requests.

Facts:
- a reply repeats every Via, From, To, Call-ID and CSeq of its request as they came (RFC 3261 section 8.2.6.2), and
  Record-Route in answers of 180 to 299 (section 12.1.1, where the request's sender learns its route set);
- the order is OpenSIPS': Via, Record-Route, To, From, Call-ID, CSeq, the script's headers, Content-Length;
- an answer other than 100 needs a tag in To if the request has none (section 8.2.6.2);
- ACK and CANCEL have one Via, the topmost of their request, and its Route headers (sections 17.1.1.3, 9.1);
- all functions give text; encode it as `text.encode("utf-8", "surrogateescape")`.

Headers that are handed in are whole lines, each with its CRLF.
"""

from pysips.errors import SipError

from . import scan
from .edits import Edit
from .headers import CALL_ID, CSEQ, FOLD, FROM, RECORD_ROUTE, ROUTE, TO, VIA
from .message import Message
from .proven import proven_kinds
from .text import BLANKS, next_outside


def reply(
    message: Message,
    status: int,
    reason: str,
    to_tag: str = "",
    extra_headers: str = "",
    body: str = "",
    marks: list[Edit] | None = None,
    after: str = "",
) -> str:
    """A reply to the request `message`.

    to_tag         the tag that To gets if it has none; "" gives none
    extra_headers  go before Content-Length, `after` behind it
    marks          `received` and `rport` for the topmost Via, from `via_marks`
    """
    kinds = message.kinds
    match = message.match
    if match is not None and not (180 <= status < 300 and RECORD_ROUTE in kinds):
        vias = match["vias"] if not marks else marked(message.text, match.start("vias"), match.end("vias"), marks)
        to_line = match["to_line"]
        if to_tag and match["to_tag"] is None:
            to_line = to_line[:-2] + ";tag=" + to_tag + "\r\n"
        return (
            f"SIP/2.0 {status} {reason}\r\n{vias}{to_line}{match['from_line']}{match['call_id_line']}"
            f"{match['cseq_line']}{extra_headers}Content-Length: {size(body) if body else 0}\r\n{after}\r\n{body}"
        )
    text = message.text
    starts = message.starts
    places = proven_kinds.get(kinds)  # no folds then, and nothing is missing
    if places is None or message.odd or (180 <= status < 300 and RECORD_ROUTE in kinds):
        return careful_reply(message, status, reason, to_tag, extra_headers, body, marks, after)
    from_, to, call_id, cseq, _, _, via, _ = places
    end = starts[to + 1]
    if not via or text[end - 3] in BLANKS:  # several Via lines
        return careful_reply(message, status, reason, to_tag, extra_headers, body, marks, after)
    tag = "\r\n" if not to_tag or message.to_tag() else ";tag=" + to_tag + "\r\n"
    vias = text[starts[via] : starts[via + 1]] if not marks else marked(text, starts[via], starts[via + 1], marks)
    return (
        f"SIP/2.0 {status} {reason}\r\n{vias}{text[starts[to] : end - 2]}{tag}"
        f"{text[starts[from_] : starts[from_ + 1]]}{text[starts[call_id] : starts[call_id + 1]]}"
        f"{text[starts[cseq] : starts[cseq + 1]]}{extra_headers}"
        f"Content-Length: {size(body) if body else 0}\r\n{after}\r\n{body}"
    )


def marked(text: str, a: int, b: int, marks: list[Edit]) -> str:
    """text[a:b] with the marks, which stand in it in their order."""
    out = ""
    for start, end, new in marks:
        out += text[a:start] + new
        a = end
    return out + text[a:b]


def careful_reply(
    message: Message,
    status: int,
    reason: str,
    to_tag: str,
    extra_headers: str,
    body: str,
    marks: list[Edit] | None,
    after: str,
) -> str:
    """The same whatever the request looks like."""
    text = message.text
    kinds = message.kinds
    out = ["SIP/2.0 " + str(status) + " " + reason + "\r\n"]
    folds = FOLD in kinds
    k = kinds.find(VIA, 1)
    while k > 0:
        a = message.starts[k]
        b = message.starts[(message.last(k) if folds else k) + 1]
        if marks:
            line = marked(text, a, b, marks)
            marks = None
        else:
            line = text[a:b]
        out.append(line if not message.odd else line.rstrip(BLANKS) + "\r\n")
        k = kinds.find(VIA, k + 1)
    if 180 <= status < 300:
        k = kinds.find(RECORD_ROUTE, 1)
        while k > 0:
            a, b = message.span(k)
            out.append(text[a:b])
            k = kinds.find(RECORD_ROUTE, k + 1)
    add_to(message, to_tag, out)
    add_first(message, FROM, out)
    add_first(message, CALL_ID, out)
    add_first(message, CSEQ, out)
    out.append(extra_headers)
    out.append("Content-Length: " + (str(size(body)) if body else "0") + "\r\n" + after + "\r\n" + body)
    return "".join(out)


def size(text: str) -> int:
    """The length of a text in bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def add_first(message: Message, kind: str, out: list[str]) -> None:
    """The first header of this letter as it came, with its line end."""
    k = message.kinds.find(kind, 1)
    if k > 0:
        out.append(message.text[message.starts[k] : message.starts[message.last(k) + 1]])


def add_to(message: Message, tag: str, out: list[str]) -> None:
    """The To header, with the tag if it has none."""
    k = message.kinds.find(TO, 1)
    if k < 0:
        return
    a, b = message.span(k)
    if not tag or message.to_tag():
        out.append(message.text[a:b])
        return
    end = message.value_span(k)[1]
    out.append(message.text[a:end] + ";tag=" + tag + message.text[end:b])


def via_marks(message: Message, host: str, port: int, force: bool = False) -> list[Edit]:
    """The edits that write into the topmost Via where the message really came from.

    host, port  the source; an IPv6 address without brackets. force: as if the Via had asked by `rport`.
    `received` goes in behind host and port if they name another address or `rport` is there (RFC 3261 section 18.2.1,
    RFC 3581 section 4), `rport` gets its value where it stands. [] if nothing is to be said; raises SipError(400) if
    there is no Via that can be read.
    """
    text = message.text
    via = message.via
    if not force and ((via is not None and via.plain and via.host == host) or is_told(message, host)):
        return []
    if via is not None and via.asks:
        end = text.find(";", message.starts[message.kinds.find(VIA, 1)])
        at = text.find(";rport", end)
        if at > 0 and text[end - 1] not in BLANKS:
            return [(end, end, ";received=" + host), (at, at + 6, ";rport=" + str(port))]
    a, b = message.top_via_span()
    end = next_outside(text, ";", a, b, False)
    sent_by = end
    while sent_by > a and text[sent_by - 1] in BLANKS:
        sent_by -= 1
    start = max(text.rfind(" ", a, sent_by), text.rfind("\t", a, sent_by), text.rfind("\n", a, sent_by)) + 1
    if start <= a:
        raise SipError(400, "Bad Via")
    asked = rport_span(text, end, b)
    if asked[0] < 0 and not force and names(text, start, sent_by, host):
        return []
    received = ";received=" + host
    if asked[0] < 0:
        return [(sent_by, sent_by, received + ";rport=" + str(port) if force else received)]
    return [(sent_by, sent_by, received), (asked[0], asked[1], ";rport=" + str(port))]


def is_told(message: Message, host: str) -> bool:
    """A quick proof that the topmost Via names `host` and has no `rport`."""
    text = message.text
    k = message.kinds.find(VIA, 1)
    if k < 0 or message.odd:
        return False
    a = message.starts[k]
    b = message.starts[k + 1] - 2
    semicolon = text.find(";", a, b)
    if semicolon < 0 or text.find(",", a, semicolon) >= 0:
        return False
    at = text.rfind(" ", a, semicolon) + 1
    if not text.startswith(host, at):
        return False
    at += len(host)
    if at != semicolon and text[at] != ":":
        return False
    return "rport" not in text[semicolon:b].lower()


def names(text: str, a: int, b: int, host: str) -> bool:
    """True if the sent-by in text[a:b] names the address `host`, with a port or without."""
    if ":" in host:
        host = "[" + host + "]"
    c = a + len(host)
    return text.startswith(host, a) and (c == b or (c < b and text[c] == ":"))


def rport_span(text: str, at: int, end: int) -> tuple[int, int]:
    """Where `;rport` or `;rport=…` stands among the parameters that begin at `at`; (-1, -1) if it does not."""
    if text.find("rport", at, end) < 0 and "rport" not in text[at:end].lower():
        return -1, -1
    while at < end:
        stop = next_outside(text, ";", at + 1, end, False)
        if text[at + 1 : stop].partition("=")[0].strip(BLANKS).lower() == "rport":
            while text[stop - 1] in BLANKS:
                stop -= 1
            return at, stop
        at = stop
    return -1, -1


# -------------------------------------------------------------------------------------------------------- requests


def sent_message(sent: str) -> Message:
    """The index of a request that we sent."""
    text, kinds, starts, body_at, odd = scan.scan_text(sent)
    return Message(text, kinds, starts, body_at, odd)


def ack(sent: str, answer: Message, extra_headers: str = "") -> str:
    """The ACK for the negative `answer` to the INVITE `sent`, as our client transaction sends it (section 17.1.1.3)."""
    return companion(sent_message(sent), "ACK", answer, extra_headers)


def cancel(sent: str, extra_headers: str = "") -> str:
    """The CANCEL of the request `sent` (section 9.1); `extra_headers` may hold a Reason."""
    request = sent_message(sent)
    return companion(request, "CANCEL", request, extra_headers)


def companion(request: Message, method: str, to: Message, extra_headers: str) -> str:
    """A request that goes the way of `request` in the same transaction; To is that of the message `to`."""
    text = request.text
    a, b = request.top_via_span()
    out = [method + " " + request.uri + " SIP/2.0\r\nVia: " + text[a:b] + "\r\n"]
    add_first(request, FROM, out)
    add_first(request, CALL_ID, out)
    add_first(to, TO, out)
    out.append("CSeq: " + str(request.cseq()[0]) + " " + method + "\r\nMax-Forwards: 70\r\n")
    k = request.kinds.find(ROUTE, 1)
    while k > 0:
        a, b = request.span(k)
        out.append(text[a:b])
        k = request.kinds.find(ROUTE, k + 1)
    out.append(extra_headers + "Content-Length: 0\r\n\r\n")
    return "".join(out)


def request(
    method: str,
    uri: str,
    from_: str,
    to: str,
    call_id: str,
    cseq: int,
    headers: str = "",
    body: str = "",
    via: str = "",
) -> str:
    """A fresh request (section 8.1.1), in OpenSIPS' order of headers.

    from_, to  whole values, the tag of From with them
    via        the value of Via; "" leaves it to whoever sends the request to put it first
    headers    further lines: Contact, Route, Content-Type …
    """
    via_line = f"Via: {via}\r\n" if via else ""
    return (
        f"{method} {uri} SIP/2.0\r\n{via_line}To: {to}\r\nFrom: {from_}\r\nCSeq: {cseq} {method}\r\n"
        f"Call-ID: {call_id}\r\nMax-Forwards: 70\r\nContent-Length: {size(body)}\r\n{headers}\r\n{body}"
    )
