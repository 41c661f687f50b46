"""Flag names become bits, 32 of a kind at most."""

import pytest

from pysips.core.flags import FlagNames
from pysips.errors import BadName


def test_names_come_back_most_recently_defined_first() -> None:
    flags = FlagNames("message")
    first, second = flags.mask("NAT"), flags.mask("ACC")
    assert flags.names(first | second) == ["ACC", "NAT"]
    assert flags.mask("NAT") == first


def test_a_33rd_name_and_an_empty_one_are_refused() -> None:
    flags = FlagNames("branch")
    for number in range(32):
        flags.mask(f"f{number}")
    with pytest.raises(BadName, match="more than 32 branch flags"):
        flags.mask("one_more")
    with pytest.raises(BadName, match="needs a name"):
        flags.mask("")
