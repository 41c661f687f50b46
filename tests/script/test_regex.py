"""script/regex.py: POSIX extended regular expressions."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("pattern", "text", "span"),
    [
        ("a|ab|abc", "xabcd", (1, 4)),
        ("a*(ab)?", "aab", (0, 3)),
        ("(a|ab)(c|bcd)(d*)", "abcd", (0, 4)),
        (r"\<(a|ab)", "é ab", (2, 4)),
        ("x|", "ax", (0, 0)),
    ],
)
def test_of_several_matches_the_leftmost_and_then_the_longest_counts(
    pattern: str, text: str, span: tuple[int, int]
) -> None:
    found = compile_ere(pattern).search(text)
    assert found is not None and found.span() == span


def test_positions_are_those_of_the_text_whatever_is_in_it() -> None:
    text = "日本é\udcff <sip:Jürgen@x>"
    found = compile_ere("sip:(J[ü]r[^@]*)@(y)?").search(text)
    assert found is not None
    assert (found.start(), found.end(), found[0], found[1]) == (6, 17, "sip:Jürgen@", "Jürgen")
    assert (found[2], found.span(2)) == (None, (-1, -1))
    assert [one.span() for one in compile_ere("[^a-z]+", lines=True).finditer("é\udc80b\n日")] == [(0, 2), (4, 5)]


@pytest.mark.parametrize("pattern", ["[é]+$", "[^é]", "(é|è)+", "\udcff+x"])
@pytest.mark.parametrize("text", ["é", "è", "éé", "\udcff\udcffx", "日", "e", ""])
def test_letters_beyond_ascii_are_told_apart(pattern: str, text: str) -> None:
    found = re.search(pattern, text)
    assert bool(compile_ere(pattern).matches(text)) == (found is not None)
    where = compile_ere(pattern).search(text)
    assert (where.span() if where else None) == (found.span() if found else None)


@pytest.mark.parametrize(
    "pattern", [r"(a+)\1", r"(a*)*\1x", "[à-ü]+x", r"(.|a)+\>(.|x)+", "(a{1,999}){1,999}b", "(ab){2000}.*x", "(" * 300]
)
def test_what_could_be_slow_and_re2_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(BadRegex):
        compile_ere(pattern)


KNOTS = [
    "(a+)+$", "(a|aa)+$", "([a-z]+)*[0-9]", "(x+x+)+y", "[0-9]+$", "^(.*),(.*),(.*);$", ".*.*.*=.*", r"\s*\(.*\)\s*$",
    "a?a?a?a?a?a?aaaaaab", "^(sip|sips):.*transport=(tcp|tls)$", "a{1,100}b", "a|a.*b", "^[0-9]+$", r"^\w+(\.\w+)*@",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", r"\<a+\>b", "(;[^;]*)*x", r'"([^"\]|\\.)*"$',
]  # fmt: skip


@pytest.mark.parametrize("pattern", KNOTS)
@pytest.mark.parametrize("lines", [False, True])
def test_no_text_makes_an_expression_slow(pattern: str, lines: bool) -> None:
    compiled = compile_ere(pattern, lines=lines)
    for unit in ("a", "x", " ", ",", ";", '"', "0", "a ", "é", "a\r\n", "a.", "sip:"):
        text = (unit * 60_000)[:60_000]
        begun = time.process_time()
        compiled.matches(text)
        try:
            for _ in compiled.finditer(text):
                pass
        except ValueError as problem:
            assert "too often" in str(problem)
        assert time.process_time() - begun < 2, f"{pattern} on {unit!r}"


PARTS = ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\W", "(", ")", "|", "*", "+", "?", "{2}", "{1,2}", " ", "A", "é"]


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.text("abA é", max_size=8), st.booleans())
def test_the_quick_way_answers_as_the_safe_one(pattern: str, text: str, lines: bool) -> None:
    try:
        compiled = compile_ere(pattern, lines=lines)
    except BadRegex:
        return
    assert bool(compiled.matches(text)) == bool(compiled.is_in(text)) == (compiled.search(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "quick"),
    [
        ("^[0-9]+$", True), ("^sip:[^@]+@example", True), ("sipvicious|friendly-scanner", True), ("^sip:.*", True),
        (r"(a)\1", True), ("[0-9]+$", False), ("^(a|b)+$", False), ("^(a+)+$", False), ("^a*a*b", False),
        ("^(ab)+$", True), ("^(a?)+$", False), ("(^a|b).*c", False), ("(^a|^b).*c", True), ("^.{1,300}x", False),
    ],
)  # fmt: skip
def test_only_what_cannot_be_slow_goes_the_quick_way(pattern: str, quick: bool) -> None:
    assert (compile_ere(pattern).plain is not None) == quick
