"""CANCEL from the client, and what becomes of the branches."""

from pysips.testing.messages import ack, cancel, invite, request
from pysips.testing.story import Story

SCRIPT = """route { if ($rm == "CANCEL") { if (t_check_trans()) t_relay(); exit; } $du = "sip:10.0.0.2"; t_relay(); }"""


def test_a_ringing_call_is_cancelled() -> None:
    story = Story(SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    assert alice.heard_all() == [100, 180]
    alice.said(cancel(invite()))
    assert alice.heard(200).cseq() == (1, "CANCEL")
    heard = bob.heard("CANCEL")
    assert heard.uri == came.uri and heard.branch() == came.branch()
    assert heard.header("Reason") == 'SIP;cause=487;text="ORIGINATOR_CANCEL"'
    bob.answered(heard, 200)
    bob.answered(came, 487)
    bob.heard("ACK")
    alice.said(ack(invite(), alice.heard(487)))
    story.after(40)
    alice.heard_nothing()


def test_a_silent_branch_is_cancelled_when_it_says_something() -> None:
    story = Story(SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    alice.said(cancel(invite()))
    bob.heard_nothing()
    bob.answered(came, 100)
    bob.heard("CANCEL")


def test_a_cancel_of_something_unknown_is_no_transaction_here() -> None:
    story = Story('route { if (t_check_trans()) xlog("@@ known\n"); else sl_send_reply(481, "Unknown"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("CANCEL"))
    alice.heard(481)


def test_a_repeated_cancel_is_answered_again_and_sent_once() -> None:
    story = Story(SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    alice.heard_all()
    alice.said(cancel(invite()))
    alice.said(cancel(invite()))
    assert alice.heard_all() == [200, 200]
    assert bob.heard_all() == ["CANCEL"]


def test_a_2xx_that_crosses_the_cancel_wins() -> None:
    story = Story(SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    alice.said(cancel(invite()))
    bob.answered(came, 200)
    assert alice.heard_all() == [100, 180, 200, 200]


def test_the_clients_reason_is_passed_on_if_asked_for() -> None:
    story = Story(SCRIPT.replace("t_check_trans()) t_relay()", 't_check_trans()) t_relay("pass-reason-hdr")'), "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    alice.said(cancel(invite(), "Reason: Q.850;cause=16\r\n"))
    assert bob.heard("CANCEL").header("Reason") == "Q.850;cause=16"


def test_the_scripts_reason_wins() -> None:
    story = Story(
        """route { if ($rm == "CANCEL") { t_add_cancel_reason("Reason: SIP;cause=200\r\n"); t_relay(); exit; }
        $du = "sip:10.0.0.2"; t_relay(); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    alice.said(cancel(invite()))
    assert bob.heard("CANCEL").header("Reason") == "SIP;cause=200"


def test_failure_route_knows_that_the_caller_gave_up_and_starts_nothing_new() -> None:
    story = Story(
        """route { if ($rm == "CANCEL") { t_relay(); exit; } $du = "sip:10.0.0.2"; t_on_failure("f"); t_relay(); }
        failure_route[f] { if (t_was_cancelled()) xlog("@@ cancelled\n"); $du = "sip:10.0.0.3"; t_relay(); }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    alice.said(cancel(invite()))
    bob.answered(came, 487)
    assert any("@@ cancelled" in line for line in story.lines)
    carol.heard_nothing()
    assert alice.heard_all() == [100, 180, 200, 487]


def test_a_call_that_rings_too_long_is_cancelled_by_us() -> None:
    story = Story('modparam("tm", "fr_inv_timeout", 10)\n' + SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    story.after(8)
    bob.answered(came, 180)
    story.after(8)
    bob.heard_nothing()
    story.after(2.2)
    assert alice.heard_all() == [100, 180, 180, 408]
    assert bob.heard("CANCEL").header("Reason") == 'SIP;cause=480;text="NO_ANSWER"'
    bob.answered(came, 487)
    bob.heard("ACK")


def test_without_restart_the_first_ring_counts() -> None:
    story = Story(
        'modparam("tm", "fr_inv_timeout", 10)\nmodparam("tm", "restart_fr_on_each_reply", 0)\n' + SCRIPT, "sl tm"
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    story.after(8)
    bob.answered(came, 180)
    story.after(3)
    assert 408 in alice.heard_all()


def test_a_2xx_that_crosses_our_own_cancel_still_reaches_the_caller() -> None:
    """It rang too long and the caller has its 408; but the callee has answered (RFC 3261 section 16.7 step 5)."""
    story = Story('modparam("tm", "fr_inv_timeout", 2)\n' + SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    asked = invite()
    alice.said(asked)
    to_bob = bob.heard("INVITE")
    bob.answered(to_bob, 180)
    story.after(2.1)
    assert [alice.heard(status).status for status in (100, 180)] == [100, 180]
    refused = alice.heard(408)
    bob.heard("CANCEL")
    bob.answered(to_bob, 200, tag="late")
    assert alice.heard(200).to_tag() == "late"
    story.after(1.0)
    assert set(alice.heard_all()) == {408}, "until its ACK comes"
    alice.said(ack(asked, refused))
    story.after(3.0)
    alice.heard_nothing()
    bob.answered(to_bob, 200, tag="late")
    alice.heard(200)
