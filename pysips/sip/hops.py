"""Max-Forwards as it usually stands in a message, counted down (RFC 3261 section 16.6, step 3)."""

from typing import Final

from .edits import Edit
from .headers import FOLD, MAX_FORWARDS
from .message import Message

USUAL: Final = "Max-Forwards: "


def count_down(message: Message, items: list[Edit], following: dict[str, str]) -> bool:
    """Note in `items` the number that follows; False for what needs a closer look.

    items: the edits of the message; following: a number as it may stand there, and the one that goes out instead.
    """
    if items or MAX_FORWARDS not in message.kinds:
        return False
    match = message.match
    a, b = usual_place(message) if match is None else match.span("hops")
    number = following.get(message.text[a:b])
    if number is None:
        return False
    items.append((a, b, number))
    return True


def usual_place(message: Message) -> tuple[int, int]:
    """Where the number stands in a line that is spelled as usual; an empty place for others."""
    k = message.kinds.find(MAX_FORWARDS)
    a = message.starts[k]
    b = a + len(USUAL)
    if FOLD in message.kinds or message.text[a:b] != USUAL:
        return 0, 0
    return b, message.starts[k + 1] - 2
