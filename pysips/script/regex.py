"""Regular expressions of a script, compiled so that no message can make them slow.

A message's author chooses the text, so the time for it is bounded by its length (RE2: a walk through states, as glibc
does it, no backtracking). Python's `re`, four times as quick on a short text, answers whether a text matches where
`ere.Piece.quick` shows that it cannot take long; which alternative it tries first makes no difference to that.

What matched is always RE2's: the leftmost and of those the longest, as POSIX has it. Inside of it a group holds what
the first alternative that leads to this match gives it; POSIX would make the first groups the longest.

RE2 knows no back-references and repeats 1000 times at most. Such an expression is taken if it is quick on `re`, and
refused otherwise.

RE2 reads bytes. It gets one byte for each character, so that positions are the text's own: ASCII as it is, the letters
beyond it that the expression names, and one for all others.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, final

import re2

from .ere import BadRegex, translate, translate_for_re2

__all__ = ["BadRegex", "Found", "Regex", "compile_ere"]

LONGEST: Final = 16_384  # expressions may come from outside, in variables
MOST_STATES: Final = 20_000  # of RE2's program: the time for a text is at worst the product of both
MOST_MEMORY: Final = 8 << 20  # bytes: with less RE2 walks all states at once, 40 times as slow, where many repeat
MOST_SEEN: Final = 20_000_000  # characters, by all matches in one text, where each may look to its end
OTHER: Final = "\xbf"  # the byte for any character that the expression does not name
OWN: Final = range(0x80, 0xBF)  # bytes for those that it names; none of them is the capital of another

Spans = tuple[tuple[int, int], ...]
Search = Callable[[bytes, int], Any]  # (text, from where) → RE2's match or None


@final
class Found:
    """A match: positions in the text, and what the groups hold; 0 is the whole."""

    __slots__ = ("spans", "text")

    def __init__(self, text: str, spans: Spans) -> None:
        self.text = text
        self.spans = spans  # (-1, -1) for a group without a part in the match

    def start(self) -> int:
        return self.spans[0][0]

    def end(self) -> int:
        return self.spans[0][1]

    def span(self, group: int = 0) -> tuple[int, int]:
        return self.spans[group]

    def __getitem__(self, group: int) -> str | None:
        a, b = self.spans[group]
        return None if a < 0 else self.text[a:b]


@final
class Regex:
    """A compiled expression.

    `matches(text)` is true where it matches anywhere; `search` and `finditer` say where. `groups` counts the brackets.
    """

    __slots__ = ("answers", "bytes_of", "far", "groups", "ignore_case", "lines", "matches", "pattern", "plain", "seek")

    def __init__(self, pattern: str, ignore_case: bool, lines: bool) -> None:
        self.pattern = pattern
        self.ignore_case = ignore_case
        self.lines = lines
        piece = translate(pattern, lines)
        self.far = piece.open > 0
        self.groups = 0
        self.plain: re.Pattern[str] | None = None
        if piece.quick():
            flags = re.ASCII | (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE if lines else re.DOTALL)
            self.plain = re.compile(piece.text, flags)
        self.seek: Search | None = None
        self.matches: Callable[[str], object] = self.is_in
        try:
            self.compile_for_re2()
        except BadRegex:
            if self.plain is None:
                raise
            self.groups = self.plain.groups
        if self.plain is not None:
            self.matches = self.plain.match if piece.anchored else self.plain.search

    def compile_for_re2(self) -> None:
        """Compile for RE2: one program that only answers, one that says where. Raises BadRegex."""
        piece = translate_for_re2(self.pattern, self.lines)
        if piece.lacks:
            raise BadRegex(f"bad re {self.pattern!r}: {piece.lacks}, and without RE2 it could be slow on hostile texts")
        named = sorted({letter for letter in piece.text if not letter.isascii()})
        if len(named) > len(OWN):
            raise BadRegex(f"bad re {self.pattern!r}: more than {len(OWN)} letters beyond ASCII")
        self.bytes_of = encoder("".join(named))
        text = ("(?m)" if self.lines else "") + piece.text.translate(codes_of("".join(named)))
        seek = program(self.pattern, text, self.ignore_case, self.lines, answers_only=False)
        self.groups = seek.groups
        self.seek = seek.search
        self.answers: Search = program(self.pattern, text, self.ignore_case, self.lines, answers_only=True).search

    def is_in(self, text: str) -> object:
        """`matches` where only RE2 is safe."""
        return self.answers(self.bytes_of(text), 0)

    def at_once(self) -> "Regex":
        """The same for a text as a whole, in which `^` is only its beginning."""
        return compile_ere(self.pattern, self.ignore_case)

    def search(self, text: str) -> Found | None:
        """The first match."""
        return next(self.finditer(text), None)

    def finditer(self, text: str) -> Iterator[Found]:
        """All matches, from left to right. Raises ValueError if there are too many to find in good time."""
        if self.seek is None:
            assert self.plain is not None
            yield from (Found(text, found.regs) for found in self.plain.finditer(text))
            return
        data = self.bytes_of(text)
        at, groups, left = 0, range(self.groups + 1), len(data) + 1
        if self.far:
            left = MOST_SEEN // (len(data) + 1)
        while at <= len(data) and (found := self.seek(data, at)) is not None:
            if not left:
                raise ValueError(f"{self.pattern} matches too often in {len(data)} characters")
            left -= 1
            spans: Spans = tuple([found.span(group) for group in groups])
            yield Found(text, spans)
            at = spans[0][1] if spans[0][1] > spans[0][0] else spans[0][1] + 1


@lru_cache(maxsize=2048)
def compile_ere(pattern: str, ignore_case: bool = True, lines: bool = False) -> Regex:
    """Compile a POSIX extended regular expression. Raises BadRegex."""
    if len(pattern) > LONGEST:
        raise BadRegex(f"bad re: it has {len(pattern)} characters, more than {LONGEST}")
    try:
        return Regex(pattern, ignore_case, lines)
    except (re.error, OverflowError, RecursionError) as problem:
        raise BadRegex(f"bad re {pattern!r}: {problem}") from None


def program(pattern: str, text: str, ignore_case: bool, lines: bool, answers_only: bool) -> Any:
    """RE2's program for its own form of an expression. Raises BadRegex, which speaks of `pattern`."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    options.case_sensitive = not ignore_case
    options.dot_nl = not lines
    options.longest_match = not answers_only
    options.never_capture = answers_only
    try:
        made = re2.compile(text.encode("latin-1"), options)
    except re2.error as problem:
        said = problem.args[0]
        said = said.decode("latin-1") if isinstance(said, bytes) else str(said)
        raise BadRegex(f"bad re {pattern!r}: {said}") from None
    if made.programsize > MOST_STATES:
        raise BadRegex(f"bad re {pattern!r}: its repetitions make it too large")
    return made


def codes_of(named: str) -> dict[int, int]:
    """The bytes of the letters beyond ASCII that an expression names."""
    return {ord(letter): OWN[place] for place, letter in enumerate(named)}


@lru_cache(maxsize=64)
def encoder(named: str) -> Callable[[str], bytes]:
    """What makes a byte of each character, for expressions that name these letters beyond ASCII."""
    strange = re.compile(f"[^\\x00-\\x7f{named}]")
    codes = codes_of(named)

    def encoded(text: str) -> bytes:
        if text.isascii():
            return text.encode()
        return strange.sub(OTHER, text).translate(codes).encode("latin-1")

    return encoded
