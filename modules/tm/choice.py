"""Which failure goes upstream (RFC 3261 section 16.7 step 6), in OpenSIPS' order.

3xx come before 401, 407, 415, 420 and 484, then the other 4xx, 5xx, a 6xx that does not end all (`disable_6xx_block`,
before all others), 408, and 503 last.
"""

from typing import Final

from .table import Client, Transaction

UNDECIDED: Final = -2
WORST: Final = 10_000


def priority(status: int, cancelled: bool) -> int:
    """The rank of a final negative status: the lowest wins (OpenSIPS' order, see the file's head)."""
    digit = status // 100
    if digit == 3:
        return status + 100
    if digit == 4:
        if status == 401:
            return 500
        if status == 407:
            return 501
        if status == 415:
            return 502
        if status == 420:
            return 503
        if status == 484:
            return 504
        if status == 408:
            return 800
        if status == 487 and cancelled:
            return 0
        return status + 200
    if digit == 6:
        return status - 300
    return 801 if status == 503 else status + 200


def pick(transaction: Transaction) -> int:
    """The index of the branch whose negative reply is best; UNDECIDED while one is open, -1 if there is none.

    Minor branches and placeholders are not waited for.
    """
    minor = transaction.table.settings.minor_flag
    clients = transaction.clients
    best = -1
    lowest = WORST
    for client in clients[transaction.first :]:
        if client.phony >= 0:
            enough = client.phony > 0 and client.phony <= len(clients) - transaction.first
            if enough or (transaction.cancelled and client.status < 299):
                continue
        elif not client.data:
            continue
        if client.status < 200:
            if client.branch.flags & minor:
                continue
            return UNDECIDED
        rank = priority(client.status, transaction.cancelled)
        if rank < lowest:
            lowest = rank
            best = client.index
    return best


def is_elsewhere(client: Client) -> bool:
    """Whether a failure asks for the next address of the same name: 503, or silence (RFC 3263 section 4.3)."""
    if client.status == 503:
        return client.reply is not None
    return client.status == 408 and not client.replied
