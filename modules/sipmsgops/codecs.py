"""Codecs and streams of a session description: looked for, taken out, moved (sipmsgops; RFC 4566, RFC 3264).

They work on the body as it will go out, so that one change sees those before it. A stream whose last codec goes is
refused: its port becomes 0, and its formats stay as they were, for a stream must name some (RFC 3264 section 6).
"""

import re
from collections.abc import Callable
from typing import Final

from pysips.core.context import Context
from pysips.core.exports import Regex
from pysips.core.head_edits import body_now, content_type, set_body
from pysips.errors import SipError
from pysips.sip.parts import SDP, mime_of, parts_of

# RTP payload numbers that need no rtpmap (RFC 3551 section 6): name and clock rate.
STATIC: Final = {
    "0": ("pcmu", "8000"), "3": ("gsm", "8000"), "4": ("g723", "8000"), "5": ("dvi4", "8000"), "6": ("dvi4", "16000"),
    "7": ("lpc", "8000"), "8": ("pcma", "8000"), "9": ("g722", "8000"), "10": ("l16", "44100"), "11": ("l16", "44100"),
    "12": ("qcelp", "8000"), "13": ("cn", "8000"), "14": ("mpa", "90000"), "15": ("g728", "8000"),
    "16": ("dvi4", "11025"), "17": ("dvi4", "22050"), "18": ("g729", "8000"), "25": ("celb", "90000"),
    "26": ("jpeg", "90000"), "28": ("nv", "90000"), "31": ("h261", "90000"), "32": ("mpv", "90000"),
    "33": ("mp2t", "90000"), "34": ("h263", "90000"), "t38": ("t38", ""),
}  # fmt: skip
RTPMAP: Final = re.compile(r"a=rtpmap:(\S+) +([^/\s]+)(?:/(\d+))?")
FORMAT: Final = re.compile(r"a=(?:rtpmap|fmtp|rtcp-fb|framesize|imageattr):(\S+)(?: |$)")
LINKED: Final = re.compile(r"a=fmtp:(\S++) ++(?:.*;\s*+)?apt=(\d++)(?:;|\s|$)")

Wanted = Callable[[str, str], bool]  # (codec's name as written, clock rate) → whether it is meant


class Stream:
    """One `m=` line and what belongs to it; lines without their ends."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        words = lines[0][2:].split()
        self.media, self.port, self.transport = [*words, "", "", ""][:3]
        self.formats = words[3:]

    def codecs(self) -> dict[str, tuple[str, str]]:
        """Payload number → name and clock rate, in the order of the formats."""
        named = {}
        for line in self.lines[1:]:
            found = RTPMAP.match(line)
            if found:
                named[found[1]] = (found[2], found[3] or "")
        return {number: named.get(number) or STATIC.get(number.lower(), ("", "")) for number in self.formats}

    def chosen(self, wanted: Wanted) -> list[str]:
        """The payload numbers of the codecs that are meant, those of refused streams left out."""
        if self.port == "0":
            return []
        return [number for number, (name, clock) in self.codecs().items() if name and wanted(name, clock)]

    def delete(self, numbers: list[str]) -> None:
        """Take formats out, with their attributes and the retransmission formats that point to them (RFC 4588)."""
        gone = set(numbers)
        for line in self.lines[1:]:
            found = LINKED.match(line)
            if found and found[2] in gone:
                gone.add(found[1])
        left = [number for number in self.formats if number not in gone]
        if left:
            self.formats = left
        else:
            self.port = "0"
        self.lines = [self.lines[0]] + [line for line in self.lines[1:] if not self.is_about(line, gone)]
        self.rewrite()

    def is_about(self, line: str, numbers: set[str]) -> bool:
        """Whether an attribute line belongs to one of these formats."""
        found = FORMAT.match(line)
        return found is not None and found[1] in numbers

    def move(self, numbers: list[str], front: bool) -> None:
        """Put formats before or behind all others."""
        moved = set(numbers)
        others = [number for number in self.formats if number not in moved]
        self.formats = numbers + others if front else others + numbers
        self.rewrite()

    def rewrite(self) -> None:
        self.lines[0] = "m=" + " ".join([self.media, self.port, self.transport, *self.formats])


class Description:
    """A session description taken apart. `prefix` and `suffix` are what stands around it in the body."""

    def __init__(self, prefix: str, text: str, suffix: str) -> None:
        self.prefix, self.suffix = prefix, suffix
        self.end = "\r\n" if "\r\n" in text else "\n"
        self.closed = text.endswith("\n")
        self.session: list[str] = []
        self.streams: list[Stream] = []
        lines: list[str] = self.session
        for line in text.removesuffix("\n").removesuffix("\r").split("\n"):
            line = line.removesuffix("\r")
            if line.startswith("m="):
                lines = [line]
                self.streams.append(Stream(lines))
            else:
                lines.append(line)

    def written(self) -> str:
        """The whole body again."""
        lines = self.session + [line for stream in self.streams for line in stream.lines]
        return self.prefix + self.end.join(lines) + (self.end if self.closed else "") + self.suffix


def description(ctx: Context) -> Description | None:
    """The first session description of the body as it will go out; None if there is none."""
    body = body_now(ctx)
    try:
        for part in parts_of(content_type(ctx), body):
            if part.mime == SDP or (not part.mime and mime_of(content_type(ctx)) == SDP):
                return Description(body[: part.a], part.content, body[part.b :])
    except SipError:
        return None
    return None


def exists(ctx: Context, wanted: Wanted) -> int:
    """Whether a stream offers such a codec."""
    found = description(ctx)
    return 1 if found is not None and any(stream.chosen(wanted) for stream in found.streams) else -1


def change(ctx: Context, wanted: Wanted, work: Callable[[Stream, list[str]], None]) -> int:
    """Do something to the codecs that are meant, in every stream: 1, or -1 if there are none."""
    found = description(ctx)
    if found is None:
        return -1
    changed = False
    for stream in found.streams:
        numbers = stream.chosen(wanted)
        if numbers:
            work(stream, numbers)
            changed = True
    if not changed:
        return -1
    set_body(ctx, found.written())
    return 1


def delete(ctx: Context, wanted: Wanted) -> int:
    """Take codecs out."""
    return change(ctx, wanted, Stream.delete)


def move(ctx: Context, wanted: Wanted, front: bool) -> int:
    """Put codecs first or last."""
    return change(ctx, wanted, lambda stream, numbers: stream.move(numbers, front))


def named(name: str, clock: str) -> Wanted:
    """A codec by its name, and its clock rate if one is given."""
    low = name.lower()
    return lambda found, rate: found.lower() == low and clock in ("", rate)


def like(expression: Regex) -> Wanted:
    """Codecs whose names match."""
    return lambda found, rate: bool(expression.matches(found))


def unlike(expression: Regex) -> Wanted:
    """Codecs whose names do not match."""
    return lambda found, rate: not expression.matches(found)


def streams(found: Description, media: Regex, transport: Regex | None) -> list[Stream]:
    """The streams whose media, and transport if one is given, match."""
    return [
        stream for stream in found.streams
        if media.matches(stream.media) and (transport is None or transport.matches(stream.transport))
    ]  # fmt: skip


def stream_exists(ctx: Context, media: Regex, transport: Regex | None) -> int:
    """Whether there is such a stream."""
    found = description(ctx)
    return 1 if found is not None and streams(found, media, transport) else -1


def stream_delete(ctx: Context, media: Regex, transport: Regex | None) -> int:
    """Take streams out, each with all its lines."""
    found = description(ctx)
    gone = streams(found, media, transport) if found is not None else []
    if found is None or not gone:
        return -1
    doomed = {id(stream) for stream in gone}
    found.streams = [stream for stream in found.streams if id(stream) not in doomed]
    set_body(ctx, found.written())
    return 1


def is_on_hold(ctx: Context) -> int:
    """Whether an audio stream is on hold: sendonly or inactive, or its address is 0.0.0.0 (RFC 3264 section 8.4)."""
    found = description(ctx)
    if found is None:
        return -1
    for stream in found.streams:
        if stream.media == "audio":
            own = [line for line in stream.lines if line.startswith("c=")]
            address = own or [line for line in found.session if line.startswith("c=")]
            nowhere = bool(address) and address[0].split()[-1] == "0.0.0.0"
            if nowhere or "a=sendonly" in stream.lines or "a=inactive" in stream.lines:
                return 1
    return -1
