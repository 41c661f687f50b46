"""A server that asks for passwords, and a caller who answers."""

from typing import Any

import pytest

from pysips.sip.message import Message
from pysips.testing.messages import request
from pysips.testing.story import Party, Story
from tests.credentials import credentials

MODULES = "sl signaling auth"
PARAMETERS = """
modparam("auth", "username_spec", "$var(u)")
modparam("auth", "password_spec", "$var(p)")
modparam("auth", "calculate_ha1", 1)
"""
ROUTE = """
route {
    $var(u) = "alice"; $var(p) = "secret";
    if (!pv_www_authorize("r.example")) { xlog("@@$rc"); www_challenge("r.example"CHALLENGE); exit; }
    xlog("@@$au");
    sl_send_reply(200, "OK");
}
"""


class Caller:
    """Somebody at an address who sends one request after the other."""

    def __init__(self, story: Story, host: str = "10.0.0.1") -> None:
        self.story = story
        self.party: Party = story.party(host)
        self.number = 0
        self.last = ""

    def ask(self, headers: str = "", method: str = "REGISTER", body: str = "", **facts: Any) -> Message:
        """Send a request with these header lines; what was answered."""
        self.number += 1
        self.last = request(
            method, "sip:r.example", branch=f"z9hG4bK-{self.number}", cseq=self.number, headers=headers, body=body,
            **facts,
        )  # fmt: skip
        return self.again()

    def again(self) -> Message:
        """The same request once more."""
        self.party.said(self.last)
        self.story.deliver()
        return self.party.inbox.popleft()

    def prove(
        self, answer: Message, user: str = "alice", password: str = "secret", method: str = "REGISTER",
        name: str = "Authorization", line: int = 0, body: str = "", **more: Any,
    ) -> Message:  # fmt: skip
        """Answer the challenge of a reply."""
        asked = answer.find("WWW-Authenticate" if name == "Authorization" else "Proxy-Authenticate")
        said = credentials(
            answer.value_at(asked[line]), user, password, method, "sip:r.example", body=body.encode(), **more
        )
        return self.ask(f"{name}: {said}\r\n", method, body)

    def logged(self) -> list[str]:
        """What the script has said so far."""
        return [line[2:] for line in self.story.lines if line.startswith("@@")]


def pv_story(challenge: str = "", parameters: str = "", modules: str = MODULES, route: str = ROUTE) -> Story:
    """A server with the password in variables. challenge: what stands behind the realm of www_challenge."""
    return Story(PARAMETERS + parameters + route.replace("CHALLENGE", challenge), modules)


@pytest.fixture
def caller() -> Caller:
    return Caller(pv_story())
