"""POSIX extended regular expressions, as the C library reads them, on Python's `re`.

Facts (regex(7), glibc's regcomp with REG_EXTENDED):
- `\\w \\W \\s \\S \\b \\B \\< \\>` work, `\\d` is the letter d; nothing is lazy or possessive: `a+?` is `(a+)?`;
- in brackets a backslash is itself, `[:alpha:]` and its kin are classes;
- `^` and `$` stand for the ends of the text, `.` matches a line feed too, unless `lines` is asked for
  (REG_NEWLINE); case is ASCII's;
- an unmatched `)` is itself; a quantifier with nothing before it is an error.
One difference remains: of several alternatives Python takes the first that matches, POSIX the longest. Whether a text
matches is the same; what a group holds may differ.
"""

import re
from functools import lru_cache
from typing import Final

CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f", "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}  # fmt: skip
ESCAPES: Final = {
    "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S", "b": r"\b", "B": r"\B",
    "<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A", "'": r"\Z",
}  # fmt: skip
REPEAT: Final = re.compile(r"\{(\d{0,5})(,?)(\d{0,5})\}")
MOST_REPEATS: Final = 32767  # RE_DUP_MAX
LONGEST: Final = 16_384  # expressions may come from outside, in variables


class BadRegex(ValueError):
    """An expression that cannot be compiled; the text says why."""


@lru_cache(maxsize=2048)
def compile_ere(pattern: str, ignore_case: bool = True, lines: bool = False) -> re.Pattern[str]:
    """Compile a POSIX extended regular expression. Raises BadRegex."""
    if len(pattern) > LONGEST:
        raise BadRegex(f"bad re: it has {len(pattern)} characters, more than {LONGEST}")
    flags = re.ASCII | (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE if lines else re.DOTALL)
    try:
        return re.compile(translate(pattern, lines), flags)
    except (re.error, OverflowError, RecursionError) as problem:
        raise BadRegex(f"bad re {pattern!r}: {problem}") from None


def translate(pattern: str, lines: bool = False) -> str:
    """The same expression as Python writes it. Raises BadRegex."""
    return _Translation(pattern, lines).whole()


class _Translation:
    """One pass over an expression: a list of atoms for each open group."""

    def __init__(self, pattern: str, lines: bool) -> None:
        self.pattern = pattern
        self.lines = lines
        self.at = 0
        self.atoms: list[str] = []
        self.open: list[list[str]] = []

    def whole(self) -> str:
        while self.at < len(self.pattern):
            letter = self.pattern[self.at]
            self.at += 1
            self.one(letter)
        if self.open:
            raise BadRegex(f"bad re {self.pattern!r}: unmatched (")
        return "".join(self.atoms)

    def one(self, letter: str) -> None:
        """Translate what starts with this letter."""
        if letter == "(":
            self.open.append(self.atoms)
            self.atoms = []
        elif letter == ")" and self.open:
            group = "(" + "".join(self.atoms) + ")"
            self.atoms = self.open.pop()
            self.atoms.append(group)
        elif letter in "*+?" or (letter == "{" and self.atoms and self.atoms[-1] != "|"):
            self.repeat(letter)
        elif letter == "{":
            raise BadRegex(f"bad re {self.pattern!r}: nothing to repeat before {{")
        elif letter == "[":
            self.bracket()
        elif letter == "\\":
            self.escape()
        elif letter == "$":
            self.atoms.append("$" if self.lines else r"\Z")
        elif letter in ".^|":
            self.atoms.append(letter)
        else:
            self.atoms.append(re.escape(letter))

    def repeat(self, letter: str) -> None:
        """A quantifier; after another one it repeats the whole."""
        if not self.atoms or self.atoms[-1] in ("|", "^"):
            raise BadRegex(f"bad re {self.pattern!r}: nothing to repeat before {letter}")
        if letter == "{":
            found = REPEAT.match(self.pattern, self.at - 1)
            if found is None or not (found.group(1) or found.group(2)):
                raise BadRegex(f"bad re {self.pattern!r}: it reads {{n}}, {{n,}} or {{n,m}}")
            low, comma, high = found.groups()
            if int(low or 0) > MOST_REPEATS or int(high or 0) > MOST_REPEATS or (high and int(high) < int(low or 0)):
                raise BadRegex(f"bad re {self.pattern!r}: bad numbers in {found.group()}")
            letter = f"{{{low or 0}{comma}{high}}}"
            self.at = found.end()
        self.atoms[-1] = f"(?:{self.atoms[-1]}){letter}"

    def escape(self) -> None:
        """What follows a backslash."""
        if self.at == len(self.pattern):
            raise BadRegex(f"bad re {self.pattern!r}: it ends with a backslash")
        letter = self.pattern[self.at]
        self.at += 1
        if letter in "123456789":
            self.atoms.append(f"(?:\\{letter})")
        else:
            self.atoms.append(ESCAPES.get(letter) or re.escape(letter))

    def bracket(self) -> None:
        """A bracket expression."""
        pattern, at = self.pattern, self.at
        negated = pattern.startswith("^", at)
        at += negated
        found = "\\n" if negated and self.lines else ""
        first = at
        while at < len(pattern) and (pattern[at] != "]" or at == first):
            if pattern.startswith("[:", at) and (end := pattern.find(":]", at)) > 0:
                name = pattern[at + 2 : end]
                if name not in CLASSES:
                    raise BadRegex(f"bad re {pattern!r}: no class [:{name}:]")
                found, at = found + CLASSES[name], end + 2
                continue
            piece, at = self.range(at)
            found += piece
        if at >= len(pattern):
            raise BadRegex(f"bad re {pattern!r}: unmatched [")
        self.at = at + 1
        self.atoms.append(f"[^{found}]" if negated else f"[{found}]")

    def range(self, at: int) -> tuple[str, int]:
        """One character or `a-z` inside brackets, and where the next one is."""
        low, at = self.element(at)
        if self.pattern.startswith("-", at) and not self.pattern.startswith("-]", at) and at + 1 < len(self.pattern):
            high, at = self.element(at + 1)
            if high < low:
                raise BadRegex(f"bad re {self.pattern!r}: bad range {low}-{high}")
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
