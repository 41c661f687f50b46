"""sl, signaling and options: answers, with a transaction and without."""

import pytest

from pysips.testing.messages import ack, answer, invite, request
from pysips.testing.once import once
from pysips.testing.story import Story


def statistic(story: Story, name: str) -> int:
    found = story.program.statistics.select(name)
    return found[0].value()


def test_an_answer_counts_in_its_class() -> None:
    done = once('sl_send_reply(404, "Not here"); say("$rc");', request("OPTIONS"), "sl")
    assert done.lines == ["1"]
    assert done.out.startswith("SIP/2.0 404 Not here\r\n")
    assert statistic(done.story, "sl:4xx_replies") == statistic(done.story, "sl:sent_replies") == 1


def test_enable_stats_0_counts_nothing() -> None:
    done = once('sl_send_reply(200, "OK");', request("OPTIONS"), "sl", top='modparam("sl", "enable_stats", 0)')
    assert statistic(done.story, "sl:sent_replies") == 0


def test_the_ack_of_a_negative_answer_of_ours_is_absorbed() -> None:
    story = Story('route { xlog("@@$rm"); sl_send_reply(404, "No"); }', modules="sl")
    alice = story.party("10.0.0.1")
    asked = invite()
    alice.said(asked)
    refused = alice.heard(404)
    alice.said(ack(asked, refused))
    alice.heard_nothing()
    assert [line for line in story.lines if line.startswith("@@")] == ["@@INVITE"]
    assert statistic(story, "sl:received_ACKs") == 1


def test_any_other_ack_reaches_the_script() -> None:
    story = Story('route { xlog("@@$rm"); sl_send_reply(404, "No"); }', modules="sl")
    alice = story.party("10.0.0.1")
    alice.said(ack(invite(), answer(invite(), 404, tag="somebody")))
    assert [line for line in story.lines if line.startswith("@@")] == ["@@ACK"]
    alice.heard_nothing()


def test_the_ack_of_a_transactions_answer_is_the_transactions() -> None:
    story = Story(
        'route { if (is_method("ACK")) { t_check_trans(); exit; } t_newtran(); t_reply(404, "No"); }', "sl tm sipmsgops"
    )
    alice = story.party("10.0.0.1")
    asked = invite()
    alice.said(asked)
    alice.heard(100)
    alice.said(ack(asked, alice.heard(404)))
    story.after(32)
    alice.heard_nothing()


def test_a_redirection_names_the_targets() -> None:
    done = once(
        'seturi("sip:c@x"); append_msg_branch("sip:d@x", "0.5"); sl_send_reply(302, "Moved");', request("INVITE"), "sl"
    )
    assert done.header("Contact") == "<sip:c@x>, <sip:d@x>;q=0.5"


@pytest.mark.parametrize("arguments", ['99, "x"', '700, "x"', '200, "a\r\nX: y"'])
def test_what_is_no_answer_is_refused(arguments: str) -> None:
    done = once(f'sl_send_reply({arguments}); say("$rc");', request("OPTIONS"), "sl")
    assert (done.lines, done.sent) == (["-1"], [])


def test_an_unknown_error_is_500() -> None:
    done = once("sl_reply_error();", request("OPTIONS"), "sl")
    assert done.out.startswith("SIP/2.0 500 Server error occurred (1/SL)\r\n")
    assert statistic(done.story, "sl:sent_err_replies") == 1


def test_signaling_answers_with_the_transaction_if_there_is_one() -> None:
    stateless = once('send_reply(404, "No");', invite(), "sl tm signaling")
    assert len(stateless.sent) == 1
    stateful = once('t_newtran(); send_reply(404, "No");', invite(), "sl tm signaling")
    assert [text.split()[1] for text in stateful.sent] == ["100", "404"]
    stateful.story.after(0.6)
    assert len(stateful.story.net.sent) == 3, "and repeats it"


def test_options_are_answered_with_what_the_parameters_say() -> None:
    top = 'modparam("options", "accept", "application/sdp")\nmodparam("options", "accept_language", "")'
    done = once('options_reply(); say("not reached");', request("OPTIONS", "sip:10.0.0.9"), "sl signaling options", top)
    assert done.lines == []
    assert done.header("Accept") == "application/sdp"
    assert done.header("Accept-Language") is None


@pytest.mark.parametrize("asked", [request("OPTIONS", "sip:u@10.0.0.9"), request("MESSAGE", "sip:10.0.0.9")])
def test_options_for_others_are_not(asked: str) -> None:
    done = once('options_reply(); say("$rc");', asked, "sl signaling options")
    assert (done.lines, done.sent) == (["-1"], [])
