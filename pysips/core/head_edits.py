"""Changing headers and body by position, so that a second change sees the first (OpenSIPS: lumps).

Reads of a message go on seeing what came; these functions are for those that build on an earlier change: what a value
will be when the message goes out, and another value instead of that one.
"""

from collections.abc import Iterable
from typing import Final

from pysips.sip.build import size
from pysips.sip.headers import CONTENT_LENGTH, CONTENT_TYPE, LETTERS, OTHER, SUBJECT, normal
from pysips.sip.message import Message

from .context import Context

LENGTH: Final = "Content-Length: "
TYPE: Final = "Content-Type: "


def lines_of(message: Message, name: str) -> list[int]:
    """The lines of a header as OpenSIPS' functions find them: in all spellings for names that it knows.

    Of a name without a letter, and of Subject, only that very name counts, without regard to case.
    """
    letter = LETTERS.get(normal(name), OTHER)
    kinds = message.kinds
    exact = letter in (OTHER, SUBJECT)
    wanted = name.strip().lower()
    found = []
    k = kinds.find(letter, 1)
    while k > 0:
        if not exact or message.name(k).lower() == wanted:
            found.append(k)
        k = kinds.find(letter, k + 1)
    return found


def header_lines_of(message: Message) -> list[int]:
    """The first line of every header."""
    return [k for k in range(1, len(message.kinds)) if message.kinds[k] != " "]


def remove_headers(ctx: Context, lines: Iterable[int]) -> bool:
    """Take the headers of these lines out; False if there is none that was not taken out before."""
    gone = {(start, end) for start, end, new in ctx.edits.items if not new}
    spans = [span for k in lines if (span := ctx.message.span(k)) not in gone]
    for a, b in spans:
        ctx.edits.remove(a, b)
    return bool(spans)


def values_now(ctx: Context, lines: list[int]) -> list[str | None]:
    """The values of these lines as they will go out; None for a header that was taken out."""
    message = ctx.message
    changed = {(start, end): new for start, end, new in ctx.edits.items}
    found: list[str | None] = []
    for k in lines:
        if changed.get(message.span(k)) == "":
            found.append(None)
        else:
            value = changed.get(message.value_span(k))
            found.append(message.value_at(k) if value is None else value)
    return found


def set_values(ctx: Context, values: dict[int, str | None]) -> None:
    """Give lines other values instead of any given before; None takes the header out."""
    message = ctx.message
    old = {message.value_span(k) for k in values} | {message.span(k) for k in values}
    ctx.edits.items = [one for one in ctx.edits.items if one[:2] not in old]
    for k, value in values.items():
        if value is None:
            ctx.edits.remove(*message.span(k))
        else:
            ctx.edits.replace(*message.value_span(k), value)


def set_single(ctx: Context, letter: str, prefix: str, value: str | None) -> None:
    """Give the header of a letter this value; one that is not there yet goes to the end, None takes it out."""
    message = ctx.message
    k = message.kinds.find(letter, 1)
    if k > 0:
        set_values(ctx, {k: value})
        return
    end = message.starts[-1]
    items = ctx.edits.items
    ctx.edits.items = [one for one in items if one[:2] != (end, end) or not one[2].startswith(prefix)]
    if value is not None:
        ctx.edits.insert(end, prefix + value + "\r\n")


def content_type(ctx: Context) -> str:
    """Content-Type as it will go out; "" for none."""
    message = ctx.message
    k = message.kinds.find(CONTENT_TYPE, 1)
    if k > 0:
        return values_now(ctx, [k])[0] or ""
    for start, _, new in ctx.edits.items:
        if start == message.starts[-1] and new.startswith(TYPE):
            return new[len(TYPE) :].rstrip("\r\n")
    return ""


def body_now(ctx: Context) -> str:
    """The body as it will go out."""
    message = ctx.message
    edits = ctx.edits.copy()
    edits.items = [one for one in edits.items if one[0] >= message.body_at]
    return edits.written(message.text)[message.body_at :]


def set_body(ctx: Context, body: str) -> None:
    """Another body instead of everything done to it before; Content-Length follows."""
    message = ctx.message
    ctx.edits.items = [one for one in ctx.edits.items if one[0] < message.body_at]
    ctx.edits.replace(message.body_at, len(message.text), body)
    settle_length(ctx)


def set_content_type(ctx: Context, value: str | None) -> None:
    """Another Content-Type; None takes it out."""
    set_single(ctx, CONTENT_TYPE, TYPE, value)


def settle_length(ctx: Context) -> None:
    """Content-Length for the body as it will go out; to be called after every edit of the body."""
    set_single(ctx, CONTENT_LENGTH, LENGTH, str(size(body_now(ctx))))
