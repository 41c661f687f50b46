"""script/complaints.py: what is wrong, as people read it."""

from pysips.errors import Complaint, Place
from pysips.script.complaints import cure_for, did_you_mean, render, report, verdict

from .small import Small


def test_caret_stands_under_the_place() -> None:
    complaint = Complaint(Place("x.cfg", 3, 6, 3, 9), "what", "cure", "\tif ($rx) exit;")
    assert render(complaint) == "x.cfg:3:6: what; cure\n     if ($rx) exit;\n         ^~~"


def test_caret_of_a_place_over_lines_is_one_wide() -> None:
    assert render(Complaint(Place("x.cfg", 3, 1, 5, 9), "what", "", "abc")).endswith("\n    abc\n    ^")


def test_without_source_and_cure() -> None:
    assert render(Complaint(Place("x.cfg", 3), "what")) == "x.cfg:3:1: what"


def test_report_goes_by_file_and_line() -> None:
    complaints = [Complaint(Place(file, line), "m") for file, line in (("b", 9), ("a", 2), ("b", 3))]
    assert report(complaints) == "b:3:1: m\nb:9:1: m\na:2:1: m\nbad config file (3 errors)"


def test_verdict() -> None:
    assert verdict([]) == "config file ok, exiting..."
    assert verdict([Complaint(Place("x", 1), "m")]) == "bad config file (1 error)"


def test_near_names() -> None:
    assert did_you_mean("T_Realy", ["t_relay", "t_reply"]) == "did you mean t_relay?"
    assert did_you_mean("xyz", ["t_relay"]) == ""


def test_cures() -> None:
    catalogue = Small()
    assert cure_for("function", "lookup", catalogue, ()) == 'load module registrar first: loadmodule "registrar.so"'
    assert cure_for("function", "dlg_on_answer", catalogue, ()) == (
        "known to OpenSIPS 3.4 3.6 4.0 (module dialog), not in PySIPS yet"
    )
    assert cure_for("function", "anser", catalogue, ["answer"]) == "did you mean answer?"
