"""The management commands of tm (OpenSIPS manual: tm, exported MI functions)."""

from typing import TYPE_CHECKING, Final

from pysips.core.exports import Json, MiError
from pysips.core.forward import hop_of
from pysips.errors import SipError
from pysips.sip.address import parse_address, parse_addresses
from pysips.sip.headers import (
    CALL_ID,
    CONTACT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CSEQ,
    FROM,
    RECORD_ROUTE,
    TO,
    letter_of,
)
from pysips.sip.message import Message
from pysips.sip.text import number, params_of

from .cancel import GAVE_UP, cancel_branches
from .local import FIRST_CSEQ, Local
from .reasons import reason_of
from .table import Table, Transaction

if TYPE_CHECKING:
    from pysips.core.program import Program

MOST_CSEQ: Final = 2**31 - 1
MOST_SECONDS: Final = 3600.0  # that a request may wait for its final reply


def name_of(transaction: Transaction, slot: int) -> str:
    """$T_id, as `reply` takes it: the worker and the transaction's number, in hexadecimal."""
    return f"{slot:x}:{transaction.id:x}"


def find(table: Table, name: str, slot: int) -> Transaction | None:
    """The transaction of a $T_id, if it is this worker's."""
    for transaction in table.servers.values():
        if name_of(transaction, slot) == name:
            return transaction
    return None


def table_load(table: Table) -> Json:
    """One entry: OpenSIPS lists its buckets, a worker's table has one."""
    current = len(table.servers)
    return [{"index": 0, "Current": current, "Total": table.id_counter}]


def cancel_request(table: Table, call_id: str, cseq: str) -> Json:
    """Cancel the INVITE with that Call-ID and CSeq; raises MiError(404) if there is none."""
    wanted = cseq.split()
    for transaction in table.servers.values():
        message = transaction.message
        same = transaction.invite and message.call_id() == call_id
        if same and (not wanted or str(message.cseq()[0]) == wanted[0]):
            cancel_branches(transaction, GAVE_UP)
            return "OK"
    raise MiError(404, "Transaction not found")


def header_values(headers: str) -> tuple[dict[str, str], str]:
    """From, To, Call-ID and CSeq out of header lines, by letter, and the other lines."""
    known: dict[str, str] = {}
    rest = ""
    for line in headers.replace("\\r\\n", "\n").replace("\r\n", "\n").replace("\\n", "\n").split("\n"):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        letter = letter_of(name)
        if not colon:
            raise MiError(400, "Bad headers")
        if letter in (FROM, TO, CALL_ID, CSEQ):
            known[letter] = value.strip()
        else:
            rest += line.strip() + "\r\n"
    return known, rest


async def send_request(
    local: Local, program: "Program", method: str, uri: str, headers: str, next_hop: str, socket: str, body: str
) -> Json:
    """t_uac_dlg: send a request and wait for its final reply; raises MiError."""
    known, rest = header_values(headers)
    if FROM not in known or TO not in known:
        raise MiError(400, "From missing" if FROM not in known else "To missing")
    letters = {letter_of(line.partition(":")[0]) for line in rest.split("\r\n")}
    if body and CONTENT_TYPE not in letters:
        raise MiError(400, "Content-Type missing")
    if CONTENT_LENGTH in letters:
        raise MiError(400, "Content-Length disallowed")
    words = known.get(CSEQ, f"{FIRST_CSEQ} {method}").split()
    cseq = number(words[0], MOST_CSEQ) if words else None
    if cseq is None:
        raise MiError(400, "Bad CSeq number")
    if words[1:] != [method]:
        raise MiError(400, "CSeq method mismatch")
    own = None
    if socket:
        proto, _, address = socket.partition(":")
        host, _, port = address.rpartition(":")
        own = program.find_socket(proto, host or address, number(port, 65535) or 0)
        if own is None:
            raise MiError(404, "Local socket not found")
    try:
        hop_of(next_hop or uri)
        from_, tag = without_tag(known[FROM])
        promise = local.request(
            method, uri, from_=from_, to=known[TO], headers=rest, body=body, next_hop=next_hop, socket=own,
            call_id=known.get(CALL_ID, ""), cseq=cseq, from_tag=tag,
        )  # fmt: skip
    except (SipError, ValueError) as problem:
        raise MiError(400, f"Bad request: {problem}") from None
    code, reply = await promise
    if reply is None:
        return {"Status": f"{code} {reason_of(code)}"}
    found = {"Status": f"{code} {reply.reason}"}
    return {**found, **(dialog_of(reply) if code < 300 else {}), "Message": reply.text[reply.starts[1] :]}


def dialog_of(reply: Message) -> dict[str, Json]:
    """How later requests of the dialog that a 2xx makes would go (RFC 3261 section 12.1.2)."""
    try:
        contacts = [one.uri for value in reply.values(CONTACT) for one in parse_addresses(value)]
        target = contacts[0] if contacts else parse_address(reply.value(TO) or "").uri
        routes = [one for value in reply.values(RECORD_ROUTE) for one in parse_addresses(value)][::-1]
    except SipError:
        return {}
    found: dict[str, Json] = {"RURI": target, "Next-hop": routes[0].uri if routes else target}
    if routes:
        found["Routes"] = [f"<{one.uri}>" for one in routes]
    return found


def without_tag(value: str) -> tuple[str, str]:
    """A From value without its tag, and the tag ("" without one)."""
    head, angle, params = value.rpartition(">")
    if not angle:
        head, _, params = value.partition(";")
        params = ";" + params if params else ""
    tag = ""
    kept = ""
    for name, one in params_of(params):
        if name.lower() == "tag":
            tag = one or ""
        else:
            kept += ";" + name + ("=" + one if one is not None else "")
    return head + angle + kept, tag
