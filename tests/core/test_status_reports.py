"""core/status_reports.py: what stands in the shared table, for whoever looks."""

from typing import Any

import pytest

from pysips.core.events import Events, Values
from pysips.core.exports import Json, MiError
from pysips.core.services import Services, TablesFull
from pysips.core.status_reports import EVENT, LONGEST, PARAMETERS, StatusReports
from pysips.runtime.mi_status import StatusCommands
from pysips.testing.fakes import FakeClock
from pysips.testing.tables import MemoryTable, MemoryTransaction


class World:
    def __init__(self) -> None:
        self.services = Services()
        self.services.tables = self.tables = MemoryTable()
        self.services.clock = self.clock = FakeClock()
        self.reports = self.services.status_reports
        self.commands = StatusCommands(self.reports)
        self.events = Events()
        self.told: list[Values] = []
        self.events.listen(EVENT, lambda name, values: self.told.append(values))
        self.reports.raise_by(self.events.define(EVENT, PARAMETERS))


@pytest.fixture
def world() -> World:
    return World()


def test_a_status_that_changes_is_an_event_and_one_that_stays_is_none(world: World) -> None:
    one = world.reports.group("routing").add("Default", -1, "loading")
    assert one.set(1, "data available")
    assert one.set(1, "more data")
    assert world.told == [
        {"group": "routing", "identifier": "Default", "status": 1, "details": "data available", "old_status": -1}
    ]
    assert one.set(0)
    assert (one.state().status, one.state().details, len(world.told)) == (1, "", 1)


def test_everybody_sees_what_one_process_said(world: World) -> None:
    other = World()
    other.services.tables = world.tables
    for each in (world, other):
        each.reports.group("routing").add(most=3)
    group = world.reports.find("ROUTING")
    assert group is not None
    one = group.add()
    for number in range(5):
        world.clock.seconds += 10
        one.report(f"report {number} \udcff" + "x" * 2 * LONGEST)
    one.set(-7, "broken")
    seen = other.reports.find("routing")
    assert seen is not None
    state = seen.add().state()
    assert (state.status, state.details) == (-7, "broken")
    assert [text[:15] for _, text in state.reports] == [f"report {number} \\udcff" for number in (2, 3, 4)]
    assert state.reports[1][0] - state.reports[0][0] == 10


def test_a_group_has_one_name_whatever_its_case(world: World) -> None:
    world.reports.group("routing")
    for name in ("Routing", "core", ""):
        with pytest.raises(ValueError, match="group"):
            world.reports.group(name)


def test_no_room_is_said_and_breaks_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise TablesFull

    one = world.reports.group("routing").add(most=3)
    monkeypatch.setattr(MemoryTransaction, "put", full)
    assert not one.set(-1)
    assert not one.report("x")
    assert (world.told, one.state().status) == ([], 1)


def commands(world: World) -> StatusCommands:
    world.reports.core_status = lambda: 1
    group = world.reports.group("routing")
    group.add("Default", 1, "data available", most=5).report("2 gateways")
    group.add("Default;events")
    return world.commands


DEFAULT: Json = {"Name": "Default", "Readiness": True, "Status": 1, "Details": "data available"}
EVENTS: Json = {"Name": "Default;events", "Readiness": True, "Status": 1}
MAIN: Json = {"Name": "main", "Readiness": True, "Status": 1, "Details": "running"}


def test_get_has_one_status_or_that_of_all_together(world: World) -> None:
    asked = commands(world)
    assert asked.get("core") == {"Readiness": True, "Status": 1, "Details": "running"}
    assert asked.get("routing", "default") == {"Readiness": True, "Status": 1, "Details": "data available"}
    assert asked.get("routing", "all") == {"Readiness": True, "Status": 1, "Details": "aggregated"}
    group = world.reports.find("routing")
    assert group is not None
    group.add("Default").set(-3)
    assert asked.get("routing", "all") == {"Readiness": False, "Status": -1, "Details": "aggregated"}
    for arguments, text in ((("nobody",), "Group not found"), (("routing", "main"), "Identity not found")):
        with pytest.raises(MiError, match=text) as refused:
            asked.get(*arguments)
        assert refused.value.code == 404


def test_lists_have_opensips_shape_the_newest_first(world: World) -> None:
    asked = commands(world)
    assert asked.list_status() == [
        {"Name": "routing", "Identifiers": [EVENTS, DEFAULT]}, {"Name": "core", "Identifiers": [MAIN]},
    ]  # fmt: skip
    assert asked.list_status("routing") == [EVENTS, DEFAULT]
    routing = {"Group": "routing", "Identifiers": ["Default;events", "Default"]}
    assert asked.list_identifiers() == [routing, {"Group": "core", "Identifiers": ["main"]}]
    assert asked.list_identifiers("routing") == routing


def test_reports_come_with_their_time(world: World) -> None:
    asked = commands(world)
    found: Any = asked.list_reports("routing", "Default")
    (report,) = found
    assert report["Log"] == "2 gateways"
    assert report["Timestamp"] == int(world.clock.time())
    assert len(report["Date"]) == len("Wed Feb  9 10:53:50 2022")
    of_group = [{"Name": "Default;events", "Reports": []}, {"Name": "Default", "Reports": [report]}]
    assert asked.list_reports("routing") == of_group
    assert asked.list_reports() == [
        {"Name": "routing", "Identifiers": of_group},
        {"Name": "core", "Identifiers": [{"Name": "main", "Reports": []}]},
    ]
    with pytest.raises(MiError, match="Identifier not found"):
        asked.list_reports("routing", "main")


def test_services_have_their_own() -> None:
    assert isinstance(Services().status_reports, StatusReports)
