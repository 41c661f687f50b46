"""Body parts: looked for, added, taken out (sipmsgops; RFC 2046, RFC 5621).

They work on the body as it will go out, so several of them in a row do what one expects.
"""

from typing import Final

from pysips.core.context import Context
from pysips.core.head_edits import body_now, content_type, set_body, set_content_type
from pysips.core.log import log
from pysips.errors import SipError
from pysips.sip.headers import CONTENT_TYPE
from pysips.sip.parts import Part, joined, mime_of, parts_of
from pysips.sip.rewrite import header_lines, is_one_line

BOUNDARY: Final = "OSS-unique-boundary-42"


def received_parts(ctx: Context) -> list[Part]:
    """The parts of the body as it came; none if it cannot be read."""
    try:
        return parts_of(ctx.message.value(CONTENT_TYPE), ctx.message.body())
    except SipError:
        return []


def parts_now(ctx: Context) -> list[Part]:
    """The parts of the body as it will go out; none if it cannot be read."""
    try:
        return parts_of(content_type(ctx), body_now(ctx))
    except SipError:
        return []


def has(ctx: Context, mime: str) -> int:
    """Whether the body, or a part of it, is of this type; "" for any."""
    if not ctx.message.body():
        return -1
    if not mime or mime_of(ctx.message.value(CONTENT_TYPE)) == mime:
        return 1
    return 1 if any(part.mime == mime for part in received_parts(ctx)) else -1


def add(ctx: Context, content: str, mime: str, headers: str) -> int:
    """Add a part; a body of one part has no boundary, of several it is multipart/mixed."""
    try:
        extra = header_lines(headers) if headers else ""
    except ValueError as problem:
        log.error("sipmsgops:add_body_part", f"refused: {problem}")
        return -1
    if not content or not mime or not is_one_line(mime):
        log.error("sipmsgops:add_body_part", "it takes a text and its type")
        return -1
    parts = parts_now(ctx)
    parts.append(Part(mime_of(mime), f"Content-Type: {mime}\r\n{extra}", content))
    write(ctx, parts)
    return 1


def remove(ctx: Context, mime: str, others: bool) -> int:
    """Take out the parts of a type ("" for all), or all others."""
    parts = parts_now(ctx)
    kept = [part for part in parts if mime and (part.mime == mime) == others]
    if len(kept) == len(parts):
        return -1
    write(ctx, kept)
    return 1


def write(ctx: Context, parts: list[Part]) -> None:
    """Make a body of these parts, with the Content-Type that it needs."""
    if not parts:
        set_content_type(ctx, None)
        set_body(ctx, "")
    elif len(parts) == 1:
        set_body(ctx, parts[0].content)
        set_content_type(ctx, type_line(parts[0]))
    else:
        set_body(ctx, joined(parts, BOUNDARY))
        set_content_type(ctx, "multipart/mixed;boundary=" + BOUNDARY)


def type_line(part: Part) -> str:
    """The value of a part's Content-Type, parameters and all."""
    for line in part.headers.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() in ("content-type", "c"):
            return value.strip()
    return part.mime
