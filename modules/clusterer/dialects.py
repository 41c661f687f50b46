"""How the releases of OpenSIPS differ in speaking to each other.

They differ in the numbers of packet types from 6 on (3.2 put one in between), in whether a list of capabilities has a
sequence number (since 3.1), and in the version of synchronisation (3 since 3.3).
"""

from dataclasses import dataclass
from typing import Final

FIRST_MOVED: Final = 6  # types from here on have one number more since 3.2


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a release speaks. shift: added to the types from 6 on; numbered: CAP_UPDATE has a sequence number and a time;
    sync: the version of SYNC_REQ, SYNC and SYNC_END."""

    name: str
    shift: int
    numbered: bool
    sync: int


V2_4: Final = Dialect("2.4", 0, False, 2)  # and 3.0
V3_1: Final = Dialect("3.1", 0, True, 2)
V3_2: Final = Dialect("3.2", 1, True, 2)
V3_3: Final = Dialect("3.3", 1, True, 3)  # to 4.0
DIALECTS: Final = (V2_4, V3_1, V3_2, V3_3)


def number_of(kind: int, dialect: Dialect) -> int:
    return kind + dialect.shift if kind >= FIRST_MOVED else kind
