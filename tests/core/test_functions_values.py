"""The core's functions that log, assign and raise events, in a script."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.messages import request
from pysips.testing.once import once
from pysips.testing.story import Story


def test_xlog_takes_a_level_by_its_third_letter_or_a_variable() -> None:
    done = once(
        'xlog("L_ERR", "@@error\n"); $var(l) = 2; xlog("$var(l)", "@@notice\n");xlog("L_DBG", "@@debug\n"); say("$rc");'
    )
    assert done.lines == ["error", "notice", "1"]


def test_an_unknown_level_fails_and_says_so() -> None:
    done = once('$var(l) = "loud"; xlog("$var(l)", "@@x"); say("$rc");')
    assert done.lines == ["-1"]


def test_a_text_longer_than_the_buffer_fails() -> None:
    done = once('xlog("@@0123456789012345678901234567890123456789"); say("$rc");', top="xlog_buf_size=30")
    assert done.lines == ["-1"]


def test_log_writes_what_it_is_given_without_variables() -> None:
    assert once('log(1, "@@$ru\n"); log("@@hidden"); say("$rc");').lines == ["$ru", "1"]


def test_pv_printf_assigns_a_formatted_text() -> None:
    assert once('pv_printf($var(x), "<$rm>"); avp_printf("$avp(y)", "$var(x)!"); say("$avp(y)");').lines == [
        "<MESSAGE>!"
    ]
    assert once('pv_printf($rm, "x"); say("$rc");').lines == ["-1"]


def test_get_timestamp_gives_seconds_and_microseconds() -> None:
    assert once('get_timestamp($avp(s), $avp(us)); say("$avp(s) $avp(us)");').lines == ["1700001000 0"]


def test_an_event_of_the_scripts_own_pairs_names_and_values() -> None:
    heard: list[tuple[str, object]] = []
    done = once(
        'raise_event("E_READY"); say("$rc");'
        '$avp(n) = "who"; $avp(n) = "what"; $avp(v) = "me"; $avp(v) = 7;'
        'raise_event("E_MINE", $avp(n), $avp(v)); say("$rc");'
    )
    done.story.program.events.listen("E_MINE", lambda name, values: heard.append((name, values)))
    done.story.party("10.0.0.1").said(request("MESSAGE", branch="z9hG4bK-2"))
    assert done.lines == ["1", "1"]
    assert heard == [("E_MINE", {"what": 7, "who": "me"})]


def test_values_alone_are_positional_and_too_few_fail() -> None:
    done = once('$avp(n) = "a"; $avp(n) = "b"; $avp(v) = 1; raise_event("E_X", $avp(n), $avp(v)); say("$rc");')
    assert done.lines == ["-1"]


def test_a_status_group_that_nobody_keeps_is_a_complaint_at_load() -> None:
    with pytest.raises(ConfigError) as refused:
        once('sr_check_status("cores");')
    assert 'no status/report group "cores": core' in refused.value.complaints[0].message


@pytest.mark.parametrize(("state", "said"), [(-2, "-2"), (-1, "-1"), (1, "1")])
def test_the_cores_status_is_that_of_the_server(state: int, said: str) -> None:
    for identifier in ("", ', "main"', ', "MAIN"', ', "nobody"', ', "all"'):
        story = Story('route { sr_check_status("Core"' + identifier + '); xlog("@@$rc"); }')
        story.program.services.status_reports.core_status = lambda: state
        story.party("10.0.0.1").said(request("MESSAGE"))
        wanted = {', "nobody"': "-1", ', "all"': "1" if state > 0 else "-1"}.get(identifier, said)
        assert story.lines[-1] == f"@@{wanted}"
