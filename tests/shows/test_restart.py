"""A federated node that keeps its contacts in its own MariaDB: it forgets nothing, also where its site is cut off.

What single servers keep, on each database, is in test_persistency.py.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import header, until

from .site_phones import DOMAIN
from .sites import OWN, Node, Platform

pytestmark = [
    pytest.mark.show, pytest.mark.needs("ip"), pytest.mark.needs("mariadbd"), pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]  # fmt: skip

A, B = OWN[1], OWN[3]
INTERVAL = 2
AORS = [f"u{number}" for number in range(10_000)]
PRESET = 'modparam("usrloc", "working_mode_preset", "federation-cachedb-cluster")\n'
KEPT = """modparam("usrloc", "cluster_mode", "federation-cachedb")
modparam("usrloc", "restart_persistency", "load-from-sql")
modparam("usrloc", "sql_write_mode", "{write}")
modparam("usrloc", "db_url", "mysql://opensips:opensipsrw@localhost/opensips")
modparam("usrloc", "timer_interval", {interval})
"""


@pytest.fixture(params=["write-through", "write-back"])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """Two sites, as scripts/federation/README.md has it for nodes that run on their own."""
    mended = {PRESET: KEPT.format(write=request.param, interval=INTERVAL)}
    with Platform(tmp_path, "2.4", "redis", mended=mended) as made:
        for number in (1, 3):
            made.node(number).start_server()
        made.linked(1, 3)
        yield made


def full(users: list[str]) -> set[str]:
    return {f"{user}@{DOMAIN}" for user in users}


def told(what: str, began: float) -> None:
    print(f"{what}: {time.monotonic() - began:.2f} s")


def restarted(node: Node) -> Node:
    began = time.monotonic()
    node.start_server()
    told("the start", began)
    return node


def test_10_000_aors_live_through_restarts(platform: Platform, request: pytest.FixtureRequest) -> None:
    node, crowd = platform.nodes[1], platform.crowd(0, A)
    through = "write-through" in request.node.name
    began = time.monotonic()
    crowd.register(AORS, seconds=200)
    told("10,000 registrations", began)
    platform.rows_become(*((user, A) for user in AORS), seconds=30)
    began = time.monotonic()
    assert node.stop() == 0
    told("the stop", began)
    assert restarted(node).aors() == full(AORS)
    platform.crowd(1, B).reach(AORS[:50])
    assert len(platform.rows()) == len(AORS), "the records are still there, each once"

    late = [f"late{number}" for number in range(200)]
    if not through:
        time.sleep(INTERVAL + 2)
    crowd.register(late)
    node.kill()
    there = restarted(node).aors()
    assert full(AORS) <= there
    if through:
        assert full(late) <= there
    print(f"{len(full(late) - there)} of {len(late)} that came just before kill -9 are lost")


def test_a_site_that_is_cut_off_runs_on_its_own(platform: Platform) -> None:
    """Neither the store nor the other site can be reached; phones of the site can."""
    node = platform.nodes[1]
    others = [platform.store_machine, platform.nodes[3]]
    users = [f"user{number}" for number in range(200)]
    crowd = platform.crowd(0, A)
    crowd.register(users)
    platform.rows_become(*((user, A) for user in users))
    for machine in others:
        machine.plug(platform.network, False)

    late = [f"late{number}" for number in range(200)]
    crowd.register(late)
    crowd.reach(users + late)
    alice, bob = platform.phone("alice", 1, A), platform.phone("bob", 2, A)
    for phone in (alice, bob):
        phone.register()
    for restart in (node.stop, node.kill):
        alice.invite("bob")
        heard = bob.hear("INVITE")
        bob.answer(heard, "200 OK")
        taken = alice.hear(" 200 ")
        alice.acknowledge(taken)
        alice.inside("BYE", taken)
        bob.answer(bob.hear("BYE"), "200 OK")
        alice.hear(" 200 ")
        assert bob.address in header(taken, "Contact")
        time.sleep(INTERVAL + 2)
        restart()
        assert restarted(node).aors() == full([*users, *late, "alice", "bob"])
        crowd.reach(users + late)
    crowd.register(users[:50], expires=0)

    for machine in others:
        machine.plug(platform.network, True)
    platform.linked(1, 3)
    left = [*users[50:], *late, "alice", "bob"]
    platform.rows_become(*((user, A) for user in left), seconds=60)
    platform.crowd(3, B).reach(late)


def test_registering_goes_on_while_it_starts(platform: Platform) -> None:
    """Phones that register while 10,000 contacts come from the database are answered, and none is lost."""
    node, crowd = platform.nodes[1], platform.crowd(0, A)
    crowd.register(AORS, seconds=200)
    assert node.stop() == 0
    late = [f"late{number}" for number in range(100)]
    thread = threading.Thread(target=crowd.register, args=(late,))
    node.start_server(is_awaited=False)
    thread.start()
    until(node.is_ready, 60, "the start")
    thread.join()
    until(lambda: node.aors() == full(AORS + late), 30, "all of them")
