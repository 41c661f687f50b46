"""The AoR of a URI, the short way."""

from hypothesis import example, given
from hypothesis import strategies as st

from pysips.modules.registrar.aor import OWN_AOR, own_by_letters

PIECES = ["sip:", "sips:", "a", "B", "0", "@", ":", ";", ",", "-", ".", "%", "=", "é", "h.example", "\r"]


@given(st.from_regex(OWN_AOR, fullmatch=True) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@example("sip:u@h")
@example("sip:u@-h")
@example("sip:u@H")
@example("sip:@h")
@example("sip:u@")
@example("sip:u")
@example("tel:u@h")
def test_letter_by_letter_finds_what_the_expression_finds(uri: str) -> None:
    assert own_by_letters(uri) == (OWN_AOR.fullmatch(uri) is not None)
