"""A worker died between INVITE and 200: what its replacement does with the replies that still come."""

from pysips.sip.message import Message
from pysips.testing.messages import answer, invite, request
from pysips.testing.story import Party, Story, run_through

SCRIPT = 'modparam("tm", "fr_inv_timeout", 60)\nroute { $du = "sip:10.0.0.2"; t_relay(); }'


def lose(story: Story) -> None:
    """The transactions die with their worker, and another process takes its place."""
    tm = story.program.registry.loaded["tm"]
    table = tm.table  # type: ignore[attr-defined]
    for transaction in list(table.servers.values()):
        table.remove(transaction)
    story.program.services.lives += 1
    run_through(tm.start())


def asked(text: str = "") -> tuple[Story, Party, Party, Message]:
    """alice's INVITE is with bob, it rang, and its worker is another."""
    story = Story(SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(text or invite())
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    alice.heard_all()
    lose(story)
    return story, alice, bob, came


def test_the_200_reaches_the_caller_and_loses_only_our_via() -> None:
    story, alice, bob, came = asked()
    bob.answered(came, 200, headers="X-Odd:   kept\r\n")
    heard = alice.heard(200)
    assert heard.kinds.count("V") == 1
    assert "X-Odd:   kept\r\n" in heard.text
    assert story.program.core_stats.fwd_replies.get() == 1


def test_it_is_sent_on_as_often_as_it_comes_since_the_caller_may_have_missed_it() -> None:
    _, alice, bob, came = asked()
    for _ in range(3):
        bob.answered(came, 200)
    assert alice.heard_all() == [200, 200, 200]


def test_a_provisional_is_not_or_the_caller_would_repeat_its_invite_no_more() -> None:
    _, alice, bob, came = asked()
    bob.answered(came, 183)
    alice.heard_nothing()
    alice.said(invite())
    assert alice.heard_all() == [100]
    assert bob.heard("INVITE").branch() == came.branch()
    bob.answered(came, 486)
    alice.heard(486)


def test_a_failure_is_not_since_other_branches_may_ring() -> None:
    _, alice, bob, came = asked()
    bob.answered(came, 603)
    alice.heard_nothing()


def test_other_requests_are_repeated_by_their_clients() -> None:
    _, alice, bob, _ = asked()
    story = alice.story
    alice.said(request("MESSAGE", branch="z9hG4bK-other"))
    came = bob.heard("MESSAGE")
    lose(story)
    bob.answered(came, 200)
    alice.heard_nothing()


def test_a_branch_that_belongs_to_another_client_goes_nowhere() -> None:
    """RFC 6026: nobody shall send replies of his own through us."""
    _, alice, bob, came = asked()
    ours, theirs = "10.0.0.1", "10.0.0.3"
    third = alice.story.party(theirs)
    bob.said(answer(came, 200, "", "b", "").replace(f"UDP {ours}", f"UDP {theirs}"))
    bob.said(answer(came, 200, "", "b", "").replace(came.branch(), came.branch().replace("z9hG4bK", "z9hG4bKx")))
    third.heard_nothing()
    alice.heard_nothing()


def test_a_reply_without_a_second_via_or_with_a_broken_one_is_dropped() -> None:
    _, alice, bob, came = asked()
    text = answer(came, 200, "", "b", "")
    first, second = [line + "\r\n" for line in text.split("\r\n") if line.startswith("Via:")]
    bob.said(text.replace(second, ""))
    bob.said(text.replace(second, "Via: nonsense\r\n"))
    alice.heard_nothing()
    assert first != second


def test_a_client_without_a_branch_is_left_to_its_timers() -> None:
    _, alice, bob, came = asked(invite().replace(";branch=z9hG4bK-1", ""))
    bob.answered(came, 200)
    alice.heard_nothing()


def test_once_no_caller_of_the_dead_worker_waits_the_rule_of_rfc_6026_holds() -> None:
    story, alice, bob, came = asked()
    story.after(61)
    bob.answered(came, 200)
    alice.heard_nothing()


def test_a_worker_that_replaced_nobody_drops_what_it_does_not_know() -> None:
    story = Story(SCRIPT, "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    came = bob.heard("INVITE")
    alice.heard_all()
    table = story.program.registry.loaded["tm"].table  # type: ignore[attr-defined]
    for transaction in list(table.servers.values()):
        table.remove(transaction)
    bob.answered(came, 200)
    alice.heard_nothing()
