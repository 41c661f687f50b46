"""acc: accounting of requests, to the log, as events and in a database (OpenSIPS manual: acc). AAA comes later.

do_accounting() asks for it; scripts of before 2.2 set message flags (`log_flag` …), which do the same.
"""

from typing import Annotated, NewType

from pysips.core.context import Context
from pysips.core.exports import (
    By,
    Module,
    Route,
    VariableSpec,
    event,
    function,
    modparam,
    needs,
    param,
    wants,
)  # fmt: skip
from pysips.core.log import harmless, log
from pysips.core.program import Program
from pysips.core.sqlversions import require
from pysips.errors import ModuleError
from pysips.sip.message import Message

from ..rr.api import RrApi
from ..tm.api import TmApi, reason_of
from .account import DB, EVENT, LOG, MISSED, NOT_YET, REQUEST, Account, fields_of, kinds_of, options_of
from .database import RowWriter
from .old import ANSWERS, FAILURES, MISSED_CALLS, OldScript
from .rows import VERSION, Rows
from .variables import specs

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
    raise ValueError("accounting to AAA servers is not in PySIPS yet; acc_log_request and acc_db_request are")


NotYet = Annotated[str, not_yet]
ForDatabase = Annotated[str, By("for_database")]


class Acc(Module):
    early_media: int = param(0, help="Account provisional replies that carry a body, too.")
    report_cancels: int = param(0, help="Account CANCEL, too.")
    detect_direction: int = param(0, help="Let the caller be the caller in requests that go upstream (needs rr).")
    log_level: int = param(2, low=-3, high=4, help="Level of the lines in the log.")
    db_url: str = param("", help="The database; db_default_url where this is empty.")
    db_table_acc: str = param("acc", help="Table of answered requests.")
    db_table_missed_calls: str = param("missed_calls", help="Table of missed calls.")
    acc_method_column: str = param("method", help="Column of the method.")
    acc_from_tag_column: str = param("from_tag", help="Column of the caller's tag.")
    acc_to_tag_column: str = param("to_tag", help="Column of the callee's tag.")
    acc_callid_column: str = param("callid", help="Column of the Call-ID.")
    acc_sip_code_column: str = param("sip_code", help="Column of the status.")
    acc_sip_reason_column: str = param("sip_reason", help="Column of the reason phrase.")
    acc_time_column: str = param("time", help="Column of the time.")
    db_max_waiting: int = param(50_000, low=1, help="Rows that a process keeps while the database is away.")
    tm: TmApi = needs("tm")
    rr: RrApi | None = wants("rr")
    happened = event("E_ACC_EVENT", *FACTS)
    missed = event("E_ACC_MISSED_EVENT", *FACTS)

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, str]] = {}
        self.leg_fields: dict[str, dict[str, str]] = {}
        self.old = OldScript(self)
        self.rows = Rows()
        self.writer: RowWriter | None = None
        self.asks_database = False  # the script does

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
        self.add_flag(ANSWERS, LOG, value)

    @modparam("log_missed_flag", help="Old scripts: the message flag that asks for missed calls.")
    def set_missed_flag(self, value: str) -> None:
        self.add_flag(MISSED_CALLS, LOG, value)

    @modparam("db_flag", help="Old scripts: log_flag for the database.")
    def set_db_flag(self, value: str) -> None:
        self.add_flag(ANSWERS, DB, value)

    @modparam("db_missed_flag", help="Old scripts: log_missed_flag for the database.")
    def set_db_missed_flag(self, value: str) -> None:
        self.add_flag(MISSED_CALLS, DB, value)

    @modparam("failed_transaction_flag", help="Old scripts: the message flag that asks for failures, too.")
    def set_failed_flag(self, value: str) -> None:
        self.add_flag(FAILURES, LOG | DB, value)

    def add_flag(self, what: int, kinds: int, name: str) -> None:
        self.asks_database |= what != FAILURES and bool(kinds & DB)
        self.old.flags.append((what, kinds, self.services.message_flags.mask(name)))

    @modparam("log_extra", help='Old scripts: values of every line, "name=$variable;other=$variable".')
    def add_log_formats(self, value: str) -> None:
        self.fields.setdefault("log", {}).update(self.old.add_formats("log_extra", value))

    @modparam("db_extra", help='Old scripts: values of every row, "column=$variable;other=$variable".')
    def add_db_formats(self, value: str) -> None:
        self.fields.setdefault("db", {}).update(self.old.add_formats("db_extra", value))

    @modparam("cdr_flag")
    @modparam("aaa_url")
    def refuse(self, value: str) -> None:
        raise ValueError(f'accounting to {NOT_YET["aaa"]}, and "cdr", are not in PySIPS yet')

    def configure(self) -> None:
        if self.detect_direction and self.rr is None:
            raise ModuleError('detect_direction needs the module rr: loadmodule "rr.so"')
        self.old.configure()
        self.rows.name_columns(
            self.acc_method_column, self.acc_from_tag_column, self.acc_to_tag_column, self.acc_callid_column,
            self.acc_sip_code_column, self.acc_sip_reason_column, self.acc_time_column,
        )  # fmt: skip
        if self.db_url or self.asks_database:
            self.open_database()

    def approve(self, edition: Program) -> None:
        if self.asks_database and self.writer is None:
            self.open_database()

    def open_database(self) -> None:
        """Connects nowhere. Raises ModuleError."""
        database = self.program.databases.open(self.db_url)
        self.writer = RowWriter(database, self.services, self.db_max_waiting, self.rows.widths())

    def has_database(self, caller: str) -> bool:
        """Whether there is one for a function that asks for it only now, by a variable; the log says why not."""
        try:
            if self.writer is None:
                self.open_database()
        except ModuleError as problem:
            log.error(f"acc:{caller}", str(problem))
            return False
        return True

    async def start(self) -> None:
        if self.writer is not None:
            await require(self.writer.database, self.db_table_acc, VERSION)

    async def stop(self) -> None:
        if self.writer is not None:
            await self.writer.finish()

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

    # -- the script's functions

    def kinds_to_do(self, words: str) -> Kinds:
        """See kinds_of."""
        bits = kinds_of(words)
        self.asks_database |= bool(bits & DB)
        return Kinds(bits)

    def for_database(self, table: str) -> str:
        """A table that the script writes to."""
        self.asks_database = True
        return table

    @function("do_accounting", routes=ROUTES)
    def do_accounting(
        self, ctx: Context, kinds: Annotated[Kinds, By("kinds_to_do")],
        flags: Annotated[Options, options] = Options(frozenset()), table: str = "",
    ) -> int:  # fmt: skip
        """Account this request: "log", "evi", "db" or several; flags: "missed", "failed"; table: for answers."""
        if ctx.message.method == "CANCEL" and not self.report_cancels:
            return 1
        if kinds & DB and not self.has_database("do_accounting"):
            return -1
        account = self.watched(ctx)
        account.answered_by |= kinds
        if "missed" in flags:
            account.missed_by |= kinds
        if "failed" in flags:
            account.failed_by |= kinds
        account.table = table or account.table
        return 1

    @function("drop_accounting", routes=ROUTES)
    def drop_accounting(
        self, ctx: Context, kinds: Annotated[Kinds, kinds] = Kinds(LOG | EVENT | DB),
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

    def report_now(self, ctx: Context, kinds: int, comment: str, table: str = "") -> int:
        """See acc_log_request."""
        word, _, rest = comment.strip().partition(" ")
        is_status = len(word) == 3 and word.isascii() and word.isdigit()
        account: Account | None = ctx.noted(ACCOUNT)
        made = account or Account(self, 0)
        code, reason = (int(word), rest.strip()) if is_status else (0, comment)
        self.report(made, kinds, REQUEST, ctx.message, code, None, reason, table)
        return 1

    @function("acc_db_request", routes=ROUTES)
    def database_request(self, ctx: Context, comment: str, table: ForDatabase) -> int:
        """The same as a row of that table."""
        if not table:
            log.error("acc:acc_db_request", "no table is named")
            return -1
        if not self.has_database("acc_db_request"):
            return -1
        return self.report_now(ctx, DB, comment, table)

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
        reason: str | None = None, table: str = "",
    ) -> None:  # fmt: skip
        """Say what happened to a request, in the kinds that are wanted. table: of the database, "" for the usual."""
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
        if kinds & DB:
            usual = self.db_table_missed_calls if what == MISSED else account.table or self.db_table_acc
            self.put(account, now, facts, table or usual)

    def put(self, account: Account, now: int, facts: dict[str, str], table: str) -> None:
        """Rows of a table, one or one for each leg."""
        is_missed = table == self.db_table_missed_calls
        fields, leg_fields = self.fields.get("db", {}), self.leg_fields.get("db", {})
        for row in self.rows.of(account, facts, now, is_missed, fields, leg_fields):
            if self.writer is not None:
                self.writer.put(table, row)

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
        return specs(self)
