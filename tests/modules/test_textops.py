"""textops in a script."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import Once, once

HEADERS = "X-One: 1\r\nX-Two: 2\r\nx-one: again\r\nSubject: hello\r\nContent-Type: text/plain\r\n"
BODY = "one line here\r\nsee\r\n"


def tried(route: str) -> Once:
    return once(route + " forward();", request("MESSAGE", "sip:b@10.0.0.2", headers=HEADERS, body=BODY), "textops")


def test_the_message_and_the_body_are_searched_by_lines() -> None:
    done = tried(
        'if (search("^subject: HEL")) say("head"); if (!search("hello.*one")) say("a dot ends at the line");'
        'if (search_body("^see")) say("body"); if (!search_body("hello")) say("the body alone");'
    )
    assert done.lines == ["head", "a dot ends at the line", "body", "the body alone"]


def test_text_is_put_behind_a_match() -> None:
    done = tried(
        'search_append("X-Two", "-More"); search_append_body("here", "!!"); search_append("nowhere", "x"); say("$rc");'
    )
    assert "\r\nX-Two-More: 2\r\n" in done.out
    assert (done.body(), done.header("Content-Length")) == ("one line here!!\r\nsee\r\n", "22")
    assert done.lines == ["-1"]


def test_the_first_match_or_all_are_replaced() -> None:
    done = tried(
        'replace("x-one", "Z"); replace_all("ell", "ELL"); replace_body("e", "E"); replace_body_all("see", "SAW");'
    )
    assert "\r\nZ: 1\r\n" in done.out and "\r\nx-one: again" in done.out
    assert done.header("Subject") == "hELLo"
    assert done.body() == "onE line here\r\nSAW\r\n"


def test_lines_begin_each_or_at_once() -> None:
    assert tried('replace_body_all("^.", "_");').body() == "_ne line here\r\n_ee\r\n"
    assert tried('replace_body_atonce("^.", "_");').body() == "_ne line here\r\nsee\r\n"


def test_an_expression_that_matches_nothing_at_all_fails() -> None:
    assert tried('replace_all("x*", "y"); say("$rc");').lines == ["-1"]


def test_substitutions_know_groups_variables_and_flags() -> None:
    done = tried(
        'subst("/^X-Two: (.)/X-Two: <\\1> $rU/"); subst("/X-/Y-/g"); say("$rc"); subst("/HELLO/bye/i");'
        'subst_body("/l(i)ne/[\\1]/"); subst("/nowhere/x/"); say("$rc");'
    )
    assert done.lines == ["1", "-1"]
    assert (done.header("Subject"), done.body()) == ("bye", "one [i] here\r\nsee\r\n")
    assert "\r\nY-One: 1\r\n" in done.out


@pytest.mark.parametrize("text", ["", "/x", "/x/y", "/(/y/", "/x/y/q", "/x/$nothing/"])
def test_a_substitution_that_is_none_is_a_complaint_at_load(text: str) -> None:
    with pytest.raises(ConfigError):
        tried(f'subst("{text}");')


@pytest.mark.parametrize(
    ("call", "code", "uri"),
    [
        ('subst_uri("/^sip:(.*)@.*$/sip:+1\\1@gw.org/")', "1", "sip:+1b@gw.org"),
        ('subst_uri("/nowhere/x/")', "-1", "sip:b@10.0.0.2"),
        ('subst_uri("/b/a b/")', "-1", "sip:b@10.0.0.2"),
        ('subst_uri("/b/a\\nX: y/")', "-1", "sip:b@10.0.0.2"),
        ('subst_user("/^b$/carol/")', "1", "sip:carol@10.0.0.2"),
        ('subst_user("/^/+1/")', "-1", "sip:b@10.0.0.2"),
        ('subst_user("/b/a@b/")', "-1", "sip:b@10.0.0.2"),
    ],
)
def test_the_request_uri_and_its_user_are_rewritten(call: str, code: str, uri: str) -> None:
    assert tried(f'{call}; say("$rc $ru");').lines == [f"{code} {uri}"]
