"""ACK as our own client transactions send it: for negative replies, and for the 2xx to an INVITE of ours."""

from pysips.core.forward import first_uri, hop_of
from pysips.core.services import Peer
from pysips.errors import SipError
from pysips.sip import build
from pysips.sip.headers import CALL_ID, CONTACT, FROM, RECORD_ROUTE, TO
from pysips.sip.message import Message
from pysips.sip.text import split_list

from .table import Client, Transaction


def acknowledge(transaction: Transaction, client: Client, message: Message) -> None:
    """The ACK of a negative reply, which ends here (RFC 3261 section 17.1.1.3)."""
    peer = client.peer
    if peer is None or not client.data:
        return
    extra = transaction.headers + transaction.ctx.program.user_agent_line
    text = build.ack(str(client.data, "utf-8", "surrogateescape"), message, extra)
    transaction.table.services.network.send(text.encode("utf-8", "surrogateescape"), peer)


def acknowledge_success(transaction: Transaction, client: Client, message: Message) -> None:
    """The ACK of a 2xx that nobody above us waits for: to its Contact, along its Record-Route (section 13.2.2.4)."""
    peer = client.peer
    if peer is None:
        return
    request = transaction.message
    uri = first_uri(message.value(CONTACT)) or request.uri
    routes = [route for line in message.values(RECORD_ROUTE) for route in split_list(line)]
    routes.reverse()
    headers = "".join(["Route: " + route + "\r\n" for route in routes])
    headers += transaction.headers + transaction.ctx.program.user_agent_line
    socket = peer.socket
    table = transaction.table
    via = "SIP/2.0/" + socket.proto.upper() + " " + socket.sent_by + ";branch=" + table.next_branch()
    text = build.request(
        "ACK", uri, request.value(FROM), message.value(TO), request.value(CALL_ID), request.cseq()[0], headers, "", via
    )
    target = peer
    try:
        hop = hop_of(first_uri(routes[0]) if routes else uri)
        known = table.services.resolver.known(hop.host, hop.port, hop.proto)
    except SipError:
        known = None
    if known and known[0].proto == socket.proto:
        target = Peer(known[0].proto, known[0].host, known[0].port, socket)
    table.services.network.send(text.encode("utf-8", "surrogateescape"), target)
