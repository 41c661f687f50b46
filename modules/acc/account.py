"""What is accounted of one request, and when (acc; OpenSIPS: acc_ctx and its callbacks).

Facts:
- an answer of 200 to 299 is reported as answered, a negative one only if "failed" was asked for;
- an INVITE that ends negatively is a missed call where "missed" was asked for, at its first failure and only then;
- an answer that carries early media (a provisional one with a body) counts where the parameter early_media says so;
- the tags change places in a request that goes upstream, if detect_direction says so: the caller stays the caller.
"""

from typing import TYPE_CHECKING, Final

from pysips.core.exports import Value, text_of
from pysips.sip.message import Message

from ..tm.api import Observer, Transaction

if TYPE_CHECKING:
    from . import Acc

LOG: Final = 1
EVENT: Final = 2
DB: Final = 4
KINDS: Final = {"log": LOG, "evi": EVENT, "db": DB}
NOT_YET: Final = {"aaa": "an AAA server", "rad": "a RADIUS server", "diam": "a Diameter server"}

ANSWERED: Final = "ACC: transaction answered: "
MISSED: Final = "ACC: call missed: "
REQUEST: Final = "ACC: request accounted: "

Leg = dict[str, Value]


class Account(Observer):
    """The accounting of one request.

    The bits of `answered_by`, `missed_by` and `failed_by` are LOG, EVENT and DB; since: Unix seconds, 0 for none;
    table: of the database for answers, "" for the usual one.
    """

    def __init__(self, module: "Acc", since: int) -> None:
        self.module = module
        self.since = since
        self.watched = False
        self.answered_by = 0
        self.missed_by = 0
        self.failed_by = 0
        self.upstream = False
        self.table = ""
        self.extras: Leg = {}
        self.legs: list[Leg] = []

    def wanted(self, transaction: Transaction) -> tuple[int, int, int]:
        """Who wants answers, missed calls and failures: by do_accounting, and by the message flags of old scripts."""
        answered, missed, failed = self.module.old.asked(transaction.ctx.flags)
        return self.answered_by | answered, self.missed_by | missed, self.failed_by | failed

    def answered(self, transaction: Transaction, code: int, reply: Message | None) -> None:
        answered, missed, failed = self.wanted(transaction)
        if transaction.invite and code >= 300 and missed:
            self.call_missed(transaction, code, reply, missed)
        if code < 200 and not (self.module.early_media and reply is not None and reply.body()):
            return
        if code >= 300:
            answered &= failed
        if answered:
            self.module.report(self, answered, ANSWERED, transaction.message, code, reply)

    def failing(self, transaction: Transaction, code: int) -> None:
        missed = self.wanted(transaction)[1]
        if transaction.invite and missed:
            reply = transaction.clients[transaction.picked].reply
            self.call_missed(transaction, code, None if reply is None else reply.message, missed)

    def call_missed(self, transaction: Transaction, code: int, reply: Message | None, missed: int) -> None:
        """Report the first failure, and no other."""
        self.missed_by = 0
        transaction.ctx.flags &= ~self.module.old.missed_flags()
        self.module.report(self, missed, MISSED, transaction.message, code, reply)

    def facts(self, request: Message, code: int, reason: str, reply: Message | None) -> dict[str, str]:
        """What every report says of a request: method, tags, Call-ID, status."""
        from_tag = request.from_tag()
        to_tag = request.to_tag() if reply is None else reply.to_tag()
        if self.upstream:
            from_tag, to_tag = to_tag, from_tag
        return {
            "method": request.method,
            "from_tag": from_tag,
            "to_tag": to_tag,
            "call_id": request.call_id(),
            "code": str(code) if code else "",
            "reason": reason,
        }

    def more(self, fields: dict[str, str], leg_fields: dict[str, str]) -> list[tuple[str, str]]:
        """The script's own values, by the names they go out with: those of the call, then those of each leg."""
        found = self.own(fields)
        for leg in self.legs:
            found += self.of_leg(leg, leg_fields)
        return found

    def own(self, fields: dict[str, str]) -> list[tuple[str, str]]:
        """The script's own values of the call, by the names they go out with."""
        return [(shown, text(self.extras.get(name))) for name, shown in fields.items()]

    def of_leg(self, leg: Leg, leg_fields: dict[str, str]) -> list[tuple[str, str]]:
        """Those of a leg."""
        return [(shown, text(leg.get(name))) for name, shown in leg_fields.items()]


def text(value: Value) -> str:
    """A value as it is written; nothing for NULL."""
    return text_of(value) or ""


def kinds_of(words: str) -> int:
    """`log|evi` as bits. Raises ValueError for words that are unknown, or not here yet."""
    bits = 0
    for word in words.split("|"):
        name = word.strip().lower()
        if name in NOT_YET:
            raise ValueError(
                f'accounting to {NOT_YET[name]} ("{name}") is not in PySIPS yet; "log", "evi" and "db" are'
            )
        if name not in KINDS:
            raise ValueError(f'unknown kind of accounting "{name}": "log", "evi" or "db"')
        bits |= KINDS[name]
    return bits


def options_of(words: str) -> frozenset[str]:
    """`missed|failed` as a set. Raises ValueError for words that are unknown, or not here yet."""
    found = frozenset(word.strip().lower() for word in words.split("|") if word.strip())
    if "cdr" in found:
        raise ValueError('"cdr" needs the module dialog, which is not in PySIPS yet')
    unknown = sorted(found - {"missed", "failed"})
    if unknown:
        raise ValueError(f'unknown flag "{unknown[0]}": "missed" or "failed"')
    return found


def fields_of(text: str) -> dict[str, dict[str, str]]:
    """`log: a->alpha; b; evi: c` as kind → name → the name it goes out with. Raises ValueError."""
    found: dict[str, dict[str, str]] = {}
    kind = ""
    for item in text.split(";"):
        head, colon, rest = item.partition(":")
        if colon:
            kind, item = head.strip().lower(), rest
            kinds_of(kind)
        name, arrow, shown = item.partition("->")
        if not item.strip():
            continue
        if not kind:
            raise ValueError('the kind of accounting stands first: "log: name->shown; other"')
        if not name.strip() or (arrow and not shown.strip()):
            raise ValueError(f'"{item.strip()}" is no field: "name" or "name->shown"')
        found.setdefault(kind, {})[name.strip()] = (shown if arrow else name).strip()
    return found
