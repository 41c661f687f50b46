"""script/formats.py: texts with variables, bound."""

import pytest

from pysips.errors import BadName, Place
from pysips.script.complaints import Wrong
from pysips.script.formats import bind_format, bind_variable, parse_format

from .small import Run, Small


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$rU", "bob"),
        ("<$rU@$(rd)>", "<bob@example.com>"),
        ("$rs|$empty|$rm|$rp", "<null>||INVITE|5060"),
        ("100$$ for $$$rU", "100$ for $bob"),
        ("$ru{uri.host}", "sip:bob@example.com{uri.host}"),
        ("$(rU{s.toupper}{s.len}) $(<reply>ru)", "3 <null>"),
        ("$hdr(a b)", "x"),
    ],
)
def test_a_format_prints(text: str, printed: str) -> None:
    assert bind_format(text, Small())(Run()) == printed


@pytest.mark.parametrize("text", ["$", "a $ b", "$(ru", "$nope", "$(rU{s.nope})", "$(<other>ru)", "$rU(x)", "$var"])
def test_a_format_that_cannot_be(text: str) -> None:
    with pytest.raises(BadName):
        bind_format(text, Small())


def test_a_cure_comes_with_it() -> None:
    with pytest.raises(Wrong) as error:
        bind_format("$rd.", Small())
    assert error.value.cure == "names may have dots: write $(rd)."


def test_neighbouring_texts_are_one() -> None:
    assert parse_format("a$$b") == ["a$b"]


def test_line_and_file_are_known_beforehand() -> None:
    place = Place("x.cfg", 7, 1, 9)
    assert bind_format("$cfg_file:$cfg_line", Small(), place)(Run()) == "x.cfg:9"


def test_a_variable_is_read_and_set() -> None:
    ctx, variable = Run(), bind_variable("$var(x)", Small())
    assert variable.set(ctx, 5) == 1
    assert variable.get(ctx) == 5


def test_index_and_name_may_be_variables() -> None:
    ctx = Run()
    ctx.avps = {"l": ["old", "new"]}
    ctx.vars = {"i": 1}
    assert bind_variable("$(avp(l)[$var(i)])", Small()).get(ctx) == "old"
    assert bind_variable("$(avp(l)[-1])", Small()).get(ctx) == "old"
    ctx.params = ("first",)
    assert bind_variable("$param($var(i))", Small()).get(ctx) == "first"


def test_a_read_only_variable_refuses() -> None:
    assert bind_variable("$rm", Small()).set(Run(), "x") == -1
    assert bind_variable("$(rU{s.len})", Small()).set(Run(), "x") == -1


@pytest.mark.parametrize("text", ["rU", "$rU x", "", "$rU $rd"])
def test_not_one_variable(text: str) -> None:
    with pytest.raises(BadName):
        bind_variable(text, Small())
