"""script/literals.py: numbers and strings as the script writes them."""

import pytest

from pysips.script.literals import number, string


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("10", 10), ("-3", -3), ("+3", 3), ("0x1F", 31), ("0Xff", 255), ("017", 15), ("089", 89),
        ("4294967296", 0), ("3000000000", -1294967296), ("yes", 1), ("off", 0), ("enable", 1), ("Yes", None),
        ("", None), ("12a", None), ("--3", None), ("٣", None), ("9" * 41, None), ("0x", None),
    ],
)  # fmt: skip
def test_number(text: str, value: int | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\tb\n\r\a"', "a\tb\n\r\a"),
        (r'"\"\\"', '"\\'),
        (r'"\x41\x4a\xg"', "AJ\\xg"),
        (r'"\101\12 \1 \d"', "A\n \\1 \\d"),
        ('"one \\\ntwo"', "one two"),
        ('"one\ntwo"', "one\ntwo"),
        (r"'a\tb'", "a\\tb"),
        (r'"\xc3\xa4"', "\udcc3\udca4"),
        ('""', ""),
    ],
)
def test_string(text: str, value: str) -> None:
    assert string(text) == value
