"""Core functions that rewrite the Request-URI and the next hop (OpenSIPS manual: core functions).

A part that would make the URI unreadable is refused (-1) and changes nothing, so no text of a peer can leave the line.
"""

from typing import Annotated

from pysips.errors import SipError
from pysips.sip.rewrite import is_one_line
from pysips.sip.text import number
from pysips.sip.uri import HIGHEST_PORT, Uri, parse_host, parse_uri

from .context import Context
from .exports import Module, Var, function
from .log import log

NAME = "core:seturi"


class UriFunctions(Module):
    """Part of the core module; see functions.py."""

    @function("seturi")
    @function("rewriteuri")
    def set_uri(self, ctx: Context, uri: str) -> int:
        """Make this the Request-URI."""
        if not uri or not is_one_line(uri) or " " in uri:
            log.error(NAME, f"refused as Request-URI: {uri}")
            return -1
        ctx.set_uri(uri)
        return 1

    @function("revert_uri")
    def revert_uri(self, ctx: Context) -> int:
        """Back to the Request-URI that came."""
        ctx.uri = ""
        return 1

    @function("setuser")
    @function("setu")
    @function("rewriteuser")
    def set_user(self, ctx: Context, user: str) -> int:
        """Another user; the password stays. Empty: no user at all."""
        found = request_uri(ctx)
        if found is None:
            return -1
        password = found.password if user else None
        return rebuild(ctx, found, user or None, password, found.host, found.port, found.params)

    @function("setuserpass")
    @function("setup")
    @function("rewriteuserpass")
    def set_user_and_password(self, ctx: Context, user: str) -> int:
        """Another `user[:password]`."""
        found = request_uri(ctx)
        if found is None:
            return -1
        name, colon, password = user.partition(":")
        return rebuild(
            ctx, found, name or None, password if colon and name else None, found.host, found.port, found.params
        )

    @function("sethost")
    @function("seth")
    @function("rewritehost")
    def set_host(self, ctx: Context, host: str) -> int:
        """Another host; the port stays, a maddr parameter goes."""
        found = request_uri(ctx)
        if found is None:
            return -1
        return rebuild(ctx, found, found.user, found.password, host, found.port, without_maddr(found))

    @function("sethostport")
    @function("sethp")
    @function("rewritehostport")
    def set_host_and_port(self, ctx: Context, host: str) -> int:
        """Another `host[:port]`; a maddr parameter goes."""
        found = request_uri(ctx)
        if found is None:
            return -1
        try:
            name, port = parse_host(host, 0, len(host))
        except SipError:
            log.error(NAME, f"refused as host and port: {host}")
            return -1
        return rebuild(ctx, found, found.user, found.password, name, port, without_maddr(found))

    @function("setport")
    @function("setp")
    @function("rewriteport")
    def set_port(self, ctx: Context, port: int | str) -> int:
        """Another port; empty: none."""
        found = request_uri(ctx)
        value = number(str(port), HIGHEST_PORT)
        if found is None or (value is None and port != ""):
            return -1
        return rebuild(ctx, found, found.user, found.password, found.host, value or None, found.params)

    @function("prefix")
    def prefix(self, ctx: Context, prefix: str) -> int:
        """Put a prefix before the user."""
        found = request_uri(ctx)
        if found is None:
            return -1
        user = prefix + (found.user or "")
        return rebuild(ctx, found, user or None, found.password, found.host, found.port, found.params)

    @function("strip")
    def strip(self, ctx: Context, count: int) -> int:
        """Cut characters off the front of the user; more than there are: no user is left."""
        return self.cut(ctx, count, front=True)

    @function("strip_tail")
    def strip_tail(self, ctx: Context, count: int) -> int:
        """Cut characters off the end of the user; more than there are: no user is left."""
        return self.cut(ctx, count, front=False)

    def cut(self, ctx: Context, count: int, front: bool) -> int:
        """See strip and strip_tail."""
        found = request_uri(ctx)
        if found is None or count < 0:
            return -1
        user = found.user or ""
        if count > len(user):
            log.warn("core:strip", f"cannot take {count} characters off the user {user}")
        user = user[count:] if front else user[: max(len(user) - count, 0)]
        password = found.password if user else None
        return rebuild(ctx, found, user or None, password, found.host, found.port, found.params)

    @function("setdsturi")
    @function("setduri")
    def set_destination(self, ctx: Context, uri: str) -> int:
        """Make this the next hop (`$du`)."""
        if not uri or not is_one_line(uri):
            log.error("core:setdsturi", f"refused as destination: {uri}")
            return -1
        ctx.dst = uri
        return 1

    @function("resetdsturi")
    @function("resetduri")
    def reset_destination(self, ctx: Context) -> int:
        """Let the Request-URI say where the request goes."""
        ctx.dst = ""
        return 1

    @function("isdsturiset")
    @function("isduriset")
    def is_destination_set(self, ctx: Context) -> int:
        """True if there is a `$du`."""
        return 1 if ctx.dst else -1

    @function("construct_uri")
    def construct_uri(
        self, ctx: Context, proto: str, user: str = "", domain: str = "", port: str = "", extra: str = "",
        result: Annotated[Var | None, "written"] = None,
    ) -> int:  # fmt: skip
        """Put `proto:user@domain:port;extra` into a variable; empty parts are left out."""
        if result is None or not proto or not domain:
            log.error("core:construct_uri", "it takes a scheme, a domain and a variable")
            return -1
        uri = proto + ":" + (user + "@" if user else "") + domain + (":" + port if port else "")
        return result.set(ctx, uri + (";" + extra if extra else ""))


def request_uri(ctx: Context) -> Uri | None:
    """The current Request-URI taken apart; None, with a line in the log, for one that has no such parts."""
    try:
        found = parse_uri(ctx.request_uri())
    except SipError:
        found = None
    if found is None or not found.is_sip:
        log.error(NAME, f"the Request-URI cannot be rewritten: {ctx.request_uri()}")
        return None
    return found


def rebuild(
    ctx: Context, old: Uri, user: str | None, password: str | None, host: str, port: int | None, params: str
) -> int:
    """Make the URI of these parts the Request-URI: 1, or -1 if it is none."""
    try:
        ctx.set_uri(old.rebuilt(user, password, host, port, params).text)
    except SipError:
        log.error(NAME, "refused: a part of a URI with characters that cannot stand there")
        return -1
    return 1


def without_maddr(uri: Uri) -> str:
    """The URI's parameters without maddr."""
    return uri.without_param("maddr").params if uri.params else ""
