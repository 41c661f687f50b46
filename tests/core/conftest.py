"""What several tests of the core ask for."""

import pytest

from .variables_rig import Script


@pytest.fixture
def script() -> Script:
    return Script()
