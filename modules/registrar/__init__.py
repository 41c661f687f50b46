"""registrar: REGISTER goes in, and calls find their phones (RFC 3261 section 10, OpenSIPS registrar manual)."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pysips.core.avps import avp_name
from pysips.core.context import Context
from pysips.core.exports import By, Module, Route, Static, Var, counter, function, modparam, needs, param
from pysips.core.functions_flags import Mask
from pysips.core.log import log
from pysips.errors import ModuleError
from pysips.sip.grammar import is_token

from ..usrloc.api import Domain, UsrLocApi
from . import gruu, onreply
from .aor import aor_of
from .flags import parse_lookup, parse_save
from .lookup import Finder
from .registered import Questions
from .removal import Remover, Which, addresses_of
from .rules import BRANCH, GLOBAL, LookupFlags, Refused, Rules, SaveFlags
from .save import Saver, to_uri_of

Table = Annotated[Domain, Static, By("table")]
SaveText = Annotated[SaveFlags | None, By("save_flags")]
LookupText = Annotated[LookupFlags | None, By("lookup_flags")]
BranchFlag = Annotated[Mask, By("branch_mask")]
Result = TypeVar("Result")

ASKING = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH | Route.LOCAL
NO_LOOKUP_FLAGS = LookupFlags()
NO_FLAG = Mask(0)
LONGEST_AOR = 440  # a key of the shared table holds it, with the table's name


class Registrar(Module):
    default_expires: int = param(3600, low=0, help="Seconds a contact lives that says nothing of it.")
    min_expires: int = param(60, low=0, help="Fewer seconds are raised to this; 0: as few as you like.")
    max_expires: int = param(0, low=0, help="More seconds are cut to this; 0: as many as you like.")
    expires_max_deviation: int = param(0, help="Lifetimes vary by up to so many seconds.")
    default_q: int = param(-1, help="The q, in thousandths, of a contact without one; -1: none.")
    case_sensitive: int = param(1, low=0, high=1, help="0: users are the same in capital and small letters.")
    max_contacts: int = param(0, low=0, help="So many contacts an AoR may have; 0: any number.")
    max_username_len: int = param(64, low=1, high=LONGEST_AOR, help="The longest user of an AoR.")
    max_domain_len: int = param(64, low=1, high=LONGEST_AOR, help="The longest domain of an AoR.")
    max_aor_len: int = param(256, low=1, high=LONGEST_AOR, help="The longest AoR.")
    max_contact_len: int = param(255, low=1, high=4096, help="The longest contact URI.")
    allow_dup_cseq: int = param(1, low=0, high=1, help="1: the CSeq of the last request again is a refresh.")
    retry_after: int = param(0, low=0, help="Seconds in the Retry-After of a 5xx; 0: no such header.")
    received_param: str = param("received", help="The Contact parameter that says where a phone was seen.")
    received_avp: str | None = param(None, help="The AVP that has the URI where the phone was seen.")
    attr_avp: str | None = param(None, help="The AVP whose text is kept with a contact, and given back by lookup().")
    mcontact_avp: str | None = param(None, help="The AVP with the contact as it was sent to an upstream registrar.")
    sock_hdr_name: str | None = param(None, help="The header that names the socket with the flag socket-header.")
    realm_prefix: str = param("", help="Cut from the front of an AoR's domain.")
    disable_gruu: int = param(1, low=0, high=1, help="0: phones that support GRUU get them.")
    gruu_secret: str | None = param(None, help="Hides what a temporary GRUU stands for.")
    pn_enable: int = param(0, help="0: no push notifications (RFC 8599).")

    accepted = counter("accepted_regs")
    rejected = counter("rejected_regs")
    dropped = counter("dropped_branches")

    usrloc: UsrLocApi = needs("usrloc")
    signaling: Any = needs("signaling")

    def __init__(self) -> None:
        self.tcp_flag_name = ""
        self.no_flags = SaveFlags()

    @modparam("tcp_persistent_flag", object, help="The message flag that keeps a phone's connection.")
    def set_tcp_persistent_flag(self, value: int | str) -> None:
        self.tcp_flag_name = str(value)
        self.services.message_flags.mask(self.tcp_flag_name)

    # -- life

    def waits(self, function: str) -> bool:
        mode = self.usrloc.mode
        if mode.cachedb_url and function == "lookup":
            return True
        return mode.is_sql_only or (mode.waits_for_sql and function == "save")

    def configure(self) -> None:
        if self.pn_enable:
            raise ModuleError("pn_enable: push notifications come with a later release: use 0")
        self.rules = self.settled()
        location = self.usrloc.location
        self.saver = Saver(self.rules, location, self.signaling.answers, self.accepted, self.rejected)
        self.finder = Finder(self.rules, location, self.dropped, self.usrloc.homes)
        self.questions = Questions(self.rules, location)
        self.remover = Remover(self.rules, location)
        statistics = self.program.statistics
        rules = self.rules
        statistics.function("registrar", "max_expires", lambda: rules.max_expires)
        statistics.function("registrar", "max_contacts", lambda: rules.max_contacts)
        statistics.function("registrar", "default_expire", lambda: rules.default_expires)

    def settled(self) -> Rules:
        """The parameters as they hold, those that contradict others set right with a line in the log."""
        rules = Rules()
        rules.min_expires = self.min_expires
        rules.max_expires = self.max_expires
        if rules.max_expires and rules.max_expires < rules.min_expires:
            rules.max_expires = self.corrected("max_expires", rules.max_expires, rules.min_expires)
        rules.default_expires = self.default_expires
        if rules.default_expires < rules.min_expires:
            rules.default_expires = self.corrected("default_expires", rules.default_expires, rules.min_expires)
        if rules.max_expires and rules.default_expires > rules.max_expires:
            rules.default_expires = self.corrected("default_expires", rules.default_expires, rules.max_expires)
        rules.max_deviation = abs(self.expires_max_deviation)
        rules.default_q = max(-1, min(self.default_q, 1000))
        for name in (
            "max_contacts", "max_username_len", "max_domain_len", "max_aor_len", "max_contact_len",
            "retry_after", "received_param", "realm_prefix",
        ):  # fmt: skip
            setattr(rules, name, getattr(self, name))
        rules.case_sensitive = self.case_sensitive == 1
        rules.allow_dup_cseq = self.allow_dup_cseq == 1
        rules.use_domain = self.usrloc.use_domain
        if rules.case_sensitive and rules.use_domain and not rules.realm_prefix:
            rules.short_uri = 4 + min(rules.max_username_len, rules.max_domain_len, rules.max_aor_len)
        rules.nat_bflag = self.usrloc.nat_bflag
        rules.sock_header = self.sock_hdr_name or ""
        for name in ("received_avp", "attr_avp", "mcontact_avp"):
            setattr(rules, name, self.bare_avp(name))
        if self.tcp_flag_name:
            rules.tcp_flag = self.services.message_flags.mask(self.tcp_flag_name)
        rules.gruu = self.disable_gruu == 0
        rules.gruu_secret = (self.gruu_secret or "").encode() or gruu.SECRET
        return rules

    def corrected(self, name: str, wrong: int, right: int) -> int:
        log.error("registrar", f"{name} {wrong} contradicts min_expires or max_expires, {right} is used")
        return right

    def bare_avp(self, parameter: str) -> str:
        """The name in `$avp(name)`; raises ModuleError."""
        text = getattr(self, parameter)
        name = avp_name(text) if text else ""
        if name is None:
            raise ModuleError(f'parameter "{parameter}" wants an AVP, $avp(name), not "{text}"')
        return name

    # -- how arguments are read

    def table(self, name: str) -> Domain:
        return self.usrloc.domain(name)

    def save_flags(self, text: str) -> SaveFlags:
        return parse_save(text)

    def lookup_flags(self, text: str) -> LookupFlags:
        return parse_lookup(text)

    def branch_mask(self, name: str) -> Mask:
        return Mask(self.services.branch_flags.mask(name))

    # -- registering

    @function("save", routes=Route.REQUEST | Route.REPLY, waiting="save_and_wait")
    def save(self, ctx: Context, domain: Table, flags: SaveText = None, aor: str = "", ownership_tag: str = "") -> int:
        """Store the contacts of a REGISTER and answer it: 1, -1 when the answer could not be sent, -2 when refused.

        Flags: memory-only, no-reply, socket-header, path-strict, path-lazy, path-off, path-received,
        force-registration, only-request-contacts, max-contacts=, min-expires=, max-expires=, matching-mode=.
        """
        if ctx.message.status:
            return onreply.save(self.saver, ctx, domain, flags or self.no_flags, aor, ownership_tag)
        return self.saver.serve(ctx, domain, flags or self.no_flags, aor, ownership_tag)

    async def save_and_wait(
        self, ctx: Context, domain: Table, flags: SaveText = None, aor: str = "", ownership_tag: str = ""
    ) -> int:
        """The same where the answer goes out once the database has it, or is known not to take it now."""
        flags = flags or self.no_flags
        if ctx.message.status:
            asking = ctx.request
            named = "" if asking is None else self.named(aor or to_uri_of(asking.message))
            return await self.changed(
                domain, named, lambda: onreply.save(self.saver, ctx, domain, flags, aor, ownership_tag)
            )
        saved = await self.changed(
            domain, self.named(aor or to_uri_of(ctx.message)),
            lambda: self.saver.save(ctx, domain, flags, aor, ownership_tag),
        )  # fmt: skip
        return self.saver.answer(ctx, flags, saved)

    async def changed(self, domain: Domain, aor: str, work: Callable[[], Result]) -> Result:
        """Do what changes an AoR, with what its database has to do with it."""
        kept = self.usrloc.kept
        return work() if kept is None else await kept.changed(domain, aor, work)

    async def fetched(self, domain: Domain, uris: list[str]) -> None:
        """Have what is to be read of AoRs read from the database first (sql-only)."""
        kept = self.usrloc.kept
        if kept is not None and kept.fetcher is not None:
            for uri in uris:
                if name := self.named(uri):
                    await kept.fetcher.fetch(domain, name)

    def named(self, uri: str) -> str:
        """The AoR of a URI, "" for none: whoever asked finds that out, too."""
        try:
            return aor_of(uri, self.rules).name
        except Refused:
            return ""

    # -- finding

    @function("lookup", routes=Route.REQUEST | Route.FAILURE | Route.REPLY, waiting="fetch_and_lookup")
    def lookup(self, ctx: Context, domain: Table, flags: LookupText = None, aor: str = "") -> int:
        """Send the request to a user's contacts: 1, -1 none is there, -2 none takes the method, -3 no AoR.

        Flags: method-filtering, no-branches, branch, to-branches-only, ua-filtering=/re/, case-insensitive,
        extended-regexp, max-ping-latency=, sort-by-latency; global means nothing without a federation.
        """
        flags = flags or NO_LOOKUP_FLAGS
        homes = self.usrloc.homes
        sites: dict[str, list[str]] = {}
        if homes is not None and flags.bits & GLOBAL:
            for name in self.names(ctx, flags, aor):
                sites[name] = homes.told(name)
        return self.finder.lookup(ctx, domain, flags, aor, sites)

    async def fetch_and_lookup(self, ctx: Context, domain: Table, flags: LookupText = None, aor: str = "") -> int:
        """The same upon what the database says, or what a federation's store does."""
        flags = flags or NO_LOOKUP_FLAGS
        await self.fetched(domain, self.wanted(ctx, flags, aor))
        homes = self.usrloc.homes
        sites: dict[str, list[str]] = {}
        if homes is not None and flags.bits & GLOBAL:
            for name in self.names(ctx, flags, aor):
                sites[name] = await homes.of(name) or []
        return self.finder.lookup(ctx, domain, flags, aor, sites)

    def wanted(self, ctx: Context, flags: LookupFlags, aor: str) -> list[str]:
        """The URIs whose contacts are looked up."""
        uris = [aor or ctx.request_uri()]
        if flags.bits & BRANCH:
            uris += [branch.uri for branch in ctx.branches]
        return uris

    def names(self, ctx: Context, flags: LookupFlags, aor: str) -> list[str]:
        """The AoRs of those."""
        found = dict.fromkeys(self.named(uri) for uri in self.wanted(ctx, flags, aor))
        return [name for name in found if name]

    @function("is_registered", routes=ASKING, waiting="fetch_and_ask")
    @function("registered", routes=ASKING, waiting="fetch_and_ask")
    def is_registered(self, ctx: Context, domain: Table, aor: str = "") -> int:
        """True if the AoR (of From; in a REGISTER of To) has a valid contact."""
        return self.questions.is_registered(ctx, domain, aor)

    async def fetch_and_ask(self, ctx: Context, domain: Table, aor: str = "") -> int:
        """The same upon what the database says."""
        await self.fetched(domain, [self.questions.uri(ctx, aor)])
        return self.questions.is_registered(ctx, domain, aor)

    @function("is_contact_registered", routes=ASKING, waiting="fetch_and_ask_contact")
    def is_contact_registered(
        self, ctx: Context, domain: Table, aor: str = "", contact: str = "", callid: str = ""
    ) -> int:
        """True if the AoR has that contact, that Call-ID, or both; without them, the request's first contact."""
        return self.questions.is_contact_registered(ctx, domain, aor, contact, callid)

    async def fetch_and_ask_contact(
        self, ctx: Context, domain: Table, aor: str = "", contact: str = "", callid: str = ""
    ) -> int:
        """The same upon what the database says."""
        await self.fetched(domain, [self.questions.uri(ctx, aor)])
        return self.questions.is_contact_registered(ctx, domain, aor, contact, callid)

    @function("is_ip_registered", routes=ASKING, minimum=3, waiting="fetch_and_ask_address")
    def is_ip_registered(
        self, ctx: Context, domain: Table, aor: str = "", address: Var | None = None, port: Var | None = None
    ) -> int:
        """True if a contact of the AoR is at one of the addresses in a variable, at its port if that is given."""
        if address is None:
            return -1
        return self.questions.is_ip_registered(ctx, domain, aor, address, port)

    async def fetch_and_ask_address(
        self, ctx: Context, domain: Table, aor: str = "", address: Var | None = None, port: Var | None = None
    ) -> int:
        """The same upon what the database says."""
        await self.fetched(domain, [self.questions.uri(ctx, aor)])
        return self.is_ip_registered(ctx, domain, aor, address, port)

    # -- removing

    @function("remove", routes=Route.REQUEST | Route.REPLY)
    async def remove(
        self, ctx: Context, domain: Table, aor: str, contact: str = "", next_hop: str = "", sip_instance: str = "",
        branch_flag: BranchFlag = NO_FLAG,
    ) -> int:  # fmt: skip
        """Remove an AoR, or those of its contacts that have this URI, next hop, instance and branch flag."""
        if not (contact or next_hop or sip_instance or branch_flag):
            return await self.changed(domain, self.named(aor), lambda: self.remover.remove(domain, aor, None))
        hosts: frozenset[str] = frozenset()
        if next_hop:
            hosts = await addresses_of(self.services, next_hop)
            if not hosts:
                log.error("registrar", f"remove: {next_hop} leads nowhere")
                return -1
        which = Which(self.services.resolver, contact, hosts, 0, sip_instance, branch_flag)
        return await self.changed(domain, self.named(aor), lambda: self.remover.remove(domain, aor, which))

    @function("remove_ip_port", waiting="fetch_and_remove_ip_port")
    def remove_ip_port(self, ctx: Context, ip: str, port: int, domain: Table, aor: str = "") -> int:
        """Remove all contacts whose next hop is that address and port, of one AoR or of all."""
        return self.remover.remove_address(domain, ip, port, aor)

    async def fetch_and_remove_ip_port(self, ctx: Context, ip: str, port: int, domain: Table, aor: str = "") -> int:
        """The same upon what the database says; without an AoR all of its rows are read."""
        kept = self.usrloc.kept
        if not aor and kept is not None:
            await kept.fetch_all(domain)
        return await self.changed(
            domain, self.named(aor) if aor else "", lambda: self.remover.remove_address(domain, ip, port, aor)
        )

    # -- sockets

    @function("add_sock_hdr", routes=ASKING)
    def add_sock_hdr(self, ctx: Context, hdr_name: str) -> int:
        """Add a header with the socket the message came in by, for the registrar behind us (socket-header)."""
        if not is_token(hdr_name):
            log.error("registrar", f'add_sock_hdr: "{hdr_name}" is no header name')
            return -1
        socket = ctx.source.socket
        line = hdr_name + ": " + socket.proto + ":" + socket.sent_by + "\r\n"
        ctx.edits.insert(ctx.message.starts[-1], line)
        return 1
