"""avpops, and the other names of 2.4, in a script."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import Once, once
from pysips.testing.story import Story

SHOW = 'say("$(avp(a)[*]) | $(avp(b)[*])");'
THREE = "$avp(a) = 1; $avp(a) = 2; $avp(a) = 3; "


def tried(route: str) -> Once:
    return once(route, modules="avpops")


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        ('avp_delete("$avp(a)")', "2, 1 | <null>"),
        ('avp_delete("$avp(a)/g")', "<null> | <null>"),
        ('avp_delete("a/g")', "<null> | <null>"),
        ('$avp(a) = "x"; avp_delete("s/g")', "3, 2, 1 | <null>"),
        ('$avp(a) = "x"; avp_delete("i/g")', "x | <null>"),
        ('avp_copy("$avp(a)", "$avp(b)")', "3, 2, 1 | 3"),
        ('avp_copy("$avp(a)", "$avp(b)/g")', "3, 2, 1 | 3, 2, 1"),
        ('avp_copy("$avp(a)", "$avp(b)/gd")', "<null> | 3, 2, 1"),
        ('avp_insert("$avp(a)", "x", 1)', "3, x, 2, 1 | <null>"),
        ('avp_insert("$avp(a)", "x", 9)', "3, 2, 1, x | <null>"),
        ('avp_op("$avp(a)", "add/i:5")', "8, 2, 1 | <null>"),
        ('avp_op("$avp(a)/$avp(b)", "mul/10/g")', "3, 2, 1 | 30, 20, 10"),
        ('avp_op("$avp(a)/$avp(b)", "sub/$avp(a)/gd")', "<null> | 0, -1, -2"),
        ('avp_op("$avp(a)", "div/2"); avp_op("$avp(a)", "xor/0xff")', "254, 2, 1 | <null>"),
        ('avp_op("$avp(a)", "not/")', "-4, 2, 1 | <null>"),
        ('$avp(a) := "u@h"; avp_subst("$avp(a)", "/(.*)@(.*)/\\2@\\1/")', "h@u | <null>"),
        ('$avp(a) := "u@h"; avp_subst("$avp(a)/$avp(b)/d", "/u/$rm/")', "<null> | MESSAGE@h"),
    ],
)
def test_values_are_worked_on(calls: str, shown: str) -> None:
    assert tried(f"{THREE}{calls};{SHOW}").lines == [shown]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ('avp_check("$avp(a)", "eq/i:3")', "1"), ('avp_check("$avp(a)", "eq/i:1")', "-1"),
        ('avp_check("$avp(a)", "eq/i:1/g")', "1"), ('avp_check("$avp(a)", "lt/345")', "1"),
        ('avp_check("$avp(a)", "ge/$avp(a)")', "1"), ('avp_check("$avp(a)", "and/1")', "1"),
        ('avp_check("$fU", "eq/ALICE")', "-1"), ('avp_check("$fU", "eq/ALICE/i")', "1"),
        ('avp_check("$fu", "re/^sip:.*@ex")', "1"), ('avp_check("$fu", "fm/sip:*@example.*")', "1"),
        ('avp_check("$fu", "fm/sip:*@other.*")', "-1"), ('avp_check("$avp(none)", "ne/x")', "-1"),
        ('avp_check("$fu", "re/(")', "-1"), ('avp_delete("$avp(none)")', "-1"),
        ('avp_copy("$avp(none)", "$avp(b)")', "-1"), ('avp_op("$avp(a)", "div/0")', "-1"),
        ('avp_op("$avp(none)", "add/1")', "-1"), ('avp_subst("$avp(a)", "/x/y/")', "-1"),
        ('is_avp_set("$avp(a)")', "1"), ('is_avp_set("$avp(a)/n")', "1"), ('is_avp_set("$avp(a)/s")', "-1"),
        ('is_avp_set("$avp(a)/e")', "-1"), ('is_avp_set("$avp(none)")', "-1"), ('avp_shuffle("$avp(a)")', "1"),
        ('avp_shuffle("$avp(none)")', "-1"), ("avp_print()", "1"),
    ],
)  # fmt: skip
def test_questions_are_answered(call: str, code: str) -> None:
    assert tried(f'{THREE}{call}; say("$rc");').lines == [code]


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        ('avp_pushto("$ru/username", "$avp(s)")', "1 sip:two@10.0.0.2 <null> <null>"),
        ('avp_pushto("$ru/domain", "$fd")', "1 sip:b@example.com <null> <null>"),
        ('avp_pushto("$ru", "$avp(s)")', "1 <null> <null> <null>"),
        ('avp_pushto("$du", "$avp(s)")', "1 sip:b@10.0.0.2 two <null>"),
        ('avp_pushto("$br", "$avp(s)/g")', "1 sip:b@10.0.0.2 <null> two, one"),
        ('avp_pushto("$ru/username", "$avp(s)/g")', "1 sip:two@10.0.0.2 <null> sip:one@10.0.0.2"),
        ('avp_pushto("$ru", "$avp(none)")', "-1 sip:b@10.0.0.2 <null> <null>"),
        ('avp_pushto("$ru/domain", "$avp(bad)")', "-1 sip:b@10.0.0.2 <null> <null>"),
    ],
)
def test_values_are_pushed_to_where_the_request_goes(calls: str, shown: str) -> None:
    values = '$avp(s) = "one"; $avp(s) = "two"; $avp(bad) = "a b";'
    assert tried(f'{values} {calls}; say("$rc $ru $du $(branch(uri)[*])");').lines == [shown]


@pytest.mark.parametrize(
    "call",
    [
        'avp_delete("x")', 'avp_delete("$ru")', 'avp_delete("$avp(a)/q")', 'avp_copy("$avp(a)", "b")',
        'avp_check("$avp(a)", "like/x")', 'avp_check("$avp(a)", "eq")', 'avp_check("$nothing", "eq/x")',
        'avp_op("$avp(a)", "eq/1")', 'avp_op("$avp(a)", "add/i:x")', 'avp_pushto("$rd", "$avp(a)")',
        'avp_subst("$avp(a)", "/x/")', 'is_avp_set("$avp(a)/z")',
    ],
)  # fmt: skip
def test_an_argument_that_means_nothing_is_a_complaint_at_load(call: str) -> None:
    with pytest.raises(ConfigError):
        tried(f"{call};")


def test_functions_that_ask_a_database_are_known_but_not_here() -> None:
    with pytest.raises(ConfigError) as refused:
        tried('avp_db_load("$fu", "$avp(a)");')
    assert "avp_db_load" in refused.value.complaints[0].message


def test_the_module_uri_asks_about_uris() -> None:
    asked = request(
        "OPTIONS", "sip:b@x;a=1;b", to="<sip:b@x>;tag=9",
        headers='Authorization: Digest realm="r", username="alice, \\"a\\"", nonce="n"\r\n',
    )  # fmt: skip
    done = once(
        'if (has_totag()) say("tag"); if (uri_param("a", "1")) say("a=1"); if (!uri_param("a")) say("a has a value");'
        'add_uri_param("c"); del_uri_param("b"); say("$ru"); if (!is_user("alice")) say("not alice alone");'
        'if (is_uri_user_e164("sip:+1234@x")) say("e164"); tel2sip(); say("$rc");',
        asked, "uri", top='modparam("uri", "use_uri_table", 0)',
    )  # fmt: skip
    assert done.lines == ["tag", "a=1", "a has a value", "sip:b@x;a=1;c", "not alice alone", "e164", "1"]


def test_is_user_compares_with_the_credentials() -> None:
    asked = request("OPTIONS", headers='Proxy-Authorization: Digest username="alice", realm="r"\r\n')
    assert once('if (is_user("alice")) say("yes"); if (!is_user("bob")) say("no");', asked, "uri").lines == [
        "yes",
        "no",
    ]
    assert once('if (!is_user("alice")) say("none");', modules="uri").lines == ["none"]


def test_old_names_load_with_their_parameters() -> None:
    top = (
        'modparam("xlog", "buf_size", 8192)\nmodparam("avpops", "buf_size", 1024)\nmodparam("avpops", "use_domain", 0)'
    )
    assert once('xlog("@@hello");', modules="xlog event_route avpops", top=top).lines == ["hello"]


def test_the_parameters_of_an_event_are_fetched_by_name_and_place() -> None:
    script = (
        "route { exit; }\n"
        'event_route[E_MINE] { fetch_event_params("first=$var(f);$avp(second)"); xlog("@@$rc $var(f) $avp(second)"); }'
    )
    story = Story(script, "event_route")
    story.program.run_alone("event_route", "E_MINE", {"first": 1, "second": "x"})
    story.program.run_alone("event_route", "E_MINE", {"other": 1})
    assert [line for line in story.lines if line.startswith("@@")] == ["@@1 1 x", "@@-1 1 <null>"]
