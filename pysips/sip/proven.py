"""What the careful checks have found good, as it stands in messages; when there is too much of it all is forgotten.

Most lines of a message repeat from message to message: what stands here need not be checked again.
"""

from typing import Final

from .message import Message
from .via import ViaFacts

MOST_PROVEN: Final = 8_192
LONGEST_PROVEN: Final = 256
# Lines of From, To, Call-ID, CSeq, Max-Forwards, Content-Length, Via, Contact; -1: none; the last two: 0 for several.
Places = tuple[int, int, int, int, int, int, int, int]
proven_kinds: Final[dict[str, Places]] = {}  # letters without a fold, and where the headers are that come once
proven_methods: Final[set[str]] = set()
proven_uris: Final[set[str]] = set()
proven_cseqs: Final[dict[str, tuple[int, str]]] = {}  # whole lines, and what they say
proven_hops: Final[set[str]] = set()  # whole lines
proven_vias: Final[dict[str, ViaFacts]] = {}  # values without their branch, and what they say
proven_addresses: Final[set[str]] = set()  # From and To up to the ">"
proven_contacts: Final[set[str]] = set()  # whole lines


def remember(proven: set[str], text: str) -> None:
    """Note that `text` is good."""
    if len(text) <= LONGEST_PROVEN:
        if len(proven) >= MOST_PROVEN:
            proven.clear()
        proven.add(text)


def whole_line(message: Message, k: int) -> str:
    """Line k with its line end; "" if it is continued or longer than what is remembered."""
    a, b = message.span(k)
    return message.text[a:b] if message.last(k) == k and b - a <= LONGEST_PROVEN else ""
