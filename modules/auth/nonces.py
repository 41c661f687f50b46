"""Nonces: made without a memory, and remembered once they are used, by all workers together.

A nonce holds when it ends, what it was offered for (algorithm, qop), a number of its own, and a keyed hash over all
that: whoever has the key can check it, and a challenge to a stranger costs no memory. Used ones are records in the
shared table until they end, looked up and written in one transaction, so that of two workers only one takes a nonce.

- A nonce is good once (`disable_nonce_check=0`); those of the several challenges in one answer count as one.
- With `disable_nonce_check=1` it is good until it ends, but a nonce count of a qop only once; counts may overtake each
  other by 63 (RFC 7616 section 5.12: replays).
- The very same bytes from the very same address are a retransmission, and no second use.

OpenSIPS keeps a bit for each number in shared memory, and looks at them once it has run for `nonce_expire` seconds.
"""

import asyncio
import base64
import binascii
import hmac
import secrets
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, final

from pysips.core.context import Context
from pysips.core.services import Services, TablesFull, Transaction
from pysips.sip.digest import ALGORITHMS, AUTH, AUTH_INT, MD5, Algorithm, Credentials

KIND: Final = b"n"  # of records in the shared table: ending and number of a nonce → Use
HEAD: Final = struct.Struct(">IB12s")  # ending, Unix seconds; what it was offered for; its number
PROOF: Final = 16  # bytes of the keyed hash
LENGTH: Final = 44  # characters of a nonce
USE: Final = struct.Struct(">IQ16s")  # highest count; which of the 64 up to it were there; the last request
WINDOW: Final = 64
AT_ONCE: Final = 200  # records of a transaction
QOPS: Final = ("", AUTH, AUTH_INT, f"{AUTH},{AUTH_INT}", f"{AUTH_INT},{AUTH}")  # a nonce has its place here


@final
class Nonces:
    """secret: any bytes, equal in all processes; lifetime: seconds; once: whether a nonce is good once only."""

    def __init__(self, services: Services, secret: bytes, lifetime: int, once: bool) -> None:
        self.services = services
        self.key = blake2b(secret, digest_size=32, person=b"pysips nonce").digest()
        self.lifetime = lifetime
        self.once = once

    def make(self, algorithms: Sequence[Algorithm], qop: str) -> list[str]:
        """A nonce for each of these algorithms, which all are one when it comes to their use."""
        ending = int(self.services.clock.time()) + self.lifetime
        number = secrets.token_bytes(12)
        made = []
        for algorithm in algorithms:
            head = HEAD.pack(ending, ALGORITHMS.index(algorithm) | QOPS.index(qop) << 3, number)
            made.append(base64.urlsafe_b64encode(head + self.proof(head)).decode("ascii"))
        return made

    def proof(self, head: bytes) -> bytes:
        return blake2b(head, digest_size=PROOF, key=self.key).digest()

    def take(self, ctx: Context, credentials: Credentials) -> str:
        """Use the nonce of a request's credentials: "", or why it is none. Raises TablesFull."""
        head = self.read(credentials.nonce)
        if head is None:
            return "is none of ours"
        ending, offer, number = HEAD.unpack(head)
        if ALGORITHMS[offer & 7] is not (credentials.algorithm or MD5):
            return "was given for another algorithm"
        if not fits(QOPS[offer >> 3], credentials.qop.lower()):
            return "was given for another qop"
        now = self.services.clock.time()
        if not now < ending <= now + self.lifetime:
            return "is over"
        if not self.once and not credentials.qop:
            return ""
        return self.noted(head[:4] + number, 0 if self.once else credentials.count, request_of(ctx))

    def read(self, nonce: str) -> bytes | None:
        """What a nonce holds; None if it is not one of ours."""
        if len(nonce) != LENGTH or not nonce.isascii():
            return None
        try:
            raw = base64.b64decode(nonce, b"-_", validate=True)
        except binascii.Error:
            return None
        head = raw[: HEAD.size]
        return head if hmac.compare_digest(self.proof(head), raw[HEAD.size :]) else None

    def noted(self, key: bytes, count: int, request: bytes) -> str:
        """Write down a use, unless there was one before."""
        transaction = self.services.tables.begin()
        try:
            return note(transaction, key, count, request)
        except BaseException:
            transaction.abort()
            raise

    async def sweep(self) -> None:
        """Forget the uses of nonces that are over; their records stand in the order of their ends."""
        tables = self.services.tables
        while True:
            over = struct.pack(">I", int(self.services.clock.time()))
            places = [key for key, _ in tables.scan(KIND, b"", AT_ONCE) if key[:4] < over]
            if not places:
                return
            transaction = tables.begin()
            try:
                for key in places:
                    transaction.delete(KIND, key)
                transaction.commit()
            except TablesFull:
                transaction.abort()
                return
            if len(places) < AT_ONCE:
                return
            await self.services.offload.spawn(asyncio.sleep(0))


def note(transaction: Transaction, key: bytes, count: int, request: bytes) -> str:
    """The same within a transaction, which is over then."""
    raw = transaction.get(KIND, key)
    highest, seen = 0, 0
    if raw is not None:
        highest, seen, last = USE.unpack(raw)
        if hmac.compare_digest(last, request):
            transaction.abort()
            return ""
        behind = highest - count
        if behind >= WINDOW or (behind >= 0 and seen >> behind & 1):
            transaction.abort()
            return "was used before"
    if count >= highest:
        seen = (seen << min(count - highest, WINDOW) | 1) & (1 << WINDOW) - 1
        highest = count
    else:
        seen |= 1 << highest - count
    transaction.put(KIND, key, USE.pack(highest, seen, request))
    transaction.commit()
    return ""


def fits(offered: str, chosen: str) -> bool:
    """Whether a qop is one of those offered; none at all stands for auth (RFC 8760 section 2.6)."""
    if not offered:
        return not chosen
    return (chosen or AUTH) in offered.split(",")


def request_of(ctx: Context) -> bytes:
    """A request's bytes and sender, as a hash."""
    source = ctx.source
    made = blake2b(ctx.message.data(), digest_size=16)
    made.update(f"{source.proto} {source.host} {source.port}".encode())
    return made.digest()
