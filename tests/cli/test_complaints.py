from pysips.cli.complaints import text_of
from pysips.errors import Complaint, Place


def test_a_complaint_shows_place_line_caret_and_cure() -> None:
    complaint = Complaint(
        Place("a.cfg", 41, 5, 41, 12), 'unknown function "t_realy"', 'did you mean "t_relay"?', source="    t_realy();"
    )
    assert text_of(complaint).splitlines() == [
        'a.cfg:41:5: unknown function "t_realy"',
        "    41 |     t_realy();",
        "       |     ^^^^^^^",
        '         did you mean "t_relay"?',
    ]


def test_tabs_keep_the_caret_under_its_word() -> None:
    lines = text_of(Complaint(Place("a.cfg", 1, 3, 1, 7), "no", source="\t\texit;")).splitlines()
    assert lines[1:] == ["     1 | \t\texit;", "       | \t\t^^^^"]


def test_a_place_over_several_lines_is_marked_to_the_end_of_its_first() -> None:
    lines = text_of(Complaint(Place("a.cfg", 1, 7, 3, 2), "no", source='xlog("one')).splitlines()
    assert lines[2] == "       |       ^^^"


def test_without_the_source_the_message_stands_alone() -> None:
    assert text_of(Complaint(Place("/nowhere/a.cfg", 2, 1), "no such file")) == "/nowhere/a.cfg:2:1: no such file"
