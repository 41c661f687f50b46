"""Via: where a message was, and where its reply goes (RFC 3261 sections 18.2 and 20.42, RFC 3581).

Facts:
- several may stand on one line, and blanks around `/` and `:` are legal: `SIP / 2.0 / UDP host : 5060 ;branch=z9hG4bK`;
- the branch of a RFC 3261 element begins with `z9hG4bK` (section 8.1.1.7);
- `rport` without a value asks for the source port (RFC 3581 section 3);
- `received` may carry an IPv6 address with or without brackets (RFC 5118 section 4.5).
"""

from typing import Final, final

from pysips.errors import SipError

from .grammar import is_token
from .text import BLANKS, list_spans, number, param_value
from .uri import HIGHEST_PORT, parse_host

COOKIE: Final = "z9hG4bK"
DEFAULT_PORTS: Final = {"TLS": 5061, "WS": 80, "WSS": 443}  # RFC 3261 section 18.2.2, RFC 7118 section 5; else 5060
RELIABLE: Final = frozenset(("TCP", "TLS", "SCTP", "TLS-SCTP", "WS", "WSS"))


@final
class Via:
    """One Via value.

    protocol   `SIP/2.0`, without the blanks it may have come with
    transport  as written: `UDP`, `TCP`, `TLS`, `WS`, `WSS` …
    host       as written, an IPv6 address with its brackets
    port       None where none is given
    params     what stands behind the first `;`, as written
    """

    __slots__ = ("host", "params", "port", "protocol", "transport")

    def __init__(self, protocol: str, transport: str, host: str, port: int | None, params: str) -> None:
        self.protocol = protocol
        self.transport = transport
        self.host = host
        self.port = port
        self.params = params

    def __str__(self) -> str:
        text = self.protocol + "/" + self.transport + " " + self.host
        if self.port is not None:
            text += ":" + str(self.port)
        return text + ";" + self.params if self.params else text

    def param(self, name: str) -> str | None:
        """The value of parameter `name` (small letters) as written; "" without a value, None if absent.

        Raises SipError(400) if the parameters cannot be read.
        """
        return param_value(self.params, name)

    @property
    def branch(self) -> str:
        """The branch; "" without one."""
        return self.param("branch") or ""

    @property
    def received(self) -> str:
        """The address the message came from, if it is not `host`; "" if it does not say."""
        return self.param("received") or ""

    @property
    def rport(self) -> str | None:
        """None without `rport`, "" if the port is asked for, else the port."""
        return self.param("rport")

    @property
    def maddr(self) -> str:
        """Where the reply is to go whatever else is said; "" without."""
        return self.param("maddr") or ""

    @property
    def is_reliable(self) -> bool:
        """True for a transport that repeats by itself what was lost."""
        return self.transport.upper() in RELIABLE

    @property
    def default_port(self) -> int:
        """The port of the transport where none is given."""
        return DEFAULT_PORTS.get(self.transport.upper(), 5060)


@final
class ViaFacts:
    """What replies need to know of a Via, whatever its branch is.

    sent_by  host and port as written, without blanks: what names the client beside the branch (section 17.2.3)
    host     as sockets want it; port: as written, or the default
    plain    no `rport`, `received` or `maddr` in it: the reply goes to host and port, and so it is told already
    asks     a bare `;rport`, as phones send it, and neither `received` nor `maddr`
    """

    __slots__ = ("asks", "host", "plain", "port", "sent_by")

    def __init__(self, via: Via) -> None:
        self.sent_by: str = via.host if via.port is None else via.host + ":" + str(via.port)
        self.host: str = bare(via.host)
        self.port: int = via.port or via.default_port
        params = ";" + via.params.lower()
        told = "received" in params or "maddr" in params
        self.plain: bool = "rport" not in params and not told
        self.asks: bool = params.count("rport") == 1 and "rport" in via.params.split(";") and not told


def parse_via(text: str) -> Via:
    """The one Via value in `text`. Raises SipError(400)."""
    head, _, params = text.partition(";")
    parts = head.split("/", 2)
    if len(parts) < 3:
        raise SipError(400, "Bad Via")
    rest = parts[2].strip(BLANKS)
    at = 0
    while at < len(rest) and rest[at] not in BLANKS:
        at += 1
    transport = rest[:at]
    protocol = parts[0].strip(BLANKS)
    version = parts[1].strip(BLANKS)
    if not is_token(transport) or not is_token(protocol) or not is_token(version):
        raise SipError(400, "Bad Via")
    sent_by = rest[at:].strip(BLANKS)
    if " " in sent_by or "\t" in sent_by or "\n" in sent_by:
        sent_by = joined(sent_by)
    try:
        host, port = parse_host(sent_by, 0, len(sent_by))
    except SipError:
        raise SipError(400, "Bad Via") from None
    return Via(protocol + "/" + version, transport, host, port, params.strip(BLANKS))


def joined(sent_by: str) -> str:
    """`host : port` without the blanks around the last colon."""
    host, colon, port = sent_by.rpartition(":")
    return host.rstrip(BLANKS) + colon + port.lstrip(BLANKS)


def parse_vias(text: str) -> list[Via]:
    """The Via values of one header line. Raises SipError(400)."""
    return [parse_via(text[a:b]) for a, b in list_spans(text, 0, len(text), False)]


def bare(host: str) -> str:
    """A host as sockets want it: an IPv6 address without brackets."""
    return host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host


def bracketed(host: str) -> str:
    """A host as SIP writes it: an IPv6 address with brackets."""
    return "[" + host + "]" if ":" in host and host[:1] != "[" else host


def reply_to(via: Via, source: tuple[str, int] | None = None) -> tuple[str, int]:
    """Host (IPv6 without brackets) and port for a reply, by section 18.2.2 and RFC 3581 section 4.

    source: where the request came from, for a reply of our own. None for a reply that is passed on: there the
    parameters that the Via got on its way say it. Raises SipError(400) for an rport that is no port.
    """
    rport = via.rport
    port = via.port or via.default_port
    maddr = via.maddr
    if maddr:
        return bare(maddr), port
    if source is not None:
        return bare(source[0]), source[1] if rport is not None else port
    if rport:
        value = number(rport, HIGHEST_PORT)
        if not value:
            raise SipError(400, "Bad rport")
        port = value
    return bare(via.received or via.host), port
