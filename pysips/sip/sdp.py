"""The lines of a session description (RFC 8866), by position, so that edits can change an address or a port.

Facts:
- lines end with CRLF, but a bare LF is in use, and the last line may have no end (section 5);
- a line that is no `letter=value` is kept where it is and skipped here;
- what stands before the first `m=` line is the session's, each `m=` line begins a media section.

Positions are offsets in the text that is handed in; `at` and `end` bound the description in it.
"""

from typing import Final, final

MOST_LINES: Final = 8_192


@final
class Line:
    """One line: its letter, where it begins, and where its value stands (without the line end)."""

    __slots__ = ("a", "b", "letter", "start")

    def __init__(self, letter: str, start: int, a: int, b: int) -> None:
        self.letter = letter
        self.start = start
        self.a = a
        self.b = b


@final
class Media:
    """One media section: its lines, the `m=` line first, and where it begins and ends."""

    __slots__ = ("end", "lines", "start")

    def __init__(self, lines: list[Line], start: int, end: int) -> None:
        self.lines = lines
        self.start = start
        self.end = end


def lines_of(text: str, at: int, end: int) -> list[Line]:
    """The lines of the description in text[at:end], the first `MOST_LINES` of them."""
    lines: list[Line] = []
    while at < end and len(lines) < MOST_LINES:
        stop = text.find("\n", at, end)
        b = stop if stop >= 0 else end
        after = b + 1
        if b > at and text[b - 1] == "\r":
            b -= 1
        if b - at >= 2 and text[at + 1] == "=" and "a" <= text[at] <= "z":
            lines.append(Line(text[at], at, at + 2, b))
        at = after
    return lines


def sections(text: str, at: int, end: int) -> tuple[list[Line], list[Media]]:
    """The lines of the session, and its media."""
    session: list[Line] = []
    media: list[Media] = []
    lines = session
    for line in lines_of(text, at, end):
        if line.letter == "m":
            lines = []
            if media:
                media[-1].end = line.start
            media.append(Media(lines, line.start, end))
        lines.append(line)
    return session, media


def words(text: str, a: int, b: int) -> list[tuple[int, int]]:
    """Where the words of a value stand: `audio 49170 RTP/AVP 0 8` has five."""
    found: list[tuple[int, int]] = []
    while a < b:
        blank = text.find(" ", a, b)
        if blank < 0:
            blank = b
        if blank > a:
            found.append((a, blank))
        a = blank + 1
    return found


def address_of(text: str, line: Line) -> tuple[int, int, str]:
    """Where the address of a `c=` or `o=` line stands, without a TTL behind it, and its kind, "IP4" or "IP6".

    (0, 0, "") for a line without one (sections 5.2 and 5.7).
    """
    found = words(text, line.a, line.b)
    first = 3 if line.letter == "o" else 0
    if line.letter not in "co" or len(found) < first + 3:
        return 0, 0, ""
    a, b = found[first + 1]
    kind = text[a:b].upper()
    if kind != "IP4" and kind != "IP6":
        return 0, 0, ""
    a, b = found[first + 2]
    slash = text.find("/", a, b)
    return a, slash if slash >= 0 else b, kind


def port_of(text: str, line: Line) -> tuple[int, int]:
    """Where the port of an `m=` line stands, without the count behind it; (0, 0) for a line without one."""
    found = words(text, line.a, line.b)
    if line.letter != "m" or len(found) < 2:
        return 0, 0
    a, b = found[1]
    slash = text.find("/", a, b)
    return a, slash if slash >= 0 else b
