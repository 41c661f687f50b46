"""Where one message ends and the next begins on a byte stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

Facts:
- on a stream every message must have Content-Length: nothing else says where its body ends;
- whoever reads a length in another way than the peer reads a request out of a body. So a length that is missing, is
  there twice, is no number or is too large ends the connection. Nothing is guessed, nothing is found again;
- the head is read by `scan.py`, as everywhere: name, fold and line end mean here what they mean later;
- between messages a double CRLF is a ping that wants one CRLF back; a single one is a pong or an empty line.

Limits: a head of `MOST_HEAD` bytes, a body of `MOST_BODY`; both may be given. How long a message may take, and how many
connections there may be, is for whoever holds the connection: `waiting` says that a message has begun.
"""

import re
from typing import Final, final

from pysips.errors import SipError

from .grammar import TOKEN_CHARACTERS
from .headers import CONTENT_LENGTH, FOLD
from .message import MOST_LENGTH
from .scan import scan_text
from .text import number, unfolded

MOST_HEAD: Final = 65_535
MOST_BODY: Final = 262_144
PING: Final = b"\r\n\r\n"
EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
FIRST_BYTES: Final = frozenset(TOKEN_CHARACTERS)


class Unframed(SipError):
    """The stream cannot be read any further.

    items  the messages and pings that came before
    head   what there is of the message that cannot be ended: enough to answer it if its head is whole; else b""
    """

    def __init__(self, status: int, reason: str, items: list[bytes], head: bytes) -> None:
        super().__init__(status, reason)
        self.items = items
        self.head = head


@final
class Framer:
    """Cuts one connection's bytes into messages."""

    __slots__ = ("broken", "buffer", "most_body", "most_head", "needed", "searched")

    def __init__(self, most_head: int = MOST_HEAD, most_body: int = MOST_BODY) -> None:
        self.buffer = bytearray()
        self.searched = 0  # up to here there is no end of the head
        self.needed = 0  # the length of the message in work, once its head is there
        self.broken = False
        self.most_head = most_head
        self.most_body = most_body

    @property
    def waiting(self) -> bool:
        """True while a message has begun and not ended."""
        return len(self.buffer) > 0 and self.buffer[0] not in b"\r\n"

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, and `PING` for keep-alives (several in a row are one).

        Raises Unframed when the stream cannot be read any further: answer its `items`, answer its `head` with the
        status, close. After that every call gives [].
        """
        items: list[bytes] = []
        if self.broken:
            return items
        buffer = self.buffer
        buffer += data
        while buffer:
            if not self.needed:
                self.skip_empty_lines(items)
                self.find_head(items)
                if not self.needed:
                    break
            if len(buffer) < self.needed:
                break
            items.append(bytes(buffer[: self.needed]))
            del buffer[: self.needed]
            self.needed = 0
        return items

    def skip_empty_lines(self, items: list[bytes]) -> None:
        """Take keep-alives off the front; what may become one stays until more comes."""
        buffer = self.buffer
        if self.searched or buffer[0] not in b"\r\n":
            return
        length = len(buffer) - len(buffer.lstrip(b"\r\n"))
        rest = bytes(buffer[:length])
        last = rest.rfind(PING)
        if last >= 0:
            rest = rest[last + 4 :]
            if not items or items[-1] != PING:
                items.append(PING)
        buffer[:length] = rest if length == len(buffer) and PING.startswith(rest) else b""

    def find_head(self, items: list[bytes]) -> None:
        """Set `needed` once the head of the message in work is there."""
        buffer = self.buffer
        if not buffer or buffer[0] in b"\r\n":
            return
        if chr(buffer[0]) not in FIRST_BYTES:
            raise self.broke(400, "Not SIP", items, 0)
        found = EMPTY_LINE.search(buffer, self.searched)
        if found is None:
            self.searched = max(0, len(buffer) - 2)
            if len(buffer) > self.most_head:
                raise self.broke(513, "Message Too Large", items, 0)
            return
        head = found.end()
        self.searched = 0
        if head > self.most_head:
            raise self.broke(513, "Message Too Large", items, 0)
        try:
            length = body_length(str(buffer[:head], "utf-8", "surrogateescape"))
        except SipError as error:
            raise self.broke(error.status, error.reason, items, head) from None
        if length > self.most_body:
            raise self.broke(513, "Message Too Large", items, head)
        self.needed = head + length

    def broke(self, status: int, reason: str, items: list[bytes], head: int) -> Unframed:
        """The error to raise; nothing more is read from now on."""
        self.broken = True
        error = Unframed(status, reason, items, bytes(self.buffer[:head]))
        self.buffer = bytearray()
        return error


def body_length(head: str) -> int:
    """What Content-Length in `head` says. Raises SipError(400) if there is not exactly one, or it is no number."""
    text, kinds, starts, _, _ = scan_text(head)
    k = kinds.find(CONTENT_LENGTH, 1)
    if k < 0:
        raise SipError(400, "Missing Content-Length")
    if kinds.find(CONTENT_LENGTH, k + 1) > 0:
        raise SipError(400, "Several Content-Length Headers")
    last = k
    while last + 1 < len(kinds) and kinds[last + 1] == FOLD:
        last += 1
    value = text[starts[k] : starts[last + 1]].partition(":")[2]
    length = number(unfolded(value), MOST_LENGTH)
    if length is None:
        raise SipError(400, "Bad Content-Length")
    return length
