"""The Contact header of a reply to a REGISTER: all that is registered now (RFC 3261 section 10.3, step 8)."""

from typing import Final, final

from pysips.core.branches import q_param
from pysips.core.services import Socket

from ..usrloc.api import Contact
from . import gruu
from .rules import Rules

FOREVER: Final = 2**32 - 1  # what a permanent contact's `expires` says


@final
class Listing:
    """Writes the contacts of one AoR. gruu: whether the phone wants GRUUs (Supported: gruu)."""

    __slots__ = ("aor", "gruu", "now", "rules", "socket")

    def __init__(self, rules: Rules, aor: str, now: int, wants_gruu: bool, socket: Socket) -> None:
        self.rules: Rules = rules
        self.aor: str = aor
        self.now: int = now
        self.gruu: bool = wants_gruu
        self.socket: Socket = socket

    def header(self, contacts: list[Contact]) -> str:
        """The header line, with its end; "" if no contact is valid."""
        now = self.now
        text = ""
        for contact in contacts:
            expires = contact.expires
            if expires and expires <= now:
                continue
            text += ", <" if text else "Contact: <"
            text += contact.uri + ">"
            text += q_param(contact.q) + ";expires=" + str(expires - now if expires else FOREVER)
            if contact.received:
                text += ";" + self.rules.received_param + '="' + contact.received + '"'
            if self.gruu and len(contact.instance) > 2:
                text += self.gruus(contact)
        return text + "\r\n" if text else ""

    def gruus(self, contact: Contact) -> str:
        """The GRUU parameters of a contact (RFC 5627 section 5.1)."""
        host_port = self.socket.sent_by
        rules = self.rules
        public = gruu.public(self.aor, host_port, contact.instance, rules.use_domain)
        hidden = gruu.temporary(self.aor, host_port, contact.instance, contact.callid, self.now, rules.gruu_secret)
        return f';pub-gruu="{public}";temp-gruu="{hidden}";+sip.instance="{contact.instance}"'
