"""Requests and replies for tests, one line each."""

from pysips.sip import build
from pysips.sip.message import Message, read


def request(
    method: str, uri: str = "sip:bob@example.com", *, via: str = "10.0.0.1:5060", branch: str = "z9hG4bK-1",
    transport: str = "UDP", from_: str = "<sip:alice@example.com>;tag=a", to: str = "<sip:bob@example.com>",
    call_id: str = "call-1", cseq: int = 1, headers: str = "", body: str = "",
) -> str:  # fmt: skip
    """A request; `headers` are whole lines, put in before Content-Length."""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {via};branch={branch}\r\nMax-Forwards: 70\r\n"
        f"From: {from_}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{headers}"
        f"Content-Length: {build.size(body)}\r\n\r\n{body}"
    )


def invite(uri: str = "sip:bob@example.com", **facts: str) -> str:
    """An INVITE with a Contact."""
    facts["headers"] = facts.get("headers", "") + "Contact: <sip:alice@10.0.0.1>\r\n"
    return request("INVITE", uri, **facts)  # type: ignore[arg-type]


def answer(
    asked: Message | str, status: int, reason: str = "", tag: str = "b", headers: str = "", body: str = ""
) -> str:
    """A reply to a request, as the one who got it gives it."""
    return build.reply(parsed(asked), status, reason or REASONS.get(status, "Reason"), tag, headers, body)


def cancel(asked: Message | str, headers: str = "") -> str:
    """The CANCEL of a request."""
    return build.cancel(parsed(asked).text, headers)


def ack(asked: Message | str, answered: Message | str) -> str:
    """The ACK of a negative reply."""
    return build.ack(parsed(asked).text, parsed(answered))


def parsed(text: Message | str) -> Message:
    return text if isinstance(text, Message) else read(text.encode("utf-8", "surrogateescape"))


REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 302: "Moved Temporarily",
    401: "Unauthorized", 404: "Not Found", 407: "Proxy Authentication Required", 408: "Request Timeout",
    480: "Temporarily Unavailable", 486: "Busy Here", 487: "Request Terminated", 500: "Server Internal Error",
    503: "Service Unavailable", 603: "Decline",
}  # fmt: skip
