"""A link to another node: is it up, when is the next ping due (OpenSIPS: clusterer/node_info.h, its link states).

Facts:
- all links begin with a ping; a pong in time makes a link Up; a silent node is asked again, `retries` times, each
  `ping_timeout` after the last, and then left alone for `node_timeout`;
- a ping is noted before it is sent, so a pong can never be faster than the note (in OpenSIPS it can, and such a
  link stays in Probe for good);
- a packet that could not be sent ends Up at once; a ping from a node that is not Up is answered by a ping of ours.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, final


class State(Enum):
    """Named as in OpenSIPS."""

    UP = 0
    DOWN = 1
    RETRY_SEND_FAIL = 2  # what was sent last did not get there
    RESTART_PINGING = 3  # the next ping is the first
    RESTARTED = 4  # the first ping is out
    RETRYING = 5  # and was not answered


class Due(Enum):
    """What a link wants to be sent now."""

    NOTHING = auto()
    PING = auto()  # one of the regular pings
    PING_LIST = auto()  # a ping that asks for the list of known nodes, too


SHOWN: Final = {State.UP: "Up", State.DOWN: "Down"}
PROBE: Final = "Probe"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: between pings; for a pong; for which a node that is down is left alone."""

    ping_interval: float = 4.0
    ping_timeout: float = 1.0
    node_timeout: float = 60.0


@final
class Link:
    """One link, as we see it. retries: pings before a silent node is down."""

    __slots__ = ("answered", "last_heard", "last_ping", "left", "retries", "state", "timing", "up_since")

    def __init__(self, timing: Timing, retries: int) -> None:
        self.timing = timing
        self.retries = retries
        self.state = State.RESTART_PINGING
        self.left = retries
        self.answered = True  # the last ping, if there was one
        self.last_ping = float("-inf")
        self.last_heard = float("-inf")
        self.up_since = float("inf")

    @property
    def is_up(self) -> bool:
        return self.state is State.UP

    @property
    def shown(self) -> str:
        """Up, Down or Probe."""
        return SHOWN.get(self.state, PROBE)

    def due(self, now: float) -> Due:
        """What is to be sent now; a ping is noted as sent."""
        since = now - self.last_ping
        late = since >= self.timing.ping_timeout
        if self.state is State.RESTART_PINGING:
            self.left = self.retries
            return self.ping(State.RESTARTED, now)
        if self.state is State.DOWN:
            if since < self.timing.node_timeout:
                return Due.NOTHING
            self.left = self.retries
            return self.ping(State.RESTARTED, now)
        if self.state is State.UP:
            return self.due_up(now, since)
        return self.retry(now) if late else Due.NOTHING

    def due_up(self, now: float, since: float) -> Due:
        silent = now - self.last_heard >= self.timing.ping_timeout
        if not self.answered and since >= self.timing.ping_timeout and silent:
            self.left = self.retries
            return self.retry(now)
        if (self.answered or not silent) and since >= self.timing.ping_interval:
            self.note(now)
            return Due.PING
        return Due.NOTHING

    def retry(self, now: float) -> Due:
        """Ask again, or give up."""
        if self.left <= 0:
            self.state = State.DOWN
            return Due.NOTHING
        self.left -= 1
        return self.ping(State.RETRYING, now)

    def ping(self, state: State, now: float) -> Due:
        self.state = state
        self.note(now)
        return Due.PING_LIST

    def note(self, now: float) -> None:
        self.last_ping = now
        self.answered = False

    # -- what happens to it

    def pong(self, now: float) -> None:
        """A pong came. One later than `ping_timeout` says no more than that somebody is there."""
        self.last_heard = now
        if now - self.last_ping > self.timing.ping_timeout:
            return
        self.answered = True
        if self.state is not State.UP:
            self.state = State.UP
            self.up_since = now

    def pinged(self, now: float) -> Due:
        """A ping came (its pong is another's work): ask back at once if the link is not up and no ping is out."""
        self.last_heard = now
        waiting = self.state in (State.RESTARTED, State.RETRYING) and now - self.last_ping < self.timing.ping_timeout
        if self.state is State.UP or waiting:
            return Due.NOTHING
        self.left = self.retries
        return self.ping(State.RESTARTED, now)

    def heard(self, now: float) -> Due:
        """Any other packet came."""
        self.last_heard = now
        if self.state is not State.DOWN:
            return Due.NOTHING
        self.left = self.retries
        return self.ping(State.RESTARTED, now)

    def failed(self, now: float) -> Due:
        """A packet could not be sent, or the connection broke. Of one that was up the next is tried at once."""
        if self.state is State.UP:
            self.left = self.retries
            return self.ping(State.RESTARTED, now)
        if self.state in (State.RESTARTED, State.RETRYING):
            self.state = State.RETRY_SEND_FAIL if self.left > 0 else State.DOWN
        return Due.NOTHING

    def shut(self) -> None:
        """The node was disabled by management."""
        self.state = State.DOWN
        self.last_ping = float("inf")

    def open(self) -> None:
        """And enabled again."""
        self.state = State.RESTART_PINGING
        self.last_ping = float("-inf")
