"""How a variable is written: `$name`, `$name(inner)`, `$(<context>name(inner)[index]{transform}…)`.

Source: the manual page "Script variables"; facts in the pseudo-variables reference. Names are `[A-Za-z0-9_.]`.
"""

import re
from typing import Final

from pysips.errors import BadName, Place

from .complaints import Wrong
from .nodes import Transform, Variable

NAME: Final = re.compile(r"[A-Za-z0-9_.]+")
CONTEXT: Final = re.compile(r"<([A-Za-z0-9_]+)>")
CLASS: Final = re.compile(r"\s*([A-Za-z0-9_]+)\.([^,\s]+)\s*")
OPEN: Final = {"(": ")", "[": "]", "{": "}"}


def parse_variable(text: str, place: Place, whole: bool = False) -> Variable:
    """A variable token, from its `$` on. Raises BadName.

    Text after `$name` or `$name(inner)` is ignored, as OpenSIPS does with `$ru{uri.host}` in code; with `whole` it is
    refused.
    """
    if text.startswith("$("):
        end = matching(text, 1)
        if end < 0:
            raise BadName(f"unclosed variable {text}")
        variable = _bracketed(text[2:end], text[: end + 1], place)
    else:
        variable, end = _plain(text, place)
        end -= 1
    if whole and end + 1 < len(text):
        raise BadName(f"{text!r} is not one variable: {text[end + 1 :]!r} is left over")
    return variable


def variable_at(text: str, at: int, place: Place) -> tuple[Variable, int]:
    """The variable that starts at this `$` inside a longer text, and where it ends. Raises BadName."""
    if text.startswith("$(", at):
        end = matching(text, at + 1)
        if end < 0:
            raise BadName(f"unclosed variable {text[at : at + 20]}")
        return _bracketed(text[at + 2 : end], text[at : end + 1], place), end + 1
    variable, length = _plain(text[at:], place)
    return variable, at + length


def matching(text: str, at: int) -> int:
    """The offset of what closes the bracket at `at`, brackets of its kind nesting; -1 if nothing does."""
    opening, closing = text[at], OPEN[text[at]]
    depth = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and opening == "{":
            at += 1
        elif letter == opening:
            depth += 1
        elif letter == closing:
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _plain(text: str, place: Place) -> tuple[Variable, int]:
    """`$name` or `$name(inner)` at the start of a text, and its length."""
    if text.startswith("$$"):
        return Variable(place, "$$", "$"), 2
    found = NAME.match(text, 1)
    if found is None:
        raise Wrong(f"no variable name after $ in {text[:20]!r}", "a dollar sign alone is written $$")
    name, end, inner = found.group(), found.end(), None
    if text.startswith("(", end):
        close = matching(text, end)
        if close < 0:
            raise BadName(f"unclosed variable {text[:20]}")
        inner, end = text[end + 1 : close], close + 1
        if not inner:
            raise BadName(f"${name}() has an empty name")
    return Variable(place, text[:end], name, inner), end


def _bracketed(content: str, text: str, place: Place) -> Variable:
    """What stands between `$(` and `)`."""
    at, context, inner, index = 0, None, None, None
    if (found := CONTEXT.match(content)) is not None:
        context, at = found.group(1), found.end()
    if content.startswith("$", at):
        name, at = "$", at + 1
    elif (found := NAME.match(content, at)) is not None:
        name, at = found.group(), found.end()
    else:
        raise BadName(f"no variable name in {text}")
    if content.startswith("(", at):
        close = matching(content, at)
        inner, at = content[at + 1 : close], close + 1
        if not inner:
            raise BadName(f"an empty name in {text}")
    if content.startswith("[", at):
        close = matching(content, at)
        if close < 0 or not content[at + 1 : close].strip():
            raise BadName(f"an empty index in {text}" if close >= 0 else f"an index without end in {text}")
        index, at = content[at + 1 : close].strip(), close + 1
    return Variable(place, text, name, inner, index, context, _transforms(content, at, text))


def _transforms(content: str, at: int, text: str) -> tuple[Transform, ...]:
    found: list[Transform] = []
    while True:
        while at < len(content) and content[at] in " \t\r\n":
            at += 1
        if at == len(content):
            return tuple(found)
        if content[at] != "{":
            raise BadName(f"unexpected {content[at:]!r} in {text}")
        close = matching(content, at)
        if close < 0:
            raise BadName(f"a transformation without end in {text}")
        found.append(parse_transform(content[at + 1 : close]))
        at = close + 1


def parse_transform(text: str) -> Transform:
    """`group.name` or `group.name,arguments`. Raises BadName."""
    word, comma, arguments = text.partition(",")
    found = CLASS.fullmatch(word)
    if found is None:
        raise BadName(f"{{{text}}} is no transformation: they read {{class.name}} or {{class.name,arguments}}")
    return Transform(found.group(1).lower(), found.group(2), arguments if comma else None)
