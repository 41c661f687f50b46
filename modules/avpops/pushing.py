"""avp_pushto: values into the Request-URI, the next hop and the branch set."""

from dataclasses import dataclass

from pysips.core import branches
from pysips.core.branches import Branch
from pysips.core.context import Context
from pysips.core.exports import text_of
from pysips.core.log import log
from pysips.errors import SipError
from pysips.sip.rewrite import is_one_line
from pysips.sip.uri import parse_uri

from .spelling import pieces
from .values import Source


@dataclass(frozen=True)
class Destination:
    """what: "ru", "du" or "br"; part of the Request-URI: "username", "domain", or "" for all of it."""

    what: str
    part: str


def destination(text: str) -> Destination:
    """`$ru`, `$ru/username`, `$ru/domain`, `$du`, `$br`; raises ValueError."""
    first, *rest = pieces(text.strip())
    part = rest[0].strip().lower() if rest else ""
    what = first.strip().removeprefix("$")
    known = ("", "username", "domain") if what == "ru" else ("",)
    if not first.startswith("$") or what not in ("ru", "du", "br") or len(rest) > 1 or part not in known:
        raise ValueError(f'"{text}" is no destination: $ru, $ru/username, $ru/domain, $du or $br')
    return Destination(what, part)


def push(ctx: Context, where: Destination, source: Source) -> int:
    """Put the values where they belong: 1, or -1 if there is none, or one that cannot stand there."""
    texts = [text for value in source.values(ctx, False) if (text := text_of(value)) is not None]
    if not texts:
        return -1
    for place, text in enumerate(texts):
        if not text or not is_one_line(text) or " " in text:
            log.error("avpops:avp_pushto", f"refused: {text}")
            return -1
        if where.what == "du":
            ctx.dst = text
        elif where.what == "br" or place:
            uri = text if where.what == "br" else changed(ctx.request_uri(), where.part, text)
            if not uri or not branches.append(ctx, Branch(uri)):
                return -1
        else:
            uri = changed(ctx.request_uri(), where.part, text)
            if not uri:
                return -1
            ctx.set_uri(uri)
    return 1


def changed(uri: str, part: str, text: str) -> str:
    """A URI with another user or host, or `text` itself; "" if that is none."""
    try:
        if part == "username":
            return parse_uri(uri).with_user(text).text
        if part == "domain":
            return parse_uri(uri).with_host(text).text
    except SipError:
        log.error("avpops:avp_pushto", f"refused as {part}: {text}")
        return ""
    return text
