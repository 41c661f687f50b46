"""What nathelper changes of a message: contacts, session descriptions, the Request-URI (OpenSIPS manual: nathelper)."""

import binascii
from base64 import b64decode, b64encode
from typing import Final

from pysips.core.context import Context
from pysips.core.head_edits import settle_length
from pysips.core.log import log
from pysips.core.services import UDP
from pysips.errors import SipError
from pysips.sip.headers import CONTENT_TYPE
from pysips.sip.parts import SDP, parts_of
from pysips.sip.rewrite import is_one_line
from pysips.sip.uri import Uri, is_plain, parse_host, parse_uri
from pysips.sip.via import bracketed

from .where import contacts_of

ACTIVE: Final = 1
MEDIA: Final = 2
NO_PROXY: Final = 4
ORIGIN: Final = 8
NULLS: Final = 16
WORDS: Final = {
    "add-dir-active": ACTIVE, "rewrite-media-ip": MEDIA, "add-no-rtpproxy": NO_PROXY, "rewrite-origin-ip": ORIGIN,
    "rewrite-null-ips": NULLS,
}  # fmt: skip
PRESERVE: Final = "org"  # the URI parameter that keeps what a contact was


def source_uri(ctx: Context) -> str:
    """Where the message came from, as a URI."""
    source = ctx.source
    uri = "sip:" + bracketed(source.host) + ":" + str(source.port)
    return uri if source.proto == UDP else uri + ";transport=" + source.proto


def fix_contacts(ctx: Context, params: str, preserve: bool) -> int:
    """Give every contact the address that the message came from: 1, or -1 if that was done before, or cannot be."""
    if params and (not is_plain(params) or "?" in params or not params.startswith(";")):
        log.error("nathelper:fix_nated_contact", f"refused as parameters: {params}")
        return -1
    earlier = list(ctx.edits.items)
    for k, contact, uri in contacts_of(ctx):
        a = ctx.message.value_span(k)[0] + contact.uri_a
        b = a + len(contact.uri)
        if any(start < b and end > a for start, end, _ in earlier):
            return -1
        new = fixed(ctx, uri, params, preserve)
        enclose = params or preserve
        ctx.edits.replace(a, b, "<" + new + ">" if enclose and not contact.bracketed else new)
    return 1


def fixed(ctx: Context, uri: Uri, params: str, preserve: bool) -> str:
    """A contact's URI at the source's address; its maddr goes, more parameters stand before its own."""
    kept = uri.without_param("maddr").params if uri.params else ""
    more = params
    if preserve:
        place = uri.host + (":" + str(uri.port) if uri.port is not None else "")
        more += ";" + PRESERVE + "=" + b64encode(place.encode()).decode()
    joined = (more + (";" + kept if kept else "")).removeprefix(";")
    return uri.rebuilt(uri.user, uri.password, bracketed(ctx.source.host), ctx.source.port, joined).text


def restore_request_uri(ctx: Context) -> int:
    """The other way round: the Request-URI gets the address kept in it, and what it was becomes the next hop."""
    try:
        uri = parse_uri(ctx.request_uri())
        kept = uri.param(PRESERVE)
        if not kept:
            return -1
        place = b64decode(kept, validate=True).decode("ascii")
        host, port = parse_host(place, 0, len(place))
        plain = uri.without_param(PRESERVE)
        restored = plain.rebuilt(plain.user, plain.password, host, port, plain.params)
    except (SipError, binascii.Error, UnicodeDecodeError):
        log.error("nathelper:restore_nated_ruri", f"no address is kept in {ctx.request_uri()}")
        return -1
    ctx.dst = plain.text
    ctx.set_uri(restored.text)
    return 1


def add_received(ctx: Context, in_uri: bool) -> int:
    """Put a parameter `received` with the source's URI into every contact: into the header, or into the URI."""
    where = source_uri(ctx)
    found = contacts_of(ctx)
    for k, contact, uri in found:
        at = ctx.message.value_span(k)[0]
        if in_uri and contact.bracketed:
            end = at + contact.uri_a + len(contact.uri)
            if uri.headers:
                end -= len(uri.headers) + 1
            ctx.edits.insert(end, ";received=" + where.replace(";", "%3B").replace("=", "%3D"))
        else:
            ctx.edits.insert(at + contact.end, ';received="' + where + '"')
    return 1 if found else -1


def fix_sdp(ctx: Context, tasks: int, address: str, lines: str, no_proxy: str, skipped: str) -> int:
    """Rewrite addresses in every session description that came, and add lines at its end: 1, or -1 if there is none.

    address: instead of the source's; skipped: of "c" and "o", whose old addresses are not kept in a line.
    """
    message = ctx.message
    try:
        parts = parts_of(message.value(CONTENT_TYPE), message.body())
    except SipError:
        return -1
    done = False
    for part in parts:
        if part.mime == SDP and part.content.strip():
            a = message.body_at + part.a
            if not fix_description(ctx, a, part.content, tasks, address, lines, no_proxy, skipped):
                return -1
            done = True
    if done:
        settle_length(ctx)
    return 1 if done else -1


def fix_description(
    ctx: Context, a: int, text: str, tasks: int, address: str, lines: str, no_proxy: str, skipped: str
) -> bool:
    """One description, which begins at `a`; False if an address that should be rewritten is not there."""
    added = ["a=direction:active"] if tasks & ACTIVE else []
    if tasks & NO_PROXY and no_proxy:
        added.append(no_proxy)
    new = address or ctx.source.host
    for task, letter in ((ORIGIN, "o"), (MEDIA, "c")):
        if not tasks & task:
            continue
        spans = addresses_in(text, letter)
        if not spans:
            return False
        for start, end in spans:
            old = text[start:end]
            if old == new or (old in ("0.0.0.0", "::") and not tasks & NULLS):
                continue
            ctx.edits.replace(a + start, a + end, new)
            if letter not in skipped:
                added.append(f"a=old{letter}ip{'6' if ':' in old else ''}:{old}")
    end = a + len(text.rstrip())
    if added:
        ctx.edits.insert(end, "".join("\r\n" + line for line in added))
    if lines and tasks & (ACTIVE | NO_PROXY):
        ctx.edits.insert(end, lines)
    return True


def addresses_in(text: str, letter: str) -> list[tuple[int, int]]:
    """Where the addresses stand in the `c=` or `o=` lines; a suffix as in 224.2.1.1/127 is no part of them."""
    found = []
    at = 0
    for line in text.splitlines(keepends=True):
        words = line.rstrip().rpartition(" ")
        if line.startswith(letter + "=") and words[1] and "IN IP" in line:
            start = at + len(words[0]) + 1
            found.append((start, start + len(words[2].partition("/")[0])))
        at += len(line)
    return found


def is_sdp_lines(text: str) -> bool:
    """Whether a text is lines of a session description, `\\r\\na=x`."""
    return all(not line or (line[1:2] == "=" and is_one_line(line)) for line in text.replace("\r\n", "\n").split("\n"))
