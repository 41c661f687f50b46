import pytest

from pysips.sip import headers
from pysips.sip.headers import LETTERS, LONG, OTHER, TABLE, is_legal, learn, letter_of, normal


def test_no_two_headers_share_a_letter_or_a_compact_form() -> None:
    letters = [letter for _, _, letter in TABLE if letter != OTHER]
    compact = [short for _, short, _ in TABLE if short]
    assert len(set(letters)) == len(letters)
    assert len(set(compact)) == len(compact)
    assert all(LETTERS[LONG[short]] == LETTERS[short] for short in compact)


@pytest.mark.parametrize("name", ["Call-ID", "call-id", "CALL-ID ", "i", "I\t", "\x0bCall-ID", "Call-ID\x7f"])
def test_a_name_is_the_same_in_every_spelling(name: str) -> None:
    assert normal(name) == "call-id"
    assert letter_of(name) == "I"


def test_a_line_that_is_no_header_is_told() -> None:
    for line in ("no colon", ": v", "a b: v", "a\x0b: v", "ü: v", "x" * 300 + ": v"):
        assert not is_legal(line)
        strange: list[str] = []
        learn(line, strange)
        assert strange == [line]
    assert is_legal("X-A \t: v")


def test_what_strangers_spell_is_remembered_only_so_far() -> None:
    before = len(headers.SPELLED)
    for i in range(5000):
        learn(f"X-{i}: v", [])
    assert before < len(headers.SPELLED) <= headers.MOST_SPELLINGS
    assert learn("FROM  : v", []) == "F"
