"""Machines whose packets go by way of a thread of ours, which loses, delays and reorders some of them. Root.

Each machine is a network namespace with a TUN device, and whatever it sends is an IPv4 packet that is read here. What
`tc qdisc … netem` would do, for kernels without it; from a seed, so that a run can be had again.
"""

import contextlib
import fcntl
import heapq
import itertools
import os
import random
import selectors
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from .nat_network import enter, run

TUN: Final = "/dev/net/tun"
TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h
IFF_TUN: Final = 0x0001
IFF_NO_PI: Final = 0x1000
NETWORK: Final = "198.51.100"
LONGEST_QUEUE: Final = 5000  # packets


@dataclass(frozen=True)
class Weather:
    """What befalls packets: the share that is lost, the seconds that they take, more or less, the share without delay.

    As `netem loss 5% delay 30ms 5ms reorder 25%`: who takes no time overtakes whoever was sent just before.
    """

    loss: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    overtaking: float = 0.0


class LossyNetwork:
    """Made at once, with fine weather; `close` it. Machines are numbered from 1, in the order of their names."""

    def __init__(self, *names: str, seed: int = 1) -> None:
        if not os.path.exists(TUN):
            pytest.skip(f"no {TUN} here")
        self.weather = Weather()
        self.chance = random.Random(seed)
        self.carried = self.lost = self.overtook = 0
        self.spaces: dict[str, str] = {}
        self.links: dict[bytes, int] = {}
        self.number = itertools.count()
        self.waiting: list[tuple[float, int, int, bytes]] = []  # when, in which order, to which link, what
        self.ended = False
        self.selector = selectors.DefaultSelector()
        try:
            for number, name in enumerate(names, 1):
                self.add(name, number)
        except subprocess.CalledProcessError as problem:
            self.forget()
            pytest.skip(f"no network namespaces here: {problem.stderr.strip()}")
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def add(self, name: str, number: int) -> None:
        space = f"pysips-{os.getpid()}-{name}"
        run("ip", "netns", "add", space)
        self.spaces[name] = space
        with self.at(name):
            link = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(link, TUNSETIFF, struct.pack("16sH22x", b"air", IFF_TUN | IFF_NO_PI))
        self.links[socket.inet_aton(f"{NETWORK}.{number}")] = link
        self.selector.register(link, selectors.EVENT_READ)
        run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", space, "addr", "add", f"{NETWORK}.{number}/24", "dev", "air")
        run("ip", "-n", space, "link", "set", "air", "up", "txqueuelen", str(LONGEST_QUEUE))

    @contextlib.contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Be in a machine meanwhile: sockets that are made, and programs that are started, stay there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.spaces[name]}", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(home.fileno())

    # -- in the thread

    def carry(self) -> None:
        while not self.ended:
            waiting = self.waiting
            patience = min(0.1, max(0.0, waiting[0][0] - time.monotonic())) if waiting else 0.1
            for key, _ in self.selector.select(patience):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self.meet(os.read(key.fd, 65535))
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, link, packet = heapq.heappop(waiting)
                give(link, packet)

    def meet(self, packet: bytes) -> None:
        """A packet was sent: what becomes of it."""
        link = self.links.get(packet[16:20])
        if packet[0] >> 4 != 4 or link is None:
            return
        weather, chance = self.weather, self.chance
        self.carried += 1
        if chance.random() < weather.loss:
            self.lost += 1
            return
        seconds = 0.0
        if weather.delay:
            if chance.random() < weather.overtaking:
                self.overtook += 1
            else:
                seconds = weather.delay + chance.uniform(-weather.jitter, weather.jitter)
        if seconds:
            heapq.heappush(self.waiting, (time.monotonic() + seconds, next(self.number), link, packet))
        else:
            give(link, packet)

    def close(self) -> None:
        self.ended = True
        self.thread.join(5)
        self.forget()

    def forget(self) -> None:
        self.selector.close()
        for link in self.links.values():
            os.close(link)
        for space in self.spaces.values():
            run("ip", "netns", "del", space)


def give(link: int, packet: bytes) -> None:
    """To the machine, if it has room."""
    with contextlib.suppress(BlockingIOError):
        os.write(link, packet)
