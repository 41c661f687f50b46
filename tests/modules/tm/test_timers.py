"""When things are repeated, and when patience ends: the timers of RFC 3261 section 17 and RFC 6026, seen outside."""

import pytest

from pysips.testing.messages import ack, invite, request
from pysips.testing.story import Party, Story

STEP = 0.05  # seconds; what was due between two looks is seen at the second
PATIENT = 'modparam("tm", "fr_timeout", 32)\nroute { $du = "sip:10.0.0.2"; t_relay(); }'
OVER_TCP = 'modparam("tm", "fr_timeout", 32)\nroute { $du = "sip:10.0.0.2;transport=tcp"; t_relay(); }'
TCP_TOO = 'socket=udp:10.0.0.9:5060\nsocket=tcp:10.0.0.9:5060\nloadmodule "proto_udp.so"\nloadmodule "proto_tcp.so"\n'


def call(script: str = PATIENT) -> tuple[Story, Party, Party]:
    story = Story(script, "sl tm")
    return story, story.party("10.0.0.1"), story.party("10.0.0.2")


def times(story: Story, party: Party, what: int | str, seconds: float) -> list[float]:
    """At which of the next seconds the party hears `what`, and nothing else."""
    found = []
    for step in range(1, round(seconds / STEP) + 1):
        story.after(STEP)
        for heard in party.heard_all():
            assert heard == what
            found.append(step * STEP)
    return found


def is_over(story: Story) -> bool:
    """No transaction is left, and nothing that belongs to one."""
    table = story.program.registry.loaded["tm"].table  # type: ignore[attr-defined]
    return not table.servers and not table.clients


EVERY_T2 = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.mark.parametrize("message", [invite(), request("OPTIONS", "sip:bob@example.com")])
def test_a_request_is_repeated_at_doubling_distances_up_to_t2_until_fr_timeout(message: str) -> None:
    story, alice, bob = call()
    alice.said(message)
    method = "INVITE" if message.startswith("INVITE") else "OPTIONS"
    bob.heard(method)
    assert times(story, bob, method, 60) == pytest.approx(EVERY_T2, abs=0.06)
    assert 408 in alice.heard_all()


def test_after_a_provisional_answer_a_request_is_repeated_every_t2() -> None:
    story, alice, bob = call()
    alice.said(request("OPTIONS", "sip:bob@example.com"))
    came = bob.heard("OPTIONS")
    story.after(0.2)
    bob.answered(came, 100)
    assert times(story, bob, "OPTIONS", 13) == pytest.approx([0.3, 4.3, 8.3, 12.3], abs=0.06)
    bob.answered(came, 200)
    assert times(story, bob, "OPTIONS", 40) == []
    assert alice.heard_all() == [200]


def test_a_ringing_invite_is_not_repeated_and_is_cancelled_at_fr_inv_timeout() -> None:
    story, alice, bob = call()
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 180)
    assert times(story, bob, "INVITE", 119.9) == []
    story.after(0.2)
    bob.answered(bob.heard("CANCEL"), 200)
    assert alice.heard_all() == [100, 180, 408]


def test_a_negative_answer_is_repeated_until_the_ack_comes() -> None:
    story, alice, bob = call()
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    alice.heard(100)
    busy = alice.heard(486)
    assert times(story, alice, 486, 8) == pytest.approx([0.5, 1.5, 3.5, 7.5], abs=0.06)
    alice.said(ack(invite(), busy))
    assert times(story, alice, 486, 40) == []
    assert is_over(story)


def test_a_negative_answer_without_an_ack_is_given_up_after_64_t1() -> None:
    story, alice, bob = call()
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    alice.heard(100)
    alice.heard(486)
    assert times(story, alice, 486, 60) == pytest.approx(EVERY_T2, abs=0.06)
    assert is_over(story)


def test_a_repeated_negative_answer_is_acknowledged_for_32_seconds() -> None:
    story, alice, bob = call()
    alice.said(invite())
    came = bob.heard("INVITE")
    bob.answered(came, 486)
    bob.heard("ACK")
    story.after(31)
    bob.answered(came, 486)
    bob.heard("ACK")
    story.after(3)
    bob.answered(came, 486)
    bob.heard_nothing()


def test_over_a_stream_nothing_is_repeated_and_patience_ends_all_the_same() -> None:
    story = Story(OVER_TCP, "sl tm", TCP_TOO)
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2", 5060, "tcp")
    alice.said(invite())
    bob.heard("INVITE")
    assert times(story, bob, "INVITE", 31.9) == []
    alice.heard(100)
    assert times(story, alice, 408, 0.3) == pytest.approx([0.1], abs=0.06)


def test_a_final_answer_is_repeated_when_it_is_asked_for_again_for_wt_timer_seconds() -> None:
    story, alice, bob = call()
    alice.said(request("OPTIONS", "sip:bob@example.com"))
    bob.answered(bob.heard("OPTIONS"), 200)
    alice.heard(200)
    story.after(4.8)
    alice.said(request("OPTIONS", "sip:bob@example.com"))
    alice.heard(200)
    bob.heard_nothing()
    story.after(0.4)
    assert is_over(story)


def test_after_a_2xx_a_repeated_invite_starts_no_second_call_until_timer_l() -> None:
    story, alice, bob = call()
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 200)
    assert alice.heard_all() == [100, 200]
    story.after(31)
    alice.said(invite())
    alice.heard(200)
    bob.heard_nothing()
    story.after(3)
    assert is_over(story)
