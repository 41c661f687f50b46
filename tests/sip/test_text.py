import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysips.errors import SipError
from pysips.sip.text import (
    list_spans,
    next_outside,
    number,
    param_value,
    params_of,
    quoted,
    split_list,
    unfolded,
    unquoted,
)


@pytest.mark.parametrize("text", ["", "+5", "-1", "1e3", "5 5", " 5", "5 ", "0x10", "1_000", "٣", "²", "9" * 11, "256"])
def test_only_plain_digits_within_the_limit_are_a_number(text: str) -> None:
    assert number(text, 255) is None


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("0068", 68), ("255", 255), ("0000000001", 1)])
def test_leading_zeros_are_digits(text: str, value: int) -> None:
    assert number(text, 255) == value


def test_a_fold_is_one_blank() -> None:
    assert unfolded(" a \r\n\t b\r\n \r\n c ") == "a b c"
    assert unfolded(" plain ") == "plain"


def test_commas_in_quotes_and_brackets_separate_nothing() -> None:
    assert split_list('"a, b" <sip:x?y=1,2>;q=1 , <sip:z>') == ['"a, b" <sip:x?y=1,2>;q=1', "<sip:z>"]
    assert split_list('"say \\", yes" <sip:x>,*') == ['"say \\", yes" <sip:x>', "*"]


def test_an_empty_list_has_no_values_and_an_empty_value_is_kept() -> None:
    assert split_list(" \r\n ") == []
    assert split_list("a,,b") == ["a", "", "b"]


@pytest.mark.parametrize("text", ['"open, a', "<sip:x, a", '"ends with \\"'])
def test_what_is_not_closed_is_refused(text: str) -> None:
    with pytest.raises(SipError):
        split_list(text)


def test_spans_say_where_each_value_stands() -> None:
    text = "Route: <sip:a> ,\r\n <sip:b>"
    assert [text[a:b] for a, b in list_spans(text, 6, len(text))] == ["<sip:a>", "<sip:b>"]


def test_parameters_keep_their_spelling_and_lose_the_blanks_around_them() -> None:
    assert params_of(';Tag = 1 ;lr; x="a;b" ;;y=') == [("Tag", "1"), ("lr", None), ("x", '"a;b"'), ("y", "")]
    assert param_value(";a=1;LR;A=2", "a") == "1"
    assert param_value(";a=1;LR", "lr") == ""
    assert param_value(";a=1", "b") is None


def test_more_parameters_or_values_than_anybody_needs_are_refused() -> None:
    with pytest.raises(SipError):
        params_of(";a" * 300)
    with pytest.raises(SipError):
        split_list("a," * 2000)


@given(st.text())
def test_what_is_quoted_can_be_unquoted(text: str) -> None:
    assert unquoted(quoted(text)) == text


@given(st.text())
def test_a_quoted_text_is_one_value_whatever_is_in_it(text: str) -> None:
    assert split_list(quoted(text) + " , b") == [quoted(text), "b"]


@given(st.text(alphabet='",<>\\;a '))
def test_next_outside_ends_or_refuses(text: str) -> None:
    try:
        found = next_outside(text, ",", 0, len(text))
    except SipError:
        return
    assert found == len(text) or text[found] == ","


@pytest.mark.parametrize(
    "text",
    [
        '"\\a' * 1 + "\\a" * 100_000 + '"',
        '""' * 100_000,
        "<>" * 100_000,
        '"",' * 1_000 + '""' * 100_000,
        "\\" * 200_000,
    ],
    ids=["pairs", "quotes", "brackets", "both", "backslashes"],
)
def test_time_grows_with_the_length_and_no_faster(text: str) -> None:
    began = time.perf_counter()
    try:
        split_list(text)
        params_of(text)
    except SipError:
        pass
    assert time.perf_counter() - began < 1.0
