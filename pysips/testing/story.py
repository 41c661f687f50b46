"""Play a call through a whole script, without a network and in no time.

story = Story('route { $du = "sip:10.0.0.2"; t_relay(); }', modules="sl tm")
alice, bob = story.party("10.0.0.1"), story.party("10.0.0.2")
alice.said(invite())
alice.heard(100)
bob.answered(bob.heard("INVITE"), 486)
alice.heard(486)
story.after(32)
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from pysips.core import loading
from pysips.core.log import Entry, log
from pysips.core.options import Options
from pysips.core.program import Program
from pysips.core.receive import Door
from pysips.core.services import Peer, Socket
from pysips.script import source
from pysips.sip.message import Message, read

from . import fakes
from .messages import answer

HEAD = 'socket=udp:10.0.0.9:5060\nstrict_parsing=no\nloadmodule "proto_udp.so"\n'


class Story:
    """A loaded script with fakes all around. `lines` is what was logged, with xlog() too.

    script: everything below the modules' lines; modules: their names; head: what stands above (a socket by default);
    before: called with the program before the modules start.
    """

    def __init__(
        self, script: str, modules: str = "", head: str = HEAD, before: Callable[[Program], object] | None = None
    ) -> None:
        lines = "".join(f'loadmodule "{name}.so"\n' for name in modules.split())
        self.program = loading.load_source(source.of_text(head + lines + script, "story.cfg"), Options("story.cfg"))
        self.net, self.clock, self.resolver = fakes.fill(self.program.services)
        if before is not None:
            before(self.program)
        self.door = Door(self.program.services, self.program)
        self.parties: dict[tuple[str, int], Party] = {}
        self.seen = 0
        self.lines: list[str] = []
        log.listener = self.listen
        for module in self.program.registry.in_order():
            run_through(module.start())

    def listen(self, entry: Entry, pid: int) -> None:
        """A line was logged."""
        self.lines.append(entry.text)

    def party(self, host: str, port: int = 5060, proto: str = "udp", connection: int = 0) -> "Party":
        """Somebody with an address; whatever is sent there is theirs to hear."""
        socket = next(one for one in self.program.sockets if one.proto == proto and (one.family == 6) == (":" in host))
        made = self.parties[host, port] = Party(self, proto, host, port, socket, connection)
        return made

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def deliver(self) -> None:
        """What was sent since the last look goes to its party."""
        for data, peer in self.net.sent[self.seen :]:
            party = self.parties.get((peer.host, peer.port))
            if party is not None:
                party.inbox.append(read(data))
        self.seen = len(self.net.sent)


class Party:
    """One end of a conversation."""

    def __init__(self, story: Story, proto: str, host: str, port: int, socket: Socket, connection: int) -> None:
        self.story = story
        self.peer = Peer(proto, host, port, socket, connection)
        self.inbox: deque[Message] = deque()

    def said(self, text: str) -> None:
        """It sends a message."""
        self.story.door.receive(text.encode("utf-8", "surrogateescape"), self.peer)

    def answered(self, asked: Message, status: int, reason: str = "", tag: str = "b", headers: str = "") -> Message:
        """It answers a request that it heard."""
        text = answer(asked, status, reason, tag, headers)
        self.said(text)
        return read(text.encode("utf-8", "surrogateescape"))

    def heard(self, what: int | str) -> Message:
        """The next message that it got, which must have that status or method."""
        self.story.deliver()
        assert self.inbox, f"{self.peer} heard nothing, not {what}"
        message = self.inbox.popleft()
        first = message.line(0)
        assert what == (message.status or message.method), f"{self.peer} heard {first!r}, not {what}"
        return message

    def heard_nothing(self) -> None:
        """There is no message for it."""
        self.story.deliver()
        assert not self.inbox, f"{self.peer} heard {[one.line(0) for one in self.inbox]}"

    def heard_all(self) -> list[int | str]:
        """Statuses and methods of all that is there, in order."""
        self.story.deliver()
        found = [one.status or one.method for one in self.inbox]
        self.inbox.clear()
        return found


def run_through(coroutine: Any) -> None:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("a module's start() waits for something")
