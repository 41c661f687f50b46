"""What is written into messages: the headers of a registrar's reply, and the socket for the registrar behind us."""

from pysips.core.context import Context
from pysips.core.log import log
from pysips.sip.grammar import is_token

from .rules import Rules
from .save import Saved


def headers(saved: Saved, rules: Rules) -> str:
    """The lines of a reply: what is registered, and what was wrong."""
    if not saved.info:
        return saved.headers
    text = saved.headers + "P-Registrar-Error: " + saved.info + "\r\n"
    if rules.retry_after and 500 <= saved.status < 600:
        text += "Retry-After: " + str(rules.retry_after) + "\r\n"
    return text


def add_socket_header(ctx: Context, name: str) -> int:
    """Add `name: udp:10.0.0.1:5060` as the last header; -1 for a name that is none."""
    if not is_token(name):
        log.error("registrar", f'add_sock_hdr: "{name}" is no header name')
        return -1
    socket = ctx.source.socket
    shown = socket.proto + ":" + socket.sent_by
    ctx.edits.insert(ctx.message.starts[-1], name + ": " + shown + "\r\n")
    return 1
