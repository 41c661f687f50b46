"""One message through a script, and what came of it.

done = once('append_hf("X-New: 1\\r\\n"); forward();', request("MESSAGE", "sip:b@10.0.0.2"), modules="sipmsgops")
assert done.header("X-New") == "1"
assert done.lines == []
"""

from pysips.sip.message import Message

from .messages import request
from .story import HEAD, Story


class Once:
    """lines: what the script logged, the markers cut off; sent: every message that went out, in order."""

    def __init__(self, story: Story, first_line: int) -> None:
        self.story = story
        logged = [line for line in story.lines[first_line:] if line.startswith("@@")]
        self.lines = [line[2:].strip() for line in logged]
        self.sent = [str(data, "utf-8", "surrogateescape") for data, _ in story.net.sent]

    @property
    def out(self) -> str:
        """The only message that went out."""
        assert len(self.sent) == 1, f"{len(self.sent)} messages went out"
        return self.sent[0]

    def heads(self) -> list[str]:
        """The lines of its head, our Via left out."""
        lines = self.out.partition("\r\n\r\n")[0].split("\r\n")
        return [line for line in lines if not line.startswith("Via: SIP/2.0/UDP 10.0.0.9")]

    def header(self, name: str) -> str | None:
        """The first value of a header in it."""
        for line in self.heads()[1:]:
            head, _, value = line.partition(":")
            if head.strip().lower() == name.lower():
                return value.strip()
        return None

    def body(self) -> str:
        """Its body."""
        return self.out.partition("\r\n\r\n")[2]


def once(
    route: str, message: Message | str | None = None, modules: str = "", top: str = "", head: str = HEAD,
    source: str = "10.0.0.1", port: int = 5060,
) -> Once:  # fmt: skip
    """Run the statements `route` on one request. top: what stands above the route, modparams and other routes.

    `say("text")` in it stands for `xlog("@@text")`.
    """
    text = f"{top}\nroute {{ {route} }}\n".replace('say("', 'xlog("@@')
    story = Story(text, modules, head)
    first = len(story.lines)
    asked = request("MESSAGE", "sip:b@10.0.0.2") if message is None else message
    story.party(source, port).said(asked if isinstance(asked, str) else asked.text)
    return Once(story, first)
