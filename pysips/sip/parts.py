"""Bodies: content types and the parts of a multipart body (RFC 3261 section 7.4, RFC 2046 section 5.1).

Facts:
- a body without Content-Type has no type that anybody could rely on: mime "" here;
- the boundary of a multipart body stands in Content-Type, quoted or not; each part begins behind a line with two
  dashes and the boundary, and the line end before such a line belongs to it, not to the part;
- what cannot be taken apart is one part, of the body's own type.
"""

from typing import Final, final

from .headers import normal
from .text import BLANKS, param_value, unquoted

MOST_PARTS: Final = 64
SDP: Final = "application/sdp"


@final
class Part:
    """One part. mime: its type in small letters, without parameters; headers: its header lines, each with its CRLF;
    content: its text; a, b: where that stands in the body."""

    __slots__ = ("a", "b", "content", "headers", "mime")

    def __init__(self, mime: str, headers: str, content: str, a: int = 0, b: int = 0) -> None:
        self.mime: str = mime
        self.headers: str = headers
        self.content: str = content
        self.a: int = a
        self.b: int = b


def mime_of(content_type: str) -> str:
    """`application/sdp` of `Application/SDP;charset=utf-8`."""
    type_, slash, subtype = content_type.partition(";")[0].partition("/")
    return (type_.strip(BLANKS) + slash + subtype.strip(BLANKS)).lower()


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names; "" without one. Raises SipError(400) for unreadable parameters."""
    _, mark, params = content_type.partition(";")
    return unquoted(param_value(params, "boundary") or "") if mark else ""


def parts_of(content_type: str, body: str) -> list[Part]:
    """The parts of a body; none of an empty one. Raises SipError(400) as `boundary_of`."""
    if not body:
        return []
    mime = mime_of(content_type)
    if mime.startswith("multipart/"):
        boundary = boundary_of(content_type)
        found = split(body, boundary) if boundary else []
        if found:
            return found
    headers = "Content-Type: " + content_type + "\r\n" if content_type else ""
    return [Part(mime, headers, body, 0, len(body))]


def split(body: str, boundary: str) -> list[Part]:
    """The parts between the lines of a boundary; none if there is no such line. A missing last line ends at the end."""
    spans: list[tuple[int, int]] = []
    start = -1
    at = line_with(body, "--" + boundary, 0)
    while at >= 0 and len(spans) < MOST_PARTS:
        if start >= 0:
            spans.append((start, before_line_end(body, at)))
        after = at + 2 + len(boundary)
        if body.startswith("--", after):
            start = -1
            break
        end = body.find("\n", after)
        start = end + 1 if end >= 0 else len(body)
        at = line_with(body, "--" + boundary, start)
    if start >= 0 and start < len(body) and len(spans) < MOST_PARTS:
        spans.append((start, len(body)))
    return [part_at(body, a, b) for a, b in spans]


def line_with(body: str, mark: str, at: int) -> int:
    """Where a line begins with `mark` and goes on with dashes, blanks or not at all, from `at` on; -1 if none does."""
    while True:
        at = body.find(mark, at)
        if at < 0 or ((at == 0 or body[at - 1] == "\n") and body[at + len(mark) : at + len(mark) + 1] in "-\r\n \t"):
            return at
        at += 1


def before_line_end(body: str, at: int) -> int:
    """The place before the line end that stands before `at`."""
    if at > 0 and body[at - 1] == "\n":
        at -= 1
        if at > 0 and body[at - 1] == "\r":
            at -= 1
    return at


def part_at(body: str, a: int, b: int) -> Part:
    """The part in body[a:b]: header lines, an empty line, content."""
    headers: list[str] = []
    mime = "text/plain"  # RFC 2046 section 5.1: without a Content-Type
    at = a
    while at < b:
        end = body.find("\n", at, b)
        line = body[at : end if end >= 0 else b].rstrip("\r")
        at = end + 1 if end >= 0 else b
        if not line:
            break
        headers.append(line + "\r\n")
        name, _, value = line.partition(":")
        if normal(name) == "content-type":
            mime = mime_of(value)
    b = max(at, b)
    return Part(mime, "".join(headers), body[at:b], at, b)


def joined(parts: list[Part], boundary: str) -> str:
    """A multipart body of these parts."""
    out = ""
    for part in parts:
        out += "--" + boundary + "\r\n" + part.headers + "\r\n" + part.content + "\r\n"
    return out + "--" + boundary + "--\r\n"
