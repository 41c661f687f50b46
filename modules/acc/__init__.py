"""acc: accounting of requests, to the log and as events (OpenSIPS manual: acc). Databases and AAA come later.

do_accounting() asks for it; scripts of before 2.2 set message flags (`log_flag` …), which do the same.
"""

from typing import Annotated, NewType

from pysips.core.context import Context
from pysips.core.exports import (
    Getter,
    Index,
    Inner,
    Module,
    Route,
    Setter,
    Value,
    VariableSpec,
    event,
    function,
    modparam,
    needs,
    param,
    wants,
)  # fmt: skip
from pysips.core.log import harmless, log
from pysips.errors import BadName, ModuleError
from pysips.sip.message import Message

from ..rr.api import RrApi
from ..tm.api import Observer, TmApi, Transaction, reason_of
from .account import EVENT, LOG, MISSED, NOT_YET, REQUEST, Account, Leg, fields_of, kinds_of, options_of

ROUTES = Route.REQUEST | Route.FAILURE | Route.BRANCH | Route.LOCAL
ACCOUNT = "acc.account"
FACTS = ("method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time")

Kinds = NewType("Kinds", int)
Options = NewType("Options", frozenset[str])


def kinds(words: str) -> Kinds:
    """See kinds_of."""
    return Kinds(kinds_of(words))


def options(words: str) -> Options:
    """See options_of."""
    return Options(options_of(words))


def not_yet(words: str) -> str:
    """Raises ValueError: the function is known, but what it writes to is not here."""
    raise ValueError("accounting to databases and AAA servers is not in PySIPS yet; acc_log_request is")


NotYet = Annotated[str, not_yet]


class Acc(Module):
    early_media: int = param(0, help="Account provisional replies that carry a body, too.")
    report_cancels: int = param(0, help="Account CANCEL, too.")
    detect_direction: int = param(0, help="Let the caller be the caller in requests that go upstream (needs rr).")
    log_level: int = param(2, low=-3, high=4, help="Level of the lines in the log.")
    tm: TmApi = needs("tm")
    rr: RrApi | None = wants("rr")
    happened = event("E_ACC_EVENT", *FACTS)
    missed = event("E_ACC_MISSED_EVENT", *FACTS)

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, str]] = {}
        self.leg_fields: dict[str, dict[str, str]] = {}
        self.flags: dict[str, int] = {}  # old scripts' flags: which bit means what
        self.formats: list[tuple[str, str]] = []

    @modparam("extra_fields", help='The script\'s own values: "log: name->shown; other; evi: name".')
    def add_fields(self, value: str) -> None:
        for kind, fields in fields_of(value).items():
            self.fields.setdefault(kind, {}).update(fields)

    @modparam("leg_fields", help="The same for each leg of a call.")
    def add_leg_fields(self, value: str) -> None:
        for kind, fields in fields_of(value).items():
            self.leg_fields.setdefault(kind, {}).update(fields)

    @modparam("log_flag", help="Old scripts: the message flag that asks for accounting.")
    def set_log_flag(self, value: str) -> None:
        self.flags["answered"] = self.services.message_flags.mask(value)

    @modparam("log_missed_flag", help="Old scripts: the message flag that asks for missed calls.")
    def set_missed_flag(self, value: str) -> None:
        self.flags["missed"] = self.services.message_flags.mask(value)

    @modparam("failed_transaction_flag", help="Old scripts: the message flag that asks for failures, too.")
    def set_failed_flag(self, value: str) -> None:
        self.flags["failed"] = self.services.message_flags.mask(value)

    @modparam("log_extra", help='Old scripts: values of every line, "name=$variable;other=$variable".')
    def add_formats(self, value: str) -> None:
        for item in value.split(";"):
            name, equal, format = item.partition("=")
            if not equal or not name.strip():
                raise ValueError(f'"{item}" is no "name=$variable"')
            self.formats.append((name.strip(), format.strip()))

    @modparam("db_url")
    @modparam("db_table_acc")
    @modparam("db_table_missed_calls")
    @modparam("db_table_avp")
    @modparam("db_flag")
    @modparam("db_missed_flag")
    @modparam("db_extra")
    @modparam("cdr_flag")
    @modparam("aaa_url")
    def refuse(self, value: str) -> None:
        raise ValueError(f"accounting to {NOT_YET['db']} or {NOT_YET['aaa']} is not in PySIPS yet")

    def configure(self) -> None:
        if self.detect_direction and self.rr is None:
            raise ModuleError('detect_direction needs the module rr: loadmodule "rr.so"')
        try:
            self.old_fields = [(name, self.formatted(format)) for name, format in self.formats]
        except BadName as problem:
            raise ModuleError(f"log_extra: {problem}") from None
        if self.flags:
            self.tm.watch_all(ByFlags(self))

    # -- accounts

    def account(self, ctx: Context) -> Account:
        """The account of a request, made when it is first asked for."""
        found: Account | None = ctx.noted(ACCOUNT)
        if found is None:
            found = Account(self, int(ctx.services.clock.time()))
            found.legs = [{}] if self.leg_fields else []
            ctx.note(ACCOUNT, found)
        return found

    def watched(self, ctx: Context) -> Account:
        """The same, told of the transaction from now on."""
        found = self.account(ctx)
        if not found.watched:
            found.watched = True
            found.upstream = bool(self.detect_direction and self.rr is not None and self.rr.is_upstream(ctx))
            self.tm.watch(ctx, found)
        return found

    def by_flags(self, flags: int) -> tuple[int, int, int]:
        """What the message flags of an old script ask for."""
        asked = [LOG if flags & self.flags.get(name, 0) else 0 for name in ("answered", "missed", "failed")]
        return asked[0], asked[1], asked[2]

    def drop_missed_flag(self, ctx: Context) -> None:
        """A missed call is reported once."""
        ctx.flags &= ~self.flags.get("missed", 0)

    # -- the script's functions

    @function("do_accounting", routes=ROUTES)
    def do_accounting(
        self, ctx: Context, kinds: Annotated[Kinds, kinds], flags: Annotated[Options, options] = Options(frozenset()),
        table: str = "",
    ) -> int:  # fmt: skip
        """Account this request: "log", "evi" or both; flags: "missed", "failed"."""
        if table:
            log.error("acc:do_accounting", "a table is for databases, which are not in PySIPS yet")
            return -1
        if ctx.message.method == "CANCEL" and not self.report_cancels:
            return 1
        account = self.watched(ctx)
        account.answered_by |= kinds
        if "missed" in flags:
            account.missed_by |= kinds
        if "failed" in flags:
            account.failed_by |= kinds
        return 1

    @function("drop_accounting", routes=ROUTES)
    def drop_accounting(
        self, ctx: Context, kinds: Annotated[Kinds, kinds] = Kinds(LOG | EVENT),
        flags: Annotated[Options, options] = Options(frozenset()),
    ) -> int:  # fmt: skip
        """Account it no longer: in these kinds, or all; flags: only these."""
        account: Account | None = ctx.noted(ACCOUNT)
        if account is None:
            log.error("acc:drop_accounting", "do_accounting() was not called for this request")
            return -1
        if not flags:
            account.answered_by &= ~kinds
        if not flags or "missed" in flags:
            account.missed_by &= ~kinds
        if not flags or "failed" in flags:
            account.failed_by &= ~kinds
        return 1

    @function("acc_log_request", routes=ROUTES)
    def log_request(self, ctx: Context, comment: str) -> int:
        """Write a line about this request now; comment: a status and its reason, "404 Not found", or words alone."""
        return self.report_now(ctx, LOG, comment)

    @function("acc_evi_request", routes=ROUTES)
    def event_request(self, ctx: Context, comment: str) -> int:
        """The same as an event."""
        return self.report_now(ctx, EVENT, comment)

    def report_now(self, ctx: Context, kinds: int, comment: str) -> int:
        """See acc_log_request."""
        word, _, rest = comment.strip().partition(" ")
        is_status = len(word) == 3 and word.isascii() and word.isdigit()
        account: Account | None = ctx.noted(ACCOUNT)
        made = account or Account(self, 0)
        code, reason = (int(word), rest.strip()) if is_status else (0, comment)
        self.report(made, kinds, REQUEST, ctx.message, code, None, reason)
        return 1

    @function("acc_db_request", routes=ROUTES)
    def database_request(self, ctx: Context, comment: str, table: NotYet) -> int:
        """Known to OpenSIPS; refused at load."""
        return -1

    @function("acc_aaa_request", routes=ROUTES)
    def aaa_request(self, ctx: Context, comment: NotYet) -> int:
        """Known to OpenSIPS; refused at load."""
        return -1

    @function("acc_new_leg", routes=ROUTES)
    def new_leg(self, ctx: Context) -> int:
        """Another leg of the call: `$acc_leg` means it from now on."""
        if not self.leg_fields:
            log.error("acc:acc_new_leg", "no leg_fields are declared")
            return -1
        self.account(ctx).legs.append({})
        return 1

    # -- reports

    def report(
        self, account: Account, kinds: int, what: str, request: Message, code: int, reply: Message | None,
        reason: str | None = None,
    ) -> None:  # fmt: skip
        """Say what happened to a request, in the kinds that are wanted."""
        if reason is None:
            reason = reply.reason if reply is not None and reply.status == code else reason_of(code)
        now = int(self.services.clock.time())
        facts = account.facts(request, code, reason, reply)
        if kinds & LOG:
            self.write(account, what, now, facts)
        if kinds & EVENT:
            values = dict(zip(FACTS, [*facts.values(), now], strict=True))
            more = account.more(self.fields.get("evi", {}), self.leg_fields.get("evi", {}))
            (self.missed if what == MISSED else self.happened).tell({**values, **dict(more)})

    def write(self, account: Account, what: str, now: int, facts: dict[str, str]) -> None:
        """One line in the log."""
        if log.level < self.log_level:
            return
        line = f"{what}timestamp={now}"
        if account.since:
            line += f";created={account.since};setuptime={now - account.since}"
        more = account.more(self.fields.get("log", {}), self.leg_fields.get("log", {}))
        for name, value in [*facts.items(), *more]:
            line += f";{name}={value}"
        log.put(self.log_level, "acc:acc_log_request", harmless(line))

    # -- variables

    def variables(self) -> list[VariableSpec]:
        return [
            VariableSpec("acc_extra", "acc", self.read_extra, self.write_extra, "required", help="Of the call."),
            VariableSpec("acc_leg", "acc", self.read_leg, self.write_leg, "required", index=True, help="Of a leg."),
            VariableSpec("acc_current_leg", "acc", lambda inner, index: self.current_leg, help="Number of the leg."),
        ]  # fmt: skip

    def current_leg(self, ctx: Context) -> Value:
        return max(len(self.account(ctx).legs) - 1, 0)

    def name_in(self, inner: Inner, declared: dict[str, dict[str, str]], parameter: str) -> str:
        """The name of a value that the parameter declares; raises BadName."""
        name = str(inner)
        if not any(name in fields for fields in declared.values()):
            raise BadName(f'"{name}" is not declared: modparam("acc", "{parameter}", "log: {name}")')
        return name

    def read_extra(self, inner: Inner, index: Index) -> Getter:
        name = self.name_in(inner, self.fields, "extra_fields")
        return lambda ctx: self.account(ctx).extras.get(name)

    def write_extra(self, inner: Inner, index: Index) -> Setter:
        name = self.name_in(inner, self.fields, "extra_fields")
        return lambda ctx, value, op: put(self.account(ctx).extras, name, value)

    def read_leg(self, inner: Inner, index: Index) -> Getter:
        name = self.name_in(inner, self.leg_fields, "leg_fields")
        number = number_in(index)

        def read(ctx: Context) -> Value:
            legs = self.account(ctx).legs
            return legs[number].get(name) if -len(legs) <= number < len(legs) else None

        return read

    def write_leg(self, inner: Inner, index: Index) -> Setter:
        name = self.name_in(inner, self.leg_fields, "leg_fields")
        number = number_in(index)

        def write(ctx: Context, value: Value, op: str) -> int:
            legs = self.account(ctx).legs
            return put(legs[number], name, value) if -len(legs) <= number < len(legs) else -1

        return write


def number_in(index: Index) -> int:
    """The number of a leg, -1 for the newest; raises BadName for anything but a number."""
    if index is None:
        return -1
    if not isinstance(index, int):
        raise BadName("a leg's index is a number")
    return index


def put(values: Leg, name: str, value: Value) -> int:
    """Set a value of the script's own."""
    values[name] = value
    return 1


class ByFlags(Observer):
    """Old scripts: every transaction is watched, and its message flags say whether it is accounted."""

    def __init__(self, module: Acc) -> None:
        self.module = module

    def created(self, transaction: Transaction, ctx: Context) -> None:
        account = self.module.watched(ctx)
        account.extras.update({name: show(ctx) for name, show in self.module.old_fields})
