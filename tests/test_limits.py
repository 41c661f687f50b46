"""docs/limits.md says what the code does: each row names a constant, a global or a modparam, and gives its value."""

import importlib
import re
from pathlib import Path

import pytest

from pysips.core.exports import declarations
from pysips.core.registry import find_class
from pysips.script.globals import KNOWN

ROW = re.compile(r"^\| [^|]+ \| ([\d,]+)[^|]* \| [^|]+ \| `([\w.]+)` \|$", re.M)
PAGE = (Path(__file__).parent.parent / "docs" / "limits.md").read_text("utf-8")
ROWS = [(name, int(value.replace(",", ""))) for value, name in ROW.findall(PAGE)]
MODULES = ("proto_bin", "proto_tcp", "registrar")
ON_EVERY_MESSAGE = ("sip.limits", "sip.text")


def value_of(name: str) -> int | None:
    """A global's default, a modparam's of MODULES, a constant or a class's default; None if there is none."""
    if name in KNOWN:
        return int(str(KNOWN[name].default))
    for module in MODULES:
        if name in (params := declarations(find_class(module)).params):
            return int(params[name].default)
    home, _, last = name.rpartition(".")
    if home.rpartition(".")[2][:1].isupper():
        home, _, owner = home.rpartition(".")
        found = getattr(getattr(importlib.import_module(f"pysips.{home}"), owner)(), last, None)
    else:
        found = getattr(importlib.import_module(f"pysips.{home}"), last, None)
    return None if found is None else int(found)


@pytest.mark.parametrize(("name", "value"), ROWS)
def test_a_documented_limit_is_the_one_that_holds(name: str, value: int) -> None:
    assert value_of(name) == value


def test_every_row_is_read() -> None:
    assert len(ROWS) == PAGE.count("` |\n") >= 30


@pytest.mark.parametrize("module", ON_EVERY_MESSAGE)
def test_no_limit_of_a_message_is_left_out(module: str) -> None:
    ours = {
        name for name in vars(importlib.import_module(f"pysips.{module}")) if name.startswith(("MOST_", "LONGEST_"))
    }
    assert {f"{module}.{name}" for name in ours} <= {name for name, _ in ROWS}
