"""Sharing tags: the last one to activate a tag has it."""

import pytest

from pysips.modules.clusterer.tags import BY_MI, BadTag, TagChange, parse_declared, parse_name
from tests.modules.clusterer.fabric import EPOCH, Fabric


def activate(fabric: Fabric, node_id: int) -> None:
    fabric.machines[node_id].activate("vip", 1, BY_MI, EPOCH + fabric.now)


def holders(fabric: Fabric) -> set[int]:
    """The nodes at which the tag is active."""
    machines = fabric.machines.items()
    return {one for one, machine in machines if (tag := machine.tags.get("vip", 1)) is not None and tag.active}


def test_who_activates_a_tag_has_it_alone() -> None:
    fabric = Fabric(1, 2, 3)
    fabric.run(3)
    activate(fabric, 1)
    fabric.run(0.1)
    assert holders(fabric) == {1}
    activate(fabric, 2)
    fabric.run(0.1)
    assert holders(fabric) == {2}
    assert fabric.machines[1].tags.changes == [
        TagChange("vip", 1, True, BY_MI), TagChange("vip", 1, False, "cluster broadcast from 2")
    ]  # fmt: skip


def test_a_node_that_was_away_hears_of_it_when_it_is_back() -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    activate(fabric, 1)
    fabric.cut(1, 2)
    fabric.run(12)
    activate(fabric, 2)
    assert holders(fabric) == {1, 2}
    fabric.mend(1, 2)
    fabric.run(62)
    assert holders(fabric) == {2}


@pytest.mark.parametrize("restarted_active", [True, False])
def test_the_old_active_one_started_again_does_not_leave_the_tag_to_nobody(restarted_active: bool) -> None:
    fabric = Fabric(1, 2)
    fabric.run(3)
    activate(fabric, 1)
    fabric.run(1)
    fabric.kill(1)
    fabric.run(10)
    activate(fabric, 2)
    fabric.start(1).declare_tag("vip", 1, restarted_active, EPOCH + fabric.now + 1)
    fabric.run(5)
    assert holders(fabric) == ({1} if restarted_active else {2})


def test_a_tag_that_moves_again_right_after_two_claims_moves() -> None:
    fabric = Fabric(1, 2)
    for one in (1, 2):
        fabric.machines[one].declare_tag("vip", 1, True, EPOCH + one)
    fabric.run(3)
    assert holders(fabric) == {2}
    fabric.run(3)
    activate(fabric, 1)
    fabric.run(0.1)
    assert holders(fabric) == {1}


def test_what_the_script_says_of_tags() -> None:
    assert parse_name("vip1/12") == ("vip1", 12)
    assert parse_declared("vip1/1=active") == ("vip1", 1, True)
    assert parse_declared("vip1/1 = backup") == ("vip1", 1, False)
    for bad in ("vip", "vip/", "/1", "vip/x", "vip/0", "a b/1", "vip/1234567890"):
        with pytest.raises(BadTag):
            parse_name(bad)
    for bad in ("vip/1", "vip/1=on", "vip=active"):
        with pytest.raises(BadTag):
            parse_declared(bad)
