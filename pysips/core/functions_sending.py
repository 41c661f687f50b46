"""Core functions on sending: forwarding, our Via, our address, the socket (OpenSIPS manual: core functions)."""

from typing import Annotated, NewType

from pysips.errors import SipError
from pysips.sip.rewrite import header_lines
from pysips.sip.text import number
from pysips.sip.uri import HIGHEST_PORT, parse_host

from .context import ADD_LOCAL_RPORT, FORCE_RPORT, REPLY_TO_VIA, TCP_ALIAS, Context
from .exports import By, Module, function
from .forward import destination, forward, socket_for, targets_of
from .log import log
from .services import RELIABLE, Peer, Socket

MOST_ID_DIGITS = 19
VIA_WORDS = {
    "force-rport": FORCE_RPORT,
    "add-local-rport": ADD_LOCAL_RPORT,
    "reply-to-via": REPLY_TO_VIA,
    "force-tcp-alias": TCP_ALIAS,
}


def destination_text(text: str) -> str:
    """The text of a `[proto:]host[:port]`; raises ValueError for one that cannot be read."""
    try:
        destination(text)
    except SipError:
        raise ValueError(f'"{text}" is no destination: [proto:]host[:port]') from None
    return text


ViaFlags = NewType("ViaFlags", int)


def via_words(text: str) -> ViaFlags:
    """`force-rport,add-local-rport` as bits; raises ValueError for an unknown word."""
    flags = 0
    for word in text.split(","):
        flag = VIA_WORDS.get(word.strip())
        if flag is None:
            raise ValueError(f'unknown Via handling "{word.strip()}": one of {", ".join(VIA_WORDS)}')
        flags |= flag
    return ViaFlags(flags)


class SendingFunctions(Module):
    """Part of the core module; see functions.py."""

    @function("forward")
    async def forward(self, ctx: Context, dest: Annotated[str, destination_text] = "") -> int:
        """Send the request on without state: to `[proto:]host[:port]`, or to `$du`, or to the Request-URI."""
        return await forward(ctx, dest)

    @function("send")
    async def send(self, ctx: Context, dest: Annotated[str, destination_text], headers: str = "") -> int:
        """Send the message on as it came, without our Via; headers: lines put in below the first one."""
        try:
            lines = header_lines(headers) if headers else ""
        except ValueError as problem:
            log.error("core:send", f"refused: {problem}")
            return -1
        message = ctx.message
        text = message.text[: message.starts[1]] + lines + message.text[message.starts[1] :]
        for target in await targets_of(ctx.services, destination(dest)):
            socket = socket_for(ctx.services, target, ctx.send_socket, ctx.source.socket)
            if socket is not None:
                peer = Peer(target.proto, target.host, target.port, socket)
                sent = ctx.services.network.send(text.encode("utf-8", "surrogateescape"), peer)
                return 1 if sent >= 0 else -1
        return -1

    @function("is_myself")
    def is_myself(self, ctx: Context, host: str, port: int | str = 0) -> int:
        """True if this is one of our sockets, advertised addresses or aliases."""
        wanted = port if isinstance(port, int) else number(port, HIGHEST_PORT)
        return 1 if wanted is not None and ctx.program.is_myself(host, wanted) else -1

    @function("force_rport")
    @function("add_rport")
    def force_rport(self, ctx: Context) -> int:
        """Answer to the port that the request came from, as if its Via had asked (RFC 3581)."""
        ctx.via_flags |= FORCE_RPORT
        return 1

    @function("add_local_rport")
    @function("force_local_rport")
    def add_local_rport(self, ctx: Context) -> int:
        """Ask for the source port in our own Via (RFC 3581)."""
        ctx.via_flags |= ADD_LOCAL_RPORT
        return 1

    @function("set_via_handling")
    def set_via_handling(self, ctx: Context, flags: Annotated[ViaFlags, via_words]) -> int:
        """Several of these at once: force-rport, add-local-rport, reply-to-via, force-tcp-alias."""
        ctx.via_flags |= flags
        return alias(ctx, 0) if flags & TCP_ALIAS else 1

    @function("force_tcp_alias")
    @function("add_tcp_alias")
    def force_tcp_alias(self, ctx: Context, port: int = 0) -> int:
        """Let requests to this port of the sender (0: that of its Via) go over the connection that is open now."""
        return alias(ctx, port)

    @function("tcp_close_conn")
    def close_connection(self, ctx: Context, connection: str) -> int:
        """Close a stream connection, by its number or as `[proto:]address:port` of the peer; -1 if there is none."""
        is_number = connection.isascii() and connection.isdigit() and len(connection) <= MOST_ID_DIGITS
        found = int(connection) if is_number else connection_to(ctx, connection)
        return 1 if found and ctx.services.network.close(found) else -1

    @function("set_advertised_address")
    def set_advertised_address(self, ctx: Context, address: str) -> int:
        """The address in Via and Record-Route of this message."""
        try:
            host, port = parse_host(address, 0, len(address))
        except SipError:
            host, port = "", 1
        if port is not None:
            log.error("core:set_advertised_address", f"refused: {address}")
            return -1
        ctx.advertised_host = host.strip("[]")
        return 1

    @function("set_advertised_port")
    def set_advertised_port(self, ctx: Context, port: int | str) -> int:
        """The port in Via and Record-Route of this message."""
        value = number(str(port), HIGHEST_PORT)
        if not value:
            return -1
        ctx.advertised_port = value
        return 1

    def own_socket(self, name: str) -> Socket:
        """The socket `[proto:]address[:port]` of ours, or `bond:NAME`; raises ValueError for one that is not there."""
        proto, colon, rest = name.strip().partition(":")
        if proto.lower() == "bond":
            return self.bond_named(rest)
        if not colon or "." in proto or "[" in proto:
            proto, rest = "", name.strip()
        try:
            host, port = parse_host(rest, 0, len(rest))
        except SipError:
            raise ValueError(f'"{name}" is no socket: proto:address:port') from None
        for socket in self.services.sockets:
            same_address = host.strip("[]").lower() == socket.host and port in (None, socket.port)
            if same_address and proto.lower() in ("", socket.proto):
                return socket
        raise ValueError(f'"{name}" is none of the sockets that the script listens on')

    @function("force_send_socket")
    def force_send_socket(self, ctx: Context, socket: Annotated[Socket, By("own_socket")]) -> int:
        """Send from this socket of ours, where it can reach the target; from a bond, the one that can."""
        ctx.send_socket = socket
        return 1

    def bond_named(self, name: str) -> Socket:
        """The bond of that name, with or without `bond:`; raises ValueError if there is none."""
        found = self.services.bonds.get(name.removeprefix("bond:"))
        if found is None:
            raise ValueError(f"there is no socket=bond:{name.removeprefix('bond:')}")
        return found

    @function("socket_belongs_to_bond")
    def belongs_to_bond(self, ctx: Context, socket: str, bond: Annotated[Socket, By("bond_named")]) -> int:
        """True if that socket of ours is one of the bond's."""
        try:
            found = self.own_socket(socket)
        except ValueError as problem:
            log.error("core:socket_belongs_to_bond", str(problem))
            return -1
        return 1 if found in bond.members else -1


def connection_to(ctx: Context, where: str) -> int:
    """The connection to `[proto:]address:port`, of any stream transport where none is named; 0 for none."""
    try:
        hop = destination(where)
    except SipError:
        return 0
    for proto in (hop.proto,) if hop.proto in RELIABLE else sorted(RELIABLE):
        found = ctx.services.network.connection_to(proto, hop.host, hop.port)
        if found:
            return found
    return 0


def alias(ctx: Context, port: int) -> int:
    """See force_tcp_alias; 1 also for datagrams, where there is nothing to do."""
    if ctx.source.proto not in RELIABLE:
        return 1
    if not port:
        via = ctx.message.top_via()
        port = via.port or via.default_port
    return 1 if ctx.services.network.alias(ctx.source.connection, port) else -1


__all__ = ["SendingFunctions", "destination_text", "via_words"]
