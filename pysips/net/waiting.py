"""Bytes that the kernel has received for our sockets and nobody has read yet (proc(5): /proc/net/udp, tcp)."""

import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pysips.core.services import Socket

TABLES: Final = Path("/proc/net")
LISTENING: Final = "0A"  # its queue is of connections, not of bytes
WORD: Final = 8  # hexadecimal digits of 32 bits, which stand in the machine's own order


def waiting(sockets: Iterable[Socket], proto: str, folder: Path = TABLES) -> int:
    """The bytes that wait in all our sockets of a transport ("udp", "tcp"); 0 where the kernel does not say."""
    ours = {(one.host.partition("%")[0], one.port) for one in sockets if one.proto == proto}
    total = 0
    for name in (proto, proto + "6"):
        try:
            text = (folder / name).read_text("ascii")
        except OSError:
            continue
        total += sum(size for place, size in rows(text) if place in ours)
    return total


def rows(text: str) -> Iterator[tuple[tuple[str, int], int]]:
    """Own address and port of each socket, and what waits there."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 4 and words[3] != LISTENING:
            address, _, port = words[1].partition(":")
            yield (host_of(address), int(port, 16)), int(words[4].partition(":")[2], 16)


def host_of(address: str) -> str:
    """An address as it stands there."""
    words = [address[at : at + WORD] for at in range(0, len(address), WORD)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    return socket.inet_ntop(socket.AF_INET6 if len(words) > 1 else socket.AF_INET, packed)
