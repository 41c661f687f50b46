"""What a script writes into a message: other parts into a URI, whole header lines. Text in, text out.

Facts:
- a URI is taken apart at its first `@` (user parts must escape theirs, RFC 3261 section 25.1), and what is not
  replaced stays as it was written;
- a URI without a host (`tel:`) has none of these parts: ValueError;
- nothing that a script takes from a peer may begin a header line of its own, so text with line ends, or with other
  control characters, is refused wherever a single line is wanted.
"""

from typing import Final, final

from .headers import is_legal
from .text import params_of

CONTROL: Final = "".join([chr(_n) for _n in range(32) if _n != 9]) + "\x7f"
CUT: Final = str.maketrans("", "", CONTROL)


def is_one_line(text: str) -> bool:
    """True for a text that can stand in a line without beginning another one."""
    return text.isprintable() or text.translate(CUT) == text


@final
class Parts:
    """A SIP URI taken apart. user, password: None if there is none; port: as written, "" without; rest: parameters and
    headers as written, with their `;` and `?`."""

    __slots__ = ("host", "password", "port", "rest", "scheme", "user")

    def __init__(self, scheme: str, user: str | None, password: str | None, host: str, port: str, rest: str) -> None:
        self.scheme: str = scheme
        self.user: str | None = user
        self.password: str | None = password
        self.host: str = host
        self.port: str = port
        self.rest: str = rest

    def written(self) -> str:
        """The URI put together again; an empty user goes, and its password with it."""
        out = self.scheme + ":"
        if self.user:
            out += self.user
            if self.password is not None:
                out += ":" + self.password
            out += "@"
        out += self.host
        if self.port:
            out += ":" + self.port
        return out + self.rest


def parts_of(uri: str) -> Parts:
    """Take a URI apart. Raises ValueError for one without scheme or host."""
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() not in ("sip", "sips"):
        raise ValueError("no SIP URI")
    user: str | None = None
    password: str | None = None
    at = rest.find("@")
    if at >= 0:
        user, colon, secret = rest[:at].partition(":")
        password = secret if colon else None
        rest = rest[at + 1 :]
    end = len(rest)
    for mark in ";?":
        found = rest.find(mark, 0, end)
        if found >= 0:
            end = found
    place = rest[:end]
    host_end = place.find("]") + 1 if place.startswith("[") else place.find(":")
    host, port = (place, "") if host_end < 0 else (place[:host_end], place[host_end:].removeprefix(":"))
    if not host:
        raise ValueError("no host")
    return Parts(scheme, user, password, host, port, rest[end:])


def with_user(uri: str, user: str) -> str:
    """Another user; the password stays. No user: nothing before the host."""
    parts = parts_of(uri)
    parts.user = user
    return parts.written()


def with_user_and_password(uri: str, both: str) -> str:
    """Another `user[:password]`."""
    parts = parts_of(uri)
    user, colon, password = both.partition(":")
    parts.user, parts.password = user, password if colon else None
    return parts.written()


def with_host(uri: str, host: str) -> str:
    """Another host; the port stays, a maddr parameter goes."""
    parts = parts_of(uri)
    parts.host = host
    parts.rest = without_param(parts.rest, "maddr")
    return parts.written()


def with_host_and_port(uri: str, place: str) -> str:
    """Another `host[:port]`; a maddr parameter goes."""
    fresh = parts_of("sip:" + place)
    parts = parts_of(uri)
    parts.host, parts.port = fresh.host, fresh.port
    parts.rest = without_param(parts.rest, "maddr")
    return parts.written()


def with_port(uri: str, port: str) -> str:
    """Another port; "" takes it away."""
    parts = parts_of(uri)
    parts.port = port
    return parts.written()


def with_param(uri: str, param: str) -> str:
    """`param` ("name" or "name=value") behind the URI's parameters."""
    parts = parts_of(uri)
    params, mark, headers = parts.rest.partition("?")
    parts.rest = params + ";" + param + mark + headers
    return parts.written()


def uri_without_param(uri: str, name: str) -> str:
    """The URI without every parameter of that name."""
    parts = parts_of(uri)
    parts.rest = without_param(parts.rest, name.lower())
    return parts.written()


def without_param(rest: str, name: str) -> str:
    """`;a=1;b?headers` without the parameter `name` (small letters)."""
    params, mark, headers = rest.partition("?")
    kept = [(each, value) for each, value in params_of(params) if each.lower() != name]
    return "".join([";" + each if value is None else ";" + each + "=" + value for each, value in kept]) + mark + headers


def header_lines(text: str) -> str:
    """Header lines as a script gives them, made fit to be put in: each with its CRLF, folds kept.

    Raises ValueError for an empty line (it would end the head) and for a line that is no header.
    """
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    for line in lines:
        if not is_one_line(line):
            raise ValueError("a control character in a header")
        if line[:1] in (" ", "\t") and line.strip(" \t") and line is not lines[0]:
            continue
        if not is_legal(line):
            raise ValueError("no header line: " + line[:60])
    return "\r\n".join(lines) + "\r\n"
