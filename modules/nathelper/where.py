"""nat_uac_test: does a message look as if its sender sits behind a NAT (OpenSIPS manual: nathelper)."""

from ipaddress import IPv4Address, IPv4Network
from typing import Final

from pysips.core.context import Context
from pysips.core.services import DEFAULT_PORTS
from pysips.errors import SipError
from pysips.sip.address import Address, parse_addresses
from pysips.sip.headers import CONTACT, CONTENT_TYPE
from pysips.sip.parts import SDP, parts_of
from pysips.sip.uri import Uri, parse_uri

PRIVATE_CONTACT: Final = 1
OTHER_IP_IN_VIA: Final = 2
PRIVATE_VIA: Final = 4
PRIVATE_SDP: Final = 8
OTHER_PORT_IN_VIA: Final = 16
OTHER_IP_IN_CONTACT: Final = 32
OTHER_PORT_IN_CONTACT: Final = 64
CARRIER_GRADE: Final = 128  # the tests for private addresses look for DS-Lite's, too
WORDS: Final = {
    "private-contact": PRIVATE_CONTACT, "diff-ip-src-via": OTHER_IP_IN_VIA, "private-via": PRIVATE_VIA,
    "private-sdp": PRIVATE_SDP, "diff-port-src-via": OTHER_PORT_IN_VIA, "diff-ip-src-contact": OTHER_IP_IN_CONTACT,
    "diff-port-src-contact": OTHER_PORT_IN_CONTACT, "carrier-grade-nat": CARRIER_GRADE,
}  # fmt: skip
# RFC 1918, loopback, and RFC 6598.
PRIVATE: Final = tuple(
    IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10")
)
DS_LITE: Final = IPv4Network("192.0.0.0/29")  # RFC 6333 section 5.7


def is_private(host: str, tests: int) -> bool:
    """Whether a host is an IPv4 address that is not routed on the Internet."""
    try:
        address = IPv4Address(host)
    except ValueError:
        return False
    if tests & CARRIER_GRADE and address in DS_LITE:
        return True
    return any(address in net for net in PRIVATE)


def contacts_of(ctx: Context) -> list[tuple[int, Address, Uri]]:
    """The contacts of the message: their lines, themselves with places in that line's value, their URIs.

    What cannot be read is left out.
    """
    message = ctx.message
    found = []
    k = message.kinds.find(CONTACT, 1)
    while k > 0:
        a, b = message.value_span(k)
        try:
            for one in parse_addresses(message.text[a:b]):
                if not one.is_star:
                    found.append((k, one, parse_uri(one.uri)))
        except SipError:
            pass  # such a Contact says nothing of where its sender is
        k = message.kinds.find(CONTACT, k + 1)
    return [one for one in found if one[2].is_sip]


def port_of(uri: Uri) -> int:
    """The port that a URI means."""
    if uri.port is not None:
        return uri.port
    return 5061 if uri.scheme == "sips" else DEFAULT_PORTS.get(uri.transport, 5060)


def looks_hidden(ctx: Context, tests: int) -> bool:
    """Whether one of the tests finds something."""
    source = ctx.source
    via = ctx.message.top_via()
    if tests & OTHER_PORT_IN_VIA and (via.port or 5060) != source.port:
        return True
    if tests & OTHER_IP_IN_VIA and via.host.strip("[]").lower() != source.host:
        return True
    if tests & PRIVATE_VIA and is_private(via.host, tests):
        return True
    if tests & PRIVATE_SDP and has_private_media(ctx, tests):
        return True
    if not tests & (PRIVATE_CONTACT | OTHER_IP_IN_CONTACT | OTHER_PORT_IN_CONTACT):
        return False
    uris = [uri for _, _, uri in contacts_of(ctx)]
    if tests & PRIVATE_CONTACT and any(is_private(uri.host, tests) for uri in uris):
        return True
    if tests & OTHER_IP_IN_CONTACT and any(uri.host.strip("[]").lower() != source.host for uri in uris):
        return True
    return bool(tests & OTHER_PORT_IN_CONTACT) and any(port_of(uri) != source.port for uri in uris)


def has_private_media(ctx: Context, tests: int) -> bool:
    """Whether the first `c=` line of a session description has a private address."""
    try:
        parts = parts_of(ctx.message.value(CONTENT_TYPE), ctx.message.body())
    except SipError:
        return False
    for part in parts:
        if part.mime == SDP:
            for line in part.content.splitlines():
                if line.startswith("c="):
                    if is_private(line.split()[-1].partition("/")[0], tests):
                        return True
                    break
    return False
