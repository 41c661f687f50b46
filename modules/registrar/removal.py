"""remove() and remove_ip_port(): the script takes contacts off (OpenSIPS registrar manual)."""

from typing import Final

from pysips.core.forward import Hop, first_uri, hop_of
from pysips.core.log import log
from pysips.core.services import DEFAULT_PORTS, UDP, Resolver, Services
from pysips.errors import SipError

from ..usrloc.api import RECORDS, Contact, Domain, Location, aor_of_key, decode
from .aor import plain_aor
from .registered import one_spelling
from .rules import Refused, Rules

DONE: Final = 1
FAILED: Final = -1


class Which:
    """Which contacts shall go; "" and 0 ask for nothing.

    hosts: numeric addresses of the next hop. A contact whose next hop is a name is compared where its addresses are
    known without asking.
    """

    def __init__(
        self, resolver: Resolver, uri: str = "", hosts: frozenset[str] = frozenset(), port: int = 0, instance: str = "",
        flags: int = 0,
    ) -> None:  # fmt: skip
        self.resolver = resolver
        self.uri = uri
        self.hosts = hosts
        self.port = port
        self.instance = instance
        self.flags = flags

    def means(self, contact: Contact) -> bool:
        """Whether a contact is meant."""
        if self.uri and contact.uri != self.uri:
            return False
        if self.instance and contact.instance != self.instance:
            return False
        if self.flags and not contact.cflags & self.flags:
            return False
        return not self.hosts or self.is_there(contact)

    def is_there(self, contact: Contact) -> bool:
        """Whether the contact's next hop is one of the hosts, at the port if one is asked for."""
        hop = next_hop_of(contact)
        if hop is None:
            return False
        if self.port and self.port != (hop.port or DEFAULT_PORTS.get(hop.proto or UDP)):
            return False
        known = self.resolver.known(hop.host, hop.port, hop.proto) or []
        return any(one_spelling(target.host) in self.hosts for target in known)


def next_hop_of(contact: Contact) -> Hop | None:
    """The hop where a contact's requests go: its Path, or where it was received, or itself; None for no SIP URI."""
    try:
        return hop_of(first_uri(contact.path) if contact.path else contact.received or contact.uri)
    except SipError:
        return None


async def addresses_of(services: Services, host: str) -> frozenset[str]:
    """The numeric addresses of a host, in their one spelling; may wait for an answer."""
    numeric = one_spelling(host)
    if numeric:
        return frozenset((numeric,))
    known = services.resolver.known(host, 0, "")
    if known is None:
        known = await services.resolver.ask(host, 0, "")
    return frozenset(one_spelling(target.host) for target in known)


class Remover:
    """Removes contacts for one process."""

    def __init__(self, rules: Rules, location: Location) -> None:
        self.rules = rules
        self.location = location

    def remove(self, domain: Domain, aor_uri: str, which: Which | None) -> int:
        """Remove the contacts of an AoR that are meant, or all. DONE, also when there are none; FAILED for no AoR."""
        try:
            aor = plain_aor(aor_uri, self.rules)
        except Refused as refused:
            log.error("registrar", f"remove: {refused.info}")
            return FAILED
        self.clean(domain, aor, which)
        return DONE

    def clean(self, domain: Domain, aor: str, which: Which | None) -> None:
        """The same for an AoR as the table knows it."""
        work = self.location.open(domain, aor)
        try:
            for place in reversed(range(len(work.contacts))):
                if which is None or which.means(work.contacts[place]):
                    work.delete(place)
            work.commit()
        except BaseException:
            work.abort()
            raise

    def remove_everywhere(self, domain: Domain, which: Which) -> None:
        """Remove what is meant from every AoR of a table: a walk over all of it."""
        tables, after = self.location.services.tables, domain.prefix
        while True:
            found = tables.scan(RECORDS, after)
            for key, data in found:
                if not key.startswith(domain.prefix):
                    return
                if any(which.means(contact) for contact in decode(data).contacts):
                    self.clean(domain, aor_of_key(domain, key), which)
            if not found:
                return
            after = found[-1][0]

    def remove_address(self, domain: Domain, host: str, port: int, aor_uri: str) -> int:
        """Remove what is reached at an address and port, of one AoR or ("") of all. FAILED for no address."""
        address = one_spelling(host)
        if not address:
            log.error("registrar", f'remove_ip_port: "{host}" is no address')
            return FAILED
        which = Which(self.location.services.resolver, hosts=frozenset((address,)), port=port)
        if aor_uri:
            return self.remove(domain, aor_uri, which)
        self.remove_everywhere(domain, which)
        return DONE
