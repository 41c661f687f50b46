"""{re.subst,…} and {s.eval}: texts in which variables stand.

Facts (OpenSIPS: subst_parser, subst_run):
- the expression is POSIX, one line at a time unless the flag `s` is there; i ignores case, g replaces every match;
- the first character separates; a backslash before it in the expression keeps it;
- the replacement knows `\\0` to `\\9`, `\\n \\r \\t \\\\ \\$`, `\\u` for the Request-URI, and variables;
- a match of nothing at all is a failure.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar, final

from pysips.errors import BadName
from pysips.script.catalogue import Apply, Ctx, Getter, Read, TransformSpec
from pysips.script.regex import Found, Regex, compile_ere
from pysips.script.values import Value, printed, text_of

from .log import log
from .transform_arguments import MOST_TEXT, Scanner, failed, parsed, text_from, variable_end

MOST_PARTS: Final = 100
MOST_KEPT: Final = 1000  # expressions and formats that variables brought, kept compiled
CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t"}

Made = TypeVar("Made")
Part = str | int | Getter | None  # plain text, a group's number, a variable, the Request-URI


@final
class Substitution:
    """`/expression/replacement/flags`, compiled. Raises ValueError for one that cannot be."""

    __slots__ = ("expression", "parts", "repeated")

    def __init__(self, text: str, read: Read) -> None:
        if len(text) < 3 or text[0] == "\\":
            raise ValueError("too short, or separated by a backslash")
        mark = text[0]
        end = text.find(mark, 1)
        while end > 0 and text[end - 1] == "\\":
            end = text.find(mark, end + 1)
        if end < 0:
            raise ValueError("a separator is missing")
        self.parts, at = replacement(text, end + 1, mark, read)
        flags = text[at + 1 :]
        if flags.strip("igs"):
            raise ValueError(f"an unknown flag in {flags}")
        self.repeated = "g" in flags
        self.expression: Regex = compile_ere(text[1:end], ignore_case="i" in flags, lines="s" not in flags)

    def applied(self, ctx: Ctx, text: str) -> str:
        """The text with its first match, or all of them, replaced; raises ValueError."""
        out: list[str] = []
        at = 0
        for match in self.expression.finditer(text):
            if match.end() == match.start():
                raise ValueError("it matches nothing at all")
            out.append(text[at : match.start()])
            out.extend(self.shown(part, ctx, match) for part in self.parts)
            at = match.end()
            if not self.repeated:
                break
        return "".join(out) + text[at:]

    def shown(self, part: Part, ctx: Ctx, match: Found) -> str:
        """One part of the replacement."""
        if isinstance(part, str):
            return part
        if isinstance(part, int):
            return match[part] or "" if part <= self.expression.groups else ""
        if part is None:
            return "" if ctx.message.status else str(ctx.request_uri())
        return text_of(part(ctx)) or ""


class Kept(Generic[Made]):
    """What was made of texts, kept for the next time; emptied when it holds too many."""

    __slots__ = ("known", "make")

    def __init__(self, make: Callable[[str], Made]) -> None:
        self.make = make
        self.known: dict[str, Made] = {}

    def of(self, text: str) -> Made:
        """What is made of this text; raises what `make` raises."""
        found = self.known.get(text)
        if found is None:
            if len(self.known) >= MOST_KEPT:
                self.known = {}
            found = self.known[text] = self.make(text)
        return found


def replacement(text: str, at: int, mark: str, read: Read) -> tuple[list[Part], int]:
    """The parts of a replacement, and where its separator stands; raises ValueError."""
    parts: list[Part] = []
    while at < len(text) and text[at] != mark:
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            parts.append(escape(text[at + 1]))
            at += 2
        elif char == "$":
            try:
                end = variable_end(text, at)
                parts.append(read(text[at:end]))
            except BadName as problem:
                raise ValueError(str(problem)) from None
            at = end
        else:
            end = at + 1
            while end < len(text) and text[end] not in ("\\", "$", mark):
                end += 1
            parts.append(text[at:end])
            at = end
    if at >= len(text):
        raise ValueError("a separator is missing")
    if len(parts) > 2 * MOST_PARTS:
        raise ValueError("too many escapes and variables")
    return parts, at


def escape(char: str) -> Part:
    """What a backslash and this character stand for."""
    if char in "0123456789":
        return int(char)
    return None if char == "u" else CONTROLS.get(char, char)


def unbraced(text: str) -> str:
    """Braces without the backslash that kept them from ending the transformation."""
    return text.replace("\\{", "{").replace("\\}", "}")


def bind_subst(arguments: str | None, read: Read) -> Apply:
    """{re.subst,/expression/replacement/flags}: the text, replaced where the expression matches."""
    if not arguments:
        raise BadName("{re.subst} takes an expression: /expression/replacement/flags")
    scan = Scanner(arguments, read)
    scan.skip_blanks()
    getter = scan.variable()
    if getter is not None:
        return applied(Kept(lambda text: Substitution(unbraced(text), read)), getter)
    text = scan.up_to_comma(blanks=True)
    if scan.at < len(arguments):
        log.warn("core:transformations", f'{{re.subst}} does not use "{arguments[scan.at :]}": write a comma as \\,')
    try:
        constant = Substitution(unbraced(text), read)
    except ValueError as problem:
        log.warn("core:transformations", f'{{re.subst}} gives NULL always, "{text}" is no expression: {problem}')
        why = problem
        return lambda ctx, value: None if value is None else failed("re.subst", why, text_of(value))
    return applied(constant, None)


def applied(source: "Substitution | Kept[Substitution]", getter: Getter | None) -> Apply:
    """The application of a constant expression, or of the one that a variable has."""

    def apply(ctx: Ctx, value: Value) -> Value:
        text = text_of(value)
        if text is None:
            return None
        try:
            if not text:
                raise ValueError("the text is empty")
            chosen = (
                source if isinstance(source, Substitution) else source.of(text_from(getter(ctx) if getter else None))
            )
            made = chosen.applied(ctx, text)
            if len(made) > MOST_TEXT:
                raise ValueError("the result is too long")
            return made
        except ValueError as problem:
            return failed("re.subst", problem, text)

    return apply


def format_parts(text: str, read: Read) -> list[str | Getter]:
    """A format's plain texts and variables; `$$` is a dollar sign. Raises ValueError for a bad variable."""
    parts: list[str | Getter] = []
    at = 0
    while at < len(text):
        dollar = text.find("$", at)
        if dollar < 0:
            parts.append(text[at:])
            break
        if dollar > at:
            parts.append(text[at:dollar])
        if text[dollar + 1 : dollar + 2] == "$":
            parts.append("$")
            at = dollar + 2
            continue
        try:
            at = variable_end(text, dollar)
            parts.append(read(text[dollar:at]))
        except BadName as problem:
            raise ValueError(str(problem)) from None
    return parts


def bind_eval(arguments: str | None, read: Read) -> Apply:
    """{s.eval}: the text taken as a format, its variables expanded."""
    parsed("s.eval", arguments, read, (), 0)
    formats = Kept(lambda text: format_parts(text, read))

    def apply(ctx: Ctx, value: Value) -> Value:
        text = text_of(value)
        if text is None:
            return None
        try:
            made = "".join([part if isinstance(part, str) else printed(part(ctx)) for part in formats.of(text)])
            if len(made) > MOST_TEXT:
                raise ValueError("the result is too long")
            return made
        except ValueError as problem:
            return failed("s.eval", problem, text)

    return apply


FORMATS: Final[list[TransformSpec]] = [
    TransformSpec("re", "subst", "core", bind_subst, "What an expression matches, replaced."),
    TransformSpec("s", "eval", "core", bind_eval, "The text taken as a format, its variables expanded."),
]
