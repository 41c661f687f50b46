"""Requests of our own: t_new_request, the api's `request`, t_replicate, local_route."""

import pytest

from pysips.core.services import Promise, Target
from pysips.errors import ConfigError
from pysips.modules.tm import Tm
from pysips.modules.tm.api import Answer, Observer
from pysips.modules.tm.local import from_value
from pysips.testing.messages import invite, request
from pysips.testing.story import Story


def tm_of(story: Story) -> Tm:
    module = story.program.registry.loaded["tm"]
    assert isinstance(module, Tm)
    return module


def ask(story: Story, method: str = "OPTIONS", uri: str = "sip:b@10.0.0.2", **facts: str) -> Promise:
    """A request from the server to bob."""
    return tm_of(story).request(method, uri, from_="sip:server@example.com", to="sip:b@example.com", **facts)


def test_a_request_brings_its_answer() -> None:
    story = Story("route { exit; }", "tm")
    bob = story.party("10.0.0.2")
    promise = ask(story)
    came = bob.heard("OPTIONS")
    assert came.from_tag() and not came.to_tag()
    bob.answered(came, 200, "Fine")
    code, reply = promise.value
    assert (code, reply.reason) == (200, "Fine")


def test_a_request_that_nobody_answers_is_repeated_and_brings_408() -> None:
    story = Story('modparam("tm", "fr_timeout", 3)\nroute { exit; }', "tm")
    bob = story.party("10.0.0.2")
    promise = ask(story)
    story.after(3.1)
    assert bob.heard_all() == ["OPTIONS"] * 3
    assert promise.value == Answer(408, None)


def test_a_request_that_cannot_be_sent_says_so() -> None:
    story = Story("route { exit; }", "tm")
    story.net.refused.add(("10.0.0.2", 5060))
    assert ask(story).value == Answer(477, None)
    assert ask(story, uri="sip:b@nowhere.invalid").value == Answer(476, None)
    assert not tm_of(story).table.servers


def test_a_name_is_asked_for() -> None:
    story = Story("route { exit; }", "tm")
    story.resolver.slow.add("slow.example")
    bob = story.party("10.0.0.2")
    ask(story, uri="sip:b@slow.example")
    bob.heard_nothing()
    story.resolver.answer("slow.example", [Target("udp", "10.0.0.2", 5060)])
    bob.heard("OPTIONS")


@pytest.mark.parametrize("text", ["sip:x@y\r\nEvil: 1", "", "a\nb"])
def test_text_that_would_begin_a_line_is_refused(text: str) -> None:
    story = Story("route { exit; }", "tm")
    with pytest.raises(ValueError):
        tm_of(story).request("OPTIONS", "sip:b@10.0.0.2", from_="sip:a@b", to=text)


def test_local_route_sees_and_changes_it() -> None:
    story = Story(
        """local_route { append_hf("X-Local: $rm\r\n"); $du = "sip:10.0.0.3"; xlog("@@ $ru $avp(uac_ctx)\n"); }
        route { t_new_request("MESSAGE", "sip:b@10.0.0.2", "sip:from@x.example", "sip:to@y.example",
            "text/plain hello there", "c"); }""",
        "tm sipmsgops",
    )
    alice, bob, carol = story.party("10.0.0.1"), story.party("10.0.0.2"), story.party("10.0.0.3")
    alice.said(request("OPTIONS"))
    bob.heard_nothing()
    came = carol.heard("MESSAGE")
    assert came.header("X-Local") == "MESSAGE"
    assert came.body() == "hello there"
    assert came.header("Content-Type") == "text/plain"
    assert came.cseq() == (10, "MESSAGE")
    assert any("@@ sip:b@10.0.0.2 c" in line for line in story.lines)


def test_an_invite_of_ours_is_acknowledged() -> None:
    story = Story("route { exit; }", "tm")
    bob = story.party("10.0.0.2")
    promise = ask(story, "INVITE")
    came = bob.heard("INVITE")
    bob.answered(came, 180)
    bob.answered(came, 200, headers="Contact: <sip:b@10.0.0.2:5060;line=1>\r\n")
    acked = bob.heard("ACK")
    assert acked.uri == "sip:b@10.0.0.2:5060;line=1"
    assert acked.branch() != came.branch()
    assert promise.value.code == 200
    bob.answered(came, 200, headers="Contact: <sip:b@10.0.0.2:5060;line=1>\r\n")
    bob.heard("ACK")


def test_the_ack_follows_the_record_route() -> None:
    story = Story("route { exit; }", "tm")
    bob, proxy = story.party("10.0.0.2"), story.party("10.0.0.7")
    ask(story, "INVITE")
    headers = "Record-Route: <sip:10.0.0.8;lr>, <sip:10.0.0.7;lr>\r\nContact: <sip:b@10.0.0.2>\r\n"
    bob.answered(bob.heard("INVITE"), 200, headers=headers)
    assert proxy.heard("ACK").values("R") == ["<sip:10.0.0.7;lr>", "<sip:10.0.0.8;lr>"]


def test_replicas_are_answered_to_nobody() -> None:
    story = Story('route { t_replicate("sip:10.0.0.2"); sl_send_reply(200, "OK"); }', "sl tm")
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(request("MESSAGE"))
    came = bob.heard("MESSAGE")
    bob.answered(came, 404)
    assert alice.heard_all() == [200]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sip:a@b", "<sip:a@b>"), ("BOB sip:a@b", "BOB <sip:a@b>"), ("<sip:a@b>", "<sip:a@b>"),
        ('"Bob B" sip:a@b', '"Bob B" <sip:a@b>'), ("B, C sip:a@b", '"B, C" <sip:a@b>'),
    ],
)  # fmt: skip
def test_from_and_to_are_written_as_addresses(text: str, value: str) -> None:
    assert from_value(text) == value


class Diary(Observer):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def created(self, transaction: object, ctx: object) -> None:
        self.notes.append("created")

    def answered(self, transaction: object, code: int, reply: object) -> None:
        self.notes.append(f"answered {code}" + ("" if reply else " here"))

    def failing(self, transaction: object, code: int) -> None:
        self.notes.append(f"failing {code}")

    def ended(self, transaction: object) -> None:
        self.notes.append("ended")


def test_an_observer_hears_of_everything() -> None:
    story = Story('route { $du = "sip:10.0.0.2"; t_relay(); }', "sl tm")
    diary = Diary()
    tm_of(story).watch_all(diary)
    alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
    alice.said(invite())
    bob.answered(bob.heard("INVITE"), 486)
    story.after(100)
    assert diary.notes == ["created", "answered 100 here", "failing 486", "answered 486", "ended"]


def test_routes_may_look_at_what_is_made_here() -> None:
    story = Story(
        """modparam("tm", "local_request_route", "out")
        modparam("tm", "local_reply_route", "back")
        route { t_newtran(); t_new_request("MESSAGE", "sip:b@10.0.0.2", "sip:a@x", "sip:b@y"); t_reply(404, "No"); }
        route[out] { xlog("@@ out $rm\n"); }
        route[back] { xlog("@@ back $rs\n"); }""",
        "tm",
    )
    story.party("10.0.0.1").said(request("OPTIONS"))
    assert [line for line in story.lines if "@@" in line] == ["@@ out MESSAGE", "@@ back 404"]


def test_a_route_to_look_at_must_be_there() -> None:
    with pytest.raises(ConfigError) as caught:
        Story('modparam("tm", "local_request_route", "nowhere")\nroute { exit; }', "tm")
    assert "route[nowhere]" in caught.value.complaints[0].message


def test_provisional_replies_to_a_request_of_ours_are_told_if_asked_for() -> None:
    for wanted, told in ((0, ["created", "answered 200"]), (1, ["created", "answered 180", "answered 200"])):
        story = Story(f'modparam("tm", "pass_provisional_replies", {wanted})\nroute {{ exit; }}', "tm")
        bob = story.party("10.0.0.2")
        diary = Diary()
        tm_of(story).request("INVITE", "sip:b@10.0.0.2", from_="sip:a@x", to="sip:b@y", observer=diary)
        came = bob.heard("INVITE")
        bob.answered(came, 180)
        bob.answered(came, 200)
        assert diary.notes == told


@pytest.mark.parametrize("ending", ["503", "silence", "refused"])
def test_a_request_of_ours_tries_the_next_address_of_a_name(ending: str) -> None:
    story = Story('modparam("tm", "fr_timeout", 2)\nroute { exit; }', "tm")
    story.resolver.names["pbx.example"] = [Target("udp", "10.0.0.2", 5060), Target("udp", "10.0.0.3", 5060)]
    bob, carol = story.party("10.0.0.2"), story.party("10.0.0.3")
    if ending == "refused":
        story.net.refused.add(("10.0.0.2", 5060))
    promise = ask(story, uri="sip:b@pbx.example")
    if ending == "503":
        bob.answered(bob.heard("OPTIONS"), 503)
    elif ending == "silence":
        story.after(2.1)
    came = carol.heard("OPTIONS")
    assert len(came.values("V")) == 1
    carol.answered(came, 200)
    assert promise.value[0] == 200
