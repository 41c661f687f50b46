"""Management commands about status and reports (OpenSIPS: status_report.c; manual: Status/Report Interface)."""

import time

from pysips.core.exports import Json, MiError, Module, mi
from pysips.core.status_reports import Group, Identifier, State, StatusReports


class StatusCommands(Module):
    """See core/status_reports.py."""

    name = "core"

    def __init__(self, reports: StatusReports) -> None:
        self.reports = reports

    @mi("sr_get_status", full="status_report:get")
    def get(self, group: str, identifier: str = "") -> Json:
        """Readiness, status and details of an identifier ("main" by default), or of "all" of a group."""
        state = self.group(group).check(identifier)
        if state is None:
            raise MiError(404, "Identity not found")
        return shown(state)

    @mi("sr_list_status", full="status_report:status")
    def list_status(self, group: str = "") -> Json:
        """The same of all identifiers, of one group or of all."""
        if group:
            return statuses(self.group(group))
        return [{"Name": one.name, "Identifiers": statuses(one)} for one in self.reports.groups.values()]

    @mi("sr_list_reports", full="status_report:reports")
    def list_reports(self, group: str = "", identifier: str = "") -> Json:
        """What one or all identifiers told, of one group or of all."""
        if not group:
            return [{"Name": one.name, "Identifiers": reports_of_all(one)} for one in self.reports.groups.values()]
        if not identifier:
            return reports_of_all(self.group(group))
        found = self.group(group).find(identifier)
        if found is None:
            raise MiError(404, "Identifier not found")
        return reports_of(found)

    @mi("sr_list_identifiers", full="status_report:identifiers")
    def list_identifiers(self, group: str = "") -> Json:
        """The names of one group's identifiers, or of all."""
        return names(self.group(group)) if group else [names(one) for one in self.reports.groups.values()]

    def group(self, name: str) -> Group:
        found = self.reports.find(name)
        if found is None:
            raise MiError(404, "Group not found")
        return found


def shown(state: State) -> dict[str, Json]:
    made: dict[str, Json] = {"Readiness": state.status > 0, "Status": state.status}
    return made | {"Details": state.details} if state.details else made


def statuses(group: Group) -> list[Json]:
    return [{"Name": one.name, **shown(one.state())} for one in group.identifiers.values()]


def reports_of_all(group: Group) -> list[Json]:
    return [{"Name": one.name, "Reports": reports_of(one)} for one in group.identifiers.values()]


def reports_of(one: Identifier) -> list[Json]:
    return [{"Timestamp": when, "Date": time.ctime(when), "Log": text} for when, text in one.state().reports]


def names(group: Group) -> dict[str, Json]:
    return {"Group": group.name, "Identifiers": [one.name for one in group.identifiers.values()]}
