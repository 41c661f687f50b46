"""The fakes and the stories themselves: they must fail where they should."""

import pytest

from pysips.core.services import FAILED, SENT, Peer, Socket, Timer
from pysips.testing.fakes import FakeClock, FakeNet, FakeResolver
from pysips.testing.messages import ack, answer, cancel, invite, parsed, request
from pysips.testing.story import Story
from pysips.testing.tables import MemoryTable

PEER = Peer("udp", "10.0.0.1", 5060, Socket(0, "udp", "10.0.0.9", 5060))


class Alarm(Timer):
    """Notes when it went off."""

    def __init__(self, clock: FakeClock) -> None:
        self.due = 0
        self.at = 0
        self.clock = clock
        self.times: list[float] = []

    def fire(self) -> None:
        self.times.append(self.clock.now())


def test_timers_fire_in_their_own_time_and_only_once() -> None:
    clock = FakeClock()
    first, second = Alarm(clock), Alarm(clock)
    start = clock.now()
    clock.timers.add(first, 2)
    clock.timers.add(second, 1)
    clock.advance(3)
    assert (first.times, second.times) == ([start + 2], [start + 1])
    clock.advance(10)
    assert len(first.times) == 1


def test_a_timer_that_was_cancelled_or_moved_fires_accordingly() -> None:
    clock = FakeClock()
    gone, moved = Alarm(clock), Alarm(clock)
    start = clock.now()
    clock.timers.add(gone, 1)
    clock.timers.add(moved, 1)
    gone.due = 0
    clock.timers.add(moved, 5)
    assert clock.timers.waiting() == 1
    clock.advance(10)
    assert (gone.times, moved.times) == ([], [start + 5])


def test_the_net_keeps_what_is_sent_and_refuses_what_it_is_told_to() -> None:
    net = FakeNet()
    assert net.send(b"x", PEER) == SENT
    net.refused.add(("10.0.0.1", 5060))
    assert net.send(b"y", PEER) == FAILED
    assert [data for data, _ in net.sent] == [b"x"]


def test_a_slow_name_is_known_when_it_was_answered() -> None:
    resolver = FakeResolver()
    resolver.slow.add("a.example")
    promise = resolver.ask("a.example", 0, "")
    assert resolver.known("a.example", 0, "") is None and not promise.done
    resolver.answer("a.example", [])
    assert promise.done and resolver.known("a.example", 0, "") == []


def test_a_write_is_seen_when_it_is_committed() -> None:
    table = MemoryTable()
    work = table.begin()
    work.put(b"k", b"key", b"value")
    assert table.get(b"k", b"key") is None
    work.commit()
    assert table.get(b"k", b"key") == b"value"
    assert table.scan(b"k") == [(b"key", b"value")]


def test_messages_are_what_their_names_say() -> None:
    asked = invite(branch="z9hG4bK-7")
    busy = parsed(answer(asked, 486))
    assert (busy.status, busy.reason, busy.to_tag()) == (486, "Busy Here", "b")
    assert parsed(cancel(asked)).cseq() == (1, "CANCEL")
    assert parsed(ack(asked, busy)).to_tag() == "b"
    assert parsed(request("MESSAGE", body="hello")).body() == "hello"


def test_a_party_that_hears_the_wrong_thing_says_so() -> None:
    story = Story('route { sl_send_reply(404, "No"); }', "sl")
    alice = story.party("10.0.0.1")
    alice.said(request("OPTIONS"))
    with pytest.raises(AssertionError, match="not 200"):
        alice.heard(200)
    with pytest.raises(AssertionError, match="heard nothing"):
        alice.heard(404)
    alice.said(request("OPTIONS"))
    with pytest.raises(AssertionError, match="404"):
        alice.heard_nothing()
