"""The 64-bit id of a contact, as OpenSIPS makes it: the AoR's hash, the AoR's label, the contact's label.

Nodes of a cluster name contacts by it, and so do `$ct` lookups by id and SQL rows: all of them must make the same.
"""

import sys
from dataclasses import dataclass
from typing import Final

CLABEL_BITS: Final = 14
RLABEL_BITS: Final = 32
HASH_BITS: Final = 16
WORD: Final = 0xFFFF_FFFF
LONGEST: Final = 512  # bytes that are mixed all at once
ZEROS: Final = (b"", b"\0\0\0", b"\0\0", b"\0")  # before a last word of so many bytes
LOW_BITS: Final = int.from_bytes(b"\x1f\xff\xff\xff" * (LONGEST // 4), "big")  # what `>> 3` leaves in each word


def aor_hash(aor: str) -> int:
    """OpenSIPS' hash of a string (its core hash, without a table's size): 32 bits."""
    data = aor.encode("utf-8", "surrogateescape")
    if len(data) <= LONGEST and data.isascii():  # all words side by side in one number
        rest = len(data) & 3
        if rest:
            data = data[:-rest] + ZEROS[rest] + data[-rest:]
        words = int.from_bytes(data, "big")
        words ^= words >> 3 & LOW_BITS
        total = sum(memoryview(words.to_bytes(len(data), sys.byteorder)).cast("I")) & WORD
    else:
        total = sum([mixed(joined(data[at : at + 4])) for at in range(0, len(data), 4)]) & WORD
    return (total + (total >> 11) + (total >> 13) + (total >> 23)) & WORD


def joined(data: bytes) -> int:
    """Up to four bytes as one number, each as C's `char` has it."""
    value = 0
    for byte in data:
        value = (value << 8) + (byte - 256 if byte >= 128 else byte)
    return value


def mixed(value: int) -> int:
    """A step of the hash, in 32 bits."""
    value &= WORD
    return value ^ (value >> 3)


@dataclass(frozen=True, slots=True)
class ContactId:
    """hash: the low 16 bits of the AoR's; label: of the AoR, 32 bits; clabel: of the contact, 14 bits."""

    hash: int
    label: int
    clabel: int

    @property
    def number(self) -> int:
        """The id as it travels, 62 bits."""
        return self.clabel | self.label << CLABEL_BITS | self.hash << (CLABEL_BITS + RLABEL_BITS)

    @classmethod
    def of(cls, aor: str, label: int, clabel: int) -> "ContactId":
        """Labels beyond their bits begin anew, as a counter does."""
        return cls(
            aor_hash(aor) & (1 << HASH_BITS) - 1, label & WORD, clabel & (1 << CLABEL_BITS) - 1
        )  # fmt: skip

    @classmethod
    def split(cls, number: int) -> "ContactId":
        """The parts of an id that came from elsewhere."""
        return cls(
            number >> (CLABEL_BITS + RLABEL_BITS) & (1 << HASH_BITS) - 1,
            number >> CLABEL_BITS & WORD,
            number & (1 << CLABEL_BITS) - 1,
        )
