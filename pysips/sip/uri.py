"""URIs as they came, and their parts, without loss (RFC 3261 section 19.1, RFC 3966 for tel).

Facts:
- the user part may hold `;`, `?` and `/` (section 25.1, user-unreserved), so `@` is looked for before anything else;
- neither parameters nor headers may hold an `@` that is not escaped: a second one makes the URI unreadable;
- brackets are mandatory around an IPv6 address, or nobody could tell its port (RFC 5118 section 4.1);
- `%HH` stands for a character of the user, the parameters and the headers, decoded once, and never in a host;
- a scheme that we do not know keeps its text and has no parts: what to say to it (416) is the script's matter.
"""

from typing import Final, final
from urllib.parse import quote, unquote

from pysips.errors import SipError

from .text import number

HOST_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
ADDRESS_CHARACTERS: Final = frozenset("0123456789abcdefABCDEF:.")
SCHEME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+-.")
RESERVED: Final = ";/?:@&=+$,"
USER_SAFE: Final = "-_.!~*'()&=+$,;?/"  # unreserved and user-unreserved of section 25.1
HIGHEST_PORT: Final = 65535
MOST_KEPT: Final = 8_192
LONGEST_KEPT: Final = 256
known_places: Final[dict[str, tuple[str, int]]] = {}  # URIs, and their host and port; when too many all are forgotten
# Section 19.1.4: a URI with one of these never equals one without it.
DISTINCT: Final = ("transport", "user", "ttl", "method", "maddr")


@final
class Uri:
    """A URI taken apart.

    text      the URI as it came
    scheme    in small letters
    user      as written, escapes and all; None without one. Of a tel URI: the number
    password  as written; None without one
    host      as written, an IPv6 address with its brackets; "" for a URI that has none
    port      None where none is given
    params    what stands between the first `;` behind the host and the `?`, as written
    headers   what stands behind the `?`, as written
    """

    __slots__ = ("headers", "host", "params", "password", "port", "scheme", "text", "user")

    def __init__(
        self,
        text: str,
        scheme: str,
        user: str | None,
        password: str | None,
        host: str,
        port: int | None,
        params: str,
        headers: str,
    ) -> None:
        self.text = text
        self.scheme = scheme
        self.user = user
        self.password = password
        self.host = host
        self.port = port
        self.params = params
        self.headers = headers

    def __str__(self) -> str:
        return self.text

    @property
    def is_sip(self) -> bool:
        """True for `sip:` and `sips:`."""
        return self.scheme == "sip" or self.scheme == "sips"

    @property
    def transport(self) -> str:
        """The transport parameter in small letters; "" without one."""
        value = self.param("transport")
        return value.lower() if value else ""

    def param(self, name: str) -> str | None:
        """The value of the first parameter `name` (small letters), as written; "" without a value, None if absent."""
        if not self.params:
            return None
        for part in self.params.split(";"):
            key, _, value = part.partition("=")
            if key.lower() == name:
                return value
        return None

    def with_scheme(self, scheme: str) -> "Uri":
        """The same with another scheme."""
        return parse_uri(scheme + self.text[len(self.scheme) :])

    def with_user(self, user: str | None) -> "Uri":
        """The same with another user, as it is to be written; None takes it off, the password with it."""
        return self.rebuilt(user, self.password if user is not None else None, self.host, self.port, self.params)

    def with_password(self, password: str | None) -> "Uri":
        """The same with another password. Without a user there is none."""
        return self.rebuilt(self.user, password, self.host, self.port, self.params)

    def with_host(self, host: str) -> "Uri":
        """The same at another host; an IPv6 address with its brackets."""
        return self.rebuilt(self.user, self.password, host, self.port, self.params)

    def with_port(self, port: int | None) -> "Uri":
        """The same at another port; None takes it off."""
        return self.rebuilt(self.user, self.password, self.host, port, self.params)

    def with_param(self, name: str, value: str | None = None) -> "Uri":
        """The same with the parameter `name`, in its old place if it was there, else as the last one."""
        new = name if value is None else name + "=" + value
        parts = self.params.split(";") if self.params else []
        for i, part in enumerate(parts):
            if part.partition("=")[0].lower() == name.lower():
                parts[i] = new
                break
        else:
            parts.append(new)
        return self.rebuilt(self.user, self.password, self.host, self.port, ";".join(parts))

    def without_param(self, name: str) -> "Uri":
        """The same without the parameter `name`."""
        name = name.lower()
        parts = [part for part in self.params.split(";") if part.partition("=")[0].lower() != name]
        return self.rebuilt(self.user, self.password, self.host, self.port, ";".join(parts))

    def without_headers(self) -> "Uri":
        """The same without what stands behind the `?`."""
        return parse_uri(self.text[: len(self.text) - len(self.headers) - 1]) if self.headers else self

    def rebuilt(self, user: str | None, password: str | None, host: str, port: int | None, params: str) -> "Uri":
        """The URI of these parts, with the scheme and headers of this one. Raises SipError(400) if it is none."""
        text = self.text[: len(self.scheme)] + ":"
        if user is not None:
            text += user
            if password is not None:
                text += ":" + password
            if self.is_sip:
                text += "@"
        text += host
        if port is not None:
            text += ":" + str(port)
        if params:
            text += ";" + params
        if self.headers:
            text += "?" + self.headers
        return parse_uri(text)


def bad_uri() -> SipError:
    """The refusal of a URI that cannot be read."""
    return SipError(400, "Bad URI")


def parse_uri(text: str) -> Uri:
    """Take a URI apart. Raises SipError(400) if it cannot be read."""
    colon = text.find(":")
    scheme = text[:colon].lower()
    if colon < 1 or not is_plain(text):
        raise bad_uri()
    if scheme == "sip" or scheme == "sips":
        return parse_sip(text, scheme, colon + 1)
    if not SCHEME_CHARACTERS.issuperset(scheme) or not "a" <= scheme[0] <= "z":
        raise bad_uri()
    if scheme == "tel":
        user, _, params = text[4:].partition(";")
        if not user:
            raise bad_uri()
        return Uri(text, scheme, user, None, "", None, params, "")
    return Uri(text, scheme, None, None, "", None, "", "")


def is_plain(text: str) -> bool:
    """True if nothing in the text is forbidden in every URI: blanks, control characters, `<`, `>`, `"`."""
    if " " in text or "<" in text or ">" in text or '"' in text:
        return False
    if text.isascii():
        return text.isprintable()
    return not any(c < " " or c == "\x7f" for c in text)


def parse_sip(text: str, scheme: str, at: int) -> Uri:
    """The parts of a `sip:` or `sips:` URI whose scheme ends before `at`."""
    user: str | None = None
    password: str | None = None
    sign = text.find("@", at)
    if sign >= 0:
        user = text[at:sign]
        colon = user.find(":")
        if colon >= 0:
            password = user[colon + 1 :]
            user = user[:colon]
        at = sign + 1
        if not user or text.find("@", at) >= 0:
            raise bad_uri()
    question = text.find("?", at)
    stop = question if question >= 0 else len(text)
    semicolon = text.find(";", at, stop)
    end = semicolon if semicolon >= 0 else stop
    host, port = parse_host(text, at, end)
    params = text[semicolon + 1 : stop] if semicolon >= 0 else ""
    headers = text[question + 1 :] if question >= 0 else ""
    return Uri(text, scheme, user, password, host, port, params, headers)


def parse_host(text: str, at: int, end: int) -> tuple[str, int | None]:
    """The host and port in text[at:end]: `host`, `host:port`, `[IPv6]:port`. Raises SipError(400)."""
    colon = text.find(":", at, end)
    if text[at : at + 1] == "[":
        close = text.find("]", at, end)
        if close < at + 3 or not ADDRESS_CHARACTERS.issuperset(text[at + 1 : close]):
            raise bad_uri()
        colon = close + 1 if close + 1 < end else -1
        if colon > 0 and text[colon] != ":":
            raise bad_uri()
        host = text[at : close + 1]
    else:
        host = text[at : colon if colon >= 0 else end]
        if not (host.isascii() and host.replace(".", "").isalnum()) and not (host and HOST_CHARACTERS.issuperset(host)):
            raise bad_uri()
    if colon < 0:
        return host, None
    port = number(text[colon + 1 : end], HIGHEST_PORT)
    if not port:
        raise bad_uri()
    return host, port


# ------------------------------------------------------------------------------------------- looks for the hot path


def host_port(text: str) -> tuple[str, int]:
    """Host and port of a SIP URI; port 0 where none is given, the host "" where there is none (tel).

    Raises SipError(400) for what cannot be read. A script asks for those of few URIs again and again.
    """
    known = known_places.get(text)
    if known is None:
        known = read_host_port(text)
        if len(text) <= LONGEST_KEPT:
            if len(known_places) >= MOST_KEPT:
                known_places.clear()
            known_places[text] = known
    return known


def read_host_port(text: str) -> tuple[str, int]:
    """See host_port."""
    if text.startswith("sip:"):
        at = text.find("@") + 1
        if not at:
            at = 4
        question = text.find("?", at)
        end = question if question >= 0 else len(text)
        semicolon = text.find(";", at, end)
        if semicolon >= 0:
            end = semicolon
        host, port = parse_host(text, at, end)
        return host, port or 0
    uri = parse_uri(text)
    return uri.host, uri.port or 0


def user_of(text: str) -> str:
    """The user part of a SIP URI (the number of a tel URI) as written; "" without one.

    Raises SipError(400) for what cannot be read.
    """
    if text.startswith("sip:"):
        sign = text.find("@", 4)
        if sign < 0:
            return ""
        colon = text.find(":", 4, sign)
        return text[4 : colon if colon >= 0 else sign]
    return parse_uri(text).user or ""


def aor_of(text: str) -> str:
    """The address of record a URI names: `user@host`, the user unescaped, the host in small letters, nothing else.

    Without a user the host alone; of a tel URI the number. Raises SipError(400) for what cannot be read. Section 10.3.
    """
    uri = parse_uri(text)
    user = uri.user or ""
    if "%" in user:
        user = unescaped(user)
    if not uri.host:
        return user
    return user + "@" + uri.host.lower() if user else uri.host.lower()


# ------------------------------------------------------------------------------------------------ escapes and equality


def unescaped(text: str) -> str:
    """Each `%HH` is the byte that it stands for, once; what is no escape stays."""
    return unquote(text, "utf-8", "surrogateescape") if "%" in text else text


def escaped_user(text: str) -> str:
    """A text as it may stand in the user part: what section 25.1 does not allow there is written as `%HH`."""
    return quote(text, USER_SAFE, "utf-8", "surrogateescape")


def canonical(text: str) -> str:
    """The one form of all texts that section 19.1.4 calls equal: escapes of characters that need none are undone."""
    if "%" not in text:
        return text
    parts = text.split("%")
    out = [parts[0]]
    for part in parts[1:]:
        code = part[:2]
        if len(code) < 2 or not ADDRESS_CHARACTERS.issuperset(code) or ":" in code or "." in code:
            out.append("%" + part)
            continue
        character = chr(int(code, 16))
        plain = " " < character < "\x7f" and character not in RESERVED and character != "%"
        out.append((character if plain else "%" + code.upper()) + part[2:])
    return "".join(out)


def pairs(text: str, separator: str) -> dict[str, str]:
    """`a=b;c` as a dictionary: names in small letters, values canonical; of a repeated name the first counts."""
    found: dict[str, str] = {}
    for part in text.split(separator):
        name, _, value = part.partition("=")
        if name:
            found.setdefault(canonical(name).lower(), canonical(value))
    return found


def equal(a: str, b: str) -> bool:
    """True if two URIs are equal by RFC 3261 section 19.1.4 (tel: RFC 3966 section 4); False for unreadable ones."""
    if a == b:
        return True
    try:
        left, right = parse_uri(a), parse_uri(b)
    except SipError:
        return False
    if left.scheme != right.scheme:
        return False
    if left.scheme == "tel":
        return digits(left.user) == digits(right.user) and folded(left.params) == folded(right.params)
    if not left.is_sip:
        return left.text[len(left.scheme) :] == right.text[len(right.scheme) :]
    if left.port != right.port or left.host.lower() != right.host.lower():
        return False
    if canonical(left.user or "") != canonical(right.user or ""):
        return False
    if (left.password is None) != (right.password is None):
        return False
    if canonical(left.password or "") != canonical(right.password or ""):
        return False
    return equal_params(left.params, right.params) and pairs(left.headers, "&") == pairs(right.headers, "&")


def equal_params(a: str, b: str) -> bool:
    """A parameter in both must be the same; in one of them only, it counts if it is one of `DISTINCT`."""
    left, right = folded(a), folded(b)
    for name in left.keys() | right.keys():
        if name in left and name in right:
            if left[name] != right[name]:
                return False
        elif name in DISTINCT:
            return False
    return True


def folded(params: str) -> dict[str, str]:
    """Parameters as section 19.1.4 compares them: without regard to case."""
    return {name: value.lower() for name, value in pairs(params, ";").items()}


def digits(number: str | None) -> str:
    """A telephone number without its visual separators (RFC 3966 section 4)."""
    text = number or ""
    for separator in "-.()":
        text = text.replace(separator, "")
    return text.lower()
