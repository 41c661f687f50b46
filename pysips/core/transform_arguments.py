"""What stands in a transformation's braces behind the name, and how a row of a table becomes a TransformSpec.

Facts (OpenSIPS: tr_parse_nparam, tr_parse_sparam; transformations are documented in its manual of the same name):
- arguments are separated by commas; blanks before one are skipped;
- a number is written out, or is a variable with a number;
- a text goes up to a comma (a blank also ends it, where blanks are not allowed), or is a variable with a text; a
  backslash before the comma keeps it from ending the text, and stays;
- NULL passes through every transformation; what fails gives NULL and one error line.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, final

from pysips.errors import BadName
from pysips.script.catalogue import Apply, Ctx, Getter, Read, TransformSpec
from pysips.script.values import Value, number_of, text_of, wrapped

from .log import log

BLANKS: Final = " \t\r\n"
NAME: Final = re.compile(r"[A-Za-z0-9_.]+")
NUMBER: Final = re.compile(r"([+-]?)[ \t\r\n]*([0-9]*)")
MOST_TEXT: Final = 65535  # bytes that a transformation makes, as OpenSIPS' buffers have it

Argument = int | str | Getter | None  # a constant, a variable's getter, or left out
Kind = Callable[["Scanner"], Argument]  # reads one argument


def raw(text: str) -> bytes:
    """The bytes of a text, as they came."""
    return text.encode("utf-8", "surrogateescape")


def cooked(data: bytes) -> str:
    """The text of some bytes; `raw` gives them back."""
    return data.decode("utf-8", "surrogateescape")


def variable_end(text: str, at: int) -> int:
    """Where the variable ends that begins with the `$` at `at`: behind its name, inner name or closing parenthesis.

    Raises BadName for a `$` that no name follows, and for an open parenthesis.
    """
    name = NAME.match(text, at + 1)
    end = name.end() if name else at + 1
    if text[end : end + 1] != "(":
        if name is None:
            raise BadName("a name must follow the $")
        return end
    depth = 0
    for place in range(end, len(text)):
        if text[place] == "(":
            depth += 1
        elif text[place] == ")":
            depth -= 1
            if depth == 0:
                return place + 1
    raise BadName(f"the parenthesis of {text[at:]} is not closed")


@final
class Scanner:
    """Reads arguments one after another. Raises BadName for what cannot be read."""

    __slots__ = ("at", "read", "text")

    def __init__(self, text: str, read: Read) -> None:
        self.text = text
        self.read = read
        self.at = 0

    def skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in BLANKS:
            self.at += 1

    def variable(self) -> Getter | None:
        """The variable that stands here, if one does."""
        if self.text[self.at : self.at + 1] != "$":
            return None
        end = variable_end(self.text, self.at)
        getter = self.read(self.text[self.at : end])
        self.at = end
        return getter

    def up_to_comma(self, *, blanks: bool) -> str:
        """The text up to a comma without a backslash before it; without `blanks`, up to a blank too."""
        start, text = self.at, self.text
        while self.at < len(text):
            char = text[self.at]
            if (char in BLANKS and not blanks) or (char == "," and (self.at == start or text[self.at - 1] != "\\")):
                break
            self.at += 1
        return text[start : self.at]

    def comma(self) -> bool:
        """Step over the comma that another argument follows; False if there is none."""
        self.skip_blanks()
        if self.text[self.at : self.at + 1] != ",":
            return False
        self.at += 1
        return True


def a_number(scan: Scanner) -> Argument:
    """A number, or a variable that has one."""
    scan.skip_blanks()
    getter = scan.variable()
    if getter is not None:
        return lambda ctx: number_from(getter(ctx))
    found = NUMBER.match(scan.text, scan.at)
    if found is None or not found[0] or len(found[2]) > 10:
        raise BadName(f'a number or a variable is needed, not "{scan.text[scan.at :]}"')
    scan.at = found.end()
    return wrapped(int(found[1] + (found[2] or "0")))


def a_text(scan: Scanner) -> Argument:
    """A text without blanks, or a variable that has one."""
    scan.skip_blanks()
    getter = scan.variable()
    if getter is not None:
        return lambda ctx: text_from(getter(ctx))
    return scan.up_to_comma(blanks=False)


def needed_text(scan: Scanner) -> Argument:
    """As `a_text`, but not empty."""
    found = a_text(scan)
    if found == "":
        raise BadName("a text is needed")
    return found


def a_character(scan: Scanner) -> Argument:
    """The very next character, whatever it is."""
    if scan.at == len(scan.text):
        raise BadName("a character is needed")
    scan.at += 1
    return scan.text[scan.at - 1]


def number_from(value: Value) -> int:
    """The number of a variable's value; raises ValueError without one."""
    number = number_of(value)
    if number is None:
        raise ValueError("the variable in the arguments has no number")
    return number


def text_from(value: Value) -> str:
    """The text of a variable's value; raises ValueError without one."""
    text = text_of(value)
    if not text:
        raise ValueError("the variable in the arguments has no text")
    return text


def failed(what: str, problem: Exception, text: str | None = None) -> Value:
    """Say that a transformation failed; its result, NULL."""
    shown = "" if text is None else f' of "{text[:200]}"'
    log.error("core:transformations", f"{{{what}}}{shown}: {problem}")
    return None


def parsed(what: str, arguments: str | None, read: Read, kinds: Sequence[Kind], needed: int) -> list[Argument]:
    """The arguments, one for each kind; those beyond `needed` may be left out (None). Raises BadName."""
    scan = Scanner(arguments or "", read)
    found: list[Argument] = []
    more = arguments is not None
    for position, kind in enumerate(kinds):
        if not more and position < needed:
            raise BadName(f"{{{what}}} takes {needed} argument{'s' if needed > 1 else ''}")
        if not more:
            found.append(None)
            continue
        try:
            found.append(kind(scan))
        except BadName as problem:
            raise BadName(f"{{{what}}}: {problem}") from None
        more = scan.comma()
    scan.skip_blanks()
    if more or scan.at < len(scan.text):
        log.warn("core:transformations", f'{{{what}}} does not use "{scan.text[scan.at :]}"')
    return found


def given(arguments: list[Argument], ctx: Ctx) -> list[int | str | None]:
    """The arguments' values now; raises ValueError for a variable that has none of the right type."""
    return [one(ctx) if callable(one) else one for one in arguments]


def transform(
    group: str, name: str, work: Callable[..., Value], kinds: Sequence[Kind] = (), *, needed: int = -1, help: str = ""
) -> TransformSpec:
    """A transformation of texts: `work(text, *arguments)` gives the result, or raises ValueError.

    kinds: how to read each argument; needed: how many must be there (all, unless said); a number is worked on as text.
    """
    what = f"{group}.{name}"
    least = len(kinds) if needed < 0 else needed

    def bind(arguments: str | None, read: Read) -> Apply:
        bound = parsed(what, arguments, read, kinds, least)
        if not any(callable(one) for one in bound):
            return with_constants(what, work, bound)

        def apply(ctx: Ctx, value: Value) -> Value:
            text = text_of(value)
            if text is None:
                return None
            try:
                return work(text, *given(bound, ctx))
            except ValueError as problem:
                return failed(what, problem, text)

        return apply

    return TransformSpec(group, name, "core", bind, help or (work.__doc__ or "").partition("\n")[0])


def with_constants(what: str, work: Callable[..., Value], arguments: Sequence[Argument]) -> Apply:
    """The application of `work` where every argument is known at load."""
    constants = tuple(arguments)

    def apply(ctx: Ctx, value: Value) -> Value:
        text = text_of(value)
        if text is None:
            return None
        try:
            return work(text, *constants)
        except ValueError as problem:
            return failed(what, problem, text)

    return apply
