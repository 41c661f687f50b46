"""Where modules hook into a message's way: who takes replies, who hears of unreachable peers, who runs async()."""

from typing import TYPE_CHECKING, Any

from mypy_extensions import mypyc_attr

if TYPE_CHECKING:
    from .context import Context
    from .program import Program
    from .services import Peer


@mypyc_attr(allow_interpreted_subclasses=True)
class Taker:
    """A module that keeps transactions (`tm`)."""

    def take_reply(self, ctx: "Context") -> bool:
        """A reply came and the global onreply_route has run: True if it was ours."""
        return False

    def program_of(self, ctx: "Context") -> "Program | None":
        """The edition of the program that a reply's transaction began with; None if it is not ours."""
        return None

    def unreachable(self, proto: str, host: str, port: int) -> None:
        """The network says that nobody listens there (ICMP, connection lost)."""

    def failed(self, ctx: "Context") -> bool:
        """The script of a request broke with an exception: True if a transaction has answered 500."""
        return False

    def knows(self, ctx: "Context") -> bool:
        """Whether a request is a retransmission for a transaction that there is."""
        return False

    def owing(self) -> int:
        """How many transactions still owe their client a final answer (house rule 9.3)."""
        return 0


@mypyc_attr(allow_interpreted_subclasses=True)
class Guard:
    """A module that may keep a request from the script (OpenSIPS: pre-script callbacks)."""

    def takes(self, ctx: "Context") -> bool:
        """A request came: True if the script is not to see it."""
        return False


@mypyc_attr(allow_interpreted_subclasses=True)
class Sender:
    """Somebody who may look at, change or refuse what is sent (tracing, compression)."""

    def sent(self, data: bytes, peer: "Peer") -> None:
        """A message went out."""


class Hooks:
    """The lists; filled while modules are configured, before the fork. asyncs: what runs the script's async()."""

    def __init__(self) -> None:
        self.guards: list[Guard] = []
        self.ack_guards: list[Guard] = []  # those that look at ACKs only, which spares all other requests the call
        self.takers: list[Taker] = []
        self.asyncs: Any = None  # modules/tm's runner of async(), if loaded

    def run_async(self, ctx: "Context", call: Any, resume: Any, timeout: int) -> Any:
        """See Context.run_async; raises LookupError without tm, as OpenSIPS refuses async() without it."""
        if self.asyncs is not None:
            return self.asyncs.run_async(ctx, call, resume, timeout)
        raise LookupError("async() needs the module tm")
