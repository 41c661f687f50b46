"""Path: through which proxies a registered phone is reached (RFC 3327).

Facts:
- the Path headers of a REGISTER are kept as one Route value; the first must be a loose router;
- all three modes keep it; `path-off` never sends it back, `path-lazy` does where the phone supports it, and
  `path-strict` refuses phones that do not (420);
- `path-received`: the proxy nearest to the phone wrote down in its URI where the phone really is. With two of its own
  headers (`r2`) it is the second.
"""

from typing import Final

from pysips.errors import SipError
from pysips.sip.address import Address, parse_addresses
from pysips.sip.headers import PATH, SUPPORTED
from pysips.sip.message import Message
from pysips.sip.rewrite import is_one_line
from pysips.sip.text import split_list
from pysips.sip.uri import parse_uri, unescaped

from .rules import PATH_RECEIVED, PATH_STRICT, Refused

LONGEST_PATH: Final = 1024


def supports(message: Message, option: str) -> bool:
    """Whether a request's Supported names an option tag (small letters)."""
    for value in message.values(SUPPORTED):
        for tag in split_list(value):
            if tag.lower() == option:
                return True
    return False


def path_of(message: Message, bits: int) -> tuple[str, str]:
    """The Path to keep with the contacts, and the phone's own address if it is in there; raises Refused.

    bits: the flags of save(), one of the three modes among them.
    """
    headers = message.values(PATH)
    if not headers:
        return "", ""
    path = ",".join(headers)
    if len(path) > LONGEST_PATH:
        raise Refused(400, "Path parse error")
    try:
        hops = parse_addresses(path)
        first = parse_uri(hops[0].uri)
        is_loose = first.param("lr") is not None
        received = received_of(hops) if bits & PATH_RECEIVED else ""
    except (SipError, IndexError):
        raise Refused(400, "Path parse error") from None
    if not is_loose or not is_one_line(received):
        raise Refused(400, "Path parse error")
    if bits & PATH_STRICT and not supports(message, "path"):
        raise Refused(420, "No support for found Path indicated", "Unsupported: path\r\n")
    return path, received


def received_of(hops: list[Address]) -> str:
    """Where the phone is, by the proxy nearest to it. Raises SipError(400)."""
    hop = parse_uri(hops[0].uri)
    if hop.param("r2") is not None and len(hops) > 1:
        hop = parse_uri(hops[1].uri)
    return unescaped(hop.param("received") or "")
