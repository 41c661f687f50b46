"""The tutorial's hot backup: a pair behind a virtual IP that real keepalived moves, with the hooks for pings."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import header, until

from .site_phones import DOMAIN, Crowd
from .sites import SITE, Node, Platform

pytestmark = [
    pytest.mark.show, pytest.mark.needs("ip"), pytest.mark.needs("mariadbd"), pytest.mark.needs("keepalived"),
    pytest.mark.timeout(300), pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]  # fmt: skip

VIRTUAL, OTHER = SITE[1], SITE[3]
USERS = [f"user{number}" for number in range(50)]
# opensips-cli waits for ever for a server that was killed: its FIFO is there, and nobody reads it.
CLI = Path(sys.executable).with_name("opensips-cli")
ASK = f"timeout 10 {CLI} -o fifo_file=$OSIPS_FIFO -x mi nh_enable_ping $pings"
HOOKS = {"opensipsctl": "", "opensips-cli": f". /etc/opensips/opensipsctlrc; {ASK}"}
EVERY_2_S = {'"natping_interval", 30': '"natping_interval", 2'}


@pytest.fixture(params=HOOKS)
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """A pair with keepalived, and a node of another site, whose virtual IP stays where it is."""
    with Platform(tmp_path, "2.4", "redis", alone=False, mended=EVERY_2_S) as made:
        other = made.node(3)
        other.ip("addr", "add", f"{OTHER}/24", "dev", "eth0")
        for number in (1, 2):
            made.node(number).prepare_virtual_ip(HOOKS[request.param])
        for node in made.nodes.values():
            node.start_server()
        made.linked(1, 2, 3)
        for number in (1, 2):
            made.nodes[number].start_keepalived()
            until(lambda: made.nodes[1].holds(VIRTUAL), 10, "the virtual IP at node 1")
        becomes_the_one_that_pings(made.nodes[1], made.nodes[2])
        yield made


def becomes_the_one_that_pings(active: Node, backup: Node) -> None:
    """The hooks have told both."""
    for node, status in ((active, 1), (backup, 0)):
        until(lambda: node.mi("nh_enable_ping") == {"Status": status}, 10, f"the hook of {node.name}")  # noqa: B023
    assert active.holds(VIRTUAL) and not backup.holds(VIRTUAL)


def pings(platform: Platform, since: int) -> set[str]:
    """The hardware addresses from which phones of the pair were pinged since then."""
    heard = platform.wire.read()[since:]
    return {sender for _, source, _, text, sender in heard if source == VIRTUAL and text.startswith("OPTIONS ")}


def only_one_pings(platform: Platform, one: Node, crowd: Crowd) -> None:
    mark, asked = platform.wire.mark(), len(crowd.asked)
    time.sleep(5)
    assert pings(platform, mark) == {one.hardware_address()}
    asked_for = {header(text, "To").partition("@")[0].rpartition(":")[2] for text in crowd.asked[asked:]}
    assert asked_for == set(USERS), "each contact is pinged"


def answered_after(crowd: Crowd, began: float) -> float:
    crowd.first_answer("REGISTER", USERS[0], 10, f"Contact: <sip:{USERS[0]}@{crowd.address}:5060>", "Expires: 600")
    return time.monotonic() - began


@pytest.mark.parametrize("dies", ["the server", "the machine"])
def test_the_backup_takes_over(platform: Platform, dies: str) -> None:
    active, backup = platform.nodes[1], platform.nodes[2]
    crowd, caller = platform.crowd(0, VIRTUAL), platform.crowd(1, OTHER)
    crowd.register(USERS)
    aors = {f"{user}@{DOMAIN}" for user in USERS}
    until(lambda: backup.aors() == aors, 10, "every contact at the backup")
    rows = {(user, VIRTUAL) for user in USERS}
    platform.rows_become(*rows)
    caller.reach(USERS)
    only_one_pings(platform, active, crowd)

    mark = platform.wire.mark()
    began = time.monotonic()
    if dies == "the machine":
        active.die()
    else:
        active.kill()
    seconds = answered_after(crowd, began)
    print(f"{dies} is gone: answered after {seconds:.2f} s")
    assert seconds < 3.0
    assert backup.holds(VIRTUAL)
    assert backup.aors() == aors
    caller.reach(USERS)
    assert platform.rows() == rows
    until(lambda: backup.mi("nh_enable_ping") == {"Status": 1}, 10, "the hook")
    late = [f"late{number}" for number in range(10)]
    crowd.register(late)
    platform.rows_become(*rows, *((user, VIRTUAL) for user in late))

    if dies == "the machine":
        active.revive()
    else:
        active.start_server()
    becomes_the_one_that_pings(backup, active)
    until(lambda: active.aors() == backup.aors() == aors | {f"{user}@{DOMAIN}" for user in late}, 15, "in sync")
    until(active.is_synced, 10, "its own word that it is in sync")
    crowd.register(late, expires=0)
    until(lambda: active.aors() == backup.aors() == aors, 10, "what is gone is gone at both")
    platform.rows_become(*rows)
    only_one_pings(platform, backup, crowd)
    caller.reach(USERS)
    assert pings(platform, mark) <= {active.hardware_address(), backup.hardware_address()}
    assert [node.errors() for node in platform.nodes.values()] == [[], [], []]
