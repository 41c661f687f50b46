"""POSIX extended regular expressions, as the script writes them, for Python's `re` (IEEE 1003.1 section 9.4).

Facts (glibc's regcomp, which OpenSIPS uses):
- inside brackets a backslash is a plain character, and `[[:alpha:]]` names a class;
- `\\w \\W \\s \\S \\b \\B \\< \\>` and back references work, `\\d` is a plain d;
- there is nothing lazy, possessive or `(?…)`;
- an operator without something before it and a bad `{…}` are errors; a `)` too many stands for itself;
- without "lines" (REG_NEWLINE) a dot matches a line feed and `^` `$` only the ends of the text.

One difference stays: of several alternatives that match, Python takes the first and POSIX the longest.
"""

import re
from typing import Final, final

CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "print": " -~", "graph": "!-~", "cntrl": r"\x00-\x1f\x7f",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
ESCAPES: Final = {
    "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S", "b": r"\b", "B": r"\B", "<": r"\b(?=\w)", ">": r"\b(?<=\w)",
    "`": r"\A", "'": r"\Z",
}  # fmt: skip
MOST_REPEATS: Final = 32767


def compile_ere(pattern: str, *, ignore_case: bool = False, lines: bool = False) -> re.Pattern[str]:
    """The expression compiled; raises ValueError, with what is wrong, for one that POSIX would not take."""
    flags = re.ASCII | (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE if lines else re.DOTALL)
    try:
        return re.compile(_Translation(pattern, lines).whole(), flags)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(str(problem)) from None


@final
class _Translation:
    """One pattern on its way; `out` holds the pieces, `atom` where the last thing that can be repeated begins."""

    __slots__ = ("at", "atom", "lines", "open", "out", "pattern", "repeated")

    def __init__(self, pattern: str, lines: bool) -> None:
        self.pattern = pattern
        self.lines = lines
        self.at = 0
        self.out: list[str] = []
        self.atom = -1
        self.repeated = False
        self.open: list[int] = []

    def whole(self) -> str:
        pattern = self.pattern
        while self.at < len(pattern):
            char = pattern[self.at]
            self.at += 1
            if char in "*+?":
                self.repeat(char)
            elif char == "{":
                self.repeat(self.interval())
            elif char == "(":
                self.open.append(len(self.out))
                self.out.append("(")
                self.atom = -1
            elif char == ")" and self.open:
                self.out.append(")")
                self.atom, self.repeated = self.open.pop(), False
            elif char in "|^":
                self.out.append(char)
                self.atom = -1
            else:
                self.add(self.one(char))
        if self.open:
            raise ValueError("a parenthesis is not closed")
        return "".join(self.out)

    def add(self, piece: str) -> None:
        self.atom, self.repeated = len(self.out), False
        self.out.append(piece)

    def one(self, char: str) -> str:
        """A single thing that can be repeated."""
        if char == ".":
            return "."
        if char == "$":
            return "(?:$)" if self.lines else r"(?:\Z)"
        if char == "[":
            return self.bracket()
        return self.escape() if char == "\\" else re.escape(char)

    def escape(self) -> str:
        if self.at == len(self.pattern):
            raise ValueError("a backslash ends the expression")
        char = self.pattern[self.at]
        self.at += 1
        if char in "123456789":
            return f"(?:\\{char})"
        return ESCAPES.get(char) or re.escape(char)

    def repeat(self, operator: str) -> None:
        if self.atom < 0:
            raise ValueError(f"nothing stands before {operator}")
        if self.repeated:  # a+? is (a+)? here, and not lazy
            self.out.insert(self.atom, "(?:")
            self.out.append(")")
        self.out.append(operator)
        self.repeated = True

    def interval(self) -> str:
        end = self.pattern.find("}", self.at)
        found = re.fullmatch(r"([0-9]{0,5})(,?)([0-9]{0,5})", self.pattern[self.at : end]) if end > 0 else None
        if found is None or not (found[1] or found[2]):
            raise ValueError("bad contents of { }")
        low = int(found[1] or 0)
        high = int(found[3]) if found[3] else (MOST_REPEATS if found[2] else low)
        if not low <= high <= MOST_REPEATS:
            raise ValueError("bad numbers in { }")
        self.at = end + 1
        return "{" + (found[1] or "0") + found[2] + found[3] + "}"

    def bracket(self) -> str:
        """A bracket expression; `at` stands behind the opening bracket."""
        pattern, out = self.pattern, ["["]
        if pattern[self.at : self.at + 1] == "^":
            self.at += 1
            out.append("^\\n" if self.lines else "^")
        first = self.at
        while True:
            char = pattern[self.at : self.at + 1]
            if not char:
                raise ValueError("a bracket is not closed")
            if char == "]" and self.at > first:
                self.at += 1
                return "".join(out) + "]"
            if pattern.startswith("[:", self.at):
                out.append(self.named_class())
                continue
            low = self.member()
            if pattern[self.at : self.at + 1] == "-" and pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member()
                if low > high:
                    raise ValueError("a range runs backwards")
                out.append(re.escape(low) + "-" + re.escape(high))
            else:
                out.append(re.escape(low) if low not in "^[]\\&|~-" else "\\" + low)

    def named_class(self) -> str:
        end = self.pattern.find(":]", self.at)
        name = self.pattern[self.at + 2 : end] if end > 0 else ""
        if name not in CLASSES:
            raise ValueError(f"no character class is called {name!r}")
        self.at = end + 2
        return CLASSES[name]

    def member(self) -> str:
        """A character of a bracket, also as `[.x.]` or `[=x=]`."""
        pattern, at = self.pattern, self.at
        if (
            pattern[at] == "["
            and pattern[at + 1 : at + 2] in (".", "=")
            and pattern[at + 3 : at + 5] == pattern[at + 1] + "]"
        ):
            self.at += 5
            return pattern[at + 2]
        self.at += 1
        return pattern[at]
