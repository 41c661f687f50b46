"""The core's functions on the branch set and on flags, in a script."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.once import once

SHOW = 'say("$ru $(branch(uri)[*])");'


def test_a_message_branch_is_bare_or_inherits() -> None:
    done = once(
        '$du = "sip:10.0.0.7"; append_msg_branch("sip:c@x", "0.5"); append_msg_branch("sip:d@x", , "inherite");'
        'say("$(branch(uri)[0]) $(branch(q)[0]) $(branch(duri)[0])"); say("$(branch(uri)[1]) $(branch(duri)[1])");'
    )
    assert done.lines == ["sip:c@x 0.5 <null>", "sip:d@x sip:10.0.0.7"]


def test_append_branch_without_a_uri_copies_the_message_and_clears_it() -> None:
    done = once(
        '$du = "sip:10.0.0.7"; $ru_q = 300; append_branch(); say("$ru $du $ru_q");'
        'say("$(branch(uri)[0]) $(branch(duri)[0]) $(branch(q)[0])");'
    )
    assert done.lines == ["sip:b@10.0.0.2 <null> -1", "sip:b@10.0.0.2 sip:10.0.0.7 0.3"]


def test_eleven_branches_are_added_and_no_more() -> None:
    assert once('$var(i) = 0; while ($var(i) < 11) { append_msg_branch("sip:c@x"); $var(i) += 1; }'
                'append_msg_branch("sip:c@x"); say("$rc");').lines == ["-1"]  # fmt: skip


@pytest.mark.parametrize("q", ["2", "-1", "x", "1.5"])
def test_a_q_value_that_is_none_is_refused(q: str) -> None:
    assert once(f'append_msg_branch("sip:c@x", "{q}"); say("$rc");').lines == ["-1"]


def test_removing_moving_and_swapping() -> None:
    added = 'append_msg_branch("sip:c@x"); append_msg_branch("sip:d@x");'
    assert once(added + 'remove_msg_branch(0); say("$rc");' + SHOW).lines == ["1", "sip:b@10.0.0.2 sip:d@x"]
    assert once(added + 'remove_branch(5); say("$rc");').lines == ["-1"]
    assert once(added + "move_msg_branch(1);" + SHOW).lines == ["sip:d@x sip:c@x"]
    assert once(added + 'move_msg_branch(1, , "keep");' + SHOW).lines == ["sip:d@x sip:c@x, sip:d@x"]
    assert once(added + "move_msg_branch(0, 1);" + SHOW).lines == ["sip:b@10.0.0.2 sip:c@x"]
    assert once(added + "swap_msg_branches(0, 1);" + SHOW).lines == ["sip:b@10.0.0.2 sip:d@x, sip:c@x"]
    assert once(added + "swap_msg_branches(0);" + SHOW).lines == ["sip:c@x sip:b@10.0.0.2, sip:d@x"]
    assert once(added + 'move_msg_branch(7); say("$rc");').lines == ["-1"]


def test_branches_are_served_by_descending_q() -> None:
    done = once(
        'seturi("sip:low@x"); $ru_q = 100; append_msg_branch("sip:high@x", "0.9");'
        'append_msg_branch("sip:high2@x", "0.9"); append_msg_branch("sip:mid@x", "0.5"); serialize_branches(1);'
        + ('next_branches(); say("$rc $ru $(branch(uri)[*])");' * 4)
    )
    assert [line.split() for line in done.lines] == [
        ["1", "sip:high@x", "sip:high2@x"], ["1", "sip:mid@x", "<null>"], ["2", "sip:low@x", "<null>"],
        ["-1", "sip:low@x", "<null>"],
    ]  # fmt: skip


def test_kept_in_order_they_are_served_one_by_one() -> None:
    done = once('append_msg_branch("sip:c@x", "0.9"); serialize_branches(1, 1); next_branches(); say("$rc $ru");'
                'next_branches(); say("$rc $ru");')  # fmt: skip
    assert done.lines == ["1 sip:b@10.0.0.2", "2 sip:c@x"]


def test_flags_of_the_message_and_of_branches_in_all_spellings() -> None:
    done = once(
        'setflag(OLD); setflag("NEW"); setflag(5); if (isflagset(OLD) && isflagset("NEW") && isflagset(5)) say("set");'
        'resetflag(OLD); if (!isflagset(OLD)) say("reset");'
        'append_msg_branch("sip:c@x"); setbflag(BF, 1); if (!isbflagset(BF) && isbflagset("BF", 1)) say("branch");'
        'setbflag(1, X2); if (isbflagset("X2", 1)) say("old order"); setbflag("BF", 7); say("$rc");'
        'resetbflag("BF", 1); if (!isbflagset("BF", 1)) say("gone");'
    )
    assert done.lines == ["set", "reset", "branch", "old order", "-1", "gone"]


def test_a_thirty_third_flag_is_a_complaint_at_load() -> None:
    with pytest.raises(ConfigError) as refused:
        once("".join(f'setflag("F{number}");' for number in range(33)))
    assert "more than 32 message flags" in refused.value.complaints[0].message
