"""Whole scripts: what good ones log, and what is said of bad ones, word for word.

good/NAME.cfg beside NAME.out: the lines that its main route logs. bad/NAME.cfg beside NAME.out: its complaints.
"""

from pathlib import Path
from random import Random

import pytest

from pysips.script import check, config, parse, source
from pysips.script.complaints import report

from .small import Run, Small, compiled, complaints_of, finish

FOLDER = Path(__file__).parent
GOOD = sorted(FOLDER.glob("good/*.cfg"))
BAD = sorted(FOLDER.glob("bad/*.cfg"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_script_logs(path: Path) -> None:
    assert report(complaints_of(path)) == "config file ok, exiting..."
    ctx = Run()
    told: list[str] = []
    finish(compiled(path.read_text("utf-8"), told, str(path)).routes["route", ""](ctx))
    lines = ctx.log + [f"told: {line.replace(str(path), path.name)}" for line in told]
    assert "\n".join(lines) + "\n" == path.with_suffix(".out").read_text("utf-8")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_script_is_told_everything(path: Path) -> None:
    assert report(complaints_of(path)) + "\n" == path.with_suffix(".out").read_text("utf-8")


def test_no_complaint_ends_without_a_place() -> None:
    for path in BAD:
        for complaint in complaints_of(path):
            assert complaint.place.file == path.name
            assert 0 < complaint.place.line <= len(path.read_text("utf-8").splitlines()) + 1


PIECES = ["{", "}", "(", ")", ";", '"', "'", "else", "route", "[", "$(", "$var(x)", "==", "case", "/*", "#", ",", "\\"]


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_script_is_told_and_never_breaks_the_reader(seed: int) -> None:
    random = Random(seed)
    for _ in range(12):
        text = random.choice(GOOD).read_text("utf-8")
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(text))
            text = text[:at] + random.choice(PIECES) + text[at + random.choice((0, 0, 3)) :]
        script, complaints = parse.parse_source(source.of_text(text, "damaged.cfg"))
        config.read(script, complaints)
        check.check(script, Small(), complaints)
        assert report(complaints).splitlines()[-1].startswith(("config file ok", "bad config file"))


def test_what_stands_beside_a_mistake_is_still_read() -> None:
    text = "log_level=3\nroute { f( ; g(); }\nroute[x] { h(); }\n"
    script, complaints = parse.parse_source(source.of_text(text, "x.cfg"))
    assert len(complaints) == 1
    assert [setting.name for setting in script.settings] == ["log_level"]
    assert [block.name for block in script.routes] == ["", "x"]
