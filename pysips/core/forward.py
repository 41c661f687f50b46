"""The next hop, our Via, and sending a request on (RFC 3261 section 16.6), or a reply back (16.7), without state."""

from typing import Final, final

from pysips.errors import SipError
from pysips.sip.edits import Edits, applied
from pysips.sip.uri import parse_uri
from pysips.sip.via import COOKIE, bare, bracketed, parse_vias, reply_to

from .answer import POSITIVE, source_marks
from .branches import Branch, from_message
from .context import ADD_LOCAL_RPORT, TCP_ALIAS, Context
from .log import log
from .services import EXISTING, RELIABLE, Peer, Services, Socket, Target

CACHE_LIMIT: Final = 20_000
CHOSEN: Final = "core.blacklists"  # where a context notes which blacklists apply to it
TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss", "sctp")


@final
class Hop:
    """Where a URI points: host without brackets, port 0 if it names none.

    proto: "" if it names none, "sips" if it is a SIPS URI that names none.
    """

    __slots__ = ("host", "port", "proto")

    def __init__(self, proto: str, host: str, port: int) -> None:
        self.proto: str = proto
        self.host: str = host
        self.port: int = port


HOPS: Final[dict[str, Hop]] = {}  # by URI text: a user's contact comes back in every call and dialog


def hop_of(uri: str) -> Hop:
    """The hop that a SIP URI names; raises SipError(478) for one that cannot be read or names no host."""
    hop = HOPS.get(uri)
    if hop is None:
        if len(HOPS) >= CACHE_LIMIT:
            HOPS.clear()
        hop = HOPS[uri] = read_hop(uri)
    return hop


def read_hop(uri: str) -> Hop:
    """See hop_of. `maddr` wins over the host; sips without a transport means any that is secure (proto "sips")."""
    try:
        parsed = parse_uri(uri.strip("<> "))
    except (ValueError, SipError):
        raise SipError(478, "Unresolvable destination") from None
    host = parsed.param("maddr") or parsed.host
    if parsed.scheme.lower() not in ("sip", "sips"):
        raise SipError(416, "Unsupported URI Scheme")  # RFC 3261 section 16.3
    if not host:
        raise SipError(478, "Unresolvable destination")
    proto = (parsed.param("transport") or "").lower()
    if parsed.scheme.lower() == "sips" and proto in ("", "tcp"):
        proto = "tls" if proto else "sips"
    return Hop(proto, bare(host), parsed.port or 0)


def destination(text: str) -> Hop:
    """The hop of "[proto:]host[:port]", as forward() and t_relay() take it; a SIP URI is understood too.

    Raises SipError(478).
    """
    proto, colon, rest = text.strip().partition(":")
    if colon and proto.lower() in ("sip", "sips"):
        return hop_of(text.strip())
    if not colon or proto.lower() not in TRANSPORTS:
        return hop_of("sip:" + text.strip())
    hop = hop_of("sip:" + rest)
    return Hop(proto.lower(), hop.host, hop.port)


def next_hop(branch: Branch) -> Hop:
    """Where a branch goes: its `$du`, or the first URI of its Path, or its Request-URI. Raises SipError(478)."""
    if branch.dst:
        return hop_of(branch.dst)
    if branch.path:
        return hop_of(first_uri(branch.path))
    return hop_of(branch.uri)


def first_uri(routes: str) -> str:
    """The first URI of a Route or Path value."""
    start = routes.find("<")
    return routes[start + 1 : routes.find(">", start)] if start >= 0 else routes.partition(",")[0].strip()


def socket_for(services: Services, target: Target, forced: Socket | None, received: Socket | None) -> Socket | None:
    """Our socket towards a target: the forced one, else the one it came in by, else the first that can; or None.

    With `mhomed` the kernel's choice of an address comes before the one it came in by.
    """
    proto = target.proto
    family = 6 if ":" in target.host else 4
    if forced is not None:
        if forced.proto == proto and forced.family == family:
            return forced
        for member in forced.members:
            if member.proto == proto and member.family == family:
                return member
    if services.by_route:
        routed = socket_by_route(services, target, received)
        if routed is not None:
            return routed
    if received is not None and received.proto == proto and received.family == family:
        return received
    near = received if forced is None else forced
    other: Socket | None = None
    for socket in services.sockets:
        if socket.proto == proto and socket.family == family:
            if near is None or socket.host == near.host:
                return socket
            other = other or socket
    return other


def socket_by_route(services: Services, target: Target, received: Socket | None) -> Socket | None:
    """Our socket on the address that the kernel would send from to a target; None without such a socket, or route."""
    own = services.network.own_address(target.host)
    found: Socket | None = None
    for socket in services.sockets:
        if socket.host == own and socket.proto == target.proto:
            if socket is received:
                return socket
            found = found or socket
    if found is None and log.limited("core:mhomed " + own, 60.0):
        log.warn("core:mhomed", "the kernel sends to " + target.host + " from " + (own or "nowhere")
                 + ": there is no " + target.proto + " socket of ours")  # fmt: skip
    return found


def is_blocked(ctx: Context, target: Target, data: bytes) -> bool:
    """Whether a blacklist that applies to this message has the target."""
    lists = ctx.services.blacklists
    if not lists.active:
        return False
    chosen: int | None = ctx.noted(CHOSEN)
    return lists.blocks(chosen, target, data)


def via_line(ctx: Context, socket: Socket, branch_id: str) -> str:
    """Our Via line; branch_id: the whole branch parameter."""
    line = socket.via
    if ctx.advertised_host or ctx.advertised_port:
        host = ctx.advertised_host or socket.advertised_host or socket.host
        port = ctx.advertised_port or socket.advertised_port or socket.port
        line = "Via: SIP/2.0/" + socket.proto.upper() + " " + bracketed(host) + ":" + str(port) + ";branch="
    line += branch_id
    if ctx.via_flags & (ADD_LOCAL_RPORT | TCP_ALIAS):
        if ctx.via_flags & ADD_LOCAL_RPORT:
            line += ";rport"
        if ctx.via_flags & TCP_ALIAS and socket.proto in RELIABLE:
            line += ";alias"
    return line + "\r\n"


def outgoing(ctx: Context, branch: Branch, socket: Socket, branch_id: str, edits: Edits | None = None) -> bytes:
    """The request as it goes out on a branch: Request-URI, Path as Route, our Via, and everything that was edited.

    edits: those of the branch (its branch_route may have added some), else the message's own.
    """
    message = ctx.message
    own = ctx.edits if edits is None else edits
    items = own.items.copy()
    if own.late is not None:
        items += own.settled(ctx, socket)
    uri = branch.uri
    if len(uri) != message.uri_b - message.uri_a or not message.text.startswith(uri, message.uri_a):
        items.append((message.uri_a, message.uri_b, uri))
    kinds = message.kinds
    at = message.starts[kinds.find("V")]
    items.append((at, at, via_line(ctx, socket, branch_id)))
    items += source_marks(ctx)
    if branch.path:
        route = kinds.find("R")
        at = message.starts[route] if route >= 0 else message.span(kinds.rfind("V"))[1]
        items.append((at, at, "Route: " + branch.path + "\r\n"))
    return applied(message.text, items).encode("utf-8", "surrogateescape")


def stateless_branch(ctx: Context) -> str:
    """A branch parameter that a retransmission gets again (RFC 3261 section 16.11)."""
    message = ctx.message
    facts = message.branch() + message.call_id() + message.from_tag() + str(message.cseq()[0]) + ctx.request_uri()
    return COOKIE + ctx.program.tag_prefix + str(hash(facts) & POSITIVE) + ".0"


async def targets_of(services: Services, hop: Hop) -> list[Target]:
    """The addresses of a hop, best first; waits only if a name has to be asked for."""
    known = services.resolver.known(hop.host, hop.port, hop.proto)
    if known is None:
        known = await services.resolver.ask(hop.host, hop.port, hop.proto)
    return known


async def forward(ctx: Context, dest: str = "") -> int:
    """Send the request on without state, to `dest` ("[proto:]host[:port]") or where it points: 1, or -1."""
    branch = from_message(ctx)
    try:
        hop = destination(dest) if dest else next_hop(branch)
    except SipError:
        return -1
    for target in await targets_of(ctx.services, hop):
        socket = socket_for(ctx.services, target, ctx.send_socket, ctx.source.socket)
        if socket is None:
            continue
        data = outgoing(ctx, branch, socket, stateless_branch(ctx))
        if is_blocked(ctx, target, data):
            continue
        connection = EXISTING if branch.flags & ctx.services.no_new_request else 0
        if ctx.services.network.send(data, Peer(target.proto, target.host, target.port, socket, connection)) >= 0:
            ctx.program.core_stats.fwd_requests.inc()
            return 1
        ctx.services.blacklists.remember(target.proto, target.host, target.port)
    return -1


def is_local_via(ctx: Context) -> bool:
    """Whether a reply's top Via is ours (`check_via`; RFC 3261 section 18.1.2)."""
    via = ctx.message.top_via()
    return ctx.program.is_myself(bare(via.host), via.port or via.default_port)


def relay_reply(ctx: Context) -> bool:
    """Send a reply that no transaction wants on to its second Via; False if it has none, or cannot be sent."""
    message = ctx.message
    vias = [via for value in message.values("V") for via in parse_vias(value)]
    if len(vias) < 2:
        return False
    edits = ctx.edits.copy()
    edits.remove(*message.without_top_via())
    host, port = reply_to(vias[1])
    proto = vias[1].transport.lower()
    if proto in RELIABLE and port != vias[1].port and not ctx.services.network.connection_to(proto, host, port):
        port = vias[1].port or vias[1].default_port  # rport was a connection's, which is gone (section 18.2.2)
    targets = ctx.services.resolver.known(host, port, proto)
    if not targets:
        return False  # a reply waits for no name
    socket = socket_for(ctx.services, targets[0], ctx.send_socket, ctx.source.socket)
    if socket is None:
        return False
    connection = EXISTING if ctx.flags & ctx.services.no_new_reply else 0
    peer = Peer(targets[0].proto, targets[0].host, targets[0].port, socket, connection)
    return ctx.services.network.send(edits.write(message.text), peer) >= 0
