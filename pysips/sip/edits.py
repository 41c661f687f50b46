"""What a script changed of a message: (start, end, new text) by position. OpenSIPS calls these lumps.

Facts:
- the text itself never changes, so reads go on seeing what came, as in OpenSIPS; the edits take effect when written;
- a removal has no new text, an insertion no length;
- insertions at one place come out in the order in which they were made;
- edits may overlap (a header removed twice, a value changed inside of a removed line): every removed character stays
  out, and what would be put in the place of something already taken out goes with it, as in OpenSIPS.
"""

from operator import itemgetter
from typing import Any, Final, final

from mypy_extensions import mypyc_attr

Edit = tuple[int, int, str]  # from, to, the text instead

BY_START: Final = itemgetter(0)


@mypyc_attr(allow_interpreted_subclasses=True)
class Late:
    """Text that is known only when a request's way out is: a Record-Route names the socket that it leaves by."""

    def text(self, ctx: Any, socket: Any) -> str:
        """What to put in; ctx: the branch's context, socket: the one it leaves by (core's)."""
        return ""


@final
class Edits:
    """The changes of one message, in the order in which they were made; positions are offsets in the message's text."""

    __slots__ = ("items", "late")

    def __init__(self) -> None:
        self.items: list[Edit] = []
        self.late: list[tuple[int, Late]] | None = None

    def insert_late(self, at: int, text: Late) -> None:
        """Put in before the character at `at` what `text` says once the socket is known; see `settle`."""
        if self.late is None:
            self.late = [(at, text)]
        else:
            self.late.append((at, text))

    def settled(self, ctx: Any, socket: Any) -> list[Edit]:
        """The way out is known: the late insertions as plain ones, to go behind those already made at their places."""
        return [] if self.late is None else [(at, at, text.text(ctx, socket)) for at, text in self.late]

    def insert(self, at: int, text: str) -> None:
        """Put `text` in before the character at `at`, behind what was inserted there earlier."""
        self.items.append((at, at, text))

    def replace(self, a: int, b: int, text: str) -> None:
        """Put `text` in the place of text[a:b]."""
        self.items.append((a, b, text))

    def remove(self, a: int, b: int) -> None:
        """Take text[a:b] out."""
        self.items.append((a, b, ""))

    def copy(self) -> "Edits":
        """The same edits, to which a branch adds its own."""
        made = Edits()
        made.items = self.items.copy()
        if self.late is not None:
            made.late = self.late.copy()
        return made

    def written(self, text: str) -> str:
        """`text` with the edits applied."""
        return applied(text, self.items) if self.items else text

    def write(self, text: str) -> bytes:
        """`text` with the edits applied, as the bytes that go out."""
        return self.written(text).encode("utf-8", "surrogateescape")


def applied(text: str, items: list[Edit]) -> str:
    """`text` with these edits."""
    if len(items) > 1:
        items = sorted(items, key=BY_START)  # stable: insertions at one place keep their order
    out: list[str] = []
    at = 0  # up to here the text is dealt with
    cut = -1  # where the last removal began
    for a, b, new in items:
        if a > at:
            out.append(text[at:a])
            at = a
        if a == at or (a == b and a == cut):
            out.append(new)
        if b > a and b > at:
            if a == at:
                cut = a
            at = b
    out.append(text[at:])
    return "".join(out)
