"""How much a message may have; what is beyond is refused (docs/limits.md), unless the script says strict_parsing=no."""

from typing import Final

MOST_LINES: Final = 1024
MOST_VIAS: Final = 128
MOST_CONTACTS: Final = 512
LONGEST_HEADER: Final = 16_384
LONGEST_METHOD: Final = 128
LONGEST_URI: Final = 8_192
MOST_HOPS: Final = 255
