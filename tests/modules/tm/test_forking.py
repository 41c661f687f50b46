"""Several branches at once: which reply goes up, and what becomes of the others."""

import pytest

from pysips.core.services import Target
from pysips.errors import ConfigError
from pysips.testing.messages import invite, request
from pysips.testing.story import Story

FORK = 'route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_relay(); }'


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        (404, 401, 401), (401, 407, 401), (302, 404, 302), (404, 408, 404), (404, 503, 404), (503, 408, 408),
        (500, 486, 486), (484, 404, 484), (603, 200, 603), (486, 404, 404),
    ],
)  # fmt: skip
def test_the_best_reply_goes_up(first: int, second: int, best: int) -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), first)
    carol.answered(carol.heard("MESSAGE"), second)
    assert alice.heard_all() == [best]


def test_503_goes_up_as_500_with_its_headers() -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 503, "Down", headers="Retry-After: 30\r\n")
    carol.answered(carol.heard("MESSAGE"), 503)
    heard = alice.heard(500)
    assert heard.reason == "Down"
    assert heard.header("Retry-After") == "30"


def test_the_first_2xx_goes_up_and_ringing_branches_are_cancelled() -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_bob, to_carol = bob.heard("INVITE"), carol.heard("INVITE")
    bob.answered(to_bob, 180)
    carol.answered(to_carol, 180, tag="c")
    carol.answered(to_carol, 200, tag="c")
    cancel = bob.heard("CANCEL")
    assert cancel.branch() == to_bob.branch()
    assert cancel.header("Reason") == 'SIP ;cause=200 ;text="Call completed elsewhere"'
    bob.answered(cancel, 200)
    bob.answered(to_bob, 487)
    bob.heard("ACK")
    assert alice.heard_all() == [100, 180, 180, 200]


def test_a_branch_that_is_silent_is_cancelled_when_it_rings() -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_bob, to_carol = bob.heard("INVITE"), carol.heard("INVITE")
    carol.answered(to_carol, 200)
    bob.heard_nothing()
    bob.answered(to_bob, 180)
    bob.heard("CANCEL")
    assert alice.heard_all() == [100, 200]


def test_an_unanswered_cancel_is_repeated() -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_bob, to_carol = bob.heard("INVITE"), carol.heard("INVITE")
    bob.answered(to_bob, 180)
    carol.answered(to_carol, 200)
    story.after(1.6)
    assert bob.heard_all() == ["CANCEL"] * 3


def test_a_6xx_wins_at_once_and_cancels_the_others() -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_bob, to_carol = bob.heard("INVITE"), carol.heard("INVITE")
    carol.answered(to_carol, 180)
    bob.answered(to_bob, 603)
    assert alice.heard_all() == [100, 180, 603]
    carol.heard("CANCEL")


def test_with_disable_6xx_block_a_6xx_waits_for_the_others() -> None:
    story = Story('modparam("tm", "disable_6xx_block", 1)\n' + FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 603)
    alice.heard_nothing()
    carol.answered(carol.heard("MESSAGE"), 200)
    alice.heard(200)


def test_what_a_branch_route_edits_goes_out_on_that_branch_only() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_on_branch("mark"); t_relay(); }
        branch_route[mark] { append_hf("X-Branch: $T_branch_idx\r\n"); }""",
        "sl tm sipmsgops",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    assert bob.heard("MESSAGE").header("X-Branch") == "0"
    assert carol.heard("MESSAGE").header("X-Branch") == "1"


def test_drop_in_a_branch_route_leaves_the_branch_out() -> None:
    story = Story(
        """route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_on_branch("some"); t_relay(); }
        branch_route[some] { if ($rU == "b") drop; }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.heard_nothing()
    carol.answered(carol.heard("MESSAGE"), 200)
    alice.heard(200)


def test_without_any_branch_the_client_gets_500() -> None:
    story = Story(
        'route { seturi("sip:b@10.0.0.2"); t_on_branch("none"); t_relay(); }\nbranch_route[none] { drop; }', "sl tm"
    )
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE"))
    assert alice.heard(500).reason == "Server error occurred (1/TM)"


def test_a_minor_branch_is_not_waited_for() -> None:
    story = Story(
        """modparam("tm", "minor_branch_flag", "MINOR")
        route { seturi("sip:b@10.0.0.2"); append_msg_branch("sip:c@10.0.0.3"); t_on_branch("mark"); t_relay(); }
        branch_route[mark] { if ($rU == "c") setbflag("MINOR"); }""",
        "sl tm",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(invite())
    to_carol = carol.heard("INVITE")
    carol.answered(to_carol, 183)
    bob.answered(bob.heard("INVITE"), 486)
    assert alice.heard_all() == [100, 183, 486]
    carol.heard("CANCEL")


def test_a_target_that_cannot_be_sent_to_is_followed_by_the_next() -> None:
    story = Story('route { seturi("sip:b@pbx.example"); t_relay(); }', "sl tm")
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.0.3", 5060)]
    story.net.refused.add(("10.0.0.2", 5060))
    alice, carol = story.party("10.0.0.1"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    carol.answered(carol.heard("MESSAGE"), 200)
    alice.heard(200)


@pytest.mark.parametrize("ending", ["503", "silence"])
def test_a_503_and_silence_try_the_next_address_of_the_name(ending: str) -> None:
    story = Story('modparam("tm", "fr_timeout", 2)\nroute { seturi("sip:b@pbx.example"); t_relay(); }', "sl tm")
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.0.3", 5060)]
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    came = bob.heard("MESSAGE")
    if ending == "503":
        bob.answered(came, 503)
    else:
        story.after(2.1)
    again = carol.heard("MESSAGE")
    assert again.branch() != came.branch()
    carol.answered(again, 200)
    alice.heard(200)


def test_no_dns_failover_keeps_to_the_first_address() -> None:
    story = Story('route { seturi("sip:b@pbx.example"); t_relay("no-dns-failover"); }', "sl tm")
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.0.3", 5060)]
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    bob.answered(bob.heard("MESSAGE"), 503)
    carol.heard_nothing()
    alice.heard(500)


def test_nothing_at_all_could_be_sent_is_477() -> None:
    story = Story('route { seturi("sip:b@10.0.0.2"); if (!t_relay()) xlog("@@ failed\n"); }', "sl tm")
    story.net.refused.add(("10.0.0.2", 5060))
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE"))
    assert alice.heard(477).reason == "Send failed (477/TM)"
    assert not any("@@ failed" in line for line in story.lines)


def test_with_no_auto_477_the_script_answers() -> None:
    story = Story('route { if (!t_relay("no-auto-477")) { xlog("@@ rc $rc\n"); t_reply(480, "Mine"); } }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE", "sip:b@nowhere.invalid"))
    alice.heard(480)
    assert any("@@ rc -4" in line for line in story.lines)


def test_a_name_that_has_to_be_asked_for_delays_only_its_own_request() -> None:
    story = Story("route { t_relay(); }", "sl tm")
    story.resolver.slow.add("slow.example")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite("sip:b@slow.example"))
    alice.said(request("MESSAGE", "sip:b@10.0.0.2", branch="z9hG4bK-2", call_id="other"))
    assert bob.heard_all() == ["MESSAGE"]
    alice.said(invite("sip:b@slow.example"))
    assert alice.heard_all() == [100]
    story.resolver.answer("slow.example", [Target("udp", "10.0.0.2", 5060)])
    assert bob.heard_all() == ["INVITE"]


def test_a_port_that_nobody_listens_on_fails_the_branch_at_once() -> None:
    story = Story(FORK, "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    story.door.unreachable("udp", "10.0.0.2", 5060)
    carol.answered(carol.heard("MESSAGE"), 404)
    alice.heard(404)
    story.after(5)
    assert bob.heard_all() == ["MESSAGE"]


def test_a_second_t_relay_adds_a_branch() -> None:
    story = Story('route { $du = "sip:10.0.0.2"; t_relay(); $du = "sip:10.0.0.3"; t_relay(); }', "sl tm")
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("MESSAGE"))
    to_bob = bob.heard("MESSAGE")
    carol.answered(carol.heard("MESSAGE"), 404)
    alice.heard_nothing()
    bob.answered(to_bob, 200)
    alice.heard(200)


@pytest.mark.parametrize(
    "arguments",
    [
        ', "udp:10.0.0.2:5060"', '"udp:10.0.0.2"', '"10.0.0.2:5060", "0x04"',
        '"no-auto-477,pass-reason-hdr", "10.0.0.2"', '0x04, "10.0.0.2"', '"10.0.0.2:5060", 4',
    ],
)  # fmt: skip
def test_the_outbound_proxy_gets_the_request_as_it_is(arguments: str) -> None:
    story = Story("route { t_relay(" + arguments + "); }", "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    assert bob.heard("MESSAGE").uri == "sip:bob@example.com"


def test_flags_are_bits_with_quotes_and_without() -> None:
    for flags in ("0x02", '"0x02"', "2"):
        story = Story("route { t_relay(" + flags + '); t_reply(480, "Mine"); }', "sl tm")
        story.net.refused.add(("10.0.0.2", 5060))
        alice = story.party("10.0.0.1")
        alice.said(request("MESSAGE", "sip:bob@10.0.0.2"))
        alice.heard(480)


@pytest.mark.parametrize(
    ("flags", "complaint"), [('"no-auto 477"', "unknown flag"), ("0x40", "64 has bits that t_relay does not know")]
)
def test_a_wrong_flag_is_named(flags: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Story("route { t_relay(" + flags + "); }", "sl tm")
    assert complaint in caught.value.complaints[0].message


def test_old_names_of_timers_are_understood() -> None:
    story = Story('modparam("tm", "fr_timer", 2)\nroute { $du = "sip:10.0.0.2"; t_relay(); }', "sl tm")
    alice = story.party("10.0.0.1")
    alice.said(request("MESSAGE"))
    story.after(2.1)
    alice.heard(408)
