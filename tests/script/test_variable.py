"""script/variable.py: how a variable is written."""

import pytest

from pysips.errors import BadName, Place
from pysips.script.nodes import Transform
from pysips.script.variable import parse_variable, variable_at

HERE = Place("x.cfg", 1)


@pytest.mark.parametrize(
    ("text", "name", "inner", "index", "context"),
    [
        ("$ru", "ru", None, None, None),
        ("$var(a b-c)", "var", "a b-c", None, None),
        ("$(ru)", "ru", None, None, None),
        ("$(avp(x)[*])", "avp", "x", "*", None),
        ("$(hdr($var(n))[-1])", "hdr", "$var(n)", "-1", None),
        ("$(avp(x)[$var(i)])", "avp", "x", "$var(i)", None),
        ("$(<reply>rs)", "rs", None, None, "reply"),
        ("$msg.flag(X)", "msg.flag", "X", None, None),
        ("$$", "$", None, None, None),
        ("$ru{uri.host}", "ru", None, None, None),
        ('$si"', "si", None, None, None),
        ("$json(a/b[0])", "json", "a/b[0]", None, None),
    ],
)
def test_parts(text: str, name: str, inner: str | None, index: str | None, context: str | None) -> None:
    found = parse_variable(text, HERE)
    assert (found.name, found.inner, found.index, found.context) == (name, inner, index, context)


def test_transformations() -> None:
    found = parse_variable(r"$(avp(x)[0]{s.substr,0,$(var(l){s.len})} {re.subst,/a\{2\}/{b}/g}{nameaddr.-1.uri})", HERE)
    assert found.transforms == (
        Transform("s", "substr", "0,$(var(l){s.len})"),
        Transform("re", "subst", r"/a\{2\}/{b}/g"),
        Transform("nameaddr", "-1.uri", None),
    )


@pytest.mark.parametrize(
    "text",
    [
        "$",
        "$ x",
        "$(",
        "$(ru",
        "$()",
        "$(ru[])",
        "$(ru[0)",
        "$(ru{s.len)",
        "$(ru x)",
        "$(ru{len})",
        "$var()",
        "$(var())",
    ],
)
def test_what_is_no_variable(text: str) -> None:
    with pytest.raises(BadName):
        parse_variable(text, HERE)


def test_nothing_may_follow_where_one_variable_is_wanted() -> None:
    with pytest.raises(BadName, match="left over"):
        parse_variable("$ru{uri.host}", HERE, whole=True)


def test_variable_inside_a_text() -> None:
    found, end = variable_at("to $rU@$rd", 3, HERE)
    assert (found.text, end) == ("$rU", 6)
