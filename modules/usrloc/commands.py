"""usrloc's management commands: what people ask the location tables, and tell them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from pysips.core.branches import q_text
from pysips.core.exports import Json, MiError
from pysips.core.flags import FlagNames
from pysips.core.paged import Paged, json_text
from pysips.errors import SipError
from pysips.sip.uri import parse_uri

from .coding import decode
from .contacts import RECORDS, Domain, Location, aor_of_key, key_of
from .lines import INSERTED, parsed
from .matching import BY_CONTACT, NONE, find_contact
from .records import DELETED, Contact, Record

PAGE: Final = 100  # AoRs that are read, and written as JSON, at once
CALL_ID = "dfjrewr12386fd6-343@opensips.mi"
USER_AGENT = "OpenSIPS MI Server"
CSEQ = 1


class Commands:
    """The commands of one process. hash_size: shown by `dump`; show_store: key-value stores too.

    has_database: contacts have a state towards one.
    """

    def __init__(
        self, location: Location, branch_flags: FlagNames, use_domain: bool, hash_size: int, show_store: bool
    ) -> None:
        self.location = location
        self.branch_flags = branch_flags
        self.use_domain = use_domain
        self.hash_size = hash_size
        self.show_store = show_store
        self.has_database = False

    # -- what is there

    def dump(self, brief: bool) -> Paged:
        """All tables; others run between the pages."""
        return Paged(self.pages(brief))

    async def pages(self, brief: bool) -> AsyncIterator[str]:
        """JSON of all tables."""
        yield '{"Domains":['
        comma = ""
        for domain in list(self.location.domains.values()):
            yield f'{comma}{{"name":{json_text(domain.name)},"hash_size":{1 << self.hash_size},"AORs":['
            async for page in self.aors(domain, brief):
                yield page
            yield "]}"
            comma = ","
        yield "]}"

    async def aors(self, domain: Domain, brief: bool) -> AsyncIterator[str]:
        """JSON of all AoRs of a table, so many for each read."""
        tables = self.location.services.tables
        comma, after = "", domain.prefix
        while found := tables.scan(RECORDS, after, PAGE):
            after = found[-1][0]
            ours = [(key, data) for key, data in found if key.startswith(domain.prefix)]
            shown = [self.record(key, aor_of_key(domain, key), None if brief else decode(data)) for key, data in ours]
            if shown:
                yield comma + json_text(shown)[1:-1]
                comma = ","
            if len(ours) < len(found):
                return
            await asyncio.sleep(0)

    def show_contact(self, table_name: str, aor: str) -> Json:
        """One AoR."""
        domain = self.domain(table_name)
        aor = self.checked(aor)
        record = self.location.read(domain, aor)
        if record is None:
            raise MiError(404, "AOR not found")
        return self.record(key_of(domain, aor), aor, record)

    def record(self, key: bytes, aor: str, record: Record | None) -> dict[str, Json]:
        """An AoR as it is shown; only its name without a record."""
        shown: dict[str, Json] = {"AOR": aor}
        if record is not None:
            states = self.states(key)
            shown["Contacts"] = [self.contact(contact, states) for contact in record.contacts]
            if self.show_store and record.more:
                shown["KV-Store"] = dict(record.more)
        return shown

    def states(self, key: bytes) -> dict[int, str] | None:
        """How far the database is behind with an AoR's contacts, by their ids; None where there is none."""
        log = self.location.log
        if log is None or not self.has_database:
            return None
        line = log.pending_in(self.location.services.tables, key)
        if line is None:
            return {}
        return {id: "CS_NEW" if what == INSERTED else "CS_DIRTY" for id, (what, _) in parsed(line).entries.items()}

    def contact(self, contact: Contact, states: dict[int, str] | None) -> dict[str, Json]:
        """A contact as it is shown."""
        shown: dict[str, Json] = {
            "Contact": contact.uri, "ContactID": str(contact.id), "Expires": self.expires(contact),
            "Q": q_text(contact.q) if contact.q >= 0 else "", "Callid": contact.callid, "Cseq": contact.cseq,
        }  # fmt: skip
        for name, text in (
            ("User-agent", contact.user_agent), ("Received", contact.received), ("Path", contact.path),
        ):  # fmt: skip
            if text:
                shown[name] = text
        state = "CS_NEW" if states is None else states.get(contact.id, "CS_SYNC")
        shown |= {"State": state, "Flags": contact.flags}
        shown["Cflags"] = " ".join(self.branch_flags.names(contact.cflags))
        if contact.socket:
            shown["Socket"] = self.socket_name(contact.socket)
        shown["Methods"] = contact.methods
        if contact.attr:
            shown["Attr"] = contact.attr
        if contact.instance:
            shown["SIP_instance"] = contact.instance
        if contact.latency:
            shown["Ping-Latency"] = contact.latency
        if self.show_store and contact.more:
            shown["KV-Store"] = dict(contact.more)
        return shown

    def expires(self, contact: Contact) -> int | str:
        """Seconds, or a word."""
        if contact.expires == 0:
            return "permanent"
        if contact.expires == DELETED:
            return "deleted"
        left = contact.expires - self.location.now()
        return left if left >= 0 else "expired"

    def socket_name(self, name: str) -> str:
        """A socket by its advertised address, if it has one."""
        socket = self.location.socket(name)
        if socket is None or not (socket.advertised_host or socket.advertised_port):
            return name
        return socket.proto + ":" + socket.sent_by

    # -- what shall change

    def rm(self, table_name: str, aor: str) -> Json:
        """Remove an AoR; one that is not there is as good as removed."""
        work = self.location.open(self.domain(table_name), self.checked(aor))
        try:
            work.clear()
            work.commit()
        except BaseException:
            work.abort()
            raise
        return "OK"

    def rm_contact(self, table_name: str, aor: str, contact: str) -> Json:
        """Remove a contact."""
        work = self.location.open(self.domain(table_name), self.checked(aor))
        try:
            if not work.contacts:
                raise MiError(404, "AOR not found")
            place = find_contact(work.contacts, contact, "", BY_CONTACT, "")
            if place == NONE:
                raise MiError(404, "Contact not found")
            work.delete(place)
            work.commit()
        except BaseException:
            work.abort()
            raise
        return "OK"

    def add(self, table_name: str, aor: str, made: Contact) -> Json:
        """Add a contact, or update it."""
        domain = self.domain(table_name)
        aor = self.checked(aor)
        try:
            parse_uri(made.uri)
        except SipError:
            raise MiError(500, "Internal Error") from None
        work = self.location.open(domain, aor)
        try:
            place = find_contact(work.contacts, made.uri, "", BY_CONTACT, "")
            if place == NONE:
                work.insert(made)
            else:
                made.cseq = work.contacts[place].cseq
                work.replace(place, made)
            work.commit()
        except BaseException:
            work.abort()
            raise
        return "OK"

    # -- their parameters

    def domain(self, name: str) -> Domain:
        """A table that the script uses."""
        found = self.location.domains.get(name)
        if found is None:
            raise MiError(404, "Table not found")
        return found

    def checked(self, aor: str) -> str:
        """An AoR as the tables know it."""
        user, sign, _ = aor.partition("@")
        if not self.use_domain:
            return user
        if not sign:
            raise MiError(400, "Domain missing in AOR")
        return aor
