"""A circuit breaker: whoever asks a server that is away learns it at once, and one probe at a time finds it back.

No clock, no socket: time is an argument (seconds that only grow).

    closed ── failed ──▶ open ── pause over: one probe is let through ──▶ worked: closed
                           ▲                                                │
                           └──────────────── failed ────────────────────────┘
"""

from typing import Final, final

PAUSE: Final = 1.0  # seconds between two probes


@final
class Circuit:
    """One for each server. `is_open`: the server is taken for down; `since`: when that began, or ended."""

    __slots__ = ("is_open", "next_probe", "pause", "since")

    def __init__(self, now: float, pause: float = PAUSE) -> None:
        self.is_open: bool = False
        self.pause: float = pause
        self.since: float = now
        self.next_probe: float = now

    def allows(self, now: float) -> bool:
        """Whether to ask the server now. Of those who ask while it is open, one in each pause may, as the probe.

        A probe that never reports is followed by another after the next pause.
        """
        if not self.is_open:
            return True
        if now < self.next_probe:
            return False
        self.next_probe = now + self.pause
        return True

    def failed(self, now: float) -> bool:
        """The server could not be reached, or was too slow. True if that opened the circuit."""
        self.next_probe = now + self.pause
        if self.is_open:
            return False
        self.is_open = True
        self.since = now
        return True

    def worked(self, now: float) -> bool:
        """The server answered. True if that closed the circuit: what was missed can be made up for."""
        if not self.is_open:
            return False
        self.is_open = False
        self.since = now
        return True
