"""POSIX extended regular expressions, read as the C library reads them, and what searching for them can cost.

Facts (regex(7), glibc's regcomp with REG_EXTENDED):
- `\\w \\W \\s \\S \\b \\B \\< \\>` work, `\\d` is the letter d; nothing is lazy or possessive: `a+?` is `(a+)?`;
- in brackets a backslash is itself, `[:alpha:]` and its kin are classes;
- `^` and `$` stand for the ends of the text, `.` matches a line feed too, unless `lines` is asked for
  (REG_NEWLINE); case is ASCII's;
- an unmatched `)` is itself; a quantifier with nothing before it is an error.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f", "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}  # fmt: skip
LETTERS: Final = {"w": r"\w", "W": r"\W", "s": r"[ \t\n\r\f\v]", "S": r"[^ \t\n\r\f\v]"}
EDGES: Final = {"b": r"\b", "B": r"\B", "<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A"}
REPEAT: Final = re.compile(r"\{(\d{0,5})(,?)(\d{0,5})\}")
NO_WORD: Final = [chr(code) for code in (*range(256), 0x4E00, 0xDC80) if not re.match(r"\w", chr(code), re.ASCII)]
MOST_REPEATS: Final = 32767  # RE_DUP_MAX
DEEPEST: Final = 200  # groups in groups, and quantifiers after quantifiers
MANY: Final = 1_000_000  # counts end here
MOST_STEPS: Final = 128  # tries for one character of the text that are still taken for a quick search


class BadRegex(ValueError):
    """An expression that cannot be compiled; the text says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an expression, as Python writes it, and what trying it at one place of the text can cost.

    `width` characters at most, what repeats without end not counted; `ways` in which it can match there, the same not
    counted; `loops` repetitions without end, the most on one path; `open` those of them that something follows, so
    that its failure takes them back step by step; `knotted`: a repetition without end of what has several ways.
    `begins` and `ends`: what it matches always begins and ends with a letter of a word. `lacks` says why RE2 cannot
    have it, in its words.
    """

    text: str
    width: int = 0
    ways: int = 1
    loops: int = 0
    open: int = 0
    knotted: bool = False
    anchored: bool = False
    begins: bool = False
    ends: bool = False
    depth: int = 0
    lacks: str = ""

    def quick(self) -> bool:
        """Whether a backtracking search, stopping at the first match, takes time in proportion to the text."""
        steps = self.ways * max(self.width, 1)
        return not self.knotted and self.open <= self.anchored and steps <= MOST_STEPS


def sequence(pieces: list[Piece]) -> Piece:
    """One after another."""
    if len(pieces) == 1:
        return pieces[0]
    width = loops = taken_back = depth = 0
    ways = 1
    for piece in pieces:
        width, ways, depth = width + piece.width, min(ways * piece.ways, MANY), max(depth, piece.depth)
        loops, taken_back = loops + piece.loops, loops + piece.open
    return Piece(
        "".join([piece.text for piece in pieces]), min(width, MANY), ways, loops, taken_back,
        any(piece.knotted for piece in pieces), bool(pieces) and pieces[0].anchored,
        bool(pieces) and pieces[0].begins, bool(pieces) and pieces[-1].ends, depth, lacks_of(pieces),
    )  # fmt: skip


def either(pieces: list[Piece]) -> Piece:
    """One of them."""
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        "|".join(piece.text for piece in pieces), max(piece.width for piece in pieces),
        min(sum(piece.ways for piece in pieces), MANY), max(piece.loops for piece in pieces),
        max(piece.open for piece in pieces), any(piece.knotted for piece in pieces),
        all(piece.anchored for piece in pieces), all(piece.begins for piece in pieces),
        all(piece.ends for piece in pieces), max(piece.depth for piece in pieces), lacks_of(pieces),
    )  # fmt: skip


def lacks_of(pieces: list[Piece]) -> str:
    return next((piece.lacks for piece in pieces if piece.lacks), "")


def repeated(piece: Piece, sign: str, low: int, high: int | None) -> Piece:
    """The piece so many times; no end if `high` is None."""
    text, width = f"(?:{piece.text}){sign}", min(piece.width * (low if high is None else high), MANY)
    simple = piece.ways == 1 and not piece.loops
    made = replace(
        piece, text=text, width=width, anchored=False, begins=piece.begins and low > 0, ends=piece.ends and low > 0,
        depth=piece.depth + 1,
    )  # fmt: skip
    if high is None:
        return replace(made, loops=piece.loops + 1, knotted=piece.knotted or not simple or not piece.width)
    if high == 1:
        return replace(made, ways=min(piece.ways + 1, MANY)) if low == 0 else made
    ways = min(high - low + 1 if piece.ways == 1 else piece.ways ** min(high, 20) * 2, MANY)
    return replace(made, ways=ways, knotted=piece.knotted or bool(piece.loops))


def translate(pattern: str, lines: bool = False) -> Piece:
    """The whole expression for Python's `re`. Raises BadRegex."""
    return _Translation(pattern, lines, r"\Z").whole()


def translate_for_re2(pattern: str, lines: bool = False) -> Piece:
    """The whole expression for RE2, unless it `lacks` what is needed. Raises BadRegex."""
    return _Translation(pattern, lines, r"\z").whole()


class _Translation:
    """One pass over an expression: for each open group its alternatives, each a list of pieces."""

    def __init__(self, pattern: str, lines: bool, end: str) -> None:
        self.pattern = pattern
        self.lines = lines
        self.end = end
        self.at = 0
        self.edges = "\\<" in pattern or "\\>" in pattern
        self.pieces: list[Piece] = []
        self.alternatives: list[Piece] = []
        self.open: list[tuple[list[Piece], list[Piece], int]] = []
        self.groups: list[Piece | None] = []

    def whole(self) -> Piece:
        while self.at < len(self.pattern):
            letter = self.pattern[self.at]
            self.at += 1
            self.one(letter)
        if self.open:
            raise self.bad("unmatched (")
        return self.closed()

    def bad(self, why: str) -> BadRegex:
        return BadRegex(f"bad re {self.pattern!r}: {why}")

    def closed(self) -> Piece:
        """What stands between two brackets, or the ends."""
        return either([*self.alternatives, sequence(word_edges(self.pieces))])

    def one(self, letter: str) -> None:
        """Translate what starts with this letter."""
        if letter == "(":
            self.begin()
        elif letter == ")" and self.open:
            self.close()
        elif letter == "|":
            self.alternatives.append(sequence(word_edges(self.pieces)))
            self.pieces = []
        elif letter in "*+?{":
            self.repeat(letter)
        elif letter == "[":
            self.bracket()
        elif letter == "\\":
            self.escape()
        elif letter == "$":
            self.pieces.append(Piece("$" if self.lines else self.end))
        elif letter == "^":
            self.pieces.append(Piece("^", anchored=not self.lines))
        else:
            self.character("." if letter == "." else re.escape(letter))

    def character(self, text: str, lacks: str = "") -> None:
        """What matches one character."""
        word = self.edges and only_words(text)
        self.pieces.append(Piece(text, width=1, begins=word, ends=word, lacks=lacks))

    def begin(self) -> None:
        """An opening bracket."""
        if len(self.open) >= DEEPEST:
            raise self.bad(f"more than {DEEPEST} groups in each other")
        self.open.append((self.alternatives, self.pieces, len(self.groups)))
        self.groups.append(None)
        self.alternatives, self.pieces = [], []

    def close(self) -> None:
        """A closing bracket."""
        inner = self.closed()
        self.alternatives, self.pieces, place = self.open.pop()
        self.groups[place] = inner
        self.pieces.append(replace(inner, text=f"({inner.text})", depth=inner.depth + 1))

    def repeat(self, letter: str) -> None:
        """A quantifier; after another one it repeats the whole."""
        if not self.pieces or self.pieces[-1].text == "^":
            raise self.bad(f"nothing to repeat before {letter}")
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(letter, (0, None))
        if letter == "{":
            letter, low, high = self.numbers()
        self.pieces[-1] = repeated(self.pieces[-1], letter, low, high)
        if self.pieces[-1].depth > DEEPEST:
            raise self.bad(f"more than {DEEPEST} quantifiers of each other")

    def numbers(self) -> tuple[str, int, int | None]:
        """`{n}`, `{n,}`, `{,m}` or `{n,m}`: how Python writes it, the least and the most."""
        found = REPEAT.match(self.pattern, self.at - 1)
        if found is None or not (found.group(1) or found.group(2)):
            raise self.bad("it reads {n}, {n,} or {n,m}")
        low, comma, last = int(found.group(1) or 0), found.group(2), found.group(3)
        high = int(last) if last else None if comma else low
        if max(low, high or 0) > MOST_REPEATS or (high is not None and high < low):
            raise self.bad(f"bad numbers in {found.group()}")
        self.at = found.end()
        return f"{{{low}{comma}{last}}}", low, high

    def escape(self) -> None:
        """What follows a backslash."""
        if self.at == len(self.pattern):
            raise self.bad("it ends with a backslash")
        letter = self.pattern[self.at]
        self.at += 1
        if letter in "123456789":
            self.again(int(letter))
        elif letter in EDGES:
            lacks = f"RE2 knows no \\{letter} here" if letter in "<>" else ""
            self.pieces.append(Piece(EDGES[letter], anchored=letter == "`", lacks=lacks))
        elif letter == "'":
            self.pieces.append(Piece(self.end))
        else:
            self.character(LETTERS.get(letter) or re.escape(letter))

    def again(self, number: int) -> None:
        """A back-reference."""
        group = self.groups[number - 1] if number <= len(self.groups) else None
        if group is None:
            raise self.bad(f"no group for \\{number}")
        self.pieces.append(
            Piece(f"(?:\\{number})", width=group.width, loops=group.loops, lacks="RE2 knows no back-references")
        )

    def bracket(self) -> None:
        """A bracket expression."""
        pattern, at = self.pattern, self.at
        negated = pattern.startswith("^", at)
        at += negated
        found, lacks = "\\n" if negated and self.lines else "", ""
        first = at
        while at < len(pattern) and (pattern[at] != "]" or at == first):
            if pattern.startswith("[:", at) and (end := pattern.find(":]", at)) > 0:
                name = pattern[at + 2 : end]
                if name not in CLASSES:
                    raise self.bad(f"no class [:{name}:]")
                found, at = found + CLASSES[name], end + 2
                continue
            piece, at = self.range(at)
            found += piece
            if len(piece) > 2 and not piece.isascii():
                lacks = f"the range {piece} goes beyond ASCII"
        if at >= len(pattern):
            raise self.bad("unmatched [")
        self.at = at + 1
        self.character(f"[^{found}]" if negated else f"[{found}]", lacks)

    def range(self, at: int) -> tuple[str, int]:
        """One character or `a-z` inside brackets, and where the next one is."""
        low, at = self.element(at)
        if self.pattern.startswith("-", at) and not self.pattern.startswith("-]", at) and at + 1 < len(self.pattern):
            high, at = self.element(at + 1)
            if high < low:
                raise self.bad(f"bad range {low}-{high}")
            return f"{quoted(low)}-{quoted(high)}", at
        return quoted(low), at

    def element(self, at: int) -> tuple[str, int]:
        """A character, or `[.x.]` and `[=x=]` for one."""
        pattern = self.pattern
        if pattern[at : at + 2] in ("[.", "[=") and pattern[at + 3 : at + 5] == pattern[at + 1] + "]":
            return pattern[at + 2], at + 5
        return pattern[at], at + 1


def quoted(letter: str) -> str:
    """A character as it may stand between brackets."""
    return letter if letter.isalnum() else re.escape(letter) if letter not in "&~|" else "\\" + letter


def word_edges(pieces: list[Piece]) -> list[Piece]:
    """Beside what can only be a letter of a word `\\<` and `\\>` are `\\b`, which RE2 knows."""
    made = list(pieces)
    for k, piece in enumerate(pieces):
        before, behind = pieces[k - 1 : k], pieces[k + 1 : k + 2]
        if (piece.text == EDGES["<"] and behind and behind[0].begins) or (
            piece.text == EDGES[">"] and before and before[0].ends
        ):
            made[k] = replace(piece, text=EDGES["b"], lacks="")
    return made


def only_words(text: str) -> bool:
    """Whether what matches one character matches nothing but letters of a word: ASCII's, digits and `_`."""
    tried = re.compile(text, re.ASCII | re.DOTALL)
    return not any(tried.fullmatch(letter) for letter in NO_WORD)
