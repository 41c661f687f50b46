"""The Contact header of a reply to a REGISTER: all that is registered now (RFC 3261 section 10.3, step 8)."""

from typing import Final, final

from pysips.core.branches import q_param
from pysips.core.services import Socket
from pysips.sip.text import quoted

from ..usrloc.api import Contact
from . import gruu
from .rules import Rules

FOREVER: Final = 2**32 - 1  # what a permanent contact's `expires` says


@final
class Gruus:
    """Makes the GRUU parameters of a phone that supports them (RFC 5627 section 5.1).

    aor: whose contacts they are; now: Unix seconds; socket: where they will be sent to.
    """

    __slots__ = ("aor", "now", "rules", "socket")

    def __init__(self, aor: str, now: int, rules: Rules, socket: Socket) -> None:
        self.aor: str = aor
        self.now: int = now
        self.rules: Rules = rules
        self.socket: Socket = socket

    def params(self, contact: Contact) -> str:
        """Those of one contact; "" for one without an instance."""
        if len(contact.instance) < 3:
            return ""
        host_port = self.socket.sent_by
        rules = self.rules
        public = gruu.public(self.aor, host_port, contact.instance, rules.use_domain)
        hidden = gruu.temporary(self.aor, host_port, contact.instance, contact.callid, self.now, rules.gruu_secret)
        return f';pub-gruu={quoted(public)};temp-gruu="{hidden}";+sip.instance={quoted(contact.instance)}'


def contact_header(contacts: list[Contact], now: int, rules: Rules, gruus: Gruus | None) -> str:
    """The header line of all valid contacts, with its end; "" if there is none."""
    text = ""
    head = "Contact: <"
    for contact in contacts:
        left = contact.expires - now
        if left <= 0:
            if contact.expires:
                continue
            left = FOREVER
        q = q_param(contact.q) if contact.q >= 0 else ""
        text += f"{head}{contact.uri}>{q};expires={left}"
        head = ", <"
        if contact.received:
            text += ";" + rules.received_param + "=" + quoted(contact.received)
        if gruus is not None:
            text += gruus.params(contact)
    return text + "\r\n" if text else ""
