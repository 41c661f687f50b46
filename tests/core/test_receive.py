"""core/receive.py: the door, told as scripts."""

from pysips.core.services import Clock
from pysips.testing.messages import request
from pysips.testing.story import HEAD, Story

OK = 'route { sl_send_reply(200, "OK"); }'


class Ticking(Clock):
    """Each look at it is a tenth of a second later."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        self.at += 0.1
        return self.at

    def time(self) -> float:
        return self.now()


def test_a_message_that_takes_longer_than_the_threshold_is_counted_and_told() -> None:
    for threshold, count in ((0, 0), (50_000, 1), (200_000, 0)):
        story = Story(OK, modules="sl", head=f"exec_msg_threshold={threshold}\n" + HEAD)
        story.program.services.clock = Ticking()
        story.party("10.0.0.1").said(request("OPTIONS"))
        assert story.program.core_stats.slow_messages.get() == count
        assert len([line for line in story.lines if "more than exec_msg_threshold" in line]) == count


def test_a_refused_request_is_counted_under_its_status() -> None:
    story = Story(OK, modules="sl", head="strict_parsing=yes\n" + HEAD.replace("strict_parsing=no\n", ""))
    alice = story.party("10.0.0.1")
    alice.said(request("OPTIONS").replace("SIP/2.0\r\n", "SIP/3.0\r\n", 1))
    alice.heard(505)
    assert {one.name: one.value() for one in story.program.statistics.select("refused:") if one.value()} == {"505": 1}


def test_bad_uris_and_bad_headers_are_counted_apart() -> None:
    story = Story(OK, modules="sl", head="strict_parsing=yes\n" + HEAD.replace("strict_parsing=no\n", ""))
    alice = story.party("10.0.0.1")
    bad = {
        "400": ("From: <sip:alice", "From: <sip:a lice"),
        "400 Bad Max": (": 70", ": x"),
        "505": ("SIP/2.0", "SIP/9"),
    }
    for status, (old, new) in bad.items():
        alice.said(request("OPTIONS").replace(old, new, 1))
        alice.heard(int(status[:3]))
    stats = story.program.core_stats
    assert (stats.bad_uris.get(), stats.bad_msg_hdr.get(), stats.err_requests.get()) == (1, 1, 3)


def test_auto_aliases_are_the_names_that_the_system_knows_the_sockets_by() -> None:
    head = HEAD.replace("10.0.0.9", "127.0.0.1")
    assert not Story(OK, modules="sl", head=head).program.is_myself("localhost", 5060)
    assert Story(OK, modules="sl", head="auto_aliases=yes\n" + head).program.is_myself("localhost", 5060)
