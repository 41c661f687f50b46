"""failure_route: when it runs, what it sees, and what it may do."""

from pysips.core.services import Target
from pysips.testing.messages import cancel, invite, request
from pysips.testing.story import Story

SERIAL = """route { seturi("sip:b@10.0.0.2"); t_on_failure("next"); t_relay(); }
failure_route[next] { seturi("sip:c@10.0.0.3"); t_relay(); }"""


def written(story: Story) -> list[str]:
    """What the script wrote with @@."""
    return [line.partition("@@ ")[2] for line in story.lines if "@@" in line]


def test_it_may_try_elsewhere() -> None:
    story = Story(SERIAL, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    bob.heard("ACK")
    carol.answered(carol.heard("INVITE"), 200)
    assert alice.heard_all() == [100, 200]


def test_only_the_newest_branches_compete() -> None:
    story = Story(SERIAL, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 404)
    carol.answered(carol.heard("MESSAGE"), 503)
    assert alice.heard_all() == [500]


def test_it_sees_the_request_as_it_was_received_and_what_was_edited_before() -> None:
    story = Story(
        """route { append_hf("X-Before: 1\r\n"); setflag("MF"); setbflag("BF"); $avp(x) = "y"; seturi("sip:b@10.0.0.2");
            t_on_failure("f"); t_relay(); }
        failure_route[f] { xlog("@@ <$ru> <$du> <$mf> <$bf> <$avp(x)> $T_reply_code\n");
            $du = "sip:10.0.0.3"; t_relay(); }""",
        "sl tm sipmsgops",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 404)
    assert written(story) == ["<sip:bob@example.com> <<null>> <MF> <> <y> 404"]
    came = carol.heard("MESSAGE")
    assert came.uri == "sip:bob@example.com"
    assert came.header("X-Before") == "1"


def test_it_runs_once_unless_it_is_armed_again() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }
        failure_route[f] { xlog("@@ $T_reply_code\n"); if ($T_reply_code == 404) t_on_failure("f");
            seturi("sip:b@10.0.0.2"); t_relay(); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    for status in (404, 486, 480):
        bob.answered(bob.heard("MESSAGE"), status)
    assert written(story) == ["404", "486"]
    assert alice.heard_all() == [480]


def test_it_may_answer() -> None:
    story = Story(
        'route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }\n'
        'failure_route[f] { t_reply(480, "Later"); }',
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    alice.heard(100)
    assert alice.heard(480).reason == "Later"


def test_drop_changes_nothing_for_the_client() -> None:
    story = Story(
        'route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }\nfailure_route[f] { drop; }', "sl tm"
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 486)
    alice.heard(486)


def test_after_a_6xx_nothing_can_be_added() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }
        failure_route[f] { seturi("sip:c@10.0.0.3"); t_relay(); xlog("@@ $rc\n"); }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 603)
    assert written(story) == ["-3"]
    carol.heard_nothing()
    alice.heard(603)


def test_silence_is_a_408_made_here() -> None:
    story = Story(
        """modparam("tm", "fr_timeout", 2)
        route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }
        failure_route[f] { if (t_local_replied("all")) xlog("@@ local $T_reply_code <$(<reply>rs)>\n"); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    story.after(2.1)
    assert written(story) == ["local 408 <<null>>"]
    assert alice.heard_all() == [100, 408]
    assert "CANCEL" not in bob.heard_all()


def test_a_late_2xx_of_a_branch_that_was_given_up_stays_here_while_others_run() -> None:
    story = Story('modparam("tm", "fr_timeout", 2)\n' + SERIAL, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_bob = bob.heard("INVITE")
    story.after(2.1)
    to_carol = carol.heard("INVITE")
    bob.answered(to_bob, 200)
    carol.answered(to_carol, 486)
    assert alice.heard_all() == [100, 486]


def test_the_reply_can_be_read_and_followed() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }
        failure_route[f] { if (t_check_status("30[12]")) { $ru = $(<reply>ct.fields(uri)); t_relay(); } }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 302, headers="Contact: <sip:c@10.0.0.3>\r\n")
    assert carol.heard("MESSAGE").uri == "sip:c@10.0.0.3"


def test_what_comes_while_it_waits_is_kept_in_order() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); t_on_failure("f"); t_relay(); }
        failure_route[f] { seturi("sip:c@slow.example"); t_relay(); }""",
        "sl tm",
    )
    story.resolver.slow.add("slow.example")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 486)
    assert alice.heard_all() == [100]
    bob.answered(came, 486)
    alice.said(cancel(invite()))
    assert alice.heard_all() == [200]
    story.resolver.answer("slow.example", [Target("udp", "10.0.0.3", 5060)])
    carol.heard_nothing()
    assert alice.heard_all() == [486]


def test_groups_of_branches_one_after_another() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); $ru_q = 200; append_msg_branch("sip:c@10.0.0.3", "0.9");
            serialize_branches(1); next_branches(); t_on_failure("f"); t_relay(); }
        failure_route[f] { if (next_branches()) { t_on_failure("f"); t_relay(); } }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.heard_nothing()
    carol.answered(carol.heard("MESSAGE"), 404)
    bob.answered(bob.heard("MESSAGE"), 486)
    assert alice.heard_all() == [486]
