"""event_datagram: events in datagrams, to whoever subscribed."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pysips.modules.event_datagram import payload
from pysips.testing.messages import request
from pysips.testing.once import once
from pysips.testing.story import Story, run_through

SUBSCRIBE = """
route {{
    subscribe_event("E_MINE", "{socket}"{expire});
    xlog("L_ERR", "subscribed $rc");
    $avp(n) = "who"; $avp(v) = "me";
    raise_event("E_MINE", $avp(n), $avp(v));
    raise_event("E_OTHER", $avp(v));
}}
"""


@pytest.fixture
def play() -> Iterator[Callable[..., Story]]:
    """Runs SUBSCRIBE once; what its modules hold is given back."""
    stories = []

    def begin(socket: str, expire: str = "") -> Story:
        story = Story(SUBSCRIBE.format(socket=socket, expire=expire), modules="event_datagram")
        stories.append(story)
        story.party("10.0.0.1").said(request("OPTIONS"))
        return story

    yield begin
    for one in stories:
        for module in one.program.registry.loaded.values():
            run_through(module.stop())


def heard(sock: socket.socket) -> list[object]:
    """All datagrams that are there, as JSON."""
    sock.setblocking(False)
    found = []
    while True:
        try:
            found.append(json.loads(sock.recv(65535)))
        except BlockingIOError:
            return found


def test_an_event_is_a_json_rpc_notification_for_its_subscribers_alone(play: Callable[..., Story]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        where = f"udp:127.0.0.1:{sock.getsockname()[1]}"
        story = play(where)
        assert heard(sock) == [{"jsonrpc": "2.0", "method": "E_MINE", "params": {"who": "me"}}]
        assert "subscribed 1" in story.lines


def test_a_unix_socket_hears_too_until_the_subscription_ends(play: Callable[..., Story], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "s"))
        story = play(f"unix:{tmp_path}/s", ", 10")
        assert len(heard(sock)) == 1
        story.after(11)
        story.program.events.define("E_MINE").tell({})
        assert heard(sock) == []


def test_subscriptions_outlive_the_process_that_keeps_them(play: Callable[..., Story]) -> None:
    story = play("udp:127.0.0.1:9")
    kept = story.program.subscriptions
    kept.known.clear()
    assert kept.load() == 1
    assert list(kept.known) == [("E_MINE", "udp:127.0.0.1:9")]


@pytest.mark.parametrize(
    "where", ["udp:127.0.0.1", "udp:", "unix:relative", "rabbitmq:guest@127.0.0.1/x", "127.0.0.1:5"]
)
def test_a_socket_that_nobody_can_reach_is_refused(play: Callable[..., Story], where: str) -> None:
    story = play(where)
    assert "subscribed -1" in story.lines


def test_without_a_module_that_carries_events_the_cure_is_said() -> None:
    done = once('subscribe_event("E_X", "udp:127.0.0.1:9"); say("$rc");')
    assert done.lines == ["-1"]


def test_a_subscriber_that_is_not_there_harms_nobody(play: Callable[..., Story], tmp_path: Path) -> None:
    story = play(f"unix:{tmp_path}/nobody")
    assert any("does not hear of E_MINE" in line for line in story.lines)


def test_values_by_place_are_a_list_and_what_is_no_text_is_escaped() -> None:
    assert json.loads(payload("E_X", {"1": "a", "2": None})) == {
        "jsonrpc": "2.0",
        "method": "E_X",
        "params": ["a", None],
    }
    assert payload("E_X", {}) == b'{"jsonrpc":"2.0","method":"E_X"}'
    assert b"\\udcff" in payload("E_X", {"a": "\udcff"})
