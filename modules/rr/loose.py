"""loose_route: follow the route set of a dialog (RFC 3261 section 16.4 and 16.12).

Facts:
- our own Route (two, where they are marked `r2=on`) is taken off, and the next one becomes the next hop and stays;
- a next hop without `lr` is a strict router: it becomes the Request-URI, which goes to the end of the route set;
- a Request-URI that is one of our own Record-Routes comes from a strict router: the last Route becomes the Request-URI;
- a Route that is not ours is followed all the same, as OpenSIPS does;
- the answer is -1 where the route set says nothing of the way, and for a request that begins a dialog and has only
  our own Route (a preloaded one): there the script is to find the callee.

The Routes are read by bounded looks; a line with a quote or a fold is taken apart with care (sip/address.py).
"""

from typing import Final, final

from pysips.core.context import Context
from pysips.core.log import log
from pysips.core.services import UDP
from pysips.errors import SipError
from pysips.sip.address import address_at
from pysips.sip.headers import FOLD, ROUTE
from pysips.sip.message import Message
from pysips.sip.text import list_spans
from pysips.sip.uri import host_port, parse_uri

FOLLOWED: Final = 1
NOT_FOLLOWED: Final = -1
PARAMS: Final = "rr.params"  # the key of our own Route's parameters in a context's notes
NAME: Final = "rr:loose_route"
MOST_KNOWN: Final = 20_000


@final
class Route:
    """One value of the route set: where it and its URI stand in the text, and its line."""

    __slots__ = ("end", "line", "start", "uri")

    def __init__(self, line: int, start: int, end: int, uri: str) -> None:
        self.line: int = line
        self.start: int = start
        self.end: int = end
        self.uri: str = uri


def routes_of(message: Message) -> list[Route]:
    """The route set, in order. Raises SipError(400) if it cannot be read."""
    kinds = message.kinds
    text = message.text
    found: list[Route] = []
    k = kinds.find(ROUTE, 1)
    while k > 0:
        a = message.starts[k]
        b = message.line_end(k)
        left = text.find("<", a, b)
        right = text.find(">", left, b)
        plain = left > 0 and right > 0 and text.find(",", a, b) < 0 and text.find('"', a, b) < 0
        if plain and (k + 1 >= len(kinds) or kinds[k + 1] != FOLD):
            found.append(Route(k, left, b, text[left + 1 : right]))
        else:
            a, b = message.value_span(k)
            for start, end in list_spans(text, a, b):
                if start < end:
                    found.append(Route(k, start, end, address_at(text, start, end).uri))
        k = kinds.find(ROUTE, k + 1)
    return found


def uri_params(uri: str) -> str:
    """The parameters of a URI as written, the first `;` included; "" without any."""
    at = uri.find(";", uri.find("@") + 1)
    if at < 0:
        return ""
    question = uri.find("?", at)
    return uri[at:question] if question >= 0 else uri[at:]


def has_param(params: str, name: str) -> bool:
    """Whether `;name` stands in parameters, with or without a value."""
    at = params.find(name)
    if at < 0:
        params = params.lower()
        at = params.find(name)
    while at >= 0:
        after = at + len(name)
        if after == len(params) or params[after] == ";" or params[after] == "=":
            return True
        at = params.find(name, at + 1)
    return False


def is_strict(uri: str) -> bool:
    """Whether a route belongs to a strict router: it has no `lr`."""
    return not has_param(uri_params(uri), ";lr")


def is_double(uri: str) -> bool:
    """Whether a Route of ours is one of two."""
    return has_param(uri_params(uri), ";r2=on")


def is_mine(ctx: Context, uri: str) -> bool:
    """Whether a URI names us; its maddr counts before its host."""
    host, port = host_port(uri)
    default = 5061 if uri.startswith("sips:") else 5060
    params = uri_params(uri).lower()
    if ";maddr=" in params:
        host = parse_uri(uri).param("maddr") or host
    if ";transport=tls" in params:
        default = 5061
    mine: bool = ctx.program.is_myself(host, port or default)
    return mine


def leave_by(ctx: Context, uri: str, warn: bool) -> None:
    """Send from the socket that a Route of ours names."""
    parsed = parse_uri(uri)
    proto = parsed.transport or ("tls" if parsed.scheme == "sips" else UDP)
    socket = ctx.program.find_socket(proto, parsed.host, parsed.port or (5061 if proto == "tls" else 5060))
    if socket is not None:
        ctx.send_socket = socket
    elif warn:
        log.warn(NAME, "no socket found to match the second Record-Route " + uri)


def via_maddr(uri: str) -> str:
    """Where a route leads: itself, or `sip:maddr[:port]` where it has a maddr."""
    if ";maddr=" not in uri.lower():
        return uri
    parsed = parse_uri(uri)
    maddr = parsed.param("maddr")
    if not maddr:
        return uri
    return "sip:" + maddr + (":" + str(parsed.port) if parsed.port else "")


def cut(ctx: Context, routes: list[Route], first: int, last: int) -> None:
    """Leave routes[first:last] in the message, and take the others out of it."""
    message = ctx.message
    edits = ctx.edits
    at = 0
    count = len(routes)
    while at < count:
        line = routes[at].line
        stop = at + 1
        while stop < count and routes[stop].line == line:
            stop += 1
        low = max(at, first)
        high = min(stop, last)
        a, b = message.span(line)
        if low >= high:
            edits.remove(a, b)
        else:
            if low > at:
                edits.remove(routes[at].start, routes[low].start)
            if high < stop:
                edits.remove(routes[high - 1].end, routes[stop - 1].end)
        at = stop


@final
class Follower:
    """loose_route. double: whether `r2=on` counts; warn: whether a socket that is not found is worth a line.

    known: whether `host:port`, as it stands in plain URIs, names us; that is settled when the script is loaded.
    """

    __slots__ = ("double", "known", "warn")

    def __init__(self, double: bool, warn: bool) -> None:
        self.double: bool = double
        self.warn: bool = warn
        self.known: dict[str, bool] = {}

    def is_mine(self, ctx: Context, uri: str) -> bool:
        """Whether a URI names us. A look at the host is enough unless a parameter says more."""
        a = uri.find("@") + 1
        if not a:
            a = 4
        b = uri.find(";", a)
        if b >= 0:
            low = uri.lower()
            if low.find("=tls", b) >= 0 or low.find("addr", b) >= 0:
                return is_mine(ctx, uri)
        if not uri.startswith("sip:"):
            return is_mine(ctx, uri)
        if b < 0:
            b = uri.find("?", a)
            if b < 0:
                b = len(uri)
        place = uri[a:b]
        mine = self.known.get(place)
        if mine is None:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            mine = self.known[place] = is_mine(ctx, uri)
        return mine

    def follow(self, ctx: Context) -> int:
        """See the file's head."""
        message = ctx.message
        k = message.kinds.find(ROUTE, 1)
        if k < 0:
            return NOT_FOLLOWED
        try:
            has_tag = message.to_tag() != ""
            if has_tag and self.is_from_strict_router(ctx):
                return self.after_strict(ctx, routes_of(message))
            uri = only_route(message, k)
            if uri and has_tag and self.is_mine(ctx, uri):
                ctx.note(PARAMS, uri_params(uri))
                ctx.edits.remove(message.starts[k], message.starts[k + 1])
                ctx.send_socket = ctx.source.socket
                return FOLLOWED
            return self.after_loose(ctx, routes_of(message), has_tag)
        except SipError as problem:
            log.error(NAME, "the route set cannot be read: " + problem.reason)
            return NOT_FOLLOWED

    def is_from_strict_router(self, ctx: Context) -> bool:
        """Whether the Request-URI is one of our own addresses (and no GRUU, RFC 5627): a strict router put it there."""
        uri = ctx.request_uri()
        return uri.startswith("sip") and self.is_mine(ctx, uri) and not has_param(uri_params(uri), ";gr")

    def after_loose(self, ctx: Context, routes: list[Route], in_dialog: bool) -> int:
        """The hop before us was a loose router."""
        if not routes:
            return NOT_FOLLOWED
        uri = routes[0].uri
        first = 0
        if self.is_mine(ctx, uri):
            ctx.note(PARAMS, uri_params(uri))
            first = 1
            if self.double and is_double(uri) and len(routes) > 1:
                leave_by(ctx, routes[1].uri, self.warn)
                first = 2
            elif in_dialog:
                ctx.send_socket = ctx.source.socket
            if first == len(routes):
                cut(ctx, routes, first, first)
                return FOLLOWED if in_dialog else NOT_FOLLOWED
            uri = routes[first].uri
        if is_strict(uri):
            to_strict_router(ctx, routes, first)
        else:
            if first:
                cut(ctx, routes, first, len(routes))
            ctx.dst = via_maddr(uri)
        return FOLLOWED

    def after_strict(self, ctx: Context, routes: list[Route]) -> int:
        """The hop before us was a strict router: the Request-URI is ours, and the target is the last Route."""
        if not routes:
            return NOT_FOLLOWED
        mine = ctx.request_uri()
        ctx.note(PARAMS, uri_params(mine))
        first = 0
        if self.double and is_double(routes[0].uri) and self.is_mine(ctx, routes[0].uri):
            leave_by(ctx, routes[0].uri, self.warn)
            first = 1
            if len(routes) == 1:
                cut(ctx, routes, 1, 1)
                return NOT_FOLLOWED
        else:
            leave_by(ctx, mine, self.warn)
        uri = routes[first].uri
        if is_strict(uri):
            cut(ctx, routes, first + 1, len(routes))
            ctx.set_uri(via_maddr(uri))
            return FOLLOWED
        cut(ctx, routes, first, len(routes) - 1)
        ctx.dst = via_maddr(uri)
        ctx.set_uri(via_maddr(routes[-1].uri))
        return FOLLOWED


def only_route(message: Message, k: int) -> str:
    """The URI of the Route in line k, if it is plain and the only one; else ""."""
    kinds = message.kinds
    if kinds.find(ROUTE, k + 1) >= 0 or (k + 1 < len(kinds) and kinds[k + 1] == FOLD):
        return ""
    text = message.text
    a = message.starts[k]
    b = message.line_end(k)
    left = text.find("<", a, b)
    right = text.find(">", left, b)
    if left < 0 or right < 0 or text.find(",", a, b) >= 0 or text.find('"', a, b) >= 0:
        return ""
    return text[left + 1 : right]


def to_strict_router(ctx: Context, routes: list[Route], first: int) -> None:
    """The next hop is a strict router: it goes into the Request-URI, and that to the end of the route set (16.12)."""
    message = ctx.message
    last = routes[-1].line
    cut(ctx, routes, first + 1, len(routes))
    ctx.edits.insert(message.span(last)[1], "Route: <" + ctx.request_uri() + ">\r\n")
    ctx.set_uri(via_maddr(routes[first].uri))
