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
    """Credentials of requests: found by `look`, granted or refused by `judge` once somebody has found the secret."""

    def __init__(self, asking: Asking) -> None:
        self.look = asking.look
        self.judge = asking.judge
        self.failed = asking.failed

    def proved(self, ctx: Context) -> Asked | None:
        """The credentials that were found good; None if there are none."""
        found: Asked | None = ctx.noted(PROVED)
        return found
