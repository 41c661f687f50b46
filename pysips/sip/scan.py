"""The index of a message: where each line of the head starts, and one letter that says which header it is.

Facts:
- a line ends with CRLF (RFC 3261 section 7). A bare LF ends a line, too; a lone CR does not. Both are noted as odd;
- the head ends with the first empty line; a message that stops before is completed, and that is noted;
- a line that begins with a blank continues the one above it (section 7.3.1);
- empty lines before the first line are dropped (section 7.5).

There are three readers with one result. `scan_careful` takes everything. `scan_plain` is the quick one of plain Python,
`scan_bytes` the one of the compiled build, byte by byte and for ASCII only: what looks odd to them they hand on.
"""

from itertools import accumulate, repeat
from typing import Final

from mypy_extensions import i64

from pysips.errors import SipError

from .grammar import TOKEN_CHARACTERS
from .headers import FIRST_LINE, LETTERS, LONGEST_NAME, OTHER, SPELLED, learn

# The text, its letters, where each line starts and the empty line, where the body starts, what was odd.
Index = tuple[str, str, list[int], int, int]

ODD_CONTROL: Final = 1  # a control character other than CR, LF and TAB in the head
ODD_LINE_END: Final = 2  # a bare LF or a lone CR in the head
ODD_NAME: Final = 4  # a header line without a colon, or with a name that is no token
ODD_END: Final = 8  # no empty line after the head; it was added
ODD_START: Final = 16  # the first line is neither a request line nor a status line
ODD_VERSION: Final = 32  # the first line names another version than SIP/2.0

CONTROLS: Final = bytes([_n for _n in range(32) if _n not in (9, 10, 13)]) + b"\x7f"
UNUSUAL: Final = CONTROLS + b"\r\n"
STAND_IN: Final = FIRST_LINE + ":"
SPLIT: Final = str.split  # with COLONS and ONES: name and value of each line, without a turn of a Python loop for it
COLONS: Final = repeat(":")
ONES: Final = repeat(1)
COMPILED: Final = not __file__.endswith(".py")


def scan(data: bytes) -> Index:
    """The index of the message in `data`. Raises SipError(400) if there is none at all."""
    text = data.decode("utf-8", "surrogateescape")
    if text[:1] == "\r" or text[:1] == "\n":
        text = text.lstrip("\r\n")
        data = text.encode("utf-8", "surrogateescape")
    if not text:
        raise SipError(400, "Empty Message")
    if COMPILED and len(text) == len(data):
        return scan_bytes(data, text)
    return scan_plain(data, text)


def scan_plain(data: bytes, text: str) -> Index:
    """Split and look up: one dictionary look-up a line, by the name as it is spelled.

    A head with anything unusual in it (a fold, a name not met before, a stray line end, a control character) goes to
    `scan_careful`. A body may hold anything.
    """
    end = data.find(b"\r\n\r\n") + 2
    head = data[:end] if end > 2 else b""
    if text.isascii():
        lines = text[:end].splitlines(True)  # at other controls, too: then there are more lines than line ends
    else:
        lines = [line + "\r\n" for line in str(head[:-2], "utf-8", "surrogateescape").split("\r\n")]
    ends = head.count(b"\r\n")
    if ends != len(lines) or len(head.translate(None, UNUSUAL)) != end - 2 * ends:
        return scan_careful(data, text)
    starts = list(accumulate(map(len, lines), initial=0))
    lines[0] = STAND_IN
    try:
        kinds = "".join([SPELLED[name] for name, _ in map(SPLIT, lines, COLONS, ONES)])
    except (KeyError, ValueError):  # a name not met before; a line without a colon
        return scan_careful(data, text)
    return text, kinds, starts, starts[-1] + 2, 0


def scan_careful(data: bytes, text: str) -> Index:
    """What `scan_text` finds, with a note if a control character stands in the head (bodies may hold any)."""
    text, kinds, starts, body_at, odd = scan_text(text)
    if len(data.translate(None, CONTROLS)) != len(data):
        head = text[: starts[-1]].encode("utf-8", "surrogateescape")
        if len(head.translate(None, CONTROLS)) != len(head):
            odd |= ODD_CONTROL
    return text, kinds, starts, body_at, odd


def scan_text(text: str) -> Index:
    """Line by line, each with the care that it needs. `text` begins with a line."""
    end = text.find("\r\n\r\n")
    if end > 0:
        head = text[:end]
        lines = head.split("\r\n")
        folds = len(lines) - 1
        if head.count("\n") == folds and head.count("\r") == folds:
            starts = list(accumulate([len(line) + 2 for line in lines], initial=0))
            strange: list[str] = []
            kinds = kinds_of(lines, strange)
            return text, kinds, starts, end + 4, ODD_NAME if strange else 0
    return scan_lines(text)


def kinds_of(lines: list[str], strange: list[str]) -> str:
    """The letters of the lines; the ones that are no headers are added to `strange`. The first line is taken out."""
    del lines[0]
    return OTHER + "".join([letter_of_line(line, strange) for line in lines])


def letter_of_line(line: str, strange: list[str]) -> str:
    """The letter of a header line, learned if it is new."""
    name, colon, _ = line.partition(":")
    letter = SPELLED.get(name) if colon else None
    return learn(line, strange) if letter is None else letter


def scan_lines(text: str) -> Index:
    """Line by line, for a head with a bare LF or a lone CR, or without an end."""
    starts: list[int] = [0]
    lines: list[str] = []
    odd = 0
    at = 0
    while True:
        end = text.find("\n", at)
        if end < 0:
            return completed(text)
        line = text[at:end]
        if line[-1:] == "\r":
            line = line[:-1]
        else:
            odd |= ODD_LINE_END
        if not line:
            break
        if "\r" in line:
            odd |= ODD_LINE_END
        lines.append(line)
        at = end + 1
        starts.append(at)
    strange: list[str] = []
    kinds = kinds_of(lines, strange)
    if strange:
        odd |= ODD_NAME
    return text, kinds, starts, end + 1, odd


def completed(text: str) -> Index:
    """The index of a head that stops before its end: the missing line ends are added."""
    text, kinds, starts, body_at, odd = scan_text(text.rstrip("\r\n") + "\r\n\r\n")
    return text, kinds, starts, body_at, odd | ODD_END


# ---------------------------------------------------------------------------------------------- compiled builds only

BY_LENGTH: Final[list[list[tuple[bytes, str]]]] = [[] for _ in range(32)]
for _name, _letter in LETTERS.items():
    BY_LENGTH[len(_name)].append((_name.encode(), _letter))
TOKEN: Final = bytes([1 if chr(_n) in TOKEN_CHARACTERS else 0 for _n in range(256)])


def kind_of(data: bytes, a: i64, b: i64) -> str:
    """The letter of the name data[a:b], a token in whatever case."""
    n: i64 = b - a
    if 0 < n < 32:
        for name, letter in BY_LENGTH[n]:
            i: i64 = 0
            while i < n and (data[a + i] | 32) == name[i]:
                i += 1
            if i == n:
                return letter
    return OTHER


def scan_bytes(data: bytes, text: str) -> Index:
    """The same byte by byte: for ASCII, in the compiled build. What is not plainly well goes to `scan_careful`."""
    starts: list[int] = [0]
    kinds: list[str] = [OTHER]
    n: i64 = len(data) - 1
    at: i64 = 0
    start: i64 = 0
    while True:
        while at < n and (31 < data[at] < 127 or data[at] == 9):
            at += 1
        if at >= n or data[at] != 13 or data[at + 1] != 10 or at == start:
            return scan_careful(data, text)
        at += 2
        start = at
        starts.append(start)
        if at < n and data[at] == 13 and data[at + 1] == 10:
            return text, "".join(kinds), starts, start + 2, 0
        while at < n and TOKEN[data[at]]:
            at += 1
        if at >= n or data[at] != 58 or at == start or at - start > LONGEST_NAME:
            return scan_careful(data, text)
        kinds.append(kind_of(data, start, at))
