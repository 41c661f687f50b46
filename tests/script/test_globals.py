"""The table of globals: whatever is marked as used is read by some code, and the rest says why it is not."""

import re
from pathlib import Path

import pytest

from pysips.script.globals import KNOWN, OTHER_NAMES

ROOT = Path(__file__).resolve().parents[2]
OWN_TABLE = ROOT / "pysips/script/globals.py"
SOURCES = [path for folder in ("pysips", "modules") for path in (ROOT / folder).rglob("*.py") if path != OWN_TABLE]
READ = re.compile(r'(?:(?:globals|known|settings)\[|known\(|setting\()"(\w+)"')


@pytest.mark.checkout
def test_every_global_that_has_a_meaning_is_read_and_no_other() -> None:
    read = {name for path in SOURCES for name in READ.findall(path.read_text("utf-8"))}
    used = {name for name, known in KNOWN.items() if not known.ignored}
    assert used - read == set(), "these are taken and nobody reads them"
    assert read & (KNOWN.keys() - used) == set(), "these are read, though they are said to have no effect"


def test_an_old_name_leads_to_a_known_one() -> None:
    assert set(OTHER_NAMES.values()) <= KNOWN.keys()
