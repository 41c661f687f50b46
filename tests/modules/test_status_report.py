"""status_report: groups of the script's own."""

import pytest

from pysips.errors import ConfigError
from pysips.testing.once import once

ALARMS = (
    'modparam("status_report", "script_sr_group", "security")\nmodparam("status_report", "script_sr_group", "alarms")'
)


def test_a_script_sets_and_asks_a_status_of_its_own() -> None:
    done = once(
        'sr_check_status("security"); say("$rc"); sr_set_status("security", -3, "under attack"); say("$rc");'
        'sr_check_status("security"); say("$rc"); sr_check_status("security", "all"); say("$rc");'
        'sr_set_status("Security", 0); sr_check_status("security"); say("$rc"); sr_check_status("alarms"); say("$rc");',
        modules="status_report", top=ALARMS,
    )  # fmt: skip
    assert done.lines == ["1", "1", "-3", "-1", "1", "1"]


def test_it_keeps_the_last_fifty_reports() -> None:
    route = '$var(i) = 0; while ($var(i) < 60) { sr_add_report("alarms", "from $si, $var(i)"); $var(i) = $var(i) + 1; }'
    done = once(route, modules="status_report", top=ALARMS)
    group = done.story.program.services.status_reports.find("alarms")
    assert group is not None
    assert [text for _, text in group.add().state().reports] == [f"from 10.0.0.1, {number}" for number in range(10, 60)]


@pytest.mark.parametrize(
    ("route", "top", "complaint"),
    [
        ('sr_set_status("core", 1);', ALARMS, 'no group "core"'),
        ('sr_add_report("nobody", "x");', ALARMS, 'no group "nobody"'),
        ("exit;", ALARMS + ALARMS.replace("alarms", "more"), 'there is a status/report group "security" already'),
        ("exit;", ALARMS.replace("alarms", "Core"), 'there is a status/report group "Core" already'),
        ("exit;", ALARMS.replace("alarms", " "), "a group needs a name"),
    ],
)
def test_groups_that_may_not_be_are_complaints(route: str, top: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        once(route, modules="status_report", top=top)
    assert complaint in refused.value.complaints[0].message
