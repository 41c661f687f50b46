"""A call through t_relay: what each side hears."""

from pysips.testing.messages import ack, invite, request
from pysips.testing.story import Story

RELAY = 'route { $du = "sip:10.0.0.2"; t_relay(); }'


def story_of(script: str = RELAY, modules: str = "sl tm") -> Story:
    return Story(script, modules)


def test_an_invite_gets_its_100_and_goes_on_with_our_via() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    assert alice.heard(100).reason == "Giving it a try"
    came = bob.heard("INVITE")
    assert came.uri == "sip:bob@example.com"
    assert came.top_via().host == "10.0.0.9"
    assert came.branch().startswith("z9hG4bK")


def test_replies_go_up_without_our_via_and_the_ack_of_a_2xx_passes_through() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    bob.answered(came, 200)
    assert alice.heard_all() == [100, 180, 200]
    alice.said(request("ACK", "sip:bob@10.0.0.2", branch="z9hG4bK-2", to="<sip:bob@example.com>;tag=b"))
    passed = bob.heard("ACK")
    assert passed.branch() != came.branch()
    alice.said(request("BYE", "sip:bob@10.0.0.2", branch="z9hG4bK-3", to="<sip:bob@example.com>;tag=b", cseq=2))
    bob.answered(bob.heard("BYE"), 200)
    alice.heard(200)


def test_who_was_asked_sees_a_retransmission_when_another_process_goes_on() -> None:
    """A worker died between INVITE and 200: its replacement has no transaction, and makes the same branch again."""
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    first = bob.heard("INVITE")
    table = story.program.registry.loaded["tm"].table  # type: ignore[attr-defined]
    for transaction in list(table.servers.values()):
        table.remove(transaction)
    alice.said(invite())
    assert bob.heard("INVITE").branch() == first.branch()


def test_a_repeated_ack_of_a_2xx_is_repeated_with_the_same_branch() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    for _ in range(2):
        alice.said(request("ACK", "sip:bob@10.0.0.2", branch="z9hG4bK-2", to="<sip:bob@example.com>;tag=b"))
    assert bob.heard("ACK").branch() == bob.heard("ACK").branch()


def test_a_reply_loses_only_our_via() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 200, headers="X-Odd:   kept  as it is\r\n")
    alice.heard(100)
    heard = alice.heard(200)
    assert heard.kinds.count("V") == 1
    assert "X-Odd:   kept  as it is\r\n" in heard.text


def test_a_100_from_downstream_stays_here() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 100)
    assert alice.heard_all() == [100]


def test_a_retransmission_gets_the_last_reply_and_goes_nowhere() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    alice.said(invite())
    assert alice.heard_all() == [100, 180, 180]
    bob.heard_nothing()


def test_a_negative_reply_is_acknowledged_here_each_time_and_relayed_once() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 486)
    first = bob.heard("ACK")
    bob.answered(came, 486)
    assert bob.heard("ACK").branch() == first.branch() == came.branch()
    assert alice.heard_all() == [100, 486]


def test_the_callers_ack_of_a_negative_reply_ends_its_repetition() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    alice.heard(100)
    busy = alice.heard(486)
    story.after(1.6)
    assert alice.heard_all() == [486, 486]
    alice.said(ack(invite(), busy))
    story.after(10)
    alice.heard_nothing()
    assert bob.heard_all() == ["ACK"]


def test_a_non_invite_request_gets_no_100() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    alice.heard_nothing()
    bob.answered(bob.heard("MESSAGE"), 202)
    alice.heard(202)


def test_an_unanswered_request_is_repeated_and_then_is_408() -> None:
    story = story_of('modparam("tm", "fr_timeout", 5)\n' + RELAY)
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    story.after(4.9)
    assert bob.heard_all() == ["MESSAGE"] * 4  # at 0, 0.5, 1.5, 3.5
    story.after(0.2)
    alice.heard(408)
    story.after(60)
    bob.heard_nothing()


def test_a_provisional_reply_ends_the_repetition_of_an_invite() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    story.after(20)
    bob.heard_nothing()


def test_a_second_2xx_goes_up_as_well_and_for_as_long_as_its_sender_repeats_it() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 200)
    story.after(20)
    bob.answered(came, 200)
    assert alice.heard_all() == [100, 200, 200]


def test_everything_is_forgotten_in_the_end() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    tm = story.program.registry.loaded["tm"]
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 200)
    alice.said(request("MESSAGE", branch="z9hG4bK-9", call_id="other"))
    assert len(tm.table.servers) == 2  # type: ignore[attr-defined]
    story.after(100)
    table = tm.table  # type: ignore[attr-defined]
    assert not table.servers and not table.clients and not table.dialogs
    assert story.clock.timers.waiting() == 0
    assert table.stats.inuse.get() == 0


def test_a_client_without_the_cookie_is_matched_as_rfc_2543_wants_it() -> None:
    story = story_of()
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite(branch="1"))
    alice.said(invite(branch="1"))
    assert bob.heard_all() == ["INVITE"]
    assert alice.heard_all() == [100, 100]


def test_a_request_without_call_id_is_not_relayed() -> None:
    story = story_of('route { if (!t_relay()) xlog("@@ $rc\\n"); }')
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE").replace("Call-ID: call-1\r\n", ""))
    bob.heard_nothing()
    assert any("@@ -1" in line for line in story.lines)
