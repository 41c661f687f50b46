"""$rb $cT: the body, the parts of a multipart body, and their types (RFC 2046)."""

from typing import Final

from pysips.errors import BadName, SipError
from pysips.script.catalogue import Ctx, Getter, Index, Inner, VariableSpec
from pysips.script.values import Value
from pysips.sip.headers import CONTENT_TYPE
from pysips.sip.parts import Part, parts_of

from .variable_binding import MODULE, at_index, text_name, unreadable

MOST_TYPES: Final = 1023  # bytes of $(cT[*])


def carried(ctx: Ctx) -> list[Part]:
    """The parts of a message's body; a body that is not multipart is its one part."""
    message = ctx.message
    try:
        return parts_of(message.value(CONTENT_TYPE), message.body())
    except SipError:
        unreadable(ctx, "Content-Type")
        return []


def whole_body(ctx: Ctx) -> Value:
    """$rb"""
    return ctx.message.body() or None


def read_body(inner: Inner, index: Index) -> Getter:
    """$rb, $rb(mime), $(rb[i]), $(rb(mime)[i])"""
    if inner is None:
        if index is None or index == "*":
            return whole_body
        return at_index(index, lambda ctx: [part.content for part in carried(ctx)])
    wanted = text_name("rb", inner).strip().lower()
    if "/" not in wanted:
        raise BadName(f"$rb({inner}): a MIME type is needed, such as application/sdp")

    def bodies(ctx: Ctx) -> list[str]:
        return [part.content for part in carried(ctx) if part.mime == wanted]

    return at_index(None if index == "*" else index, bodies)


def main_type(ctx: Ctx) -> Value:
    """$cT"""
    return ctx.message.value(CONTENT_TYPE) or None


def all_types(ctx: Ctx) -> Value:
    """$(cT[*]): the header, and the types of the parts"""
    main = ctx.message.value(CONTENT_TYPE)
    found = [part.mime for part in carried(ctx)]
    if not main or not found:
        return None
    made = ",".join([main, *found])
    return made if len(made) <= MOST_TYPES else None


def read_type(inner: Inner, index: Index) -> Getter:
    if index is None:
        return main_type
    if index == "*":
        return all_types
    return at_index(index, lambda ctx: [part.mime for part in carried(ctx)])


def body_variables() -> list[VariableSpec]:
    return [
        VariableSpec("rb", MODULE, read_body, None, "optional", index=True, help="The body, or a part of it."),
        VariableSpec("cT", MODULE, read_type, None, index=True, help="The Content-Type, or that of a part."),
    ]
