"""error_route and $err: what happens when a message cannot be read (script-language reference, Route types)."""

import pytest

from pysips.testing.messages import request
from pysips.testing.story import Story

ERROR = 'error_route {{ xlog("@@$err.class $err.level $err.info"); sl_send_reply($err.rcode, $err.rreason);{} }}\n'
BAD_FROM = request("OPTIONS", from_='"Ann <sip:a@example.com>;tag=1')


def told(story: Story) -> list[str]:
    return [line[2:] for line in story.lines if line.startswith("@@")]


@pytest.mark.parametrize(
    ("variable", "message", "info"),
    [
        ("$fu", BAD_FROM, "error parsing From header"),
        ("$fn", BAD_FROM, "error parsing From header"),
        ("$rd", request("OPTIONS", "sip:x@host:99999"), "error parsing r-uri"),
        ("$ru", request("OPTIONS", "sip:x@host:99999"), "error parsing r-uri"),
        ("$ct.fields(uri)", request("OPTIONS", headers="Contact: <sip:a\r\n"), "error parsing Contact header"),
    ],
)
def test_what_cannot_be_read_runs_error_route_after_the_statement(variable: str, message: str, info: str) -> None:
    script = ERROR.format("") + f'route {{ xlog("@@{variable}"); xlog("@@on <$err.info>"); }}'
    story = Story(script, modules="sl")
    alice = story.party("10.0.0.1")
    alice.said(message)
    assert told(story) == ["<null>", f"1 3 {info}", "on <>"]
    alice.heard(400)


def test_exit_in_error_route_stops_the_script() -> None:
    story = Story(
        ERROR.format(" exit;") + 'route { route(a); xlog("@@on"); } route[a] { xlog("@@$fu"); }', modules="sl"
    )
    story.party("10.0.0.1").said(BAD_FROM)
    assert told(story) == ["<null>", "1 3 error parsing From header"]


def test_each_statement_that_meets_the_error_runs_it_again_and_one_that_meets_none_does_not() -> None:
    story = Story('error_route { xlog("@@error"); } route { xlog("@@$fu$fn"); xlog("@@ok"); $var(x) = $fU; }')
    story.party("10.0.0.1").said(BAD_FROM)
    assert told(story) == ["<null><null>", "error", "ok", "error"]


def test_without_an_error_route_the_script_just_goes_on() -> None:
    story = Story('route { xlog("@@$fu"); xlog("@@on <$err.info>"); }')
    story.party("10.0.0.1").said(BAD_FROM)
    assert told(story) == ["<null>", "on <>"]


def test_a_failed_assertion_runs_it_once_and_stops() -> None:
    script = "enable_asserts=yes\n" + ERROR.format("") + 'route { assert(0, "never"); xlog("@@on"); }'
    story = Story(script, modules="sl")
    alice = story.party("10.0.0.1")
    alice.said(request("OPTIONS"))
    assert told(story) == ["4 1 assertion failed"]
    alice.heard(500)
    alice.heard_nothing()


def test_a_reply_that_cannot_be_read_runs_none() -> None:
    script = 'error_route { xlog("@@error"); } onreply_route { route(a); } route[a] { xlog("@@$fu"); } route { exit; }'
    story = Story(script)
    reply = BAD_FROM.replace("OPTIONS sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK")
    story.party("10.0.0.1").said(reply)
    assert told(story) == ["<null>"]
