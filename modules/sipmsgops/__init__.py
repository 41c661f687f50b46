"""sipmsgops: a message's headers, body, codecs and Request-URI, looked at and changed (OpenSIPS manual: sipmsgops).

Changes take effect when the message is sent; reads go on seeing what came, save where a function says otherwise.
"""

import json
from email.utils import formatdate
from typing import Annotated, NewType

from pysips.core.context import Context
from pysips.core.exports import BadRegex, Module, Regex, Route, Var, compile_ere, function
from pysips.core.head_edits import body_now, header_lines_of, lines_of
from pysips.core.log import log
from pysips.sip.headers import is_legal
from pysips.sip.parts import mime_of
from pysips.sip.rewrite import header_lines, is_one_line

from . import bodies, codecs, headers, request_uri, validate

ALL = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH | Route.LOCAL
NOT_LOCAL = Route.REQUEST | Route.FAILURE | Route.REPLY | Route.BRANCH
REQUESTS = Route.REQUEST | Route.FAILURE | Route.BRANCH | Route.LOCAL
REPLYING = Route.REQUEST | Route.FAILURE | Route.BRANCH | Route.ERROR
PRIVACY = ("critical", "header", "history", "id", "none", "session", "user")

Methods = NewType("Methods", frozenset[str])
Mime = NewType("Mime", str)


def methods(text: str) -> Methods:
    """`INVITE|BYE` as a set, in capitals."""
    return Methods(frozenset(word.strip().upper() for word in text.split("|") if word.strip()))


def mime(text: str) -> Mime:
    """A content type `type/subtype` in small letters; raises ValueError for anything else."""
    found = mime_of(text)
    if text and found.count("/") != 1:
        raise ValueError(f'"{text}" is no content type: type/subtype')
    return Mime(found)


def privacy(text: str) -> str:
    """A value of Privacy (RFC 3323 section 4.2, RFC 3325, RFC 4244) in small letters; raises ValueError."""
    if text.lower() not in PRIVACY:
        raise ValueError(f'"{text}" is no privacy value: one of {", ".join(PRIVACY)}')
    return text.lower()


class SipMsgOps(Module):
    # -- headers

    @function("append_hf", routes=ALL)
    def append_header(self, ctx: Context, text: str, after: str = "") -> int:
        """Put header lines behind the last header, or behind the first one of a name."""
        return headers.put(ctx, text, after, after=True)

    @function("insert_hf", routes=ALL)
    def insert_header(self, ctx: Context, text: str, before: str = "") -> int:
        """Put header lines before the first header, or before the first one of a name."""
        return headers.put(ctx, text, before, after=False)

    @function("append_urihf", routes=Route.REQUEST | Route.FAILURE | Route.BRANCH)
    def append_uri_header(self, ctx: Context, prefix: str, suffix: str) -> int:
        """Put a header line that has the received Request-URI in it behind the last header."""
        return headers.put(ctx, prefix + ctx.message.uri + suffix, "", after=True)

    @function("remove_hf", routes=ALL)
    def remove_header(self, ctx: Context, name: str, flags: str = "") -> int:
        """Take out every header of a name; -1 if there is none. 2.4's flags: "g" a shell pattern, "r" an expression."""
        if flags == "g":
            return self.remove_header_glob(ctx, name)
        if flags == "r":
            try:
                return headers.remove_all(ctx, headers.matching(ctx, compile_ere(name).matches))
            except BadRegex:
                return -1
        return headers.remove_all(ctx, lines_of(ctx.message, name))

    @function("remove_hf_re", routes=ALL)
    def remove_header_re(self, ctx: Context, names: Regex) -> int:
        """Take out the headers whose names match."""
        return headers.remove_all(ctx, headers.matching(ctx, names.matches))

    @function("remove_hf_glob", routes=ALL)
    def remove_header_glob(self, ctx: Context, pattern: str) -> int:
        """Take out the headers whose names are like a shell pattern; case counts."""
        try:
            return headers.remove_all(ctx, headers.matching(ctx, headers.glob(pattern)))
        except ValueError:
            return -1

    @function("get_glob_headers_values", routes=ALL)
    def glob_values(self, ctx: Context, pattern: str, names: Var, values: Var) -> int:
        """Names and values of the headers whose names are like a shell pattern, into two AVPs."""
        try:
            found = headers.matching(ctx, headers.glob(pattern))
        except ValueError:
            return -1
        for k in found:
            if names.set(ctx, ctx.message.name(k)) < 0 or values.set(ctx, ctx.message.value_at(k)) < 0:
                return -1
        return 1 if found else -1

    @function("is_present_hf", routes=ALL)
    def is_present(self, ctx: Context, name: str) -> int:
        """Whether a header came."""
        return 1 if lines_of(ctx.message, name) else -1

    @function("list_hdr_has_option", routes=ALL)
    def has_option(self, ctx: Context, header: str, option: str) -> int:
        """Whether a header's list has an element."""
        return headers.has_option(ctx, header, option)

    @function("list_hdr_add_option", routes=ALL)
    def add_option(self, ctx: Context, header: str, option: str) -> int:
        """Put an element into a header's list, unless it is there."""
        return headers.add_option(ctx, header, option)

    @function("list_hdr_remove_option", routes=ALL)
    def remove_option(self, ctx: Context, header: str, option: str) -> int:
        """Take an element out of a header's list."""
        return headers.remove_option(ctx, header, option)

    @function("is_privacy", routes=ALL)
    def is_privacy(self, ctx: Context, value: Annotated[str, privacy]) -> int:
        """Whether Privacy has a value (RFC 3323)."""
        found = ctx.message.header("privacy")
        wanted = found is not None and value in [word.strip().lower() for word in found.replace(",", ";").split(";")]
        return 1 if wanted else -1

    # -- replies made here

    @function("append_to_reply", routes=REPLYING)
    def append_to_reply(self, ctx: Context, text: str) -> int:
        """Header lines for the replies to this request that are made here."""
        try:
            ctx.reply_headers += header_lines(text)
        except ValueError as problem:
            log.error("sipmsgops:append_to_reply", f"refused: {problem}")
            return -1
        return 1

    @function("append_body_to_reply", routes=REPLYING)
    def append_body_to_reply(self, ctx: Context, text: str) -> int:
        """A body for the replies to this request that are made here; its Content-Type comes by append_to_reply."""
        ctx.reply_body = text
        return 1

    @function("append_time", routes=REQUESTS)
    def append_time(self, ctx: Context) -> int:
        """A Date header for the replies to this request that are made here (RFC 3261 section 20.17)."""
        ctx.reply_headers += "Date: " + formatdate(ctx.services.clock.time(), usegmt=True) + "\r\n"
        return 1

    @function("change_reply_status", routes=Route.REPLY)
    def change_reply_status(self, ctx: Context, code: int, reason: str) -> int:
        """Another status for a reply that is passed on: any negative one for a negative one, else of the same class."""
        message = ctx.message
        same_class = code // 100 == message.status // 100
        if (
            not 100 <= code <= 699
            or not is_one_line(reason)
            or ((code < 300 or message.status < 300) and not same_class)
        ):
            log.error("sipmsgops:change_reply_status", f"refused: {code} for a {message.status}")
            return -1
        at = message.text.find(" ") + 1
        end = message.line_end(0)
        ctx.edits.items = [one for one in ctx.edits.items if one[:2] != (at, end)]
        ctx.edits.replace(at, end, f"{code} {reason}")
        message.status = code
        return 1

    # -- the message as a whole

    @function("is_method", routes=ALL)
    def is_method(self, ctx: Context, names: Annotated[Methods, methods]) -> int:
        """Whether the method (of CSeq, in a reply) is one of `INVITE|BYE`; case does not count."""
        method = ctx.message.method
        return 1 if method in names or method.upper() in names else -1

    @function("has_totag", routes=ALL)
    def has_to_tag(self, ctx: Context) -> int:
        """Whether To has a tag: the request belongs to a dialog."""
        return 1 if ctx.message.to_tag() else -1

    @function("sipmsg_validate", routes=NOT_LOCAL)
    def validate(self, ctx: Context, flags: str = "", reason: Var | None = None) -> int:
        """Whether the message is as RFC 3261 wants it; a negative answer says what is wrong, `reason` in words."""
        found = validate.answer(ctx, flags)
        if found is None:
            return 1
        if reason is not None:
            reason.set(ctx, found.reason)
        return found.code

    @function("sip_to_json", routes=ALL)
    def to_json(self, ctx: Context, result: Var) -> int:
        """The message as JSON: first_line, headers (name → list of values), body."""
        message = ctx.message
        found: dict[str, list[str]] = {}
        for k in header_lines_of(message):
            if is_legal(message.line(k)):
                found.setdefault(message.name(k), []).append(message.value_at(k))
        text = json.dumps({"first_line": message.line(0), "headers": found, "body": message.body()})
        return result.set(ctx, text)

    # -- the Request-URI

    @function("ruri_has_param", routes=REQUESTS)
    def has_uri_param(self, ctx: Context, name: str, value: str = "") -> int:
        """Whether the Request-URI has a parameter: with this value, or without one."""
        return request_uri.has_param(ctx, name, value)

    @function("ruri_add_param", routes=REQUESTS)
    def add_uri_param(self, ctx: Context, param: str) -> int:
        """Put a parameter into the Request-URI."""
        return request_uri.add_param(ctx, param)

    @function("ruri_del_param", routes=REQUESTS)
    def delete_uri_param(self, ctx: Context, name: str) -> int:
        """Take a parameter out of the Request-URI."""
        return request_uri.delete_param(ctx, name)

    @function("ruri_tel2sip", routes=REQUESTS)
    def tel_to_sip(self, ctx: Context) -> int:
        """Make a SIP URI of a tel URI."""
        return request_uri.tel_to_sip(ctx)

    @function("is_uri_user_e164", routes=REQUESTS)
    def is_e164(self, ctx: Context, uri: str) -> int:
        """Whether a URI's user is an E.164 number."""
        return request_uri.is_e164(uri)

    # -- the body

    @function("has_body", routes=ALL)
    def has_body(self, ctx: Context, type: Annotated[Mime, mime] = Mime("")) -> int:
        """Whether there is a body, of this type if one is given; a multipart one counts by its parts, too."""
        return bodies.has(ctx, type)

    @function("has_body_part", routes=ALL)
    def has_body_part(self, ctx: Context, type: Annotated[Mime, mime] = Mime("")) -> int:
        """Whether the body has a part of this type."""
        return bodies.has(ctx, type)

    @function("add_body_part", routes=ALL)
    def add_body_part(self, ctx: Context, text: str, type: str, headers: str = "") -> int:
        """Add a part to the body; headers: more of the part's own header lines."""
        return bodies.add(ctx, text, type, headers)

    @function("remove_body_part", routes=ALL)
    def remove_body_part(self, ctx: Context, type: Annotated[Mime, mime] = Mime(""), revert: str = "") -> int:
        """Take out the parts of a type, or all; "revert": all others."""
        if revert not in ("", "revert"):
            log.error("sipmsgops:remove_body_part", f'unknown flag "{revert}": it takes "revert"')
            return -1
        return bodies.remove(ctx, type, bool(revert))

    @function("get_updated_body_part", routes=ALL, minimum=2)
    def updated_body_part(self, ctx: Context, type: Annotated[Mime, mime] = Mime(""), result: Var | None = None) -> int:
        """The body as it will go out, or its part of a type: -1 without a body, -2 without such a part."""
        parts = bodies.parts_now(ctx)
        if not parts or result is None:
            return -1
        for part in parts:
            if part.mime == type:
                return result.set(ctx, part.content)
        return -2 if type else result.set(ctx, body_now(ctx))

    # -- codecs and streams

    @function("codec_exists", routes=ALL)
    def codec_exists(self, ctx: Context, codec: str, clock: str = "") -> int:
        """Whether a codec is offered."""
        return codecs.exists(ctx, codecs.named(codec, clock))

    @function("codec_exists_re", routes=ALL)
    def codec_exists_re(self, ctx: Context, names: Regex) -> int:
        """Whether a codec is offered whose name matches."""
        return codecs.exists(ctx, codecs.like(names))

    @function("codec_delete", routes=ALL)
    def codec_delete(self, ctx: Context, codec: str, clock: str = "") -> int:
        """Take a codec out."""
        return codecs.delete(ctx, codecs.named(codec, clock))

    @function("codec_delete_re", routes=ALL)
    def codec_delete_re(self, ctx: Context, names: Regex) -> int:
        """Take out the codecs whose names match."""
        return codecs.delete(ctx, codecs.like(names))

    @function("codec_delete_except_re", routes=ALL)
    def codec_delete_except_re(self, ctx: Context, names: Regex) -> int:
        """Take out the codecs whose names do not match."""
        return codecs.delete(ctx, codecs.unlike(names))

    @function("codec_move_up", routes=ALL)
    def codec_move_up(self, ctx: Context, codec: str, clock: str = "") -> int:
        """Put a codec first."""
        return codecs.move(ctx, codecs.named(codec, clock), front=True)

    @function("codec_move_up_re", routes=ALL)
    def codec_move_up_re(self, ctx: Context, names: Regex) -> int:
        """Put the codecs first whose names match."""
        return codecs.move(ctx, codecs.like(names), front=True)

    @function("codec_move_down", routes=ALL)
    def codec_move_down(self, ctx: Context, codec: str, clock: str = "") -> int:
        """Put a codec last."""
        return codecs.move(ctx, codecs.named(codec, clock), front=False)

    @function("codec_move_down_re", routes=ALL)
    def codec_move_down_re(self, ctx: Context, names: Regex) -> int:
        """Put the codecs last whose names match."""
        return codecs.move(ctx, codecs.like(names), front=False)

    @function("stream_exists", routes=ALL)
    def stream_exists(self, ctx: Context, media: Regex, transport: Regex | None = None) -> int:
        """Whether there is a stream of a media type, and a transport if one is given."""
        return codecs.stream_exists(ctx, media, transport)

    @function("stream_delete", routes=ALL)
    def stream_delete(self, ctx: Context, media: Regex, transport: Regex | None = None) -> int:
        """Take out the streams of a media type, and a transport if one is given."""
        return codecs.stream_delete(ctx, media, transport)

    @function("is_audio_on_hold", routes=ALL)
    def is_audio_on_hold(self, ctx: Context) -> int:
        """Whether an audio stream is on hold."""
        return codecs.is_on_hold(ctx)
