"""$si $sp $socket_in $socket_out …, and 2.4's $Ri $Rp $fs $af $proto: where a message came from and leaves by."""

from collections.abc import Callable
from typing import Final

from pysips.script.catalogue import Ctx, Getter, Index, Inner, VariableSpec
from pysips.script.values import Value, text_of
from pysips.sip.text import number
from pysips.sip.uri import HIGHEST_PORT

from .log import log
from .services import Socket
from .variable_binding import MODULE, bind_field, fields, refused, simple

WORDS: Final = ("ip", "port", "proto", "advertised_ip", "advertised_port", "tag", "anycast", "af")
PROXY_WORDS: Final = ("src_ip", "src_port", "dst_ip", "dst_port", "af")

FIELDS: Final[dict[str, Callable[[Socket], Value]]] = {
    "ip": lambda socket: socket.host,
    "port": lambda socket: socket.port,
    "proto": lambda socket: socket.proto,
    "advertised_ip": lambda socket: socket.advertised_host or None,
    "advertised_port": lambda socket: socket.advertised_port or None,
    "tag": lambda socket: socket.tag or None,
    "anycast": lambda socket: 1 if socket.anycast else 0,
    "af": lambda socket: family(socket.host),
}


def family(host: str) -> Value:
    return "INET6" if ":" in host else "INET"


def source_host(ctx: Ctx) -> Value:
    """$si"""
    return ctx.source.host  # type: ignore[no-any-return]


def source_port(ctx: Ctx) -> Value:
    """$sp"""
    return ctx.source.port  # type: ignore[no-any-return]


def incoming(ctx: Ctx) -> Socket | None:
    """Our socket that the message came in by; None for the dummy messages of timers and events."""
    return None if ctx.message is ctx.program.dummy else ctx.source.socket


def outgoing(ctx: Ctx) -> Socket | None:
    """The socket that is forced for sending, else the one it came in by."""
    return ctx.send_socket or incoming(ctx)


def of_socket(find: Callable[[Ctx], Socket | None], field: Callable[[Socket], Value]) -> Getter:
    """A fact of a socket, NULL without one."""

    def get(ctx: Ctx) -> Value:
        socket = find(ctx)
        return None if socket is None else field(socket)

    return get


def name_of(socket: Socket) -> Value:
    return socket.name


def forced(ctx: Ctx) -> Value:
    """$fs, $socket_out(forced)"""
    return None if ctx.send_socket is None else ctx.send_socket.name


def set_forced(ctx: Ctx, value: Value) -> int:
    """$socket_out="udp:10.0.0.1:5060"; NULL: let the destination decide. An unknown socket changes nothing."""
    if value is None:
        ctx.send_socket = None
        return 1
    text = text_of(value)
    if not text:
        return refused("socket_out", value, "a socket is needed: proto:ip:port")
    found = find_socket(ctx, text)
    if found is None:
        log.warn("core:pv", f"no socket of ours is called {text}")
    else:
        ctx.send_socket = found
    return 1


def find_socket(ctx: Ctx, text: str) -> Socket | None:
    """The socket of ours that `[proto:]host[:port]` names; None if there is none."""
    proto, colon, rest = text.partition(":")
    if not colon or not proto.isalpha():
        proto, rest = "", text
    host, port = rest, 0
    head, colon, tail = rest.rpartition(":")
    if colon and not rest.endswith("]") and (":" not in head or head.endswith("]")):
        found = number(tail, HIGHEST_PORT)
        if found is None:
            return None
        host, port = head, found
    socket: Socket | None = ctx.program.find_socket(proto.lower(), host, port)
    return socket


def read_out(inner: Inner, index: Index) -> Getter:
    """$socket_out, $socket_out(field)"""
    if inner is None:
        return of_socket(outgoing, name_of)
    if inner == "forced":
        return forced
    return bind_field("socket_out", inner, (*WORDS, "forced"), lambda word: of_socket(outgoing, FIELDS[word]))


def transport_variables() -> list[VariableSpec]:
    return [
        *(simple(name, source_host, None, "The address that the message came from.") for name in ("si", "src_ip")),
        simple("sp", source_port, None, "The port that the message came from."),
        fields(
            "socket_in", lambda word: of_socket(incoming, FIELDS[word]), WORDS, "Our socket that it came in by.",
            of_socket(incoming, name_of),
        ),
        VariableSpec(
            "socket_out", MODULE, read_out, lambda inner, index: lambda ctx, value, op: set_forced(ctx, value),
            "optional", help="Our socket that it leaves by.",
        ),
        simple("fs", forced, set_forced, "2.4: the socket forced for sending."),
        simple("Ri", of_socket(incoming, FIELDS["ip"]), None, "2.4: our address that it came to."),
        simple("Rp", of_socket(incoming, FIELDS["port"]), None, "2.4: our port that it came to."),
        simple("af", lambda ctx: family(ctx.source.host), None, "2.4: INET or INET6."),
        *(simple(name, lambda ctx: ctx.source.proto, None, "2.4: its transport.") for name in ("proto", "pr")),
        fields(
            "proxy_protocol", lambda word: lambda ctx: None, PROXY_WORDS,
            "Facts of a PROXY protocol header; NULL, since no transport here takes one.",
        ),
    ]  # fmt: skip
