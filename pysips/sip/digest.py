"""Digest authentication: challenges, credentials, and the response that proves a password (RFC 7616, RFC 8760).

Facts:
- MD5, SHA-256 and SHA-512-256, each with its -sess form; no `algorithm` means MD5 (RFC 3261 section 22.4);
- without `qop` the response is that of RFC 2069, which phones of before RFC 2617 send;
- what is hashed is the text between the quotes as it was sent; a user name and a realm are read, and have their
  backslashes taken off (RFC 7616 section 3.4: unq);
- the strongest algorithm stands first in an answer with several challenges (RFC 8760 section 2.3);
- a parameter that comes twice, or that is none, spoils the credentials as a whole: nobody may choose which one counts.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from pysips.errors import SipError

from .grammar import is_token
from .text import BLANKS, list_spans, quoted, quoted_end, unquoted

MOST_PARAMETERS: Final = 64
HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
MOST_COUNT: Final = 8  # digits of a nonce count
AUTH: Final = "auth"
AUTH_INT: Final = "auth-int"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """name: as it is sent; hash: as hashlib calls it; digits: of its result, in hexadecimal; session: -sess."""

    name: str
    hash: str
    digits: int
    session: bool


MD5: Final = Algorithm("MD5", "md5", 32, False)
# The order is that of a nonce's number for them, and never changes.
ALGORITHMS: Final = (
    MD5,
    Algorithm("MD5-sess", "md5", 32, True),
    Algorithm("SHA-256", "sha256", 64, False),
    Algorithm("SHA-256-sess", "sha256", 64, True),
    Algorithm("SHA-512-256", "sha512_256", 64, False),
    Algorithm("SHA-512-256-sess", "sha512_256", 64, True),
)
BY_NAME: Final = {one.name.lower(): one for one in ALGORITHMS}
STRONGEST_FIRST: Final = tuple(reversed(ALGORITHMS))


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a Digest header of a request says; "" for what it leaves out. username, realm: read, the rest as sent.

    algorithm: None for one that is not known; qop, nc as sent.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm | None
    cnonce: str
    qop: str
    nc: str
    opaque: str

    @property
    def user(self) -> str:
        """The user name up to its @."""
        return self.username.partition("@")[0]

    @property
    def domain(self) -> str:
        """What stands behind that @, "" if nothing does."""
        return self.username.partition("@")[2]

    @property
    def count(self) -> int:
        """The nonce count as a number."""
        return int(self.nc, 16) if self.nc else 0

    def lacks(self) -> str:
        """The name of the first parameter without which nothing can be proved; "" if all are there."""
        for name in ("username", "realm", "nonce", "uri", "response"):
            if not getattr(self, name):
                return name
        if not self.cnonce and (self.qop or (self.algorithm is not None and self.algorithm.session)):
            return "cnonce"
        return "nc" if self.qop and not self.nc else ""


def octets(text: str) -> bytes:
    """A text of a message as the bytes that came."""
    return text.encode("utf-8", "surrogateescape")


def inside(text: str) -> str:
    """What stands between the quotes of a quoted string, backslashes and all; any other text as it is."""
    return text[1:-1] if text[:1] == '"' else text


def parameters(value: str) -> dict[str, str] | None:
    """The parameters of a Digest header as they were written, names in small letters; None for another scheme.

    Raises SipError(400): no parameters, one that cannot be read or comes twice, too many of them.
    """
    value = value.strip(BLANKS)
    if value[:6].lower() != "digest" or value[6:7] not in tuple(" \t\r\n,"):
        return None
    found: dict[str, str] = {}
    for a, b in list_spans(value, 7, len(value), False):
        if a == b:
            continue
        name, equal, text = value[a:b].partition("=")
        name, text = name.rstrip(BLANKS).lower(), text.lstrip(BLANKS)
        if not equal or not is_token(name) or not is_value(text) or name in found or len(found) >= MOST_PARAMETERS:
            raise SipError(400, "Bad Credentials")
        found[name] = text
    if not found:
        raise SipError(400, "Bad Credentials")
    return found


def is_value(text: str) -> bool:
    """One whole quoted string, or something that has neither blanks nor quotes."""
    if text[:1] == '"':
        return quoted_end(text, 0, len(text)) == len(text)
    return bool(text) and not any(letter in text for letter in ' \t\r\n"')


def read(value: str) -> Credentials | None:
    """The credentials of an Authorization or Proxy-Authorization; None for another scheme.

    Raises SipError(400) as `parameters`, and for a nonce count that is no number.
    """
    given = parameters(value)
    if given is None:
        return None
    count = inside(given.get("nc", ""))
    if len(count) > MOST_COUNT or not HEXADECIMAL.issuperset(count):
        raise SipError(400, "Bad Nonce Count")
    named = inside(given.get("algorithm", ""))
    nonce, uri, answer, cnonce, qop, opaque = [
        inside(given.get(name, "")) for name in ("nonce", "uri", "response", "cnonce", "qop", "opaque")
    ]
    return Credentials(
        unquoted(given.get("username", "")), unquoted(given.get("realm", "")), nonce, uri, answer,
        BY_NAME.get(named.lower()) if named else MD5, cnonce, qop, count, opaque,
    )  # fmt: skip


def hashed(algorithm: Algorithm, *parts: str) -> str:
    """H() of the parts with colons between them, in hexadecimal."""
    made = hashlib.new(algorithm.hash, octets(":".join(parts)), usedforsecurity=False)
    return made.hexdigest()


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """H(A1) before a session: what a database may keep instead of a password (RFC 7616 section 3.4.2)."""
    return hashed(algorithm, username, realm, password)


def response(credentials: Credentials, algorithm: Algorithm, secret: str, method: str, body: bytes) -> str:
    """The response of who knows the secret (section 3.4.1). secret: `ha1`; body: for qop auth-int."""
    secret = secret.lower()
    if algorithm.session:
        secret = hashed(algorithm, secret, credentials.nonce, credentials.cnonce)
    qop = credentials.qop
    asked = [method, credentials.uri]
    if qop.lower() == AUTH_INT:
        asked.append(hashlib.new(algorithm.hash, body, usedforsecurity=False).hexdigest())
    counted = [credentials.nonce]
    if qop:
        counted += [credentials.nc, credentials.cnonce, qop]
    return hashed(algorithm, secret, *counted, hashed(algorithm, *asked))


def proves(credentials: Credentials, secret: str, method: str, body: bytes) -> bool:
    """Whether credentials come from who knows the secret; the comparison takes the same time whatever they say."""
    algorithm = credentials.algorithm
    if algorithm is None:
        return False
    wanted = response(credentials, algorithm, secret, method, body)
    return hmac.compare_digest(octets(wanted), octets(credentials.response.lower()))


def challenge(realm: str, nonce: str, qop: str, stale: bool, algorithm: Algorithm | None) -> str:
    """The value of a WWW-Authenticate or Proxy-Authenticate; qop: "" or a list; algorithm: None does not name it."""
    text = "Digest realm=" + quoted(realm) + ', nonce="' + nonce + '"'
    if qop:
        text += ', qop="' + qop + '"'
    if stale:
        text += ", stale=true"
    return text if algorithm is None else text + ", algorithm=" + algorithm.name
