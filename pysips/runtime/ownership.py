"""The Call-ID names the worker: a keyed sum of it, modulo the number of workers (house rule 9.2).

Facts:
- requests, retransmissions, CANCEL, ACK, BYE and replies of a call so meet in one process, whatever transport or socket
  brought them, also after that process was replaced: the key is made before the fork and inherited;
- the sum is one that the kernel can make, too (net/steering.py), so that most datagrams come to their owner at once.
  Its key is a prime that strangers do not know: they must not be able to aim all calls at one worker;
- the usual spellings are found by one look; everything else (compact, folded, other case, bare LF) by the pattern.
"""

import re
import secrets
from math import isqrt
from typing import Final

from pysips.core.services import Owners
from pysips.net.steering import LARGEST_PRIME, share

CALL_ID: Final = re.compile(rb"\n(?:call-id|i)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE)
HEAD_END: Final = re.compile(rb"\n\r?\n")
COLON_AT: Final = len(b"\r\nCall-ID:")


class Ownership(Owners):
    """Which worker owns a call. slots: the number of workers."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.prime = secret_prime()

    def call_slot(self, call_id: str) -> int:
        """By a Call-ID as text."""
        return share(call_id.encode("utf-8", "surrogateescape"), self.prime, self.slots)

    def owner_of(self, data: bytes) -> int:
        """By a whole message; -1 if no Call-ID is found in it."""
        at = data.find(b"\r\nCall-ID:")
        if at >= 0:
            end = data.find(b"\r\n", at + COLON_AT)
            value = data[at + COLON_AT : end]
            plain = end > 0 and b"\n" not in value and data[end + 2 : end + 3] not in (b" ", b"\t")
            if plain and data.find(b"\r\n\r\n", 0, at + 2) < 0:
                return share(value.strip(b" \t"), self.prime, self.slots)
        found = careful(data)
        return -1 if found is None else share(found, self.prime, self.slots)


def secret_prime() -> int:
    """A prime between a half of LARGEST_PRIME and it: there are half a million of them."""
    while True:
        found = LARGEST_PRIME // 2 + secrets.randbelow(LARGEST_PRIME // 2)
        if all(found % divisor for divisor in range(2, isqrt(found) + 1)):
            return found


def careful(data: bytes) -> bytes | None:
    """The Call-ID of a message however it is written, on one line and without blanks around it; None without one."""
    data = data.lstrip(b"\r\n")
    end = HEAD_END.search(data)
    found = CALL_ID.search(data, 0, end.start() if end else len(data))
    if found is None:
        return None
    parts = [part.strip(b" \t\r") for part in found[1].split(b"\n")]
    return b" ".join([part for part in parts if part])
