"""Commands out of a pipe's bytes, however they arrive: whole, in pieces, several at once, or as rubbish.

Facts:
- up to 4,096 bytes a client's write arrives in one piece and alone (PIPE_BUF); longer ones may be cut anywhere;
- a command begins with a colon at the start of a line. What does not is rubbish, and goes up to its line's end;
- one that is not whole waits; a new JSON command on a line behind it, or a second without its rest, ends its chance;
- names of reply pipes have no slash and are not `..`: whoever asks may not choose another folder.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

MOST: Final = 1 << 18
NAME: Final = re.compile(rb"[A-Za-z0-9_.:@+-]{1,255}")
EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
BEGINNING: Final = re.compile(rb":[A-Za-z0-9_.@+-]{0,255}:[ \t]*[\[{]")
NEXT_LINE: Final = re.compile(rb"\n(?=:[A-Za-z0-9_.@+-]{0,255}:[ \t]*[\[{])")
MARKS: Final = re.compile(rb'["\[\]{}]')
STRING_MARKS: Final = re.compile(rb'["\\]')
OPENING: Final = frozenset((b"{", b"["))


@dataclass(frozen=True, slots=True)
class Request:
    """reply: the name of the client's pipe, "" for none; json: the text, or "" for the line form."""

    reply: str
    json: str = ""
    command: str = ""
    words: tuple[str, ...] = ()


class Commands:
    """What a pipe brought and was not taken yet."""

    def __init__(self) -> None:
        self.buffer = b""

    def feed(self, data: bytes) -> list[Request]:
        """The commands that are whole now."""
        if self.buffer and BEGINNING.match(data):
            self.buffer = b""
        self.buffer += data
        found: list[Request] = []
        while (step := self.next()) is not None:
            request, end = step
            self.buffer = self.buffer[end:]
            if request is not None:
                found.append(request)
        if len(self.buffer) > MOST:
            self.buffer = b""
        return found

    def give_up(self) -> None:
        """The rest did not come in time."""
        self.buffer = b""

    def next(self) -> tuple[Request | None, int] | None:
        """The first command and where it ends; None as the command: rubbish. None: it is not whole yet."""
        buffer = self.buffer
        blank = len(buffer) - len(buffer.lstrip(b"\r\n\t \0"))
        if blank:
            return None, blank
        if not buffer:
            return None
        if buffer[:1] != b":":
            line_end = buffer.find(b"\n")
            return None, line_end + 1 if line_end >= 0 else len(buffer)
        second = buffer.find(b":", 1)
        line_end = buffer.find(b"\n")
        if second < 0 or 0 <= line_end < second:
            return (None, line_end + 1) if line_end >= 0 else None
        start = second + 1
        while buffer[start : start + 1] in (b" ", b"\t"):
            start += 1
        if start >= len(buffer):
            return None
        json_form = buffer[start : start + 1] in OPENING
        whole = self.json(buffer[1:second], start) if json_form else self.lines(buffer[1:second], start)
        if whole is None and (behind := NEXT_LINE.search(buffer, start)) is not None:
            return None, behind.end()
        return whole

    def json(self, name: bytes, start: int) -> tuple[Request | None, int] | None:
        end = end_of_json(self.buffer, start)
        if end < 0:
            return None
        try:
            text = self.buffer[start:end].decode("utf-8")
        except UnicodeDecodeError:
            return None, end
        reply = reply_name(name)
        if reply is None or not is_json(text):
            return None, end
        return Request(reply, json=text), end

    def lines(self, command: bytes, start: int) -> tuple[Request | None, int] | None:
        """2.4's form: it is whole with its empty line."""
        end = EMPTY_LINE.search(self.buffer, start)
        if end is None:
            return None
        reply, *words = self.buffer[start : end.start()].split(b"\n")
        name = reply_name(reply.strip())
        if name is None or not NAME.fullmatch(command):
            return None, end.end()
        spelled = tuple(word.decode("utf-8", "surrogateescape").strip() for word in words)
        return Request(name, command=command.decode(), words=spelled), end.end()


def reply_name(name: bytes) -> str | None:
    """The name of a reply pipe; "" for none; None for one that may not be."""
    if not name:
        return ""
    return name.decode() if NAME.fullmatch(name) and name not in (b".", b"..") else None


def end_of_json(data: bytes, start: int) -> int:
    """Where a JSON object or list ends; -1 if it does not yet. One look at each byte, however hostile."""
    depth, at = 0, start
    while (found := MARKS.search(data, at)) is not None:
        mark, at = found[0], found.end()
        if mark == b'"':
            at = end_of_string(data, at)
            if at < 0:
                return -1
        elif mark in OPENING:
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return at
    return -1


def end_of_string(data: bytes, at: int) -> int:
    """Behind the closing quote; -1 if there is none yet."""
    while (found := STRING_MARKS.search(data, at)) is not None:
        if found[0] == b'"':
            return found.end()
        at = found.end() + 1  # what is escaped
    return -1


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
