"""What is plain letter by letter is plain by the expressions of grammar.py, and the other way round."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pysips.sip import grammar, plain

PIECES = [
    "sip:",
    "sips:",
    "<",
    ">",
    '"',
    "\\",
    "a",
    "Z",
    "0",
    "6",
    "59999",
    "@",
    ":",
    ";",
    "=",
    ".",
    "-",
    "`",
    "%",
    "é",
]
PIECES += [" ", "\t", "\r", "\x7f", "bob", "h.example", ";lr", ";a=b", "&?", ","]
ALMOST = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.from_regex(grammar.PLAIN_NAME_ADDR, fullmatch=True) | ALMOST | ALMOST.map(lambda text: "<sip:" + text + ">"))
@example('"A b" <sips:u;x@h:59999;lr;a=b>;tag=1')
@example("<sip:h:60000>")
@example("<sip:-h>")
@example("<sip:u@h")
@example("<sip:h;")
@example("<sip:h;a=>")
@example('"é" <sip:h>')
@example("")
def test_addresses(text: str) -> None:
    found = plain.by_letters(text, 0, len(text))
    assert tuple(found) == tuple(plain.by_expression(text, 0, len(text)))
    if found[1] >= 0:
        assert grammar.PLAIN_URI.fullmatch(text[found[0] : found[1] - 1])


@given(ALMOST)
def test_an_address_ends_where_its_line_does(text: str) -> None:
    text = "<sip:h" + text
    assert tuple(plain.by_letters(text + ">", 0, len(text))) == tuple(plain.by_letters(text, 0, len(text)))


@pytest.mark.parametrize(
    ("text", "end"), [(";expires=60", 11), (";expires=6;a", 10), (";expires=", -1), (";expire=6", -1), ("", -1)]
)
def test_a_lifetime(text: str, end: int) -> None:
    assert plain.expires_end("x" + text, 1, 1 + len(text)) == (1 + end if end > 0 else -1)


@given(st.text(max_size=8))
@example("z9hG4bK-1;")
@example("ü=")
def test_a_parameters_value(text: str) -> None:
    assert plain.is_value(text) == (grammar.GEN_VALUE.fullmatch(text) is not None)
