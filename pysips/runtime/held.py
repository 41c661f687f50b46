"""Datagrams that wait for the next server while this one ends for a restart (see restart.py).

Facts:
- a worker that ends for a restart still reads its sockets, since answers to what it owes come there; a request for no
  transaction of its own is kept, whole, in the order of coming, each but once however often it is repeated;
- before its end it stops reading, waits until all workers have, takes what they handed on to it, and writes all down in
  the run-time folder; the new worker of its number takes that in as if it had just come;
- requests over a stream are not kept: their connections end with the process, which their senders see.
"""

import json
from pathlib import Path
from typing import Final

from pysips.core.context import Context
from pysips.core.hooks import Guard, Taker
from pysips.core.log import log
from pysips.core.services import Peer, Socket

ALWAYS: Final = frozenset(("ACK", "CANCEL"))  # they belong to transactions that there are
MOST: Final = 16 << 20  # bytes
NAME: Final = "held-"


class Held(Guard):
    """What comes anew, kept. takers: who has the transactions that there are."""

    def __init__(self, takers: list[Taker]) -> None:
        self.takers = takers
        self.kept: dict[tuple[bytes, str, int, str], None] = {}
        self.size = 0

    def takes(self, ctx: Context) -> bool:
        if ctx.message.method in ALWAYS or any(taker.knows(ctx) for taker in self.takers):
            return False
        if ctx.source.proto == "udp":
            self.keep(ctx.message.data(), ctx.source)
        return True

    def keep(self, data: bytes, peer: Peer) -> None:
        if self.size + len(data) > MOST:
            if log.limited("held", 10.0):
                log.warn("worker", "more requests come during the restart than can wait: they are dropped")
            return
        one = (data, peer.host, peer.port, peer.socket.name)
        if one not in self.kept:
            self.kept[one] = None
            self.size += len(data)

    def write(self, folder: Path, slot: int) -> None:
        """Write it down for the next server. Raises OSError."""
        rows = [(data.decode("latin-1"), host, port, name) for data, host, port, name in self.kept]
        if rows:
            (folder / f"{NAME}{slot}").write_text(json.dumps(rows), "ascii")


def taken(folder: Path, slot: int, workers: int, sockets: list[Socket]) -> list[tuple[bytes, Peer]]:
    """What the workers before us kept for the one of this slot, oldest first; once only. Raises OSError, ValueError."""
    known = {where.name: where for where in sockets}
    found = []
    for file in sorted(folder.glob(NAME + "*")):
        number = file.name.removeprefix(NAME)
        if not number.isdecimal() or int(number) % workers != slot:
            continue
        rows = json.loads(file.read_text("ascii"))
        file.unlink()
        for data, host, port, name in rows:
            if name in known:
                found.append((data.encode("latin-1"), Peer("udp", host, port, known[name])))
    return found
