"""The events that usrloc raises (OpenSIPS usrloc manual, "Exported Events")."""

from typing import final

from pysips.core.events import Event
from pysips.core.exports import Value

from .contacts import DELETED, INSERTED, Domain, Follower
from .records import Contact

AOR_PARAMETERS = ("domain", "aor")
CONTACT_PARAMETERS = (
    "domain", "aor", "uri", "received", "path", "qval", "user_agent", "socket", "bflags", "expires", "callid", "cseq",
    "attr", "latency", "shtag",
)  # fmt: skip


@final
class Raiser(Follower):
    """Raises them. Nothing is made for an event that nobody listens to."""

    __slots__ = ("aor_delete", "aor_insert", "contact_delete", "contact_insert", "contact_update")

    def __init__(
        self, aor_insert: Event, aor_delete: Event, contact_insert: Event, contact_update: Event, contact_delete: Event
    ) -> None:
        self.aor_insert: Event = aor_insert
        self.aor_delete: Event = aor_delete
        self.contact_insert: Event = contact_insert
        self.contact_update: Event = contact_update
        self.contact_delete: Event = contact_delete

    def aor_inserted(self, domain: Domain, aor: str) -> None:
        if self.aor_insert.wanted():
            self.aor_insert(domain.name, aor)

    def aor_deleted(self, domain: Domain, aor: str) -> None:
        if self.aor_delete.wanted():
            self.aor_delete(domain.name, aor)

    def contact_changed(self, domain: Domain, aor: str, what: int, contact: Contact) -> None:
        event = self.contact_update
        if what == INSERTED:
            event = self.contact_insert
        elif what == DELETED:
            event = self.contact_delete
        if event.wanted():
            event(*values_of(domain, aor, contact))


def values_of(domain: Domain, aor: str, contact: Contact) -> tuple[Value, ...]:
    """What an event says of a contact, in the order of CONTACT_PARAMETERS."""
    return (
        domain.name, aor, contact.uri, contact.received, contact.path, contact.q, contact.user_agent, contact.socket,
        contact.cflags, contact.expires, contact.callid, contact.cseq, contact.attr, contact.latency, contact.tag,
    )  # fmt: skip
