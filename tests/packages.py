"""Debian's programs that tests need: the package that brings each, and what happens where one is missing."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = dict(
    line.split()[1::-1]
    for line in (Path(__file__).parent / "debian-packages").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


def need(program: str) -> None:
    """Skip the test where a program is not installed, with the command that brings it; in CI that is a failure."""
    if shutil.which(program) is None:
        missing(f"{program} is missing: apt-get install {PACKAGES[program]}")


def missing(reason: str) -> None:
    """Skip the test; in CI nothing is skipped."""
    pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
