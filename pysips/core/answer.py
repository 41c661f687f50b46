"""Replies made here: what they say, and where they go (RFC 3261 sections 8.2.6 and 18.2.2, RFC 3581).

A reply's text has OpenSIPS' own shape (Via, Record-Route where a dialog starts, To, From, Call-ID, CSeq, then ours).
"""

from typing import Final

from pysips.errors import SipError
from pysips.sip.build import reply, via_marks
from pysips.sip.edits import Edit
from pysips.sip.message import Message
from pysips.sip.via import bare

from .context import FORCE_RPORT, REPLY_TO_VIA, Context
from .services import RELIABLE, UDP, Peer

DEFAULT_PORT: Final = 5060
POSITIVE: Final = 2**62 - 1


def says_source(ctx: Context) -> bool:
    """A quick proof that the top Via names the very address and port that the request came from, and asks nothing."""
    facts = ctx.message.via
    source = ctx.source
    return (
        facts is not None and facts.plain and facts.port == source.port and facts.host == source.host
        and not ctx.via_flags & FORCE_RPORT
    )  # fmt: skip


def source_marks(ctx: Context) -> list[Edit]:
    """The edits by which the top Via of `ctx.message` learns where it came from (`received`, `rport`)."""
    source = ctx.source
    return via_marks(ctx.message, source.host, source.port, ctx.via_flags & FORCE_RPORT != 0)


def reply_peer(ctx: Context) -> Peer:
    """Where a reply to the request `ctx.message` goes."""
    source = ctx.source
    facts = ctx.message.via
    if source.proto in RELIABLE:
        return over_connection(ctx.message, source)
    if facts is not None and (facts.asks or (facts.port == source.port and facts.host == source.host)):
        return source
    if names_source(ctx.message, source):
        return source
    via = ctx.message.top_via()
    if via.rport is not None or ctx.via_flags & FORCE_RPORT:
        return source
    if ctx.via_flags & REPLY_TO_VIA and is_numeric(via.host):
        return Peer(UDP, bare(via.host), via.port or DEFAULT_PORT, source.socket)
    port = via.port or DEFAULT_PORT
    return source if port == source.port else Peer(UDP, source.host, port, source.socket)


def over_connection(message: Message, source: Peer) -> Peer:
    """The connection of the request; where that is gone by then, the port of the top Via at the same address.

    The port that a connection came from takes none itself, and `rport` speaks of datagrams only.
    """
    facts = message.via
    if facts is not None:
        port = facts.port
    else:
        try:
            via = message.top_via()
        except SipError:
            return source
        port = via.port or via.default_port
    return source if port == source.port else Peer(source.proto, source.host, port, source.socket, source.connection)


def names_source(message: Message, source: Peer) -> bool:
    """A quick proof that the top Via names the very address and port that the request came from."""
    text = message.text
    k = message.kinds.find("V", 1)
    if k < 0:
        return False
    a = message.starts[k]
    b = text.find(";", a, message.starts[k + 1])
    return b > 0 and text.endswith(" " + source.host + ":" + str(source.port), a, b)


def is_numeric(host: str) -> bool:
    """Whether a Via's host is an address (nobody is asked for a name to send a reply)."""
    return host.startswith("[") or (host.replace(".", "").isascii() and host.replace(".", "").isdigit())


def local_tag(ctx: Context) -> str:
    """The To tag of replies made here: one for each request, the same for its retransmissions in every process.

    Python's hash of a text is keyed (SipHash), and all processes have their key from the supervisor.
    """
    tag = ctx.to_tag
    if not tag:
        message = ctx.message
        match = message.match
        named = message.branch() + message.call_id() if match is None else match["branch"] + match["call_id"]
        tag = ctx.to_tag = ctx.program.tag_prefix + str(hash(named))
    return tag


def reply_text(
    ctx: Context, code: int, reason: str, to_tag: str = "", headers: str = "", body: str = "", told: bool = False
) -> str:
    """A reply to the request `ctx.message`. headers: whole lines, each with its CRLF; those of a body among them.

    to_tag: "" makes none for 100, and `local_tag` for others; told: `says_source(ctx)`, where that is known.
    """
    program = ctx.program
    if code > 100 and not to_tag:
        to_tag = ctx.to_tag or local_tag(ctx)
    extra = headers + ctx.reply_headers + program.server_line
    after = warning(ctx) if program.sip_warning and code >= 300 else ""
    marks = None if told or says_source(ctx) else source_marks(ctx)
    return reply(ctx.message, code, reason, to_tag, extra, body or ctx.reply_body, marks, after)


def warning(ctx: Context) -> str:
    """The Warning line of `sip_warning=yes` (RFC 3261 section 20.43: who refused what, for people)."""
    message = ctx.message
    source = ctx.source
    return (
        "Warning: 392 " + source.socket.sent_by + ' "Noisy feedback tells: pid=' + str(ctx.program.pid)
        + " req_src_ip=" + source.host + " req_src_port=" + str(source.port) + " in_uri=" + message.uri
        + " out_uri=" + ctx.request_uri() + " via_cnt==" + str(message.kinds.count("V")) + '"\r\n'
    )  # fmt: skip


def send_reply(ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
    """Answer statelessly: 1, or -1 when it could not be sent. An ACK is never answered (-1)."""
    if ctx.message.method == "ACK":
        return -1
    told = says_source(ctx)
    data = reply_text(ctx, code, reason, "", headers, body, told).encode("utf-8", "surrogateescape")
    peer = ctx.source if told else reply_peer(ctx)
    return 1 if ctx.services.network.send(data, peer) >= 0 else -1
