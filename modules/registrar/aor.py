"""The address of record that a URI stands for (RFC 3261 section 10.3, step 5).

Facts:
- the user part's escapes are undone, the host is written in small letters, everything else of the URI is left out;
- without a user the host alone is the AoR; without `use_domain` the user alone, and there must be one;
- `realm_prefix` is cut from the front of the host; without `case_sensitive` the user is in small letters, too.
"""

import re
from typing import Final, final

from mypy_extensions import i64

from pysips.errors import SipError
from pysips.sip.grammar import ALPHANUM
from pysips.sip.plain import letters, run_end
from pysips.sip.scan import COMPILED
from pysips.sip.text import number
from pysips.sip.uri import HIGHEST_PORT, is_plain, parse_uri, unescaped

from . import gruu
from .rules import Refused, Rules

OWN_AOR: Final = re.compile(r"sip:[-_.!~*'()&=+$/A-Za-z0-9]++@[a-z0-9][-.a-z0-9]*+")
OWN_USER: Final = letters("-_.!~*'()&=+$/" + ALPHANUM)
OWN_HOST: Final = letters("-.abcdefghijklmnopqrstuvwxyz0123456789")


@final
class Aor:
    """An AoR, and whom of its contacts a GRUU means (RFC 5627). instance: without its brackets; "" for all."""

    __slots__ = ("callid", "instance", "name")

    def __init__(self, name: str, instance: str = "", callid: str = "") -> None:
        self.name: str = name
        self.instance: str = instance
        self.callid: str = callid


def plain_aor(uri: str, rules: Rules) -> str:
    """The AoR of a URI; raises Refused. A short `sip:user@host` or `sip:user@host:port` goes the short way."""
    if len(uri) <= rules.short_uri and is_own(uri):
        return uri[4:]
    if uri.startswith("sip:") and len(uri) <= rules.short_uri and uri.isascii():
        user, _, host = uri[4:].partition("@")
        host, colon, port = host.partition(":")
        if colon and not number(port, HIGHEST_PORT):
            return careful_aor(uri, rules)
        is_plain_user = user.isalnum() or (user != "" and is_plain(uri) and "%" not in user and ":" not in user)
        if is_plain_user and host.replace(".", "").replace("-", "").isalnum():
            return user + "@" + host.lower()
    return careful_aor(uri, rules)


def is_own(uri: str) -> bool:
    """Whether all of a URI but its `sip:` is its AoR: OWN_AOR, letter by letter in the compiled build."""
    return own_by_letters(uri) if COMPILED else OWN_AOR.fullmatch(uri) is not None


def own_by_letters(uri: str) -> bool:
    """See is_own."""
    end: i64 = len(uri)
    at = run_end(uri, 4, end, OWN_USER)
    if at == 4 or at + 1 >= end or not uri.startswith("sip:") or ord(uri[at]) != ord("@"):
        return False
    return ord(uri[at + 1]) >= ord("0") and run_end(uri, at + 1, end, OWN_HOST) == end


def careful_aor(uri: str, rules: Rules) -> str:
    """See plain_aor."""
    try:
        parsed = parse_uri(uri)
    except SipError:
        raise Refused(400, "Error while parsing AOR") from None
    if not parsed.is_sip and parsed.scheme != "tel":
        raise Refused(400, "Error while parsing AOR")
    return joined(parsed.user or "", parsed.host, rules)


def joined(user: str, host: str, rules: Rules) -> str:
    """The AoR of a user and a host as they stand in a URI; raises Refused."""
    user = unescaped(user)
    size = octets(user)
    if size > rules.max_username_len or len(host) > rules.max_domain_len or size + len(host) + 1 > rules.max_aor_len:
        raise Refused(500, "Address Of Record too long")
    if not rules.case_sensitive:
        user = user.lower()
    if not rules.use_domain:
        if not user:
            raise Refused(400, "Error while parsing AOR")
        return user
    prefix = rules.realm_prefix
    if prefix and len(prefix) < len(host) and host.startswith(prefix):
        host = host[len(prefix) :]
    host = host.lower()
    return user + "@" + host if user else host


def octets(text: str) -> int:
    """The length of a text in bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def aor_of(uri: str, rules: Rules) -> Aor:
    """The AoR of a Request-URI, which may be a GRUU; raises Refused."""
    if ";gr" in uri:
        return gruu_aor(uri, rules)
    return Aor(plain_aor(uri, rules))


def gruu_aor(uri: str, rules: Rules) -> Aor:
    """The AoR behind a GRUU; an ordinary URI that only looks like one is read as such."""
    try:
        parsed = parse_uri(uri)
    except SipError:
        raise Refused(400, "Error while parsing AOR") from None
    instance = parsed.param("gr")
    user = parsed.user or ""
    if instance is None:
        return Aor(plain_aor(uri, rules))
    if user.startswith(gruu.TEMPORARY):
        facts = gruu.read_temporary(unescaped(user), rules.gruu_secret)
        if facts is None:
            raise Refused(400, "Error while parsing AOR")
        return Aor(facts[0], facts[1], facts[2])
    return Aor(joined(user, parsed.host, rules), unescaped(instance))
