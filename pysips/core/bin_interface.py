"""The BIN protocol's packets and fields, byte-exact, for all that speaks to other nodes; no socket, no clock.

Layout (OpenSIPS' binary interface, all integers little-endian): `P4CK`, u32 length of the whole packet, i16 version,
u16 length and bytes of the capability's name, i32 type, then the fields back to back without any mark of their kinds.
A number is 4 bytes; a text is u16 length and bytes, where empty stands for absent, too; 64-bit numbers travel as texts
of 8 bytes. Texts are utf-8 with surrogateescape, so that any bytes come out as they came in.

Whatever a peer sends, reading it gives a value or raises BadPacket, and holds no more than one packet and one piece.
"""

import struct
from dataclasses import dataclass
from typing import Final, final

from pysips.errors import PysipsError

MARKER: Final = b"P4CK"
HEADER: Final = struct.Struct("<4sIhH")
NUMBER: Final = struct.Struct("<i")
UNSIGNED: Final = struct.Struct("<I")
SIZE: Final = struct.Struct("<H")
LONG: Final = struct.Struct("<q")
UNSIGNED_LONG: Final = struct.Struct("<Q")
TRAILER: Final = struct.Struct("<iii")

SMALLEST: Final = 17  # a header with a name of one letter
LARGEST: Final = 65_535


class BadPacket(PysipsError):
    """Bytes that are no packet of this protocol, or values that do not fit into one."""


class BadStream(BadPacket):
    """A stream whose next packet has no knowable end: it is to be closed. packets: those before it."""

    def __init__(self, reason: str, packets: "list[Packet]") -> None:
        super().__init__(reason)
        self.packets = packets


@dataclass(frozen=True, slots=True)
class Trailer:
    """The last 12 bytes of every packet that is no `clusterer-internal` one: who sends it to whom."""

    cluster_id: int
    source: int
    destination: int

    def encode(self) -> bytes:
        """Raises BadPacket for a number beyond 32 bits."""
        try:
            return TRAILER.pack(self.cluster_id, self.source, self.destination)
        except struct.error:
            raise BadPacket(f"{self} does not fit into 32 bits each") from None


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. version: its meaning belongs to the capability; body: the fields, with the trailer if it has one."""

    version: int
    capability: str
    type: int
    body: bytes

    def encode(self) -> bytes:
        """The bytes for the stream. Raises BadPacket if they would be too many, or a number too large."""
        name = to_bytes(self.capability)
        length = HEADER.size + len(name) + NUMBER.size + len(self.body)
        if not name or length > LARGEST:
            raise BadPacket(f"a packet of {length} bytes of {self.capability!r}; at most {LARGEST} are possible")
        try:
            head = HEADER.pack(MARKER, length, self.version, len(name))
            return b"".join((head, name, NUMBER.pack(self.type), self.body))
        except struct.error:
            raise BadPacket(f"version {self.version} or type {self.type} is too large") from None

    def split(self) -> tuple[bytes, Trailer]:
        """The fields, and the trailer behind them. Raises BadPacket if there is none."""
        at = len(self.body) - TRAILER.size
        if at < 0:
            raise BadPacket("a packet without cluster, source and destination")
        return self.body[:at], Trailer(*TRAILER.unpack_from(self.body, at))

    def addressed(self, trailer: Trailer) -> "Packet":
        """The same packet with another trailer in place of its own. Raises BadPacket if it has none."""
        return Packet(self.version, self.capability, self.type, self.split()[0] + trailer.encode())


def to_bytes(text: str) -> bytes:
    """Raises BadPacket for a lone surrogate that stands for no byte."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadPacket("a text that has no bytes") from None


def to_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@final
class Writer:
    """Fields into bytes, in the order of the calls. Each call raises BadPacket for a value that does not fit."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def number(self, value: int) -> None:
        """A signed number of 32 bits."""
        self.parts.append(packed(NUMBER, value))

    def unsigned(self, value: int) -> None:
        """A number from 0 to 2^32 - 1."""
        self.parts.append(packed(UNSIGNED, value))

    def flag(self, value: bool) -> None:
        self.number(1 if value else 0)

    def text(self, value: str) -> None:
        """A text of at most 65,535 bytes."""
        self.blob(to_bytes(value))

    def blob(self, value: bytes) -> None:
        """Bytes with their length before them."""
        self.parts.append(packed(SIZE, len(value)))
        self.parts.append(value)

    def long(self, value: int) -> None:
        """A signed number of 64 bits, as a text of 8 bytes."""
        self.blob(packed(LONG, value))

    def unsigned_long(self, value: int) -> None:
        """A number from 0 to 2^64 - 1, as a text of 8 bytes."""
        self.blob(packed(UNSIGNED_LONG, value))

    def short(self, value: int) -> None:
        """A signed number of 32 bits, as a text of 4 bytes (the q value)."""
        self.blob(packed(NUMBER, value))

    def numbers(self, values: tuple[int, ...]) -> None:
        """How many, then each: a path, a list of nodes."""
        self.number(len(values))
        for value in values:
            self.number(value)

    def written(self) -> bytes:
        """All of it."""
        return b"".join(self.parts)


def packed(form: struct.Struct, value: int) -> bytes:
    """Raises BadPacket if the value does not fit into the form."""
    try:
        return form.pack(value)
    except struct.error:
        raise BadPacket(f"{value} does not fit into {form.size} bytes") from None


@final
class Reader:
    """Bytes into fields, in the order of the calls. Each call raises BadPacket where the bytes do not go so far."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """The next bytes as they are."""
        if not 0 <= size <= self.left:
            raise BadPacket(f"{size} bytes are wanted where {self.left} are left")
        start = self.at
        self.at = start + size
        return self.data[start : self.at]

    def number(self) -> int:
        """A signed number of 32 bits."""
        return self.plain(NUMBER)

    def unsigned(self) -> int:
        """A number from 0 to 2^32 - 1."""
        return self.plain(UNSIGNED)

    def plain(self, form: struct.Struct) -> int:
        """A number that stands by itself."""
        start = self.at
        end = start + form.size
        if end > len(self.data):
            raise BadPacket(f"{form.size} bytes are wanted where {self.left} are left")
        self.at = end
        value: int = form.unpack_from(self.data, start)[0]
        return value

    def flag(self) -> bool:
        """True for any number but 0."""
        return self.number() != 0

    def blob(self) -> bytes:
        """Bytes with their length before them."""
        size = self.plain(SIZE)
        start = self.at
        end = start + size
        if end > len(self.data):
            raise BadPacket(f"{size} bytes are wanted where {self.left} are left")
        self.at = end
        return self.data[start:end]

    def text(self) -> str:
        """A text; empty stands for absent, too."""
        return to_text(self.blob())

    def exactly(self, form: struct.Struct) -> int:
        """A number that travels as a text of its size."""
        data = self.blob()
        if len(data) != form.size:
            raise BadPacket(f"{len(data)} bytes where a number of {form.size} is due")
        value: int = form.unpack(data)[0]
        return value

    def long(self) -> int:
        """A signed number of 64 bits."""
        return self.exactly(LONG)

    def unsigned_long(self) -> int:
        """A number from 0 to 2^64 - 1."""
        return self.exactly(UNSIGNED_LONG)

    def short(self) -> int:
        """A signed number of 32 bits that travels as a text (the q value)."""
        return self.exactly(NUMBER)

    def count(self, most: int, size: int = 4) -> int:
        """How many entries of at least `size` bytes follow; no more than `most`, and no more than there are bytes."""
        value = self.number()
        if not 0 <= value <= min(most, self.left // size):
            raise BadPacket(f"{value} entries in {self.left} bytes; at most {most} are allowed")
        return value

    def numbers(self, most: int) -> tuple[int, ...]:
        """How many, then each: a path, a list of nodes."""
        return tuple([self.number() for _ in range(self.count(most))])

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise BadPacket(f"{self.left} bytes too many")


@final
class Framer:
    """A stream of bytes into packets."""

    __slots__ = ("buffer",)

    def __init__(self) -> None:
        self.buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes of a packet that is not whole yet."""
        return len(self.buffer)

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole now. Raises BadStream where no packet begins, or one cannot be right."""
        buffer = self.buffer
        buffer += data
        packets: list[Packet] = []
        at = 0
        try:
            while True:
                length = length_of(buffer, at)
                if not length or at + length > len(buffer):
                    break
                packets.append(packet_of(bytes(buffer[at : at + length])))
                at += length
        except BadPacket as problem:
            buffer.clear()
            raise BadStream(str(problem), packets) from None
        del buffer[:at]
        return packets


def length_of(buffer: bytearray, at: int) -> int:
    """The length of the packet that begins here, 0 if that is not known yet. Raises BadPacket if none begins."""
    if not MARKER.startswith(buffer[at : at + len(MARKER)]):
        raise BadPacket("no packet begins here")
    if len(buffer) - at < HEADER.size:
        return 0
    length: int = UNSIGNED.unpack_from(buffer, at + len(MARKER))[0]
    if not SMALLEST <= length <= LARGEST:
        raise BadPacket(f"a packet of {length} bytes; {SMALLEST} to {LARGEST} are allowed")
    return length


def packet_of(data: bytes) -> Packet:
    """One whole packet from its bytes. Raises BadPacket."""
    if len(data) < SMALLEST:
        raise BadPacket(f"a packet of {len(data)} bytes")
    marker, length, version, size = HEADER.unpack_from(data)
    if marker != MARKER or length != len(data):
        raise BadPacket("no packet, or more than one")
    start = HEADER.size + size + NUMBER.size
    if size == 0 or start > length:
        raise BadPacket("a capability's name of impossible length")
    kind: int = NUMBER.unpack_from(data, start - NUMBER.size)[0]
    return Packet(version, to_text(data[HEADER.size : start - NUMBER.size]), kind, data[start:])
