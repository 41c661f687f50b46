"""script/regex.py: POSIX extended regular expressions."""

import pytest

from pysips.script.regex import BadRegex, compile_ere


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^[0-9]+$", "4930", "4930"),
        ("^[0-9]+$", "49\n", None),
        ("a.c", "a\nc", "a\nc"),
        ("[[:digit:]]{2,3}", "x1234", "123"),
        ("[[:alpha:]_-]+", "12a_b-c3", "a_b-c"),
        ("[]x]+", "a]x]", "]x]"),
        ("[^]x]+", "]xab]", "ab"),
        (r"[\d]", "5", None),
        (r"[\d]", "\\", "\\"),
        (r"\d", "5d", "d"),
        (r"\w+", "é_a1", "_a1"),
        (r"\<b", "ab b", "b"),
        (r"b\>", "ba b", "b"),
        (r"(a)\1", "aa", "aa"),
        (r"(a)\10", "aa0", "aa0"),
        ("a+?", "aaa", "aaa"),
        ("(ab)*+", "abab", "abab"),
        ("a{,2}b", "aab", "aab"),
        ("a)", "a)", "a)"),
        ("a|", "b", ""),
        ("a{2}{2}", "aaaaa", "aaaa"),
        ("[a&&b]+", "&&", "&&"),
        ("[[.-.]a]+", "a-", "a-"),
        ("[a-]", "-", "-"),
        ("$", "a", ""),
        (r"sip\:[+]?49", "sip:+49", "sip:+49"),
    ],
)
def test_expression_finds_what_posix_finds(pattern: str, text: str, found: str | None) -> None:
    match = compile_ere(pattern, ignore_case=False).search(text)
    assert (match[0] if match else None) == found


@pytest.mark.parametrize(
    "pattern",
    ["*a", "(*a)", "a|*", "^*", "{z}", "a{z}", "a{2", "a{3,2}", "a{99999}", "(a", "[a", "[[:nope:]]", "[z-a]", "a\\",
     r"\1", "(?:a)", "a{}"],
)  # fmt: skip
def test_bad_expression_is_refused(pattern: str) -> None:
    with pytest.raises(BadRegex):
        compile_ere(pattern)


def test_a_very_long_expression_is_refused() -> None:
    with pytest.raises(BadRegex, match="characters"):
        compile_ere("a" * 20_000)


def test_lines_keep_dots_and_brackets_inside_one_line() -> None:
    text = "a=1\r\nb=2\r\n"
    assert compile_ere("^b.*", lines=True).search(text)
    assert compile_ere("^b.*").search(text) is None
    assert [found[0] for found in compile_ere("[^x]+", lines=True).finditer(text)] == ["a=1\r", "b=2\r"]


def test_case_is_ignored_for_ascii_only() -> None:
    assert compile_ere("ABC", ignore_case=True).search("xabc")
    assert compile_ere("\u212a", ignore_case=True).search("k") is None
