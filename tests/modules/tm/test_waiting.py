"""async(), and branches that come later."""

from pysips.testing.messages import cancel, invite, request
from pysips.testing.story import Story


def written(story: Story) -> list[str]:
    """What the script wrote with @@."""
    return [line.partition("@@ ")[2] for line in story.lines if "@@" in line]


ASYNC = """route { $avp(x) = "kept"; async(t_relay("no-auto-477"), after, 10); xlog("@@ never\n"); }
route[after] { $avp(rc) = $rc; xlog("@@ $avp(rc) $avp(x)\n"); if ($avp(rc) < 0) t_reply(480, "Not there"); }"""


def test_async_makes_the_transaction_and_goes_on_later_with_it() -> None:
    story = Story(ASYNC, "sl tm")
    story.resolver.slow.add("slow.example")
    alice = story.party("10.0.0.1")
    alice.said(invite("sip:b@slow.example"))
    assert alice.heard_all() == [100]
    assert written(story) == []
    alice.said(invite("sip:b@slow.example"))
    story.resolver.answer("slow.example", [])
    assert written(story) == ["-4 kept"]
    assert 480 in alice.heard_all()


def test_async_gives_up_after_its_timeout() -> None:
    story = Story(ASYNC, "sl tm")
    story.resolver.slow.add("slow.example")
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE", "sip:b@slow.example"))
    story.after(10.1)
    assert written(story) == ["-2 kept"]
    assert alice.heard_all() == [480]


def test_a_call_waits_for_branches_that_are_injected_later() -> None:
    story = Story(
        """route { if ($rm == "OPTIONS") { sl_send_reply(200, "OK"); exit; } seturi("sip:b@10.0.0.2");
            t_newtran(); t_wait_for_new_branches(); t_on_reply("r"); t_relay(); }
        onreply_route[r] { if ($rs == 404) { append_msg_branch("sip:c@10.0.0.3"); t_inject_branches("msg", "l"); } }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 404)
    assert alice.heard_all() == [100]
    carol.answered(carol.heard("INVITE"), 200)
    assert alice.heard_all() == [200]


def test_a_waiting_call_ends_with_fr_inv_timeout() -> None:
    story = Story(
        """modparam("tm", "fr_inv_timeout", 5)
        route { seturi("sip:b@10.0.0.2"); t_newtran(); t_wait_for_new_branches(); t_relay(); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 404)
    assert alice.heard_all() == [100]
    story.after(5.1)
    assert alice.heard_all() == [404]


def test_a_cancelled_call_that_only_waits_is_487_at_once() -> None:
    story = Story(
        'route { if ($rm == "CANCEL") { t_relay(); exit; } t_newtran(); t_wait_for_new_branches(); }', "sl tm"
    )
    alice = story.party("10.0.0.1")
    alice.said(invite())
    alice.said(cancel(invite()))
    assert alice.heard_all() == [100, 200, 487]


def test_an_invite_that_is_cancelled_while_its_script_waits_goes_nowhere() -> None:
    story = Story('route { if ($rm == "CANCEL") { t_relay(); exit; } t_relay(); }', "sl tm")
    story.resolver.slow.add("slow.example")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite("sip:b@slow.example"))
    alice.said(cancel(invite("sip:b@slow.example")))
    assert alice.heard_all() == [100, 200]
    story.resolver.asked["slow.example"][0].complete(story.resolver.known("10.0.0.2", 0, ""))
    bob.heard_nothing()
    assert alice.heard_all() == [487]


def test_async_in_an_onreply_route_holds_the_reply_back_and_those_behind_it() -> None:
    story = Story(
        """route { $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }
        onreply_route[r] { if ($rs == 180) async(t_inject_branches("msg"), late); }
        route[late] { xlog("@@ late $rs\n"); }""",
        "sl tm",
    )
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    bob.answered(came, 200)
    assert written(story) == ["late 180"]
    assert alice.heard_all() == [100, 180, 200]


def test_a_reply_that_waits_is_not_overtaken() -> None:
    story = Story(
        """route { $du = "sip:10.0.0.2"; t_on_reply("r"); t_relay(); }
        onreply_route[r] { if ($rs == 180) { append_msg_branch("sip:c@slow.example");
            async(t_inject_branches("msg"), late); } }
        route[late] { xlog("@@ late $rs\n"); }""",
        "sl tm",
    )
    story.resolver.slow.add("slow.example")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    bob.answered(came, 200)
    assert alice.heard_all() == [100]
    story.resolver.answer("slow.example", [])
    assert alice.heard_all() == [180, 200]
    assert written(story) == ["late 180"]
