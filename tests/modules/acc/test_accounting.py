"""acc, told as calls."""

import re

import pytest

from pysips.errors import ConfigError
from pysips.script.values import Value
from pysips.testing.messages import invite, request
from pysips.testing.once import once
from pysips.testing.story import Story

MODULES = "sl tm rr acc"
FIELDS = (
    'modparam("acc", "extra_fields", "log: who->caller; what; evi: who")\n'
    'modparam("acc", "leg_fields", "log: leg->l")\n'
)
RELAY = '$du = "sip:10.0.0.2"; t_relay();'


def call(account: str, *answers: int, top: str = "", after: str = RELAY) -> list[str]:
    """What was accounted of an INVITE that got these answers."""
    story = Story(f"{top}route {{ {account} {after} }}", MODULES)
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    asked = bob.heard("INVITE")
    for status in answers:
        bob.answered(asked, status)
    return accounted(story)


def accounted(story: Story) -> list[str]:
    return [re.sub(r"=17\d{8}", "=T", line) for line in story.lines if line.startswith("ACC: ")]


def test_an_answered_call_is_one_line() -> None:
    assert call('do_accounting("log");', 180, 200) == [
        "ACC: transaction answered: timestamp=T;created=T;setuptime=0;method=INVITE;from_tag=a;to_tag=b;"
        "call_id=call-1;code=200;reason=OK"
    ]


def test_a_repeated_200_is_the_same_answer_and_one_with_another_tag_is_not() -> None:
    story = Story(f'route {{ do_accounting("log"); {RELAY} }}', MODULES)
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    asked = bob.heard("INVITE")
    for tag in ("b", "b", "c", "b", "c"):
        bob.answered(asked, 200, tag=tag)
    assert alice.heard_all() == [100, 200, 200, 200, 200, 200]
    assert [re.findall("to_tag=(.)", line) for line in accounted(story)] == [["b"], ["c"]]


def test_negative_answers_count_where_they_are_asked_for() -> None:
    assert call('do_accounting("log");', 404) == []
    (line,) = call('do_accounting("log", "failed");', 404)
    assert line.startswith("ACC: transaction answered: ") and line.endswith(";code=404;reason=Not Found")


def test_a_missed_call_is_told_once() -> None:
    (line,) = call('do_accounting("log", "missed");', 180, 486)
    assert line.startswith("ACC: call missed: ") and ";to_tag=b;call_id=call-1;code=486;reason=Busy Here" in line


def test_a_call_that_failed_once_and_then_was_answered_is_both() -> None:
    story = Story(
        f'route {{ do_accounting("log", "missed"); t_on_failure("f"); {RELAY} }}\n'
        'failure_route[f] { $du = "sip:10.0.0.3"; t_on_failure("f"); t_relay(); }', MODULES,
    )  # fmt: skip
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    carol.answered(carol.heard("INVITE"), 486)
    assert [line[:18] for line in accounted(story)] == ["ACC: call missed: "]


def test_nobody_answering_is_a_missed_call_too() -> None:
    story = Story(f'route {{ do_accounting("log", "missed|failed"); {RELAY} }}', MODULES)
    story.party("10.0.0.1").said(invite())
    story.after(40)
    assert [line.partition("timestamp")[0] for line in accounted(story)] == [
        "ACC: call missed: ", "ACC: transaction answered: ",
    ]  # fmt: skip
    assert all(line.endswith("code=408;reason=Request Timeout") for line in accounted(story))


def test_the_scripts_own_values_and_legs_go_with_it() -> None:
    account = (
        'do_accounting("log"); $acc_extra(who) = "alice"; $acc_leg(leg) = "one"; acc_new_leg(); $acc_leg(leg) = 2;'
        'xlog("@@ $acc_extra(who) $acc_extra(what) $acc_leg(leg) $(acc_leg(leg)[0]) $acc_current_leg");'
    )
    (line,) = call(account, 200, top=FIELDS)
    assert line.endswith(";reason=OK;caller=alice;what=;l=one;l=2")


def test_values_are_read_back() -> None:
    done = once(
        '$acc_extra(who) = "alice"; say("$acc_extra(who) $acc_extra(what) $acc_leg(leg) $acc_current_leg");'
        'acc_new_leg(); $acc_leg(leg) = 2; say("$acc_leg(leg) $(acc_leg(leg)[0]) $(acc_leg(leg)[9])");'
        'say("$acc_current_leg");',
        modules=MODULES, top=FIELDS,
    )  # fmt: skip
    assert done.lines == ["alice <null> <null> 0", "2 <null> <null>", "1"]


def test_accounting_is_dropped_altogether_or_in_part() -> None:
    assert call('do_accounting("log", "failed"); drop_accounting();', 200) == []
    assert call('do_accounting("log", "failed"); drop_accounting("log", "failed");', 404) == []
    assert len(call('do_accounting("log", "failed"); drop_accounting("log", "failed");', 200)) == 1
    assert once('drop_accounting(); say("$rc");', modules=MODULES).lines == ["-1"]


def test_a_line_at_once_with_a_status_or_words() -> None:
    done = once('acc_log_request("404 Not here"); acc_log_request("just words");', request("MESSAGE"), MODULES)
    lines = accounted(done.story)
    assert lines == [
        "ACC: request accounted: timestamp=T;method=MESSAGE;from_tag=a;to_tag=;call_id=call-1;code=404;reason=Not here",
        "ACC: request accounted: timestamp=T;method=MESSAGE;from_tag=a;to_tag=;call_id=call-1;code=;reason=just words",
    ]


def test_a_peer_cannot_begin_a_line_of_its_own() -> None:
    done = once('acc_log_request("x\r\nACC: forged");', modules=MODULES)
    assert len(accounted(done.story)) == 1


def test_events_carry_the_same_facts() -> None:
    story = Story(f'{FIELDS}route {{ do_accounting("evi", "missed"); $acc_extra(who) = "alice"; {RELAY} }}', MODULES)
    heard: list[tuple[str, dict[str, Value]]] = []
    story.program.events.listen("E_ACC_EVENT", lambda name, values: heard.append((name, values)))
    story.program.events.listen("E_ACC_MISSED_EVENT", lambda name, values: heard.append((name, values)))
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    ((name, values),) = heard
    assert name == "E_ACC_MISSED_EVENT"
    assert values["sip_code"] == "486" and values["callid"] == "call-1" and values["who"] == "alice"


def test_cancel_is_accounted_where_it_is_asked_for() -> None:
    assert once('do_accounting("log"); say("$rc");', request("CANCEL"), MODULES).lines == ["1"]


def test_upstream_the_caller_stays_the_caller() -> None:
    asked = request("BYE", "sip:10.0.0.2", from_="<sip:b@x>;tag=callee", to="<sip:a@x>;tag=caller",
                    headers="Route: <sip:10.0.0.9;lr;ftag=caller>\r\n")  # fmt: skip
    story = Story(
        'modparam("acc", "detect_direction", 1)\nroute { loose_route(); do_accounting("log"); t_relay(); }', MODULES
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(asked)
    bob.answered(bob.heard("BYE"), 200)
    assert ";from_tag=caller;to_tag=callee;" in accounted(story)[0]


def test_old_scripts_ask_by_flags() -> None:
    top = (
        'modparam("acc", "log_flag", "ACC")\nmodparam("acc", "log_missed_flag", "MISSED")\n'
        'modparam("acc", "failed_transaction_flag", "FAILED")\nmodparam("acc", "log_extra", "uri=$ru")\n'
    )
    (line,) = call("setflag(ACC);", 200, top=top)
    assert line.endswith(";reason=OK;uri=sip:bob@example.com")
    assert call("", 200, top=top) == []
    assert call("setflag(ACC);", 486, top=top) == []
    assert len(call("setflag(ACC); setflag(FAILED);", 486, top=top)) == 1
    assert call("setflag(MISSED);", 486, top=top)[0].startswith("ACC: call missed")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('route { do_accounting("aaa"); }', 'to an AAA server ("aaa") is not in PySIPS yet'),
        ('route { do_accounting("cdr"); }', 'unknown kind of accounting "cdr"'),
        ('route { do_accounting("log", "cdr"); }', "needs the module dialog"),
        ('route { do_accounting("log", "all"); }', 'unknown flag "all"'),
        ('route { acc_aaa_request("x"); }', "not in PySIPS yet"),
        ('modparam("acc", "aaa_url", "radius:x")\nroute { exit; }', "not in PySIPS yet"),
        ('modparam("acc", "extra_fields", "who")\nroute { exit; }', "stands first"),
        ("route { $acc_extra(who) = 1; }", "is not declared"),
        ('modparam("acc", "log_extra", "nonsense")\nroute { exit; }', "is no"),
    ],
)
def test_what_is_not_here_is_said_at_load(script: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Story(script, MODULES)
    assert why in refused.value.complaints[0].message
