"""Record-Route: our place in the route set of a dialog (RFC 3261 section 16.6 step 4, RFC 5658).

Facts:
- what the header says depends on the socket that the request leaves by, so it is put in when that is known;
- a request that leaves by another socket than it came in by gets two, the way out on top, both marked `r2=on`: each
  side then finds a socket of ours that it can reach, across transports and address families (RFC 5658 section 4.2);
- the port is left out where it is 5060; `;transport=` is written for everything but UDP;
- parameters may be added before and after record_route, and in a branch_route for that branch alone: so the object is
  never changed, but replaced.
"""

from typing import Any, Final, final

from pysips.core.context import Context
from pysips.core.services import UDP, Socket
from pysips.sip.edits import Edits, Late
from pysips.sip.via import bracketed

HEADER: Final = "Record-Route: <sip:"
STANDARD_PORT: Final = 5060


@final
class RecordRoute(Late):
    """What stands in our Record-Route. user: "b@" or ""; tag: ";ftag=…" or ""; params: each with its `;`.

    presets: the addresses that record_route_preset gave; done: False while only parameters were gathered.
    """

    __slots__ = ("done", "double", "params", "presets", "tag", "user")

    def __init__(self, user: str, tag: str, params: str, presets: list[str], done: bool, double: bool) -> None:
        self.user: str = user
        self.tag: str = tag
        self.params: str = params
        self.presets: list[str] = presets
        self.done: bool = done
        self.double: bool = double

    def text(self, ctx: Any, socket: Any) -> str:
        """The header lines for a request that leaves by `socket`."""
        if not self.done:
            return ""
        if self.presets:
            return self.preset_lines()
        near: Socket = ctx.source.socket
        far: Socket = socket
        out = self.line(far, ctx.advertised_host, ctx.advertised_port, self.double and far is not near)
        if self.double and far is not near:
            out += self.line(near, "", 0, True)
        return out

    def line(self, socket: Socket, advertised_host: str, advertised_port: int, is_double: bool) -> str:
        """One Record-Route line that names a socket."""
        host = advertised_host or socket.advertised_host or socket.host
        port = advertised_port or socket.advertised_port or socket.port
        text = HEADER + self.user + bracketed(host)
        if port != STANDARD_PORT:
            text += ":" + str(port)
        if socket.proto != UDP:
            text += ";transport=" + socket.proto
        if is_double:
            text += ";r2=on"
        return text + ";lr" + self.tag + self.params + ">\r\n"

    def preset_lines(self) -> str:
        """The lines of record_route_preset, in the order in which the script names them."""
        out = ""
        for address in self.presets:
            out += HEADER + self.user + address + self.tag + ";lr" + self.params + ">\r\n"
        return out


def place_of(edits: Edits) -> int:
    """Where among the late edits our Record-Route is; -1 without one."""
    late = edits.late
    if late is not None:
        for place in range(len(late)):
            if isinstance(late[place][1], RecordRoute):
                return place
    return -1


def put(ctx: Context, made: RecordRoute) -> bool:
    """Take `made` for our Record-Route, with the parameters gathered so far; False if there is one already."""
    edits = ctx.edits
    place = place_of(edits)
    if place < 0:
        edits.insert_late(ctx.message.starts[1], made)
        return True
    late = edits.late
    assert late is not None
    at, old = late[place]
    if not isinstance(old, RecordRoute) or old.done:
        return False
    made.params += old.params
    late[place] = (at, made)
    return True


def add_param(ctx: Context, param: str) -> None:
    """Put a parameter, with its `;`, into our Record-Route, or keep it until there is one."""
    edits = ctx.edits
    place = place_of(edits)
    if place < 0:
        edits.insert_late(ctx.message.starts[1], RecordRoute("", "", param, [], False, False))
        return
    late = edits.late
    assert late is not None
    at, old = late[place]
    assert isinstance(old, RecordRoute)
    late[place] = (at, RecordRoute(old.user, old.tag, old.params + param, old.presets, old.done, old.double))


def user_part(ctx: Context) -> str:
    """The user of the Request-URI that came, else of the current one, with its `@`; "" without one."""
    user = user_of_uri(ctx.message.uri) or user_of_uri(ctx.request_uri())
    return user + "@" if user else ""


def user_of_uri(uri: str) -> str:
    """The user of a SIP URI, its password left out; "" without one."""
    at = uri.find("@")
    colon = uri.find(":")
    if at < 0 or colon < 0:
        return ""
    secret = uri.find(":", colon + 1, at)
    return uri[colon + 1 : secret if secret >= 0 else at]


def tag_part(ctx: Context) -> str:
    """`;ftag=` and the From tag; "" without one."""
    tag = ctx.message.from_tag()
    return ";ftag=" + tag if tag else ""
