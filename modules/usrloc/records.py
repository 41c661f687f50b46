"""What the shared table holds of an address of record, and how it is written there.

Facts:
- one record for each AoR, all of its contacts inside: a REGISTER is one read and one write, `lookup` one read;
- records are msgpack arrays without names; a contact with a usual URI, Call-ID and User-Agent takes some 140 bytes;
- expiry is Unix time: 0 never expires, `DELETED` marks a contact that is to be taken for gone;
- coding.py writes and reads them.
"""

from typing import Final

from msgspec import Struct

DELETED: Final = 10  # OpenSIPS' UL_EXPIRED_TIME
ALL_METHODS: Final = 0xFFFFFFFF

# Contact.flags
MEMORY_ONLY: Final = 1  # FL_MEM: never in a database

# Record.form
PLAIN: Final = 0
BYTES: Final = 1


class Contact(Struct, array_like=True, gc=False):
    """One binding of an address of record (RFC 3261 section 10).

    uri: as it came; id: 64 bits, unlike any other's; expires, modified: Unix seconds; q: 0–1000, -1 unset;
    received: the URI where a contact behind NAT is reached; path: the Path set as one Route value (RFC 3327);
    socket: our socket's name, "udp:10.0.0.1:5060", or ""; cflags: branch flags; methods: bits, see registrar;
    instance: "<urn:…>" (RFC 5626), or ""; attr: the script's own word; latency: of pings, microseconds; tag: the
    sharing tag that owns the contact; more: its key-value store, or None.
    """

    uri: str
    id: int
    expires: int
    modified: int
    callid: str
    cseq: int
    user_agent: str
    socket: str = ""
    q: int = -1
    cflags: int = 0
    methods: int = ALL_METHODS
    flags: int = 0
    received: str = ""
    path: str = ""
    instance: str = ""
    attr: str = ""
    latency: int = 0
    tag: str = ""
    more: dict[str, str | int] | None = None

    def is_valid(self, now: int) -> bool:
        """Whether the contact may still be called."""
        return self.expires == 0 or self.expires > now


class Record(Struct, array_like=True, gc=False):
    """One address of record.

    base: the part of contact ids that all of its contacts share; next_id: the part that the next one gets; more:
    the record's key-value store, or None.
    """

    form: int
    base: int
    next_id: int
    contacts: list[Contact]
    more: dict[str, str | int] | None = None
