"""Machines on a bridge, each a network namespace with /etc and /run of its own, and what crosses the bridge. Root."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.bench.accounting import family
from tests.live import ROOT, header

from .nat_network import enter, run

ALL_FRAMES: Final = 3  # ETH_P_ALL
SO_RCVBUFFORCE: Final = 33
NUMBERS: Final = itertools.count()  # of networks of this process


class Network:
    """The bridge, in a machine called hub; `close` it and all machines are gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = next(NUMBERS)
        self.made: list[str] = []
        self.programs: list[subprocess.Popen[bytes]] = []
        try:
            self.hub = Machine(self, "hub")
        except subprocess.CalledProcessError as problem:
            pytest.skip(f"no network namespaces here: {problem.stderr.strip()}")
        try:
            self.hub.ip("link", "add", "br0", "type", "bridge")
            self.hub.ip("link", "set", "br0", "up", "promisc", "on")
            self.wire = Wire(self.hub)
        except BaseException:
            self.forget()
            raise

    def close(self) -> None:
        for process in self.programs:
            slay(process)
        self.wire.socket.close()
        self.forget()

    def forget(self) -> None:
        for namespace in reversed(self.made):
            run("ip", "netns", "del", namespace)


class Machine:
    """A network namespace on the bridge, and what runs in it."""

    def __init__(self, network: "Network", name: str, *addresses: str) -> None:
        self.name = name
        self.namespace = f"pysips-{os.getpid()}-{network.number}-{name}"
        self.folder = network.folder / name
        self.binds: dict[str, Path] = {}
        run("ip", "netns", "add", self.namespace)
        network.made.append(self.namespace)
        for private in ("etc", "run"):
            (self.folder / private).mkdir(parents=True)
        self.ip("link", "set", "lo", "up")
        if addresses:
            hub = network.hub.namespace
            run("ip", "-n", hub, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
            run("ip", "-n", hub, "link", "set", name, "master", "br0", "up")
            self.ip("link", "set", "eth0", "up")
        for address in addresses:
            self.ip("addr", "add", f"{address}/24", "dev", "eth0")

    def ip(self, *words: str) -> None:
        run("ip", "-n", self.namespace, *words)

    @contextlib.contextmanager
    def at(self) -> Iterator[None]:
        """Be in its network meanwhile: sockets that are made, and programs that are started, stay there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.namespace}", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(home.fileno())

    def words(self, *command: str) -> list[str]:
        """A command line that runs in its network, with its own /etc and /run."""
        binds = "".join(f"mkdir -p {place} && mount --bind {path} {place} && " for place, path in self.binds.items())
        inside = f'mount --bind "$0/run" /run && mount --bind "$0/etc" /etc && {binds}exec "$@"'
        return ["ip", "netns", "exec", self.namespace, "sh", "-c", inside, str(self.folder), *command]

    def start(self, log: str, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A program in a session of its own; what it says is in the log of that name."""
        with (self.folder / log).open("ab") as said:
            return subprocess.Popen(
                self.words(*command), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=ROOT,
                env={**os.environ, **(environment or {})}, start_new_session=True,
            )  # fmt: skip

    def do(self, *command: str, said: str = "") -> str:
        """A program to its end; what it answers. AssertionError if it fails."""
        done = subprocess.run(
            self.words(*command), input=said, text=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def hardware_address(self) -> str:
        words = ["ip", "-n", self.namespace, "-j", "link", "show", "eth0"]
        found: str = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)[0]["address"]
        return found

    def holds(self, address: str) -> bool:
        """Whether it has an address just now."""
        words = ["ip", "-n", self.namespace, "-o", "addr", "show"]
        return f" {address}/" in subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def plug(self, network: "Network", is_in: bool) -> None:
        """Its cable."""
        run("ip", "-n", network.hub.namespace, "link", "set", self.name, "up" if is_in else "down")

    def own_etc(self) -> Path:
        """A copy of this machine's /etc as its own."""
        etc = self.folder / "etc"
        shutil.copytree("/etc", etc, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("shadow*"))
        return etc


class Wire:
    """All SIP over UDP that crosses the bridge: (when, from, to, text, hardware address), in order."""

    def __init__(self, hub: Machine) -> None:
        with hub.at():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind(("br0", 0))
        self.socket.setblocking(False)
        self.heard: list[tuple[float, str, str, str, str]] = []

    def read(self) -> list[tuple[float, str, str, str, str]]:
        """Everything so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.socket.recv(65535)
                if len(frame) > 42 and frame[12:14] == b"\x08\x00" and frame[23] == 17:
                    head = 14 + 4 * (frame[14] & 15)
                    if 5060 in (int.from_bytes(frame[head : head + 2]), int.from_bytes(frame[head + 2 : head + 4])):
                        ends = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
                        text = frame[head + 8 :].decode("utf-8", "replace")
                        self.heard.append((time.monotonic(), *ends, text, frame[6:12].hex(":")))
        return self.heard

    def requests(self, method: str, source: str = "", target: str = "", since: int = 0) -> list[str]:
        """Requests that crossed, each once however often it was repeated."""
        found: dict[str, str] = {}
        for _, sender, taker, text, _ in self.read()[since:]:
            if text.startswith(f"{method} ") and source in ("", sender) and target in ("", taker):
                found.setdefault(header(text, "Via"), text)
        return list(found.values())

    def mark(self) -> int:
        """A place to begin at."""
        return len(self.read())


def slay(process: subprocess.Popen[bytes]) -> None:
    """kill -9 to a program and to its children."""
    if process.poll() is None:
        for pid in family(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait(10)
