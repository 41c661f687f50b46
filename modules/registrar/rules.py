"""What the registrar's parameters and flags say, where the quick code can read it; and how a request is refused."""

from typing import Any, Final, final

from pysips.errors import SipError

REASONS: Final = {
    400: "Bad Request",
    420: "Bad Extension",
    500: "Server Internal Error",
    503: "Service Unavailable",
}

# SaveFlags.bits
MEMORY_ONLY: Final = 1
NO_REPLY: Final = 2
SOCKET_HEADER: Final = 4
PATH_STRICT: Final = 8
PATH_LAZY: Final = 16
PATH_OFF: Final = 32
PATH_RECEIVED: Final = 64
FORCE: Final = 128
ONLY_REQUEST: Final = 256
PATH: Final = PATH_STRICT | PATH_LAZY | PATH_OFF
UNUSUAL: Final = PATH | ONLY_REQUEST

# LookupFlags.bits
METHOD_FILTER: Final = 1
NO_BRANCHES: Final = 2
GLOBAL: Final = 4
SORT_BY_LATENCY: Final = 8
BRANCH: Final = 16
TO_BRANCHES_ONLY: Final = 32

UNSET: Final = -1
MOST_CONTACTS: Final = 1000  # of an AoR, whatever the script allows: all of them are written with each of its REGISTERs
NO_LIMIT: Final = 2**62


class Refused(SipError):
    """A request that the registrar refuses. info: the P-Registrar-Error; headers: more lines of the reply."""

    def __init__(self, status: int, info: str, headers: str = "") -> None:
        super().__init__(status, REASONS[status])
        self.info = info
        self.headers = headers


@final
class SaveFlags:
    """The flags of one save(). UNSET numbers mean: as the parameters say.

    Of both together, once `settle` was called: rules: those parameters; shortest, longest: lifetimes, seconds; most:
    contacts of an AoR; is_usual: nothing of what is asked for needs a closer look than the short way takes.
    """

    __slots__ = (
        "bits", "is_usual", "longest", "matching_mode", "matching_param", "max_contacts", "max_expires", "min_expires",
        "most", "rules", "shortest",
    )  # fmt: skip

    def __init__(self) -> None:
        self.bits: int = 0
        self.max_contacts: int = UNSET
        self.min_expires: int = UNSET
        self.max_expires: int = UNSET
        self.matching_mode: int = UNSET
        self.matching_param: str = ""
        self.rules: Rules | None = None
        self.shortest: int = 0
        self.longest: int = NO_LIMIT
        self.most: int = MOST_CONTACTS
        self.is_usual: bool = False

    def settle(self, rules: "Rules") -> None:
        """Work out what holds with these parameters."""
        self.rules = rules
        self.longest = (rules.max_expires if self.max_expires == UNSET else self.max_expires) or NO_LIMIT
        self.shortest = min(rules.min_expires if self.min_expires == UNSET else self.min_expires, self.longest)
        most = rules.max_contacts if self.max_contacts == UNSET else self.max_contacts
        self.most = min(most, MOST_CONTACTS) if most else MOST_CONTACTS
        self.is_usual = not (rules.gruu or self.bits & UNUSUAL or self.matching_mode != UNSET)


@final
class LookupFlags:
    """The flags of one lookup(). user_agent: a compiled regular expression, or None; max_latency: 0 for any."""

    __slots__ = ("bits", "max_latency", "user_agent")

    def __init__(self) -> None:
        self.bits: int = 0
        self.user_agent: Any = None
        self.max_latency: int = 0


@final
class Rules:
    """The module's parameters, as they are once everything is loaded. AVP names are bare: "rcv" of `$avp(rcv)`."""

    __slots__ = (
        "allow_dup_cseq", "attr_avp", "case_sensitive", "default_expires", "default_q", "gruu", "gruu_secret",
        "max_aor_len", "max_contact_len", "max_contacts", "max_deviation", "max_domain_len", "max_expires",
        "max_username_len", "mcontact_avp", "min_expires", "nat_bflag", "realm_prefix", "received_avp",
        "received_param", "retry_after", "short_uri", "sock_header", "tcp_flag", "use_domain",
    )  # fmt: skip

    def __init__(self) -> None:
        self.default_expires: int = 3600
        self.min_expires: int = 60
        self.max_expires: int = 0
        self.max_deviation: int = 0
        self.default_q: int = UNSET
        self.max_contacts: int = 0
        self.retry_after: int = 0
        self.allow_dup_cseq: bool = True
        self.case_sensitive: bool = True
        self.use_domain: bool = True
        self.realm_prefix: str = ""
        self.short_uri: int = 0  # the length up to which a `sip:user@host` is its own AoR but for the host's letters
        self.max_username_len: int = 64
        self.max_domain_len: int = 64
        self.max_aor_len: int = 256
        self.max_contact_len: int = 255
        self.received_param: str = "received"
        self.received_avp: str = ""
        self.attr_avp: str = ""
        self.mcontact_avp: str = ""
        self.sock_header: str = ""
        self.tcp_flag: int = 0
        self.nat_bflag: int = 0
        self.gruu: bool = False
        self.gruu_secret: bytes = b""
