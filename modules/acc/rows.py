"""What a report is as rows of a database (OpenSIPS' tables `acc`, version 7, and `missed_calls`, version 5)."""

from datetime import datetime
from typing import Final, final

from pysips.core.sqltables import ACC
from pysips.errors import ModuleError

from .account import Account
from .database import Row

VERSION: Final = ACC.version
FACTS: Final = ("method", "from_tag", "to_tag", "call_id", "code", "reason", "time")
USUAL: Final = ("method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason", "time")


@final
class Rows:
    """columns: fact → the column that it goes to."""

    def __init__(self) -> None:
        self.columns = dict(zip(FACTS, USUAL, strict=True))

    def name_columns(self, *names: str) -> None:
        """Their names, in the order of FACTS. Raises ModuleError."""
        for fact, usual, name in zip(FACTS, USUAL, names, strict=True):
            if not name.strip():
                raise ModuleError(f"the column of {usual} needs a name")
            self.columns[fact] = name.strip()

    def widths(self) -> dict[str, int]:
        """How many characters OpenSIPS' layout has for each of our columns of text."""
        sizes = {column.name: column.size for column in ACC.columns if column.size}
        return {self.columns[fact]: sizes[usual] for fact, usual in zip(FACTS, USUAL, strict=True) if usual in sizes}

    def of(
        self, account: Account, facts: dict[str, str], now: int, is_missed: bool, fields: dict[str, str],
        leg_fields: dict[str, str],
    ) -> list[Row]:  # fmt: skip
        """One row, or one for each leg. now: Unix seconds; is_missed: that table has no durations.
        fields, leg_fields: the script's own values → their columns.

        Without do_accounting() (account.since is 0) there is nothing of a call: no times and no values of the script's.
        """
        row: Row = {self.columns[fact]: value for fact, value in facts.items()}
        row[self.columns["time"]] = datetime.fromtimestamp(now)
        if not account.since:
            return [row]
        row.update(setuptime=max(now - account.since, 0), created=datetime.fromtimestamp(account.since))
        if not is_missed:
            row.update(duration=0, ms_duration=0)
        row.update(account.own(fields))
        if not leg_fields or not account.legs:
            return [row]
        return [{**row, **dict(account.of_leg(leg, leg_fields))} for leg in account.legs]
