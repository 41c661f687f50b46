"""The variables of tm, in the routes where they mean something."""

from pysips.testing.messages import invite, request
from pysips.testing.story import Story


def written(story: Story) -> list[str]:
    """What the script wrote with @@."""
    return [line.partition("@@ ")[2] for line in story.lines if "@@" in line]


def test_they_are_null_or_0_without_a_transaction() -> None:
    story = Story('route { xlog("@@ $T_branch_idx $T_reply_code $T_ruri $T_id $bavp(x)\n"); }', "tm")
    story.party("10.0.0.1").said(request("MESSAGE"))
    assert written(story) == ["<null> 0 <null> <null> <null>"]


def test_timeouts_can_be_set_for_one_request_before_and_after_its_transaction() -> None:
    story = Story(
        """route { xlog("@@ $T_fr_timeout $T_fr_inv_timeout\n"); $T_fr_timeout = 3; t_newtran(); $T_fr_inv_timeout = 7;
        xlog("@@ $T_fr_timeout $T_fr_inv_timeout\n"); $T_fr_inv_timeout = NULL; xlog("@@ $T_fr_inv_timeout\n");
        $du = "sip:10.0.0.2"; t_relay(); }""",
        "tm",
    )
    alice = story.party("10.0.0.1")
    alice.said(invite())
    assert written(story) == ["30 120", "3 7", "120"]
    story.after(3.1)
    assert alice.heard_all() == [100, 408]


def test_branch_avps_belong_to_one_branch() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_on_branch("b");
            t_on_reply("r"); t_relay(); }
        branch_route[b] { $bavp(name) = $rU; }
        onreply_route[r] { xlog("@@ $bavp(name) $T_ruri\n"); }""",
        "tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    carol.answered(carol.heard("MESSAGE"), 404)
    bob.answered(bob.heard("MESSAGE"), 404)
    assert written(story) == ["c sip:c@10.0.0.3", "b sip:b@10.0.0.2"]


def test_branches_can_be_looked_at_by_index() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_on_reply("r"); t_relay(); }
        onreply_route[r] { xlog("@@ $(tm.branch.uri[0]) $(tm.branch.uri[-1]) $(tm.branch.uri[7]) $tm.branch.uri\n");
            xlog("@@ $(tm.branch.last_received[0]) $(tm.branch.last_received[1]) $(tm.branch.type[1])\n"); }""",
        "tm",
    )
    alice, carol = story.party("10.0.0.1"), story.party("10.0.0.3")
    alice.said(invite())
    carol.answered(carol.heard("INVITE"), 180)
    assert written(story) == [
        "sip:b@10.0.0.2 sip:c@10.0.0.3 <null> sip:c@10.0.0.3",
        "<null> <null> sip",
    ]


def test_branch_flags_and_attributes_can_be_set_by_name() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); t_on_branch("b"); t_on_reply("r"); t_relay(); }
        branch_route[b] { setbflag("BF"); $tm.branch.attr(kind) = "pstn"; }
        onreply_route[r] { xlog("@@ $tm.branch.flag(BF) $tm.branch.attr(kind) $tm.branch.flags\n");
            if (t_get_branch_idx_by_attr("kind", "pstn", , $var(i))) xlog("@@ $var(i)\n");
            $tm.branch.flag(BF) = 0; xlog("@@ $tm.branch.flag(BF)\n"); }""",
        "tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 200)
    assert written(story) == ["1 pstn BF", "0", "0"]


def test_t_check_status_and_t_local_replied_in_failure_route() -> None:
    story = Story(
        """route { $du = "sip:10.0.0.2"; t_on_failure("f"); t_relay(); }
        failure_route[f] { if (t_check_status("4[08]6|5..")) xlog("@@ matches\n");
            if (!t_local_replied("all") && !t_local_replied("last") && !t_local_replied("branch"))
                xlog("@@ remote\n"); }""",
        "tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 486)
    assert written(story) == ["matches", "remote"]
