"""onreply_route: order, drop, AVPs, flags, and what a failing route loses (nothing)."""

from pysips.testing.messages import invite, request
from pysips.testing.story import Story


def written(story: Story) -> list[str]:
    """What the script wrote with @@."""
    return [line.partition("@@ ")[2] for line in story.lines if "@@" in line]


def test_global_then_branch_then_transaction() -> None:
    story = Story(
        """route { $du = "sip:10.0.0.2"; t_on_branch("b"); t_on_reply("t"); t_relay(); }
        branch_route[b] { t_on_reply("br"); }
        onreply_route { xlog("@@ global\n"); }
        onreply_route[br] { xlog("@@ branch $T_branch_idx\n"); }
        onreply_route[t] { xlog("@@ transaction\n"); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 200)
    assert written(story) == ["global", "branch 0", "transaction"]
    alice.heard(200)


def test_drop_keeps_a_provisional_back_and_never_a_final() -> None:
    story = Story('route { $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }\nonreply_route[r] { drop; }', "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 183)
    bob.answered(came, 200)
    assert alice.heard_all() == [100, 200]


def test_edits_go_up() -> None:
    story = Story(
        'route { $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }\nonreply_route[r] { append_hf("X-Seen: 1\r\n"); }',
        "sl tm sipmsgops",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 486)
    assert alice.heard(486).header("X-Seen") == "1"


def test_avps_of_the_transaction_only_in_mode_1() -> None:
    script = """route { $avp(k) = "v"; $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }
        onreply_route[r] { xlog("@@ <$avp(k)>\n"); $avp(k) := "seen"; }"""
    for mode, expected in ((0, ["<<null>>", "<<null>>"]), (1, ["<v>", "<seen>"])):
        story = Story(f'modparam("tm", "onreply_avp_mode", {mode})\n' + script, "sl tm")
        alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
        alice.said(invite())
        came = bob.heard("INVITE")
        bob.answered(came, 180)
        bob.answered(came, 200)
        assert written(story) == expected


def test_flags_travel_between_the_routes() -> None:
    story = Story(
        """route { setflag("A"); $du = "sip:10.0.0.2"; t_on_reply("r"); t_on_branch("b"); t_on_failure("f");
            t_relay(); }
        branch_route[b] { setbflag("B"); }
        onreply_route[r] { xlog("@@ $mf $bf\n"); setflag("C"); }
        failure_route[f] { xlog("@@ $mf\n"); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 404)
    first, second = written(story)
    assert first == "A B"
    assert set(second.split()) == {"A", "C"}


def test_the_request_can_be_read_in_a_reply_route() -> None:
    story = Story(
        """route { $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }
        onreply_route[r] { xlog("@@ $(<request>ru) $(<request>hdr(X-Q)) $rs\n"); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE", headers="X-Q: q\r\n"))
    bob.answered(bob.heard("MESSAGE"), 200)
    assert written(story) == ["sip:bob@example.com q 200"]


def test_the_other_branches_can_be_cancelled_from_a_reply() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_on_reply("r"); t_relay(); }
        onreply_route[r] { if ($rs == 183) t_cancel_branch("o"); }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_bob, to_carol = bob.heard("INVITE"), carol.heard("INVITE")
    bob.answered(to_bob, 180)
    carol.answered(to_carol, 183)
    bob.heard("CANCEL")
    carol.heard_nothing()


def test_a_stray_reply_is_nobodys() -> None:
    story = Story('route { $du = "sip:10.0.0.2"; t_relay(); }', "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    came = bob.heard("MESSAGE")
    bob.said(
        came.text.replace(came.branch(), "z9hG4bKstray").replace(
            "MESSAGE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK"
        )
    )
    alice.heard_nothing()


def test_statistics_count_what_happened() -> None:
    story = Story('route { if ($rU == "here") t_reply(404, "No"); else { $du = "sip:10.0.0.2"; t_relay(); } }', "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 200)
    alice.said(request("MESSAGE", "sip:here@example.com", branch="z9hG4bK-2", call_id="other"))
    found = {one.name: one.value() for one in story.program.statistics.select("tm:")}
    assert found["UAS_transactions"] == 2
    assert found["inuse_transactions"] == 2
    assert found["2xx_transactions"] == found["4xx_transactions"] == 1
    assert found["relayed_replies"] == found["local_replies"] == found["received_replies"] == 1
