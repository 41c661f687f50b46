"""The pings themselves, and their answers known again (OpenSIPS: modules/nathelper/sip_pinger.h).

A Call-ID is PREFIX-COUNTER-TICKS@HOST, numbers in hexadecimal with the lowest digit first. PREFIX is the same for all
workers of a server, and for those that take a dead one's seat; COUNTER is chosen so that the worker owns the Call-ID,
and the answer comes to whoever waits for it. The branch of a ping whose answer counts ends in the contact's id.
"""

import os
from typing import Final, final

from pysips.core.services import Services, Socket
from pysips.sip.message import Message
from pysips.sip.via import COOKIE, bracketed

KEEP_ALIVE: Final = b"\0\0\0\0"
LONGEST: Final = 65_000  # bytes of a ping
MASK: Final = 0xFFFFFFFF
WORD: Final = 0xFFFF
HEX: Final = frozenset("0123456789abcdef")
MOST_DIGITS: Final = 16


def reverse_hex(number: int) -> str:
    """A number in hexadecimal, the lowest digit first."""
    return hex(number)[:1:-1]


def from_reverse_hex(digits: str) -> int:
    """The number; -1 for what is none."""
    if not digits or len(digits) > MOST_DIGITS or not HEX.issuperset(digits):
        return -1
    return int(digits[::-1], 16)


@final
class Texts:
    """method, sender: sipping_method and sipping_from. Made before the fork, so that the prefix is everybody's."""

    __slots__ = ("counter", "from_", "method", "prefix", "services", "tag")

    def __init__(self, services: Services, method: str, sender: str) -> None:
        self.services: Services = services
        self.method: str = method
        self.from_: str = sender if "<" in sender else "<" + sender + ">"
        self.prefix: str = os.urandom(4).hex() + "-"
        self.counter: int = int.from_bytes(os.urandom(4), "big")
        self.tag: int = int.from_bytes(os.urandom(4), "big")

    def ping(self, uri: str, path: str, socket: Socket, counted_id: int) -> bytes:
        """A request for a contact; counted_id: the contact's id if its answer counts, else -1."""
        host = bracketed(socket.advertised_host or socket.host)
        call_id = self.call_id(host)
        branch = reverse_hex(self.counter)
        if counted_id >= 0:
            branch = reverse_hex(hash(uri) & WORD) + "." + reverse_hex(counted_id)
        self.tag = (self.tag + 1) & MASK
        route = "Route: " + path + "\r\n" if path else ""
        text = (
            self.method + " " + uri + " SIP/2.0\r\n" + socket.via + COOKIE + branch + "\r\n" + route
            + "From: " + self.from_ + ";tag=" + reverse_hex(self.tag) + "\r\nTo: <" + uri + ">\r\nCall-ID: " + call_id
            + "\r\nCSeq: 1 " + self.method + "\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )  # fmt: skip
        return text.encode("utf-8", "surrogateescape")

    def call_id(self, host: str) -> str:
        """The next Call-ID that this worker owns (house rule 9.2)."""
        services = self.services
        tail = "-" + reverse_hex(int(services.clock.now())) + "@" + host
        while True:
            self.counter = (self.counter + 1) & MASK
            made = self.prefix + reverse_hex(self.counter) + tail
            if services.slots < 2 or services.slot < 0 or services.call_slot(made) == services.slot:
                return made

    def is_answer(self, reply: Message) -> bool:
        """Whether a reply answers a ping of this server: our Call-ID and method, and no Via below ours."""
        if not reply.call_id().startswith(self.prefix) or reply.cseq()[1] != self.method:
            return False
        return "," not in reply.value("V") and reply.kinds.count("V") == 1


def contact_of(reply: Message) -> int:
    """The id of the contact that answered; -1 if its answers do not count."""
    branch = reply.branch()
    if not branch.startswith(COOKIE):
        return -1
    _, dot, digits = branch.removeprefix(COOKIE).partition(".")
    return from_reverse_hex(digits) if dot else -1
