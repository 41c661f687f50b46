"""What a script's variables hold.

Facts (script-language reference, section 3):
- a value is NULL (`None`), text (`str`), a number (`int`), or both at once;
- a number always prints as text, too; a text has no number, unless it is a `Both`;
- `Both` is a text that also carries a number (`$rm`, `$rP`): it prints the text, `==` works with numbers;
- `Shown` is a number that prints as something else (`{s.int}` of "12abc" is 12 and prints "12abc").
"""

from typing import Final, final

Value = int | str | None

NULL_TEXT: Final = "<null>"


@final
class Both(str):
    """Text first, with a number beside it."""

    number: int

    def __new__(cls, text: str, number: int) -> "Both":
        made = super().__new__(cls, text)
        made.number = number
        return made


@final
class Shown(int):
    """A number first, with a text of its own."""

    text: str

    def __new__(cls, number: int, text: str) -> "Shown":
        made = super().__new__(cls, number)
        made.text = text
        return made


def text_of(value: Value) -> str | None:
    """The text of a value; None for NULL."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    return value.text if type(value) is Shown else str(value)


def number_of(value: Value) -> int | None:
    """The number of a value; None for NULL and for plain text."""
    if type(value) is int or value is None:
        return value
    if type(value) is Both:
        return value.number
    return int(value) if isinstance(value, int) else None


def printed(value: Value) -> str:
    """What a format prints for a value."""
    text = text_of(value)
    return NULL_TEXT if text is None else text


def wrapped(number: int) -> int:
    """A number as the script keeps it: 32 bits, signed, wrapping."""
    return ((number + 0x80000000) & 0xFFFFFFFF) - 0x80000000
