"""CANCEL: of branches that are not wanted any more, and from the client (RFC 3261 sections 9 and 16.10, RFC 3326).

Facts:
- a branch is cancelled only after it sent a provisional reply; until then the wish is noted (section 9.1);
- the CANCEL goes the same way as its INVITE, with its branch, and is repeated until it is answered;
- a CANCEL from the client is answered at once with 200, whatever becomes of the INVITE.
"""

from typing import Final, final

from pysips.core.services import RELIABLE, Peer, Timer
from pysips.sip import build

from .table import Client, Transaction

GAVE_UP: Final = 'Reason: SIP;cause=487;text="ORIGINATOR_CANCEL"\r\n'
NO_ANSWER: Final = 'Reason: SIP;cause=480;text="NO_ANSWER"\r\n'
ELSEWHERE: Final = 'Reason: SIP ;cause=200 ;text="Call completed elsewhere"\r\n'


@final
class Cancel(Timer):
    """A CANCEL on its way: repeated at T1, 2 T1 … T2 until somebody answers it or patience ends."""

    __slots__ = ("client", "data", "deadline", "peer", "wait")

    def __init__(self, client: Client, data: bytes, peer: Peer, wait: float, deadline: float) -> None:
        self.due = 0
        self.at = 0
        self.client: Client = client
        self.data: bytes = data
        self.peer: Peer = peer
        self.wait: float = wait
        self.deadline: float = deadline

    def fire(self) -> None:
        transaction = self.client.transaction
        if transaction is None:
            return
        table = transaction.table
        services = table.services
        if services.clock.now() >= self.deadline:
            return
        services.network.send(self.data, self.peer)
        self.wait = min(2 * self.wait, table.settings.t2)
        services.timers.add(self, self.wait)


def cancel_client(client: Client, reason: str) -> None:
    """Send the CANCEL of a branch, once; reason: a whole Reason line, or ""."""
    transaction = client.transaction
    peer = client.peer
    client.cancel_asked = False
    if transaction is None or peer is None or client.cancel is not None or not client.data:
        return
    table = transaction.table
    services = table.services
    sent = str(client.data, "utf-8", "surrogateescape")
    extra = transaction.headers + reason + transaction.ctx.program.user_agent_line
    data = build.cancel(sent, extra).encode("utf-8", "surrogateescape")
    made = Cancel(client, data, peer, table.settings.t1, services.clock.now() + transaction.answer_timeout())
    client.cancel = made
    services.network.send(data, peer)
    if peer.proto not in RELIABLE:
        services.timers.add(made, made.wait)


def cancel_wanted(client: Client, reason: str) -> None:
    """Cancel a branch without a final reply: now if it has a provisional one, else when that comes."""
    if client.status >= 200 or client.phony >= 0 or not client.data:
        return
    if client.status == 0:
        client.cancel_asked = True
    else:
        cancel_client(client, reason)


def cancel_branches(transaction: Transaction, reason: str, but: Client | None = None) -> None:
    """Cancel all branches of the newest t_relay that have no final reply, save one."""
    if not transaction.invite:
        return
    for client in transaction.clients[transaction.first :]:
        if client is not but:
            cancel_wanted(client, reason)
