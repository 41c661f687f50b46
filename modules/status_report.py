"""status_report: groups of status reports for the script's own use (OpenSIPS manual: status_report)."""

from typing import Annotated

from pysips.core.context import Context
from pysips.core.exports import By, Module, Static, function, modparam
from pysips.core.status_reports import Group

REPORTS = 50


class StatusReport(Module):
    @modparam("script_sr_group", help="The name of a group that the script makes use of; given once for each.")
    def add_group(self, name: str) -> None:
        self.services.status_reports.group(name.strip(), is_public=True).add(most=REPORTS)

    def own_group(self, name: str) -> Group:
        """A group of the script's; raises ValueError."""
        found = self.services.status_reports.find(name)
        if found is None or not found.is_public:
            raise ValueError(f'no group "{name}": modparam("status_report", "script_sr_group", "{name}")')
        return found

    @function("sr_set_status")
    def set_status(
        self, ctx: Context, group: Annotated[Group, Static, By("own_group")], status: int, details: str = ""
    ) -> int:
        """The status of a group: positive is well, negative is not, 0 counts as 1."""
        return 1 if group.add().set(status, details) else -1

    @function("sr_add_report")
    def add_report(self, ctx: Context, group: Annotated[Group, Static, By("own_group")], report: str) -> int:
        """One more report of a group, which keeps the last 50."""
        return 1 if group.add().report(report) else -1
