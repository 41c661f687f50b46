"""What other modules may use of tm: `tm: TmApi = needs("tm")`."""

from typing import Final, NamedTuple

from pysips.core.context import Context
from pysips.core.services import Promise, Socket
from pysips.sip.message import Message

from .reasons import reason_of
from .table import Client, Observer, Transaction

NO_ANSWER: Final = 408


class Answer(NamedTuple):
    """How a request of ours ended. reply: None if none came (code 408) or it could not be sent (477, 478)."""

    code: int
    reply: Message | None


class TmApi:
    """The module's services; `modules/tm/__init__.py` fills them in."""

    def transaction(self, ctx: Context) -> Transaction | None:
        """The transaction of a run, looked up if need be; None if there is none."""
        raise NotImplementedError

    def newtran(self, ctx: Context) -> int:
        """Make a transaction: 1, or 0 for a retransmission (answered again: stop the script), -1 for an error."""
        raise NotImplementedError

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "", to_tag: str = "") -> int:
        """Answer statefully, making the transaction if need be; headers: whole lines. 1, 0 or -1 as `t_reply`."""
        raise NotImplementedError

    def watch(self, ctx: Context, observer: Observer) -> None:
        """Tell `observer` of this request's transaction, the one it has or the one it will get."""
        raise NotImplementedError

    def watch_all(self, observer: Observer) -> None:
        """Tell `observer` of every transaction from its creation on; to be called in `configure`."""
        raise NotImplementedError

    def request(
        self, method: str, uri: str, *, from_: str, to: str, headers: str = "", body: str = "", next_hop: str = "",
        socket: Socket | None = None, call_id: str = "", cseq: int = 10, from_tag: str = "",
        observer: Observer | None = None, avps: dict[str, list[str | int | None]] | None = None,
    ) -> Promise:  # fmt: skip
        """Send a request of our own (OpenSIPS: t_uac); local_route runs on it. The promise brings an `Answer`.

        from_, to: name-addr or URI, without a tag of ours (one is added) unless `from_tag` says so; headers: whole
        lines; next_hop: a URI to send it to instead of the Request-URI.
        """
        raise NotImplementedError


__all__ = ["NO_ANSWER", "Answer", "Client", "Observer", "TmApi", "Transaction", "reason_of"]
