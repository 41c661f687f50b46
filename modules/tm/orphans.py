"""The 200 of an INVITE whose transaction died with a worker goes on to its caller without state.

Facts:
- RFC 3261 section 16.7 sends a 2xx on even without a transaction; RFC 6026 section 6 forbids it, since anybody could
  send such replies through us. Here nobody can: the branch is a keyed hash of the client's transaction, which the
  second Via names, so it shows that we relayed just that request. OpenSIPS sends on every reply without asking;
- it is done by a process that replaced another, and only for as long as the dead one's callers may still wait
  (`fr_inv_timeout`): otherwise the transaction has ended in peace, and RFC 6026 holds;
- only a 2xx, which ends a call's set-up by itself: its ACK and the BYE are transactions of their own. After a 1xx the
  caller would repeat its INVITE no more, though that alone brings the transaction back (`Transaction.branch_id`); a
  failure may have been one branch's of several;
- the global onreply_route has run; which one the transaction had armed died with it, as in OpenSIPS;
- a client of RFC 2543, whose branch names nothing, is left to its own timers.
"""

from typing import Final, final

from pysips.core.context import Context
from pysips.core.forward import relay_reply
from pysips.errors import SipError
from pysips.sip.message import Message
from pysips.sip.via import COOKIE, ViaFacts, parse_vias

from .keys import branch_stem

SECOND: Final = 2


@final
class Orphans:
    """until: the time, by the services' clock, up to which replies may belong to the process that sat here before."""

    __slots__ = ("prefix", "until")

    def __init__(self, prefix: str) -> None:
        self.prefix: str = prefix
        self.until: float = 0.0

    def take(self, ctx: Context) -> bool:
        """Send a reply without a transaction on, if it is such a 200; whether that was done."""
        message = ctx.message
        if not self.until or message.method != "INVITE" or not 200 <= message.status < 300:
            return False
        if ctx.services.clock.now() > self.until:
            self.until = 0.0
            return False
        if not is_ours(message, self.prefix) or not relay_reply(ctx):
            return False
        ctx.program.core_stats.fwd_replies.inc()
        return True


def is_ours(message: Message, prefix: str) -> bool:
    """Whether the top branch of a reply is the one that we make for the INVITE of the client in the second Via."""
    try:
        vias = [via for value in message.values("V") for via in parse_vias(value)]
        if len(vias) < SECOND or not vias[1].branch.startswith(COOKIE):
            return False
        key = vias[1].branch + " " + ViaFacts(vias[1]).sent_by + " INVITE"
    except SipError:
        return False
    return message.branch().startswith(branch_stem(prefix, key))
