"""What other modules may use of auth: `auth: AuthApi = needs("auth")` (OpenSIPS: bind_auth)."""

from pysips.core.context import Context

from .asked import (
    ANSWERED,
    AUTH_ERROR,
    GRANTED,
    INVALID_PASSWORD,
    NO_CREDENTIALS,
    PROVED,
    STALE_NONCE,
    USER_UNKNOWN,
    Asked,
    Asking,
)  # fmt: skip

__all__ = [
    "ANSWERED", "AUTH_ERROR", "GRANTED", "INVALID_PASSWORD", "NO_CREDENTIALS", "STALE_NONCE", "USER_UNKNOWN", "Asked",
    "AuthApi",
]  # fmt: skip


class AuthApi:
    """Credentials of requests, for who knows the secrets. Usable once auth is configured: in script runs."""

    asking: Asking

    def look(self, ctx: Context, realm: str, letter: str) -> Asked | int:
        """Find a request's credentials for a realm ("": read from the request) and use their nonce; or a code."""
        return self.asking.look(ctx, realm, letter)

    def judge(self, ctx: Context, asked: Asked, secret: str | None) -> int:
        """Grant or refuse them by the secret, an HA1; None where there is no such user, or no secret."""
        return self.asking.judge(ctx, asked, secret)

    def failed(self, ctx: Context, what: str, why: str = "") -> int:
        """Answer 500, as nothing can be said of them now; the code that ends the script."""
        return self.asking.failed(ctx, what, why)

    def proved(self, ctx: Context) -> Asked | None:
        """The credentials that were found good; None if there are none."""
        found: Asked | None = ctx.noted(PROVED)
        return found
