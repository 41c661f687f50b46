"""Three network namespaces: phones inside, a real NAT (nftables, masquerade), and the Internet outside. Root."""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

CLONE_NEWNET: Final = 0x40000000  # setns(2)
PHONES: Final = "192.168.7.2"
BOX: Final = "203.0.113.1"
OTHER: Final = "203.0.113.3"  # the box's, after it has moved
SERVER: Final = "203.0.113.2"
RULES: Final = """
table ip nat {
    chain leaving {
        type nat hook postrouting priority srcnat;
        oifname "wan" masquerade;
    }
}
"""
MOVED: Final = f"""
flush chain ip nat leaving
add rule ip nat leaving oifname "wan" ip protocol udp snat to {OTHER}:40000-49999
"""
MESSAGE: Final = struct.Struct("=IHHIIBBH")  # struct nlmsghdr, struct nfgenmsg: nfnetlink.h
DELETE_ALL: Final = 1 << 8 | 2  # IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK, and of nothing in particular
NETLINK_NETFILTER, REQUEST, ACK, ERROR = 12, 1, 4, 2  # netlink.h


def run(*words: str, said: str = "") -> None:
    """Run a program. Raises CalledProcessError."""
    subprocess.run(words, input=said, text=True, check=True, capture_output=True, timeout=20)


class NatNetwork:
    """Made at once; `close` it. patience: seconds that the NAT keeps a binding: one-way, and used both ways."""

    def __init__(self, patience: tuple[int, int] = (30, 120)) -> None:
        self.names = {place: f"pysips-{os.getpid()}-{place}" for place in ("inside", "box", "outside")}
        self.made: list[str] = []
        try:
            self.make(patience)
        except subprocess.CalledProcessError as problem:
            self.close()
            if "ip netns" in str(problem.cmd) or problem.cmd[1:3] == ["netns", "add"]:
                pytest.skip(f"no network namespaces here: {problem.stderr.strip()}")
            raise AssertionError(f"{problem.cmd}: {problem.stderr}") from None

    def make(self, patience: tuple[int, int]) -> None:
        inside, box, outside = self.names.values()
        for name in self.names.values():
            run("ip", "netns", "add", name)
            self.made.append(name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        self.join(inside, f"{PHONES}/24", box, "192.168.7.1/24", "lan")
        self.join(outside, f"{SERVER}/24", box, f"{BOX}/24", "wan")
        run("ip", "-n", inside, "route", "add", "default", "via", "192.168.7.1")
        run("ip", "netns", "exec", box, "nft", "-f", "-", said=RULES)
        for name, value in (
            ("net.ipv4.ip_forward", 1),
            ("net.netfilter.nf_conntrack_udp_timeout", patience[0]),
            ("net.netfilter.nf_conntrack_udp_timeout_stream", patience[1]),
        ):
            run("ip", "netns", "exec", box, "sysctl", "-w", f"{name}={value}")

    def join(self, one: str, address: str, box: str, gateway: str, link: str) -> None:
        """A cable between a namespace and the box; `link` is the box's end."""
        run("ip", "-n", box, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", one)
        for name, end, host in ((one, "eth0", address), (box, link, gateway)):
            run("ip", "-n", name, "addr", "add", host, "dev", end)
            run("ip", "-n", name, "link", "set", end, "up")

    def move(self) -> None:
        """The provider gives the box another address: it forgets whom it knew, and uses other ports from now on."""
        box = self.names["box"]
        run("ip", "-n", box, "addr", "add", f"{OTHER}/24", "dev", "wan")
        run("ip", "netns", "exec", box, "nft", "-f", "-", said=MOVED)
        with self.at("box"):
            forget_connections()

    @contextlib.contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Be in a namespace meanwhile: sockets that are made, and programs that are started, stay there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.names[place]}", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(home.fileno())

    def close(self) -> None:
        for name in self.made:
            run("ip", "netns", "del", name)
        self.made = []


def forget_connections() -> None:
    """The kernel's table of connections of this namespace is empty (`conntrack -F`). Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.send(MESSAGE.pack(MESSAGE.size, DELETE_ALL, REQUEST | ACK, 1, 0, socket.AF_INET, 0, 0))
        kind, code = struct.unpack_from("=4xH10xi", kernel.recv(4096))
    if kind != ERROR or code:
        raise OSError(-code, os.strerror(-code))


def enter(namespace: int) -> None:
    """Put this thread into a network namespace. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
