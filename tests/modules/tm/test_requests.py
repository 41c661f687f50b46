"""t_newtran, t_reply and t_check_trans: being stateful without relaying."""

from pysips.testing.messages import ack, cancel, invite, request
from pysips.testing.story import Story


def written(story: Story) -> list[str]:
    """What the script wrote with @@."""
    return [line.partition("@@ ")[2] for line in story.lines if "@@" in line]


def test_t_reply_makes_the_transaction_and_repeats_its_answer() -> None:
    story = Story('route { xlog("@@ run\n"); t_newtran(); t_reply(404, "Nobody"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.said(invite())
    assert alice.heard_all() == [100, 404, 404]
    assert len(written(story)) == 2


def test_both_replies_of_one_request_have_the_same_tag() -> None:
    story = Story(
        'route { t_reply(183, "Coming"); t_reply(200, "Here"); xlog("@@ $rc\n");'
        't_reply(500, "No"); xlog("@@ $rc\n"); }',
        "sl tm",
    )
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.heard(100)
    assert alice.heard(183).to_tag() == alice.heard(200).to_tag() != ""
    alice.heard_nothing()
    assert written(story) == ["1", "-1"]


def test_a_2xx_made_here_is_repeated_until_its_ack() -> None:
    story = Story('route { if ($rm == "ACK") { t_relay(); exit; } t_reply(200, "Here"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.heard(100)
    tag = alice.heard(200).to_tag()
    story.after(1.6)
    assert alice.heard_all() == [200, 200]
    alice.said(request("ACK", branch="z9hG4bK-ack", to=f"<sip:bob@example.com>;tag={tag}"))
    story.after(30)
    alice.heard_nothing()


def test_a_negative_reply_made_here_is_repeated_until_its_ack() -> None:
    story = Story('route { if (!t_check_trans()) t_reply(486, "Busy"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.heard(100)
    busy = alice.heard(486)
    story.after(0.6)
    alice.heard(486)
    alice.said(ack(invite(), busy))
    story.after(30)
    alice.heard_nothing()


def test_a_challenge_is_not_repeated() -> None:
    story = Story('route { t_reply(407, "Who?"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(invite())
    story.after(10)
    assert alice.heard_all() == [100, 407]


def test_no_100_without_auto_100trying() -> None:
    story = Story('modparam("tm", "auto_100trying", 0)\nroute { t_newtran(); t_reply(404, "No"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.heard(404)


def test_a_transaction_that_the_script_leaves_alone_is_let_go() -> None:
    story = Story("route { t_newtran(); }", "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE"))
    story.after(6)
    alice.heard_nothing()
    assert not story.program.registry.loaded["tm"].table.servers  # type: ignore[attr-defined]


def test_t_check_trans_tells_an_ack_of_a_2xx_from_others() -> None:
    story = Story(
        'route { if (t_check_trans()) xlog("@@ $rm known\n"); else xlog("@@ $rm $rc\n");'
        'if ($rm == "ACK") exit; $du = "sip:10.0.0.2"; t_relay(); }',
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 200)
    alice.said(request("ACK", branch="z9hG4bK-2", to="<sip:bob@example.com>;tag=b"))
    alice.said(invite(branch="z9hG4bK-5", call_id="second"))
    busy = bob.answered(bob.heard("INVITE"), 486)
    alice.said(ack(invite(branch="z9hG4bK-5", call_id="second"), busy))
    assert written(story) == ["INVITE -1", "ACK -2", "INVITE -1", "ACK known"]


def test_an_ack_is_never_answered() -> None:
    story = Story('route { t_reply(200, "OK"); xlog("@@ after\n"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("ACK"))
    alice.heard_nothing()
    assert written(story) == []


def test_a_redirection_names_the_branches() -> None:
    story = Story('route { seturi("sip:new@example.net"); t_reply(302, "Moved"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE"))
    assert "sip:new@example.net" in (alice.heard(302).header("Contact") or "")


def test_a_reason_with_a_line_end_is_refused() -> None:
    story = Story('route { $var(r) = "x\r\nEvil: 1"; if (!t_reply(404, "$var(r)")) t_reply(500, "Refused"); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE"))
    heard = alice.heard(500)
    assert heard.header("Evil") is None


def test_an_invite_parked_here_can_be_answered_by_its_call_id() -> None:
    story = Story(
        """route { if ($rm == "INVITE") { t_reply(180, "Ringing"); t_wait_for_new_branches(); }
        else if ($rm == "CANCEL") { if (t_reply_by_callid(487, "Request Terminated")) sl_send_reply(200, "OK"); } }""",
        "sl tm",
    )
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.said(cancel(invite()))
    assert alice.heard_all() == [100, 180, 487, 200]


def test_a_script_that_breaks_is_answered_500_by_the_transaction() -> None:
    story = Story("route { t_newtran(); t_relay(); }", "sl tm")

    def broken(host: str, port: int, proto: str) -> None:
        raise RuntimeError("broken")

    story.resolver.known = broken  # type: ignore[method-assign]
    alice = story.party("10.0.0.1")
    alice.said(invite())
    assert alice.heard_all() == [100, 500]
