"""What OpenSIPS 4.0.1 said, and PySIPS says; docs/differences.md lists where they differ."""

import json
import sys

import pytest

from .case import Case
from .differences import differences
from .run import SUITE, Options, cases, play_case
from .transcript import difference

HOW = Options(f"{sys.executable} -m pysips -f {{cfg}}", prelude="strict_parsing=no")
CASES = cases()
LISTED = differences()


def test_every_difference_names_a_case() -> None:
    assert not set(LISTED) - {case.name for case in CASES}


def test_no_more_than_a_few_differ() -> None:
    assert len(CASES) - len(LISTED) >= 200


def test_every_case_has_its_golden() -> None:
    folder = SUITE / "golden"
    goldens = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json")}
    assert goldens == {case.name for case in CASES}


@pytest.mark.scenario
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    golden = json.loads((SUITE / "golden" / f"{case.name}.json").read_text("utf-8"))
    got, output = play_case(case, HOW, None if case.name in LISTED else golden)
    differs = difference(golden, got, loose=False)
    if case.name in LISTED:
        assert differs, f"{case.name} passes: take it off docs/differences.md"
    else:
        assert not differs, "\n".join([case.title, *differs, *(f"server: {line}" for line in output[-40:])])
