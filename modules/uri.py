"""uri: questions about URIs, as scripts of 2.4 ask them (OpenSIPS manual: uri). Later scripts find them in sipmsgops.

The functions that ask a database or an AAA server come with those.
"""

from pysips.core.context import Context
from pysips.core.exports import Module, Route, function
from pysips.errors import SipError
from pysips.sip.headers import AUTHORIZATION, PROXY_AUTHORIZATION
from pysips.sip.text import param_value, unquoted

from .sipmsgops.api import add_param, delete_param, has_param, is_e164, tel_to_sip

REQUESTS = Route.REQUEST | Route.FAILURE | Route.BRANCH | Route.LOCAL


class UriModule(Module):
    @function("has_totag", routes=REQUESTS | Route.REPLY)
    def has_to_tag(self, ctx: Context) -> int:
        """Whether To has a tag: the request belongs to a dialog."""
        return 1 if ctx.message.to_tag() else -1

    @function("uri_param", routes=REQUESTS)
    def uri_param(self, ctx: Context, name: str, value: str = "") -> int:
        """Whether the Request-URI has a parameter: with this value, or without one."""
        return has_param(ctx, name, value)

    @function("add_uri_param", routes=Route.REQUEST)
    def add_uri_param(self, ctx: Context, param: str) -> int:
        """Put a parameter into the Request-URI."""
        return add_param(ctx, param)

    @function("del_uri_param", routes=REQUESTS)
    def delete_uri_param(self, ctx: Context, name: str) -> int:
        """Take a parameter out of the Request-URI."""
        return delete_param(ctx, name)

    @function("tel2sip", routes=REQUESTS)
    def tel_to_sip(self, ctx: Context) -> int:
        """Make a SIP URI of a tel URI."""
        return tel_to_sip(ctx)

    @function("is_uri_user_e164", routes=REQUESTS)
    def is_e164(self, ctx: Context, uri: str) -> int:
        """Whether a URI's user is an E.164 number."""
        return is_e164(uri)

    @function("is_user", routes=Route.REQUEST | Route.LOCAL)
    def is_user(self, ctx: Context, name: str) -> int:
        """Whether the credentials of the request are those of this user name."""
        return 1 if name and name == credentials_user(ctx) else -1


def credentials_user(ctx: Context) -> str:
    """The user name of the first credentials, the proxy's before the others; "" without any."""
    for letter in (PROXY_AUTHORIZATION, AUTHORIZATION):
        value = ctx.message.value(letter)
        scheme, _, params = value.partition(" ")
        if scheme.lower() == "digest":
            try:
                return unquoted(param_value(";" + params.replace(",", ";"), "username") or "")
            except SipError:
                return ""
    return ""
