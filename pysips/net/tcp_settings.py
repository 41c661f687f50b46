"""What a script may set of stream connections, and what is counted of them."""

from dataclasses import dataclass
from typing import Final

from pysips.core.stats import Counter

TRANSACTION_SECONDS: Final = 32.0  # nobody waits longer than 64*T1 for what is sent


@dataclass(slots=True)
class TcpSettings:
    """Limits and times (seconds); the defaults are OpenSIPS'.

    largest: bytes of a head, and of a body; chunks: messages that wait to be written; most_queued: bytes that wait for
    all connections of a worker; pieces: of one message; write_seconds: how long a peer may take none of what waits;
    aliases: 0 never, 1 if the Via says so, 2 always; each_source: connections from one address (0: half of all);
    drop_pings: leave keep-alives unanswered; keepalive: the kernel's own (on, count, idle, interval; 0: the system's).
    """

    connect_seconds: float = 0.1
    idle_seconds: float = 120.0
    message_seconds: float = 4.0
    write_seconds: float = TRANSACTION_SECONDS
    most: int = 2048
    each_source: int = 0
    chunks: int = 32
    most_queued: int = 128 << 20
    pieces: int = 4
    largest: int = 65_535
    aliases: int = 0
    answer_pings: bool = True
    keepalive: tuple[int, int, int, int] = (1, 0, 0, 0)
    tos: int = 0

    def patience(self) -> int:
        """How long the kernel waits for what it sent to be acknowledged, in ms: as long as its keep-alives say."""
        on, count, idle, interval = self.keepalive
        by_keepalive = idle + count * interval if on and count and interval else 0
        return int(1000 * (by_keepalive or TRANSACTION_SECONDS))


@dataclass(slots=True)
class TcpCounters:
    """open: connections there are now (live); refused: beyond a limit; failed: could not be made."""

    open: Counter
    refused: Counter
    failed: Counter
