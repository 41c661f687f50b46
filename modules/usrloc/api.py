"""What other modules may use of usrloc: the location tables, and the records in them."""

from collections.abc import Callable

from .coding import decode
from .contact_ids import aor_hash
from .contacts import (
    DELETED,
    INSERTED,
    RECORDS,
    REPEATED,
    STALE,
    UPDATED,
    Domain,
    Follower,
    Location,
    Work,
    aor_of_key,
)
from .homes import Homes, is_home, place_of, uri_of
from .kept import Kept
from .matching import BY_CONTACT, BY_CONTACT_AND_CALLID, BY_PARAM, NONE
from .modes import Mode
from .pinged import Pinged
from .records import ALL_METHODS, MEMORY_ONLY, Contact, Record


class UsrLocApi:
    """location: the tables; use_domain: whether an AoR has its domain; nat_bflag: the branch flag's bit, or 0.

    domain: the table of a name that stands in a script, for `By`; raises BadName; pinged: takes what pings tell;
    mode: how contacts are kept; kept: their database, None without one; homes: where else AoRs are at home, None
    outside of a federation.
    """

    pinged: Pinged
    kept: Kept | None = None
    homes: Homes | None = None

    def __init__(self, location: Location, domain: Callable[[str], Domain]) -> None:
        self.location = location
        self.domain = domain
        self.use_domain = True
        self.nat_bflag = 0
        self.mode = Mode()


__all__ = [
    "ALL_METHODS", "BY_CONTACT", "BY_CONTACT_AND_CALLID", "BY_PARAM", "DELETED", "INSERTED", "MEMORY_ONLY", "NONE",
    "RECORDS", "REPEATED", "STALE", "UPDATED", "Contact", "Domain", "Follower", "Homes", "Kept", "Location", "Mode",
    "Pinged", "Record", "UsrLocApi", "Work", "aor_hash", "aor_of_key", "decode", "is_home", "place_of",
    "uri_of",
]  # fmt: skip
