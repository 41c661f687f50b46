"""Globally routable URIs of one phone (RFC 5627): made for the reply to a REGISTER, read again by lookup.

Facts:
- the public one is the AoR with `;gr=` and the phone's instance id;
- the temporary one hides both: time, AoR, instance and Call-ID, masked with the secret, in base64, as OpenSIPS does;
- it means the contact of that Call-ID, as long as no newer one of the same instance exists.
"""

import base64
import binascii
from typing import Final

from pysips.sip.uri import escaped_user

TEMPORARY: Final = "tgruu."
SECRET: Final = b"0p3nS1pS"  # OpenSIPS' own default


def masked(data: bytes, secret: bytes) -> bytes:
    """The bytes with the secret laid over them, again and again; the same once more undoes it."""
    long = secret * (len(data) // len(secret) + 1)
    return bytes([a ^ b for a, b in zip(data, long, strict=False)])


def public(aor: str, host_port: str, instance: str, use_domain: bool) -> str:
    """The public GRUU; instance: with its brackets."""
    user, sign, host = aor.rpartition("@") if use_domain else (aor, "@", host_port)
    return "sip:" + escaped_user(user) + sign + host + ";gr=" + instance[1:-1]


def temporary(aor: str, host_port: str, instance: str, callid: str, now: int, secret: bytes) -> str:
    """A temporary GRUU of now."""
    facts = str(now) + " " + aor + " " + instance[1:-1] + " " + callid
    hidden = base64.b64encode(masked(facts.encode("utf-8", "surrogateescape"), secret)).decode("ascii")
    return "sip:" + TEMPORARY + hidden + "@" + host_port + ";gr"


def read_temporary(user: str, secret: bytes) -> tuple[str, str, str] | None:
    """AoR, instance (without brackets) and Call-ID behind the user part of a temporary GRUU; None if it is none."""
    try:
        hidden = base64.b64decode(user[len(TEMPORARY) :], validate=True)
    except (binascii.Error, ValueError):
        return None
    parts = masked(hidden, secret).decode("utf-8", "surrogateescape").split(" ", 3)
    if len(parts) != 4 or not parts[1] or not parts[2] or not parts[3]:
        return None
    return parts[1], parts[2], parts[3]
