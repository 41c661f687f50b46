"""Sets of methods as bits, numbered as OpenSIPS does (they stand in its databases and management answers)."""

from typing import Final

from pysips.errors import SipError
from pysips.sip.grammar import is_token

ALL: Final = 0xFFFFFFFF
OTHER: Final = 16384

BITS: Final[dict[str, int]] = {
    "INVITE": 1, "CANCEL": 2, "ACK": 4, "BYE": 8, "INFO": 16, "OPTIONS": 32, "UPDATE": 64, "REGISTER": 128,
    "MESSAGE": 256, "SUBSCRIBE": 512, "NOTIFY": 1024, "PRACK": 2048, "REFER": 4096, "PUBLISH": 8192,
}  # fmt: skip

MOST_KEPT: Final = 1000
_known: Final[dict[str, int]] = {}  # phones of one make send one and the same Allow


def bits_of(text: str) -> int:
    """The set that "INVITE, ACK, BYE" names. Raises SipError(400) for what is no list of methods."""
    found = _known.get(text)
    if found is None:
        found = 0
        for word in text.split(","):
            method = word.strip(" \t").upper()
            if not is_token(method):
                raise SipError(400, "Bad Methods")
            found |= BITS.get(method, OTHER)
        if len(_known) < MOST_KEPT:
            _known[text] = found
    return found


def allowed(values: list[str]) -> int:
    """What the Allow headers of a request name; all without one, and for one that cannot be read."""
    if not values:
        return ALL
    found = 0
    try:
        for value in values:
            found |= bits_of(value)
    except SipError:
        return ALL
    return found
