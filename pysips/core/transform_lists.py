"""{param.…} and {csv.…}: lists of parameters and of fields."""

import re
from typing import Final

from pysips.script.catalogue import TransformSpec

from .transform_arguments import a_number, a_text, transform

BLANKS: Final = " \t\r\n"
NAME: Final = re.compile(r"[^ \t\r\n;,=]*")
TOKEN: Final = re.compile(r"[^ \t\r\n;,]+")
MOST_PARAMETERS: Final = 1024

Pair = tuple[str, str]  # name, value without its quotes ("" without one)


def pairs(text: str) -> list[Pair]:
    """The parameters of `a=1;b="x";c`, as OpenSIPS' parse_params reads them.

    Raises ValueError for an empty text, an empty value (`d=`), a `;` at the end, an open quote and anything between a
    value and the next `;`. A comma or a `>` ends the list.
    """
    if not text:
        raise ValueError("no parameters")
    found: list[Pair] = []
    at = 0
    while len(found) < MOST_PARAMETERS:
        name = NAME.match(text, at)
        assert name is not None  # an empty name is one
        at = skip(text, name.end())
        value = ""
        if text[at : at + 1] == "=":
            value, at = value_at(text, skip(text, at + 1))
            at = skip(text, at)
        found.append((name[0], value))
        if at == len(text) or text[at] in ",>":
            return found
        if text[at] != ";":
            raise ValueError(f'"{text[at]}" where a ; should be')
        at = skip(text, at + 1)
        if at == len(text):
            raise ValueError("no parameter follows the last ;")
    raise ValueError("too many parameters")


def skip(text: str, at: int) -> int:
    """Past the blanks."""
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return at


def value_at(text: str, at: int) -> tuple[str, int]:
    """A parameter's value, quoted or not, and where it ends."""
    if text[at : at + 1] == '"':
        end = text.find('"', at + 1)
        if end < 0:
            raise ValueError("a quote is not closed")
        return text[at + 1 : end], end + 1
    token = TOKEN.match(text, at)
    if token is None:
        raise ValueError("a value is missing")
    return token[0], token.end()


def find(found: list[Pair], name: str) -> str | None:
    """The value of the first parameter of that name, whatever its case."""
    wanted = name.lower()
    return next((value for each, value in found if each.lower() == wanted), None)


def param_exists(text: str, name: str) -> int:
    """1 if the parameter is there, else 0."""
    return 0 if find(pairs(text), name) is None else 1


def at_index(found: list[str], index: int) -> str | None:
    """An element, negative from the end; None beyond."""
    return found[index] if -len(found) <= index < len(found) else None


def fields(text: str) -> list[str]:
    """The fields of one record (RFC 4180): quotes taken off, blanks kept.

    Raises ValueError for an empty text, an open quote, something behind a closing one, and, outside quotes, for what
    is no printable ASCII.
    """
    if not text:
        raise ValueError("no fields")
    text = text.removesuffix("\r\n")
    found: list[str] = []
    at = 0
    while True:
        if text[at : at + 1] == '"':
            field, at = quoted_field(text, at + 1)
        else:
            end = text.find(",", at)
            field, at = (text[at:], len(text)) if end < 0 else (text[at:end], end)
            if not (field.isascii() and field.isprintable()):
                raise ValueError("a character needs quotes")
        found.append(field)
        if at == len(text):
            return found
        if text[at] != ",":
            raise ValueError("something follows a closing quote")
        at += 1


def quoted_field(text: str, at: int) -> tuple[str, int]:
    """A field behind its opening quote, and where it ends; two quotes are one inside."""
    parts: list[str] = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise ValueError("a quote is not closed")
        parts.append(text[at:end])
        if text[end + 1 : end + 2] != '"':
            return '"'.join(parts), end + 1
        at = end + 2


def field_at(text: str, index: int) -> str:
    """One field, negative from the end."""
    field = at_index(fields(text), index)
    if field is None:
        raise ValueError("there is no such field")
    return field


LISTS: Final[list[TransformSpec]] = [
    transform("param", "value", lambda text, name: find(pairs(text), name), (a_text,), help="A parameter's value."),
    transform("param", "exist", param_exists, (a_text,)),
    transform("param", "exists", param_exists, (a_text,)),
    transform(
        "param", "valueat", lambda text, index: at_index([value for _, value in pairs(text)], index), (a_number,),
        help="The value of the parameter at a position.",
    ),
    transform(
        "param", "name", lambda text, index: at_index([name for name, _ in pairs(text)], index), (a_number,),
        help="The name of the parameter at a position.",
    ),
    transform("param", "count", lambda text: len(pairs(text)), help="How many parameters there are."),
    transform("csv", "count", lambda text: len(fields(text)), help="How many fields there are."),
    transform("csv", "value", field_at, (a_number,)),
]  # fmt: skip
