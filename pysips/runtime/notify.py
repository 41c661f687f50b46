"""What systemd hears of us: ready, reloading, stopping, still alive (sd_notify(3); a unit with Type=notify).

Facts:
- the socket is in NOTIFY_SOCKET, connected before chroot and before root's rights go; without it nothing is said;
- the supervisor speaks, as it is whom systemd knows; in the background it says who it is by MAINPID;
- a watchdog (WatchdogSec) is fed by the supervisor's tick, whose own watchdog looks after everybody else.
"""

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

from pysips.core.log import log

LONGEST: Final = 200  # characters of a status
VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Speaks to the service manager that started us, if there is one."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Takes its variables out of the environment, so that no program that we start speaks in our name.

        taken: what they were, for a successor in this process.
        """
        self.taken = {key: environment.pop(key) for key in VARIABLES if key in environment}
        name, usec, pid = (self.taken.get(key, "") for key in VARIABLES)
        self.has_watchdog = bool(usec) and pid in ("", str(os.getpid()))
        self.socket: socket.socket | None = None
        if name[:1] not in ("/", "@"):
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        made.setblocking(False)
        try:
            made.connect("\0" + name[1:] if name[0] == "@" else name)
        except OSError as problem:
            made.close()
            log.warn("notify", f"the service manager at {name} cannot be told: {problem.strerror}")
            return
        self.socket = made

    def ready(self, status: str) -> None:
        """The server runs, or runs again as before a reload."""
        self.say(f"READY=1\nMAINPID={os.getpid()}\nSTATUS={status[:LONGEST]}")

    def reloading(self) -> None:
        """A new script is about to be taken, or not; `ready` follows."""
        self.say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        self.say("STOPPING=1")

    def alive(self) -> None:
        """Once in a tick: the watchdog shall not bite."""
        if self.has_watchdog:
            self.say("WATCHDOG=1")

    def say(self, text: str) -> None:
        if self.socket is None:
            return
        try:
            self.socket.send(text.encode("utf-8", "replace"))
        except OSError as problem:
            if log.limited("notify", 60.0):
                log.warn("notify", f"the service manager cannot be told: {problem.strerror}")

    def close(self) -> None:
        """In a child: only the supervisor speaks."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
