"""Which of our addresses the kernel sends from to a host (`mhomed`)."""

import socket
from typing import Final

from pysips.core.services import Clock

from .endpoint import address_of, family_of

MOST: Final = 20_000
SECONDS: Final = 1.0  # routes change: no answer is older than this
ANY_PORT: Final = 9


class Routes:
    """Asks the kernel, by a datagram socket that is connected and sends nothing; 10 µs, so answers are kept a while."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.kept: dict[str, tuple[float, str]] = {}

    def own_address(self, host: str) -> str:
        """Our numeric address towards a numeric host; "" where no route leads."""
        now = self.clock.now()
        kept = self.kept.get(host)
        if kept is not None and kept[0] > now:
            return kept[1]
        if len(self.kept) >= MOST:
            self.kept.clear()
        found = ask_kernel(host)
        self.kept[host] = (now + SECONDS, found)
        return found


def ask_kernel(host: str) -> str:
    """The local address that a datagram to a host would have; "" for none."""
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as asker:
        try:
            asker.connect(address_of(host, ANY_PORT))
            name: str = asker.getsockname()[0]
        except (OSError, OverflowError):
            return ""
    return name.partition("%")[0]
